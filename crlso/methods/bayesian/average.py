"""Averages of Gaussian processes with different kernels as a surrogate of Bayesian search."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import crlso._core as _core
from crlso._base.types import Floats, Keys
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior

__all__ = ["AveragedPosterior", "Member", "ProcessAverage"]


@dataclasses.dataclass(frozen=True)
class Member:
    """One process of an average: its kernel, and the groups of features that the kernel compares.

    Parameters
    ----------
    groups : tuple of int
        Positions of groups in the features.
    kernel : Kernel
        Grids for the weights of these groups and for the noise.
    """

    groups: tuple[int, ...]
    kernel: Kernel

    def view(self, x: Features) -> Features:
        """Return the features that the kernel compares."""
        return Features(tuple(x.groups[g] for g in self.groups), x.size)


class AveragedPosterior:
    """Posterior of an average of processes: the mean and variance of the mixture of their posteriors.

    Parameters
    ----------
    parts : sequence of Posterior
    shares : ndarray of float64, shape (k,)
        Share of each process; they add to 1.
    """

    def __init__(self, parts: Sequence[Posterior], shares: Floats) -> None:
        self._parts, self._shares = parts, shares
        self.mean: Floats = sum(share * part.mean for share, part in zip(shares, parts))  # type: ignore[assignment]

    @property
    def variance(self) -> Floats:
        """Variances of the mixture, shape (m,)."""
        squares = sum(s * (p.variance + (p.mean - self.mean) ** 2) for s, p in zip(self._shares, self._parts))
        return np.asarray(squares)

    @property
    def deviation(self) -> Floats:
        """Standard deviations, shape (m,)."""
        return np.sqrt(self.variance)

    def observe(self, i: int) -> None:
        """Condition the variances on an observation of cell `i`."""
        for part in self._parts:
            part.observe(i)


class ProcessAverage:
    """Surrogate by several Gaussian processes, whose posteriors are averaged.

    Parameters
    ----------
    members : sequence of Member
    floor : float
        Least share of each process, times the number of processes; 1: equal shares.
    """

    def __init__(self, members: Sequence[Member], floor: float = 0.5) -> None:
        self.members, self.floor = tuple(members), floor

    def fingerprint(self) -> Any:
        """Return what identifies the surrogate, whatever it was fitted to."""
        return self.members, self.floor

    def watch(self, x: Features) -> None:
        """Store the features of the cells whose posterior every round needs."""
        self._watched = [member.view(x) for member in self.members]
        for view in self._watched:
            view.squares  # noqa: B018
        self._known = [KnownRows(view) for view in self._watched]

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit the processes to n observed cells: features, scores y (n,) and canonical keys (n,)."""
        self._observed = [member.view(x) for member in self.members]
        self._keys = keys
        self.processes = [GaussianProcess(m.kernel).fit(v, y) for m, v in zip(self.members, self._observed)]
        densities = np.array([leave_one_out_density(process, y) for process in self.processes])
        shares = np.exp(densities - densities.max())
        k = len(shares)
        self.shares = self.floor / k + (1.0 - self.floor) * shares / shares.sum()

    def posterior(self, x: Features | None = None) -> AveragedPosterior:
        """Return the posterior at the given cells, by default at the stored ones."""
        if x is not None:
            parts = [p.posterior(m.view(x)) for p, m in zip(self.processes, self.members)]
        else:
            parts = [
                process.posterior(watched, known.rows(process, self._keys, observed))
                for process, watched, known, observed in zip(
                    self.processes, self._watched, self._known, self._observed
                )
            ]
        return AveragedPosterior(parts, self.shares)

    def summary(self) -> dict[str, Any]:
        """Return the shares of the processes, and their weights and noises."""
        return {
            "shares": self.shares.tolist(),
            "weights": [list(process.weights_) for process in self.processes],
            "noise": [process.noise_ for process in self.processes],
        }


def leave_one_out_density(process: GaussianProcess, y: Floats) -> float:
    """Return the sum of the log densities of each target, predicted from all others.

    Source: Rasmussen, Williams: Gaussian Processes for Machine Learning. 2006, equations 5.10 to 5.12.
    """
    inverse = _core.solve_lower(process.lower_, np.eye(len(process.lower_)))
    precision = (inverse * inverse).sum(axis=0)
    errors = _core.matmul(inverse, process.white_, transpose_a=True).numpy()[:, 0] / precision
    return float(0.5 * (np.log(precision) - precision * errors**2).sum())
