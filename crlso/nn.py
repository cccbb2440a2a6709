"""Modules: parameters and the operations that use them, for the models of this package and for a user's own.

Parameters are :class:`crlso.Tensor` leaves over NumPy memory. Each module takes a :class:`~crlso.random.Stream`, from
which every parameter gets its initial values by name, so that a seed gives the same network whatever else is made.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.blas import warn_of_slow_core
from crlso._core import GraphBatch, Tensor
from crlso.random import Stream

__all__ = ["ICNN", "MLP", "GraphLayer", "Linear", "Module", "OneHotGraphLayer", "grad", "no_grad"]

SLOPE = 0.01
"""Slope of every leaky ReLU below zero."""


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Do not record operations inside the block (in this thread).

    Examples
    --------
    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """
    before = _core.set_grad_enabled(False)
    try:
        yield
    finally:
        _core.set_grad_enabled(before)


def grad(f: Callable[[Tensor], Tensor], x: npt.ArrayLike) -> npt.NDArray[Any]:
    """Gradient of a function at a point.

    Parameters
    ----------
    f : callable
        Takes a Tensor of the shape of `x`, returns one; its elements are summed, so for a function of rows the result
        holds each row's own gradient.
    x : array_like
        Where; at most four dimensions.

    Returns
    -------
    numpy.ndarray
        Of the shape of `x`. No parameter's ``grad`` changes.

    Examples
    --------
    >>> grad(lambda x: x * x, np.array([1.0, 3.0]))
    array([2., 6.])
    """
    leaf = Tensor(x, requires_grad=True)
    before = _core.set_grad_enabled(True)
    try:
        output = f(leaf)
        if not isinstance(output, Tensor):
            raise TypeError(f"f: expected a function that returns a Tensor, got {type(output).__name__}")
        (result,) = _core.gradients(_core.sum(output), [leaf])
    finally:
        _core.set_grad_enabled(before)
    array: npt.NDArray[Any] = result.numpy()
    return array


class Module:
    """Something with parameters: its own Tensors that require a gradient, and those of modules it holds.

    Subclasses assign parameters, modules and lists of them as attributes and define ``__call__``.
    """

    def named_parameters(self) -> dict[str, Tensor]:
        """Parameters by name: attribute names joined by dots, list positions as numbers."""
        found: dict[str, Tensor] = {}
        for name, value in vars(self).items():
            items = enumerate(value) if isinstance(value, (list, tuple)) else [(None, value)]
            for position, item in items:
                full = name if position is None else f"{name}.{position}"
                if isinstance(item, Tensor) and item.requires_grad:
                    found[full] = item
                elif isinstance(item, Module):
                    found.update({f"{full}.{inner}": tensor for inner, tensor in item.named_parameters().items()})
        return found

    def parameters(self) -> list[Tensor]:
        """All parameters, each once, in the order of their names' first assignment."""
        return list({id(tensor): tensor for tensor in self.named_parameters().values()}.values())

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of all parameters by name."""
        return {name: tensor.numpy().copy() for name, tensor in self.named_parameters().items()}

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Take over parameters.

        Parameters
        ----------
        state : mapping
            Arrays by name, as from :meth:`state`.

        Raises
        ------
        ValueError
            When names or shapes differ, a value is no finite real number, or a negative entry would break convexity;
            nothing has changed then.
        """
        parameters = self.named_parameters()
        if set(state) != set(parameters):
            raise ValueError(f"state: expected the parameters {sorted(parameters)}, got {sorted(state)}")
        checked = {}
        for name, tensor in parameters.items():
            array = np.asarray(state[name])
            if array.dtype.kind not in "fiu":
                raise ValueError(f"state: expected real numbers for {name}, got dtype {array.dtype}")
            with np.errstate(over="ignore"):
                array = array.astype(tensor.dtype)
            if array.shape != tensor.shape:
                raise ValueError(f"state: expected shape {tensor.shape} for {name}, got {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"state: expected finite values for {name}")
            if tensor.nonnegative and array.size and array.min() < 0:
                raise ValueError(f"state: expected no negative entry in {name}, got {array.min():g}")
            checked[name] = array
        for name, tensor in parameters.items():
            tensor.numpy()[...] = checked[name]


def _parameter(values: npt.NDArray[Any], dtype: str, nonnegative: bool = False) -> Tensor:
    warn_of_slow_core()  # here and not on import: whoever makes a model is about to multiply matrices
    tensor = Tensor(np.ascontiguousarray(values, dtype=dtype), requires_grad=True)
    tensor.nonnegative = nonnegative
    return tensor


def _normal(stream: Stream, name: str, shape: tuple[int, ...], scale: float, dtype: str) -> Tensor:
    return _parameter(scale * stream.normal(name, 0, shape, "float64"), dtype)


class Linear(Module):
    """``activation(x W^T + b)`` as one operation.

    Parameters
    ----------
    inputs, outputs : int
        Lengths of the last axis.
    stream : Stream
        Initial values: W normal with variance ``gain^2 / inputs``, b zero.
    activation : {'none', 'leaky_relu', 'relu', 'tanh', 'sigmoid', 'softplus'}
    bias : bool
    gain : float, optional
        By default 1, or sqrt(2) for the rectifiers, which keeps activations at unit scale (He et al., arXiv
        1502.01852).
    dtype : {'float32', 'float64'}

    Examples
    --------
    >>> layer = Linear(3, 2, Stream(0), activation="tanh")
    >>> layer(np.zeros((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stream: Stream,
        *,
        activation: str = "none",
        bias: bool = True,
        gain: float | None = None,
        dtype: str = "float32",
    ) -> None:
        if gain is None:
            gain = math.sqrt(2.0) if activation in ("leaky_relu", "relu") else 1.0
        self.activation = activation
        self.weight = _normal(stream, "weight", (outputs, inputs), gain / math.sqrt(max(inputs, 1)), dtype)
        self.bias = _parameter(np.zeros(outputs), dtype) if bias else None

    def __call__(self, x: Any) -> Tensor:
        """Apply the layer to x of shape (..., inputs)."""
        return _core.linear(x, self.weight, self.bias, activation=self.activation, slope=SLOPE)


class MLP(Module):
    """Linear layers with leaky ReLUs between them: `sizes` are the widths from input to output."""

    def __init__(self, sizes: Sequence[int], stream: Stream, *, dtype: str = "float32") -> None:
        last = len(sizes) - 2
        self.layers = [
            Linear(
                sizes[i],
                sizes[i + 1],
                stream.child(f"layer{i}"),
                activation="none" if i == last else "leaky_relu",
                dtype=dtype,
            )
            for i in range(last + 1)
        ]

    def __call__(self, x: Any) -> Tensor:
        """Apply all layers."""
        for layer in self.layers:
            x = layer(x)
        return x


class _Messages(Module):
    """What the two graph layers share: ``K3`` and ``k``, and the sum of messages from given products."""

    target: Tensor
    source: Tensor
    edge: Tensor
    bias: Tensor

    def _start_messages(
        self,
        shape: tuple[int, int],
        entries: int,
        edge_types: int,
        outputs: int,
        stream: Stream,
        degree: int,
        dtype: str,
    ) -> None:
        """Make K and k for inputs of `entries` entries of unit scale."""
        scale = 1.0 / (math.sqrt(3.0) * max(degree, 1))
        self.target = _normal(stream, "target", shape, scale / math.sqrt(entries), dtype)
        self.source = _normal(stream, "source", shape, scale / math.sqrt(entries), dtype)
        self.edge = _normal(stream, "edge", (edge_types, outputs), scale, dtype)
        self.bias = _parameter(np.zeros(outputs), dtype)

    def types(self) -> Tensor:
        """``K3 e + k`` of every edge type: (edge_types, outputs)."""
        return self.edge + self.bias

    def pass_messages(self, target: Tensor, source: Tensor, graph: GraphBatch) -> Tensor:
        """Sum of the messages into every node, from ``K1 x`` and ``K2 x`` (nodes, outputs)."""
        return _core.message_pass(target, source, self.types(), graph, slope=SLOPE)


class GraphLayer(_Messages):
    """Message passing: ``x_i' = R2 R1 x_i + sum_j leaky_relu(K [x_i; x_j; e_ij] + k)`` (arXiv 2211.05950, encoder).

    K is held in its three parts, K1 for the target, K2 for the source, K3 for the edge type, so that products are made
    once per node and not once per edge: ``K [x_i; x_j; e] = K1 x_i + K2 x_j + K3 e``.

    Parameters
    ----------
    inputs, outputs : int
        Widths of node features.
    edge_types : int
    stream : Stream
        Initial values, normal, such that features stay at unit scale: x_i, x_j and e have equal shares of a message
        (an operation is not drowned by the features beside it), the sum of messages has half of the output, and
        R2 R1 x the other half.
    degree : int
        Typical number of edges at a node, by which messages are scaled down at the start.
    """

    def __init__(
        self, inputs: int, outputs: int, edge_types: int, stream: Stream, *, degree: int = 1, dtype: str = "float32"
    ) -> None:
        self._start_messages((outputs, inputs), inputs, edge_types, outputs, stream, degree, dtype)
        self.root1 = _normal(stream, "root1", (outputs, inputs), 1.0 / math.sqrt(inputs), dtype)
        self.root2 = _normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)

    def root(self, x: Any) -> Tensor:
        """``R2 R1 x`` for rows x."""
        return _core.linear(_core.linear(x, self.root1), self.root2)

    def messages(self, x: Tensor, graph: GraphBatch) -> Tensor:
        """Sum of the messages into every node."""
        return self.pass_messages(_core.linear(x, self.target), _core.linear(x, self.source), graph)

    def __call__(self, x: Tensor, graph: GraphBatch) -> Tensor:
        """Apply the layer to node features x (nodes, inputs)."""
        return self.root(x) + self.messages(x, graph)

    def on_table(self, table: Tensor, rows: npt.NDArray[np.int64], graph: GraphBatch) -> Tensor:
        """The same where each node's features are a sum of rows of a table: products are made on the table alone.

        Parameters
        ----------
        table : Tensor, shape (n, inputs)
        rows : int array, shape (nodes, k)
            Node i has the features ``sum_j table[rows[i, j]]``.
        """
        target = _core.gather_rows(_core.linear(table, self.target), rows)
        source = _core.gather_rows(_core.linear(table, self.source), rows)
        return _core.gather_rows(self.root(table), rows) + self.pass_messages(target, source, graph)


class OneHotGraphLayer(_Messages):
    """A :class:`GraphLayer` on one-hot node features (node kinds), as a table of its few distinct terms.

    The output of a node is ``R2 R1 x_i``, one row per kind, plus one distinct message per edge. :meth:`table` makes
    these rows, :meth:`message_rows` numbers them.

    Parameters
    ----------
    kinds : int
        Number of node kinds.
    outputs, edge_types : int
    stream : Stream
        Initial values as in :class:`GraphLayer`, for vectors with one entry.
    degree : int
        As in :class:`GraphLayer`.
    messages : int array, shape (m, 3), optional
        The messages that occur, as kind of the target, kind of the source and edge type; all there can be by default.
    zero_row : bool
        Whether the table ends with a row of zeros, for nodes with fewer messages than others: number :attr:`zero_row`.
    """

    def __init__(
        self,
        kinds: int,
        outputs: int,
        edge_types: int,
        stream: Stream,
        *,
        degree: int = 1,
        messages: npt.NDArray[np.int64] | None = None,
        zero_row: bool = False,
        dtype: str = "float32",
    ) -> None:
        self._start_messages((kinds, outputs), 1, edge_types, outputs, stream, degree, dtype)
        self.root1 = _normal(stream, "root1", (kinds, outputs), 1.0, dtype)
        self.root2 = _normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)
        if messages is None:
            messages = np.indices((kinds, kinds, edge_types)).reshape(3, -1).T
        self.message_kinds = tuple(np.ascontiguousarray(column) for column in messages.T)
        self._rows = np.full((kinds, kinds, edge_types), -1)
        self._rows[self.message_kinds] = kinds + np.arange(len(messages))
        self.zero_row = kinds + len(messages)
        self._zeros = [np.zeros((1, outputs), dtype)] if zero_row else []

    def table(self) -> Tensor:
        """Rows (kinds + messages, outputs), perhaps one of zeros more: ``R2 R1 x`` of each kind, then the messages."""
        target, source, edge = map(_core.gather_rows, (self.target, self.source, self.types()), self.message_kinds)
        messages = _core.leaky_relu(target + source + edge, slope=SLOPE)
        return _core.concat([_core.linear(self.root1, self.root2), messages, *self._zeros])

    def message_rows(
        self, target: npt.NDArray[np.int64], source: npt.NDArray[np.int64], edge: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Row numbers of messages, from the kinds at both ends and the edge types (arrays of one shape)."""
        rows: npt.NDArray[np.int64] = self._rows[target, source, edge]
        return rows


class ICNN(Module):
    """Input-convex network: ``h0 = s(A z + b)``, ``h' = s(W h) + s(U z)`` with W >= 0, ``f = w . h + u . z + c``.

    s is the leaky ReLU, convex and increasing, so f is convex in z (Amos et al., arXiv 1609.07152; arXiv 2211.05950,
    surrogate). W and w are marked non-negative: they start so, optimisers project them in every step, and the
    operations refuse anything else. c is a constant that the paper leaves out; it lets f start at the mean target.

    Parameters
    ----------
    inputs, width : int
    layers : int
        Number of layers after h0.
    stream : Stream
        Initial values: A and U normal with variance ``2 / inputs``, u with ``0.01 / inputs``; W and w uniform in
        [0, 1 / width], so that a layer passes half of the mean of h on and sums stay at unit scale.
    convex : bool
        False: the same net without the constraint, its W and w with mean zero.
    """

    def __init__(
        self, inputs: int, width: int, layers: int, stream: Stream, *, convex: bool = True, dtype: str = "float32"
    ) -> None:
        self.convex = convex
        outer = math.sqrt(2.0 / max(inputs, 1))
        self.input_weight = _normal(stream, "input", (width, inputs), outer, dtype)
        self.input_bias = _parameter(np.zeros(width), dtype)
        self.weights = [self._inner(stream, f"weight{i}", (width, width), dtype) for i in range(layers)]
        self.skips = [_normal(stream, f"skip{i}", (width, inputs), outer, dtype) for i in range(layers)]
        self.output_weight = self._inner(stream, "output", (1, width), dtype)
        self.output_skip = _normal(stream, "output_skip", (1, inputs), 0.1 / math.sqrt(max(inputs, 1)), dtype)
        self.output_bias = _parameter(np.zeros(1), dtype)

    def _inner(self, stream: Stream, name: str, shape: tuple[int, int], dtype: str) -> Tensor:
        if self.convex:
            return _parameter(stream.uniform(name, 0, shape, "float64") / shape[1], dtype, nonnegative=True)
        return _normal(stream, name, shape, 1.0 / math.sqrt(shape[1]), dtype)

    def __call__(self, z: Any) -> Tensor:
        """Values f(z), shape (n,), of points z (n, inputs)."""
        h = _core.linear(z, self.input_weight, self.input_bias, activation="leaky_relu", slope=SLOPE)
        for weight, skip in zip(self.weights, self.skips, strict=True):
            h = self._layer(h, z, weight, skip)
        combine = _core.nonnegative_linear if self.convex else _core.linear
        f = combine(h, self.output_weight) + _core.linear(z, self.output_skip) + self.output_bias
        return _core.reshape(f, -1)

    def _layer(self, h: Tensor, z: Any, weight: Tensor, skip: Tensor) -> Tensor:
        if self.convex:
            return _core.icnn_layer(h, z, weight, skip, slope=SLOPE)
        inner = _core.linear(h, weight, activation="leaky_relu", slope=SLOPE)
        return inner + _core.linear(z, skip, activation="leaky_relu", slope=SLOPE)

    def freeze(self) -> _core.FrozenICNN:
        """A snapshot for many evaluations, its weights packed once; see :meth:`crlso.models.ICNNSurrogate.freeze`."""
        first = (self.input_weight, self.input_bias, self.weights, self.skips)
        last = (self.output_weight, self.output_skip, self.output_bias)
        return _core.FrozenICNN((*first, *last), SLOPE, self.convex)

    def evaluate(self, z: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Values (n,) and input gradients (n, inputs) at points z, outside the graph."""
        return self.freeze().evaluate(z)

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[Any]:
        """Points ``z - step * gradient``, with one step size, one per point, or many for one point."""
        return self.freeze().descend(z, step)
