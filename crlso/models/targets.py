"""Targets of any unit and size on one scale; all of it in float64, so that no finite number is too large."""

from __future__ import annotations

import numpy as np

from crlso._base.types import Floats

__all__ = ["mean_and_deviation", "standardise"]

_LEAST = 1e-307  # of a deviation, which divides


def mean_and_deviation(y: Floats) -> tuple[float, float]:
    """Return the mean and the standard deviation of finite numbers, at least one; 1 as deviation of equal ones.

    Examples
    --------
    >>> mean_and_deviation(np.array([-1e308, 1e308])) == (0.0, 1e308)
    True
    >>> mean_and_deviation(np.full(3, 0.1))
    (0.1, 1.0)
    """
    if y.min() == y.max():
        return float(y[0]), 1.0
    exponent = int(np.frexp(np.abs(y).max())[1])  # a power of two changes no digit, and sums cannot overflow
    small = np.ldexp(y, -exponent)
    mean, deviation = np.ldexp(small.mean(), exponent), np.ldexp(small.std(), exponent)
    return float(mean), max(float(deviation), _LEAST)


def standardise(y: Floats, mean: float, deviation: float) -> Floats:
    """Return ``(y - mean) / deviation``; infinite where that is too large for float64.

    Examples
    --------
    >>> standardise(np.array([-1.7e308, 1.7e308]), 0.0, 1.7e308)
    array([-1.,  1.])
    """
    with np.errstate(over="ignore"):
        return (0.5 * y - 0.5 * mean) / (0.5 * deviation)
