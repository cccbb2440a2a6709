"""Cholesky factors and triangular systems against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso import _core


def positive(rng, *shape: int) -> np.ndarray:
    half = rng.normal(size=(*shape, shape[-1]))
    return half @ half.swapaxes(-1, -2) + 0.1 * np.eye(shape[-1])


@pytest.mark.parametrize("shape", [(1,), (7,), (150,), (5, 1), (9, 40), (0, 3), (2, 0)])
def test_cholesky_is_numpys(shape):
    a = positive(np.random.default_rng(0), *shape)
    before = a.copy()
    factor = _core.cholesky(a)
    np.testing.assert_allclose(factor, np.linalg.cholesky(a), atol=1e-11)
    assert (np.triu(factor, 1) == 0).all()
    np.testing.assert_array_equal(a, before)


def test_cholesky_reads_the_lower_half_alone():
    a = positive(np.random.default_rng(1), 20)
    np.testing.assert_array_equal(_core.cholesky(np.tril(a) + np.triu(np.full_like(a, np.nan), 1)), _core.cholesky(a))


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 0), (4, 2), (4, 4)])
def test_cholesky_refuses_what_is_not_finite(row, column, wrong):
    a = positive(np.random.default_rng(1), 3, 5)
    a[1, row, column] = wrong
    with pytest.raises(ValueError, match="a: expected finite numbers, got infinity or NaN in the matrix at position 1"):
        _core.cholesky(a)
    with pytest.raises(ValueError, match="a: expected finite numbers"):
        _core.cholesky([[wrong]])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (30, 1), (30, 700), (0, 4), (4, 0)])
def test_solve_lower_solves(n, m, transposed):
    rng = np.random.default_rng(2)
    for shape in ((), (3,)):
        lower = np.tril(rng.normal(size=(*shape, n, n))) + 4 * np.eye(n)
        b = rng.normal(size=(*shape, n, m))
        before = b.copy()
        x = _core.solve_lower(lower + np.triu(np.full((n, n), np.nan), 1), b, transposed)
        np.testing.assert_allclose((lower.swapaxes(-1, -2) if transposed else lower) @ x, b, atol=1e-9)
        np.testing.assert_array_equal(b, before)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("transposed", [False, True])
def test_solve_lower_refuses_what_has_no_solution(wrong, transposed):
    lower = np.tile(np.eye(3), (2, 1, 1))
    for row, column in ((0, 0), (2, 1), (2, 2)):
        bad = lower.copy()
        bad[1, row, column] = wrong
        with pytest.raises(ValueError, match="lower: expected finite numbers, got infinity or NaN in the matrix"):
            _core.solve_lower(bad, np.ones((2, 3, 1)), transposed)
    lower[1, 2, 2] = 0
    with pytest.raises(ValueError, match=r"lower: expected no zero on the diagonal, got one in row 2 .* at position 1"):
        _core.solve_lower(lower, np.ones((2, 3, 1)), transposed)


def test_bits_do_not_depend_on_threads():
    rng = np.random.default_rng(3)
    a, b, threads = positive(rng, 12, 90), rng.normal(size=(12, 90, 900)), crlso.get_num_threads()
    results = []
    try:
        for n in (1, 2, 5):
            crlso.set_num_threads(n)
            factor = _core.cholesky(a)
            results.append((factor, _core.solve_lower(factor, b)))
    finally:
        crlso.set_num_threads(threads)
    for factor, solved in results[1:]:
        np.testing.assert_array_equal(factor, results[0][0])
        np.testing.assert_array_equal(solved, results[0][1])


def test_not_positive_definite_is_named():
    a = positive(np.random.default_rng(4), 4, 6)
    a[2, 3, 3] = -1.0
    with pytest.raises(ValueError, match=r"a: expected positive definite .* leading 4 rows are not, at position 2"):
        _core.cholesky(a)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: _core.cholesky(np.ones(3)), ValueError, "a: expected 2 or 3 dimensions, got 1"),
        (lambda: _core.cholesky(np.ones((3, 2))), ValueError, "a: expected square matrices, got 3 x 2"),
        (lambda: _core.cholesky([["x"]]), TypeError, "a: expected real numbers"),
        (lambda: _core.solve_lower(np.eye(3), np.ones((2, 1))), ValueError, "b: expected 3 rows, got 2"),
        (lambda: _core.solve_lower(np.ones(3), np.ones((3, 1))), ValueError, "lower: expected as many matrices as b"),
        (lambda: _core.solve_lower(np.ones((3, 2)), np.ones((3, 1))), ValueError, "lower: expected square"),
        (lambda: _core.solve_lower(np.ones((2, 3, 3)), np.ones((3, 3, 1))), ValueError, "lower: expected as many"),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
