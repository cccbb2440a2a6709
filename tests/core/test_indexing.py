"""x[...] of tensors: NumPy's values and shapes, gradients, iteration, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crlso import _core

Tensor = _core.Tensor
ROWS = np.array([[2, 0], [-1, 1]])
A = np.random.default_rng(0).normal(size=(3, 4, 5))
FULL = slice(None)
KEYS: list[Any] = [
    0,
    -1,
    np.int8(2),
    np.array(1),
    (0, 1),
    (-1, -1, -1),
    FULL,
    slice(1, None),
    slice(-2, None),
    slice(None, None, -1),
    slice(5, 1),
    slice(9, 20),
    slice(None, None, 7),
    slice(10**30),
    (FULL, slice(None, None, 2)),
    (FULL, slice(3, 0, -2)),
    (FULL, FULL, slice(None, None, -3)),
    (slice(None, None, -1), 1, slice(1, 3)),
    (FULL, 2),
    (FULL, 2, 1),
    (FULL, slice(0, 0)),
    ...,
    (),
    (..., 0),
    (0, ...),
    (0, ..., slice(None, None, -1)),
    (0, 1, 2, ...),
    None,
    (None, 0),
    (0, None, 1),
    (0, 1, 2, None, None),
    (..., None),
    [0],
    [2, 0, 0, -3],
    ROWS,
    ROWS.astype(np.uint8) % 3,
    ROWS[:, ::-1],
    ROWS.tolist(),
    (ROWS, 1, 2),
    (ROWS, ..., 0),
    ([1, 0], 1),
    ([1, 0], slice(None, None, -2)),
    (np.array([], np.int64), 2),
    np.array([True, False, True]),
    [False, True, False],
    (np.zeros(3, bool), 0),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_values_and_gradients(key):
    expected = A[key]
    x = Tensor(A.copy(), requires_grad=True)
    y = x[key]
    assert type(y) is Tensor and y is not x and y.requires_grad
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.numpy(), expected)
    weight = np.random.default_rng(1).normal(size=expected.shape)
    (gradient,) = _core.gradients(y, [x], weight)
    scattered = np.zeros_like(A)
    np.add.at(scattered, key, weight)
    np.testing.assert_allclose(gradient.numpy(), scattered, rtol=1e-14, atol=1e-14)


def test_empty_lists_and_empty_axes():
    x = Tensor(A)
    assert x[[]].shape == (0, 4, 5) and x[[[]]].shape == (1, 0, 4, 5)
    empty = Tensor(np.zeros((0, 3)))
    assert empty[::-1].shape == empty[[]].shape == (0, 3) and empty[:, 1].shape == (0,)


def test_whole_rows_share_memory():
    x = Tensor(A.copy())
    x[1].numpy()[...] = 7
    x[2:][0].numpy()[...] = 8
    assert (x.numpy()[1] == 7).all() and (x.numpy()[2] == 8).all() and (x.numpy()[0] == A[0]).all()


def test_iteration_and_length():
    x = Tensor(A, requires_grad=True)
    rows = list(x)
    assert len(rows) == len(x) == 3
    for row, expected in zip(rows, A, strict=True):
        np.testing.assert_array_equal(row.numpy(), expected)
    first, *_, last = x[0]
    (first * last).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], A[0, -1])
    np.testing.assert_array_equal(next(reversed(x)).numpy(), A[-1])
    assert list(Tensor(np.zeros((0, 3)))) == []
    with pytest.raises(TypeError, match="iteration over a tensor without dimensions"):
        iter(Tensor(1.0))


class RaisingIndex:
    def __index__(self):
        raise RuntimeError("no index today")


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (3, IndexError, "index: expected -3 to 2 for axis 0, got 3"),
        (-4, IndexError, "index: expected -3 to 2 for axis 0, got -4"),
        ((0, 4), IndexError, "index: expected -4 to 3 for axis 1, got 4"),
        (2**70, OverflowError, "index"),
        ([0, 3], IndexError, "index: expected -3 to 2 for axis 0, got 3"),
        (np.array([-4]), IndexError, "index: expected -3 to 2 for axis 0, got -4"),
        ((0, 0, 0, 0), IndexError, "index: expected at most 3, one per axis, got 4"),
        ((..., ...), IndexError, "at most one ellipsis"),
        ((None, None), IndexError, "a result of at most 4 dimensions"),
        (np.zeros((1, 1, 1), int), IndexError, "a result of at most 4 dimensions"),
        (np.zeros((1,) * 5, int), ValueError, "index: expected 1 or 4 dimensions, got 5"),
        (1.0, TypeError, "index: expected integers, slices.*, got float"),
        ("a", TypeError, "got str"),
        (True, TypeError, "got bool"),
        (Tensor([0.0]), TypeError, "got crlso._core.Tensor"),
        ([0.5], TypeError, "index: expected integers, got dtype float64"),
        (np.zeros(0), TypeError, "index: expected integers, got dtype float64"),
        (["a"], TypeError, "index: expected integers"),
        ([True], IndexError, "index: expected a mask of 3 booleans, one per row, got 1 in 1 dimensions"),
        (
            np.ones((3, 4), bool),
            IndexError,
            "index: expected a mask of 3 booleans, one per row, got 12 in 2 dimensions",
        ),
        ((0, [1]), TypeError, "index: expected an array for the first axis alone"),
        (([1], [1]), TypeError, "index: expected an array for the first axis alone"),
        (slice(None, None, 0), ValueError, "step"),
        (slice(0.0, 1), TypeError, "slice"),
        (RaisingIndex(), RuntimeError, "no index today"),
        (slice(RaisingIndex(), None), RuntimeError, "no index today"),
    ],
    ids=str,
)
def test_bad_keys_are_refused(key, error, words):
    x = Tensor(A)
    with pytest.raises(error, match=words):
        x[key]


def test_an_empty_axis_has_no_position():
    for key in (0, -1, [0]):
        with pytest.raises(IndexError, match="index: expected none for axis 0, which is empty, got"):
            Tensor(np.zeros((0, 2)))[key]


def test_items_cannot_be_assigned():
    x: Any = Tensor(A)
    with pytest.raises(TypeError, match="assignment"):
        x[0] = 1.0
