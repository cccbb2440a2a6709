"""Intervals of shares."""

from __future__ import annotations

import math

from crlso._base.checks import check_int

__all__ = ["wilson_interval"]

_NORMAL = 1.959964  # 97.5 % of the standard normal distribution lie below


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share, by Wilson.

    Its ends are the shares from which the one found is 1.96 standard errors away. It also holds for few trials and for
    shares near 0 and 1.

    Parameters
    ----------
    successes : int
        From 0 to n.
    n : int
        Number of trials, at least 1.

    Returns
    -------
    (float, float)
        Lower and upper end, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer, or outside its range.

    References
    ----------
    Wilson: Probable inference, the law of succession, and statistical inference. Journal of the American Statistical
    Association 22 (1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(18, 20)]
    [0.699, 0.972]
    """
    n = check_int("n", n, 1)
    successes = check_int("successes", successes, 0, n)
    square = _NORMAL**2
    middle = (successes + square / 2) / (n + square)
    half = _NORMAL / (n + square) * math.sqrt(successes * (n - successes) / n + square / 4)
    return max(0.0, middle - half), min(1.0, middle + half)
