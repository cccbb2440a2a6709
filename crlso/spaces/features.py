"""What of cells the kernels compare, derived from the space alone: operations, paths from input to output, size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.layout import CellLayout

__all__ = ["CellFeatures", "live_operations", "standardised"]

MAX_PATHS = 1024  # ways through a graph that are followed, the shortest first


class CellFeatures:
    """Features of the cells of a space.

    Parameters
    ----------
    space : CellSpace
    reference : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space: sequences of operations that none of them has are not counted, and
        of the others only those whose counts vary most.
    columns : int
        How many sequences are counted.
    """

    def __init__(self, space: Any, reference: Codes, columns: int = 128) -> None:
        if not isinstance(getattr(space, "layout", None), CellLayout):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        self._space = space
        self.layout: CellLayout = space.layout
        self._ways = _ways(self.layout)
        self._is_skip = np.isin(np.arange(len(self.layout.operations)), list(self.layout.identities))
        numbers, alive = self._sequences(reference)
        self._known: npt.NDArray[np.uint64] = np.unique(numbers[alive])
        spread = self._counts(reference).std(axis=0)
        self._known = self._known[np.sort(np.argsort(-spread, kind="stable")[:columns])]
        sizes = self._space.log_size(reference)
        self._centre = None if sizes is None else (float(sizes.mean()), float(sizes.std()) or 1.0)

    def operations(self, codes: Codes) -> Floats:
        """Rows between which half the squared distance is the number H of operations that differ.

        Where edges are fixed, operations are compared place by place; of NAS-Bench-201, the two convolutions are half
        the same. Where edges are free, the counts of live operations and edges of each graph are: another operation is
        a difference of 1, an edge more or less one of 1/2.
        """
        if self.layout.free:
            return self._count_features(codes)
        rows: Floats = np.asarray(np.linalg.cholesky(self._space.similarity()), dtype=np.float64)[codes]
        return rows.reshape(len(codes), -1)

    def _count_features(self, codes: Codes) -> Floats:
        parts = []
        for part in self.layout.split(codes):
            counts = [_live_counts(self.layout, part)]
            if self.layout.operations_on_nodes:
                counts.append((part[:, list(self.layout.edge_columns)] > 0).sum(axis=1)[:, None])
            for count in np.concatenate(counts, axis=1).T:
                # As many ones as are counted: the squared distance of two rows is the difference of the counts.
                parts.append(np.arange(len(self.layout.edges)) < count[:, None])
        return np.concatenate(parts, axis=1).astype(np.float64)

    def paths(self, codes: Codes) -> Floats:
        """Square roots of how many ways from an input to the output have a sequence of operations, skips left out."""
        return np.sqrt(self._counts(codes))

    def live_operations(self, codes: Codes) -> Floats:
        """How often each operation is on a way from an input to the output: (n, graphs times operations)."""
        return live_operations(self.layout, codes)

    def size(self, codes: Codes) -> Floats | None:
        """Standardised logarithm of the size of networks of the cells; None where the space says nothing about it."""
        sizes = self._space.log_size(codes)
        return None if sizes is None or self._centre is None else (sizes - self._centre[0]) / self._centre[1]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _sequences(self, codes: Codes) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        """A number for the sequence of operations on each way, and whether something passes: (n, graphs x ways)."""
        found, open_ways = [], []
        base = np.uint64(len(self.layout.operations) + 1)
        for graph, part in enumerate(self.layout.split(codes)):
            passing, numbers = _passing(self.layout, part), _operations(self.layout, part)
            skipped = (numbers < 0) | self._is_skip[numbers]
            digits = (numbers + 1).astype(np.uint64)
            for edges in self._ways:
                number = np.full(len(part), graph + 1, dtype=np.uint64)
                for place in self._places(edges):
                    number = np.where(skipped[:, place], number, number * base + digits[:, place])
                found.append(number)
                open_ways.append(passing[:, list(edges)].all(axis=1))
        return np.stack(found, axis=1), np.stack(open_ways, axis=1)

    def _places(self, edges: tuple[int, ...]) -> Iterator[int]:
        """Where the operations of a way are."""
        for edge in edges:
            if not self.layout.operations_on_nodes:
                yield edge
            elif self.layout.edges[edge][1] in self.layout.intermediate:
                yield self.layout.edges[edge][1] - self.layout.n_inputs

    def _counts(self, codes: Codes) -> Floats:
        numbers, alive = self._sequences(codes)
        if not len(self._known):
            return np.zeros((len(codes), 1))
        place = np.minimum(np.searchsorted(self._known, numbers), len(self._known) - 1)
        counted = alive & (self._known[place] == numbers)
        rows = np.broadcast_to(np.arange(len(codes))[:, None], place.shape)
        cells = rows[counted] * len(self._known) + place[counted]
        counts = np.bincount(cells, minlength=len(codes) * len(self._known))
        return counts.reshape(len(codes), -1).astype(np.float64)


def live_operations(layout: CellLayout, codes: Codes) -> Floats:
    """How often each operation is on a path from an input to the output: (n, graphs times operations)."""
    return np.concatenate([_live_counts(layout, part) for part in layout.split(codes)], axis=1).astype(np.float64)


def _operations(layout: CellLayout, part: Codes) -> npt.NDArray[np.int64]:
    """Number of each operation of one graph, those that are not there below 0."""
    n = len(layout.intermediate if layout.operations_on_nodes else layout.edges)
    numbers: npt.NDArray[np.int64] = part[:, :n].astype(np.int64) - layout.free
    return numbers


def _passing(layout: CellLayout, part: Codes) -> npt.NDArray[np.bool_]:
    """Which edges of one graph pass something on: (n, edges)."""
    columns = np.asarray(layout.edge_columns)
    if layout.operations_on_nodes:
        return (columns < 0) | (part[:, columns] > 0)
    is_dead = np.isin(np.arange(len(layout.operations)), list(layout.dead_operations))
    numbers = _operations(layout, part)
    return (numbers >= 0) & ~is_dead[numbers]


def _live_counts(layout: CellLayout, part: Codes) -> npt.NDArray[np.int64]:
    """How often each operation of one graph is on a path from an input to the output: (n, operations)."""
    passing, numbers = _passing(layout, part), _operations(layout, part)
    reached = np.zeros((len(part), layout.n_nodes), dtype=bool)
    used = reached.copy()
    reached[:, : layout.n_inputs] = True
    used[:, (layout.n_nodes - 1 if layout.has_output else layout.n_inputs) :] = True
    for edge, (source, target) in enumerate(layout.edges):  # by target: sources come before
        reached[:, target] |= passing[:, edge] & reached[:, source]
    for edge in sorted(range(len(layout.edges)), key=lambda e: -layout.edges[e][0]):
        source, target = layout.edges[edge]
        used[:, source] |= passing[:, edge] & used[:, target]
    if layout.operations_on_nodes:
        inner = list(layout.intermediate)
        live = reached[:, inner] & used[:, inner]
    else:
        sources, targets = np.array(layout.edges).T
        live = passing & reached[:, sources] & used[:, targets]
    return np.stack([(live & (numbers == k)).sum(axis=1) for k in range(len(layout.operations))], axis=1)


def _ways(layout: CellLayout) -> list[tuple[int, ...]]:
    """Edges of the ways from an input to the output (or any intermediate node, where there is none)."""
    ends = {layout.n_nodes - 1} if layout.has_output else set(layout.intermediate)
    ways: list[tuple[int, ...]] = []
    front: list[tuple[int, tuple[int, ...]]] = [(node, ()) for node in range(layout.n_inputs)]
    while front and len(ways) < MAX_PATHS:
        front = [
            (target, (*way, edge))
            for node, way in front
            for edge, (source, target) in enumerate(layout.edges)
            if source == node
        ][: 16 * MAX_PATHS]
        ways += [way for node, way in front if node in ends]
    return ways[:MAX_PATHS]


def standardised(values: Floats) -> Floats:
    """Values of mean 0 and standard deviation 1; zeros where all are equal."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)
