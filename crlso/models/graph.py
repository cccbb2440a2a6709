"""Graph networks on cells: batches of cells, and the message-passing layers that all models use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._core import GraphBatch, Tensor
from crlso.nn import SLOPE, GraphLayer, Module, OneHotGraphLayer, no_grad
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.layout import CellLayout

__all__ = ["CellBatch", "CellEncoding", "GraphTrunk"]

CHUNK = 2048  # cells per batch outside training


@dataclasses.dataclass(frozen=True)
class CellBatch:
    """A batch of cells, the input of the graph networks.

    Attributes
    ----------
    graph : GraphBatch
        Edges of the cells.
    kinds : ndarray of int64, shape (nodes,)
        Kind of each node, which the first layer takes as one-hot.
    rows : ndarray of int64, shape (nodes, 1 + most edges)
        Rows of the first layer's table whose sum is the node's output.
    """

    graph: GraphBatch
    kinds: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


class CellTemplate:
    """The nodes and edges that all cells of a space have in common.

    If operations are on edges, the kind of a node is its position. Each edge sends messages in both directions, and
    its type is its operation.

    If operations are on nodes, the kind of a node is its position and its operation, and absent nodes have kinds of
    their own. Each edge sends messages from source to target only, and all edges have one type.

    An absent edge sends no message.

    Parameters
    ----------
    layout : CellLayout
        Layout of the cells of the space.
    """

    def __init__(self, layout: CellLayout) -> None:
        n_graphs, n = len(layout.graphs), layout.n_nodes
        graph = np.repeat(np.arange(n_graphs), len(layout.edges))
        columns = np.tile(np.asarray(layout.edge_columns, dtype=np.int64), n_graphs)
        self._n_graphs, self._n_codes = n_graphs, len(layout.cardinalities)
        self.n_nodes = n_graphs * n
        self.edges = np.tile(np.asarray(layout.edges, dtype=np.int64), (n_graphs, 1)) + n * graph[:, None]
        self.columns = np.where(columns < 0, -1, columns + len(layout.graph_cardinalities) * graph)
        self.has_absent = layout.free
        self.both_directions = not layout.operations_on_nodes
        self.n_types = 1 if layout.operations_on_nodes else len(layout.operations)
        self.degree = max(1, (1 + self.both_directions) * len(self.edges) // self.n_nodes)
        self._number_kinds(layout, n_graphs)
        self._list_edges()

    def _number_kinds(self, layout: CellLayout, n_graphs: int) -> None:
        kinds = np.ones(layout.n_nodes, dtype=np.int64)
        node_columns = np.full(layout.n_nodes, -1)
        if layout.operations_on_nodes:
            inner = list(layout.intermediate)
            kinds[inner] = layout.graph_cardinalities[0]
            node_columns[inner] = np.arange(len(inner))
        graph = np.repeat(np.arange(n_graphs), layout.n_nodes)
        tiled = np.tile(node_columns, n_graphs)
        self._node_columns = np.where(tiled < 0, -1, tiled + len(layout.graph_cardinalities) * graph)
        self._first_kind = np.concatenate([[0], np.cumsum(np.tile(kinds, n_graphs))])
        self.n_kinds = int(self._first_kind[-1])

    def _list_edges(self) -> None:
        """List the edges that send messages to each node, padded with -1, and their sources: (nodes, most edges)."""
        incoming = []
        for node in range(self.n_nodes):
            ends = self.edges == node
            incoming.append(np.flatnonzero(ends.any(axis=1) if self.both_directions else ends[:, 1]))
        most = max(map(len, incoming))
        self._incoming = np.stack([np.pad(edges, (0, most - len(edges)), constant_values=-1) for edges in incoming])
        source = self.edges[self._incoming].sum(axis=2) - np.arange(self.n_nodes)[:, None]
        self._sources = np.where(self._incoming < 0, 0, source)
        self.is_padded = self.has_absent or bool((self._incoming < 0).any())

    def messages(self) -> npt.NDArray[np.int64]:
        """Return all possible messages as kind of target, kind of source and type of edge: (m, 3)."""
        pairs = self.edges[:, ::-1]
        if self.both_directions:
            pairs = np.concatenate([pairs, self.edges])
        kinds = [range(*self._first_kind[node : node + 2]) for node in range(self.n_nodes)]
        found = {
            (target, source, edge_type)
            for i, j in pairs.tolist()
            for target in kinds[i]
            for source in kinds[j]
            for edge_type in range(self.n_types)
        }
        return np.array(sorted(found), dtype=np.int64)

    def graph(self, codes: npt.NDArray[np.uint8]) -> GraphBatch:
        """Return the graphs of cells, for codes (n, codes per cell)."""
        return _core.cell_graph(
            codes,
            self.edges,
            self.n_nodes,
            self.n_types,
            self.columns,
            has_absent=self.has_absent,
            both_directions=self.both_directions,
        )

    def freeze(
        self,
        first_layer: OneHotGraphLayer,
        table: Tensor,
        types: list[Tensor],
        weights: list[Tensor],
        head: tuple[Tensor, Tensor, Tensor],
    ) -> _core.FrozenEncoder:
        """Return an encoder of these cells with fixed weights; the core says what each argument is."""
        return _core.FrozenEncoder(
            self._n_graphs,
            self._n_codes,
            self.edges,
            self.columns,
            self._first_kind,
            self._node_columns,
            first_layer.rows_of_messages,
            table,
            types,
            weights,
            head,
            has_absent=self.has_absent,
            both_directions=self.both_directions,
            slope=SLOPE,
        )

    def kinds(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return the kind of each node: (cells, nodes)."""
        operation = np.where(self._node_columns < 0, 0, codes[:, self._node_columns])
        kinds: npt.NDArray[np.int64] = self._first_kind[:-1] + operation
        return kinds

    def table_rows(
        self, codes: npt.NDArray[np.uint8], kinds: npt.NDArray[np.int64], first_layer: OneHotGraphLayer
    ) -> npt.NDArray[np.int64]:
        """Return the rows of the first layer's table that each node sums: (cells, nodes, 1 + most edges)."""
        column = self.columns[self._incoming]
        types = np.where(column < 0, 0, codes[:, column].astype(np.int64) - self.has_absent)
        messages = first_layer.message_rows(kinds[:, :, None], kinds[:, self._sources], types)
        if self.is_padded:
            messages = np.where((types < 0) | (self._incoming < 0), first_layer.zero_row, messages)
        return np.concatenate([kinds[:, :, None], messages], axis=2)


class CellEncoding:
    """A set of cells from which batches are made.

    Parameters
    ----------
    trunk : GraphTrunk
        Layers that will take the batches.
    codes : ndarray of uint8, shape (n, codes per cell)
        Codes of the cells.
    """

    def __init__(self, trunk: GraphTrunk, codes: npt.NDArray[np.uint8]) -> None:
        self.codes = codes
        self._template, self._first_layer = trunk.template, trunk.first

    def batch(self, chosen: npt.NDArray[np.int64] | slice) -> CellBatch:
        """Return the batch of the cells at some positions of `codes`."""
        codes = self.codes[chosen]
        kinds = self._template.kinds(codes)
        rows = self._template.table_rows(codes, kinds, self._first_layer)
        return CellBatch(self._template.graph(codes), kinds.reshape(-1), rows.reshape(-1, rows.shape[2]))

    def chunks(self) -> Iterator[CellBatch]:
        """Yield all cells in order, in batches of a size that suits evaluation."""
        for first in range(0, len(self.codes), CHUNK):
            yield self.batch(slice(first, first + CHUNK))


class GraphTrunk(Module):
    """Message-passing layers on one-hot node kinds.

    The first layer is a table of its distinct terms, and the second layer multiplies the rows of that table instead of
    the nodes (see :class:`crlso.nn.OneHotGraphLayer`). All further layers are plain.

    Parameters
    ----------
    space : Space
    width : int
        Width of all layers.
    layers : int
        Number of layers, at least 2.
    stream : Stream
        Source of the initial parameters.
    dtype : {'float32', 'float64'}
    """

    def __init__(self, space: Space, width: int, layers: int, stream: Stream, *, dtype: str = "float32") -> None:
        self.template = template = CellTemplate(space.layout)
        self.first = OneHotGraphLayer(
            template.n_kinds,
            width,
            template.n_types,
            stream.child("layer0"),
            degree=template.degree,
            messages=template.messages(),
            zero_row=template.is_padded,
            dtype=dtype,
        )
        self.layers = [
            GraphLayer(width, width, template.n_types, stream.child(f"layer{i}"), degree=template.degree, dtype=dtype)
            for i in range(1, layers)
        ]

    def nodes(self, batch: CellBatch) -> Tensor:
        """Return the features of all nodes after the last layer: (nodes, width)."""
        return self._features(batch, self.layers[1:])

    def _features(self, batch: CellBatch, further: list[GraphLayer]) -> Tensor:
        """Return the features of all nodes after the first two layers and `further` ones."""
        x = self.layers[0].on_table(self.first.table(), batch.rows, batch.graph)
        for layer in further:
            x = layer(x, batch.graph)
        return x

    def pooled(self, batch: CellBatch, weight: Tensor, bias: Tensor) -> Tensor:
        """Return ``W sum_i x_i + b`` of each graph, (graphs, outputs).

        It is fast if W has few rows: ``R2 R1`` of the last layer is linear, so the product ``W R2 R1`` is applied to
        one sum per graph instead of ``R2 R1`` to every node.
        """
        if len(self.layers) == 1:
            return _core.linear(_core.sum_pool(self.nodes(batch), batch.graph), weight, bias)
        last = self.layers[-1]
        x = self._features(batch, self.layers[1:-1])
        messages = _core.sum_pool(last.messages(x, batch.graph), batch.graph)
        root = _core.matmul(_core.matmul(weight, last.root2), last.root1)
        return _core.linear(messages, weight, bias) + _core.linear(_core.sum_pool(x, batch.graph), root)

    def freeze(self, weight: Tensor, bias: Tensor | None) -> _core.FrozenEncoder:
        """Return a snapshot of :meth:`pooled` with this weight and bias, for codes instead of batches."""
        first, *further = self.layers
        if bias is None:
            bias = Tensor(np.zeros(weight.shape[0], weight.dtype))
        with no_grad():
            table = self.first.table()
            products = [first.root(table), _core.linear(table, first.target), _core.linear(table, first.source)]
            weights = [
                _core.concat([*(() if layer is further[-1] else (_root(layer),)), layer.target, layer.source])
                for layer in further
            ]
            root = _core.matmul(_core.matmul(weight, further[-1].root2), further[-1].root1) if further else weight
            return self.template.freeze(
                self.first,
                _core.concat(products, axis=1),
                [layer.types() for layer in self.layers],
                weights,
                (weight, root, bias),
            )


def _root(layer: GraphLayer) -> Tensor:
    """Return ``R2 R1``."""
    return _core.matmul(layer.root2, layer.root1)
