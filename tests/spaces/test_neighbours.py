"""Neighbours are different cells one step away."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import DARTS, CellSpace
from tests.twins.neighbours import neighbours_twin

from .examples import FREE_NODES, SPACES, TWO_INPUTS, random_rows

NO_INNER = CellSpace(nodes=3, operations=["a", "b"], edges="free", input_nodes=2)
MANY = CellSpace(nodes=6, operations=list("abcde"), edges="free")
CHAINS = CellSpace(nodes=7, operations=list("abc"), operations_on="nodes", edges=[(i, i + 1) for i in range(6)])


@pytest.mark.parametrize("space", [*SPACES, DARTS()], ids=lambda space: space.name)
def test_neighbours_are_different_valid_cells_and_reach_the_whole_space(space):
    rows = space.sample(10 if space.n_cells is None or space.n_cells > 10 else space.n_cells, rng=0)
    for row in rows:
        near = space.neighbours(row)
        keys = space.canonical_key(near)
        assert space.valid(near).all() and len(set(keys.tolist())) == len(near) > 0
        assert space.canonical_key(row[None])[0] not in keys
        np.testing.assert_array_equal(space.canonicalise(near), near)
        assert (np.diff(keys) > 0).all()
    if space.n_cells is not None and space.n_cells < 1000:
        reached, front = set(), [rows[0]]
        while front:
            row = front.pop()
            key = int(space.canonical_key(row[None])[0])
            if key not in reached:
                reached.add(key)
                front += list(space.neighbours(row))
        assert len(reached) == space.n_cells


def test_neighbours_by_hand():
    """conv(0)+output(1): another operation, the edge past it, or a node more: side by side, before or after."""
    near = {str(cell) for cell in FREE_NODES.cells(FREE_NODES.neighbours("conv(0)+output(1)"))}
    assert {
        "pool(0)+output(1)",
        "conv(0)+output(0,1)",
        "conv(0)+pool(0)+output(1,2)",
        "conv(0)+conv(1)+output(1,2)",
    } <= near
    assert "conv(0)+conv(1)+output(2)" not in near  # two edges changed and one taken away
    assert all(text.count("(") <= 3 for text in near)


def test_mutants_are_neighbours():
    rows = FREE_NODES.sample(30, rng=0)
    mutants = FREE_NODES.mutate(rows, rng=1)
    for row, mutant in zip(rows, mutants):
        assert mutant.tolist() in FREE_NODES.neighbours(row).tolist()
    np.testing.assert_array_equal(mutants, FREE_NODES.mutate(rows, rng=1))
    assert (mutants != FREE_NODES.mutate(rows, rng=2)).any()


@pytest.mark.parametrize("space", [*SPACES, DARTS(), NO_INNER, MANY, CHAINS], ids=lambda space: space.name[:40])
def test_neighbours_of_many_cells_are_those_of_a_twin(space):
    rows = np.concatenate([space.sample_up_to(8, rng=1), random_rows(space, 12, seed=2)])  # some are no cells
    near = space.neighbourhoods(rows)
    expected = [neighbours_twin(space, row) for row in rows]
    assert near.counts.tolist() == [len(part) for part in expected]
    np.testing.assert_array_equal(near.codes, np.concatenate(expected))
    np.testing.assert_array_equal(near.keys, space.canonical_key(near.codes))
    for row, part in zip(rows[:5], expected):
        np.testing.assert_array_equal(space.neighbours(row), part)
    none = space.neighbourhoods(rows[:0])
    assert none.codes.shape == (0, rows.shape[1]) and none.keys.shape == none.counts.shape == (0,)


def test_neighbours_follow_what_a_subclass_calls_equal():
    class Ordered(CellSpace):
        """Cells are equal when their rows are, pruned."""

        def canonicalise(self, codes):
            return self.prune(codes)

    class Shapes(CellSpace):
        """Cells are equal when they have the same edges, whatever is on them; no cell has five edges."""

        def canonicalise(self, codes):
            return super().canonicalise(np.minimum(self.codes(codes), 1))

        def valid(self, codes):
            return super().valid(codes) & ((self.prune(codes) > 0).sum(axis=1) != 5)

    ordered = Ordered(nodes=5, operations=["conv", "pool"], operations_on="nodes", edges="free", max_edges=6)
    row = ordered.codes("conv(0)+pool(0)+output(1,2)")[0]
    near = ordered.neighbours(row)
    np.testing.assert_array_equal(near, neighbours_twin(ordered, row))
    assert (FREE_NODES.canonicalise(near) != near).any()
    shapes = Shapes(nodes=4, operations=["a", "b"], edges="free")
    for cell in ([1, 1, 2, 1, 1, 1], [1, 0, 2, 1, 0, 1]):  # six edges, and four
        row = np.array(cell, np.uint8)
        near = shapes.neighbours(row)
        np.testing.assert_array_equal(near, neighbours_twin(shapes, row))
        assert near.max() == 1 and 5 not in near.sum(axis=1)


def test_neighbours_in_a_subset_are_of_it():
    rows = TWO_INPUTS.sample(300, rng=0)
    part = TWO_INPUTS.subset(rows)
    near = part.neighbourhoods(rows[:20])
    keys = set(part.classes().keys.tolist())
    for row, first, count in zip(rows, np.cumsum(near.counts) - near.counts, near.counts):
        everywhere = TWO_INPUTS.neighbourhoods([row]).keys.tolist()
        assert near.keys[first : first + count].tolist() == [key for key in everywhere if key in keys]
