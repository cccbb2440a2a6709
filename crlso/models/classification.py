"""Gaussian process classification: the probability of success from features of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Floats
from crlso.models.base import NotFittedError
from crlso.models.gaussian_process import Features, Kernel

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GaussianProcessClassifier"]

_SLOPE = 1.702  # of the logistic function that is closest to the normal distribution function
_STEPS = 50  # limit of Newton steps; a handful is usual


class GaussianProcessClassifier:
    """Gaussian process classification by Laplace's approximation, with a logistic link.

    The probability of success is ``1 / (1 + exp(-1.702 f))``, where f is a Gaussian process. Among the weights of the
    kernel, :meth:`fit` chooses those with the largest approximate marginal likelihood.

    Parameters
    ----------
    kernel : Kernel
        Kernel of the process with its candidate weights; its noises are not used.
    mean : float
        Prior mean of f: 1 gives a prior probability of success of 0.85 where the kernel's variance is 0.

    Attributes
    ----------
    weights_ : tuple of float
        Chosen weights, one per group of features.
    log_likelihood_ : float
        Logarithm of the approximate marginal likelihood.
    latent_ : ndarray of float64, shape (n,)
        Most probable values of f at the fitted cells.

    References
    ----------
    Rasmussen, Williams: Gaussian Processes for Machine Learning. 2006, algorithms 3.1 and 3.2.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0], [2.0], [3.0]]),))
    >>> model = GaussianProcessClassifier(Kernel(((0.5,),))).fit(x, np.array([True, True, False, False]))
    >>> model.probability(x).round(1).tolist()
    [0.8, 0.8, 0.5, 0.4]
    """

    def __init__(self, kernel: Kernel, mean: float = 1.0) -> None:
        self.kernel, self.mean = kernel, mean

    def fit(self, x: Features, succeeded: npt.NDArray[np.bool_]) -> Self:
        """Choose weights, and condition on n outcomes.

        Parameters
        ----------
        x : Features
            Features of n cells.
        succeeded : ndarray of bool, shape (n,)
            Whether each cell succeeded.

        Returns
        -------
        GaussianProcessClassifier
            Itself.

        Examples
        --------
        >>> x = Features((np.array([[0.0], [1.0], [2.0], [3.0]]),))
        >>> model = GaussianProcessClassifier(Kernel(((0.5, 1.0),))).fit(x, np.array([True, True, False, False]))
        >>> model.weights_ in ((0.5,), (1.0,))
        True
        """
        signs = np.where(np.asarray(succeeded, dtype=np.bool_), 1.0, -1.0)
        self._x, self.log_likelihood_ = x, -np.inf
        for weights, kernel in self.kernel.candidates(x):
            mode = _Mode(kernel, signs, self.mean)
            if mode.log_likelihood > self.log_likelihood_:
                self.weights_, self.log_likelihood_, self.latent_ = weights, mode.log_likelihood, mode.latent
                self._mode = mode
        return self

    def probability(self, x: Features) -> Floats:
        """Return the probability of success at m cells, shape (m,); NotFittedError before :meth:`fit`.

        Parameters
        ----------
        x : Features
            Features of m cells.

        Returns
        -------
        ndarray of float64, shape (m,)
            Probabilities in [0, 1], in the order of the cells.

        Examples
        --------
        >>> x = Features((np.array([[0.0], [1.0], [2.0], [3.0]]),))
        >>> model = GaussianProcessClassifier(Kernel(((0.5, 1.0),))).fit(x, np.array([True, True, False, False]))
        >>> chances = model.probability(x)
        >>> bool(chances[0] > chances[3])
        True
        """
        if not hasattr(self, "_mode"):
            raise NotFittedError("GaussianProcessClassifier: expected a fitted model; call fit first")
        mode = self._mode
        cross = self.kernel.between(self._x, x, self.weights_)
        mean = self.mean + _core.matmul(cross, mode.slope[:, None], transpose_a=True).numpy()[:, 0]
        rows = _core.solve_lower(mode.lower, mode.root[:, None] * cross)
        variance = np.maximum(self.kernel.diagonal(x) - (rows * rows).sum(axis=0), 0.0)
        return _logistic(_SLOPE * mean / np.sqrt(1.0 + variance))


class _Mode:
    """The most probable values of the process at n cells, by Newton's method with halved steps.

    Attributes
    ----------
    latent, slope, root : ndarray of float64, shape (n,)
        Values of the process; first derivatives of the log likelihood of the outcomes there; square roots of the
        negative second ones.
    lower : ndarray of float64, shape (n, n)
        Cholesky factor of ``I + root K root``.
    log_likelihood : float
        Laplace's approximation of the marginal likelihood.
    """

    def __init__(self, kernel: Floats, signs: Floats, mean: float) -> None:
        self._kernel, self._signs, self._mean = kernel, signs, mean
        coefficients = np.zeros(len(signs))
        self._derive(coefficients)
        reached = self._objective(coefficients)
        for _ in range(_STEPS):
            before, target = reached, self._newton()
            step = 1.0
            while True:
                trial = coefficients + step * (target - coefficients)
                reached = self._objective(trial)
                if reached >= before or step < 1e-6:
                    break
                step /= 2
            if reached <= before + 1e-9:
                reached = before
                break
            coefficients = trial
            self._derive(coefficients)
        self.log_likelihood = float(reached - np.log(np.diagonal(self.lower)).sum())

    def _values(self, coefficients: Floats) -> Floats:
        product: Floats = _core.matmul(self._kernel, coefficients[:, None]).numpy()[:, 0]
        return self._mean + product

    def _objective(self, coefficients: Floats) -> float:
        """Log posterior density of the values, up to a constant."""
        values = self._values(coefficients)
        fit = -np.logaddexp(0.0, -_SLOPE * self._signs * values).sum()
        return float(fit - 0.5 * (coefficients * (values - self._mean)).sum())

    def _derive(self, coefficients: Floats) -> None:
        self.latent = self._values(coefficients)
        wrong = _logistic(-_SLOPE * self._signs * self.latent)
        self.slope = _SLOPE * self._signs * wrong
        self.root = _SLOPE * np.sqrt(wrong * (1.0 - wrong))
        scaled = self.root[:, None] * self._kernel * self.root
        self.lower = _core.cholesky(scaled + np.eye(len(scaled)))

    def _newton(self) -> Floats:
        """Coefficients of the values after a whole Newton step."""
        right = self.root**2 * (self.latent - self._mean) + self.slope
        product = _core.matmul(self._kernel, right[:, None]).numpy()
        solved = _core.solve_lower(self.lower, self.root[:, None] * product)
        solved = _core.solve_lower(self.lower, solved, transposed=True)
        result: Floats = right - self.root * solved[:, 0]
        return result


def _logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)
