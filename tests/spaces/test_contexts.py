"""Contexts of operations against brute force on the drawn graphs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from crlso.spaces import DARTS, CellSpace, NASBench201
from crlso.spaces.contexts import ContextCounts
from tests.spaces.examples import SPACES


def live_edges(graph, layout) -> list[tuple[int, int, str]]:
    """Edges of a drawn graph on a path from an input to the output, by repeated walks from both sides."""
    edges = [(source, target, name) for source, target, name, _ in graph.edges if name not in layout.zero]
    reached = set(range(layout.n_inputs))
    used = {len(graph.labels) - 1} if layout.has_output else set(range(layout.n_inputs, len(graph.labels)))
    for _ in graph.labels:
        reached |= {target for source, target, _ in edges if source in reached}
        used |= {source for source, target, _ in edges if target in used}
    return [edge for edge in edges if edge[0] in reached and edge[1] in used]


def neighbourhoods(graph, layout) -> tuple[dict, list]:
    """The operations of a drawn graph with inputs and output, and which of them are adjacent."""
    edges, last = live_edges(graph, layout), len(graph.labels) - 1
    names = {("node", i): f"input {i}" for i in range(layout.n_inputs)}
    if layout.has_output:
        names["node", last] = "output"
    if layout.operations_on_nodes:
        names |= {
            ("node", node): graph.labels[node] for *pair, _ in edges for node in pair if node in layout.intermediate
        }
        return names, [(("node", source), ("node", target)) for source, target, _ in edges]
    names |= {edge: edge[2] for edge in edges}
    adjacent = [(a, b) for a in edges for b in edges if a[1] == b[0]]
    adjacent += [(("node", edge[0]), edge) for edge in edges if edge[0] < layout.n_inputs]
    adjacent += [(edge, ("node", last)) for edge in edges if layout.has_output and edge[1] == last]
    return names, adjacent


def counted(cell, layout) -> list[Counter]:
    """How often a cell has each context, kind by kind and graph by graph."""
    found = []
    for graph in cell.graphs:
        names, adjacent = neighbourhoods(graph, layout)
        before = {p: tuple(sorted(names[a] for a, b in adjacent if b == p)) for p in names}
        after = {p: tuple(sorted(names[b] for a, b in adjacent if a == p)) for p in names}
        twice = {p: tuple(sorted((names[a], before[a]) for a, b in adjacent if b == p)) for p in names}
        found.append(Counter((names[a], names[b]) for a, b in adjacent))
        for parts in ((before,), (after,), (before, after), (twice,)):
            found.append(Counter((names[p], *(part[p] for part in parts)) for p in names))
    return found


@pytest.mark.parametrize("space", [*SPACES, DARTS()], ids=repr)
def test_distances_are_those_of_counts_by_hand(space):
    codes = space.canonicalise(space.sample_up_to(40, rng=0))
    rows = ContextCounts(space, codes, columns=10_000).rows(codes)
    by_hand = [counted(cell, space.layout) for cell in space.cells(codes)]
    distances = []
    for kind in zip(*by_hand):
        known = sorted(set().union(*kind), key=repr)
        table = np.sqrt([[counts[context] for context in known] for counts in kind])
        squares = ((table[:, None] - table[None]) ** 2).sum(axis=2)
        if squares.any():
            distances.append(squares / squares.mean())
    got = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(got, np.mean(distances, axis=0), atol=1e-9)
    assert got.mean() == pytest.approx(1.0)


def test_only_the_most_frequent_contexts_are_counted():
    space = NASBench201()
    counts = ContextCounts(space, space.classes().codes, columns=3)
    assert counts.rows(space.sample(4, rng=0)).shape == (4, 5 * 3)


def test_unknown_contexts_do_not_count():
    space = CellSpace(4, ["conv", "pool"], operations_on="nodes", edges="free")
    codes = space.classes().codes
    no_pool = codes[(codes[:, :2] < 2).all(axis=1)]
    counts = ContextCounts(space, no_pool)
    # Pairs come first: input and conv, input and output, conv and conv, conv and output.
    pool, conv = (counts.rows(space.codes(f"{name}(0)+{name}(1)+output(2)"))[0, :4] for name in ("pool", "conv"))
    assert (pool == 0).all() and (conv > 0).sum() == 3


def test_cells_that_are_all_equal():
    space = CellSpace(3, ["a"], operations_on="nodes", edges=[(0, 1), (1, 2)])
    np.testing.assert_array_equal(ContextCounts(space, space.all_codes()).rows(space.all_codes()), 0.0)
