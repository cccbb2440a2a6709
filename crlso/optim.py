"""Optimisers and learning-rate schedules."""

from __future__ import annotations

import math

from crlso._core import Adam

__all__ = ["Adam", "cosine"]


def cosine(step: int, total: int, peak: float) -> float:
    """Learning rate of a cosine schedule that falls from `peak` to 0.

    Parameters
    ----------
    step : int
        Number of steps done so far, from 0.
    total : int
        Number of steps of the whole training, at least 1.
    peak : float
        The rate of the first step.

    Returns
    -------
    float
        ``peak * (1 + cos(pi * step / total)) / 2`` (Loshchilov and Hutter, arXiv 1608.03983, eq. 5, one period).

    Examples
    --------
    >>> cosine(0, 100, 0.1), cosine(50, 100, 0.1)
    (0.1, 0.05)
    """
    if total < 1:
        raise ValueError(f"total: expected at least 1 step, got {total}")
    return 0.5 * peak * (1.0 + math.cos(math.pi * min(step, total) / total))
