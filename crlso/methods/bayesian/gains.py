"""Gains: what a search would win by cells whose score is as high as their acquisition value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from crlso._base.types import Codes, Floats
from crlso.models.gaussian_process import normal_scores
from crlso.objectives import VALUE, Objective, front

__all__ = ["FrontGain", "Gain", "ValueGain", "gain_of"]


class Gain(Protocol):
    """What a search would win by cells, if their score were their acquisition value."""

    def update(self, codes: Codes, scores: Floats, worst: float) -> None:
        """Learn the scores (n,) of the n feasible cells, and the worst score of all observed cells."""

    def ranking(self, scores: Floats) -> Floats:
        """Return scores of the feasible cells by which the best of them come first, shape (n,)."""

    def __call__(self, bounds: Floats, codes: Codes) -> Floats:
        """Return the gain by m canonical cells with these acquisition values, shape (m,)."""


class ValueGain:
    """The gain where the value is the only objective: the acquisition value itself."""

    def update(self, codes: Codes, scores: Floats, worst: float) -> None:
        """Learn nothing."""

    def ranking(self, scores: Floats) -> Floats:
        """Return the scores.

        Parameters
        ----------
        scores : ndarray of float64, shape (n,)
            Scores of the observed cells.
        """
        return scores

    def __call__(self, bounds: Floats, codes: Codes) -> Floats:
        """Return the acquisition values."""
        return bounds


class FrontGain:
    """The gain in hypervolume, where a second objective is known without a query.

    The front of the observed cells, in score and second objective, is a staircase. The gain by a cell is the area that
    a point at its acquisition value and its second objective adds to the area under the staircase. Areas are bounded
    by the worst observed score and the worst second objective. If the second objective is positive, it counts by its
    logarithm. The gain by a point below the staircase is negative: how much it lacks in score.

    Parameters
    ----------
    known : callable
        ``known(codes)`` returns the second objective of canonical cells, to be maximised, shape (n,).
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    Examples
    --------
    >>> gain = FrontGain(lambda codes: codes[:, 0].astype(float), np.array([[0], [4]], dtype=np.uint8))
    >>> gain.update(np.array([[1], [3]], dtype=np.uint8), np.array([2.0, 0.0]), worst=0.0)
    >>> gain(np.array([3.0, 1.0, 1.0]), np.array([[2], [2], [1]], dtype=np.uint8))
    array([ 4.,  1., -1.])
    """

    def __init__(self, known: Callable[[Codes], Floats], codes: Codes) -> None:
        self._known = known
        self._codes, self._numbers = codes, known(codes)
        self._worst = float(self._numbers.min())
        self._rows = self._scores = np.zeros(0)

    def update(self, codes: Codes, scores: Floats, worst: float) -> None:
        """Make the staircase of the n feasible cells, above the worst score of all observed cells."""
        known = self._known(codes) if len(codes) else scores
        self._points = np.stack([scores, known], axis=1)
        stairs = self._points[front(self._points)]
        self._heights = np.append(stairs[:, 0], worst)  # in descending order, as the second objective ascends
        self._ends = np.append(stairs[:, 1], np.inf)

    def ranking(self, scores: Floats) -> Floats:
        """Return scores by which cells of the front come first, then those that only these dominate, and so on.

        Parameters
        ----------
        scores : ndarray of float64, shape (n,)
            Scores of the observed cells.
        """
        ranks, left = np.zeros(len(scores)), np.arange(len(scores))
        while len(left):
            best = front(self._points[left])
            ranks[left] -= 1.0
            ranks[left[best]] += 1.0
            left = np.delete(left, best)
        return normal_scores(ranks + 1e-3 * scores / (np.abs(scores).max() or 1.0))

    def __call__(self, bounds: Floats, codes: Codes) -> Floats:
        """Return the gain by m canonical cells, shape (m,)."""
        numbers = self._numbers if codes is self._codes else self._known(codes)
        begins = np.append(self._worst, self._ends[:-1])
        added = np.zeros(len(bounds))
        for height, begin, end in zip(self._heights, begins, self._ends):
            added += np.maximum(bounds - height, 0.0) * np.maximum(np.minimum(numbers, end) - begin, 0.0)
        lacks = np.minimum(bounds - self._heights[np.searchsorted(self._ends, numbers)], 0.0)
        return np.where(added > 0, added, lacks)


class _OnScale:
    """A known objective on the scale of areas: to be maximised, logarithms of what is positive."""

    def __init__(self, known: Callable[[Codes], Floats], sign: int, codes: Codes) -> None:
        self._known, self._sign = known, sign
        self._is_positive = bool((np.asarray(known(codes)) > 0).all())

    def __call__(self, codes: Codes) -> Floats:
        numbers = np.asarray(self._known(codes), dtype=np.float64)
        if self._is_positive:
            numbers = np.log(np.maximum(numbers, np.finfo(np.float64).tiny))
        return self._sign * numbers


def gain_of(objectives: Sequence[Objective], codes: Codes) -> Gain:
    """Return the gain for the objectives of a search.

    Parameters
    ----------
    objectives : sequence of Objective
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells that stand for the space.

    Raises
    ------
    ValueError
        If they are not the value, alone or with one that is known without a query.
    """
    others = [objective for objective in objectives if objective.name != VALUE]
    if not others:
        return ValueGain()
    other = others[0]
    if other.known is None or len(others) > 1 or len(objectives) != 2:
        names = ", ".join(map(str, objectives))
        raise ValueError(f"objectives: expected 'value' and one measure that is known without a query, got {names}")
    return FrontGain(_OnScale(other.known, other.sign, codes), codes)
