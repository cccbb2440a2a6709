"""The convex surrogate: an input-convex network from latents to errors.

Source: B. Amos et al., arXiv 1609.07152; X. Rao et al., arXiv 2211.05950.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.types import EpochProgress
from crlso.models import shapes
from crlso.models.base import Estimator, check_points, check_targets, kendall_tau
from crlso.nn import ICNN, Module
from crlso.optim import Adam, cosine
from crlso.random import Stream, seed_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConvexityCertificate", "ICNNSurrogate"]

_TOGETHER = 8192  # number of points, counted in each epoch, of the epochs that are trained in one call


@dataclasses.dataclass(frozen=True)
class ConvexityCertificate:
    """Result of :meth:`ICNNSurrogate.certify_convexity`.

    Attributes
    ----------
    smallest_weight : float
        Smallest entry of the matrices that must not be negative.
    largest_jensen_gap : float
        Largest ``f(t a + (1 - t) b) - t f(a) - (1 - t) f(b)`` over random segments, relative to the range of f over
        their ends. It does not exceed rounding if f is convex.
    smallest_curvature : float
        Smallest second difference ``(f(x + h v) - 2 f(x) + f(x - h v)) / h^2`` over random points x and directions v.
        It replaces the smallest eigenvalue of the Hessian, which is zero almost everywhere because f is piecewise
        linear. Rounding alone gives about ``1e-7 |f| / h^2``.
    convex : bool
        Whether no weight is negative and no gap exceeds `tolerance`.
    tolerance : float
        Largest relative gap that counts as rounding.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(20, 3))
    >>> ICNNSurrogate(width=4).initialise(3).certify_convexity(z, segments=32, directions=8).convex
    True
    """

    smallest_weight: float
    largest_jensen_gap: float
    smallest_curvature: float
    convex: bool
    tolerance: float


class ICNNSurrogate(Estimator):
    """Regression with a neural network that is convex in its input.

    Parameters
    ----------
    width : int
        Width of the hidden layers (128 in the paper for NAS-Bench-201).
    layers : int
        Number of hidden layers after the first.
    convex : bool
        False removes the constraint from the network, for ablations.
    epochs : int
        Number of passes over the points in training.
    batch_size : int
        Number of points in a step of the training.
    learning_rate : float
        Learning rate of Adam in the first step. It falls to 0 along a cosine.
    betas : tuple of float
        Decay rates of the two moments of Adam.
    weight_decay : float
        This times a parameter is added to its gradient.
    input_noise, label_noise : float
        Standard deviations of the normal noise that is added to inputs and labels in each step.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Seed of the initial parameters, the order of the points and the noise.

    Attributes
    ----------
    network_ : ICNN
        The trained network.
    history_ : list of float
        Mean squared error of each epoch of the last fit, in the units of y squared.

    References
    ----------
    B. Amos et al., arXiv 1609.07152; X. Rao et al., arXiv 2211.05950.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> model = ICNNSurrogate(width=16, epochs=100, learning_rate=1e-2, rng=0).fit(z, (z**2).sum(axis=1))
    >>> bool(model.score(z, (z**2).sum(axis=1)) > 0.8), model.certify_convexity(z).convex
    (True, True)
    """

    _kind = "icnn-surrogate"
    _estimator_type = "regressor"
    _least: ClassVar = {"width": 1, "layers": 0}

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
        """Make a new network without training it.

        Parameters
        ----------
        inputs : int
            Number of inputs.
        mean : float
            Initial value of the output's constant.

        Returns
        -------
        ICNNSurrogate
            Itself.

        Examples
        --------
        >>> ICNNSurrogate(width=4).initialise(3).predict([[0.0, 1.0, 2.0]]).shape
        (1,)
        """
        self._check_sizes()
        self._stream = Stream(seed_of(self.rng)).child("icnn")
        self._fits = 0
        self.network_ = ICNN(inputs, self.width, self.layers, self._stream, convex=self.convex)
        self.network_.output_bias.numpy()[:] = mean
        self.history_: list[float] = []
        return self

    def fit(
        self, z: npt.ArrayLike, y: npt.ArrayLike, *, warm_start: bool = False, on_epoch: EpochProgress | None = None
    ) -> Self:
        """Train on latents and their errors.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Latents.
        y : array_like, shape (n,)
            Errors, of order 1 as ``1 - accuracy`` is: the network computes in their unit, in float32.
        warm_start : bool
            Whether to start from the present parameters (fine-tuning) instead of new ones.
        on_epoch : callable, optional
            Called as ``on_epoch(done, epochs)`` after each epoch.

        Returns
        -------
        ICNNSurrogate
            Itself.

        Raises
        ------
        TypeError, ValueError
            If `z` or `y` has another shape or holds anything but finite real numbers.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> model.n_features_in_
        3
        """
        go_on = warm_start and hasattr(self, "network_")
        points = self._points(z) if go_on else check_points(z)
        targets = check_targets(y, len(points))
        if not go_on:
            self.initialise(points.shape[1], float(targets.mean()))
        self._fits += 1
        stream = self._stream.child(f"fit{self._fits}")

        together = 1 if on_epoch is not None else max(1, _TOGETHER // len(points))
        check_int("epochs", self.epochs, 0)
        check_int("batch_size", self.batch_size, 1)
        optimiser = Adam(self.network_.parameters(), betas=self.betas, weight_decay=self.weight_decay)
        history: list[float] = []
        while len(history) < self.epochs:
            epochs = range(len(history), min(len(history) + together, self.epochs))
            history += self._train(points, targets, epochs, optimiser, stream)
            if on_epoch is not None:
                on_epoch(len(history), self.epochs)
        self.history_ = history
        return self

    def _train(
        self,
        points: npt.NDArray[np.float32],
        targets: npt.NDArray[np.float32],
        epochs: range,
        optimiser: Adam,
        stream: Stream,
    ) -> list[float]:
        """Train in some epochs, as :func:`crlso.models.base.train` does, and return the mean loss of each."""
        n, size = len(points), self.batch_size
        order = np.stack([stream.permutation("order", epoch, n) for epoch in epochs])
        x, t = points.take(order, axis=0), targets.take(order)
        per_epoch = -(-n // size)
        steps = range(epochs.start * per_epoch, epochs.stop * per_epoch)
        for values, scale, name in ((x, self.input_noise, "input"), (t, self.label_noise, "label")):
            for step in steps if scale else ():
                epoch, batch = divmod(step - steps.start, per_epoch)
                part = values[epoch, batch * size : (batch + 1) * size]
                part += scale * stream.normal(name, step, part.shape)
        rates = [cosine(step, self.epochs * per_epoch, self.learning_rate) for step in steps]
        sums = self.network_._train(optimiser, x, t, size, rates, steps.start)
        optimiser.zero_grad()
        return [total / n for total in sums.tolist()]

    def predict(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the predicted errors, shape (n,), at points z, shape (n, inputs).

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.

        Returns
        -------
        ndarray of float32, shape (n,)
            One error for each point, in the unit of the errors that :meth:`fit` was given.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> model.predict(z[:2]).shape
        (2,)
        """
        return self.evaluate(z)[0]

    def evaluate(self, z: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the predicted errors, shape (n,), and their gradients, shape (n, inputs), at points z.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.

        Returns
        -------
        errors : ndarray of float32, shape (n,)
            Predicted errors.
        gradients : ndarray of float32, shape (n, inputs)
            Their gradients.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> errors, gradients = model.evaluate(z[:2])
        >>> errors.shape, gradients.shape
        ((2,), (2, 3))
        """
        return self._network().evaluate(self._points(z))

    def freeze(self) -> _core.FrozenICNN:
        """Return a snapshot of the network that is fast for many calls with few points each.

        The snapshot packs the weights once. :meth:`evaluate` and :meth:`descend` pack them in every call, which pays
        off only for many points. Later training does not change the snapshot.

        Returns
        -------
        FrozenICNN
            ``evaluate(z)`` returns the predicted errors (n,) and their gradients (n, inputs) at floats z (n, inputs).
            ``descend(z, step)`` returns ``z - step * gradient`` for one step size or for sizes of shape (n,). For one
            point z (1, inputs) and sizes of shape (k,), it returns the k points that they reach.
            Both raise ValueError if z is not finite or has another shape, and TypeError if z holds no floats.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If a weight would break convexity.

        Examples
        --------
        >>> model = ICNNSurrogate(width=8, rng=0).initialise(2)
        >>> frozen = model.freeze()
        >>> frozen.descend(np.ones((1, 2)), [0.1, 0.2, 0.3]).shape
        (3, 2)
        """
        return self._network().freeze()

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return ``z - step * gradient``, one gradient step from each point.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.
        step : float or array_like of shape (n,)
            One step size for all points, or one for each.

        Returns
        -------
        ndarray of float32, shape (n, inputs)
            The moved points, in the order of `z`.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> moved = model.descend(z, 0.01)
        >>> bool((model.predict(moved) <= model.predict(z)).all())
        True
        """
        points = self._points(z)
        sizes = np.asarray(step, dtype=np.float64)
        if sizes.shape not in ((), (len(points),)):
            raise ValueError(f"step: expected one size or shape ({len(points)},), got shape {sizes.shape}")
        return self._network().descend(points, sizes)

    def score(self, z: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Return Kendall's tau-b between predicted and given errors.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points.
        y : array_like, shape (n,)
            Given errors of the points.

        Returns
        -------
        float
            Between -1 and 1; NaN if one side is constant.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> -1 <= model.score(z, y) <= 1
        True
        """
        return kendall_tau(self.predict(z), y)

    def certify_convexity(
        self, z: npt.ArrayLike, *, segments: int = 4096, directions: int = 1024, tolerance: float = 1e-4, rng: Any = 0
    ) -> ConvexityCertificate:
        """Check that the surrogate is convex: its weights, and its values on random segments.

        Parameters
        ----------
        z : array_like, shape (n, inputs)
            Points that span the region to check, for example the latents of evaluated cells. The ends of the segments
            are drawn from their range, widened by half of it on each side.
        segments, directions : int
            Number of random segments, and number of random points at which one random direction is tried.
        tolerance : float
            Largest relative Jensen gap that counts as rounding.
        rng : int, numpy.random.Generator or numpy.random.SeedSequence
            Seed of the segments, points and directions.

        Returns
        -------
        ConvexityCertificate
            The measured numbers, and whether the surrogate passes.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        TypeError, ValueError
            If `z` has no points or another shape, or a number is not positive.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> model.certify_convexity(z, segments=64, directions=16).convex
        True
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

    @property
    def n_features_in_(self) -> int:
        """Number of inputs per point; NotFittedError before :meth:`fit`."""
        self._check_fitted()
        return int(self._network().input_weight.shape[1])

    def _modules(self) -> dict[str, Module]:
        return {"network": self.network_}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an npz file without pickle; NotFittedError before :meth:`fit`.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> bool((ICNNSurrogate.load(path).predict(z) == model.predict(z)).all())
        True
        """
        params = self._saved_params()
        self._write_file(path, {**params, "inputs": self.network_.input_weight.shape[1]})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        ICNNSurrogate

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not such a file, or a weight would break convexity.

        Examples
        --------
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = (z**2).sum(axis=1)
        >>> model = ICNNSurrogate(width=8, layers=1, epochs=5).fit(z, y)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> ICNNSurrogate.load(path).width
        8
        """
        file = cls._read_file(path, "inputs")
        with cls._reading(path):
            inputs = check_int("inputs", file.params.pop("inputs"), 0)
            model = cls(**file.params)
            states = file.states(shapes.inside("network", model._shapes(inputs), "/"))
            model.initialise(inputs)._load_states(states)
        return model

    def _shapes(self, inputs: int) -> shapes.Shapes:
        """Names and shapes of the parameters of a network."""
        self._check_sizes()
        return shapes.icnn(inputs, self.width, self.layers)

    def _network(self) -> ICNN:
        self._check_fitted()
        return self.network_

    def _points(self, z: npt.ArrayLike) -> npt.NDArray[np.float32]:
        return check_points(z, self.n_features_in_)
