"""Graph networks over cells whose operations are on edges: batches and the encoder's trunk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso import _core
from crlso._core import GraphBatch, Tensor
from crlso._random import Stream
from crlso.nn import GraphLayer, Module, OneHotGraphLayer

__all__ = ["CellBatch", "CellEncoding", "GraphTrunk"]

CHUNK = 2048  # cells per batch outside training


@dataclasses.dataclass(frozen=True)
class CellBatch:
    """Cells as the graph networks take them."""

    graph: GraphBatch
    kinds: npt.NDArray[np.int64]  # (nodes,) node kinds: positions
    rows: npt.NDArray[np.int64]  # (nodes, 1 + degree) rows of the first layer's table


class CellEncoding:
    """Turns codes of a space into batches; what does not depend on the batch is worked out once.

    Parameters
    ----------
    space : object
        With `edges`, `n_nodes` and `graph_batch`; every node has the same number of edges.
    codes : uint8 array, shape (n, edges)
        All cells from which batches will be taken.
    first_layer : OneHotGraphLayer
        Numbers the rows of its table.
    """

    def __init__(self, space: Any, codes: npt.NDArray[np.uint8], first_layer: OneHotGraphLayer) -> None:
        self.codes = codes
        self._edges = np.asarray(space.edges, dtype=np.int64)
        self._space, self._n_nodes = space, space.n_nodes
        near = [np.flatnonzero((self._edges == node).any(axis=1)) for node in range(self._n_nodes)]
        self._near = np.stack(near)  # (nodes, degree): edges at each node
        self._node = np.arange(self._n_nodes)
        self._other = self._edges[self._near].sum(axis=2) - self._node[:, None]  # (nodes, degree): their other ends
        self._first_layer = first_layer

    def batch(self, chosen: npt.NDArray[np.int64] | slice) -> CellBatch:
        """The cells at some positions of `codes`, as a batch."""
        codes = self.codes[chosen]
        graph = self._space.graph_batch(codes)
        kinds = np.broadcast_to(self._node, (len(codes), self._n_nodes))
        edge = codes[:, self._near].astype(np.int64)
        messages = self._first_layer.message_rows(self._node[:, None], self._other, edge)
        rows = np.concatenate([kinds[:, :, None], messages], axis=2)
        return CellBatch(graph, kinds.reshape(-1), rows.reshape(-1, rows.shape[2]))

    def chunks(self) -> Iterator[CellBatch]:
        """All cells in order, in batches for evaluation."""
        for first in range(0, len(self.codes), CHUNK):
            yield self.batch(slice(first, first + CHUNK))


class GraphTrunk(Module):
    """Message-passing layers over one-hot node positions.

    The first layer is a table of its distinct terms, and the second multiplies that table's rows (see
    :class:`crlso.nn.OneHotGraphLayer`); further layers are plain.
    """

    def __init__(self, space: Any, width: int, layers: int, stream: Stream, *, dtype: str = "float32") -> None:
        operations, degree = len(space.operations), 2 * len(space.edges) // space.n_nodes
        self.first = OneHotGraphLayer(
            space.n_nodes, width, operations, stream.child("layer0"), degree=degree, distinct=True, dtype=dtype
        )
        self.layers = [
            GraphLayer(width, width, operations, stream.child(f"layer{i}"), degree=degree, dtype=dtype)
            for i in range(1, layers)
        ]

    def nodes(self, batch: CellBatch) -> Tensor:
        """Node features after all layers: (nodes, width)."""
        return self._features(batch, self.layers[1:])

    def _features(self, batch: CellBatch, further: list[GraphLayer]) -> Tensor:
        """Node features after the first two layers and some further ones."""
        x = self.layers[0].on_table(self.first.table(), batch.rows, batch.graph)
        for layer in further:
            x = layer(x, batch.graph)
        return x

    def pooled(self, batch: CellBatch, weight: Tensor, bias: Tensor) -> Tensor:
        """``W sum_i x_i + b`` for each graph: (graphs, outputs), for W of few rows.

        The last layer's ``R2 R1`` is linear: W is multiplied by it, and the sums of what it acts on by the result.
        """
        if len(self.layers) == 1:
            return _core.linear(_core.sum_pool(self.nodes(batch), batch.graph), weight, bias)
        last = self.layers[-1]
        x = self._features(batch, self.layers[1:-1])
        messages = _core.sum_pool(last.messages(x, batch.graph), batch.graph)
        root = _core.matmul(_core.matmul(weight, last.root2), last.root1)
        return _core.linear(messages, weight, bias) + _core.linear(_core.sum_pool(x, batch.graph), root)
