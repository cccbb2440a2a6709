"""Matrix products of the core against NumPy in double precision: random shapes, all transposes, every kernel."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import crlso
from crlso import _core

from ..processes import environment, instruction_sets

SCRIPT = """
import sys, numpy as np
from crlso import _core
rng = np.random.default_rng(5)
parts = []
for m, n, k in [(256, 256, 256), (84, 30, 300), (31, 17, 5), (300, 8, 1)]:
    a, b = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (n, k)))
    parts.append(_core.linear(a, b, rng.normal(size=n).astype(np.float32), activation="leaky_relu").numpy().ravel())
sys.stdout.buffer.write(np.concatenate(parts).tobytes())
"""


def product(a: np.ndarray, b: np.ndarray, ta: bool, tb: bool) -> np.ndarray:
    return (a.T if ta else a).astype(np.float64) @ (b.T if tb else b).astype(np.float64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(40))
def test_random_products(seed, dtype):
    rng = np.random.default_rng(seed)
    m, n, k = (int(size) for size in rng.choice([0, 1, 2, 7, 8, 16, 23, 24, 31, 48, 97, 256, 300], size=3))
    ta, tb = (bool(flag) for flag in rng.integers(0, 2, size=2))
    a = rng.normal(size=(k, m) if ta else (m, k)).astype(dtype)
    b = rng.normal(size=(n, k) if tb else (k, n)).astype(dtype)
    got = _core.matmul(a, b, transpose_a=ta, transpose_b=tb).numpy()
    error = np.abs(got - product(a, b, ta, tb))
    bound = product(np.abs(a), np.abs(b), ta, tb) * (k + 1) * np.finfo(dtype).eps  # of any order of summation
    assert got.shape == (m, n) and (error <= bound).all()


def test_special_values_travel_as_in_numpy():
    a, b = np.ones((64, 40), np.float32), np.ones((40, 32), np.float32)
    a[3, 5], a[60, 0], b[7, 9] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(_core.matmul(a, b).numpy(), a @ b)


@pytest.mark.parametrize("shape", [(1024, 256, 256), (84, 256, 256), (256, 30, 700), (25, 513, 300)])
@pytest.mark.parametrize("ta", [False, True])
def test_threads_and_other_rows_do_not_change_a_bit(shape, ta):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(k, m) if ta else (m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    before = crlso.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 4):
            crlso.set_num_threads(threads)
            results.append(_core.matmul(a, b, transpose_a=ta).numpy().tobytes())
    finally:
        crlso.set_num_threads(before)
    assert len(set(results)) == 1


@pytest.mark.slow
def test_instruction_sets_agree():
    def run(isa: str) -> np.ndarray:
        env = {**environment(), "CRLSO_ISA": isa}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, stdout=subprocess.PIPE, check=True, timeout=300)
        return np.frombuffer(done.stdout, np.float32)

    baseline = run("baseline")  # OpenBLAS
    for isa in instruction_sets()[1:]:
        np.testing.assert_allclose(run(isa), baseline, rtol=2e-5, atol=2e-4)


def test_fma_peak():
    assert 1e8 < _core.fma_peak(0.01) < 1e13
    for wrong in (-1, np.nan, 61):
        with pytest.raises(ValueError, match="seconds: expected a number from 0 to 60"):
            _core.fma_peak(wrong)
    with pytest.raises(TypeError):
        _core.fma_peak("a second")
