"""Random rows of codes, and random cells of spaces that are too large to list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each
from crlso.spaces.layout import CellLayout

__all__ = ["Condition", "draw_cells", "draw_near", "find_cells", "random_rows"]

Condition: TypeAlias = Callable[[Codes], Floats]
"""A condition on cells: how far each is from satisfying it, 0 where it does."""

_FRUITLESS = 50  # rounds without a new cell after which no more are expected
_ROUNDS = 4  # of random rows, when a condition is to be satisfied
_TRIED = 2000  # random cells among which those that satisfy a condition are looked for first
_EXPANDED = 20  # cells whose neighbours are computed in one step
_STEPS = 500  # towards cells that satisfy a condition
_PATIENCE = 10  # of these without getting closer


def draw_cells(space: Space, n: int, stream: Stream, rounds: int | None = None) -> Codes:
    """Draw `n` different canonical cells, or fewer where hardly any new ones turn up.

    Random rows are drawn in rounds, by default in as many as are needed. Rows that are no cells, and cells that are
    known already, are dropped.
    """
    found: Codes = np.zeros((0, len(space.cardinalities)), dtype=np.uint8)
    draw = fruitless = 0
    while len(found) < n and fruitless < _FRUITLESS and draw != rounds:
        rows = random_rows(space.layout, 2 * (n - len(found)) + 100, stream, draw)
        rows = space.canonicalise(rows[space.valid(rows)])
        joined = np.concatenate([found, rows])
        first = first_of_each(space.canonical_key(joined))
        fruitless = 0 if len(first) > len(found) else fruitless + 1
        found, draw = joined[first], draw + 1
    return found[:n]


def draw_near(space: Space, starts: Codes, n: int, stream: Stream) -> Codes:
    """Draw cells of a space that few random rows belong to: random ones, then neighbours of these and of `starts`.

    Returns
    -------
    ndarray of uint8, shape (n, codes per cell)
        Different canonical cells in random order, or fewer where no more were found.
    """
    found = draw_cells(space, n, stream, _ROUNDS)
    if len(found) == n:
        return found
    found = _joined(space, found, starts)
    step = fruitless = 0
    while len(found) < n and fruitless < _ROUNDS:
        chosen = found[stream.permutation("expanded", step, len(found))[:_EXPANDED]]
        near = space.neighbourhoods(chosen).codes
        kept = _joined(space, found, near[stream.permutation("near", step, len(near))[: max(n // 4, 1)]])
        fruitless = 0 if len(kept) > len(found) else fruitless + 1
        found, step = kept, step + 1
    return found[stream.permutation("order", 0, len(found))[:n]]


def _joined(space: Space, found: Codes, more: Codes) -> Codes:
    joined = np.concatenate([found, more])
    return joined[first_of_each(space.canonical_key(joined))]


def find_cells(space: Space, excess: Condition) -> Codes:
    """Find canonical cells that satisfy a condition: among random ones, or by steps to cells with less excess.

    Raises
    ------
    ValueError
        If none is found.
    """
    cells = space.sample_up_to(_TRIED, rng=0)
    keys, left = space.canonical_key(cells), excess(cells)
    is_fresh = np.ones(len(cells), dtype=bool)  # whether neighbours of a cell are not known yet
    fruitless = 0
    for _ in range(_STEPS):
        fresh, closest = np.flatnonzero(is_fresh), left.min() if len(left) else 0.0
        if closest <= 0 or not len(fresh) or fruitless == _PATIENCE:
            break
        best = fresh[np.argsort(left[fresh], kind="stable")[:_EXPANDED]]
        is_fresh[best] = False
        near = space.neighbourhoods(cells[best])
        first = first_of_each(near.keys)
        first = first[~np.isin(near.keys[first], keys)]
        cells, keys = np.concatenate([cells, near.codes[first]]), np.concatenate([keys, near.keys[first]])
        left = np.concatenate([left, excess(near.codes[first])])
        fruitless = 0 if left.min() < closest else fruitless + 1
        is_fresh = np.concatenate([is_fresh, np.ones(len(first), dtype=bool)])
    found = cells[left <= 0]
    if not len(found):
        raise ValueError(f"constraints: expected a cell that satisfies them, found none among {len(cells)}")
    return found


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
