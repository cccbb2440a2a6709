"""Contexts of operations: which operations come before and after each of them in the graph of a cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.base import Space
from crlso.spaces.features import count_known, live_parts, operation_numbers
from crlso.spaces.layout import CellLayout

__all__ = ["ContextCounts"]

_Labels = npt.NDArray[np.uint64]
_Pairs = list[tuple[int, int, npt.NDArray[np.bool_]]]


class ContextCounts:
    """Square roots of the counts of the contexts of operations, for the cells of a space.

    Only what is on a path from an input to the output counts. There are five kinds of contexts:

    - two adjacent operations;
    - an operation with all that come right before it;
    - an operation with all that come right after it;
    - an operation with both;
    - an operation with all that come right before it, each of them with all right before that.

    Inputs and the output count as operations here. The kinds have equal spread over the reference cells, whose mean
    squared distance is 1.

    Parameters
    ----------
    space : Space
    reference : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.
    columns : int
        How many contexts of each kind are counted: those of the reference cells that are most frequent.

    References
    ----------
    Shervashidze, Schweitzer, van Leeuwen, Mehlhorn, Borgwardt: Weisfeiler-Lehman graph kernels. JMLR 12, 2011, from
    which the idea of counting neighbourhoods is.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> counts = ContextCounts(space, space.classes().codes)
    >>> cell = space.codes("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")
    >>> len(counts.rows(cell))
    1
    """

    def __init__(self, space: Space, reference: Codes, columns: int = 32) -> None:
        self._layout: CellLayout = space.layout
        self._known = [_most_frequent(labels, columns) for labels in _contexts(self._layout, reference)]
        blocks = self._blocks(reference)
        spreads = [2.0 * float(block.var(axis=0).sum()) for block in blocks]
        kinds = max(sum(spread > 0 for spread in spreads), 1)
        self._scales = [1.0 / np.sqrt(kinds * spread) if spread > 0 else 0.0 for spread in spreads]

    def rows(self, codes: Codes) -> Floats:
        """Return the scaled square roots of counts of canonical cells (n, codes per cell): (n, contexts)."""
        blocks = self._blocks(codes)
        return np.concatenate([scale * block for scale, block in zip(self._scales, blocks)], axis=1)

    def _blocks(self, codes: Codes) -> list[Floats]:
        found = zip(self._known, _contexts(self._layout, codes))
        return [np.sqrt(count_known(labels, known)) for known, labels in found]


def _contexts(layout: CellLayout, codes: Codes) -> Iterator[_Labels]:
    """Labels of the contexts of each kind, graph by graph, 0 for none: (n, places) or (n, pairs)."""
    for part in layout.split(codes):
        labels, pairs = _places(layout, part)
        before, after = _gathered(labels, pairs, 1), _gathered(labels, pairs, 0)
        first, second = [a for a, _, _ in pairs], [b for _, b, _ in pairs]
        live = np.stack([flags for _, _, flags in pairs], axis=1)
        yield np.where(live, _hashed(_hashed(labels[:, first]) + labels[:, second]), np.uint64(0))
        for context in (
            before,
            _hashed(after),
            _hashed(before) + after,
            _gathered(_hashed(labels + _hashed(before)), pairs, 1),
        ):
            yield np.where(labels > 0, _hashed(labels + _hashed(context)), np.uint64(0))


def _places(layout: CellLayout, part: Codes) -> tuple[_Labels, _Pairs]:
    """Labels of operations, inputs and output of one graph (n, places), 0 for none, and which places are adjacent."""
    nodes, edges = live_parts(layout, part)
    numbers = operation_numbers(layout, part)
    n_operations, n_inputs, last = len(layout.operations), layout.n_inputs, layout.n_nodes - 1
    labels = np.zeros((len(part), layout.n_nodes), dtype=np.uint64)
    labels[:, :n_inputs] = n_operations + 1 + np.arange(n_inputs)
    if layout.has_output:
        labels[:, last] = n_operations + 1 + n_inputs
    if layout.operations_on_nodes:
        inner = list(layout.intermediate)
        labels[:, inner] = np.where(nodes[:, inner], numbers + 1, 0)
        return labels, [(source, target, edges[:, edge]) for edge, (source, target) in enumerate(layout.edges)]
    pairs: _Pairs = []  # edges are the places, after inputs and output, which stay where they are
    for edge, (source, target) in enumerate(layout.edges, start=layout.n_nodes):
        live = edges[:, edge - layout.n_nodes]
        if source < n_inputs:
            pairs.append((source, edge, live))
        if layout.has_output and target == last:
            pairs.append((edge, last, live))
        for other, (begin, _) in enumerate(layout.edges):
            if begin == target:
                pairs.append((edge, layout.n_nodes + other, live & edges[:, other]))
    return np.concatenate([labels, np.where(edges, numbers + 1, 0).astype(np.uint64)], axis=1), pairs


def _gathered(labels: _Labels, pairs: _Pairs, towards: int) -> _Labels:
    """A label for the multiset of labels before (`towards` 1) or after (0) each place: (n, places)."""
    hashed, sums = _hashed(labels), np.zeros_like(labels)
    for *pair, live in pairs:
        sums[:, pair[towards]] += np.where(live, hashed[:, pair[1 - towards]], np.uint64(0))
    return sums


def _hashed(labels: _Labels) -> _Labels:
    """Mix the bits of 64-bit labels (the finaliser of SplitMix64), so that sums of them name multisets."""
    mixed = labels + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _most_frequent(labels: _Labels, columns: int) -> _Labels:
    """The most frequent labels, in ascending order."""
    known, counts = np.unique(labels[labels > 0], return_counts=True)
    return np.sort(known[np.argsort(-counts, kind="stable")[:columns]])
