"""Moves, one after the other: the rows of codes that are one step away from a cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes
from crlso.spaces import CellSpace
from crlso.spaces.layout import CellLayout

__all__ = ["moves", "neighbours_twin"]

_Matrix = npt.NDArray[np.uint8]
_Graph = tuple[_Matrix, _Matrix]  # operations of the nodes (n_nodes,), codes of the edges (n_nodes, n_nodes)


def neighbours_twin(space: CellSpace, row: Codes) -> Codes:
    """The neighbours of a cell as they are by definition: all moves, of which those that are cells, each class once."""
    near = moves(space.layout, space.prune(row[None])[0])
    near = space.canonicalise(near[space.valid(near)])
    keys = space.canonical_key(near)
    near = near[np.unique(keys, return_index=True)[1]]
    return near[space.canonical_key(near) != space.canonical_key(row[None])[0]]


def moves(layout: CellLayout, row: Codes) -> Codes:
    """Return the rows of codes one step away from a pruned cell: (n, codes per cell).

    A step is another operation, an edge or a node more or less, or an edge that moves to another source. Rows may be
    equal cells, or no cells of the space.
    """
    parts = layout.split(row)
    rows = [
        np.concatenate([*parts[:i], moved, *parts[i + 1 :]])
        for i, part in enumerate(parts)
        for moved in _graph_moves(layout, part)
    ]
    return np.array(rows, dtype=np.uint8).reshape(len(rows), len(row))


def _graph_moves(layout: CellLayout, row: Codes) -> Iterator[Codes]:
    yield from _changed_codes(layout, row)
    if layout.free and layout.in_degree is not None:
        yield from _moved_edges(layout, row)
    if layout.free and layout.has_output:
        yield from _inserted_nodes(layout, row)


def _changed_codes(layout: CellLayout, row: Codes) -> Iterator[Codes]:
    """Another value of one code. Nodes stay absent or present, and so do edges where their number is fixed."""
    first_edge = len(layout.intermediate) if layout.operations_on_nodes else 0
    for column, k in enumerate(layout.graph_cardinalities):
        may_vanish = column >= first_edge and layout.in_degree is None
        if layout.free and not may_vanish and row[column] == 0:
            continue
        for code in range(0 if may_vanish or not layout.free else 1, k):
            if code != row[column]:
                changed = row.copy()
                changed[column] = code
                yield changed


def _moved_edges(layout: CellLayout, row: Codes) -> Iterator[Codes]:
    """An edge that moves to another source, with its operation."""
    columns = layout.edge_columns
    for (_, target), column in zip(layout.edges, columns):
        for (_, other_target), other in zip(layout.edges, columns):
            if target == other_target and row[column] and not row[other]:
                moved = row.copy()
                moved[other], moved[column] = row[column], 0
                yield moved


def _inserted_nodes(layout: CellLayout, row: Codes) -> Iterator[Codes]:
    """One more node between any two others, with every choice of operations."""
    operations, edges = _unpacked(layout, row)
    last = layout.n_nodes - 1
    used: npt.NDArray[np.bool_] = np.asarray(edges.any(axis=1))
    present = [v for v in range(last) if v < layout.n_inputs or used[v]]
    if not layout.intermediate or used[layout.intermediate[-1]]:
        return
    n_before = len(present)  # the pruned cell's nodes stand first; the last intermediate position is free
    codes = range(1, len(layout.operations) + 1)
    choices = (
        [(code, 1, 1) for code in codes] if layout.operations_on_nodes else [(0, a, b) for a in codes for b in codes]
    )
    for source in present:
        node = max(source + 1, layout.n_inputs)
        wider = _opened(operations, edges, node)
        for target in [*range(node + 1, n_before + 1), last]:
            for operation, into, out in choices:
                new_operations, new_edges = wider[0].copy(), wider[1].copy()
                new_operations[node] = operation
                new_edges[source, node], new_edges[node, target] = into, out
                yield _packed(layout, new_operations, new_edges)


def _opened(operations: _Matrix, edges: _Matrix, position: int) -> _Graph:
    """The graph with its intermediate nodes from `position` on moved by one; the last, an absent one, is lost."""
    order = [v for v in range(len(operations)) if v != len(operations) - 2]
    order.insert(position, len(operations) - 2)
    return operations[order], edges[np.ix_(order, order)]


def _unpacked(layout: CellLayout, row: Codes) -> _Graph:
    operations = np.zeros(layout.n_nodes, dtype=np.uint8)
    edges = np.zeros((layout.n_nodes, layout.n_nodes), dtype=np.uint8)
    if layout.operations_on_nodes:
        operations[list(layout.intermediate)] = row[: len(layout.intermediate)]
    sources, targets = np.array(layout.edges).T
    edges[sources, targets] = row[list(layout.edge_columns)]
    return operations, edges


def _packed(layout: CellLayout, operations: _Matrix, edges: _Matrix) -> Codes:
    sources, targets = np.array(layout.edges).T
    nodes = operations[list(layout.intermediate)] if layout.operations_on_nodes else operations[:0]
    return np.concatenate([nodes, edges[sources, targets]])
