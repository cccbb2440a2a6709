"""Argument checks, whose errors read ``name: expected X, got Y``."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats

__all__ = ["check_choice", "check_int", "check_members", "check_number", "check_numbers", "is_int", "real"]


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


def real(name: str, value: Any) -> float:
    """Return a value as float; it may be NaN or infinite.

    This is the one reader of values: results of evaluations, cells of tables, and options that are numbers.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : object
        Anything with ``__float__`` or ``__index__``: Python and NumPy numbers, ``Decimal``, ``Fraction``, and arrays or
        tensors of one element. Text and bools are not accepted.

    Raises
    ------
    TypeError
        If the value is not a real number.

    Examples
    --------
    >>> from decimal import Decimal
    >>> real("value", Decimal("90.5")), real("value", np.array([90.5])), real("value", 10**400)
    (90.5, 90.5, inf)
    >>> real("value", "90.5")
    Traceback (most recent call last):
    ...
    TypeError: value: expected a number, got str
    """
    if type(value) is float:
        return value
    number = _element(name, value)
    refused = isinstance(number, (bool, np.bool_, str, bytes, bytearray, complex, np.complexfloating, np.ndarray))
    if refused or not (hasattr(type(number), "__float__") or hasattr(type(number), "__index__")):
        of = "" if number is value or isinstance(value, np.generic) else f" in {type(value).__name__}"
        raise TypeError(f"{name}: expected a number, got {type(number).__name__}{of}")
    try:
        return float(number)
    except OverflowError:
        return -math.inf if isinstance(number, numbers.Real) and number < 0 else math.inf
    except Exception as error:
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}") from error


def _element(name: str, value: Any) -> Any:
    """Return the element of an array or a tensor with one element; anything else as it is."""
    item = getattr(value, "item", None)
    if not callable(item) or isinstance(value, type):
        return value
    try:
        return item()
    except Exception as error:  # it has several elements, or whatever the object raises
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}") from error


def check_number(name: str, value: Any, least: float | None = None, above: float | None = None) -> float:
    """Return a value as float, checked to be a finite real number.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : object
        Anything that :func:`real` reads.
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
    number = real(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {number}")
    if least is not None and number < least:
        raise ValueError(f"{name}: expected at least {least:g}, got {number:g}")
    if above is not None and number <= above:
        expected = "a positive number" if above == 0 else f"a number above {above:g}"
        raise ValueError(f"{name}: expected {expected}, got {number:g}")
    return number


def check_numbers(name: str, values: npt.ArrayLike, n: int, each: str = "cell", *, unknown: bool = False) -> Floats:
    """Return values as a float64 array of shape (n,), checked to be finite real numbers.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    values : array_like, shape (n,)
        An array of numbers, or a sequence of anything that :func:`real` reads.
    n : int
        Expected number of values.
    each : str
        What each value belongs to, for messages.
    unknown : bool
        Whether NaN is accepted, for a value that is not known.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the shape differs, or a value is infinite, or NaN where that is not accepted.

    Examples
    --------
    >>> check_numbers("values", [1, 2], 2)
    array([1., 2.])
    """
    array = _array_of_numbers(name, values, n)
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), one for each {each}, got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    checked = array.astype(np.float64)
    wrong = np.isinf(checked) if unknown else ~np.isfinite(checked)
    if wrong.any():
        raise ValueError(f"{name}: expected finite numbers, got {array[wrong][0]}")
    return checked


def _array_of_numbers(name: str, values: Any, n: int) -> npt.NDArray[Any]:
    """Return values as an array; n objects of which NumPy makes no numbers, such as Decimals, are read one by one."""
    items: Any
    try:
        array = items = np.asarray(values)
    except Exception:  # sequences of different lengths, or whatever an element raises
        if not isinstance(values, Sequence) or any(isinstance(value, Sequence) for value in values):
            raise ValueError(f"{name}: expected {n} numbers, got sequences of different lengths") from None
        array, items = np.empty(len(values), dtype=object), values
    # A sequence of arrays or tensors of one element is no column, but so many numbers.
    elements = array.ndim > 1 and array.shape[0] == array.size == n and not isinstance(values, np.ndarray)
    if not elements and (array.dtype.kind != "O" or array.shape != (n,)):
        return array
    read = np.empty(n)
    for i, value in enumerate(items):
        try:
            read[i] = real(name, value)
        except TypeError as error:
            raise TypeError(f"{error} at position {i}") from None
    return read


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


def check_members(name: str, value: Any, members: Collection[str], expected: str) -> None:
    """Check that a value has the members that are used of it, where any class that has them will do.

    Raises
    ------
    TypeError
        If it lacks one.

    Examples
    --------
    >>> check_members("ax", 3, ("plot",), "matplotlib axes")
    Traceback (most recent call last):
    ...
    TypeError: ax: expected matplotlib axes, got int
    """
    if isinstance(value, type) or not all(hasattr(value, member) for member in members):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")


def _range(least: int | None, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"{least} to {most}"
