"""Averages of Gaussian processes with different kernels as a surrogate of Bayesian search."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import crlso._core as _core
from crlso._base.checks import check_number
from crlso._base.types import Floats, Keys
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior, normal_scores

__all__ = ["AveragedPosterior", "Member", "ProcessAverage"]


@dataclasses.dataclass(frozen=True)
class Member:
    """A process of an average: its kernel, and the groups of features that the kernel compares.

    Parameters
    ----------
    groups : tuple of int
        Positions of groups in the features.
    kernel : Kernel
        Grids for the weights of these groups and for the noise.
    predicted : tuple of int
        Columns of the predictions on which values depend linearly.
    has_floor : bool
        Whether the share has a floor; otherwise it can go to 0, as for features that may be useless.
    """

    groups: tuple[int, ...]
    kernel: Kernel
    predicted: tuple[int, ...] = ()
    has_floor: bool = True

    def view(self, x: Features) -> Features:
        """Return the features that the kernel compares.

        Parameters
        ----------
        x : Features
            Features of n cells.

        Returns
        -------
        Features
            The groups and predictions of this process alone, with the size.
        """
        predicted = x.predicted[:, list(self.predicted)] if self.predicted and x.predicted is not None else None
        return Features(tuple(x.groups[g] for g in self.groups), x.size, predicted)


class AveragedPosterior:
    """Posterior of an average of processes: the mean and variance of the mixture of their posteriors.

    Parameters
    ----------
    parts : sequence of Posterior
        Posteriors of the k processes at the same m cells.
    shares : ndarray of float64, shape (k,)
        Share of each process; they add to 1.

    Attributes
    ----------
    mean, variance : ndarray of float64, shape (m,)
        Mean and variance of each cell, without noise.
    """

    def __init__(self, parts: Sequence[Posterior], shares: Floats) -> None:
        self._parts, self._shares = parts, shares
        self.mean, self.variance = self._mixed()

    @property
    def deviation(self) -> Floats:
        """Posterior standard deviations, shape (m,)."""
        return np.sqrt(self.variance)

    def observe(self, i: int) -> None:
        """Condition the variances on an observation of cell `i`; the means do not change.

        Parameters
        ----------
        i : int
            Position of the cell.
        """
        for part in self._parts:
            part.observe(i)
        self.variance = self._mixed()[1]

    def _mixed(self) -> tuple[Floats, Floats]:
        parts = self._parts
        return _core.mixture(self._shares, [part.mean for part in parts], [part.variance for part in parts])


class ProcessAverage:
    """Surrogate by several Gaussian processes, whose posteriors are averaged.

    The processes compare different features of cells, since none is best in every space. A part of the shares is equal;
    the other part is proportional to the leave-one-out densities of the processes. Members with the same groups and
    kernel that differ in the predictions they use are variants of one process: they divide its share by their
    densities alone.

    Weights and noises are chosen anew whenever the number of targets has grown by a tenth, by the normal scores of
    those targets: a long search would spend most of its time on them.

    Parameters
    ----------
    members : sequence of Member
        The processes, at least one.
    floor : float
        The part that is equal, from 0 to 1.

    Attributes
    ----------
    processes : list of GaussianProcess
        The processes of the last fit.
    shares : ndarray of float64, shape (k,)
        Their shares.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    >>> x = Features((np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [0.0]])))
    >>> average = ProcessAverage([Member((0,), Kernel(((1.0,),))), Member((1,), Kernel(((1.0,),)))])
    >>> average.watch(x)
    >>> average.fit(x, np.array([1.0, -1.0, 1.0]), np.arange(3))
    >>> average.shares.round(2).tolist()  # equal values have equal second features
    [0.25, 0.75]
    """

    is_memoryless = True  # a posterior depends on the last fit alone

    def __init__(self, members: Sequence[Member], floor: float = 0.5) -> None:
        self.members, self.floor = tuple(members), check_number("floor", floor, least=0)
        if not self.members:
            raise ValueError("members: expected at least one Member, got none")
        for member in self.members:
            if not isinstance(member, Member):
                raise TypeError(f"members: expected Members, got {type(member).__name__}")
        if self.floor > 1:
            raise ValueError(f"floor: expected at most 1, got {self.floor:g}")
        self._chosen: tuple[Any, list[Kernel]] = None, []

    def fingerprint(self) -> Any:
        """Return what identifies the surrogate, whatever it was fitted to.

        Returns
        -------
        tuple
            Members and floor.
        """
        return self.members, self.floor

    def watch(self, x: Features) -> None:
        """Store the features of the cells whose posterior every round needs.

        Parameters
        ----------
        x : Features
            Features of n cells.
        """
        self._watched = [member.view(x) for member in self.members]
        self._known = [KnownRows(view) for view in self._watched]

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit the processes to n observed cells: features, scores y (n,) and canonical keys (n,).

        Parameters
        ----------
        x : Features
            Features of n cells.
        y : ndarray of float64, shape (n,)
            Their scores.
        keys : ndarray of int64, shape (n,)
            Their canonical keys.
        """
        observed = [member.view(x) for member in self.members]
        kernels = self._kernels(observed, y, keys)
        processes = [GaussianProcess(kernel).fit(view, y) for kernel, view in zip(kernels, observed)]
        self.shares = self._shares(np.array([leave_one_out_density(process) for process in processes]))
        self.processes, self._observed, self._y, self._keys = processes, observed, y, keys

    def _kernels(self, observed: Sequence[Features], y: Floats, keys: Keys) -> list[Kernel]:
        """Return the kernel of each process with the weights and the noise that the first of the values choose."""
        n = _choosing(len(y))
        scores = normal_scores(y[:n])  # those that the first values had while there were no others
        known = keys[:n].tobytes(), scores.tobytes()
        if self._chosen[0] != known:
            chosen = [GaussianProcess(m.kernel).fit(view[:n], scores) for m, view in zip(self.members, observed)]
            self._chosen = known, [process.kernel.fixed(process.weights_, process.noise_) for process in chosen]
        return self._chosen[1]

    def _shares(self, densities: Floats) -> Floats:
        """Return the share of each process, by their leave-one-out densities."""
        families: dict[tuple[tuple[int, ...], Kernel, bool], list[int]] = {}
        for i, member in enumerate(self.members):
            families.setdefault((member.groups, member.kernel, member.has_floor), []).append(i)
        relative = np.exp(densities - densities.max())
        evidence = np.array([relative[family].mean() for family in families.values()])
        has_floor = np.array([family[-1] for family in families], dtype=np.float64)
        equal = has_floor / max(has_floor.sum(), 1.0)
        floor = self.floor if has_floor.any() else 0.0
        shares = np.zeros(len(densities))
        for family, share in zip(families.values(), floor * equal + (1.0 - floor) * evidence / evidence.sum()):
            among = np.exp(densities[family] - densities[family].max())
            shares[family] = share * among / among.sum()
        return shares

    def left_out(self) -> Floats:
        """Return the prediction of each target of the last fit from all others, shape (n,).

        Returns
        -------
        ndarray of float64, shape (n,)
            Means of the processes, averaged by their shares.
        """
        errors: Floats = self.shares @ np.stack([process.leave_one_out()[0] for process in self.processes])
        return self._y - errors

    def posterior(self, x: Features | None = None) -> AveragedPosterior:
        """Return the posterior at the given cells, by default at the stored ones.

        Parameters
        ----------
        x : Features, optional
            Features of m cells.

        Returns
        -------
        AveragedPosterior
            Mean and variance of the mixture of the posteriors of the processes, at the m cells.
        """
        parts = []
        for i, (process, member) in enumerate(zip(self.processes, self.members)):
            if x is None:
                rows = self._known[i].rows(process, self._keys, self._observed[i])
                parts.append(process.posterior(self._watched[i], rows))
            else:
                parts.append(process.posterior(member.view(x)))
        return AveragedPosterior(parts, self.shares)

    def summary(self) -> dict[str, Any]:
        """Return the shares of the processes, their weights and their noises.

        Returns
        -------
        dict
            ``shares``, ``weights`` (a list for each process) and ``noise``, in the order of the processes.
        """
        return {
            "shares": self.shares.tolist(),
            "weights": [list(process.weights_) for process in self.processes],
            "noise": [process.noise_ for process in self.processes],
        }


def _choosing(n: int) -> int:
    """How many of n targets choose weights and noises: all of the first 16, then a number that grows by a tenth."""
    chosen = min(n, 16)
    while (following := max(chosen + 1, chosen * 11 // 10)) <= n:
        chosen = following
    return chosen


def leave_one_out_density(process: GaussianProcess) -> float:
    """Return the sum of the log densities of each target, predicted from all others."""
    errors, precision = process.leave_one_out()
    return float(0.5 * (np.log(precision) - precision * errors**2).sum())
