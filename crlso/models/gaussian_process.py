"""Exact Gaussian process regression on features of cells, for some hundreds of observed cells.

Source: C. E. Rasmussen, C. K. I. Williams, *Gaussian Processes for Machine Learning*, 2006, algorithm 2.1.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Floats
from crlso.models.base import NotFittedError
from crlso.spaces.features import standardised

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Features", "GaussianProcess", "Kernel", "KnownRows", "Posterior", "normal_scores"]

_MAX_CACHED = 4  # choices of weights and noise whose rows are cached
_MIN_ROOM = 64  # rows
_AT_ONCE = 32  # rows that are found at once
_LEAST_PIVOT = 1e-12


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of n cells that a :class:`Kernel` compares.

    Indexing with positions, a mask or a slice gives the features of some of the cells.

    Parameters
    ----------
    groups : tuple of ndarray of float64, shape (n, d)
        Groups of features; the kernel has one weight for the squared distances of each group.
    size : ndarray of float64, shape (n,), optional
        A feature on which values depend linearly.
    predicted : ndarray of float64, shape (n, p), optional
        Values predicted by p other models, for example of other tasks, on which values depend linearly too.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0], [2.0]]),))
    >>> len(x), len(x[:2])
    (3, 2)
    """

    groups: tuple[Floats, ...]
    size: Floats | None = None
    predicted: Floats | None = None

    def __len__(self) -> int:
        return len(self.groups[0])

    def __getitem__(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Features:
        size, predicted = (None if part is None else part[chosen] for part in (self.size, self.predicted))
        return Features(tuple(group[chosen] for group in self.groups), size, predicted)

    @functools.cached_property
    def _points(self) -> tuple[_core.Points, ...]:
        """The rows of each group, as :func:`_distances` needs them; kept for cells that are compared in every round."""
        return tuple(_core.Points(np.asarray(group, dtype=np.float64)) for group in self.groups)

    @functools.cached_property
    def _linear(self) -> Floats:
        """All features on which values depend linearly, shape (k, n)."""
        parts = [] if self.size is None else [self.size[None]]
        parts += [] if self.predicted is None else [self.predicted.T]
        return np.concatenate(parts) if parts else np.zeros((0, len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # the rest follows

    @staticmethod
    def join(first: Features, second: Features) -> Features:
        """Concatenate the features of two sets of cells; `size` and `predicted` are None unless both have them.

        Parameters
        ----------
        first, second : Features
            Features of n and of m cells, with groups of the same columns.

        Returns
        -------
        Features
            Of n + m cells.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> len(Features.join(x, x))
        8
        """
        size, predicted = (
            None if a is None or b is None else np.concatenate([a, b])
            for a, b in ((first.size, second.size), (first.predicted, second.predicted))
        )
        return Features(tuple(map(np.concatenate, zip(first.groups, second.groups))), size, predicted)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The kernel ``exp(-sum_g w_g |x_g - y_g|^2) + linear * size_x size_y + constant``, with noise.

    If features have predictions p of other models, ``predicted * <p_x, p_y>`` is added.

    A :class:`GaussianProcess` chooses the weights w_g and the noise among the candidates given here.

    Parameters
    ----------
    weights : tuple of tuple of float
        Candidate weights of each group of features.
    noises : tuple of float
        Candidate variances of the noise.
    linear : float
        Weight of the product of the sizes.
    constant : float
        Prior variance of the mean; 0 for centred targets.
    predicted : float
        Weight of the products of the predictions.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0]]),))
    >>> Kernel(((1.0,),)).between(x, x, (1.0,)).round(2).tolist()
    [[1.0, 0.37], [0.37, 1.0]]

    A kernel of one's own, a Matérn kernel of smoothness 3/2, in a search:

    >>> class Matern(Kernel):
    ...     def profile(self, distance):
    ...         root = np.sqrt(3.0 * distance)
    ...         return (1.0 + root) * np.exp(-root)
    >>> import crlso
    >>> kernel = Matern(weights=((0.05, 0.1), (0.05,)))
    >>> crlso.search(crlso.benchmarks.NASBench201("cifar10"), "gp", budget=24, kernel=kernel).n_queries
    24
    """

    weights: tuple[tuple[float, ...], ...]
    noises: tuple[float, ...] = (0.01, 0.05, 0.2)
    linear: float = 0.5
    constant: float = 0.0
    predicted: float = 1.0

    def profile(self, distance: Floats) -> Floats:
        """The kernel as a function of the weighted squared distance, 1 at 0; a subclass may have another.

        Parameters
        ----------
        distance : ndarray of float64
            Weighted squared distances.

        Returns
        -------
        ndarray of float64
            Of the same shape.

        Examples
        --------
        >>> Kernel(((1.0,),)).profile(np.array([0.0, 1.0])).round(3)
        array([1.   , 0.368])
        """
        values: Floats = np.exp(-distance)
        return values

    def between(self, x: Features, y: Features, weights: tuple[float, ...]) -> Floats:
        """Return the kernel matrix of two sets of cells.

        Parameters
        ----------
        x, y : Features
            Features of n and of m cells.
        weights : tuple of float
            One weight per group of features.

        Returns
        -------
        ndarray of float64, shape (n, m)
            The kernel of each cell of `x`, by rows, with each of `y`.

        Raises
        ------
        ValueError
            Unless the features have a group for each weight.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> Kernel(((1.0,),)).between(x, x, (1.0,)).shape
        (4, 4)
        """
        return self._of_distances(_distances(x, y), x, y, weights)

    def fixed(self, weights: Sequence[float], noise: float) -> Self:
        """Return the kernel with these weights and this noise alone to choose from.

        Parameters
        ----------
        weights : sequence of float
            One weight for each group of features.
        noise : float
            Variance of the noise.

        Returns
        -------
        Kernel
            A copy with one candidate for each weight and for the noise.

        Examples
        --------
        >>> Kernel(((0.5, 1.0),)).fixed([0.5], 0.1).noises
        (0.1,)
        """
        return dataclasses.replace(self, weights=tuple((weight,) for weight in weights), noises=(noise,))

    def candidates(self, x: Features) -> list[tuple[tuple[float, ...], Floats]]:
        """Return each combination of candidate weights with its kernel matrix, shape (len(x), len(x)).

        Parameters
        ----------
        x : Features
            Features of n cells.

        Returns
        -------
        list of (tuple of float, ndarray)
            The weights, one per group, and the kernel matrix of the n cells with them.

        Raises
        ------
        ValueError
            Unless the features have a group for each weight.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> len(Kernel(((0.5, 1.0),)).candidates(x))
        2
        """
        distances = _distances(x, x)
        return [(chosen, self._of_distances(distances, x, x, chosen)) for chosen in itertools.product(*self.weights)]

    def diagonal(self, x: Features) -> Floats:
        """Return the kernel of each cell with itself, shape (len(x),).

        Parameters
        ----------
        x : Features
            Features of n cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            The same for all weights.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> Kernel(((1.0,),)).diagonal(x)
        array([1., 1., 1., 1.])
        """
        return _core.variances(self._factors(x), x._linear, self.constant)

    def _factors(self, x: Features) -> tuple[float, ...]:
        """The weight of each product of features on which values depend linearly."""
        predictions = 0 if x.predicted is None else x.predicted.shape[1]
        return (self.linear,) * (x.size is not None) + (self.predicted,) * predictions

    def _of_distances(self, distances: list[Floats], x: Features, y: Features, weights: tuple[float, ...]) -> Floats:
        if not len(weights) == len(x.groups) == len(y.groups):
            raise ValueError(
                f"weights: expected one for each group of features, got {len(weights)} for features of"
                f" {len(x.groups)} and {len(y.groups)} groups"
            )
        factors = self._factors(x)
        if type(self).profile is Kernel.profile:
            return _core.covariances(distances, weights, factors, x._linear, y._linear, self.constant)
        total = np.asarray(sum(weight * distance for weight, distance in zip(weights, distances)))
        products = (np.array(factors)[:, None] * x._linear).T @ y._linear
        kernel: Floats = self.profile(total) + (products + self.constant)
        return kernel


def _distances(x: Features, y: Features) -> list[Floats]:
    """Return the squared distances of each group, each of shape (len(x), len(y)).

    Those of two cells depend on neither the other cells nor the number of threads.
    """
    return [points.squared_distances(np.asarray(group, dtype=np.float64)) for group, points in zip(x.groups, y._points)]


def normal_scores(values: npt.ArrayLike) -> Floats:
    """Return the normal scores of values: standardised normal quantiles of their ranks.

    Equal values share their mean rank.

    Parameters
    ----------
    values : array_like, shape (n,)
        Numbers to rank.

    Returns
    -------
    ndarray of float64, shape (n,)
        Scores with mean 0 and standard deviation 1; zeros if all values are equal.

    Examples
    --------
    >>> normal_scores([90.0, 10.0, 91.0]).round(2).tolist()
    [0.0, -1.22, 1.22]
    """
    numbers = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    quantile = NormalDist().inv_cdf
    scores = np.array([quantile(float(rank - 0.5) / len(numbers)) for rank in ranks])
    return standardised(scores[inverse.reshape(-1)])


class GaussianProcess:
    """Gaussian process regression that chooses weights and noise by the marginal likelihood.

    Parameters
    ----------
    kernel : Kernel
        Kernel with the candidate weights and noises.

    Attributes
    ----------
    weights_ : tuple of float
        Chosen weights, one per group of features.
    noise_ : float
        Chosen variance of the noise.
    log_likelihood_ : float
        Logarithm of the marginal likelihood, up to a constant.
    lower_ : ndarray of float64, shape (n, n)
        Cholesky factor L of the kernel matrix with noise.
    white_ : ndarray of float64, shape (n, 1)
        ``L^-1 y``.

    References
    ----------
    Rasmussen, Williams: Gaussian Processes for Machine Learning. 2006, algorithm 2.1.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0]]),))
    >>> process = GaussianProcess(Kernel(((1.0,),), (0.01,))).fit(x, np.array([-1.0, 1.0]))
    >>> process.posterior(x).mean.round(2)
    array([-0.98,  0.98])
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def fit(self, x: Features, y: Floats) -> Self:
        """Choose weights and noise, and condition on the targets.

        Parameters
        ----------
        x : Features
            Features of n observed cells.
        y : ndarray of float64, shape (n,)
            Targets; the prior mean is 0.

        Returns
        -------
        GaussianProcess
            Itself.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> process = GaussianProcess(Kernel(((0.5, 1.0),))).fit(x, np.arange(4.0))
        >>> process.posterior(x).mean.shape
        (4,)
        """
        identity, best = np.eye(len(x)), -np.inf
        targets = np.repeat(np.asarray(y, dtype=np.float64)[None, :, None], len(self.kernel.noises), axis=0)
        for weights, kernel in self.kernel.candidates(x):
            lower = _core.cholesky(np.stack([kernel + noise * identity for noise in self.kernel.noises]))
            white = _core.solve_lower(lower, targets)
            diagonals = np.diagonal(lower, axis1=1, axis2=2)
            likelihoods = -0.5 * (white[:, :, 0] ** 2).sum(axis=1) - np.log(diagonals).sum(axis=1)
            i = int(likelihoods.argmax())
            if likelihoods[i] > best:
                best = float(likelihoods[i])
                self.weights_, self.noise_ = weights, self.kernel.noises[i]
                self.lower_, self.white_ = lower[i], white[i]
        self._x, self.log_likelihood_ = x, best
        return self

    def posterior(self, x: Features, rows: Floats | None = None) -> Posterior:
        """Return the posterior of the function, without noise, at m cells.

        Parameters
        ----------
        x : Features
            Features of the m cells.
        rows : ndarray of float64, shape (n, m), optional
            ``L^-1 K`` between the n fitted cells and these, from :meth:`KnownRows.rows`; computed by default.

        Returns
        -------
        Posterior
            Means and variances of the function at the m cells.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> process = GaussianProcess(Kernel(((0.5, 1.0),))).fit(x, np.arange(4.0))
        >>> posterior = process.posterior(x)
        >>> posterior.mean.shape, posterior.deviation.shape
        ((4,), (4,))
        """
        self._check_fitted()
        if rows is None:
            rows = _core.solve_lower(self.lower_, self.kernel.between(self._x, x, self.weights_))
        mean, explained = _core.row_moments(rows, self.white_[:, 0])
        return Posterior(self, x, rows, mean, self.kernel.diagonal(x) - explained)

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """Return how well each of the n targets is predicted from all others.

        Returns
        -------
        errors : ndarray of float64, shape (n,)
            Target minus prediction.
        precision : ndarray of float64, shape (n,)
            1 / variance of the prediction, with noise.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.

        References
        ----------
        Rasmussen, Williams: Gaussian Processes for Machine Learning. 2006, equations 5.10 to 5.12.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> process = GaussianProcess(Kernel(((0.5, 1.0),))).fit(x, np.arange(4.0))
        >>> mean, deviation = process.leave_one_out()
        >>> mean.shape
        (4,)
        """
        self._check_fitted()
        inverse = _core.solve_lower(self.lower_, np.eye(len(self.lower_)))
        precision: Floats = (inverse * inverse).sum(axis=0)
        return _core.matmul(inverse, self.white_, transpose_a=True).numpy()[:, 0] / precision, precision

    def _check_fitted(self) -> None:
        if not hasattr(self, "lower_"):
            raise NotFittedError("GaussianProcess: expected a fitted model; call fit first")


class KnownRows:
    """A cache of the whitened kernel matrix between observed cells and a fixed set of cells.

    The matrix grows by one row per observed cell, so the cost of a new observation is linear in the number of observed
    cells instead of quadratic. A row does not depend on how many are found at once, and so rows are a function of the
    observed cells and the choice of weights and noise, to the last bit: a search that goes on from a file finds the
    same ones.

    Parameters
    ----------
    x : Features
        Features of the m fixed cells.
    """

    def __init__(self, x: Features) -> None:
        self._x = x
        self._distances: dict[int, list[Floats]] = {}  # of observed cells to the fixed ones, by group
        self._cached: dict[Any, tuple[npt.NDArray[np.int64], Floats, Floats]] = {}

    def rows(self, process: GaussianProcess, keys: npt.NDArray[np.int64], observed: Features) -> Floats:
        """Return ``L^-1 K`` between the observed cells and the fixed cells.

        Parameters
        ----------
        process : GaussianProcess
            Process that was fitted to the n observed cells.
        keys : ndarray of int64, shape (n,)
            Keys that identify the observed cells.
        observed : Features
            Features of the observed cells.

        Returns
        -------
        ndarray of float64, shape (n, m)
            One row for each observed cell, one column for each fixed cell.
        """
        choice, n = (process.weights_, process.noise_), len(keys)
        before, lower, rows = self._cached.get(choice, (keys[:0], np.zeros((0, 0)), np.zeros((0, len(self._x)))))
        known = _n_equal(before, keys)
        if known < len(before) or n > len(rows):  # what is cached stays as it is until the end
            rows = _enlarged(rows, known, (max(2 * n, _MIN_ROOM), len(self._x)))
        lower = _enlarged(lower, known, (n, n))
        for i in range(known, n, _AT_ONCE):
            end = min(i + _AT_ONCE, n)
            own = observed[i:end]
            kernel = process.kernel.between(own, observed[:end], process.weights_)
            kernel[np.arange(end - i), np.arange(i, end)] = process.kernel.diagonal(own) + process.noise_
            lower[i:end, :end] = _core.cholesky_rows(lower[:i, :i], kernel, _LEAST_PIVOT)
            rows[i:end] = _core.whitened_rows(lower[i:end, :end], rows[:i], self._kernel(process, keys[i:end], own))
        latest = [(other, rest) for other, rest in self._cached.items() if other != choice][1 - _MAX_CACHED :]
        self._cached = dict([*latest, (choice, (keys, lower, rows))])  # at once, so that an interrupt loses nothing
        return rows[:n]

    def _kernel(self, process: GaussianProcess, keys: npt.NDArray[np.int64], own: Features) -> Floats:
        """The kernel between b observed cells and the fixed cells, shape (b, m)."""
        for i, key in enumerate(keys.tolist()):
            if key not in self._distances:
                self._distances[key] = _distances(own[i : i + 1], self._x)
        found = [self._distances[key] for key in keys.tolist()]
        distances = found[0] if len(found) == 1 else [np.concatenate(parts) for parts in zip(*found)]
        return process.kernel._of_distances(distances, own, self._x, process.weights_)


def _n_equal(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> int:
    """Return how many leading elements of two arrays are equal."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


def _enlarged(matrix: Floats, n: int, shape: tuple[int, int]) -> Floats:
    """Return a matrix of zeros of another shape that begins with the first `n` rows of a matrix."""
    larger = np.zeros(shape)
    larger[:n, : matrix.shape[1]] = matrix[:n, : shape[1]]
    return larger


class Posterior:
    """Posterior mean and variance of the function at m cells; :meth:`GaussianProcess.posterior` makes one.

    Parameters
    ----------
    process : GaussianProcess
        The fitted process.
    x : Features
        Features of the m cells.
    rows : ndarray of float64, shape (n, m)
        ``L^-1 K`` between the n fitted cells and these.
    mean, variance : ndarray of float64, shape (m,)
        Initial values of the attributes.

    Attributes
    ----------
    mean, variance : ndarray of float64, shape (m,)
        Mean and variance of each cell, without noise.
    process : GaussianProcess
        The fitted process.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0]]),))
    >>> process = GaussianProcess(Kernel(((1.0,),), (0.01,))).fit(x, np.array([-1.0, 1.0]))
    >>> posterior = process.posterior(Features((np.array([[5.0], [6.0]]),)))
    >>> posterior.variance.round(2).tolist()
    [1.0, 1.0]
    >>> posterior.observe(0)
    >>> posterior.variance.round(2).tolist()
    [0.01, 0.87]
    """

    def __init__(self, process: GaussianProcess, x: Features, rows: Floats, mean: Floats, variance: Floats) -> None:
        self.mean, self.variance = mean, np.maximum(variance, 0.0)
        self.process, self._x, self._rows = process, x, rows
        self._further: list[Floats] = []  # one row of L^-1 K per cell that was observed since

    @property
    def deviation(self) -> Floats:
        """Posterior standard deviations, shape (m,)."""
        return np.sqrt(self.variance)

    def observe(self, i: int) -> None:
        """Condition the variance on an observation of cell `i`; the mean does not change.

        Parameters
        ----------
        i : int
            Index of the cell among the m cells.

        Examples
        --------
        >>> x = Features((np.arange(4.0)[:, None],))
        >>> process = GaussianProcess(Kernel(((0.5, 1.0),))).fit(x, np.arange(4.0))
        >>> posterior = process.posterior(Features((np.array([[8.0], [9.0]]),)))
        >>> before = posterior.deviation[1]
        >>> posterior.observe(0)
        >>> bool(posterior.deviation[1] < before)
        True
        """
        kernel, here = self.process.kernel, self._x[np.array([i])]
        row = kernel.between(here, self._x, self.process.weights_)[0]
        row -= _core.matmul(np.ascontiguousarray(self._rows[:, i : i + 1]), self._rows, transpose_a=True).numpy()[0]
        for further in self._further:
            row -= further[i] * further
        row /= np.sqrt(self.variance[i] + self.process.noise_)
        self._further.append(row)
        self.variance = np.maximum(self.variance - row * row, 0.0)
