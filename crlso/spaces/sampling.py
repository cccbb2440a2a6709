"""Random rows of codes, and random cells of spaces that are too large to list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each
from crlso.spaces.layout import CellLayout

__all__ = ["draw_cells", "random_rows"]

_FRUITLESS = 50  # rounds without a new cell after which no more are expected


def draw_cells(space: Space, n: int, stream: Stream) -> Codes:
    """Draw `n` different canonical cells, or fewer where hardly any new ones turn up.

    Random rows are drawn in rounds. Rows that are no cells, and cells that are known already, are dropped.
    """
    found: Codes = np.zeros((0, len(space.cardinalities)), dtype=np.uint8)
    draw = fruitless = 0
    while len(found) < n and fruitless < _FRUITLESS:
        rows = random_rows(space.layout, 2 * (n - len(found)) + 100, stream, draw)
        rows = space.canonicalise(rows[space.valid(rows)])
        joined = np.concatenate([found, rows])
        first = first_of_each(space.canonical_key(joined))
        fruitless = 0 if len(first) > len(found) else fruitless + 1
        found, draw = joined[first], draw + 1
    return found[:n]


def random_rows(layout: CellLayout, n: int, stream: Stream, draw: int) -> Codes:
    """Draw random rows of codes, (n, codes per cell); some may be no cells.

    Operations are uniform. A free edge is there with probability 1/2, or so that `max_edges` are expected, if that is
    less; with a fixed number of edges into a node, their sources are uniform.

    Parameters
    ----------
    layout : CellLayout
    n : int
    stream : Stream
    draw : int
        Number of the draw: each gives other rows.
    """
    graphs = [_random_graphs(layout, n, stream.child(f"graph {i}"), draw) for i in range(len(layout.graphs))]
    return np.concatenate(graphs, axis=1).astype(np.uint8)


def _random_graphs(layout: CellLayout, n: int, stream: Stream, draw: int) -> npt.NDArray[np.int64]:
    """Random codes of one graph: (n, codes per graph)."""
    n_operations, n_edges = len(layout.operations), len(layout.edges)
    if not layout.operations_on_nodes:
        operations = stream.integers("edges", draw, (n, n_edges), n_operations)
        return np.where(_present(layout, n, stream, draw), 1 + operations, 0) if layout.free else operations
    nodes = stream.integers("nodes", draw, (n, len(layout.intermediate)), n_operations + layout.free)
    return np.concatenate([nodes, _present(layout, n, stream, draw)], axis=1) if layout.free else nodes


def _present(layout: CellLayout, n: int, stream: Stream, draw: int) -> npt.NDArray[np.bool_]:
    """Which of the free edges of a graph are there: (n, edges)."""
    chance = stream.uniform("present", draw, (n, len(layout.edges)), "float64")
    if layout.in_degree is None:
        share = 0.5 if layout.max_edges is None else min(0.5, layout.max_edges / max(len(layout.edges), 1))
        present: npt.NDArray[np.bool_] = chance < share
        return present
    present = np.zeros(chance.shape, dtype=bool)
    targets = np.array([target for _, target in layout.edges])
    for node in layout.intermediate:
        into = np.flatnonzero(targets == node)
        first = np.argsort(chance[:, into], axis=1)[:, : layout.in_degree]
        np.put_along_axis(present, into[first], True, axis=1)
    return present
