"""Expected gains in hypervolume, by boxes into which the region beyond a front is divided.

Source: E. Emmerich, K. Yang, A. Deutz, H. Wang, C. Fonseca, *A multicriteria generalization of Bayesian global
optimization*, 2016: the expectation is a sum over boxes of products of one integral for each objective.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from crlso._base.normal import expected_excess
from crlso._base.types import Floats
from crlso.objectives import front

__all__ = ["boxes_beyond", "expected_gains"]

_AT_ONCE = 1 << 14  # numbers of an array, which fit a cache

_Box: TypeAlias = tuple[tuple[float, float], ...]
"""The lower and the upper end in each objective."""


def boxes_beyond(points: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Divide the region above a reference point that no point dominates into boxes.

    Parameters
    ----------
    points : ndarray, shape (n, k)
        Objectives, to be maximised.
    reference : ndarray, shape (k,)

    Returns
    -------
    lows, highs : ndarray of float64, shape (b, k)
        Ends of the boxes, which share no volume; upper ends may be infinity.

    Examples
    --------
    >>> lows, highs = boxes_beyond(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2))
    >>> lows.tolist(), highs.tolist()
    ([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]], [[inf, 1.0], [inf, 2.0], [inf, inf]])
    """
    above = points[(points > reference).all(axis=1)]
    found = _boxes([*map(tuple, above[front(above)].tolist())], tuple(reference.tolist()))
    ends = np.array(found, dtype=np.float64).reshape(len(found), len(reference), 2)
    return ends[:, :, 0], ends[:, :, 1]


def _boxes(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> list[_Box]:
    """Boxes from slabs of the last objective, in each of which a part of the points dominates.

    A box that is the same in two neighbouring slabs is one.
    """
    if len(reference) == 1:
        return [((max([point[0] for point in points], default=reference[0]), math.inf),)]
    ordered = sorted(points, key=lambda point: -point[-1])
    levels = sorted({*(point[-1] for point in points), reference[-1]})
    done: list[_Box] = []
    open_boxes: dict[_Box, float] = {}  # boxes of the slab above, in the other objectives, and where they begin
    for low, high in zip(levels, [*levels[1:], math.inf]):
        inside = [point[:-1] for point in ordered if point[-1] >= high]
        boxes = _boxes(_undominated(inside), reference[:-1])
        now = {box: open_boxes.pop(box, low) for box in boxes}
        done += [(*box, (begin, low)) for box, begin in open_boxes.items()]
        open_boxes = now
    return [*done, *((*box, (begin, math.inf)) for box, begin in open_boxes.items())]


def _undominated(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return [points[i] for i in front(points)] if len(points) > 1 else points


def expected_gains(lows: Floats, highs: Floats, means: Floats, deviations: Floats) -> Floats:
    """Return the volume that random points add to the region which a front dominates, in the mean.

    Parameters
    ----------
    lows, highs : ndarray, shape (b, k)
        Boxes beyond the front, see :func:`boxes_beyond`.
    means, deviations : ndarray, shape (m, k)
        Of the objectives of m points, which are independent and normally distributed; without deviation an objective is
        its mean.

    Returns
    -------
    ndarray of float64, shape (m,)
        Exact but for the error of the normal distribution function: of each side of a box, below 4e-7 deviations.

    Examples
    --------
    >>> lows, highs = boxes_beyond(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2))
    >>> expected_gains(lows, highs, np.array([[2.0, 2.0], [1.0, 1.0]]), np.zeros((2, 2)))
    array([1., 0.])
    """
    total = np.empty(len(means))
    step = max(_AT_ONCE // max(len(lows), 1), 1)
    ends = [np.unique(np.concatenate([low, high]), return_inverse=True) for low, high in zip(lows.T, highs.T)]
    for begin in range(0, len(means), step):
        part = slice(begin, begin + step)
        product = np.ones((len(means[part]), len(lows)))
        for j, (thresholds, where) in enumerate(ends):
            excess = expected_excess(means[part, j], deviations[part, j], thresholds)
            product *= excess[:, where[: len(lows)]] - excess[:, where[len(lows) :]]
        total[part] = product.sum(axis=1)
    return total
