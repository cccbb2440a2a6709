"""The readers of arguments of the extension: one wording for each kind; no shape can change after it has been read."""

from __future__ import annotations

import re

import numpy as np
import pytest

from crlso import _core

CODES = np.zeros((2, 6), np.uint8)
EDGES = np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]])
NET = _core.FrozenDecoder([(_core.Tensor(np.ones((3, 4))), None), (_core.Tensor(np.ones((2, 3))), None)])
LAYOUT = (1, 3, 1, True, False, 4, None, None)

READ_CODES = {
    "nb101_hash": (lambda codes: _core.nb101_hash(codes), "(n, 26)"),
    "nb201_rank": (lambda codes: _core.nb201_rank(codes), "(n, 6)"),
    "cell_graph": (lambda codes: _core.cell_graph(codes, EDGES, 4, 5), "(n, m)"),
    "cell_prune": (lambda codes: _core.cell_prune(codes, LAYOUT, True), "(n, 3)"),
    "cell_valid": (lambda codes: _core.cell_valid(codes, LAYOUT), "(n, 3)"),
    "cell_neighbours": (lambda codes: _core.cell_neighbours(codes, LAYOUT, True), "(n, 3)"),
    "cell_keys": (lambda codes: _core.cell_keys(codes, (2, 3, 4)), "(n, 3)"),
}
RAGGED = [[1], [2, 3]]


@pytest.mark.parametrize("name", READ_CODES)
def test_codes_are_read_the_same_way_everywhere(name):
    read, shape = READ_CODES[name]
    for wrong in (None, 3, "x", [[0] * 6], RAGGED, memoryview(b"123456")):
        with pytest.raises(TypeError, match=rf"^codes: expected a uint8 array, got {type(wrong).__name__}$"):
            read(wrong)
    with pytest.raises(TypeError, match=r"^codes: expected a uint8 array, got dtype int64$"):
        read(CODES.astype(np.int64))
    with pytest.raises(ValueError, match=re.escape(f"codes: expected shape {shape}, got (2, 3, 6)")):
        read(np.zeros((2, 3, 6), np.uint8))


@pytest.mark.parametrize(
    ("call", "name", "expected"),
    [
        (lambda x: _core.GraphBatch(x, [0], [], [], 1), "node_offsets", "integers"),
        (lambda x: _core.cell_graph(CODES, x, 4, 5), "edges", "integers"),
        (lambda x: _core.gather_rows(np.ones((3, 2)), x), "index", "integers"),
        (lambda x: _core.CellSet().has(x), "keys", "integers"),
        (lambda x: _core.cholesky(x), "a", "real numbers"),
        (lambda x: _core.solve_lower(x, np.eye(2)), "lower", "real numbers"),
        (lambda x: _core.smallest(x, 1), "values", "real numbers"),
        (lambda x: _core.kendall_tau([1, 2], x), "y", "real numbers"),
        (lambda x: _core.argmax_last(x), "logits", "float32 or float64"),
        (lambda x: NET.logits(x), "z", "an array of floats"),
        (lambda x: _core.tanh(x), "x", "a tensor or an array of real numbers"),
        (lambda x: _core.Tensor(x), "data", "a tensor or an array of real numbers"),
        (lambda x: _core.Tensor(x, dtype="float64"), "data", "a tensor or an array of real numbers"),
    ],
)
def test_what_is_no_array_is_refused_by_name(call, name, expected):
    for wrong in (RAGGED, "abc", [object()]):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: expected {expected}, got"):
            call(wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _core.Adam([_core.Tensor([1.0], True)], max_norm="x"), "max_norm: expected a number, got str"),
        (lambda: _core.Adam([_core.Tensor([1.0], True)]).step("x"), "learning_rate: expected a number, got str"),
        (lambda: _core.fma_peak("x"), "seconds: expected a number, got str"),
        (lambda: _core.leaky_relu([1.0], "x"), "slope: expected a number, got str"),
        (lambda: _core.CellSet().add("x"), "key: expected an integer, got str"),
        (lambda: _core.sum([1.0], 0.5), "axis: expected an integer, got float"),
        (lambda: _core.philox_normal(0, 0, 0, 1.5 + 0j), "shape: expected an integer or a sequence of integers"),
        (lambda: _core.philox_permutation(0, 0, 0, 1.5), "n: expected an integer, got float"),
        (lambda: _core.Tensor([1.0], dtype="float16"), "dtype: expected 'float32' or 'float64', got 'float16'"),
        (lambda: _core.Tensor([1.0], dtype="nonsense"), "dtype: expected 'float32' or 'float64', got 'nonsense'"),
        (lambda: _core.philox_normal(0, 0, 0, 1, "i4"), "dtype: expected 'float32' or 'float64', got 'i4'"),
    ],
)
def test_single_values_are_refused_by_name(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


@pytest.mark.parametrize("axis", [2**63, -(2**63), 10**5000], ids=["large", "small", "huge"])
def test_integers_beyond_64_bits(axis):
    with pytest.raises(OverflowError, match=r"^axis: expected an integer that fits 64 bits, got a larger one$"):
        _core.sum([1.0], axis)


def test_reading_one_argument_cannot_change_the_shape_of_another():
    """The array of step sizes reshapes the points, which have been read by then."""
    z = np.arange(8.0).reshape(2, 4)
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (3,), (1, 3), (1, 4), (1,)]
    first, bias, output, skip, last = (_core.Tensor(rng.uniform(size=shape)) for shape in shapes)
    net = _core.FrozenICNN((first, bias, [], [], output, skip, last))

    class Reshaping:
        def __array__(self, dtype=None, copy=None):
            z.resize(8, 1)
            return np.array([0.5, 0.25])

    expected = net.descend(z.copy(), np.array([0.5, 0.25]))
    moved = net.descend(z, Reshaping())
    assert z.shape == (8, 1) and moved.shape == (2, 4)
    np.testing.assert_array_equal(moved, expected)
