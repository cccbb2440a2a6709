"""Influences of operations: how much of what leaves a cell has passed through each of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.base import Space
from crlso.spaces.features import live_parts, operation_numbers
from crlso.spaces.layout import CellLayout

__all__ = ["Influences"]

_LEAST_SPREAD = 1e-6  # columns that differ by less among the reference cells are equal but for rounding

_Flags = npt.NDArray[np.bool_]


class Influences:
    """Influences of the operations of cells, by random walks from the output back to an input.

    The influence of an operation is the probability that a walk meets it. There are two kinds of walks along the edges
    that are on a path from an input to the output:

    - all paths are equally likely;
    - at each node, all edges into it are equally likely: a node that adds k inputs owes each of them one k-th.

    Where all intermediate nodes are the output, walks begin at any of them. For both kinds, and for each operation and
    all operations together, there are the mean number of them that a walk meets, and the sum of the squares of their
    influences, which tells a bottleneck from branches. For the second kind, there are the standard deviation of that
    number too, and the sum of -p log p over all influences p. All are of each graph. Numbers that differ among the
    reference cells have equal spread over these, whose mean squared distance is 1.

    Parameters
    ----------
    space : Space
    reference : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    Examples
    --------
    >>> from crlso.spaces import NASBench101
    >>> space = NASBench101()
    >>> influences = Influences(space, space.canonicalise(space.sample(500, rng=0)))
    >>> rows = influences.rows(space.codes("conv3x3-bn-relu(0)+maxpool3x3(1)+output(0,2)"))
    >>> rows.shape
    (1, 21)
    """

    def __init__(self, space: Space, reference: Codes) -> None:
        self._layout: CellLayout = space.layout
        columns = _columns(self._layout, reference)
        spread = columns.std(axis=0)
        self._differs: _Flags = spread > _LEAST_SPREAD
        self._mean = columns[:, self._differs].mean(axis=0)
        self._spread = spread[self._differs] * np.sqrt(2.0 * max(int(self._differs.sum()), 1))

    def rows(self, codes: Codes) -> Floats:
        """Return the scaled numbers of canonical cells (n, codes per cell): (n, numbers)."""
        scaled: Floats = (_columns(self._layout, codes)[:, self._differs] - self._mean) / self._spread
        return scaled


def _columns(layout: CellLayout, codes: Codes) -> Floats:
    """All numbers of cells side by side: (n, numbers)."""
    return np.concatenate([block for part in layout.split(codes) for block in _blocks(layout, part)], axis=1)


def _blocks(layout: CellLayout, part: Codes) -> Iterator[Floats]:
    """The numbers of one graph: (n, operations + 1) each, and (n, 1)."""
    nodes, edges = live_parts(layout, part)
    numbers = operation_numbers(layout, part)
    numbers = np.where(nodes[:, list(layout.intermediate)] if layout.operations_on_nodes else edges, numbers, -1)
    operations = (numbers[:, :, None] == np.arange(len(layout.operations))).astype(np.float64)
    operations = np.concatenate([operations, operations.sum(axis=2, keepdims=True)], axis=2)
    for weights in (_paths_to(layout, edges), nodes.astype(np.float64)):
        starts, steps = _chances(layout, nodes, edges, weights)
        influences = _visits(layout, starts, steps)[:, :, None] * operations
        mean = influences.sum(axis=1)
        yield mean
        yield (influences * influences).sum(axis=1)
    every = influences[:, :, -1]
    yield np.sqrt(np.maximum(_squares(layout, operations, starts, steps) - mean * mean, 0.0))
    yield -(every * np.log(np.where(every > 0, every, 1.0))).sum(axis=1, keepdims=True)


def _paths_to(layout: CellLayout, edges: _Flags) -> Floats:
    """Number of paths from an input to each node along live edges: (n, nodes)."""
    counts = np.zeros((len(edges), layout.n_nodes))
    counts[:, : layout.n_inputs] = 1.0
    for edge, (source, target) in enumerate(layout.edges):  # by target: sources come before
        counts[:, target] += counts[:, source] * edges[:, edge]
    return counts


def _chances(layout: CellLayout, nodes: _Flags, edges: _Flags, weights: Floats) -> tuple[Floats, Floats]:
    """Probabilities that walks begin at each node (n, nodes), and that they go on along each edge into it (n, edges).

    Walks choose among the nodes before the one where they are, and among those where they can begin, by their weights.
    """
    sources, targets = np.array(layout.edges).T
    steps, into = weights[:, sources] * edges, np.zeros(nodes.shape)
    for edge, target in enumerate(targets):
        into[:, target] += steps[:, edge]
    ends = [layout.n_nodes - 1] if layout.has_output else list(layout.intermediate)
    starts = np.zeros(nodes.shape)
    starts[:, ends] = weights[:, ends] * nodes[:, ends]
    return _shares(starts, starts.sum(axis=1, keepdims=True)), _shares(steps, into[:, targets])


def _shares(parts: Floats, wholes: Floats) -> Floats:
    """Parts of wholes; 0 of nothing."""
    shares: Floats = parts / np.where(wholes > 0, wholes, 1.0)
    return shares


def _visits(layout: CellLayout, starts: Floats, steps: Floats) -> Floats:
    """Probability that a walk meets each operation's node or edge: (n, places)."""
    at, along = starts.copy(), np.zeros(steps.shape)
    for edge, (source, target) in sorted(enumerate(layout.edges), key=lambda item: -item[1][1]):
        along[:, edge] = at[:, target] * steps[:, edge]
        at[:, source] += along[:, edge]
    return at[:, list(layout.intermediate)] if layout.operations_on_nodes else along


def _squares(layout: CellLayout, operations: Floats, starts: Floats, steps: Floats) -> Floats:
    """Means of the squares of the numbers of operations that a walk meets: (n, operations + 1)."""
    mean, square = np.zeros((2, *starts.shape, operations.shape[2]))
    for edge, (source, target) in enumerate(layout.edges):  # by target: what is before the source is known
        met = _met(layout, operations, edge, target)
        step = steps[:, edge, None]
        mean[:, target] += step * (mean[:, source] + met)
        square[:, target] += step * (square[:, source] + 2.0 * met * mean[:, source] + met * met)
    return np.asarray((starts[:, :, None] * square).sum(axis=1))


def _met(layout: CellLayout, operations: Floats, edge: int, target: int) -> Floats:
    """The operations that a walk meets at an edge and its target: (n, operations + 1)."""
    if not layout.operations_on_nodes:
        return operations[:, edge]
    if target in layout.intermediate:
        return operations[:, target - layout.n_inputs]
    return np.zeros_like(operations[:, 0])
