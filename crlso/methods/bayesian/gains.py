"""Gains: what a search would win by cells, of which a surrogate predicts each objective that evaluations return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from crlso._base.types import Codes, Floats
from crlso.methods.bayesian.parts import Acquisition, Posterior
from crlso.methods.bayesian.volumes import boxes_beyond, expected_gains
from crlso.models.gaussian_process import normal_scores
from crlso.objectives import VALUE, Objective, front

__all__ = ["FrontGain", "Gain", "ValueGain", "VolumeGain", "gain_of"]

_MOST = 4  # objectives
_HUGE = 1e60  # four of them multiplied are finite


class Gain(Protocol):
    """What a search would win by cells.

    Scores are of the learned objectives, which evaluations return, in their order: to be maximised.
    """

    def update(self, codes: Codes, scores: Floats, worst: Floats) -> None:
        """Learn the scores (n, learned) of n feasible cells, and the worst ones (learned,) of all observed cells.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical feasible cells.
        scores : ndarray of float64, shape (n, learned)
            Their scores.
        worst : ndarray of float64, shape (learned,)
            The worst scores of all observed cells.
        """

    def ranking(self, scores: Floats) -> Floats:
        """Return numbers of the feasible cells by which the best of them come first, shape (n,).

        Parameters
        ----------
        scores : ndarray of float64, shape (n, learned)
            Scores of the feasible cells.
        """

    def __call__(self, posteriors: Sequence[Posterior], codes: Codes, penalty: Floats) -> Floats:
        """Return the gain by m canonical cells, shape (m,).

        Parameters
        ----------
        posteriors : sequence of Posterior
            Of the learned objectives, at these cells and possibly more after them.
        codes : ndarray of uint8, shape (m, codes per cell)
        penalty : ndarray of float64, shape (m,)
            Logarithm of the probability that the cell is of use: 0 if this is certain.
        """


class ValueGain:
    """The gain where the value is the only objective: its acquisition value, with the penalty added.

    Parameters
    ----------
    acquisition : Acquisition
        Gives the acquisition value of each cell by its posterior.
    """

    def __init__(self, acquisition: Acquisition) -> None:
        self._acquisition = acquisition

    def update(self, codes: Codes, scores: Floats, worst: Floats) -> None:
        """Learn nothing.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical feasible cells.
        scores : ndarray of float64, shape (n, learned)
            Their scores.
        worst : ndarray of float64, shape (learned,)
            The worst scores of all observed cells.
        """

    def ranking(self, scores: Floats) -> Floats:
        """Return the scores of the value.

        Parameters
        ----------
        scores : ndarray of float64, shape (n, learned)
            Scores of the feasible cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            The first column of `scores`.
        """
        return scores[:, 0]

    def __call__(self, posteriors: Sequence[Posterior], codes: Codes, penalty: Floats) -> Floats:
        """Return the penalised acquisition values."""
        return self._acquisition(posteriors[0])[: len(penalty)] + penalty


class FrontGain:
    """The gain in hypervolume, where a second objective is known without a query.

    The front of the feasible cells, in score and second objective, is a staircase. The gain by a cell is the area that
    a point at its penalised acquisition value and its second objective adds to the area under the staircase. Areas are
    bounded by the worst observed score and the worst second objective. If the second objective is positive, it counts
    by its logarithm. The gain by a point below the staircase is negative: how much it lacks in score.

    Parameters
    ----------
    acquisition : Acquisition
        Gives the acquisition value of each cell by its posterior.
    known : callable
        ``known(codes)`` returns the second objective of canonical cells, to be maximised, shape (n,).
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> mean, codes = (lambda posterior: posterior.mean), np.array([[0], [4]], dtype=np.uint8)
    >>> gain = FrontGain(mean, lambda codes: codes[:, 0].astype(float), codes)
    >>> gain.update(np.array([[1], [3]], dtype=np.uint8), np.array([[2.0], [0.0]]), worst=np.zeros(1))
    >>> posterior = SimpleNamespace(mean=np.array([3.0, 1.0, 1.0]))
    >>> gain([posterior], np.array([[2], [2], [1]], dtype=np.uint8), np.zeros(3))
    array([ 4.,  1., -1.])
    """

    def __init__(self, acquisition: Acquisition, known: Callable[[Codes], Floats], codes: Codes) -> None:
        self._acquisition, self._known = acquisition, known
        self._codes, self._numbers = codes, known(codes)
        self._worst = float(self._numbers.min())
        self._rows = self._scores = np.zeros(0)

    def update(self, codes: Codes, scores: Floats, worst: Floats) -> None:
        """Make the staircase of the n feasible cells, above the worst score of all observed cells.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical feasible cells.
        scores : ndarray of float64, shape (n, learned)
            Their scores.
        worst : ndarray of float64, shape (learned,)
            The worst scores of all observed cells.
        """
        known = self._known(codes) if len(codes) else scores[:, 0]
        self._points = np.stack([scores[:, 0], known], axis=1)
        stairs = self._points[front(self._points)]
        self._heights = np.append(stairs[:, 0], worst)  # in descending order, as the second objective ascends
        self._ends = np.append(stairs[:, 1], np.inf)

    def ranking(self, scores: Floats) -> Floats:
        """Return scores by which cells of the front come first, then those that only these dominate, and so on.

        Parameters
        ----------
        scores : ndarray of float64, shape (n, learned)
            Scores of the feasible cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            Normal scores, the largest for the front; within a front, a higher first score comes first.
        """
        return _by_fronts(self._points, scores[:, 0])

    def __call__(self, posteriors: Sequence[Posterior], codes: Codes, penalty: Floats) -> Floats:
        """Return the gain by m canonical cells, shape (m,)."""
        bounds = self._acquisition(posteriors[0])[: len(penalty)] + penalty
        numbers = self._numbers if codes is self._codes else self._known(codes)
        begins = np.append(self._worst, self._ends[:-1])
        added = np.zeros(len(bounds))
        for height, begin, end in zip(self._heights, begins, self._ends):
            added += np.maximum(bounds - height, 0.0) * np.maximum(np.minimum(numbers, end) - begin, 0.0)
        lacks = np.minimum(bounds - self._heights[np.searchsorted(self._ends, numbers)], 0.0)
        return np.where(added > 0, added, lacks)


class VolumeGain:
    """The gain in hypervolume of one to four objectives, of which any are learned and the others known.

    The region that the feasible cells do not dominate is divided into boxes, which gives the volume that a point adds.
    Where the value is the only learned objective, the point of a cell is at its acquisition value, as in
    :class:`FrontGain`; so of the value alone, the gain is how much the acquisition value is above the best score. Where
    several are learned, the volume is an expectation: the objectives are taken to be independent and normally
    distributed with their posterior means and deviations. It is exact under this assumption, but for the error of the
    normal distribution function (below 4e-7 deviations for each side of a box). Volumes are bounded by the worst
    observed score, or the worst number, of each objective.

    The gain is the volume times the probability that the cell is of use, of which the penalty is the logarithm. The
    gain by a cell that adds nothing is at most 0: what it lacks of its learned objectives, by their acquisition values,
    to reach the front, with the penalty added.

    Parameters
    ----------
    acquisition : Acquisition
        Gives the acquisition values of the learned objectives by their posteriors.
    objectives : sequence of Objective
        One to four objectives; those without `known` are learned.
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    References
    ----------
    Emmerich, Giannakoglou, Naujoks: Single- and multiobjective evolutionary optimization assisted by Gaussian random
    field metamodels. IEEE Transactions on Evolutionary Computation 10 (2006).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> mean, codes = (lambda posterior: posterior.mean), np.array([[0], [1]], dtype=np.uint8)
    >>> gain = VolumeGain(mean, [Objective("value"), Objective("speed")], codes)
    >>> gain.update(codes, np.array([[2.0, 0.0], [0.0, 2.0]]), worst=np.array([0.0, 0.0]))
    >>> posteriors = [SimpleNamespace(mean=np.ones(2), deviation=np.array([0.0, spread])) for spread in (0.5, 1.0)]
    >>> gain(posteriors, codes, np.zeros(2)).round(3).tolist()
    [1.0, 1.088]
    """

    def __init__(self, acquisition: Acquisition, objectives: Sequence[Objective], codes: Codes) -> None:
        self._acquisition, self._codes = acquisition, codes
        self._scales = [None if o.known is None else _OnScale(o.known, o.sign, codes) for o in objectives]
        self._is_learned = np.array([scale is None for scale in self._scales])
        self._numbers = self._joined(codes, np.zeros((len(codes), int(self._is_learned.sum()))))
        self._worst: Floats = self._numbers.min(axis=0)

    def _joined(self, codes: Codes, learned: Floats) -> Floats:
        """All objectives of cells, of which the learned ones are given, shape (m, objectives)."""
        points = np.empty((len(learned), len(self._scales)))
        points[:, self._is_learned] = learned
        for column, scale in zip(points.T, self._scales):
            if scale is not None and len(codes):
                column[:] = scale(codes)
        return points

    def update(self, codes: Codes, scores: Floats, worst: Floats) -> None:
        """Divide the region that the n feasible cells do not dominate.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical feasible cells.
        scores : ndarray of float64, shape (n, learned)
            Their scores.
        worst : ndarray of float64, shape (learned,)
            The worst scores of all observed cells.
        """
        self._worst[self._is_learned] = worst
        self._points = self._joined(codes, scores)
        self._lows, self._highs = boxes_beyond(self._points, self._worst)

    def ranking(self, scores: Floats) -> Floats:
        """Return scores by which cells of the front come first, then those that only these dominate, and so on.

        Parameters
        ----------
        scores : ndarray of float64, shape (n, learned)
            Scores of the feasible cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            Normal scores, the largest for the front; within a front, a higher first score comes first.
        """
        return _by_fronts(self._points, scores[:, 0])

    def __call__(self, posteriors: Sequence[Posterior], codes: Codes, penalty: Floats) -> Floats:
        """Return the gain by m canonical cells, shape (m,)."""
        m = len(codes)
        bounds = np.stack([self._acquisition(posterior)[:m] for posterior in posteriors], axis=1)
        points = self._numbers.copy() if codes is self._codes else self._joined(codes, bounds)
        points[:, self._is_learned] = bounds
        means, deviations = points.copy(), np.zeros(points.shape)
        if len(posteriors) > 1:
            means[:, self._is_learned] = np.stack([posterior.mean[:m] for posterior in posteriors], axis=1)
            deviations[:, self._is_learned] = np.stack([posterior.deviation[:m] for posterior in posteriors], axis=1)
        gains = expected_gains(self._lows, self._highs, means, deviations) * np.exp(penalty)
        return np.where(gains > 0, gains, self._lacks(points) + penalty)

    def _lacks(self, points: Floats) -> Floats:
        """What points below the front lack of their learned objectives, at most 0, shape (m,)."""
        lacks = np.zeros(len(points))
        for best in (self._worst, *self._points[front(self._points)]):
            is_below = (points[:, ~self._is_learned] <= best[~self._is_learned]).all(axis=1)
            missing = (best - points)[:, self._is_learned].min(axis=1)
            lacks = np.where(is_below, np.minimum(lacks, -missing), lacks)
        return lacks


def _by_fronts(points: Floats, scores: Floats) -> Floats:
    """Scores by which points of the front come first, those with the highest scores before the others."""
    ranks, left = np.zeros(len(scores)), np.arange(len(scores))
    while len(left):
        best = front(points[left])
        ranks[left] -= 1.0
        ranks[left[best]] += 1.0
        left = np.delete(left, best)
    return normal_scores(ranks + 1e-3 * scores / (np.abs(scores).max() or 1.0))


class _OnScale:
    """A known objective on the scale of areas: to be maximised, logarithms of what is positive.

    Others that are so huge that volumes would overflow are divided by the largest one.
    """

    def __init__(self, known: Callable[[Codes], Floats], sign: int, codes: Codes) -> None:
        self._known, self._sign = known, sign
        numbers = np.asarray(known(codes), dtype=np.float64)
        self._is_positive = bool((numbers > 0).all())
        largest = float(np.abs(numbers).max(initial=0.0))
        self._unit = largest if largest > _HUGE else 1.0

    def __call__(self, codes: Codes) -> Floats:
        numbers = np.asarray(self._known(codes), dtype=np.float64)
        if self._is_positive:
            return self._sign * np.log(np.maximum(numbers, np.finfo(np.float64).tiny))
        return self._sign * (numbers / self._unit)


def gain_of(
    acquisition: Acquisition, objectives: Sequence[Objective], codes: Codes, is_constrained: bool = False
) -> Gain:
    """Return the gain for the objectives of a search.

    Parameters
    ----------
    acquisition : Acquisition
    objectives : sequence of Objective
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    is_constrained : bool
        Whether there are constraints on measures that evaluations return. Gains are then volumes times probabilities: a
        cell that cannot be better than what is known is worth nothing, however surely it is feasible.

    Raises
    ------
    ValueError
        If they are not the value and at most three others.
    """
    names = [objective.name for objective in objectives]
    if VALUE not in names or len(set(names)) < len(names) or len(names) > _MOST:
        texts = ", ".join(map(str, objectives))
        raise ValueError(f"objectives: expected 'value' and at most {_MOST - 1} other measures, got {texts:.200}")
    others = [objective for objective in objectives if objective.name != VALUE]
    if is_constrained:
        return VolumeGain(acquisition, objectives, codes)
    if not others:
        return ValueGain(acquisition)
    if len(others) == 1 and others[0].known is not None:
        return FrontGain(acquisition, _OnScale(others[0].known, others[0].sign, codes), codes)
    return VolumeGain(acquisition, objectives, codes)
