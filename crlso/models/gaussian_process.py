"""Exact Gaussian process regression over features of cells, for some hundreds of points."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Floats
from crlso.spaces.features import standardised

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Features", "GaussianProcess", "Kernel", "KnownRows", "Posterior", "normal_scores"]

KEPT = 4  # choices of weights and noise whose rows are kept


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of n cells, as kernels compare them.

    Parameters
    ----------
    groups : tuple of ndarray of float64, shape (n, d)
        Features whose distances are weighted together.
    size : ndarray of float64, shape (n,), optional
        A feature on which values depend linearly.
    """

    groups: tuple[Floats, ...]
    size: Floats | None = None

    def __len__(self) -> int:
        return len(self.groups[0])

    def __getitem__(self, chosen: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Features:
        return Features(tuple(group[chosen] for group in self.groups), None if self.size is None else self.size[chosen])

    @functools.cached_property
    def squares(self) -> tuple[Floats, ...]:
        """Squared lengths of the rows of each group, computed once: the same cells are compared in every round."""
        return tuple((group * group).sum(axis=1) for group in self.groups)

    @staticmethod
    def join(first: Features, second: Features) -> Features:
        """Features of the first cells followed by those of the second."""
        size = None if first.size is None or second.size is None else np.concatenate([first.size, second.size])
        return Features(tuple(map(np.concatenate, zip(first.groups, second.groups))), size)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """``exp(-sum_g w_g |x_g - y_g|^2) + linear * size_x size_y``, and the variance of the noise.

    Parameters
    ----------
    weights : tuple of tuple of float
        Candidates of each group's weight.
    noises : tuple of float
        Candidates of the noise.
    linear : float
        Weight of the size.

    Examples
    --------
    A kernel of one's own, a Matérn kernel of smoothness 3/2 in a search:

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

    def profile(self, distance: Floats) -> Floats:
        """The kernel as a function of the weighted squared distance, 1 at 0; a subclass may have another."""
        values: Floats = np.exp(-distance)
        return values

    def between(self, x: Features, y: Features, weights: tuple[float, ...]) -> Floats:
        """The kernel matrix, shape (len(x), len(y))."""
        return self._of_distances(_distances(x, y), x, y, weights)

    def candidates(self, x: Features) -> list[tuple[tuple[float, ...], Floats]]:
        """Each choice of weights with the kernel matrix of the cells and themselves."""
        distances = _distances(x, x)
        return [(chosen, self._of_distances(distances, x, x, chosen)) for chosen in itertools.product(*self.weights)]

    def diagonal(self, x: Features) -> Floats:
        """The kernel of each cell with itself."""
        return np.ones(len(x)) if x.size is None else 1.0 + self.linear * x.size**2

    def _of_distances(self, distances: list[Floats], x: Features, y: Features, weights: tuple[float, ...]) -> Floats:
        total = sum(weight * distance for weight, distance in zip(weights, distances))
        kernel = self.profile(np.asarray(total))
        if x.size is not None and y.size is not None:
            kernel += self.linear * np.outer(x.size, y.size)
        return kernel


def _distances(x: Features, y: Features) -> list[Floats]:
    """Squared distances of each group, by the core's matrix product, whose bits do not depend on threads."""
    distances = []
    for a, b, a_squares, b_squares in zip(x.groups, y.groups, x.squares, y.squares):
        product = _core.matmul(np.ascontiguousarray(a), np.ascontiguousarray(b), transpose_b=True).numpy()
        distances.append(np.maximum(a_squares[:, None] + b_squares - 2.0 * product, 0.0))
    return distances


def normal_scores(values: npt.ArrayLike) -> Floats:
    """Normal scores: standardised normal quantiles of the ranks of values; equal values share their mean rank.

    Parameters
    ----------
    values : array_like, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        Of mean 0 and standard deviation 1; zeros where all values are equal.

    Examples
    --------
    >>> normal_scores([90.0, 10.0, 91.0]).round(2).tolist()
    [0.0, -1.22, 1.22]
    """
    numbers = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    quantile = NormalDist().inv_cdf
    scores = np.array([quantile(float(rank - 0.5) / len(numbers)) for rank in ranks])
    return standardised(scores[place.reshape(-1)])


class GaussianProcess:
    """Gaussian process regression with the weights and noise that maximise the marginal likelihood of the targets.

    Parameters
    ----------
    kernel : Kernel

    Attributes
    ----------
    weights_ : tuple of float
    noise_ : float
        The chosen weights and noise.
    log_likelihood_ : float
        Marginal likelihood, up to a constant.
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
        """Choose weights and noise, and condition on targets y, shape (n,), at the cells x."""
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
        """Posterior of the function, without noise, at m cells.

        Parameters
        ----------
        x : Features
            Of the m cells.
        rows : ndarray of float64, shape (n, m), optional
            ``L^-1 K`` between the n fitted cells and these, as :class:`KnownRows` keeps it.
        """
        if rows is None:
            rows = _core.solve_lower(self.lower_, self.kernel.between(self._x, x, self.weights_))
        mean = _core.matmul(rows, self.white_, transpose_a=True).numpy()[:, 0]
        return Posterior(self, x, rows, mean, self.kernel.diagonal(x) - (rows * rows).sum(axis=0))


class KnownRows:
    """The whitened kernel matrix between observed cells and a fixed set of cells; it grows by a row per observed cell.

    Only the new rows are solved for, so that the cost of a fit is linear in the observed cells instead of quadratic.

    Parameters
    ----------
    x : Features
        Of the m fixed cells.
    """

    def __init__(self, x: Features) -> None:
        self._x = x
        self._kept: dict[Any, tuple[npt.NDArray[np.int64], Floats]] = {}

    def rows(self, process: GaussianProcess, keys: npt.NDArray[np.int64], observed: Features) -> Floats:
        """``L^-1 K`` (n, m) of a process that was fitted to n cells with these keys and features."""
        choice = (process.weights_, process.noise_)
        before, rows = self._kept.pop(choice, (keys[:0], np.zeros((0, len(self._x)))))
        n = len(before)
        if not np.array_equal(before, keys[:n]):
            n, rows = 0, rows[:0]
        if len(keys) > n:
            kernel = process.kernel.between(observed[n:], self._x, process.weights_)
            if n:
                kernel -= _core.matmul(np.ascontiguousarray(process.lower_[n:, :n]), rows).numpy()
            rows = np.concatenate([rows, _core.solve_lower(np.ascontiguousarray(process.lower_[n:, n:]), kernel)])
        self._kept[choice] = keys, rows
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return rows


class Posterior:
    """Posterior mean and variance of the function at m cells.

    Attributes
    ----------
    mean, variance : ndarray of float64, shape (m,)
    process : GaussianProcess
        The fitted process.
    """

    def __init__(self, process: GaussianProcess, x: Features, rows: Floats, mean: Floats, variance: Floats) -> None:
        self.mean, self.variance = mean, np.maximum(variance, 0.0)
        self.process, self._x, self._rows = process, x, rows
        self._further: list[Floats] = []

    @property
    def deviation(self) -> Floats:
        """Standard deviations, shape (m,)."""
        return np.sqrt(self.variance)

    def observe(self, i: int) -> None:
        """Condition on cell `i` being evaluated: the variance shrinks around it, the mean stays."""
        kernel, here = self.process.kernel, self._x[np.array([i])]
        row = kernel.between(here, self._x, self.process.weights_)[0]
        row -= _core.matmul(np.ascontiguousarray(self._rows[:, i : i + 1]), self._rows, transpose_a=True).numpy()[0]
        for further in self._further:
            row -= further[i] * further
        row /= np.sqrt(self.variance[i] + self.process.noise_)
        self._further.append(row)
        self.variance = np.maximum(self.variance - row * row, 0.0)
