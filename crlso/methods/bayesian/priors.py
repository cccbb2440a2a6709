"""Prior studies: what the results of other tasks on the same space say about cells."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from crlso._base.types import Codes, Floats, Keys, Positions, Progress
from crlso.benchmarks import Tabular
from crlso.history import Measurement
from crlso.methods.bayesian.average import Member, ProcessAverage
from crlso.methods.bayesian.parts import Encoder, Reservoir
from crlso.methods.results import EXPECTED, read_results
from crlso.models.gaussian_process import Features, normal_scores
from crlso.random import Stream
from crlso.spaces.base import Space

__all__ = ["Prior", "PriorEncoder", "best_predicted", "read_priors", "with_priors"]

_log = logging.getLogger("crlso.search")

LARGEST_PRIOR = 300  # number of cells of a prior to which processes are fitted


@dataclasses.dataclass(frozen=True, eq=False)
class Prior:
    """Results of another task on the same space.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells, one per class.
    keys : ndarray of int64, shape (n,)
        Their canonical keys.
    scores : ndarray of float64, shape (n,)
        Normal scores of their values; the value of a class is the mean of its cells.
    """

    codes: Codes
    keys: Keys
    scores: Floats

    def some(self, n: int, stream: Stream) -> Prior:
        """Return the prior, or its n / 2 best cells and random others if it has more than n.

        Parameters
        ----------
        n : int
            Number of cells.
        stream : crlso.random.Stream
            Source of randomness.

        Returns
        -------
        Prior
            The prior itself, or a new one of n cells.
        """
        if len(self.keys) <= n:
            return self
        order = np.argsort(-self.scores, kind="stable")
        best, others = order[: n // 2], order[n // 2 :]
        chosen = np.concatenate([best, others[stream.permutation("prior", 0, len(others))[: n - n // 2]]])
        return Prior(self.codes[chosen], self.keys[chosen], self.scores[chosen])


def read_priors(space: Space, given: Any) -> list[Prior]:
    """Read the results of other tasks.

    Parameters
    ----------
    space : Space
        Space of the cells. Cells that are not listed, if it lists only some, are left out with a warning.
    given : sequence
        Each entry is one that :func:`crlso.methods.results.read_results` reads. A single study, path or table need not
        be in a list.

    Returns
    -------
    list of Prior
        One for each entry, in their order; empty if `given` is None.

    Raises
    ------
    TypeError, ValueError
        If an entry is none of these, or holds no value of a cell of the space.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
    >>> first = [("|conv~0|+|conv~0|pool~1|", 91.0), ("|pool~0|+|conv~0|pool~1|", 90.5)]
    >>> [prior.scores.round(2).tolist() for prior in read_priors(space, [first])]
    [[1.0, -1.0]]
    """
    if given is None:
        return []
    if isinstance(given, (str, os.PathLike, Tabular)) or hasattr(given, "trials"):
        given = [given]
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"prior: expected a list, each entry {EXPECTED}, got {type(given).__name__}")
    return [_read(f"prior[{i}]", space, entry) for i, entry in enumerate(given)]


class PriorEncoder:
    """Encoder that adds, to the features of another, what each prior predicts for a cell.

    An average of processes is fitted to each prior once. Its posterior mean, centred over the reference cells, is the
    prediction. It keeps its scale: a prior from which little can be learned predicts small differences. One whose own
    values cannot be predicted from each other predicts nothing, and all its predictions are 0. The limit is a
    correlation of 2 / sqrt(n), where n is the number of its cells; two standard errors.

    Parameters
    ----------
    encoder : Encoder
        Provides the features.
    priors : sequence of Prior
        Results of other tasks, one prediction each.
    members : sequence of Member
        Processes of the average.
    """

    def __init__(self, encoder: Encoder, priors: Sequence[Prior], members: Sequence[Member]) -> None:
        self.encoder, self.priors, self.members = encoder, tuple(priors), tuple(members)

    def fingerprint(self) -> Any:
        """Return what identifies the encoder, whatever it was fitted to.

        Returns
        -------
        tuple
            The inner encoder, codes and scores of each prior, and the members.
        """
        return self.encoder, [(prior.codes, prior.scores) for prior in self.priors], self.members

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Prepare the other encoder, and fit the processes to the priors.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.
        """
        self.encoder.prepare(reservoir, stream, report)
        self._averages: list[ProcessAverage | None] = []
        for i, prior in enumerate(self.priors):
            some = prior.some(LARGEST_PRIOR, stream.child(f"prior{i}"))
            average = ProcessAverage(self.members)
            average.fit(self.encoder.encode(some.codes), some.scores, some.keys)
            is_telling = _correlation(average.left_out(), some.scores) > 2.0 / np.sqrt(len(some.keys))
            if not is_telling:
                _log.warning("prior[%d] is not used: its values cannot be predicted from each other", i)
            self._averages.append(average if is_telling else None)
        self._centre = self._means(self.encoder.encode(reservoir.reference)).mean(axis=0)

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell), with a prediction for each prior.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            The groups and size of the inner encoder; `predicted` has one column for each prior.
        """
        x = self.encoder.encode(codes)
        return Features(x.groups, x.size, self._means(x) - self._centre)

    def _means(self, x: Features) -> Floats:
        means = [np.zeros(len(x)) if average is None else average.posterior(x).mean for average in self._averages]
        return np.stack(means, axis=1)


def with_priors(members: Sequence[Member], n: int) -> list[Member]:
    """Return the members, and variants of each that use the predictions of one of `n` priors, or of all of them."""
    chosen = [(i,) for i in range(n)] + ([tuple(range(n))] if n > 1 else [])
    return [*members, *(dataclasses.replace(member, predicted=used) for member in members for used in chosen)]


def best_predicted(predicted: Floats, n: int) -> Positions:
    """Return the positions of the `n` cells with the largest predictions: the best of each prior in turn.

    Parameters
    ----------
    predicted : ndarray of float64, shape (m, p)
        Predictions of p priors. One whose predictions are all equal is left out.
    n : int
        Number of cells; there may be fewer.

    Examples
    --------
    >>> best_predicted(np.array([[0.0, 4.0], [1.0, 5.0], [2.0, 3.0], [3.0, 6.0]]), 3).tolist()
    [3, 2, 1]
    """
    telling = predicted[:, np.ptp(predicted, axis=0) > 0]
    in_turn = np.argsort(-telling, axis=0, kind="stable")[:n].reshape(-1)
    return in_turn[np.sort(np.unique(in_turn, return_index=True)[1])][:n]


def _correlation(x: Floats, y: Floats) -> float:
    """Return the correlation of two columns; 0 if one is constant."""
    spread = float(x.std() * y.std())
    return float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 0 else 0.0


def _read(name: str, space: Space, given: Any) -> Prior:
    results = read_results(name, space, given)
    complete = np.array([isinstance(outcome, Measurement) for outcome in results.outcomes])
    values = np.array([outcome.value for outcome in results.outcomes if isinstance(outcome, Measurement)])
    if not len(values):
        raise ValueError(f"{name}: expected at least one cell of the space with a value, got {len(complete)} failures")
    order = np.argsort(results.keys[complete])
    codes, keys = results.codes[complete][order], results.keys[complete][order]
    return Prior(codes, keys, normal_scores(values[order]))
