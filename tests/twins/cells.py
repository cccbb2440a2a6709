"""Cells by brute force: pruning by all paths, and the canonical form by all orders of the nodes."""

from __future__ import annotations

import itertools

import numpy as np

from crlso.spaces import CellSpace

__all__ = ["pruned", "smallest_row"]


def matrix_of(space: CellSpace, row: np.ndarray) -> tuple[list[int], np.ndarray]:
    layout = space.layout
    operations = [0] * layout.n_nodes
    if layout.operations_on_nodes:
        for node, code in zip(layout.intermediate, row):
            operations[node] = int(code)
    matrix = np.zeros((layout.n_nodes, layout.n_nodes), int)
    for (source, target), column in zip(layout.edges, layout.edge_columns):
        matrix[source, target] = row[column]
    return operations, matrix


def paths(matrix: np.ndarray, start: int, end: int) -> list[list[int]]:
    if start == end:
        return [[end]]
    return [[start, *rest] for node in np.flatnonzero(matrix[start]) for rest in paths(matrix, node, end)]


def pruned(space: CellSpace, row: np.ndarray) -> tuple[list[int], np.ndarray, list[int]] | None:
    """Operations, matrix and the nodes that are on a path; None for a cell without one."""
    layout = space.layout
    operations, matrix = matrix_of(space, row)
    if layout.operations_on_nodes:
        for node in layout.intermediate:
            if operations[node] == 0:
                matrix[node, :] = matrix[:, node] = 0
    last = layout.n_nodes - 1
    on_path = {node for start in range(layout.n_inputs) for path in paths(matrix, start, last) for node in path}
    if not on_path:
        return None
    alive = [node for node in layout.intermediate if node in on_path]
    for node in layout.intermediate:
        if node not in alive:
            matrix[node, :] = matrix[:, node] = 0
            operations[node] = 0
    return operations, matrix, alive


def smallest_row(space: CellSpace, row: np.ndarray) -> tuple[int, ...]:
    """Canonical form: all orders of the live nodes, the smallest sequence of operation and incoming edges."""
    layout = space.layout
    found = pruned(space, row)
    if found is None:
        return (0,) * len(row)
    operations, matrix, alive = found
    inputs, last = list(range(layout.n_inputs)), layout.n_nodes - 1
    best = None
    for order in itertools.permutations(alive):
        nodes = [*inputs, *order]
        if np.tril(matrix[np.ix_(nodes, nodes)]).any():
            continue
        sequence = []
        for position in range(len(inputs), len(nodes)):
            node = nodes[position]
            sequence += [operations[node], *(matrix[other, node] for other in nodes[:position])]
        sequence += [matrix[other, last] for other in nodes]
        if best is None or sequence < best[0]:
            best = sequence, nodes
    _, nodes = best
    place = {node: position for position, node in enumerate(nodes)} | {last: last}
    moved = np.zeros_like(matrix)
    for source, target in np.argwhere(matrix):
        moved[place[source], place[target]] = matrix[source, target]
    codes = []
    if layout.operations_on_nodes:
        codes = [operations[nodes[p]] if p < len(nodes) else 0 for p in layout.intermediate]
    return (*codes, *(int(moved[edge]) for edge in layout.edges))
