"""Statistics of repeated searches: bootstrap intervals, order statistics and the signed rank test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats
from crlso.random import Stream

__all__ = ["bootstrap_band", "bootstrap_interval", "queries_for_share", "signed_rank_test"]

EXACT = 200  # largest number of pairs for which the signed rank test is exact
RESAMPLES = 2000
CONFIDENCE = 0.95
DECIMALS = 9  # to which differences are rounded, so that equal ones tie


def bootstrap_interval(values: npt.ArrayLike, seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the mean, from 2,000 resamples.

    Parameters
    ----------
    values : array_like, shape (n,)
        Numbers whose mean is estimated.
    seed : int
        64-bit seed of the resamples.

    Returns
    -------
    (float, float) or None
        Lower and upper end; None for fewer than two values.

    References
    ----------
    Efron, Tibshirani: An introduction to the bootstrap. Chapman & Hall, 1993.

    Examples
    --------
    >>> bootstrap_interval([3.0, 3.0, 3.0])
    (3.0, 3.0)
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return None
    drawn = Stream(seed).integers("bootstrap", 0, (RESAMPLES, len(sample)), len(sample))
    low, high = np.quantile(sample[drawn].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def bootstrap_band(values: npt.ArrayLike, seed: int = 0) -> tuple[Floats, Floats]:
    """Return the :func:`bootstrap_interval` of each column.

    Parameters
    ----------
    values : array_like, shape (n, q)
        At least two rows, which are resampled as a whole.
    seed : int
        64-bit seed of the resamples.

    Returns
    -------
    (ndarray, ndarray), each of shape (q,)
        Lower and upper ends.

    Examples
    --------
    >>> bootstrap_band([[3.0, 1.0], [3.0, 1.0]])
    (array([3., 1.]), array([3., 1.]))
    """
    rows = np.asarray(values, dtype=np.float64)
    n = len(rows)
    drawn = Stream(seed).integers("bootstrap", 0, (RESAMPLES, n), n)
    counts = np.zeros((RESAMPLES, n))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
    low, high = np.quantile(counts @ rows / n, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high


def queries_for_share(queries: list[int | None], share: float) -> int | None:
    """Return the number of queries after which a share of the searches has reached a goal.

    Parameters
    ----------
    queries : list of int or None
        Query at which each search reached it; None for never.
    share : float
        In (0, 1].

    Returns
    -------
    int or None
        None if a smaller share ever reaches it, or there are no searches.

    Examples
    --------
    >>> queries_for_share([40, 10, None, 30], 0.5), queries_for_share([40, 10, None, 30], 0.9)
    (30, None)
    """
    reached = sorted(query for query in queries if query is not None)
    needed = max(1, math.ceil(round(share * len(queries), DECIMALS)))
    return reached[needed - 1] if needed <= len(reached) else None


def signed_rank_test(a: npt.ArrayLike, b: npt.ArrayLike) -> float | None:
    """Return the two-sided p-value of Wilcoxon's signed rank test of paired values.

    Pairs without a difference are dropped, and ties get their mean rank. For up to 200 pairs the p-value is exact: it
    is computed over all assignments of signs to the ranks. For more pairs it uses the normal approximation with
    corrections for ties and continuity.

    Parameters
    ----------
    a, b : array_like, shape (n,)
        Values for the same seeds.

    Returns
    -------
    float or None
        The p-value; 1 if no pair differs, and None if there are no pairs.

    Raises
    ------
    ValueError
        If the arrays are not one-dimensional or differ in shape.

    References
    ----------
    Wilcoxon: Individual comparisons by ranking methods. Biometrics Bulletin 1 (1945).

    Examples
    --------
    >>> signed_rank_test([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6)
    0.03125
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"b: expected shape {first.shape} of one dimension, as a, got {second.shape}")
    if not len(first):
        return None
    differences = np.round(first - second, DECIMALS)
    differences = differences[differences != 0]
    doubled, counts = _doubled_ranks(np.abs(differences))
    positive = int(doubled[differences > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    return _exact(doubled, smaller) if len(doubled) <= EXACT else _normal(len(doubled), smaller / 2, counts)


def _doubled_ranks(sizes: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Twice the mean rank of each size, an integer, and the number of sizes that share each rank."""
    inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)[1:]
    last = np.cumsum(counts)
    return (2 * last - counts + 1)[inverse.reshape(-1)], counts


def _exact(doubled: npt.NDArray[np.int64], smaller: int) -> float:
    """Probability, over random signs, of a positive rank sum at least as far from its mean."""
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    top = 0
    for rank in np.sort(doubled).tolist():
        chances[rank : top + rank + 1] += chances[: top + 1].copy()
        chances /= 2
        top += rank
    return min(1.0, 2 * float(chances[: smaller + 1].sum()))


def _normal(n: int, smaller: float, counts: npt.NDArray[Any]) -> float:
    """The same probability by the normal approximation."""
    mean = n * (n + 1) / 4
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - ties / 48)
    z = max(0.0, mean - smaller - 0.5) / deviation
    return math.erfc(z / math.sqrt(2))
