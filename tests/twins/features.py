"""Features of cells by NumPy, path after path: sequences of operations, and descriptors of graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.features import _flags, _passing, live_parts, operation_numbers
from crlso.spaces.layout import CellLayout

__all__ = ["describe", "live_operations", "sequences"]

_Flags = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.int64]


def sequences(layout: CellLayout, codes: Codes, paths: list[tuple[int, ...]]) -> tuple[npt.NDArray[np.uint64], _Flags]:
    """A number for the sequence of operations on each path, and whether it is open: (n, graphs times paths)."""
    found, are_open = [], []
    base, is_identity = np.uint64(len(layout.operations) + 1), _flags(layout, layout.identities)
    for graph, part in enumerate(layout.split(codes)):
        passing, numbers = _passing(layout, part), operation_numbers(layout, part)
        skipped = (numbers < 0) | is_identity[numbers]
        digits = (numbers + 1).astype(np.uint64)
        for path in paths:
            number = np.full(len(part), graph + 1, dtype=np.uint64)
            for position in _positions(layout, path):
                number = np.where(skipped[:, position], number, number * base + digits[:, position])
            found.append(number)
            are_open.append(passing[:, list(path)].all(axis=1))
    return np.stack(found, axis=1), np.stack(are_open, axis=1)


def _positions(layout: CellLayout, path: tuple[int, ...]) -> Iterator[int]:
    """Positions of the operations on a path among those of a graph."""
    for edge in path:
        if not layout.operations_on_nodes:
            yield edge
        elif layout.edges[edge][1] in layout.intermediate:
            yield layout.edges[edge][1] - layout.n_inputs


def describe(layout: CellLayout, codes: Codes) -> list[Floats]:
    """Descriptors of the graphs of cells, one after the other: (n,) each."""
    parts = (_described(layout, part) for part in layout.split(codes))
    return [column.astype(np.float64) for part in parts for _, column in part]


def live_operations(layout: CellLayout, codes: Codes) -> Floats:
    """How often each operation is on a path from an input to the output: (n, graphs times operations)."""
    return np.concatenate([_live_counts(layout, part) for part in layout.split(codes)], axis=1).astype(np.float64)


def _live_counts(layout: CellLayout, part: Codes) -> _Numbers:
    """How often each operation of one graph is on a path from an input to the output: (n, operations)."""
    nodes, edges = live_parts(layout, part)
    live = nodes[:, list(layout.intermediate)] if layout.operations_on_nodes else edges
    numbers = operation_numbers(layout, part)
    return np.stack([(live & (numbers == k)).sum(axis=1) for k in range(len(layout.operations))], axis=1)


def _described(layout: CellLayout, part: Codes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Descriptors of one graph of each cell by name."""
    nodes, edges = live_parts(layout, part)
    inner, sources, targets = list(layout.intermediate), *np.array(layout.edges).T
    passed, n_paths = _passed(layout, part), _n_paths(layout, edges)
    counted = (passed >= 0) & ~_flags(layout, layout.identities)[passed]
    shortest = -_longest(layout, edges, -counted.astype(np.int16))
    yield "longest path", _longest(layout, edges, counted)
    yield "shortest path", shortest
    yield "path without operations", (n_paths > 0) & (shortest == 0)
    yield "edges out of inputs", edges[:, sources < layout.n_inputs].sum(axis=1)
    into_output = edges[:, targets == layout.n_nodes - 1] if layout.has_output else nodes[:, inner]
    yield "edges into output", into_output.sum(axis=1)
    yield "nodes", nodes[:, inner].sum(axis=1)
    yield "edges", edges.sum(axis=1)
    yield "log paths", np.log1p(n_paths)
    counts = _live_counts(layout, part)
    for k, operation in enumerate(layout.operations):
        yield f"count of {operation}", counts[:, k]
        yield f"most {operation} on a path", _longest(layout, edges, passed == k)


def _passed(layout: CellLayout, part: Codes) -> _Numbers:
    """Operation that each edge of one graph leads through: its own, or that of its target; -1 for none: (n, edges)."""
    numbers = operation_numbers(layout, part)
    if not layout.operations_on_nodes:
        return numbers
    none = np.full((len(part), 1), -1, dtype=np.int64)
    columns = [target - layout.n_inputs if target in layout.intermediate else -1 for _, target in layout.edges]
    return np.concatenate([numbers, none], axis=1)[:, columns]


def _n_paths(layout: CellLayout, live: _Flags) -> Floats:
    """How many paths lead from an input to the output over live edges: (n,)."""
    ways = np.zeros((layout.n_nodes, len(live)))
    ways[: layout.n_inputs] = 1.0
    for edge, (source, target) in enumerate(layout.edges):  # by target: sources come before
        ways[target] += live[:, edge] * ways[source]
    ends: Floats = ways[_ends(layout)].sum(axis=0)
    return ends


def _longest(layout: CellLayout, live: _Flags, steps: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Largest sum of the steps (n, edges) along a path over live edges; 0 where there is no path: (n,)."""
    closed = -1000  # less than any sum
    most = np.full((layout.n_nodes, len(live)), closed, dtype=np.int16)
    most[: layout.n_inputs] = 0
    for edge, (source, target) in enumerate(layout.edges):
        through = np.where(live[:, edge], most[source] + steps[:, edge], closed)
        most[target] = np.maximum(most[target], through)
    longest: npt.NDArray[np.int16] = most[_ends(layout)].max(axis=0)
    return np.where(longest > closed // 2, longest, np.int16(0))


def _ends(layout: CellLayout) -> list[int]:
    """The output, or all intermediate nodes where there is none."""
    return [layout.n_nodes - 1] if layout.has_output else list(layout.intermediate)
