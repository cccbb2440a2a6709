"""Random rows of codes, and random cells of spaces that are too large to list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each
from crlso.spaces.layout import CellLayout

__all__ = ["draw_cells", "random_rows"]

_FRUITLESS = 50  # rounds without a new cell after which no more are expected


def draw_cells(space: Space, n: int, generator: np.random.Generator) -> Codes:
    """Draw `n` different canonical cells, or fewer where hardly any new ones turn up.

    Random rows are drawn in rounds. Rows that are no cells, and cells that are known already, are dropped.
    """
    found: Codes = np.zeros((0, len(space.cardinalities)), dtype=np.uint8)
    fruitless = 0
    while len(found) < n and fruitless < _FRUITLESS:
        rows = random_rows(space.layout, 2 * (n - len(found)) + 100, generator)
        rows = space.canonicalise(rows[space.valid(rows)])
        joined = np.concatenate([found, rows])
        first = first_of_each(space.canonical_key(joined))
        fruitless = 0 if len(first) > len(found) else fruitless + 1
        found = joined[first]
    return found[:n]


def random_rows(layout: CellLayout, n: int, generator: np.random.Generator) -> Codes:
    """Draw random rows of codes, (n, codes per cell); some may be no cells.

    Operations are uniform. A free edge is there with probability 1/2, or so that `max_edges` are expected, if that is
    less; with a fixed number of edges into a node, their sources are uniform.
    """
    graphs = []
    for _ in layout.graphs:
        rows = np.stack([generator.integers(0, k, n) for k in layout.graph_cardinalities], axis=1)
        if layout.free:
            columns = list(layout.edge_columns)
            operations = 1 + generator.integers(0, len(layout.operations), (n, len(columns)))
            values = 1 if layout.operations_on_nodes else operations
            rows[:, columns] = np.where(_random_edges(layout, n, generator), values, 0)
        graphs.append(rows)
    return np.concatenate(graphs, axis=1).astype(np.uint8)


def _random_edges(layout: CellLayout, n: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which of the free edges of a graph are there: (n, edges)."""
    chance = generator.random((n, len(layout.edges)))
    if layout.in_degree is None:
        share = 0.5 if layout.max_edges is None else min(0.5, layout.max_edges / max(len(layout.edges), 1))
        present: npt.NDArray[np.bool_] = chance < share
        return present
    present = np.zeros((n, len(layout.edges)), dtype=bool)
    targets = np.array([target for _, target in layout.edges])
    for node in layout.intermediate:
        into = np.flatnonzero(targets == node)
        first = np.argsort(chance[:, into], axis=1)[:, : layout.in_degree]
        np.put_along_axis(present, into[first], True, axis=1)
    return present
