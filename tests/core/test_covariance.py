"""Kernel matrices and whitened rows against NumPy; their bits; their refusals."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso import _core


def given(n, m, groups, products, seed=0):
    rng = np.random.default_rng(seed)
    distances = [4.0 * rng.random((n, m)) for _ in range(groups)]
    return distances, rng.random(groups), rng.normal(size=(products, n)), rng.normal(size=(products, m)), 0.25


@pytest.mark.parametrize(
    ("n", "m", "groups", "products"), [(1, 1, 1, 0), (3, 7, 2, 1), (40, 350, 3, 2), (1, 5000, 1, 1), (2, 513, 2, 0)]
)
def test_covariances_are_numpys(n, m, groups, products):
    distances, weights, x, y, constant = given(n, m, groups, products)
    expected = np.exp(-np.tensordot(weights, np.stack(distances), 1)) + x.T @ y + constant
    np.testing.assert_allclose(_core.covariances(distances, weights, x, y, constant), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(_core.covariances(tuple(distances), weights, x, y, 0.0), expected - constant, atol=1e-13)


@pytest.mark.parametrize(("n", "m"), [(0, 5), (0, 0), (4, 0)])
def test_no_cells_have_no_covariances(n, m):
    arguments = given(n, m, 1, 1)
    assert _core.covariances(*arguments).shape == (n, m)


def test_infinitely_distant_cells_have_no_covariance():
    one = np.ones((1, 1))
    assert _core.covariances([np.full((1, 1), np.inf)], [1.0], one[:0], one[:0], 0.0)[0, 0] == 0.0
    assert _core.covariances([np.full((1, 1), 1e4)], [1.0], one[:0], one[:0], 0.0)[0, 0] == 0.0


@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (40, 513), (9, 5000)])
def test_whitened_rows_are_numpys(n, m):
    rng = np.random.default_rng(1)
    kernel, row, rows = rng.normal(size=m), rng.normal(size=n), rng.normal(size=(n, m))
    found = _core.whitened_row(kernel, row, rows, 0.7)
    np.testing.assert_allclose(found, (kernel - row @ rows) / 0.7, rtol=1e-12, atol=1e-12)


def test_bits_depend_on_neither_threads_nor_other_cells():
    threads, arguments = crlso.get_num_threads(), given(3, 5000, 2, 1)
    distances, weights, x, y, constant = arguments
    rows = np.random.default_rng(2).normal(size=(20, 5000))
    crlso.set_num_threads(1)
    expected, row = _core.covariances(*arguments), _core.whitened_row(rows[0], rows[:, 1], rows, 0.7)
    try:
        for n in (1, 2, 3, 4):
            crlso.set_num_threads(n)
            np.testing.assert_array_equal(_core.covariances(*arguments), expected)
            np.testing.assert_array_equal(_core.whitened_row(rows[0], rows[:, 1], rows, 0.7), row)
    finally:
        crlso.set_num_threads(threads)
    some = _core.covariances([d[1:2, 700:711] for d in distances], weights, x[:, 1:2], y[:, 700:711], constant)
    np.testing.assert_array_equal(some[0], expected[1, 700:711])


ONE = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _core.covariances([], [], ONE, ONE, 0.0), ValueError, "distances: expected 1 to 64 arrays"),
        (lambda: _core.covariances([ONE] * 65, [1.0] * 65, ONE, ONE, 0.0), ValueError, "distances: expected 1 to 64"),
        (lambda: _core.covariances([ONE], [1.0, 2.0], ONE, ONE, 0.0), ValueError, "one for each weight, got 1 and 2"),
        (lambda: _core.covariances([ONE, ONE.T], [1.0, 2.0], ONE, ONE, 0.0), ValueError, "arrays of one shape"),
        (lambda: _core.covariances(3, [1.0], ONE, ONE, 0.0), TypeError, "not iterable"),
        (lambda: _core.covariances([ONE], [1.0], ONE, ONE, 0.0), ValueError, r"x: expected shape \(n, 2\)"),
        (lambda: _core.covariances([ONE], [1.0], ONE[:, :2], ONE[:1], 0.0), ValueError, "y: expected as many rows"),
        (lambda: _core.covariances([ONE], [1.0], ONE[:, :2], ONE.T, 0.0), ValueError, r"y: expected shape \(n, 3\)"),
        (lambda: _core.covariances([ONE], ["a"], ONE[:, :2], ONE, 0.0), (TypeError, ValueError), "weights: expected"),
        (lambda: _core.whitened_row(np.ones(2), np.ones(2), ONE, 1.0), ValueError, r"rows: expected shape \(n, 2\)"),
        (lambda: _core.whitened_row(np.ones(3), np.ones(3), ONE, 1.0), ValueError, "row: expected 2 numbers"),
        (lambda: _core.whitened_row(np.ones(3), "a", ONE, 1.0), (TypeError, ValueError), "row: expected"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
