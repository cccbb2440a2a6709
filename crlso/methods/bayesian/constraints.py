"""Learning constraints: the probability that a measure which evaluations return is within its bounds."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from crlso._base.normal import log_normal_cdf
from crlso._base.types import Floats, Keys
from crlso.methods.bayesian.parts import Posterior, Surrogate
from crlso.models.gaussian_process import Features, normal_scores
from crlso.objectives import Bounds

__all__ = ["LearnedConstraint", "threshold"]

_SMALLEST = 1e-9  # difference of two probabilities that their errors leave
_LEAST_DEVIATION = 1e-6


class LearnedConstraint:
    """The probability that cells satisfy a constraint, learned by a surrogate of its own.

    The surrogate is fitted to normal scores of the measured numbers, and each bound is put between the scores of the
    numbers on its two sides, see :func:`threshold`. So neither the unit of the measure matters nor its distribution.
    The penalty of a cell is the logarithm of its probability of being within the bounds.

    Parameters
    ----------
    bounds : Bounds
        Bounds of the measure.
    surrogate : Surrogate
        Not fitted yet.

    Attributes
    ----------
    surrogate : Surrogate

    References
    ----------
    Gardner, Kusner, Xu, Weinberger, Cunningham: Bayesian optimization with inequality constraints. ICML 2014.
    """

    def __init__(self, bounds: Bounds, surrogate: Surrogate) -> None:
        self.bounds, self.surrogate = bounds, surrogate
        self._limits = -math.inf, math.inf

    def fit(self, x: Features, numbers: Floats, keys: Keys) -> None:
        """Learn the numbers of the n observed cells.

        Parameters
        ----------
        x : Features
            Features of the cells.
        numbers : ndarray of float64, shape (n,)
            Their numbers.
        keys : ndarray of int64, shape (n,)
            Their canonical keys.
        """
        self.surrogate.fit(x, normal_scores(numbers), keys)
        self._limits = threshold(numbers, self.bounds.least, False), threshold(numbers, self.bounds.most, True)

    def penalty(self, x: Features | None = None) -> Floats:
        """Return the penalties of m cells, at most 0, shape (m,).

        Parameters
        ----------
        x : Features, optional
            Features of the cells; by default of the stored ones.

        Returns
        -------
        ndarray of float64, shape (m,)
            Logarithm of the probability that each cell is within the bounds.
        """
        return _log_between(self.surrogate.posterior(x), *self._limits)

    def summary(self) -> dict[str, Any]:
        """Return the parameters of the last fit, for diagnostics.

        Returns
        -------
        dict
            The summary of the surrogate.
        """
        return self.surrogate.summary()


def threshold(numbers: Floats, bound: float, is_included: bool) -> float:
    """Return where a bound is on the scale of the normal scores of numbers.

    It is the quantile of the share of the numbers that are below the bound. If this is 0 or 1, the share is a quarter
    of a number, or all but that, so that the bound is as far beyond the extreme number as its rank allows.

    Parameters
    ----------
    numbers : ndarray, shape (n,)
    bound : float
        Minus or plus infinity stay what they are.
    is_included : bool
        Whether numbers that are equal to the bound count as being below it.

    Examples
    --------
    >>> numbers = np.array([3.0, 5.0, 7.0, 9.0])
    >>> [round(threshold(numbers, bound, True), 2) for bound in (1.0, 5.0, 7.0)]
    [-1.82, 0.0, 0.8]
    >>> normal_scores(numbers).round(2).tolist()
    [-1.36, -0.38, 0.38, 1.36]
    """
    if math.isinf(bound):
        return bound
    n = len(numbers)
    below = int((numbers <= bound).sum() if is_included else (numbers < bound).sum())
    quantile = NormalDist().inv_cdf
    ranks = np.array([quantile((i + 0.5) / n) for i in range(n)])
    spread = float(ranks.std()) or 1.0
    return quantile(min(max(below, 0.25), n - 0.25) / n) / spread


def _log_between(posterior: Posterior, least: float, most: float) -> Floats:
    """The logarithm of the probability that scores are between two limits, shape (m,)."""
    deviation = np.maximum(posterior.deviation, _LEAST_DEVIATION)
    below, above = (
        log_normal_cdf(sign * (limit - posterior.mean) / deviation)
        if math.isfinite(limit)
        else np.zeros(len(deviation))
        for sign, limit in ((1, most), (-1, least))
    )
    both = np.exp(below) + np.exp(above) - 1.0
    return np.where(both > _SMALLEST, np.log(np.maximum(both, _SMALLEST)), np.minimum(below, above))
