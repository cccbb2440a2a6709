"""The Gaussian process as the surrogate of a search."""

from __future__ import annotations

from typing import Any

from crlso._base.types import Floats, Keys
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior

__all__ = ["ProcessSurrogate"]


class ProcessSurrogate:
    """A Gaussian process that is fitted anew in every round; what it knows of the watched cells grows by rows.

    Parameters
    ----------
    kernel : Kernel
        Candidates of its weights and of the noise; each fit takes those of the largest marginal likelihood.

    Attributes
    ----------
    process : GaussianProcess
        That of the last fit.

    Raises
    ------
    TypeError
        When `kernel` is no Kernel.
    """

    def __init__(self, kernel: Kernel) -> None:
        if not isinstance(kernel, Kernel):
            raise TypeError(f"kernel: expected a Kernel, got {type(kernel).__name__}")
        self.process = GaussianProcess(kernel)

    def watch(self, x: Features) -> None:
        """Take note of the cells whose posterior every round asks for."""
        self._watched, self._known = x, KnownRows(x)

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit the process to observed cells."""
        self.process = GaussianProcess(self.process.kernel).fit(x, y)
        self._observed, self._keys = x, keys

    def posterior(self, x: Features | None = None) -> Posterior:
        """The posterior at some cells; by default at the watched ones."""
        if x is not None:
            return self.process.posterior(x)
        rows = self._known.rows(self.process, self._keys, self._observed)
        return self.process.posterior(self._watched, rows)

    def summary(self) -> dict[str, Any]:
        """Weights and noise of the last fit."""
        return {"weights": list(self.process.weights_), "noise": self.process.noise_}
