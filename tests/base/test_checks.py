"""Checks of arguments: what they accept, and the one wording of their errors."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from crlso._base.checks import check_choice, check_int, check_number, check_numbers, real
from crlso._core import Tensor
from crlso.history import Measurement


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


class Scalar:
    """A number of another library, such as a tensor of PyTorch: of one element, or of more."""

    def __init__(self, *elements):
        self.elements = elements
        self.shape = (len(elements),)

    def item(self):
        if len(self.elements) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.elements[0]

    def __float__(self):
        return float(self.item())


class Floating:
    def __float__(self):
        return 1.0


class Indexing:
    def __index__(self):
        return 1


NUMBERS = [
    *[1, 1.0, np.float32(1), np.float16(1), np.longdouble(1), np.uint8(1), Fraction(1), Decimal("1.0"), Decimal(1)],
    *[np.array(1.0), np.array([1]), np.array([[1.0]]), np.array([Decimal(1)]), np.array(1, dtype=object)],
    *[Scalar(1.0), Scalar(np.float32(1)), Floating(), Indexing(), Tensor(np.array([1.0])), Tensor(np.array(1.0))],
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: f"{type(value).__name__}")
def test_numbers(value):
    number = check_number("x", value, least=1.0)
    assert number == 1.0 and type(number) is float
    assert real("x", value) == 1.0 and Measurement(value).value == 1.0
    both = check_numbers("x", [value, value], 2)
    assert both.tolist() == [1.0, 1.0] and both.dtype == np.float64


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "x: expected a number, got bool"),
        (np.bool_(True), TypeError, "x: expected a number, got bool"),
        (np.array([True]), TypeError, "x: expected a number, got bool in ndarray"),
        ("1", TypeError, "x: expected a number, got str"),
        (np.str_("1"), TypeError, "x: expected a number, got str"),
        (np.array("1"), TypeError, "x: expected a number, got str in ndarray"),
        (b"1", TypeError, "x: expected a number, got bytes"),
        (None, TypeError, "x: expected a number, got NoneType"),
        ([1.0], TypeError, "x: expected a number, got list"),
        (float, TypeError, "x: expected a number, got type"),
        (np.complex128(1), TypeError, "x: expected a number, got complex"),
        (np.array([1.0, 2.0]), TypeError, "x: expected a number, got ndarray"),
        (Scalar(1.0, 2.0), TypeError, "x: expected a number, got Scalar"),
        (np.datetime64(1, "s"), TypeError, "x: expected a number, got datetime"),
        (Decimal("NaN"), ValueError, "x: expected a finite number, got nan"),
        (np.array([np.inf]), ValueError, "x: expected a finite number, got inf"),
        (-Fraction(10**400), ValueError, "x: expected a finite number, got -inf"),
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
        ([Decimal(1), None], TypeError, "y: expected a number, got NoneType at position 1"),
        ([Decimal(1)], ValueError, r"y: expected shape \(2,\)"),
        ([Scalar(1.0), Scalar(1.0, 2.0)], TypeError, "y: expected a number, got Scalar at position 1"),
        (np.ones((2, 1)), ValueError, r"y: expected shape \(2,\), one for each cell, got \(2, 1\)"),
        ([1.0, np.nan], ValueError, "y: expected finite numbers, got nan"),
    ):
        with pytest.raises(error, match=message):
            check_numbers("y", values, 2)


def test_numbers_that_may_be_unknown():
    np.testing.assert_array_equal(check_numbers("y", [1.0, np.nan], 2, unknown=True), [1.0, np.nan])
    with pytest.raises(ValueError, match="y: expected finite numbers, got inf"):
        check_numbers("y", [1.0, np.inf], 2, unknown=True)


def test_choices():
    assert check_choice("a", "x", ["x", "y"]) == "x"
    for value in ("z", None, []):
        with pytest.raises(ValueError, match="a: expected one of x, y, got "):
            check_choice("a", value, {"x": 1, "y": 2})
