"""Checks of arguments: what they accept, and the one wording of their errors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from crlso._base.checks import check_choice, check_int, check_number, check_numbers


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_integers(value):
    number = check_int("n", value, 3, 3)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [True, np.bool_(True), 3.0, "3", None, np.array([3, 4])])
def test_no_integers(value):
    with pytest.raises(TypeError, match=f"^n: expected an int, got {type(value).__name__}$"):
        check_int("n", value)


@pytest.mark.parametrize(("bounds", "text"), [((4, None), "at least 4"), ((None, 2), "at most 2"), ((5, 9), "5 to 9")])
def test_integers_out_of_bounds(bounds, text):
    with pytest.raises(ValueError, match=f"^n: expected {text}, got 3$"):
        check_int("n", 3, *bounds)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), Fraction(1)])
def test_numbers(value):
    number = check_number("x", value, least=1.0)
    assert number == 1.0 and type(number) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "x: expected a number, got bool"),
        ("1", TypeError, "x: expected a number, got str"),
        (1j, TypeError, "x: expected a number, got complex"),
        (float("nan"), ValueError, "x: expected a finite number, got nan"),
        (10**400, ValueError, "x: expected a finite number, got inf"),
        (0, ValueError, "x: expected a positive number, got 0"),
    ],
)
def test_no_numbers(value, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        check_number("x", value, above=0)


def test_arrays_of_numbers():
    assert check_numbers("y", (1, 2), 2).dtype == np.float64
    for values, error, message in (
        ([1.0], ValueError, r"y: expected shape \(2,\), one for each cell, got \(1,\)"),
        (["a", "b"], TypeError, "y: expected real numbers, got dtype"),
        ([1.0, np.inf], ValueError, "y: expected finite numbers, got inf"),
        ([[1.0], [1.0, 2.0]], ValueError, "y: expected 2 numbers, got sequences of different lengths"),
    ):
        with pytest.raises(error, match=message):
            check_numbers("y", values, 2)


def test_choices():
    assert check_choice("a", "x", ["x", "y"]) == "x"
    for value in ("z", None, []):
        with pytest.raises(ValueError, match="a: expected one of x, y, got "):
            check_choice("a", value, {"x": 1, "y": 2})
