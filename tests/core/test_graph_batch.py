"""Batches of graphs: what they hold, what they refuse, and cells turned into graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crlso import _core

GraphBatch = _core.GraphBatch
NONE = np.zeros(0, np.int64)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_contents():
    given = [ints(0, 2, 2, 5), ints(0, 1, 3, 3, 4, 4), ints(1, 0, 1, 4), ints(2, 0, 0, 1)]
    graph = GraphBatch(*given, 3)
    assert (len(graph), graph.n_graphs, graph.n_nodes, graph.n_edges, graph.n_types) == (3, 3, 5, 4, 3)
    for array, expected in zip(graph.arrays, given):
        assert array.dtype == np.int32
        np.testing.assert_array_equal(array, expected)
        array[...] = 99  # a copy
    np.testing.assert_array_equal(graph.arrays[2], given[2])
    given[2][...] = 77  # and so are the arguments
    np.testing.assert_array_equal(graph.arrays[2], [1, 0, 1, 4])
    assert repr(graph) == "GraphBatch(3 graphs, 5 nodes, 4 edges, 3 edge types)"


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64, ">i4", ">u8"])
def test_other_integers_and_layouts(kind):
    graph = GraphBatch(
        np.array([0, 9, 2, 9], kind)[::2],
        np.array([0, 1, 2], kind),
        np.array([1, 0], kind)[::-1][::-1],
        np.array([0, 1], kind),
        2,
    )
    assert [a.tolist() for a in graph.arrays] == [[0, 2], [0, 1, 2], [1, 0], [0, 1]]


def test_empty_lists_are_lists_of_integers():
    batch = GraphBatch([0, 1], [0, 0], [], (), 1)
    assert (batch.n_nodes, batch.n_edges) == (1, 0)
    with pytest.raises(TypeError, match="sources: expected integers, got dtype float64"):
        GraphBatch([0, 1], [0, 0], np.zeros(0), [], 1)
    with pytest.raises(ValueError, match="node_offsets: expected at least one entry, got none"):
        GraphBatch([], [0], [], [], 1)


def test_empty_batches():
    assert len(GraphBatch([0], [0], NONE, NONE, 0)) == 0
    assert GraphBatch([0, 0, 0], [0], NONE, NONE, 4).n_graphs == 2
    assert GraphBatch([0, 2], [0, 0, 0], NONE, NONE, 0).n_nodes == 2


class RaisingArray:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array today")


class RaisingIndex:
    def __index__(self):
        raise RuntimeError("no index today")


class BadIndex:
    def __index__(self):
        return "two"


GOOD: list[Any] = [[0, 2], [0, 1, 2], [1, 0], [0, 1], 2]


def test_good_arguments_are_good():
    assert GraphBatch(*GOOD).n_edges == 2


@pytest.mark.parametrize(
    ("position", "value", "error", "words"),
    [
        (
            0,
            [1, 2],
            ValueError,
            "node_offsets: expected to run from 0 to 2, as the length of edge_offsets says, got 1 to 2",
        ),
        (0, [0, 3], ValueError, "node_offsets: expected to run from 0 to 2"),
        (0, [0, 2, 1, 2], ValueError, "node_offsets: expected non-decreasing values, got 2 then 1"),
        (0, NONE, ValueError, "node_offsets: expected at least one entry, got none"),
        (0, [0, 1, 2], IndexError, r"sources: edge 0 of graph 0 starts at node 1, outside \[0, 1\)"),
        (0, [0.0, 2.0], TypeError, "node_offsets: expected integers, got dtype float64"),
        (0, [[0, 2]], ValueError, "node_offsets: expected 1 dimensions, got 2"),
        (0, 2, ValueError, "node_offsets: expected 1 dimensions, got 0"),
        (0, [0, 2**31], ValueError, r"node_offsets: expected values in \[0, 2147483647\]"),
        (0, np.array([0, 2**64 - 1], np.uint64), ValueError, "node_offsets"),
        (0, "ab", (TypeError, ValueError), "node_offsets"),
        (0, None, (TypeError, ValueError), "node_offsets"),
        (0, RaisingArray(), RuntimeError, "no array today"),
        (0, [True, False], TypeError, "node_offsets: expected integers, got dtype bool"),
        (1, [0, 1], ValueError, "edge_offsets: expected to run from 0 to 2, as the length of sources says, got 0 to 1"),
        (
            1,
            [0, 2, 2, 2],
            ValueError,
            "node_offsets: expected to run from 0 to 3, as the length of edge_offsets says, got 0 to 2",
        ),
        (
            1,
            [0, 1, 3],
            ValueError,
            "edge_offsets: expected to run from 0 to 2, as the length of sources says, got 0 to 3",
        ),
        (1, [0, -1, 2], ValueError, "edge_offsets: expected values in"),
        (1, [0, 3, 2], ValueError, "edge_offsets: expected non-decreasing values"),
        (1, NONE, ValueError, "edge_offsets: expected at least one entry, got none"),
        (2, [1, 2], IndexError, "sources: edge 1 of graph 0 starts at node 2"),
        (2, [1, -1], ValueError, "sources: expected values in"),
        (2, [1], ValueError, "sources: expected 2 entries, as many as types, got 1"),
        (2, [1j, 0], TypeError, "sources: expected integers"),
        (2, [object(), 0], TypeError, "sources: expected integers"),
        (3, [0, 2], IndexError, r"types: edge 1 has type 2, expected \[0, 2\)"),
        (3, [0, -1], ValueError, "types: expected values in"),
        (3, [0, 1, 1], ValueError, "types: expected 2 entries, as many as sources, got 3"),
        (4, 1, IndexError, "types: edge 1 has type 1"),
        (4, -1, ValueError, "n_types: expected an integer from 0 to 2147483646, got -1"),
        (4, 2**31, ValueError, "n_types: expected an integer from 0 to"),
        (4, 2**70, ValueError, "n_types: expected an integer from 0 to"),
        (4, 2.0, TypeError, "n_types: expected an integer, got float"),
        (4, "2", TypeError, "n_types: expected an integer, got str"),
        (4, RaisingIndex(), RuntimeError, "no index today"),
        (4, BadIndex(), TypeError, None),
    ],
)
def test_bad_input_is_refused(position, value, error, words):
    arguments = [*GOOD[:position], value, *GOOD[position + 1 :]]
    with pytest.raises(error, match=words):
        GraphBatch(*arguments)


@pytest.mark.parametrize("array", range(4))
def test_sizes_beyond_memory_are_errors(array):
    huge = np.broadcast_to(np.int64(0), (2**50,))
    arguments = [huge if i == array else a for i, a in enumerate(GOOD)]
    with pytest.raises((MemoryError, ValueError, OverflowError)):
        GraphBatch(*arguments)


def test_attributes_are_read_only():
    graph = GraphBatch(*GOOD)
    for name in ("n_graphs", "n_nodes", "n_edges", "n_types", "arrays"):
        with pytest.raises(AttributeError):
            setattr(graph, name, 1)
        with pytest.raises(AttributeError):
            delattr(graph, name)
    with pytest.raises(TypeError):
        GraphBatch(*GOOD[:4])
    with pytest.raises(TypeError):
        GraphBatch(*GOOD, 5)


@pytest.mark.parametrize("seed", range(10))
def test_pooling_sums_over_nodes_however_they_are_cut(seed):
    """Sum over all graphs of the pooled rows is the sum over all nodes."""
    rng = np.random.default_rng(seed)
    n, g = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    nodes = np.sort(np.concatenate([[0, n], rng.integers(0, n + 1, size=g - 1)]))
    graph = GraphBatch(nodes, np.zeros(n + 1, int), NONE, NONE, 0)
    x = rng.normal(size=(n, 3))
    pooled = _core.sum_pool(x, graph).numpy()
    assert pooled.shape == (g, 3)
    np.testing.assert_allclose(pooled.sum(0), x.sum(0), rtol=1e-12, atol=1e-12)


# ---- cells ----

EDGES = np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]])


def test_cells_become_graphs():
    """Each edge twice, sorted by target, sources and types as a plain loop finds them."""
    codes = np.random.default_rng(0).integers(0, 5, size=(7, 6)).astype(np.uint8)
    graph = _core.cell_graph(codes, EDGES, 4, 5)
    nodes, offsets, sources, types = graph.arrays
    assert (graph.n_graphs, graph.n_nodes, graph.n_edges, graph.n_types) == (7, 28, 84, 5)
    assert nodes.tolist() == list(range(0, 29, 4))
    for c in range(7):
        for node in range(4):
            expected = []
            for code, (a, b) in zip(codes[c], EDGES):
                if node in (a, b):
                    expected.append((4 * c + (b if node == a else a), code))
            begin, end = offsets[4 * c + node], offsets[4 * c + node + 1]
            assert sorted(zip(sources[begin:end].tolist(), types[begin:end].tolist())) == sorted(expected)


def test_cells_of_any_shape():
    assert _core.cell_graph(np.zeros((0, 6), np.uint8), EDGES, 4, 5).n_nodes == 0
    assert _core.cell_graph(np.zeros((3, 0), np.uint8), np.zeros((0, 2), int), 2, 0).n_nodes == 6
    assert _core.cell_graph(np.ones((2, 1), np.uint8)[::-1], [[1, 0]], 2, 2).arrays[2].tolist() == [1, 0, 3, 2]


@pytest.mark.parametrize(
    ("codes", "edges", "n_nodes", "n_operations", "error", "words"),
    [
        (np.zeros((1, 6), int), EDGES, 4, 5, TypeError, "codes: expected a uint8 array, got dtype int64"),
        (np.zeros((1, 6)), EDGES, 4, 5, TypeError, "codes: expected a uint8 array"),
        (np.zeros(6, np.uint8), EDGES, 4, 5, ValueError, "codes: expected shape"),
        (np.zeros((1, 5), np.uint8), EDGES, 4, 5, ValueError, r"edges: expected shape \(5, 2\)"),
        (
            np.full((1, 6), 5, np.uint8),
            EDGES,
            4,
            5,
            ValueError,
            "codes: expected values below 5, got 5 in cell 0, edge 0",
        ),
        (np.zeros((1, 6), np.uint8), EDGES, 3, 5, ValueError, "edges: expected two different nodes below 3"),
        (np.zeros((1, 1), np.uint8), [[1, 1]], 3, 5, ValueError, "edges: expected two different nodes"),
        (np.zeros((1, 1), np.uint8), [[0, -1]], 3, 5, ValueError, "edges"),
        (np.zeros((1, 1), np.uint8), [[0, 2**40]], 3, 5, ValueError, "edges"),
        (np.zeros((1, 1), np.uint8), [[0.0, 1.0]], 3, 5, TypeError, "edges: expected integers"),
        (np.zeros((1, 1), np.uint8), [[0, 1, 2]], 3, 5, ValueError, "edges: expected shape"),
        (np.zeros((1, 6), np.uint8), EDGES, -1, 5, ValueError, "counts >= 0"),
        (np.zeros((1, 6), np.uint8), EDGES, 4, -1, ValueError, "counts >= 0"),
        (np.zeros((1, 6), np.uint8), EDGES, 2**40, 5, OverflowError, None),
        (np.zeros((2, 6), np.uint8), EDGES, 2**63 - 1, 5, OverflowError, None),
        (np.zeros((1, 6), np.uint8), EDGES, 4, 2**40, OverflowError, None),
        (np.zeros((2**59, 0), np.uint8), np.zeros((0, 2), int), 0, 0, OverflowError, None),
        (np.broadcast_to(np.uint8(0), (2**50, 6)), EDGES, 4, 5, (MemoryError, ValueError), None),
        (np.zeros((1, 0), np.uint8), np.zeros((2**59, 0), int), 4, 5, ValueError, "edges: expected shape"),
        (RaisingArray(), EDGES, 4, 5, TypeError, "codes: expected a uint8 array, got RaisingArray"),
        (np.zeros((1, 6), np.uint8), RaisingArray(), 4, 5, RuntimeError, "no array today"),
        (np.zeros((1, 6), np.uint8), EDGES, RaisingIndex(), 5, RuntimeError, "no index today"),
        ("ab", EDGES, 4, 5, TypeError, "codes"),
        (None, EDGES, 4, 5, TypeError, "codes"),
    ],
)
def test_bad_cells_are_refused(codes, edges, n_nodes, n_operations, error, words):
    with pytest.raises(error, match=words):
        _core.cell_graph(codes, edges, n_nodes, n_operations)
