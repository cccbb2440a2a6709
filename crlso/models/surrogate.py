"""The convex surrogate: an input-convex network from latents to errors."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.types import EpochProgress
from crlso.models.base import Estimator, check_points, check_targets, kendall_tau, train
from crlso.nn import ICNN, Module
from crlso.random import Stream, seed_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConvexityCertificate", "ICNNSurrogate"]


@dataclasses.dataclass(frozen=True)
class ConvexityCertificate:
    """What :meth:`ICNNSurrogate.certify_convexity` found.

    Attributes
    ----------
    smallest_weight : float
        Smallest entry of the matrices that must not be negative.
    largest_jensen_gap : float
        Largest ``f(t a + (1 - t) b) - t f(a) - (1 - t) f(b)`` over random segments, relative to the spread of f over
        their ends; a convex function has none above rounding.
    smallest_curvature : float
        Smallest second difference ``(f(x + h v) - 2 f(x) + f(x - h v)) / h^2`` over random points x and unit vectors v:
        the finite-difference stand-in for the smallest eigenvalue of the Hessian, which itself is zero almost
        everywhere, as f is piecewise linear. In the units of f; rounding alone gives about 1e-7 |f| / h^2.
    convex : bool
        No negative weight, and no gap above `tolerance`.
    tolerance : float
    """

    smallest_weight: float
    largest_jensen_gap: float
    smallest_curvature: float
    convex: bool
    tolerance: float


class ICNNSurrogate(Estimator):
    """Regression by a network that is convex in its input.

    Parameters
    ----------
    width : int
        Width of the hidden layers (128 in the paper for NAS-Bench-201).
    layers : int
        Hidden layers after the first.
    convex : bool
        False: the same network without the constraint, for ablations.
    epochs, batch_size, learning_rate, betas, weight_decay
        Of :meth:`fit`; the rate falls along a cosine.
    input_noise, label_noise : float
        Standard deviations of normal noise added to inputs and labels in each step.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Initial values, order and noise.

    Attributes
    ----------
    network_ : ICNN
    history_ : list of float
        Mean squared error of each epoch of the last fit, in the units of y squared.

    Notes
    -----
    A. Amos et al., arXiv 1609.07152; X. Rao et al., arXiv 2211.05950.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> model = ICNNSurrogate(width=16, epochs=100, learning_rate=1e-2, rng=0).fit(z, (z**2).sum(axis=1))
    >>> bool(model.score(z, (z**2).sum(axis=1)) > 0.8), model.certify_convexity(z).convex
    (True, True)
    """

    _kind = "icnn-surrogate"

    def __init__(
        self,
        *,
        width: int = 128,
        layers: int = 4,
        convex: bool = True,
        epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        input_noise: float = 0.0,
        label_noise: float = 0.0,
        rng: Any = 0,
    ) -> None:
        self.width = width
        self.layers = layers
        self.convex = convex
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.betas = betas
        self.weight_decay = weight_decay
        self.input_noise = input_noise
        self.label_noise = label_noise
        self.rng = rng

    def initialise(self, inputs: int, mean: float = 0.0) -> Self:
        """Make the network anew, without training it, its constant set to `mean`."""
        check_int("width", self.width, 1)
        check_int("layers", self.layers, 0)
        self._stream = Stream(seed_of(self.rng)).child("icnn")
        self._fits = 0
        self.network_ = ICNN(inputs, self.width, self.layers, self._stream, convex=self.convex)
        self.network_.output_bias.numpy()[:] = mean
        self.history_: list[float] = []
        return self

    def fit(
        self, z: npt.ArrayLike, y: npt.ArrayLike, *, warm_start: bool = False, on_epoch: EpochProgress | None = None
    ) -> Self:
        """Fit to pairs of latents and errors.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
        y : array_like, shape (n,)
        warm_start : bool
            Go on from the present parameters (fine-tuning) instead of new ones.
        on_epoch : callable, optional
            ``on_epoch(done, epochs)``.

        Returns
        -------
        ICNNSurrogate
            Itself.
        """
        go_on = warm_start and hasattr(self, "network_")
        points = self._points(z) if go_on else check_points(z)
        targets = check_targets(y, len(points))
        if not go_on:
            self.initialise(points.shape[1], float(targets.mean()))
        self._fits += 1
        stream = self._stream.child(f"fit{self._fits}")

        def loss(positions: npt.NDArray[np.int64], step: int) -> Any:
            x: npt.NDArray[Any] = points[positions]
            t: npt.NDArray[Any] = targets[positions]
            if self.input_noise:
                x = x + self.input_noise * stream.normal("input", step, x.shape)
            if self.label_noise:
                t = t + self.label_noise * stream.normal("label", step, t.shape)
            return _core.mse(self.network_(x), t)

        self.history_ = train(
            self.network_.parameters(),
            loss,
            len(points),
            stream,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            on_epoch=on_epoch,
        )
        return self

    def predict(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Predicted errors, shape (n,), at points z, shape (n, inputs)."""
        return self.evaluate(z)[0]

    def evaluate(self, z: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Predicted errors (n,) and their gradients (n, inputs) at points z."""
        return self._network().evaluate(self._points(z))

    def freeze(self) -> _core.FrozenICNN:
        """A snapshot for a search that evaluates few points at a time, many times: the weights are packed once.

        :meth:`evaluate` and :meth:`descend` take such a snapshot in every call, which many points repay.

        Returns
        -------
        FrozenICNN
            ``evaluate(z)`` gives the predicted errors (n,) and their gradients (n, inputs) at floats z (n, inputs).
            ``descend(z, step)`` gives ``z - step * gradient``, with one size or sizes of shape (n,), or with sizes (k,)
            the k points that they reach from one start z (1, inputs). Fitting the model later does not change it.

        Raises
        ------
        RuntimeError
            Before :meth:`fit`.
        ValueError
            When a weight would break convexity; by both methods, when z is not finite or has another shape.
        TypeError
            By both methods, when z holds no floats.

        Examples
        --------
        >>> model = ICNNSurrogate(width=8, rng=0).initialise(2)
        >>> frozen = model.freeze()
        >>> frozen.descend(np.ones((1, 2)), [0.1, 0.2, 0.3]).shape
        (3, 2)
        """
        return self._network().freeze()

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """One gradient step ``z - step * gradient``; `step` is one size or one per point, shape (n,)."""
        points = self._points(z)
        sizes = np.asarray(step, dtype=np.float64)
        if sizes.shape not in ((), (len(points),)):
            raise ValueError(f"step: expected one size or shape ({len(points)},), got shape {sizes.shape}")
        return self._network().descend(points, sizes)

    def score(self, z: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Kendall's tau-b between predicted and given errors."""
        return kendall_tau(self.predict(z), y)

    def certify_convexity(
        self, z: npt.ArrayLike, *, segments: int = 4096, directions: int = 1024, tolerance: float = 1e-4, rng: Any = 0
    ) -> ConvexityCertificate:
        """Check convexity: the weights, and the function itself on random segments.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Where the function matters, evaluated latents say: segments run between points drawn from their range,
            widened by half on each side.
        segments, directions : int
            Numbers of random segments and of random points with a random direction.
        tolerance : float
            Largest relative Jensen gap that counts as rounding.

        Returns
        -------
        ConvexityCertificate
        """
        points = self._points(z)
        if len(points) == 0:
            raise ValueError("z: expected at least one point, got none")
        check_int("segments", segments, 1)
        check_int("directions", directions, 1)
        stream = Stream(seed_of(rng)).child("certificate")
        low, high = points.min(axis=0), points.max(axis=0)
        margin = 0.5 * (high - low) + 1e-3

        def draw(name: str, n: int) -> npt.NDArray[np.float32]:
            share = stream.uniform(name, 0, (n, points.shape[1]))
            drawn: npt.NDArray[np.float32] = low - margin + share * (high - low + 2 * margin)
            return drawn

        a, b, t = draw("a", segments), draw("b", segments), stream.uniform("t", 0, (segments, 1))
        ends = np.stack([self.predict(a), self.predict(b)]).astype(np.float64)
        middle = self.predict(t * a + (1 - t) * b)
        gaps = middle - t[:, 0] * ends[0] - (1 - t[:, 0]) * ends[1]
        gap = float(gaps.max() / max(float(np.ptp(ends)), 1e-12))
        network = self._network()
        constrained = [*network.weights, network.output_weight]
        weight = min(float(tensor.numpy().min()) for tensor in constrained)
        vectors = stream.normal("direction", 0, (directions, points.shape[1]))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        curvature = self._second_differences(draw("point", directions), vectors, h=float(margin.mean()))
        return ConvexityCertificate(weight, gap, float(curvature.min()), weight >= 0 and gap <= tolerance, tolerance)

    def _second_differences(
        self, x: npt.NDArray[np.float32], v: npt.NDArray[np.float32], h: float
    ) -> npt.NDArray[np.float64]:
        left, middle, right = (self.predict(x + t * v).astype(np.float64) for t in (-h, 0.0, h))
        differences: npt.NDArray[np.float64] = (left - 2 * middle + right) / h**2
        return differences

    def _modules(self) -> dict[str, Module]:
        return {"network": self.network_}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an npz file (no pickle)."""
        self._fitted()
        params = {**self.get_params(), "rng": seed_of(self.rng), "inputs": self.network_.input_weight.shape[1]}
        self._write(path, params)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model written by :meth:`save`; refused when a weight would break convexity."""
        params, states = cls._read(path, "inputs")
        with cls._reading(path):
            inputs = params.pop("inputs")
            model = cls(**{**params, "betas": tuple(params["betas"])}).initialise(inputs)
            model._take(states)
        return model

    def _network(self) -> ICNN:
        self._fitted()
        return self.network_

    def _points(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        return check_points(z, self._network().input_weight.shape[1])
