"""The Gaussian process as a surrogate of Bayesian search."""

from __future__ import annotations

from typing import Any

from crlso._base.types import Floats, Keys
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior

__all__ = ["ProcessSurrogate"]


class ProcessSurrogate:
    """Surrogate by a Gaussian process, fitted again in every round.

    Kernel values between observed cells and the reservoir are kept between rounds: each round computes only the rows of
    newly observed cells.

    Parameters
    ----------
    kernel : Kernel
        Grids for the weights and the noise; each fit chooses those that maximise the marginal likelihood.

    Attributes
    ----------
    process : GaussianProcess
        The process of the last fit.

    Raises
    ------
    TypeError
        If `kernel` is not a Kernel.
    """

    is_memoryless = True  # a posterior depends on the last fit alone

    def __init__(self, kernel: Kernel) -> None:
        if not isinstance(kernel, Kernel):
            raise TypeError(f"kernel: expected a Kernel, got {type(kernel).__name__}")
        self.process = GaussianProcess(kernel)

    def fingerprint(self) -> Any:
        """Return what identifies the surrogate: its kernel, whatever it was fitted to.

        Returns
        -------
        Kernel
            The kernel of the process, with its grids.
        """
        return self.process.kernel

    def watch(self, x: Features) -> None:
        """Store the features of the cells whose posterior every round needs.

        Parameters
        ----------
        x : Features
            Features of n cells.
        """
        self._watched, self._known = x, KnownRows(x)

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit the process to n observed cells: features, scores y (n,) and canonical keys (n,).

        Parameters
        ----------
        x : Features
            Features of n cells.
        y : ndarray of float64, shape (n,)
            Their scores.
        keys : ndarray of int64, shape (n,)
            Their canonical keys.
        """
        self.process = GaussianProcess(self.process.kernel).fit(x, y)
        self._observed, self._keys = x, keys

    def posterior(self, x: Features | None = None) -> Posterior:
        """Return the posterior at the given cells, by default at the stored ones.

        Parameters
        ----------
        x : Features, optional
            Features of m cells.

        Returns
        -------
        Posterior
            Means and variances at the m cells.
        """
        if x is not None:
            return self.process.posterior(x)
        rows = self._known.rows(self.process, self._keys, self._observed)
        return self.process.posterior(self._watched, rows)

    def summary(self) -> dict[str, Any]:
        """Return the weights and the noise of the last fit.

        Returns
        -------
        dict
            ``weights``, one per group of features, and ``noise``, a variance.
        """
        return {"weights": list(self.process.weights_), "noise": self.process.noise_}
