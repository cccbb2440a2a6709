"""Squared distances of points, and sums over rows, against NumPy; their bits."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import crlso
from crlso import _core


def points(n, d, seed, zeros=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[rng.random(x.shape) < zeros] = 0.0
    return x


@pytest.mark.parametrize("zeros", [0.0, 0.9, 1.0])
@pytest.mark.parametrize(
    ("n", "m", "d"), [(1, 1, 1), (3, 31, 7), (5, 32, 1), (4, 33, 40), (20, 200, 130), (2, 65, 0), (0, 4, 3)]
)
def test_squared_distances_are_numpys(n, m, d, zeros):
    x, y = points(n, d, 0, zeros), points(m, d, 1, zeros)
    stored = _core.Points(y)
    assert len(stored) == m
    distances = stored.squared_distances(x)
    np.testing.assert_allclose(distances, ((x[:, None] - y) ** 2).sum(axis=2), rtol=1e-12, atol=1e-12)
    assert distances.shape == (n, m) and (distances >= 0).all()


def test_a_point_is_at_no_distance_from_itself():
    x = points(90, 37, 2, 0.5)
    assert not np.diagonal(_core.Points(x).squared_distances(x)).any()


def test_points_are_a_copy():
    y = points(10, 3, 3)
    stored, before = _core.Points(y), y.copy()
    y[:] = 7.0
    np.testing.assert_allclose(
        stored.squared_distances(before[:1])[0], ((before - before[0]) ** 2).sum(axis=1), atol=1e-12
    )
    assert copy.deepcopy(stored) is stored and copy.copy(stored) is stored
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(stored)


def test_bits_depend_on_the_two_points_alone():
    x, y, threads = points(40, 70, 4, 0.3), points(3000, 70, 5, 0.3), crlso.get_num_threads()
    expected = _core.Points(y).squared_distances(x)
    try:
        for n in (1, 2, 3, 4):
            crlso.set_num_threads(n)
            np.testing.assert_array_equal(_core.Points(y).squared_distances(x), expected)
    finally:
        crlso.set_num_threads(threads)
    for rows, columns in (
        (slice(3, 4), slice(17, 90)),
        (slice(0, 40, 7), slice(2999, None)),
        (slice(5, 9), slice(0, 64)),
    ):
        np.testing.assert_array_equal(_core.Points(y[columns]).squared_distances(x[rows]), expected[rows, columns])
    np.testing.assert_array_equal(_core.Points(x).squared_distances(y).T, expected)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 31), (60, 1001), (0, 5), (3, 0)])
def test_row_moments_are_numpys(n, m):
    rows, weights, threads = points(n, m, 6), points(1, n, 7)[0], crlso.get_num_threads()
    sums, squares = _core.row_moments(rows, weights)
    np.testing.assert_allclose(sums, weights @ rows, atol=1e-12)
    np.testing.assert_allclose(squares, (rows**2).sum(axis=0), atol=1e-12)
    try:
        for count in (1, 2, 3, 4):
            crlso.set_num_threads(count)
            again = _core.row_moments(rows, weights)
            np.testing.assert_array_equal(again, (sums, squares))
    finally:
        crlso.set_num_threads(threads)
    for part in (slice(0, m - 1), slice(m // 2, m), slice(m - 1, m)):  # a column's bits do not depend on the others
        np.testing.assert_array_equal(_core.row_moments(rows[:, part], weights), (sums[part], squares[part]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: _core.Points([["x"]]), TypeError, "y: expected an array of floats"),
        (lambda: _core.Points(np.ones(3)), ValueError, r"y: expected shape \(n, m\)"),
        (lambda: _core.Points([[np.nan]]), ValueError, "points: expected finite numbers"),
        (lambda: _core.Points([[1.0, -np.inf]]), ValueError, "points: expected finite numbers"),
        (
            lambda: _core.Points(np.ones((2, 3))).squared_distances(np.ones((1, 2))),
            ValueError,
            r"x: expected shape \(n, 3\)",
        ),
        (lambda: _core.Points([[1.0]]).squared_distances([[np.nan]]), ValueError, "points: expected finite numbers"),
        (lambda: _core.row_moments(np.ones((2, 3)), np.ones(3)), ValueError, r"weights: expected shape \(2,\)"),
        (lambda: _core.row_moments(np.ones((2, 3)), np.ones((2, 1))), ValueError, r"weights: expected shape \(2,\)"),
        (lambda: _core.row_moments(np.ones(3), np.ones(3)), ValueError, "rows: expected shape"),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
