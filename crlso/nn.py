"""Neural networks: modules, which hold parameters, and the operations that use them.

A small network and its training loop:

>>> from crlso.optim import Adam
>>> rng = np.random.default_rng(0)
>>> x = rng.uniform(-1, 1, size=(64, 2))
>>> y = x[:, :1] * x[:, 1:]
>>> net = Sequential(Linear(2, 32, rng=rng, activation="tanh"), Linear(32, 1, rng=rng))
>>> adam = Adam(net.parameters(), lr=1e-2)
>>> for step in range(300):
...     adam.zero_grad()
...     loss = ((net(x) - y) ** 2).mean()
...     loss.backward()
...     norm = adam.step()  # of the gradients
>>> loss.item() < 2e-3
True

Parameters are :class:`crlso.Tensor` leaves that own NumPy memory. What has random initial values takes `rng`: there is
no hidden source of randomness.

- A NumPy ``Generator``, as above: each module draws a seed from it. The order in which modules are made matters.
- A :class:`~crlso.random.Stream`: the values of each parameter depend on the stream and the parameter's name alone,
  whatever else the program makes. Give each part of a model a stream of its own: ``stream.child("encoder")``.
- An integer, or a ``SeedSequence``. Equal seeds give equal numbers: use another one for each module.

Arrays and numbers that meet a Tensor take its dtype, so float64 data fits a float32 network. Two tensors of different
dtypes are an error.

Most operations are methods of Tensor too: ``net(x).relu().mean(axis=1)``.
"""

from __future__ import annotations

import contextlib
import math
import os
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.blas import warn_of_slow_core
from crlso._base.checks import check_choice, check_int, check_number
from crlso._base.files import BROKEN, write_npz
from crlso._core import (
    GraphBatch,
    Tensor,
    binary_cross_entropy,
    concat,
    leaky_relu,
    mse,
    relu,
    sigmoid,
    softmax,
    softmax_cross_entropy,
    softplus,
    tanh,
)
from crlso.random import Stream, seed_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ICNN",
    "MLP",
    "SLOPE",
    "Dropout",
    "GraphLayer",
    "Linear",
    "Module",
    "OneHotGraphLayer",
    "Sequential",
    "binary_cross_entropy",
    "concat",
    "grad",
    "leaky_relu",
    "mse",
    "no_grad",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "tanh",
]

SLOPE = 0.01
"""Slope of all leaky ReLUs below zero."""

_ACTIVATIONS = ("none", "leaky_relu", "relu", "tanh", "sigmoid", "softplus")


def __dir__() -> list[str]:
    return __all__


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Turn off the recording of operations inside a ``with`` block, in this thread.

    Examples
    --------
    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """
    before = _core.is_grad_enabled()
    try:
        _core.set_grad_enabled(False)  # inside, so that Ctrl-C cannot leave it off
        yield
    finally:
        _core.set_grad_enabled(before)


def grad(f: Callable[[Tensor], Tensor], x: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the gradient of a function at a point.

    Parameters
    ----------
    f : callable
        Takes a Tensor of the shape of `x` and returns a Tensor, whose elements are summed. So if `f` maps each row to
        one number, the result holds the gradient of each row.
    x : array_like
        The point, with at most four dimensions. If `f` is a module, it is cast to the dtype of its parameters.

    Returns
    -------
    numpy.ndarray
        Gradient, of the shape of `x`. The ``grad`` of parameters does not change.

    Raises
    ------
    TypeError
        If `f` does not return a Tensor.

    Examples
    --------
    >>> grad(lambda x: x * x, np.array([1.0, 3.0]))
    array([2., 6.])
    """
    dtypes: list[Any] = [parameter.dtype for parameter in f.parameters()] if isinstance(f, Module) else []
    leaf = Tensor(np.asarray(x), requires_grad=True, dtype=dtypes[0] if dtypes else None)
    before = _core.is_grad_enabled()
    try:
        _core.set_grad_enabled(True)
        output = f(leaf)
        if not isinstance(output, Tensor):
            raise TypeError(f"f: expected a function that returns a Tensor, got {type(output).__name__}")
        (result,) = _core.gradients(_core.sum(output), [leaf])
    finally:
        _core.set_grad_enabled(before)
    array: npt.NDArray[Any] = result.numpy()
    return array


class Module:
    """Base class of all things with parameters.

    Subclasses assign Tensors, modules, and lists of either as attributes, and define ``__call__``. The parameters of a
    module are its Tensors that require a gradient, and those of the modules it holds.

    Attributes
    ----------
    training : bool
        Whether the module is in training, which matters to :class:`Dropout`; see :meth:`train` and :meth:`eval`.

    Examples
    --------
    >>> class Net(Module):
    ...     def __init__(self, rng):
    ...         self.hidden = Linear(4, 8, rng=rng, activation="relu")
    ...         self.output = Linear(8, 1, rng=rng)
    ...     def __call__(self, x):
    ...         return self.output(self.hidden(x))
    >>> net = Net(np.random.default_rng(0))
    >>> net
    Net(
      (hidden): Linear(4, 8, activation='relu')
      (output): Linear(8, 1)
    )
    >>> list(net.named_parameters())
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    training: bool = True

    def _items(self) -> Iterator[tuple[str, Any]]:
        """Yield the values of all attributes, and the items of lists one by one, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, (list, tuple)):
                yield from ((f"{name}.{position}", item) for position, item in enumerate(value))
            else:
                yield name, value

    def named_parameters(self) -> dict[str, Tensor]:
        """Return the parameters by name: attribute names and list positions, joined by dots."""
        found: dict[str, Tensor] = {}
        for name, item in self._items():
            if isinstance(item, Tensor) and item.requires_grad:
                found[name] = item
            elif isinstance(item, Module):
                found.update({f"{name}.{inner}": tensor for inner, tensor in item.named_parameters().items()})
        return found

    def parameters(self) -> list[Tensor]:
        """Return all parameters, each once, in the order in which their attributes were first assigned."""
        return list({id(tensor): tensor for tensor in self.named_parameters().values()}.values())

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all parameters as arrays by name."""
        return {name: tensor.numpy().copy() for name, tensor in self.named_parameters().items()}

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Copy values into the parameters.

        Parameters
        ----------
        state : mapping of str to array_like
            Arrays by name, as :meth:`state` returns them.

        Raises
        ------
        ValueError
            If names or shapes differ, a value is not a finite real number, or a negative entry would break convexity.
            The parameters are unchanged then.
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters to an npz archive.

        Parameters
        ----------
        path : path-like
            The file, which is replaced whole or not at all; its name is taken as it is.

        Examples
        --------
        >>> import os, tempfile
        >>> net, other = Linear(3, 2, rng=0), Linear(3, 2, rng=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save(os.path.join(folder, "net.npz"))
        ...     other.load(os.path.join(folder, "net.npz"))
        >>> bool((net.weight.numpy() == other.weight.numpy()).all())
        True
        """
        write_npz(path, {_SAVED + name: array for name, array in self.state().items()})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read all parameters from a file that :meth:`save` wrote for a module of the same structure.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no such file, or its parameters do not fit. The parameters of the module are unchanged then.
        """
        parameters = self.named_parameters()
        with open(path, "rb") as file:
            try:
                state = _read_saved(file, {name: 8 * tensor.size for name, tensor in parameters.items()})
            except (*BROKEN, OSError) as error:
                raise ValueError(
                    f"path: expected a file that Module.save wrote, got {os.fspath(path)!r}: {error}"
                ) from error
        self.load_state(state)

    def train(self, mode: bool = True) -> Self:
        """Set whether this module and all modules in it are in training.

        Returns
        -------
        Module
            Itself.
        """
        self.training = bool(mode)
        for _, item in self._items():
            if isinstance(item, Module):
                item.train(mode)
        return self

    def eval(self) -> Self:
        """Do the same as ``train(False)``, before the module is used rather than trained."""
        return self.train(False)

    def _describe(self) -> str | None:
        """Return the main arguments of the constructor in one line, or None to list what the module holds."""
        return None

    def __repr__(self) -> str:
        """Return the kind of the module with its arguments, or with what it holds."""
        described = self._describe()
        if described is not None:
            return f"{type(self).__name__}({described})"
        lines = []
        for name, item in self._items():
            if isinstance(item, Tensor) and item.requires_grad:
                lines.append(f"({name}): parameter of shape {item.shape}")
            elif isinstance(item, Module):
                lines.append(f"({name}): {item!r}")
            elif callable(item):
                lines.append(f"({name}): {getattr(item, '__name__', type(item).__name__)}")
        inside = textwrap.indent("".join(line + "\n" for line in lines), "  ")
        return f"{type(self).__name__}({chr(10) + inside if lines else ''})"


_SAVED = "parameters/"
"""Prefix of the names in a file."""

_HEADER = 1024
"""Most bytes of the header of an array in a file."""


def _read_saved(file: Any, sizes: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of at most so many bytes by name, from a file that :meth:`Module.save` wrote.

    Names and sizes are compared with the expected ones before anything is read: a small file may stand for huge arrays.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("no npz archive")
    with zipfile.ZipFile(file) as archive:
        found = {entry.filename: entry.file_size for entry in archive.infolist()}
    if set(found) != {f"{_SAVED}{name}.npy" for name in sizes}:
        names = sorted(name.removeprefix(_SAVED).removesuffix(".npy") for name in found)
        raise ValueError(f"expected the parameters {sorted(sizes)}, got {names}"[:1000])
    for name, size in sizes.items():
        if found[f"{_SAVED}{name}.npy"] > size + _HEADER:
            raise ValueError(f"expected at most {size} bytes for {name}")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[_SAVED + name] for name in sizes}


def _stream(rng: Any) -> Stream:
    """Return the stream of an `rng` argument; a Stream is its own."""
    return rng if isinstance(rng, Stream) else Stream(seed_of(rng))


def _parameter(values: npt.NDArray[Any], dtype: str, nonnegative: bool = False) -> Tensor:
    warn_of_slow_core()  # here and not on import, because only models depend on fast matrix products
    tensor = Tensor(np.ascontiguousarray(values, dtype=dtype), requires_grad=True)
    tensor.nonnegative = nonnegative
    return tensor


def _normal(stream: Stream, name: str, shape: tuple[int, ...], scale: float, dtype: str) -> Tensor:
    return _parameter(scale * stream.normal(name, 0, shape, "float64"), dtype)


class Linear(Module):
    """Affine layer ``activation(x W^T + b)``, computed as one operation.

    Parameters
    ----------
    inputs, outputs : int
        Lengths of the last axis of the input and of the output.
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the initial values, see :mod:`crlso.nn`: W is normal with variance ``gain^2 / inputs``, b
        is zero.
    activation : {'none', 'leaky_relu', 'relu', 'tanh', 'sigmoid', 'softplus'}
    bias : bool
        Whether there is a b.
    gain : float, optional
        By default sqrt(2) for the rectifiers, which keeps activations at unit scale (He et al., arXiv 1502.01852), and
        1 for the others.
    dtype : {'float32', 'float64'}
        Type of the parameters.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=0, activation="tanh")
    >>> layer(np.zeros((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rng: Any,
        *,
        activation: str = "none",
        bias: bool = True,
        gain: float | None = None,
        dtype: str = "float32",
    ) -> None:
        inputs, outputs = check_int("inputs", inputs, 0), check_int("outputs", outputs, 0)
        check_choice("activation", activation, _ACTIVATIONS)
        if gain is None:
            gain = math.sqrt(2.0) if activation in ("leaky_relu", "relu") else 1.0
        self.activation = activation
        self.weight = _normal(_stream(rng), "weight", (outputs, inputs), gain / math.sqrt(max(inputs, 1)), dtype)
        self.bias = _parameter(np.zeros(outputs), dtype) if bias else None

    def __call__(self, x: Any) -> Tensor:
        """Apply the layer to x, shape (..., inputs); the result has the shape (..., outputs)."""
        return _core.linear(x, self.weight, self.bias, activation=self.activation, slope=SLOPE)

    def _describe(self) -> str:
        outputs, inputs = self.weight.shape
        activation = "" if self.activation == "none" else f", activation={self.activation!r}"
        return f"{inputs}, {outputs}{activation}{'' if self.bias is not None else ', bias=False'}"


class MLP(Module):
    """Multilayer perceptron: affine layers with leaky ReLUs between them.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the input to the output.
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the initial values, as in :class:`Linear`.
    dtype : {'float32', 'float64'}
        Type of the parameters.

    Examples
    --------
    >>> mlp = MLP([4, 16, 1], rng=0)
    >>> mlp(np.zeros((5, 4))).shape
    (5, 1)
    """

    def __init__(self, sizes: Sequence[int], rng: Any, *, dtype: str = "float32") -> None:
        stream, last = _stream(rng), len(sizes) - 2
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
        """Apply all layers to x, shape (..., sizes[0]); the result has the shape (..., sizes[-1])."""
        for layer in self.layers:
            x = layer(x)
        return x


class Sequential(Module):
    """Layers that are applied one after the other.

    Parameters
    ----------
    *layers : callable
        Modules, and functions such as :func:`relu`; each takes what the one before it returns.

    Raises
    ------
    TypeError
        If something cannot be called.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Sequential(Linear(2, 8, rng=rng), relu, Dropout(0.1, rng=rng), Linear(8, 1, rng=rng))
    >>> net
    Sequential(
      (layers.0): Linear(2, 8)
      (layers.1): relu
      (layers.2): Dropout(0.1)
      (layers.3): Linear(8, 1)
    )
    >>> net(np.zeros((5, 2))).shape
    (5, 1)
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for position, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"layers: expected modules and functions, got {type(layer).__name__} as number {position}"
                )
        self.layers = list(layers)

    def __call__(self, x: Any) -> Any:
        """Apply all layers to x."""
        for layer in self.layers:
            x = layer(x)
        return x


class Dropout(Module):
    """Random zeros in training: each element is 0 with probability `p`, and the others are divided by ``1 - p``.

    After :meth:`~Module.eval` the input is returned as it is.

    Parameters
    ----------
    p : float
        Probability in [0, 1).
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the zeros. They depend on it and on how often the module was called in training.

    References
    ----------
    N. Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting. JMLR 15, 2014.

    Examples
    --------
    >>> dropout = Dropout(0.5, rng=0)
    >>> sorted({*dropout(np.ones(100)).numpy().tolist()})
    [0.0, 2.0]
    >>> dropout.eval()(np.ones(3)).numpy()
    array([1., 1., 1.])
    """

    def __init__(self, p: float, rng: Any) -> None:
        self.p = check_number("p", p, least=0)
        if self.p >= 1:
            raise ValueError(f"p: expected a probability below 1, got {p:g}")
        self._stream = _stream(rng)
        self._calls = 0

    def __call__(self, x: Any) -> Tensor:
        """Apply the layer to x, of any shape."""
        tensor = x if isinstance(x, Tensor) else Tensor(x)
        if not self.training or self.p == 0:
            return tensor
        drawn = self._stream.uniform("dropout", self._calls, tensor.shape)
        self._calls += 1
        return tensor * np.where(drawn < self.p, 0.0, 1.0 / (1.0 - self.p))

    def _describe(self) -> str:
        return f"{self.p:g}"


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
        self.target = _normal(stream, "target", shape, scale / math.sqrt(entries), dtype)
        self.source = _normal(stream, "source", shape, scale / math.sqrt(entries), dtype)
        self.edge = _normal(stream, "edge", (edge_types, outputs), scale, dtype)
        self.bias = _parameter(np.zeros(outputs), dtype)

    def types(self) -> Tensor:
        """Return ``K3 e + k`` for each edge type, shape (edge_types, outputs)."""
        return self.edge + self.bias

    def pass_messages(self, target: Tensor, source: Tensor, graph: GraphBatch) -> Tensor:
        """Return the sum of the messages to each node, shape (nodes, outputs).

        Parameters
        ----------
        target, source : Tensor, shape (nodes, outputs)
            ``K1 x`` and ``K2 x``.
        graph : GraphBatch
        """
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
    """

    def __init__(
        self, inputs: int, outputs: int, edge_types: int, rng: Any, *, degree: int = 1, dtype: str = "float32"
    ) -> None:
        stream = _stream(rng)
        self._initialise_messages((outputs, inputs), inputs, edge_types, outputs, stream, degree, dtype)
        self.root1 = _normal(stream, "root1", (outputs, inputs), 1.0 / math.sqrt(inputs), dtype)
        self.root2 = _normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)

    def _describe(self) -> str:
        outputs, inputs = self.target.shape
        return f"{inputs}, {outputs}, {self.edge.shape[0]}"

    def root(self, x: Any) -> Tensor:
        """Return ``R2 R1 x`` for each row x, shape (n, outputs)."""
        return _core.linear(_core.linear(x, self.root1), self.root2)

    def messages(self, x: Tensor, graph: GraphBatch) -> Tensor:
        """Return the sum of the messages to each node, shape (nodes, outputs)."""
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
        rows : ndarray of int, shape (nodes, k)
            Node i has the features ``sum_j table[rows[i, j]]``.
        graph : GraphBatch

        Returns
        -------
        Tensor, shape (nodes, outputs)
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
        stream = _stream(rng)
        self._initialise_messages((kinds, outputs), 1, edge_types, outputs, stream, degree, dtype)
        self.root1 = _normal(stream, "root1", (kinds, outputs), 1.0, dtype)
        self.root2 = _normal(stream, "root2", (outputs, outputs), math.sqrt(0.5 / outputs), dtype)
        if messages is None:
            messages = np.indices((kinds, kinds, edge_types)).reshape(3, -1).T
        self.message_kinds = tuple(np.ascontiguousarray(column) for column in messages.T)
        self._rows = np.full((kinds, kinds, edge_types), -1)
        self._rows[self.message_kinds] = kinds + np.arange(len(messages))
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
        rows: npt.NDArray[np.int64] = self._rows[target, source, edge]
        return rows


class ICNN(Module):
    """Input-convex network ``h0 = s(A z + b)``, ``h' = s(W h) + s(U z)``, ``f = w . h + u . z + c`` with W, w >= 0.

    The activation s is the leaky ReLU, which is convex and increasing, so f is convex in z. W and w are marked
    non-negative: their initial values are, optimisers project them in every step, and the operations reject negative
    entries. The paper omits the constant c; it lets f start at the mean target.

    Parameters
    ----------
    inputs, width : int
        Number of inputs, and width of the hidden layers.
    layers : int
        Number of layers after h0.
    rng : Stream, int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the initial values, see :mod:`crlso.nn`. A and U are normal with variance ``2 / inputs``, u with
        ``0.01 / inputs``. W and w are uniform in [0, 1 / width], so that a layer passes on half of the mean of h.
    convex : bool
        False removes the constraint; W and w are then normal with mean 0.
    dtype : {'float32', 'float64'}
        Type of the parameters.

    References
    ----------
    B. Amos et al., arXiv 1609.07152; X. Rao et al., arXiv 2211.05950.

    Examples
    --------
    >>> icnn = ICNN(2, 8, 1, rng=0)
    >>> icnn(np.zeros((5, 2))).shape
    (5,)
    """

    def __init__(
        self, inputs: int, width: int, layers: int, rng: Any, *, convex: bool = True, dtype: str = "float32"
    ) -> None:
        stream = _stream(rng)
        self.convex = convex
        outer = math.sqrt(2.0 / max(inputs, 1))
        self.input_weight = _normal(stream, "input", (width, inputs), outer, dtype)
        self.input_bias = _parameter(np.zeros(width), dtype)
        self.weights = [self._inner(stream, f"weight{i}", (width, width), dtype) for i in range(layers)]
        self.skips = [_normal(stream, f"skip{i}", (width, inputs), outer, dtype) for i in range(layers)]
        self.output_weight = self._inner(stream, "output", (1, width), dtype)
        self.output_skip = _normal(stream, "output_skip", (1, inputs), 0.1 / math.sqrt(max(inputs, 1)), dtype)
        self.output_bias = _parameter(np.zeros(1), dtype)

    def _describe(self) -> str:
        width, inputs = self.input_weight.shape
        return f"{inputs}, {width}, {len(self.weights)}{'' if self.convex else ', convex=False'}"

    def _inner(self, stream: Stream, name: str, shape: tuple[int, int], dtype: str) -> Tensor:
        if self.convex:
            return _parameter(stream.uniform(name, 0, shape, "float64") / shape[1], dtype, nonnegative=True)
        return _normal(stream, name, shape, 1.0 / math.sqrt(shape[1]), dtype)

    def __call__(self, z: Any) -> Tensor:
        """Return f(z), shape (n,), for points z, shape (n, inputs)."""
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
        """Return a snapshot whose weights are packed once; see :meth:`crlso.models.ICNNSurrogate.freeze`."""
        first = (self.input_weight, self.input_bias, self.weights, self.skips)
        last = (self.output_weight, self.output_skip, self.output_bias)
        return _core.FrozenICNN((*first, *last), SLOPE, self.convex)

    def evaluate(self, z: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return f(z), shape (n,), and its gradients, shape (n, inputs), at points z; nothing is recorded."""
        return self.freeze().evaluate(z)

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return ``z - step * gradient``, one gradient step from each point.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
        step : float or array_like
            One step size; or sizes of shape (n,), one per point; or for one point, sizes of shape (k,).

        Returns
        -------
        ndarray, shape (n, inputs), or (k, inputs) for one point
        """
        return self.freeze().descend(z, step)
