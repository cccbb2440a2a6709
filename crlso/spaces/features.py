"""Features of cells that the space alone gives: operations, paths from the inputs to the output, size, and others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
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

_DESCRIPTORS = (
    "longest path",
    "shortest path",
    "path without operations",
    "edges out of inputs",
    "edges into output",
    "nodes",
    "edges",
    "log paths",
)
MAX_PATHS = 1024  # paths through a graph that are followed, the shortest first

_ROWS = 256  # cells whose sequences are counted at a time

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
        paths = _paths(self.layout)
        self._paths = np.cumsum([0, *map(len, paths)]), np.array([edge for path in paths for edge in path], np.int64)
        numbers, is_open = _core.cell_sequences(reference, self.layout.form, self._paths)
        self._known: npt.NDArray[np.uint64] = np.unique(numbers[is_open])
        if len(self._known) > columns:
            spread = self._spread_of_counts(reference)
            self._known = self._known[np.sort(np.argsort(-spread, kind="stable")[:columns])]
        sizes = space.log_size(reference)
        self._centre = None if sizes is None else (float(sizes.mean()), float(sizes.std()) or 1.0)
        self._reference = reference
        self._latest: tuple[bytes, dict[str, Any]] = b"", {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_latest": (b"", {})}

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
        sizes = self._log_size(codes)
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
        described = _named_descriptors(self._space, codes, self._describe(codes), self._log_size(codes))
        return np.stack(list(described.values()), axis=1)

    def _describe(self, codes: Codes) -> Floats:
        described: Floats = self._once("described", codes, lambda: _described(self.layout, codes))
        return described

    def _log_size(self, codes: Codes) -> Floats | None:
        size: Floats | None = self._once("size", codes, lambda: self._space.log_size(codes))
        return size

    def _once(self, name: str, codes: Codes, compute: Callable[[], Any]) -> Any:
        """What was computed of the latest cells: encoders ask for the same of the same cells, one after the other."""
        key, latest = codes.tobytes(), self._latest
        if latest[0] != key:
            self._latest = latest = key, {}
        found = latest[1]
        if name not in found:
            found[name] = compute()
        return found[name]

    def _count_features(self, codes: Codes) -> Floats:
        layout = self.layout
        counts = self._describe(codes)[:, :, len(_DESCRIPTORS) :: 2]
        if layout.operations_on_nodes:
            edges = [(part[:, list(layout.edge_columns)] > 0).sum(axis=1) for part in layout.split(codes)]
            counts = np.concatenate([counts, np.stack(edges, axis=1)[:, :, None]], axis=2)
        # A count is written as that many ones: the squared distance of two rows is the difference of counts.
        ones = np.arange(len(layout.edges)) < counts[..., None]
        return ones.reshape(len(codes), -1).astype(np.float64)

    def _spread_of_counts(self, codes: Codes) -> Floats:
        """The squares of the standard deviations of :meth:`_counts` times those of n: integers, so without rounding."""
        sums, squares = np.zeros((2, len(self._known)))
        for start in range(0, len(codes), _ROWS):  # in spaces of chains, there are as many sequences as cells
            counts = self._counts(codes[start : start + _ROWS])
            sums += counts.sum(axis=0)
            squares += np.einsum("ij,ij->j", counts, counts)
        return len(codes) * squares - sums * sums

    def _counts(self, codes: Codes) -> Floats:
        """How many open paths of each cell have each known sequence: (n, sequences)."""
        if not len(self._known):
            return np.zeros((len(codes), 1))
        return _core.cell_sequence_counts(codes, self.layout.form, self._paths, self._known)


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
    return _described(layout, codes)[:, :, len(_DESCRIPTORS) :: 2].reshape(len(codes), -1)


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
    return _named_descriptors(space, codes, _described(space.layout, codes), space.log_size(codes))


def _named_descriptors(space: Space, codes: Codes, described: Floats, size: Floats | None) -> dict[str, Floats]:
    """The descriptors of cells by name, of those of their graphs and their log size."""
    found: dict[str, Floats] = {}
    names = [*_DESCRIPTORS]
    for operation in space.layout.operations:
        names += [f"count of {operation}", f"most {operation} on a path"]
    for graph, title in enumerate(space.layout.graphs):
        for i, name in enumerate(names):
            found[f"{title} {name}" if title else name] = described[:, graph, i]
    channels = space.channels(codes)
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


def _described(layout: CellLayout, codes: Codes) -> Floats:
    """Descriptors of each graph, then how often each operation is there and the most on a path: (n, graphs, k)."""
    described = _core.cell_descriptors(codes, layout.form).reshape(len(codes), len(layout.graphs), -1)
    paths = described[:, :, len(_DESCRIPTORS) - 1]
    paths[...] = np.log1p(paths)
    return described


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
