"""Neighbours are different cells one step away."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import DARTS

from .examples import FREE_NODES, SPACES


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
