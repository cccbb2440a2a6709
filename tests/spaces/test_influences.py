"""Influences of operations against walks that are followed one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from crlso.spaces import DARTS, CellSpace, NASBench201
from crlso.spaces.influences import Influences
from tests.spaces.examples import SPACES
from tests.spaces.test_contexts import live_edges

Walk = tuple[float, tuple]  # its probability, and the places that it meets: (operation, node or edge)


def walks_from(node: int, into: dict, labels: dict, n_inputs: int) -> Iterator[Walk]:
    """All ways from a node back to an input, with even steps."""
    if node < n_inputs:
        yield 1.0, ()
        return
    here = ((labels[node], node),) if node in labels else ()
    for source, _, name in into[node]:
        along = () if labels else ((name, (source, node)),)
        for chance, met in walks_from(source, into, labels, n_inputs):
            yield chance / len(into[node]), (*here, *along, *met)


def walks(graph, layout) -> tuple[list[Walk], list[Walk]]:
    """The walks of one drawn graph: all equally likely, and with even steps."""
    edges, last = live_edges(graph, layout), len(graph.labels) - 1
    into = {node: [edge for edge in edges if edge[1] == node] for node in range(len(graph.labels))}
    live = [node for node in layout.intermediate if into[node]]
    labels = {node: graph.labels[node] for node in live} if layout.operations_on_nodes else {}
    ends = [last] if layout.has_output else live
    found = [
        (chance / len(ends), met) for end in ends for chance, met in walks_from(end, into, labels, layout.n_inputs)
    ]
    return [(1 / len(found), met) for _, met in found], found


def numbers(graph, layout) -> list[float]:
    """The numbers of one graph, in the order of the rows."""
    row: list[float] = []
    names = list(layout.operations)
    for number, kind in enumerate(walks(graph, layout)):
        influences: Counter = Counter()
        for chance, met in kind:
            for place in met:
                influences[place] += chance
        sets = [[p for (name, _), p in influences.items() if name == wanted] for wanted in names]
        sets.append(list(influences.values()))
        row += [sum(own) for own in sets] + [sum(p * p for p in own) for own in sets]
        if number == 1:
            for wanted in [*names, None]:
                counts = [(chance, sum(wanted in (None, name) for name, _ in met)) for chance, met in kind]
                mean = sum(chance * count for chance, count in counts)
                row.append(sum(chance * (count - mean) ** 2 for chance, count in counts) ** 0.5)
            row.append(-sum(p * np.log(p) for p in influences.values()))
    return row


@pytest.mark.parametrize("space", [*SPACES, DARTS()], ids=repr)
def test_distances_are_those_of_walks_by_hand(space):
    codes = space.canonicalise(space.sample_up_to(40, rng=0))
    rows = Influences(space, codes).rows(codes)
    cells = space.cells(codes)
    table = np.array([[number for graph in cell.graphs for number in numbers(graph, space.layout)] for cell in cells])
    table = table[:, table.std(axis=0) > 1e-6]
    assert rows.shape == table.shape
    np.testing.assert_allclose(rows.std(axis=0), 1 / np.sqrt(2 * table.shape[1]))
    expected = (table - table.mean(axis=0)) / table.std(axis=0) / np.sqrt(2 * table.shape[1])
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_chain_and_a_branch():
    space = CellSpace(nodes=5, operations=["conv", "pool"], operations_on="nodes", edges="free")
    every = Influences(space, space.classes().codes)
    chain, branch, bypass = (
        every.rows(space.codes(text))[0, :6]
        for text in ("conv(0)+conv(1)+output(2)", "conv(0)+conv(0)+output(1,2)", "conv(0)+conv(1)+output(0,2)")
    )
    # Means of conv, pool and all: a walk along the chain meets two, in the other graphs one.
    assert chain[0] > branch[0] == pytest.approx(bypass[0])
    # Squares: 1 + 1, 1/4 + 1/4 and 1/4 + 1/4.
    assert chain[3] > branch[3] == pytest.approx(bypass[3])


def test_a_cell_has_the_same_rows_alone_and_among_others():
    space = NASBench201()
    codes = space.classes().codes
    influences = Influences(space, codes)
    np.testing.assert_array_equal(influences.rows(codes)[37:38], influences.rows(codes[37:38]))


def test_cells_that_are_all_equal():
    space = CellSpace(3, ["a"], operations_on="nodes", edges=[(0, 1), (1, 2)])
    assert Influences(space, space.all_codes()).rows(space.all_codes()).size == 0
