"""Argument checks, whose errors read ``name: expected X, got Y``."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats

__all__ = ["check_choice", "check_int", "check_number", "check_numbers", "is_int"]


def is_int(value: object) -> bool:
    """Return whether a value is an integer: anything with ``__index__`` except a bool.

    Examples
    --------
    >>> is_int(3), is_int(np.int64(3)), is_int(True), is_int(3.0)
    (True, True, False, False)
    """
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:  # an array of several elements has the method too
        return False
    return True


def check_int(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a value as int, checked to be at least `least` and at most `most`.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : object
        Python and NumPy integers are accepted, bools are not.
    least, most : int, optional
        Inclusive bounds.

    Raises
    ------
    TypeError
        If the value is not an integer.
    ValueError
        If it is out of bounds.

    Examples
    --------
    >>> check_int("budget", np.int64(5), least=1)
    5
    >>> check_int("budget", 0, least=1)
    Traceback (most recent call last):
    ...
    ValueError: budget: expected at least 1, got 0
    """
    if not is_int(value):
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}")
    number = operator.index(value)
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{name}: expected {_range(least, most)}, got {number}")
    return number


def check_number(name: str, value: Any, least: float | None = None, above: float | None = None) -> float:
    """Return a value as float, checked to be a finite real number.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : object
        Any real number except a bool.
    least : float, optional
        Inclusive lower bound.
    above : float, optional
        Exclusive lower bound.

    Raises
    ------
    TypeError
        If the value is not a real number.
    ValueError
        If it is NaN, infinite, out of bounds, or an integer too large for a float.

    Examples
    --------
    >>> check_number("step", 1, above=0)
    1.0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {number}")
    if least is not None and number < least:
        raise ValueError(f"{name}: expected at least {least:g}, got {number:g}")
    if above is not None and number <= above:
        expected = "a positive number" if above == 0 else f"a number above {above:g}"
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def check_numbers(name: str, values: npt.ArrayLike, n: int, each: str = "cell") -> Floats:
    """Return values as a float64 array of shape (n,), checked to be finite real numbers.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    values : array_like, shape (n,)
    n : int
        Expected number of values.
    each : str
        What each value belongs to, for messages.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the shape differs, or a value is NaN or infinite.

    Examples
    --------
    >>> check_numbers("values", [1, 2], 2)
    array([1., 2.])
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: expected {n} numbers, got sequences of different lengths") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), one for each {each}, got {array.shape}")
    numbers_ = array.astype(np.float64)
    if not np.isfinite(numbers_).all():
        raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(numbers_)][0]}")
    return numbers_


def check_choice(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return a value, checked to be one of `choices`.

    Raises
    ------
    ValueError
        If it is not.

    Examples
    --------
    >>> check_choice("improvement", "first", ("first", "steepest"))
    'first'
    """
    try:
        known = value in choices
    except TypeError:  # not hashable
        known = False
    if not known:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, choices))}, got {value!r:.100}")
    return value


def _range(least: int | None, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"{least} to {most}"
