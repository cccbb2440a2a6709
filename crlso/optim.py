"""The Adam optimiser and the cosine schedule of learning rates."""

from __future__ import annotations

import math

from crlso._core import Adam

__all__ = ["Adam", "cosine"]


def cosine(step: int, total: int, peak: float) -> float:
    """Return the learning rate of a cosine schedule that falls from `peak` to 0.

    Parameters
    ----------
    step : int
        Number of steps done so far, from 0.
    total : int
        Number of steps of the whole training, at least 1.
    peak : float
        Rate of the first step.

    Returns
    -------
    float
        ``peak * (1 + cos(pi * step / total)) / 2``; 0 for steps after `total`.

    Raises
    ------
    ValueError
        If `total` is less than 1.

    References
    ----------
    I. Loshchilov, F. Hutter, arXiv 1608.03983, equation 5 with one period.

    Examples
    --------
    >>> cosine(0, 100, 0.1), cosine(50, 100, 0.1)
    (0.1, 0.05)
    """
    if total < 1:
        raise ValueError(f"total: expected at least 1 step, got {total}")
    return 0.5 * peak * (1.0 + math.cos(math.pi * min(step, total) / total))
