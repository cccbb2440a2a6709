"""Features of cells that the space alone gives: operations, paths from the inputs to the output, size, and others."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.base import Space
from crlso.spaces.layout import CellLayout

__all__ = [
    "CellFeatures",
    "count_known",
    "graph_descriptors",
    "live_operations",
    "live_parts",
    "operation_numbers",
    "standardised",
]

MAX_PATHS = 1024  # paths through a graph that are followed, the shortest first

_Flags = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.int64]


class CellFeatures:
    """Features of the cells of a space.

    Parameters
    ----------
    space : Space
    reference : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space: sequences of operations that none of them has are not counted, and
        of the others only those whose counts vary most.
    columns : int
        How many sequences are counted.

    Raises
    ------
    TypeError
        For something that has no layout of cells.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> features = CellFeatures(space, space.classes().codes)
    >>> cell = space.codes("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")
    >>> features.live_operations(cell)  # a convolution and two skips
    array([[0., 2., 0., 1., 0.]])
    >>> float(features.paths(cell).sum())  # one path, with one sequence of operations
    1.0
    """

    def __init__(self, space: Space, reference: Codes, columns: int = 128) -> None:
        if not isinstance(getattr(space, "layout", None), CellLayout):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        self._space = space
        self.layout: CellLayout = space.layout
        self._paths = _paths(self.layout)
        self._is_identity = _flags(self.layout, self.layout.identities)
        numbers, is_open = self._sequences(reference)
        self._known: npt.NDArray[np.uint64] = np.unique(numbers[is_open])
        spread = self._counts(reference).std(axis=0)
        self._known = self._known[np.sort(np.argsort(-spread, kind="stable")[:columns])]
        sizes = space.log_size(reference)
        self._centre = None if sizes is None else (float(sizes.mean()), float(sizes.std()) or 1.0)
        self._reference = reference

    def operations(self, codes: Codes) -> Floats:
        """Return rows between which half the squared distance is the number of operations that differ.

        Where edges are fixed, operations are compared edge by edge or node by node; operations that the space calls
        similar differ by less than 1. Where edges are free, the counts of live operations and of edges of each graph
        are compared: another operation is a difference of 1, one edge more or less a difference of 1/2.
        """
        if self.layout.free:
            return self._count_features(codes)
        rows: Floats = np.asarray(np.linalg.cholesky(self._space.similarity()), dtype=np.float64)[codes]
        return rows.reshape(len(codes), -1)

    def paths(self, codes: Codes) -> Floats:
        """Return square roots of the numbers of paths with each sequence of operations: (n, sequences).

        Paths lead from an input to the output; identities are left out of their sequences.
        """
        return np.sqrt(self._counts(codes))

    def live_operations(self, codes: Codes) -> Floats:
        """Count how often each operation is on a path from an input to the output: (n, graphs times operations)."""
        return live_operations(self.layout, codes)

    def size(self, codes: Codes) -> Floats | None:
        """Return the standardised logarithm of the size of networks; None where the space says nothing about it."""
        sizes = self._space.log_size(codes)
        return None if sizes is None or self._centre is None else (sizes - self._centre[0]) / self._centre[1]

    def descriptors(self, codes: Codes) -> Floats:
        """Return those of :func:`graph_descriptors` that differ among the reference cells: (n, descriptors).

        They have mean 0 and equal spread over the reference cells, whose mean squared distance is 1.
        """
        differs, mean, spread = self._described
        scaled: Floats = (self._columns(codes)[:, differs] - mean) / spread
        return scaled

    # -- inside ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _described(self) -> tuple[_Flags, Floats, Floats]:
        """Which descriptors differ among the reference cells, with their means and by what they are divided."""
        columns = self._columns(self._reference)
        differs: _Flags = columns.std(axis=0) > 1e-9
        columns = columns[:, differs]
        return differs, columns.mean(axis=0), columns.std(axis=0) * np.sqrt(2.0 * columns.shape[1])

    def _columns(self, codes: Codes) -> Floats:
        """Descriptors of cells side by side: (n, descriptors)."""
        return np.stack(list(graph_descriptors(self._space, codes).values()), axis=1)

    def _count_features(self, codes: Codes) -> Floats:
        parts = []
        for part in self.layout.split(codes):
            counts = [_live_counts(self.layout, part)]
            if self.layout.operations_on_nodes:
                counts.append((part[:, list(self.layout.edge_columns)] > 0).sum(axis=1)[:, None])
            for count in np.concatenate(counts, axis=1).T:
                # A count is written as that many ones: the squared distance of two rows is the difference of counts.
                parts.append(np.arange(len(self.layout.edges)) < count[:, None])
        return np.concatenate(parts, axis=1).astype(np.float64)

    def _sequences(self, codes: Codes) -> tuple[npt.NDArray[np.uint64], _Flags]:
        """A number for the sequence of operations on each path, and whether it is open: (n, graphs times paths)."""
        found, are_open = [], []
        base = np.uint64(len(self.layout.operations) + 1)
        for graph, part in enumerate(self.layout.split(codes)):
            passing, numbers = _passing(self.layout, part), operation_numbers(self.layout, part)
            skipped = (numbers < 0) | self._is_identity[numbers]
            digits = (numbers + 1).astype(np.uint64)
            for path in self._paths:
                number = np.full(len(part), graph + 1, dtype=np.uint64)
                for position in self._positions(path):
                    number = np.where(skipped[:, position], number, number * base + digits[:, position])
                found.append(number)
                are_open.append(passing[:, list(path)].all(axis=1))
        return np.stack(found, axis=1), np.stack(are_open, axis=1)

    def _positions(self, path: tuple[int, ...]) -> Iterator[int]:
        """Positions of the operations on a path among those of a graph."""
        for edge in path:
            if not self.layout.operations_on_nodes:
                yield edge
            elif self.layout.edges[edge][1] in self.layout.intermediate:
                yield self.layout.edges[edge][1] - self.layout.n_inputs

    def _counts(self, codes: Codes) -> Floats:
        """How many open paths of each cell have each known sequence: (n, sequences)."""
        numbers, is_open = self._sequences(codes)
        return count_known(numbers, self._known, is_open)


def count_known(labels: npt.NDArray[Any], known: npt.NDArray[Any], chosen: _Flags | None = None) -> Floats:
    """Count how often each row of labels has each of the known ones.

    Parameters
    ----------
    labels : ndarray of integers, shape (n, places)
    known : ndarray of integers, shape (k,)
        Labels to count, in ascending order.
    chosen : ndarray of bool, shape (n, places), optional
        Which places count; by default all.

    Returns
    -------
    ndarray of float64, shape (n, k)
        One column of zeros if no label is known.

    Examples
    --------
    >>> count_known(np.array([[3, 5, 3], [4, 4, 5]]), np.array([3, 5])).tolist()
    [[2.0, 1.0], [0.0, 1.0]]
    """
    if not len(known):
        return np.zeros((len(labels), 1))
    column = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    counted = known[column] == labels
    if chosen is not None:
        counted &= chosen
    rows = np.broadcast_to(np.arange(len(labels))[:, None], column.shape)
    flat = rows[counted] * len(known) + column[counted]
    counts = np.bincount(flat, minlength=len(labels) * len(known))
    return counts.reshape(len(labels), -1).astype(np.float64)


def live_operations(layout: CellLayout, codes: Codes) -> Floats:
    """Count how often each operation is on a path from an input to the output: (n, graphs times operations)."""
    return np.concatenate([_live_counts(layout, part) for part in layout.split(codes)], axis=1).astype(np.float64)


def graph_descriptors(space: Space, codes: Codes) -> dict[str, Floats]:
    """Describe the graphs of cells by a few numbers each.

    All are about the part of a graph that is on a path from an input to the output. Identities do not count for the
    length of a path. For each graph of a cell:

    - the numbers of operations on the longest and on the shortest path, and whether a path has none;
    - the largest number of times that each operation is on one path, and how often it is there at all;
    - the edges out of the inputs and into the output (where all intermediate nodes are the output: the nodes);
    - the numbers of intermediate nodes and of edges;
    - the logarithm of 1 plus the number of paths.

    Then, where the space knows them, the counts of operations weighted by their channels, and the log size.

    Parameters
    ----------
    space : Space
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        Descriptors by name. A cell without a path has zeros, but for the size.

    Examples
    --------
    >>> from crlso.spaces import NASBench101
    >>> space = NASBench101()
    >>> described = graph_descriptors(space, space.codes("conv3x3-bn-relu(0)+maxpool3x3(1)+output(0,2)"))
    >>> [round(float(described[name][0]), 3) for name in ("longest path", "shortest path", "edges", "log paths")]
    [2.0, 0.0, 4.0, 1.099]
    """
    found: dict[str, Floats] = {}
    for title, part in zip(space.layout.graphs, space.layout.split(codes)):
        for name, column in _described(space.layout, part):
            found[f"{title} {name}" if title else name] = column.astype(np.float64)
    channels, size = space.channels(codes), space.log_size(codes)
    if channels is not None:
        numbers = np.concatenate([operation_numbers(space.layout, part) for part in space.layout.split(codes)], axis=1)
        for k, operation in enumerate(space.layout.operations):
            found[f"channels of {operation}"] = (channels * (numbers == k)).sum(axis=1)
    if size is not None:
        found["log size"] = size
    return found


def standardised(values: Floats) -> Floats:
    """Scale values to mean 0 and standard deviation 1; return zeros where all are equal."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _flags(layout: CellLayout, operations: Collection[int]) -> _Flags:
    """For each operation, whether it is one of some."""
    return np.array([i in operations for i in range(len(layout.operations))])


def operation_numbers(layout: CellLayout, part: Codes) -> _Numbers:
    """Index of each operation of one graph; those that are not there are below 0."""
    n = len(layout.intermediate if layout.operations_on_nodes else layout.edges)
    numbers: _Numbers = part[:, :n].astype(np.int64) - layout.free
    return numbers


def _passing(layout: CellLayout, part: Codes) -> _Flags:
    """Which edges of one graph pass something on: (n, edges)."""
    columns = np.asarray(layout.edge_columns)
    if layout.operations_on_nodes:
        return (columns < 0) | (part[:, columns] > 0)
    numbers = operation_numbers(layout, part)
    return (numbers >= 0) & ~_flags(layout, layout.dead_operations)[numbers]


def live_parts(layout: CellLayout, part: Codes) -> tuple[_Flags, _Flags]:
    """Which nodes and which edges of one graph are on a path from an input to the output: (n, nodes), (n, edges)."""
    passing = _passing(layout, part)
    reached = np.zeros((len(part), layout.n_nodes), dtype=bool)
    used = reached.copy()
    reached[:, : layout.n_inputs] = True
    used[:, (layout.n_nodes - 1 if layout.has_output else layout.n_inputs) :] = True
    for edge, (source, target) in enumerate(layout.edges):  # by target: sources come before
        reached[:, target] |= passing[:, edge] & reached[:, source]
    for edge in sorted(range(len(layout.edges)), key=lambda e: -layout.edges[e][0]):
        source, target = layout.edges[edge]
        used[:, source] |= passing[:, edge] & used[:, target]
    sources, targets = np.array(layout.edges).T
    return reached & used, passing & reached[:, sources] & used[:, targets]


def _live_counts(layout: CellLayout, part: Codes) -> _Numbers:
    """How often each operation of one graph is on a path from an input to the output: (n, operations)."""
    nodes, edges = live_parts(layout, part)
    live = nodes[:, list(layout.intermediate)] if layout.operations_on_nodes else edges
    numbers = operation_numbers(layout, part)
    return np.stack([(live & (numbers == k)).sum(axis=1) for k in range(len(layout.operations))], axis=1)


def _described(layout: CellLayout, part: Codes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Descriptors of one graph of each cell by name, see :func:`graph_descriptors`."""
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


def _paths(layout: CellLayout) -> list[tuple[int, ...]]:
    """Edges of the paths from an input to the output (or to any intermediate node, where there is none)."""
    ends = set(_ends(layout))
    paths: list[tuple[int, ...]] = []
    front: list[tuple[int, tuple[int, ...]]] = [(node, ()) for node in range(layout.n_inputs)]
    while front and len(paths) < MAX_PATHS:
        front = [
            (target, (*path, edge))
            for node, path in front
            for edge, (source, target) in enumerate(layout.edges)
            if source == node
        ][: 16 * MAX_PATHS]
        paths += [path for node, path in front if node in ends]
    return paths[:MAX_PATHS]
