"""Layers of graph networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._core import GraphBatch, Tensor
from crlso.nn.module import Module
from crlso.nn.values import SLOPE, normal, parameter, stream_of
from crlso.random import Stream

__all__ = ["GraphLayer", "OneHotGraphLayer"]


class _Messages(Module):
    """Base class of the two graph layers: the parameters of messages, and their sum at each node."""

    target: Tensor
    source: Tensor
    edge: Tensor
    bias: Tensor

    def _initialise_messages(
        self,
        shape: tuple[int, int],
        entries: int,
        edge_types: int,
        outputs: int,
        stream: Stream,
        degree: int,
        dtype: str,
    ) -> None:
        """Make K and k for inputs with `entries` nonzero entries of unit scale."""
        scale = 1.0 / (math.sqrt(3.0) * max(degree, 1))
        self.target = normal(stream, "target", shape, scale / math.sqrt(entries), dtype)
        self.source = normal(stream, "source", shape, scale / math.sqrt(entries), dtype)
        self.edge = normal(stream, "edge", (edge_types, outputs), scale, dtype)
        self.bias = parameter(np.zeros(outputs), dtype)

    def types(self) -> Tensor:
        """Return ``K3 e + k`` for each edge type, shape (edge_types, outputs).

        Returns
        -------
        Tensor, shape (edge_types, outputs)
            What an edge of each type adds to its message, before the activation.
        """
        return self.edge + self.bias

    def pass_messages(self, target: Tensor, source: Tensor, graph: GraphBatch) -> Tensor:
        """Return the sum of the messages to each node, shape (nodes, outputs).

        Parameters
        ----------
        target, source : Tensor, shape (nodes, outputs)
            ``K1 x`` and ``K2 x``.
        graph : GraphBatch
            The graphs, whose nodes the rows of `target` and `source` are.

        Returns
        -------
        Tensor, shape (nodes, outputs)
            One row for each node; zeros for a node without messages.
        """
        edge_types = self.edge.shape[0]
        if isinstance(graph, GraphBatch) and graph.n_types != edge_types:
            raise ValueError(f"graph: expected {edge_types} edge types, as the layer has, got {graph.n_types}")
        return _core.message_pass(target, source, self.types(), graph, slope=SLOPE)


class GraphLayer(_Messages):
    """Message passing ``x_i' = R2 R1 x_i + sum_j leaky_relu(K [x_i; x_j; e_ij] + k)`` (arXiv 2211.05950, encoder).

    K is stored in three parts: K1 for the target, K2 for the source and K3 for the edge type, with
    ``K [x_i; x_j; e] = K1 x_i + K2 x_j + K3 e``. So products are computed once per node instead of once per edge.

    Parameters
    ----------
    inputs, outputs : int
        Widths of the node features.
    edge_types : int
        Number of edge types.
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the initial values, see :mod:`crlso.nn`. They are normal and keep features at unit scale: x_i, x_j
        and e contribute equally to a message, and the sum of messages and ``R2 R1 x_i`` contribute equally to the
        output.
    degree : int
        Typical number of edges at a node; initial messages are divided by it.
    dtype : {'float32', 'float64'}
        Type of the parameters.

    Examples
    --------
    >>> layer = GraphLayer(3, 2, 1, rng=0)
    >>> graph = GraphBatch([0, 2], [0, 0, 1], [0], [0], 1)
    >>> layer(_core.Tensor(np.ones((2, 3), np.float32)), graph).shape
    (2, 2)
    """

    def __init__(
        self, inputs: int, outputs: int, edge_types: int, rng: Any, *, degree: int = 1, dtype: str = "float32"
    ) -> None:
        stream = stream_of(rng)
        inputs, outputs = check_int("inputs", inputs, 1), check_int("outputs", outputs, 1)
        edge_types = check_int("edge_types", edge_types, 0)
        self._initialise_messages((outputs, inputs), inputs, edge_types, outputs, stream, degree, dtype)
        self.root1 = normal(stream, "root1", (outputs, inputs), 1.0 / math.sqrt(inputs), dtype)
        self.root2 = normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)

    def _describe(self) -> str:
        outputs, inputs = self.target.shape
        return f"{inputs}, {outputs}, {self.edge.shape[0]}"

    def root(self, x: Any) -> Tensor:
        """Return ``R2 R1 x`` for each row x, shape (n, outputs).

        Parameters
        ----------
        x : array_like, shape (n, inputs)
            Rows.

        Returns
        -------
        Tensor, shape (n, outputs)
            One row for each row of `x`.

        Examples
        --------
        >>> GraphLayer(3, 2, 1, rng=0).root(np.ones((4, 3), np.float32)).shape
        (4, 2)
        """
        return _core.linear(_core.linear(x, self.root1), self.root2)

    def messages(self, x: Tensor, graph: GraphBatch) -> Tensor:
        """Return the sum of the messages to each node, shape (nodes, outputs).

        Parameters
        ----------
        x : Tensor, shape (nodes, inputs)
            Node features.
        graph : GraphBatch
            The graphs.

        Returns
        -------
        Tensor, shape (nodes, outputs)
            One row for each node; zeros for a node without messages.

        Examples
        --------
        >>> layer = GraphLayer(3, 2, 1, rng=0)
        >>> graph = GraphBatch([0, 2], [0, 0, 1], [0], [0], 1)
        >>> layer.messages(_core.Tensor(np.ones((2, 3), np.float32)), graph).shape
        (2, 2)
        """
        if isinstance(graph, GraphBatch) and np.shape(x)[:1] != (graph.n_nodes,):
            raise ValueError(f"x: expected {graph.n_nodes} rows, one per node of the graph, got shape {np.shape(x)}")
        return self.pass_messages(_core.linear(x, self.target), _core.linear(x, self.source), graph)

    def __call__(self, x: Tensor, graph: GraphBatch) -> Tensor:
        """Apply the layer to node features x, shape (nodes, inputs); the result has the shape (nodes, outputs)."""
        return self.root(x) + self.messages(x, graph)

    def on_table(self, table: Tensor, rows: npt.NDArray[np.int64], graph: GraphBatch) -> Tensor:
        """Apply the layer to node features that are sums of rows of a table.

        Products are computed once per row of the table instead of once per node.

        Parameters
        ----------
        table : Tensor, shape (n, inputs)
            Rows of which node features are sums.
        rows : ndarray of int, shape (nodes, k)
            Node i has the features ``sum_j table[rows[i, j]]``.
        graph : GraphBatch
            The graphs.

        Returns
        -------
        Tensor, shape (nodes, outputs)
            The new features of each node.
        """
        target = _core.gather_rows(_core.linear(table, self.target), rows)
        source = _core.gather_rows(_core.linear(table, self.source), rows)
        return _core.gather_rows(self.root(table), rows) + self.pass_messages(target, source, graph)


class OneHotGraphLayer(_Messages):
    """A :class:`GraphLayer` on one-hot node features (node kinds), stored as a table of its few distinct terms.

    The output of a node is the sum of ``R2 R1 x_i``, which has one value per kind, and of its messages, which have few
    values too. :meth:`table` returns all these values as rows, and :meth:`message_rows` the row numbers of messages.

    Parameters
    ----------
    kinds : int
        Number of node kinds.
    outputs, edge_types : int
        Width of the output, and number of edge types.
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the initial values, which have the scale of those of :class:`GraphLayer`.
    degree : int
        As in :class:`GraphLayer`.
    messages : ndarray of int, shape (m, 3), optional
        Messages that occur, as kind of target, kind of source and edge type; all combinations by default.
    zero_row : bool
        Whether the table ends with a row of zeros, to pad nodes that have fewer messages than others.
    dtype : {'float32', 'float64'}
        Type of the parameters.

    Attributes
    ----------
    zero_row : int
        Index of the row of zeros.
    rows_of_messages : ndarray of int64, shape (kinds, kinds, edge_types)
        Row of each message in the table, by the kinds of target and source; -1 for those that do not occur.
    """

    def __init__(
        self,
        kinds: int,
        outputs: int,
        edge_types: int,
        rng: Any,
        *,
        degree: int = 1,
        messages: npt.NDArray[np.int64] | None = None,
        zero_row: bool = False,
        dtype: str = "float32",
    ) -> None:
        stream = stream_of(rng)
        kinds, outputs = check_int("kinds", kinds, 0), check_int("outputs", outputs, 1)
        edge_types = check_int("edge_types", edge_types, 0)
        self._initialise_messages((kinds, outputs), 1, edge_types, outputs, stream, degree, dtype)
        self.root1 = normal(stream, "root1", (kinds, outputs), 1.0, dtype)
        self.root2 = normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)
        if messages is None:
            messages = np.indices((kinds, kinds, edge_types)).reshape(3, -1).T
        elif not isinstance(messages, np.ndarray) or messages.ndim != 2 or messages.shape[1] != 3:
            raise ValueError("messages: expected an array (n, 3) of the kinds of two nodes and an edge")
        self.message_kinds = tuple(np.ascontiguousarray(column) for column in messages.T)
        self.rows_of_messages = np.full((kinds, kinds, edge_types), -1)
        self.rows_of_messages[self.message_kinds] = kinds + np.arange(len(messages))
        self.zero_row = kinds + len(messages)
        self._zeros = [np.zeros((1, outputs), dtype)] if zero_row else []

    def _describe(self) -> str:
        kinds, outputs = self.target.shape
        return f"{kinds}, {outputs}, {self.edge.shape[0]}"

    def table(self) -> Tensor:
        """Return ``R2 R1 x`` of each kind, then each message, then the row of zeros if there is one.

        Returns
        -------
        Tensor, shape (kinds + m, outputs), or one row more
            One row for each kind of node, one for each of m messages, and perhaps the row of zeros.
        """
        target, source, edge = map(_core.gather_rows, (self.target, self.source, self.types()), self.message_kinds)
        messages = _core.leaky_relu(target + source + edge, slope=SLOPE)
        return _core.concat([_core.linear(self.root1, self.root2), messages, *self._zeros])

    def message_rows(
        self, target: npt.NDArray[np.int64], source: npt.NDArray[np.int64], edge: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Return the row numbers of messages in the table.

        Parameters
        ----------
        target, source, edge : ndarray of int64
            Kinds of targets, kinds of sources and edge types; their shapes broadcast.

        Returns
        -------
        ndarray of int64
            -1 for messages that were declared not to occur.
        """
        rows: npt.NDArray[np.int64] = self.rows_of_messages[target, source, edge]
        return rows
