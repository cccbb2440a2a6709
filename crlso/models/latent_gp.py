"""A Gaussian process on latents and graph features of cells: a predictor that needs few labels."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int, check_number
from crlso._base.types import Codes, Floats
from crlso.models.base import CellRegressor, check_targets
from crlso.models.files import write_model
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, normal_scores
from crlso.models.kept import shipped_latents, shipped_vaes
from crlso.models.targets import mean_and_deviation, standardise
from crlso.spaces.base import Space, check_space
from crlso.spaces.contexts import ContextCounts
from crlso.spaces.features import CellFeatures
from crlso.spaces.influences import Influences

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LatentGP"]

LARGEST = 10_000  # labels: their kernel matrix has 0.8 GB
_CHOOSING = 800  # labels by which weight, noise and relevances are chosen; all are conditioned on
_MANY = 400  # labels from which on features have relevances
_ROUNDS = 2  # in which relevances are found
_REFERENCE = 5000  # random cells that stand for a space with more classes
_LISTED = 10_000  # classes up to which all of them are the reference
_BLOCK = 4096  # cells that are predicted at once
_AMPLITUDE = 2.0  # prior variance of the scores, of which the data have 1

# Shares of the squared distance; chosen on NAS-Bench-101 and 201, see docs/lab-notes.md.
_LATENTS, _PATHS, _OPERATIONS, _DESCRIPTORS, _CONTEXTS, _INFLUENCES = 0.05, 0.06, 0.03, 0.2, 0.1, 0.4

_Rows = Callable[[Codes], Floats]


class _Matern(Kernel):
    """Matérn kernel of smoothness 3/2."""

    def profile(self, distance: Floats) -> Floats:
        root = np.sqrt(3.0 * distance)
        values: Floats = root + 1.0
        values *= np.exp(np.negative(root, out=root), out=root)  # in place: predictions of many cells wait for this
        return values


class _Slope(Kernel):
    """The derivative of :class:`_Matern` by the squared distance, divided by -3/2."""

    def profile(self, distance: Floats) -> Floats:
        return np.asarray(np.exp(-np.sqrt(3.0 * distance)))


_KERNEL = _Matern(weights=((0.175, 0.35, 0.7, 1.4),), noises=(0.0015, 0.005, 0.015, 0.05), linear=0.125)


class LatentGP(CellRegressor):
    """Regression on cells by a Gaussian process in latents and graph features.

    Two cells are compared by one weighted distance: of their latents, where graph VAEs come with crlso for the space
    (NAS-Bench-101 and 201, DARTS), of their operations, paths and descriptors (:class:`crlso.spaces.features`), of the
    contexts of their operations, and of the influences of these. The kernel is a Matérn kernel of smoothness 3/2 of it,
    plus a linear one of the standardised log size where the space knows the size. There is nothing to set: weight and
    noise maximise the marginal likelihood of at most 800 labels. With 400 labels or more, features along which the
    posterior mean is steep get more weight, and others less, in two rounds.

    Labels are replaced by their normal scores, so that outliers and units do not matter. A prediction is the median of
    the posterior, taken back to the unit of the labels through the sorted labels.

    Parameters
    ----------
    space : Space
        Space of the cells.

    Attributes
    ----------
    codes_ : ndarray of uint8, shape (n, codes per cell)
        The labelled cells, canonical.
    values_ : ndarray of float64, shape (n,)
        Their labels.
    weight_, noise_ : float
        Chosen weight of the squared distance, and variance of the noise in units of the prior variance.

    References
    ----------
    Rasmussen, Williams: Gaussian Processes for Machine Learning. 2006, algorithm 2.1.

    Radhakrishnan, Beaglehole, Pandit, Belkin: Mechanism for feature learning in neural networks and
    backpropagation-free machine learning models. Science 383, 2024, from which the idea of weights by slopes is.

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> cells = benchmark.space.sample(100, rng=0)
    >>> model = LatentGP(benchmark.space).fit(cells, benchmark.validation(cells))
    >>> others = benchmark.space.sample(1000, rng=1)
    >>> values, deviations = model.predict(others, return_std=True)
    >>> values.shape, deviations.shape
    ((1000,), (1000,))
    >>> model.score(others, benchmark.test(others)) > 0.7
    True
    """

    _kind = "latent-gp"

    def __init__(self, space: Space) -> None:
        self.space = space

    def fit(self, cells: Any, y: npt.ArrayLike) -> Self:
        """Choose weight and noise, and condition on labelled cells.

        Parameters
        ----------
        cells : array_like
            n cells, at most 10,000: anything that ``space.codes`` accepts.
        y : array_like, shape (n,)
            Labels, finite numbers in any unit; accuracies or errors, for example.

        Returns
        -------
        LatentGP
            Itself.

        Raises
        ------
        TypeError, ValueError
            If `cells` are not cells of the space, or too many, or `y` is not one finite number per cell.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = LatentGP(space).fit(cells, errors)
        >>> model.n_features_in_
        6
        """
        codes = self.space.codes(cells)
        values = check_targets(y, len(codes), dtype="float64")
        if len(codes) > LARGEST:
            raise ValueError(f"cells: expected at most {LARGEST} labelled cells, got {len(codes)}")
        codes = self.space.canonicalise(codes)
        x, scores = _vectors(self.space)(codes), _scores(values)
        some = _some(len(codes))
        chosen = GaussianProcess(_KERNEL).fit(x[some], scores[some])
        self._condition(codes, values, x, chosen.weights_[0], chosen.noise_)
        return self

    def _condition(self, codes: Codes, values: Floats, x: Features, weight: float, noise: float) -> None:
        """Condition on labels of canonical cells with vectors x, with chosen weight and noise."""
        scores, kernel = _scores(values), _KERNEL.fixed((weight,), noise)
        self._relevances = np.ones(x.groups[0].shape[1])
        for left in reversed(range(1 + _ROUNDS * (len(codes) >= _MANY))):
            self._x = _weighted(x, self._relevances)
            self._process = GaussianProcess(kernel).fit(self._x, scores)
            self._solved = _core.solve_lower(self._process.lower_, self._process.white_, transposed=True)
            if left:
                self._relevances *= np.sqrt(np.clip(_slopes(self._x, weight, self._solved), 1.0 / 3.0, 3.0))
                self._relevances *= _spread(x) / (_spread(_weighted(x, self._relevances)) or 1.0)
        self._unit = _Unit(values, scores)
        self.codes_, self.values_, self.weight_, self.noise_ = codes, values, weight, noise

    @overload
    def predict(self, cells: Any, return_std: Literal[False] = False) -> Floats: ...
    @overload
    def predict(self, cells: Any, return_std: Literal[True]) -> tuple[Floats, Floats]: ...
    @overload
    def predict(self, cells: Any, return_std: bool) -> Floats | tuple[Floats, Floats]: ...
    def predict(self, cells: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Predict the labels of cells.

        Parameters
        ----------
        cells : array_like
            m cells: anything that ``space.codes`` accepts.
        return_std : bool
            Whether to return standard deviations too.

        Returns
        -------
        values : ndarray of float64, shape (m,)
            Medians of the posterior, in the unit of the labels.
        deviations : ndarray of float64, shape (m,)
            Only with `return_std`: half the distance between the quantiles one standard deviation below and above the
            median, of a label with its noise, in the same unit. It is 0 if all labels are equal.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> model = LatentGP(space).fit(cells, 1 - space.log_size(cells) / 4)
        >>> values, deviations = model.predict(cells[:5], return_std=True)
        >>> values.shape, deviations.shape
        ((5,), (5,))
        """
        self._check_fitted()
        codes = self.space.canonicalise(self.space.codes(cells))
        distinct, places = np.unique(codes, axis=0, return_inverse=True)
        starts = range(0, len(distinct), _BLOCK)
        parts = [self._posterior(distinct[start : start + _BLOCK], return_std) for start in starts]
        means, deviations = np.concatenate([np.zeros((2, 0)), *parts], axis=1)[:, places.reshape(-1)]
        values = self._unit.value(means)
        if not return_std:
            return values
        return values, 0.5 * self._unit.value(means + deviations) - 0.5 * self._unit.value(means - deviations)

    def _posterior(self, codes: Codes, return_std: bool) -> Floats:
        """Means and standard deviations of the scores of different canonical cells: (2, n)."""
        x, process = _weighted(_vectors(self.space)(codes), self._relevances), self._process
        between = process.kernel.between(self._x, x, process.weights_)
        means = _core.matmul(between, self._solved, transpose_a=True).numpy()[:, 0]
        if not return_std:
            return np.stack([means, np.zeros_like(means)])
        variance = process.posterior(x, _core.solve_lower(process.lower_, between)).variance
        return np.stack([means, np.sqrt(variance + process.noise_)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the labels and what was chosen to an npz file without pickle; NotFittedError before :meth:`fit`.

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
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = LatentGP(space).fit(cells, errors)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> bool((LatentGP.load(path, space).predict(cells) == model.predict(cells)).all())
        True
        """
        self._check_fitted()
        params = {"space": self.space.name, "n": len(self.codes_), "weight_": self.weight_, "noise_": self.noise_}
        labels = {"codes": self.codes_.astype(np.float32), "values": self.values_}
        write_model(path, self._kind, params, {"labels": labels})

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: Space) -> Self:
        """Read a model that :meth:`save` wrote, and condition it on its labels again.

        Parameters
        ----------
        path : str or path
            The file to read.
        space : Space
            Space of the saved model.

        Returns
        -------
        LatentGP

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is not such a file, or was written for another space.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> model = LatentGP(space).fit(cells, errors)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.npz"
        >>> model.save(path)
        >>> LatentGP.load(path, space).predict(cells[:2]).shape
        (2,)
        """
        file = cls._read_file(path, "n", "weight_", "noise_")
        params = file.params
        check_space(params["space"], space)
        with cls._reading(path):
            n = check_int("n", params["n"], 1, LARGEST)
            weight, noise = (check_number(name, params[name], above=0) for name in ("weight_", "noise_"))
            shapes = [("labels/codes", (n, len(space.cardinalities))), ("labels/values", (n,))]
            labels = file.states(shapes)["labels"]
            codes = space.canonicalise(_whole(labels["codes"]))
            values = check_targets(labels["values"], n, dtype="float64")
            model = cls(space)
            model._condition(codes, values, _vectors(space)(codes), weight, noise)
        return model


def _whole(numbers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Numbers that are whole, as integers."""
    if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < 256):
        raise ValueError("codes: expected whole numbers below 256")
    return numbers.astype(np.int64)


def _scores(values: Floats) -> Floats:
    """Normal scores of labels in units of the prior's deviation."""
    return normal_scores(values) / np.sqrt(_AMPLITUDE)


def _some(n: int) -> npt.NDArray[np.int64]:
    """Positions of at most _CHOOSING of n labels."""
    return np.linspace(0, n - 1, min(n, _CHOOSING)).astype(np.int64)


def _weighted(x: Features, relevances: Floats) -> Features:
    """Vectors whose columns are multiplied by relevances."""
    return Features((x.groups[0] * relevances,), x.size)


def _spread(x: Features) -> float:
    """Root of the total variance of vectors."""
    return float(np.sqrt(x.groups[0].var(axis=0).sum()))


def _slopes(x: Features, weight: float, solved: Floats) -> Floats:
    """How steep the posterior mean is along each column of labelled cells, as a root mean square; 1 in the mean.

    The linear part of the kernel does not count.
    """
    some = x[_some(len(x))]
    kernel = _Slope(((weight,),), linear=0.0)
    factors = kernel.between(some, x, (weight,)) * solved[:, 0]
    there = _core.matmul(factors, x.groups[0]).numpy()
    slopes = np.sqrt(((factors.sum(axis=1)[:, None] * some.groups[0] - there) ** 2).mean(axis=0))
    mean = float(slopes.mean())
    return slopes / mean if mean > 0 else np.ones_like(slopes)


class _Unit:
    """The way back from scores to labels: straight lines between the sorted labels, and beyond them."""

    def __init__(self, values: Floats, scores: Floats) -> None:
        self._mean, self._deviation = mean_and_deviation(values)
        self._scores, first = np.unique(scores, return_index=True)
        self._labels = standardise(values[first], self._mean, self._deviation)
        low, high = self._scores[[0, -1]]
        inner = np.interp([low + 0.5, high - 0.5], self._scores, self._labels)
        self._below, self._above = 2.0 * (inner[0] - self._labels[0]), 2.0 * (self._labels[-1] - inner[1])

    def value(self, scores: Floats) -> Floats:
        """Return the labels for scores."""
        low, high = self._scores[[0, -1]]
        labels = np.interp(scores, self._scores, self._labels)
        labels += self._below * np.minimum(scores - low, 0.0) + self._above * np.maximum(scores - high, 0.0)
        values: Floats = self._mean + self._deviation * labels
        return values


class _Vectors:
    """Vectors of canonical cells whose squared distance is compared; scaled over cells that stand for the space."""

    def __init__(self, space: Space) -> None:
        reference = _reference(space)
        self._features = CellFeatures(space, reference)
        latents, contexts = _latents(space), ContextCounts(space, reference)
        influences = Influences(space, reference)
        groups: list[tuple[float, _Rows | None]] = [
            (_LATENTS, latents),
            (_PATHS, self._features.paths),
            (_OPERATIONS, self._features.operations),
            (_DESCRIPTORS, self._features.descriptors),
            (_CONTEXTS, contexts.rows),
            (_INFLUENCES, influences.rows),
        ]
        self._groups = [(_share(share, rows(reference)), rows) for share, rows in groups if rows is not None]

    def __call__(self, codes: Codes) -> Features:
        """Return the vectors of canonical cells (n, codes per cell) as one group, and their sizes."""
        vectors = np.concatenate([factor * rows(codes) for factor, rows in self._groups], axis=1)
        return Features((vectors,), self._features.size(codes))


_kept = functools.lru_cache(maxsize=4)(_Vectors)


def _vectors(space: Space) -> _Vectors:
    """Vectors of the cells of a space, which are kept for the next fit."""
    hashable: Any = space
    return _kept(hashable)


def _share(share: float, rows: Floats) -> float:
    """The factor by which rows have this mean squared distance; 0 if they are equal."""
    spread = 2.0 * float(rows.var(axis=0).sum())
    return float(np.sqrt(share / spread)) if spread > 0 else 0.0


def _reference(space: Space) -> Codes:
    """Canonical cells that stand for a space: all classes, or random cells of a large one."""
    if space.n_cells is not None:
        classes = space.classes().codes
        if len(classes) <= _LISTED:
            return classes
    return space.canonicalise(space.sample_up_to(_REFERENCE, rng=0))


def _latents(space: Space) -> _Rows | None:
    """Latents by the graph VAEs that come with crlso for a space, each of total spread 1; None where there are none."""
    latents = shipped_latents(space)
    if latents is not None:
        by_class = np.concatenate(list(latents.astype(np.float64)), axis=1)
        return lambda codes: by_class[space.classes().locate(codes)]
    models = shipped_vaes(space)
    if not models:
        return None
    return lambda codes: np.concatenate([model.encode(codes).astype(np.float64) for model in models], axis=1)
