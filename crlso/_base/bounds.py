"""Bounds of numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from crlso._base.checks import check_number, real
from crlso._base.types import Floats

__all__ = ["Bounds"]

_BOUND = re.compile(r"\s*(<=|>=)\s*(\S+)\s*")


@dataclass(frozen=True)
class Bounds:
    """Inclusive bounds of a measure.

    Parameters
    ----------
    least, most : float
        Minus and plus infinity where there is no bound.

    Examples
    --------
    >>> bounds = Bounds.parse("parameters", ">= 0.2, <= 1")
    >>> str(bounds), bounds.excess(np.array([0.1, 0.5, 1.5]))
    ('>= 0.2, <= 1.0', array([0.5, 0. , 0.5]))
    """

    least: float = -math.inf
    most: float = math.inf

    @classmethod
    def parse(cls, name: str, given: Any) -> Bounds:
        """Return the bounds of a measure: a number is an upper bound, text has one or more after ``<=`` and ``>=``.

        Parameters
        ----------
        name : str
            Name of the measure, for messages.
        given : str or float
            The bounds.

        Returns
        -------
        Bounds

        Raises
        ------
        TypeError, ValueError
            If it is neither, a bound is not finite, or the bounds contradict each other.

        Examples
        --------
        >>> Bounds.parse("latency", ">= 1, <= 4")
        Bounds(least=1.0, most=4.0)
        """
        where = f"constraints[{name!r:.60}]"
        parts = given.split(",") if isinstance(given, str) else []
        found = [_BOUND.fullmatch(part) for part in parts]
        if isinstance(given, str) and not all(found):
            raise ValueError(f"{where}: expected bounds such as '<= 1.0' or '>= 0.5, <= 1.0', got {given!r:.100}")
        if not isinstance(given, str):
            return cls(most=check_number(where, real(where, given)))
        sides: dict[str, list[float]] = {"<=": [math.inf], ">=": [-math.inf]}
        for match in found:
            if match is not None:
                sides[match[1]].append(_number(where, match[2]))
        bounds = cls(max(sides[">="]), min(sides["<="]))
        if bounds.least > bounds.most:
            raise ValueError(f"{where}: expected bounds that a number can satisfy, got {given!r:.100}")
        return bounds

    def hold(self, number: float | None) -> bool:
        """Return whether a number is within the bounds; None, for one that is not known, is not.

        Parameters
        ----------
        number : float, optional
            A number of the measure.

        Returns
        -------
        bool
            False for None. The bounds themselves are within.

        Examples
        --------
        >>> [Bounds(0.0, 2.0).hold(number) for number in (1.0, 3.0, None)]
        [True, False, False]
        """
        return number is not None and self.least <= number <= self.most

    def excess(self, numbers: Floats) -> Floats:
        """Return how far numbers are beyond the bounds, in units of the bound (if it is not 0), shape (n,); or 0.

        Parameters
        ----------
        numbers : ndarray of float64, shape (n,)
            Numbers of a measure.

        Returns
        -------
        ndarray of float64, shape (n,)
            Each is divided by the bound that it is beyond, without sign; not where that bound is 0.

        Examples
        --------
        >>> Bounds(0.0, 2.0).excess(np.array([-1.0, 1.0, 3.0]))
        array([1. , 0. , 0.5])
        """
        over, under = numbers - self.most, self.least - numbers
        sides = [np.maximum(side, 0.0) / (abs(bound) or 1.0) for side, bound in self._finite(over, under)]
        return np.sum([np.zeros(len(numbers)), *sides], axis=0)

    def _finite(self, over: Floats, under: Floats) -> list[tuple[Floats, float]]:
        sides = [(over, self.most), (under, self.least)]
        return [(side, bound) for side, bound in sides if math.isfinite(bound)]

    def __str__(self) -> str:
        sides = [(">=", self.least), ("<=", self.most)]
        return ", ".join(f"{sign} {bound!r}" for sign, bound in sides if math.isfinite(bound))


def _number(where: str, text: str) -> float:
    try:
        return check_number(where, float(text))
    except ValueError:
        raise ValueError(f"{where}: expected a finite number after <= or >=, got {text!r:.100}") from None
