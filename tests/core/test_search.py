"""Search kernels: descent steps, the smallest values, the largest logits, the set of cells."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from crlso import _core

from .test_icnn import GOOD, Net, Z

# ---- descent ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_descent_is_a_step_along_the_gradient(dtype):
    rng = np.random.default_rng(0)
    net = Net(rng, dtype=dtype)
    z, step = rng.normal(size=(30, 4)).astype(dtype), rng.uniform(-0.1, 2, size=30)
    before = z.copy()
    frozen = _core.FrozenICNN(net.parameters)
    moved, gradient = frozen.descend(z, step), frozen.evaluate(z)[1]
    np.testing.assert_allclose(moved, z - step[:, None] * gradient, rtol=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_array_equal(z, before)
    assert not np.shares_memory(moved, z) and moved.dtype == dtype


def test_descent_goes_down():
    rng = np.random.default_rng(1)
    net = Net(rng)
    frozen, z = _core.FrozenICNN(net.parameters), rng.normal(size=(50, 4))
    values = []
    for _ in range(30):
        values.append(frozen.evaluate(z)[0].mean())
        z = frozen.descend(z, np.full(50, 0.02))
    assert (np.diff(values) < 0).all()


def test_descent_of_no_points_and_of_zero_steps():
    frozen = _core.FrozenICNN(GOOD)
    assert frozen.descend(np.zeros((0, 4)), []).shape == (0, 4) == frozen.descend(Z[:1], []).shape
    np.testing.assert_array_equal(frozen.descend(Z + 1, [0, 0]), Z + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_steps_from_one_start(dtype):
    rng = np.random.default_rng(4)
    frozen = _core.FrozenICNN(Net(rng, dtype=dtype).parameters)
    z, step = rng.normal(size=(1, 4)).astype(dtype), rng.uniform(-1, 2, size=150)
    moved = frozen.descend(z, step)
    assert moved.shape == (150, 4) and moved.dtype == dtype
    np.testing.assert_allclose(moved, z - step[:, None] * frozen.evaluate(z)[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(moved[[7]], frozen.descend(z, step[[7]]))


def test_descent_without_convexity():
    net = Net(np.random.default_rng(2), signed=True)
    frozen = _core.FrozenICNN(net.parameters, convex=False)
    np.testing.assert_allclose(frozen.descend(Z, [1.0, 1.0]), Z - frozen.evaluate(Z)[1])


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (np.nan, ValueError, "step: expected finite numbers, got nan"),
        ([0.1], ValueError, r"step: expected one size or shape \(2,\)"),
        ([[0.1], [0.1]], ValueError, r"step: expected one size or shape \(2,\)"),
        ([0.1, np.nan], ValueError, "step: expected finite numbers, got nan at position 1"),
        ([np.inf, 0.1], ValueError, "step: expected finite numbers, got inf at position 0"),
        (["a", "b"], ValueError, None),
        ([1j, 0], TypeError, None),
        (None, (TypeError, ValueError), None),
        (object(), TypeError, None),
    ],
)
def test_bad_steps_are_refused(step, error, words):
    with pytest.raises(error, match=words):
        _core.FrozenICNN(GOOD).descend(Z, step)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_one_step_for_all_points(n):
    frozen = _core.FrozenICNN(GOOD)
    np.testing.assert_array_equal(frozen.descend(Z[:n], 0.1), frozen.descend(Z[:n], np.full(n, 0.1)))


# ---- smallest values ----


@pytest.mark.parametrize("seed", range(20))
def test_smallest_against_a_stable_sort(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    values = rng.normal(size=n) if seed % 2 else rng.integers(0, 6, size=n).astype(float)
    if n and seed % 3 == 0:
        values[rng.integers(0, n, size=3)] = np.nan
        values[rng.integers(0, n)] = -np.inf
        values[rng.integers(0, n)] = np.inf
    order = np.argsort(values, kind="stable")  # NumPy too puts NaN last
    for k in range(n + 1):
        result = _core.smallest(values, k)
        assert result.dtype == np.int64
        np.testing.assert_array_equal(result, order[:k])


def test_smallest_of_zeros_of_both_signs_and_other_layouts():
    assert _core.smallest([0.0, -0.0, 0.0], 3).tolist() == [0, 1, 2]
    assert _core.smallest(np.arange(10)[::-2], 2).tolist() == [4, 3]
    assert _core.smallest(np.array([3, 1, 2], ">f4"), 1).tolist() == [1]
    assert _core.smallest((np.nan, np.nan), 2).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "k", "error"),
    [
        ([1.0, 2.0], 3, ValueError),
        ([1.0, 2.0], -1, ValueError),
        ([[1.0, 2.0]], 1, ValueError),
        (1.0, 0, ValueError),
        ([1.0], 1.0, TypeError),
        ([1.0], 2**70, OverflowError),
        (["a"], 1, ValueError),
        ([1j], 1, TypeError),
        (None, 0, (TypeError, ValueError)),
        (np.broadcast_to(np.float32(1), (2**50,)), 1, (MemoryError, ValueError)),
    ],
)
def test_bad_smallest(values, k, error):
    with pytest.raises(error):
        _core.smallest(values, k)


# ---- largest logits ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8"])
@pytest.mark.parametrize("shape", [(7,), (1,), (4, 5), (0, 3), (3, 6, 5), (2, 3, 4, 5), (3, 1)])
def test_argmax_against_numpy(dtype, shape):
    x = np.random.default_rng(0).integers(0, 4, size=shape).astype(dtype)  # with ties: the first counts
    result = _core.argmax_last(x)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, np.argmax(x, -1))
    np.testing.assert_array_equal(_core.argmax_last(x[..., ::-1]), np.argmax(x[..., ::-1], -1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_argmax_takes_the_first_nan_like_numpy(dtype):
    x = np.random.default_rng(0).normal(size=(400, 9)).astype(dtype)
    x[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    x[np.random.default_rng(2).random(x.shape) < 0.2] = np.inf
    x[np.random.default_rng(3).random(x.shape) < 0.2] = -np.inf
    np.testing.assert_array_equal(_core.argmax_last(x), np.argmax(x, -1))


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros((2, 0)), ValueError),
        (np.float64(1), ValueError),
        (np.zeros(3, int), TypeError),
        (np.zeros(3, complex), TypeError),
        (np.zeros(3, np.float16), TypeError),
        ("a", TypeError),
        (None, TypeError),
        (np.broadcast_to(np.float32(1), (2**50,)), (MemoryError, ValueError)),
    ],
)
def test_bad_argmax(x, error):
    with pytest.raises(error):
        _core.argmax_last(x)


# ---- the set of cells ----


def test_cell_set_against_a_set():
    rng = np.random.default_rng(0)
    ours, theirs = _core.CellSet(), set()
    for key in [*rng.integers(0, 3000, size=5000).tolist(), *(k << 40 for k in range(500)), 0, 2**64 - 1, 2**63]:
        assert ours.add(key) is (key not in theirs)
        theirs.add(key)
        assert len(ours) == len(theirs)
    assert all((key in ours) == (key in theirs) for key in range(4000))
    assert 2**64 - 1 in ours and 2**64 - 2 not in ours
    assert ours.add(np.int64(1)) is False and np.uint8(0) in ours


class BadIndex:
    def __index__(self):
        return "one"


class RaisingIndex:
    def __index__(self):
        raise RuntimeError("no index today")


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (-1, OverflowError),
        (2**64, OverflowError),
        (1.0, TypeError),
        ("a", TypeError),
        (None, TypeError),
        (BadIndex(), TypeError),
        (RaisingIndex(), RuntimeError),
    ],
)
def test_bad_keys(key, error):
    cells = _core.CellSet()
    for call in (lambda: cells.add(key), lambda: key in cells):
        with pytest.raises(error):
            call()
    assert len(cells) == 0


def test_cell_set_positions_are_the_order_of_addition():
    rng = np.random.default_rng(7)
    keys = rng.integers(0, 1 << 62, 5000)[rng.integers(0, 5000, 9000)]
    cells, places, expected = _core.CellSet(), {}, []
    for key in keys.tolist():
        expected.append(key not in places)
        places.setdefault(key, len(places))
    added = np.concatenate([cells.update(keys[:1000]), cells.update(keys[1000:])])
    np.testing.assert_array_equal(added, expected)
    asked = np.concatenate([keys, [0, 1]])
    np.testing.assert_array_equal(cells.locate(asked), [places.get(key, -1) for key in asked.tolist()])
    again = pickle.loads(pickle.dumps(cells))
    np.testing.assert_array_equal(again.locate(asked), cells.locate(asked))
    assert _core.CellSet().locate(keys[:3]).tolist() == [-1, -1, -1]
    assert cells.locate(np.int64(keys[0])) == 0 and cells.update(keys[:0]).shape == (0,)
    with pytest.raises((TypeError, ValueError), match="keys: expected"):
        cells.update(keys[None])
    with pytest.raises(TypeError, match="keys: expected"):
        cells.locate([0.5])
