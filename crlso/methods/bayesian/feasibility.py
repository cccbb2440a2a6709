"""Learning from failed evaluations: the probability that an evaluation succeeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats
from crlso.models.classification import GaussianProcessClassifier
from crlso.models.gaussian_process import Features, Kernel

__all__ = ["Feasibility"]

# Chosen on NAS-Bench-201, CIFAR-100, seeds 0 to 9 of benchmarks/failures.py.
_SIZE = 32.0  # weight of the size and of the constant: failures are often a matter of size, with a limit unknown
_WEIGHT = 2.0  # of the logarithm, when there were as many failures as random search would have had
_LARGEST_RATIO = 4.0


class Feasibility:
    """The probability that an evaluation succeeds, and the penalty for cells that may fail.

    A Gaussian process classifier on the features of the search learns which cells succeed. The penalty is the logarithm
    of the probability, in units of scores, times ``2 r**2``, where r is the number of failures so far divided by that
    of a random search: the number of finished evaluations times the mean probability of failure in the reservoir. So a
    search that failed more often than random search is cautious, and one that failed less often tries the limit. Before
    the first failure there is no penalty.

    Parameters
    ----------
    reservoir : Features
        Features of the reservoir, which represent the space.

    Examples
    --------
    >>> reservoir = Features((np.linspace(0.0, 1.0, 11)[:, None],))
    >>> feasibility = Feasibility(reservoir)
    >>> feasibility.penalty().any().item()
    False
    >>> feasibility.fit(reservoir[[0, 3, 10]], np.array([True, True, False]))
    >>> feasibility.penalty()[[1, 9]].round(1).tolist()
    [-0.4, -1.3]
    """

    def __init__(self, reservoir: Features) -> None:
        self._reservoir = reservoir
        spreads = [2.0 * float(group.var(axis=0).sum()) or 1.0 for group in reservoir.groups]
        weights = tuple((1.0 / (len(spreads) * spread),) for spread in spreads)
        self._kernel = Kernel(weights, linear=_SIZE, constant=_SIZE, predicted=0.0)
        self._model: GaussianProcessClassifier | None = None
        self._of_reservoir = np.zeros(len(reservoir))
        self._weight = 1.0

    def fit(self, x: Features, succeeded: npt.NDArray[np.bool_]) -> None:
        """Learn from the outcomes of n cells.

        Parameters
        ----------
        x : Features
            Features of the n cells.
        succeeded : ndarray of bool, shape (n,)
            Whether the evaluation of each cell succeeded.
        """
        failures = int((~succeeded).sum())
        if not failures:
            return
        self._model = GaussianProcessClassifier(self._kernel).fit(x, succeeded)
        probability = self._model.probability(self._reservoir)
        expected = max(len(succeeded) * float((1.0 - probability).mean()), 1e-9)
        self._weight = _WEIGHT * min(failures / expected, _LARGEST_RATIO) ** 2
        self._of_reservoir = self._weight * np.log(probability)

    def penalty(self, x: Features | None = None) -> Floats:
        """Return the penalties of m cells, at most 0, shape (m,); by default those of the reservoir.

        Parameters
        ----------
        x : Features, optional
            Features of m cells.

        Returns
        -------
        ndarray of float64, shape (m,)
            Weighted logarithms of the probabilities of success, in units of scores; 0 before the first failure.
        """
        if x is None:
            return self._of_reservoir
        if self._model is None:
            return np.zeros(len(x))
        return self._weight * np.log(self._model.probability(x))
