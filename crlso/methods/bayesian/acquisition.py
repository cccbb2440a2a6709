"""Acquisition functions, which rank cells by their posterior."""

from __future__ import annotations

from crlso._base.checks import check_number
from crlso._base.types import Floats
from crlso.methods.bayesian.parts import Posterior

__all__ = ["UpperConfidenceBound"]


class UpperConfidenceBound:
    """The upper confidence bound: posterior mean plus `beta` posterior standard deviations.

    Parameters
    ----------
    beta : float
        At least 0; larger values explore more.

    Raises
    ------
    TypeError, ValueError
        If `beta` is not a finite number of at least 0.

    References
    ----------
    Srinivas, Krause, Kakade, Seeger: Gaussian process optimization in the bandit setting. ICML 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> UpperConfidenceBound(2.0)(SimpleNamespace(mean=np.zeros(2), deviation=np.array([1.0, 0.5])))
    array([2., 1.])
    """

    is_memoryless = True  # values depend on the posterior alone

    def __init__(self, beta: float) -> None:
        self.beta = check_number("beta", beta, least=0)

    def __call__(self, posterior: Posterior) -> Floats:
        """Return the acquisition values at the m cells of a posterior, shape (m,)."""
        return posterior.mean + self.beta * posterior.deviation
