"""Kernel matrices, whitened rows and mixtures against NumPy; their bits; their refusals."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso import _core


def given(n, m, groups, products, seed=0):
    rng = np.random.default_rng(seed)
    distances = [4.0 * rng.random((n, m)) for _ in range(groups)]
    products_of = rng.random(products), rng.normal(size=(products, n)), rng.normal(size=(products, m))
    return distances, rng.random(groups), *products_of, 0.25


@pytest.mark.parametrize(
    ("n", "m", "groups", "products"), [(1, 1, 1, 0), (3, 7, 2, 1), (40, 350, 3, 2), (1, 5000, 1, 1), (2, 513, 2, 0)]
)
def test_covariances_are_numpys(n, m, groups, products):
    distances, weights, factors, x, y, constant = given(n, m, groups, products)
    expected = np.exp(-np.tensordot(weights, np.stack(distances), 1)) + (factors[:, None] * x).T @ y + constant
    linear = factors, x, y
    np.testing.assert_allclose(
        _core.covariances(distances, weights, *linear, constant), expected, rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(
        _core.covariances(tuple(distances), weights, *linear, 0.0), expected - constant, atol=1e-13
    )


@pytest.mark.parametrize(("n", "products"), [(0, 1), (1, 0), (5000, 1), (7, 3)])
def test_variances_are_those_of_the_kernel_matrix(n, products):
    _, weights, factors, x, _, constant = given(n, n, 1, products)
    if n <= 7:
        whole = _core.covariances([np.zeros((n, n))], weights, factors, x, x, constant)
        np.testing.assert_allclose(_core.variances(factors, x, constant), np.diagonal(whole), rtol=1e-14)
    expected = 1.0 + constant + (factors[:, None] * x**2).sum(axis=0)
    np.testing.assert_allclose(_core.variances(factors, x, constant), expected, rtol=1e-14)


@pytest.mark.parametrize(("k", "m"), [(1, 1), (3, 0), (3, 513), (64, 20), (2, 10_000)])
def test_mixtures_are_numpys(k, m):
    rng = np.random.default_rng(3)
    shares, means, variances = rng.dirichlet(np.ones(k)), rng.normal(size=(k, m)), rng.random((k, m))
    mean, variance = _core.mixture(shares, list(means), tuple(variances))
    np.testing.assert_allclose(mean, shares @ means, rtol=1e-12, atol=1e-14)
    second = shares @ (variances + means**2)  # the second moment of a mixture is the mean one
    np.testing.assert_allclose(variance, second - (shares @ means) ** 2, rtol=1e-11, atol=1e-12)
    assert all(
        m < 9 or part[7:9].tobytes() == whole[7:9].tobytes()
        for part, whole in zip(_core.mixture(shares, means[:, :9], variances[:, :9]), (mean, variance))
    )


@pytest.mark.parametrize(("n", "m"), [(0, 5), (0, 0), (4, 0)])
def test_no_cells_have_no_covariances(n, m):
    arguments = given(n, m, 1, 1)
    assert _core.covariances(*arguments).shape == (n, m)


def test_infinitely_distant_cells_have_no_covariance():
    one = np.ones((1, 1))
    assert _core.covariances([np.full((1, 1), np.inf)], [1.0], [], one[:0], one[:0], 0.0)[0, 0] == 0.0
    assert _core.covariances([np.full((1, 1), 1e4)], [1.0], [], one[:0], one[:0], 0.0)[0, 0] == 0.0


def matrix(n, seed=1):
    a = np.random.default_rng(seed).normal(size=(n, 3))
    return np.exp(-((a[:, None] - a[None]) ** 2).sum(axis=2)) + 0.1 * np.eye(n)


@pytest.mark.parametrize(("n", "b"), [(0, 1), (1, 0), (5, 3), (0, 40), (200, 2)])
def test_rows_of_cholesky_factors_are_numpys(n, b):
    whole = matrix(n + b)
    lower = np.linalg.cholesky(whole)
    found = _core.cholesky_rows(lower[:n, :n], whole[n:], 1e-12)
    np.testing.assert_allclose(found, lower[n:], rtol=1e-11, atol=1e-12)
    upper = np.triu(np.ones_like(whole, dtype=bool), 1)[n:]
    np.testing.assert_array_equal(_core.cholesky_rows(lower[:n, :n], np.where(upper, np.nan, whole[n:]), 0.0), found)
    for i in range(b):  # one after the other
        lower = np.zeros((n + i, n + i))
        lower[:n, :n], lower[n:] = np.linalg.cholesky(whole)[:n, :n], found[:i, : n + i]
        np.testing.assert_array_equal(
            _core.cholesky_rows(lower, whole[n + i : n + i + 1, : n + i + 1], 0.0)[0], found[i, : n + i + 1]
        )


def test_squares_of_pivots_have_a_least_value():
    found = _core.cholesky_rows([[1.0]], [[1.0, 1.0]], 0.04)  # the second point is the first
    np.testing.assert_allclose(found, [[1.0, 0.2]])


@pytest.mark.parametrize(("n", "b", "m"), [(0, 1, 3), (1, 1, 1), (40, 1, 513), (9, 30, 5000), (3, 0, 4), (4, 2, 0)])
def test_whitened_rows_are_numpys(n, b, m):
    lower, kernel = np.linalg.cholesky(matrix(n + b)), np.random.default_rng(1).normal(size=(n + b, m))
    expected = np.linalg.solve(lower, kernel)
    found = _core.whitened_rows(lower[n:], expected[:n], kernel[n:])
    np.testing.assert_allclose(found, expected[n:], rtol=1e-9, atol=1e-10)
    rows = expected[:n]
    for i in range(b):  # one after the other
        rows = np.concatenate(
            [rows, _core.whitened_rows(lower[n + i : n + i + 1, : n + i + 1], rows, kernel[n + i : n + i + 1])]
        )
    np.testing.assert_array_equal(rows[n:], found)


def test_bits_depend_on_neither_threads_nor_other_cells():
    threads, arguments = crlso.get_num_threads(), given(3, 5000, 2, 1)
    distances, weights, factors, x, y, constant = arguments
    rows = np.random.default_rng(2).normal(size=(20, 5000))
    crlso.set_num_threads(1)
    lower = np.linalg.cholesky(matrix(20))[15:]
    expected, whitened = _core.covariances(*arguments), _core.whitened_rows(lower, rows[:15], rows[15:])
    try:
        for n in (1, 2, 3, 4):
            crlso.set_num_threads(n)
            np.testing.assert_array_equal(_core.covariances(*arguments), expected)
            np.testing.assert_array_equal(_core.whitened_rows(lower, rows[:15], rows[15:]), whitened)
    finally:
        crlso.set_num_threads(threads)
    some = _core.covariances([d[1:2, 700:711] for d in distances], weights, factors, x[:, 1:2], y[:, 700:711], constant)
    np.testing.assert_array_equal(some[0], expected[1, 700:711])
    part = slice(700, 711)
    np.testing.assert_array_equal(_core.whitened_rows(lower, rows[:15, part], rows[15:, part]), whitened[:, part])


ONE = np.ones((2, 3))


def covariances(distances, weights=(1.0,), factors=(1.0, 1.0), x=ONE[:, :2], y=ONE):
    return _core.covariances(distances, weights, factors, x, y, 0.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: covariances([], weights=[]), ValueError, "distances: expected 1 to 64 arrays"),
        (lambda: covariances([ONE] * 65, weights=[1.0] * 65), ValueError, "distances: expected 1 to 64"),
        (lambda: covariances([ONE], weights=[1.0, 2.0]), ValueError, "as many as there are weights, 2, got 1"),
        (
            lambda: covariances([ONE, ONE.T], weights=[1.0, 2.0]),
            ValueError,
            r"2-dimensional arrays of one shape, got \(3, 2\)",
        ),
        (lambda: covariances(3), TypeError, "not iterable"),
        (lambda: covariances([ONE], weights=["a"]), (TypeError, ValueError), "weights: expected"),
        (lambda: covariances([ONE], x=ONE), ValueError, r"x: expected shape \(n, 2\)"),
        (lambda: covariances([ONE], y=ONE[:1]), ValueError, "y: expected as many rows"),
        (lambda: covariances([ONE], y=ONE.T), ValueError, r"y: expected shape \(n, 3\)"),
        (lambda: covariances([ONE], factors=[1.0]), ValueError, "factors: expected 2, one for each row of x, got 1"),
        (lambda: covariances([ONE], factors="a"), (TypeError, ValueError), "factors: expected"),
        (lambda: _core.variances([1.0], ONE, 0.0), ValueError, "factors: expected 2, one for each row of x, got 1"),
        (lambda: _core.variances([1.0], ONE[0], 0.0), ValueError, "x: expected shape"),
        (lambda: _core.mixture([], [], []), ValueError, "means: expected 1 to 64 arrays"),
        (lambda: _core.mixture([0.5, 0.5], ONE, ONE[:1]), ValueError, "variances: expected 1 to 64 arrays, as many"),
        (lambda: _core.mixture([1.0], [ONE], [ONE]), ValueError, "means: expected 1-dimensional arrays of one shape"),
        (lambda: _core.mixture([0.5, 0.5], [ONE[0], ONE[0, :2]], ONE), ValueError, "arrays of one shape"),
        (
            lambda: _core.mixture([0.5, 0.5], ONE, ONE[:, :2]),
            ValueError,
            "variances: expected as many as means, 3, got 2",
        ),
        (lambda: _core.mixture([1.0], None, [ONE[0]]), TypeError, "not iterable"),
        (lambda: _core.cholesky_rows(ONE, ONE, 0.0), ValueError, r"lower: expected shape \(2, 2\), got \(2, 3\)"),
        (
            lambda: _core.cholesky_rows(ONE[:, :2], ONE, 0.0),
            ValueError,
            r"kernel: expected shape \(2, 4\), got \(2, 3\)",
        ),
        (lambda: _core.cholesky_rows(3.0, ONE, 0.0), ValueError, "lower: expected"),
        (lambda: _core.cholesky_rows(ONE[:, :2], "a", 0.0), (TypeError, ValueError), "kernel: expected"),
        (lambda: _core.whitened_rows(ONE, ONE, ONE), ValueError, r"lower: expected shape \(2, 4\), got \(2, 3\)"),
        (
            lambda: _core.whitened_rows(ONE, ONE[:1, :2], ONE),
            ValueError,
            r"rows: expected shape \(1, 3\), got \(1, 2\)",
        ),
        (lambda: _core.whitened_rows(ONE, None, ONE), (TypeError, ValueError), "rows: expected"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
