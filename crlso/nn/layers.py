"""Layers, and networks of layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np

import crlso._core as _core
from crlso._base.checks import check_choice, check_int, check_number
from crlso._core import Tensor
from crlso.nn.module import Module
from crlso.nn.values import SLOPE, normal, parameter, stream_of

__all__ = ["MLP", "Dropout", "Linear", "Sequential"]

_ACTIVATIONS = ("none", "leaky_relu", "relu", "tanh", "sigmoid", "softplus")


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
        if gain is not None:
            gain = check_number("gain", gain, least=0)
        else:
            gain = math.sqrt(2.0) if activation in ("leaky_relu", "relu") else 1.0
        self.activation = activation
        self.weight = normal(stream_of(rng), "weight", (outputs, inputs), gain / math.sqrt(max(inputs, 1)), dtype)
        self.bias = parameter(np.zeros(outputs), dtype) if bias else None

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
        sizes = list(sizes)
        if len(sizes) < 2:
            raise ValueError(f"sizes: expected at least the widths of input and output, got {sizes}")
        stream, last = stream_of(rng), len(sizes) - 2
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

    Positions, slices and iteration give its layers, and ``len`` their number.

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
    >>> from crlso.nn import relu
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

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.layers)

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> Sequential: ...
    def __getitem__(self, position: int | slice) -> Any:
        """Return a layer, or for a slice a Sequential of the same layers."""
        return Sequential(*self.layers[position]) if isinstance(position, slice) else self.layers[position]

    def __call__(self, x: Any) -> Any:
        """Apply all layers to x; what is no Tensor is cast to the dtype of the parameters."""
        if not isinstance(x, Tensor) and (parameters := self.parameters()):
            x = Tensor(x, dtype=parameters[0].dtype)
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
        self._stream = stream_of(rng)
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
