"""The NAS-Bench-201 space against the benchmark's table and against a behaviour oracle."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from crlso import _core
from crlso.benchmarks import NASBench201 as Benchmark
from crlso.spaces import Cell, NASBench201

SPACE = NASBench201()
EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def partition(labels) -> np.ndarray:
    """Labels renamed by first appearance: equal for equal partitions, whatever the labels are."""
    first, inverse = np.unique(np.asarray(labels), return_index=True, return_inverse=True)[1:]
    return first[inverse]


def behaviour(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Outputs (n, 4) of cells as functions of one random vector: each operation is a fixed nonlinear map.

    The map of an operation sends zero to zero and mixes all components, and is the same on every edge, because two
    edges with one operation are exchangeable. Maps are bounded, so that sums stay of the same scale.
    """
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(5, 2, 4, 4))
    nodes = [np.broadcast_to(rng.normal(size=4), (len(codes), 4))]
    edge = 0
    for target in range(1, 4):
        total = np.zeros((len(codes), 4))
        for source in range(target):
            x = nodes[source]
            maps = [np.zeros_like(x), x, *(np.sin(np.sin(x @ mixing[k, 0]) @ mixing[k, 1]) for k in (2, 3, 4))]
            total = total + np.choose(codes[:, edge, None], maps)
            edge += 1
        nodes.append(total)
    return nodes[3]


def test_strings_and_indices_are_those_of_the_table(nasbench201_rows):
    codes = SPACE.all_codes()
    assert codes.shape == (15625, 6) and codes.dtype == np.uint8 and len(SPACE) == 15625
    assert [str(cell) for cell in SPACE.cells(codes)] == [row["arch"] for row in nasbench201_rows]
    assert ["".join(map(str, row)) for row in codes.tolist()] == [row["ops"] for row in nasbench201_rows]
    assert SPACE.index([row["arch"] for row in nasbench201_rows]).tolist() == list(range(15625))
    assert SPACE.index(codes[::-1]).tolist() == list(range(15625))[::-1]
    with pytest.raises(ValueError, match="read-only"):
        codes[0, 0] = 1


def test_the_isomorphism_classes_are_those_of_the_table(nasbench201_rows):
    published = np.array([int(row["isomorph_id"]) for row in nasbench201_rows])
    keys = SPACE.canonical_key(SPACE.all_codes(), "isomorphism")
    assert keys.dtype == np.int64
    assert len(np.unique(published)) == len(np.unique(keys)) == 6466
    np.testing.assert_array_equal(partition(keys), partition(published))


def test_there_are_4930_functions_and_each_published_class_is_inside_one(nasbench201_rows):
    published = np.array([int(row["isomorph_id"]) for row in nasbench201_rows])
    keys = SPACE.canonical_key(SPACE.all_codes())
    assert len(np.unique(keys)) == 4930
    assert len(np.unique(np.stack([published, keys], axis=1), axis=0)) == 6466


@pytest.mark.parametrize("seed", range(3))
def test_a_class_by_function_is_a_behaviour(seed):
    outputs = behaviour(SPACE.all_codes(), seed)
    # Summation order changes the last bits only: neighbours in sorted order are far apart or almost equal.
    order = np.lexsort(outputs.T)
    scaled = outputs[order]
    gaps = np.abs(np.diff(scaled, axis=0)).max(axis=1)
    assert not ((gaps > 1e-12) & (gaps < 1e-8)).any(), "the oracle cannot tell equal from different outputs"
    hashes = np.round(outputs, 9) + 0.0
    classes = np.unique(hashes, axis=0, return_inverse=True)[1].ravel()
    assert classes.max() + 1 == 4930
    np.testing.assert_array_equal(partition(classes), partition(SPACE.canonical_key(SPACE.all_codes())))


def test_the_behaviour_oracle_sees_a_wrong_class():
    codes = SPACE.all_codes()
    keys = SPACE.canonical_key(codes).copy()
    keys[SPACE.index([EXAMPLE])] = keys[0]
    classes = np.unique(np.round(behaviour(codes), 9) + 0.0, axis=0, return_inverse=True)[1].ravel()
    assert (partition(classes) != partition(keys)).any()


@pytest.mark.parametrize("level", ["function", "isomorphism"])
def test_representatives_have_the_fewest_operations_of_their_class(level):
    codes = SPACE.all_codes()
    keys = SPACE.canonical_key(codes, level)
    representatives = SPACE.canonicalise(codes, level)
    np.testing.assert_array_equal(SPACE.canonical_key(representatives, level), keys)
    np.testing.assert_array_equal(SPACE.canonicalise(representatives, level), representatives)
    weights = 5 ** np.arange(5, -1, -1)
    np.testing.assert_array_equal(representatives @ weights, keys)
    cost = [(int((c > 0).sum()), int((c > 1).sum()), int(c @ weights)) for c in codes]
    best: dict[int, tuple[int, int, int]] = {}
    for key, value in zip(keys.tolist(), cost, strict=True):
        best[key] = min(best.get(key, value), value)
    assert all(value[2] == key for key, value in best.items())


def test_levels_by_hand():
    def same(a: str, b: str, level: str) -> bool:
        keys = _core.nb201_class(np.array([list(a), list(b)], dtype=np.uint8), level)
        return bool(keys[0] == keys[1])

    assert same("300100", "000300", "function") is False  # 3<-0 skip is the input itself
    assert same("300010", "000300", "function") and same("300010", "000300", "isomorphism")  # skip of a convolution
    assert same("340000", "000000", "function")  # dead branches
    assert not same("000003", "000000", "isomorphism")  # the authors' string keeps an operation on "#+#"
    assert same("000003", "000000", "function")
    assert same("330011", "330101", "function") is False
    assert same("320001", "020001", "function")  # node 1 leads nowhere


def test_cell_accepts_strings_indices_names_codes_and_cells():
    cell = SPACE.cell(EXAMPLE)
    assert cell.space == "nasbench201" and cell.codes == (3, 3, 4, 1, 3, 1) and str(cell) == EXAMPLE
    assert cell.operations[2] == "avg_pool_3x3" and cell.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    same = [1, np.int8(1), cell, cell.operations, list(cell.codes), np.array(cell.codes), cell.codes, np.str_(EXAMPLE)]
    assert {SPACE.cell(x) for x in same} == {cell}
    assert repr(cell) == f"Cell({EXAMPLE!r})"
    assert pickle.loads(pickle.dumps(cell)) == cell and copy.deepcopy(cell) == cell
    assert len({cell, SPACE.cell(2), SPACE.cell(EXAMPLE)}) == 2
    with pytest.raises(AttributeError):
        cell.codes = (0,) * 6  # type: ignore[misc]


def test_codes_accepts_arrays_lists_and_single_cells():
    expected = SPACE.all_codes()[[1, 5]]
    cells = SPACE.cells(expected)
    for given in (expected, expected.astype(np.int64), expected.astype(">i2"), np.asfortranarray(expected)):
        np.testing.assert_array_equal(SPACE.codes(given), expected)
    for given in ([1, 5], np.array([1, 5]), np.array([1, 5], np.uint8), cells, iter(cells), [EXAMPLE, 5]):
        np.testing.assert_array_equal(SPACE.codes(given), expected)
    assert SPACE.codes(EXAMPLE).shape == SPACE.codes(cells[0]).shape == (1, 6)
    assert SPACE.codes([]).shape == SPACE.codes(np.empty((0, 6), int)).shape == (0, 6)
    assert SPACE.index([]).shape == (0,) and SPACE.one_hot([]).shape == (0, 30)


@pytest.mark.parametrize("index", [1, 431, 857, 10676, 15624])
def test_neighbours_are_the_classes_of_cells_that_differ_in_one_edge(index):
    codes = SPACE.all_codes()[index]
    near = SPACE.all_codes()[(SPACE.all_codes() != codes).sum(axis=1) == 1]
    assert len(near) == 24
    expected = {tuple(row) for row in SPACE.canonicalise(near).tolist()} - {tuple(SPACE.canonicalise([index])[0])}
    neighbours = SPACE.neighbours(index)
    assert {tuple(row) for row in neighbours.tolist()} == expected and len(neighbours) == len(expected)
    assert (np.diff(SPACE.canonical_key(neighbours)) > 0).all()


def test_one_hot():
    codes = SPACE.all_codes()
    hot = SPACE.one_hot(codes)
    assert hot.dtype == np.float32
    np.testing.assert_array_equal(hot, np.eye(5, dtype=np.float32)[codes].reshape(-1, 30))


def test_sample():
    codes = SPACE.sample(300, rng=3)
    assert len(np.unique(codes, axis=0)) == 300
    np.testing.assert_array_equal(codes, SPACE.sample(300, rng=np.random.SeedSequence(3)))
    assert (codes != SPACE.sample(300, rng=4)).any()
    assert len(np.unique(SPACE.sample(15625, rng=0), axis=0)) == 15625
    whole = SPACE.sample(4930, rng=0, unique_classes=True)
    assert len(np.unique(SPACE.canonical_key(whole))) == 4930
    assert (SPACE.canonicalise(whole) != whole).any(), "cells are returned as drawn"
    # Uniform over cells: each operation on each edge a fifth of the time (five standard deviations).
    share = SPACE.one_hot(np.concatenate([SPACE.sample(500, rng=seed) for seed in range(20)])).mean(axis=0)
    assert np.abs(share - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 10000)
    for n, unique in ((-1, False), (15626, False), (4931, True)):
        with pytest.raises(ValueError, match="n: expected 0 to"):
            SPACE.sample(n, rng=0, unique_classes=unique)
    with pytest.raises(TypeError, match="n: expected an int"):
        SPACE.sample(3.0, rng=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "position 0: expected '|', got the end"),
        ("none", "position 0: expected '|', got 'none'"),
        ("|nor_conv_5x5~0|", "position 1: expected none, skip_connect, nor_conv_1x1, nor_conv_3x3 or avg_pool_3x3"),
        ("|none~1|", "position 6: expected '0', got '1|'"),
        (EXAMPLE + " x", f"position {len(EXAMPLE)}: expected the end of the string, got ' x'"),
        (EXAMPLE + "\0", f"position {len(EXAMPLE)}: expected the end of the string, got '?'"),
        (EXAMPLE.replace("|+", "\0+", 1), "position 15: expected '|', got '?+|nor_conv_3x3~'"),
        (EXAMPLE[:-1], f"position {len(EXAMPLE) - 1}: expected '|', got the end"),
        ("|" * 10_000_000, "position 1: expected none"),
        ("|none~0|+|n\u00f8ne~0|", "position 10: expected none"),
        ("\ud800", "lone surrogates"),
    ],
)
def test_bad_strings_say_where_and_what(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        SPACE.cell(text)
    assert len(str(caught.value)) < 320


class Liar:
    """Says that it is a sequence of six codes and is not; as an index, it is out of range."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        raise IndexError(i)

    def __index__(self):
        return 10**30


class LyingArray(np.ndarray):
    """An array whose attributes are not what the array is."""

    shape = (2, 6)
    ndim = 2
    dtype = np.dtype(np.uint8)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (15625, IndexError, "official index from 0 to 15624, got 15625"),
        (-1, IndexError, "got -1"),
        (10**100, IndexError, "official index"),
        (True, TypeError, "got bool"),
        (1.0, TypeError, "got float"),
        (None, TypeError, "got NoneType"),
        (b"|none~0|", TypeError, "got bytes"),
        (Liar(), IndexError, "official index from 0 to 15624, got 1000000000000"),
        ([0, 0, 0, 0, 0], ValueError, "expected 6 integers from 0 to 4"),
        ([0, 0, 0, 0, 0, 5], ValueError, "expected 6 integers from 0 to 4"),
        ([0, 0, 0, 0, 0, -1], ValueError, "expected 6 integers from 0 to 4"),
        ([0, 0, 0, 0, 0, 2**70], ValueError, "expected 6 integers from 0 to 4"),
        ([0.0] * 6, TypeError, "got [0.0, 0.0"),
        ([float("nan")] * 6, TypeError, "got [nan"),
        (["nor_conv_7x7"] * 6, ValueError, "got 'nor_conv_7x7'"),
        (np.zeros((2, 6), np.uint8), TypeError, "expected a cell string"),
    ],
)
def test_bad_cells(x, error, message):
    with pytest.raises(error, match=re.escape(message)):
        SPACE.cell(x)


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        (np.zeros((3, 5), np.uint8), ValueError, "expected shape (n, 6) for codes or (n,) for indices, got (3, 5)"),
        (np.zeros((1, 1, 6), np.uint8), ValueError, "got (1, 1, 6)"),
        (np.uint8(3).reshape(()), ValueError, "got ()"),
        (np.full((3, 6), 5, np.uint8), ValueError, "expected codes from 0 to 4, got 5"),
        (np.full((3, 6), -1), ValueError, "got -1"),
        (np.full((3, 6), 2**63, np.uint64), ValueError, "got 9223372036854775808"),
        (np.full((3, 6), 256), ValueError, "got 256"),
        (np.zeros((3, 6)), TypeError, "got dtype float64"),
        (np.full((3, 6), np.nan), TypeError, "got dtype float64"),
        (np.zeros((3, 6), bool), TypeError, "got dtype bool"),
        (np.full((3, 6), 0.5, object), TypeError, "expected a cell string"),
        (np.array([EXAMPLE, ""]), ValueError, "position 0"),
        (np.array([EXAMPLE.encode()]), TypeError, f"got dtype |S{len(EXAMPLE)}"),
        (np.array([0, 15625]), IndexError, "got 15625 at position 1"),
        (np.array([2**64 - 1], np.uint64), IndexError, "got 18446744073709551615 at position 0"),
        (7, TypeError, "got int"),
        (None, TypeError, "got NoneType"),
        (b"123456", TypeError, "got bytes"),
        ([EXAMPLE, None], TypeError, "got NoneType"),
        ([Liar()], IndexError, "official index from 0 to 15624, got 1000000000000"),
    ],
)
def test_bad_arrays_of_cells(cells, error, message):
    for method in (SPACE.codes, SPACE.index, SPACE.cells, SPACE.canonical_key, SPACE.canonicalise, SPACE.one_hot):
        with pytest.raises(error, match=re.escape(message)):
            method(cells)


def test_arrays_that_lie_are_seen_as_they_are():
    lying = np.zeros((2, 3), np.uint8).view(LyingArray)
    assert lying.shape == (2, 6)
    with pytest.raises(ValueError, match=re.escape("got (2, 3)")):
        SPACE.codes(lying)
    with pytest.raises(ValueError, match="expected shape"):
        _core.nb201_rank(lying)
    huge = np.broadcast_to(np.zeros((1, 6), np.uint8), (2**55, 6))
    with pytest.raises((MemoryError, ValueError)):
        _core.nb201_rank(huge)


@pytest.mark.parametrize("name", ["nb201_rank", "nb201_format", "nb201_one_hot"])
def test_the_extension_checks_its_arguments_itself(name):
    function = getattr(_core, name)
    shape = (2, 6)
    function(np.zeros(shape, np.uint8))
    for wrong in (None, 3, "x", [[0] * 6], memoryview(b"123456"), np.zeros(shape, np.int64), np.zeros(shape, "f4")):
        with pytest.raises(TypeError, match="codes: expected a uint8 array"):
            function(wrong)
    for wrong in (np.zeros((2, 3, 6), np.uint8), np.zeros((7,), np.uint8), np.zeros((2, 7), np.uint8)):
        with pytest.raises(ValueError, match="codes: expected shape"):
            function(wrong)
    with pytest.raises(ValueError, match="codes: expected values 0 to 4, got 200 in cell 0, edge 0"):
        function(np.full(shape, 200, np.uint8))


def test_the_extension_checks_levels_ranks_and_strings():
    codes = np.zeros((1, 6), np.uint8)
    for function in (_core.nb201_class, _core.nb201_representative):
        with pytest.raises(ValueError, match="level: expected 'function' or 'isomorphism', got 'graph'"):
            function(codes, "graph")
        with pytest.raises(TypeError, match="level: expected"):
            function(codes, 1)
        with pytest.raises(TypeError, match="expected 2 arguments, got 1"):
            function(codes)
    with pytest.raises(ValueError, match="level"):
        SPACE.canonical_key(codes, "function\0")
    ranks = np.arange(15625)
    np.testing.assert_array_equal(_core.nb201_rank(_core.nb201_codes(ranks)), ranks)
    np.testing.assert_array_equal(_core.nb201_codes(ranks.astype(">i8")[::-2]), _core.nb201_codes(ranks)[::-2])
    for wrong in (-1, 15625, 2**40, -(2**63)):
        with pytest.raises(IndexError, match=f"rank: expected 0 to 15624, got {wrong} at position 1"):
            _core.nb201_codes(np.array([0, wrong]))
    with pytest.raises(TypeError, match="rank: expected an int64 array, got dtype float64"):
        _core.nb201_codes(np.zeros(3))
    with pytest.raises(ValueError, match="rank: expected shape"):
        _core.nb201_codes(np.zeros((3, 1), np.int64))
    with pytest.raises(TypeError, match="text: expected a str, got bytes"):
        _core.nb201_parse(b"")


def test_read_only_and_strided_arrays_are_fine():
    codes = np.zeros((4, 12), np.uint8)
    codes[:, ::2] = SPACE.all_codes()[:4]
    strided = codes[::-1, ::2]
    strided.flags.writeable = False
    assert SPACE.index(strided).tolist() == [3, 2, 1, 0]
    assert SPACE.one_hot(strided).shape == (4, 30)


@pytest.mark.thread_unsafe(reason="counts references to an array of the module")
def test_functions_do_not_leak_references():
    codes = SPACE.all_codes()
    wrong = np.full((2, 6), 9, np.uint8)
    before = sys.getrefcount(codes), sys.getrefcount(wrong)
    for _ in range(50):
        _core.nb201_rank(codes)
        _core.nb201_format(codes[:3])
        _core.nb201_class(codes, "function")
        _core.nb201_representative(codes, "isomorphism")
        with pytest.raises(ValueError, match="codes"):
            _core.nb201_one_hot(wrong)
    assert (sys.getrefcount(codes), sys.getrefcount(wrong)) == before


def test_threads_get_the_same_classes():
    code = (
        "import threading, numpy as np\n"
        "from crlso import _core\n"
        "codes = _core.nb201_codes(np.arange(15625)); out = [None] * 8\n"
        "def run(i): out[i] = _core.nb201_class(codes, ('function', 'isomorphism')[i % 2])\n"
        "threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print([len(np.unique(keys)) for keys in out])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([4930, 6466] * 4)


def test_cells_of_unknown_spaces_are_refused():
    with pytest.raises(ValueError, match=r"space: expected one of .*nasbench201.*got 'x'"):
        Cell("x", (0,) * 6)
    with pytest.raises(TypeError, match="space: expected a str"):
        Cell(3, (0,) * 6)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 6 integers from 0 to 4"):
        Cell("nasbench201", (0,) * 7)


def test_space_is_a_value():
    assert NASBench201() == SPACE and hash(NASBench201()) == hash(SPACE) and SPACE != "nasbench201"
    assert repr(SPACE) == "NASBench201(15625 cells: 6 edges, 5 operations)"
    assert SPACE.name == "nasbench201" and SPACE.n_nodes == 4 and len(SPACE.operations) == 5


def test_indices_of_naslib_are_read_by_a_reader_of_their_own():
    space, bench = NASBench201(), Benchmark("cifar10")
    cell = space.from_naslib((4, 0, 3, 1, 4, 3))
    assert str(cell) == "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    assert round(bench.evaluate(cell), 2) == 85.41 and round(bench.evaluate((4, 0, 3, 1, 4, 3)), 2) == 82.48
    assert len({space.from_naslib(ops) for ops in itertools.product(range(5), repeat=6)}) == 15625
    for wrong, error in (((1, 2), ValueError), ((5,) * 6, ValueError), ("444444", TypeError), ((True,) * 6, TypeError)):
        with pytest.raises(error, match="indices: expected"):
            space.from_naslib(wrong)
