"""The input-convex network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._core import Tensor
from crlso.nn.module import Module
from crlso.nn.values import SLOPE, normal, parameter, stream_of
from crlso.random import Stream

__all__ = ["ICNN"]


class ICNN(Module):
    """Input-convex network: its output is a convex function of its input.

    ``h0 = s(A z + b)``, ``h' = s(W h) + s(U z)``, ``f = w . h + u . z + c`` with W, w >= 0.

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
        stream = stream_of(rng)
        inputs, width, layers = (
            check_int("inputs", inputs, 0),
            check_int("width", width, 1),
            check_int("layers", layers, 0),
        )
        self.convex = convex
        outer = math.sqrt(2.0 / max(inputs, 1))
        self.input_weight = normal(stream, "input", (width, inputs), outer, dtype)
        self.input_bias = parameter(np.zeros(width), dtype)
        self.weights = [self._inner(stream, f"weight{i}", (width, width), dtype) for i in range(layers)]
        self.skips = [normal(stream, f"skip{i}", (width, inputs), outer, dtype) for i in range(layers)]
        self.output_weight = self._inner(stream, "output", (1, width), dtype)
        self.output_skip = normal(stream, "output_skip", (1, inputs), 0.1 / math.sqrt(max(inputs, 1)), dtype)
        self.output_bias = parameter(np.zeros(1), dtype)

    def _describe(self) -> str:
        width, inputs = self.input_weight.shape
        return f"{inputs}, {width}, {len(self.weights)}{'' if self.convex else ', convex=False'}"

    def _inner(self, stream: Stream, name: str, shape: tuple[int, int], dtype: str) -> Tensor:
        if self.convex:
            return parameter(stream.uniform(name, 0, shape, "float64") / shape[1], dtype, nonnegative=True)
        return normal(stream, name, shape, 1.0 / math.sqrt(shape[1]), dtype)

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
        """Return a snapshot whose weights are packed once; see :meth:`crlso.models.ICNNSurrogate.freeze`.

        Returns
        -------
        crlso._core.FrozenICNN
            It does not change when the parameters of the network do.

        Examples
        --------
        >>> net = ICNN(2, width=4, layers=1, rng=0)
        >>> z = [[0.0, 1.0], [1.0, 0.0]]
        >>> values, gradients = net.freeze().evaluate(z)
        >>> values.shape, gradients.shape
        ((2,), (2, 2))
        """
        return _core.FrozenICNN(*self._of_core())

    def _of_core(self) -> tuple[tuple[Any, ...], float, bool]:
        """Parameters, slope and convexity, as the core takes them."""
        first = (self.input_weight, self.input_bias, self.weights, self.skips)
        last = (self.output_weight, self.output_skip, self.output_bias)
        return (*first, *last), SLOPE, self.convex

    def _train(
        self,
        adam: _core.Adam,
        z: npt.NDArray[Any],
        y: npt.NDArray[Any],
        batch_size: int,
        rates: list[float],
        first_step: int,
    ) -> npt.NDArray[np.float64]:
        """Train on epochs of points z (epochs, n, inputs) and targets y (epochs, n), in batches of consecutive ones.

        A step of Adam, with its own learning rate, follows the mean squared error of each batch. The core runs the
        operations that calling the network records, so the bits are the same. `first_step` is for messages. The result
        has the sum of the squared errors of each epoch.
        """
        points, targets = z.reshape(y.size, z.shape[2]), y.reshape(y.size, 1)
        return _core.train_icnn(*self._of_core(), adam, points, targets, y.shape[1], batch_size, rates, first_step)

    def evaluate(self, z: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return f(z), shape (n,), and its gradients, shape (n, inputs), at points z; nothing is recorded.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.

        Returns
        -------
        values : ndarray, shape (n,)
            Values f(z).
        gradients : ndarray, shape (n, inputs)
            Gradients of f.

        Examples
        --------
        >>> net = ICNN(2, width=4, layers=1, rng=0)
        >>> z = [[0.0, 1.0], [1.0, 0.0]]
        >>> values, gradients = net.evaluate(z)
        >>> values.shape, gradients.shape
        ((2,), (2, 2))
        """
        return self.freeze().evaluate(z)

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return ``z - step * gradient``, one gradient step from each point.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.
        step : float or array_like
            One step size; or sizes of shape (n,), one per point; or for one point, sizes of shape (k,).

        Returns
        -------
        ndarray, shape (n, inputs), or (k, inputs) for one point
            The moved points: one for each point, or for one point, one for each step size.

        Examples
        --------
        >>> net = ICNN(2, width=4, layers=1, rng=0)
        >>> z = [[0.0, 1.0], [1.0, 0.0]]
        >>> moved = net.descend(z, 0.1)
        >>> bool((net.evaluate(moved)[0] <= net.evaluate(z)[0]).all())
        True
        """
        return self.freeze().descend(z, step)
