"""The embedded NAS-Bench-101 table and its hashes against the published ones; the benchmark of an official file."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from crlso import _core
from crlso.assets import asset_path, open_npz
from crlso.benchmarks import NASBench101
from tools.assets import make_nasbench101

from ..processes import SANITISED
from ..twins import nasbench101 as twin
from ..twins import tfrecord_writer as writer

N = 423_624
PLACES = 2 ** np.array([*range(29, 20, -2), *range(20, -1, -1)])  # of a key: five digits of two bits, 21 of one


@pytest.fixture(scope="module")
def bench() -> NASBench101:
    """The embedded table."""
    return NASBench101()


@pytest.fixture(scope="module")
def published(shared):
    """The table that the asset was made of."""
    with np.load(shared / "data/nasbench101/nb101.npz") as table:
        return {name: table[name] for name in ("n_vertices", "adj_bits", "ops_base3", "test_acc_mean_108", "params")}


@pytest.fixture(scope="module")
def all_codes() -> np.ndarray:
    """Canonical codes of all cells, in the order of the asset."""
    with open_npz("nasbench101.npz") as asset:
        keys = np.cumsum(asset["key_steps"], dtype=np.int64)
    assert len(keys) == N and (np.diff(keys) > 0).all()
    return (keys[:, None] // PLACES % ([4] * 5 + [2] * 21)).astype(np.uint8)


@pytest.fixture(scope="module")
def official(all_codes, shared) -> np.ndarray:
    """Official index of each cell of the asset, found by its module hash."""
    hashes = np.load(shared / "data/nasbench101/nb101_hash_md5.npy")
    found = np.ascontiguousarray(_core.nb101_hash(all_codes))
    names, wanted = (array.view("S16")[:, 0] for array in (np.ascontiguousarray(hashes), found))
    index = np.searchsorted(names, wanted)  # the official order is that of the hashes
    assert (names[index] == wanted).all() and len(np.unique(index)) == N
    return index


def published_codes(table, i: int) -> tuple[int, ...]:
    """Codes of row i of the published table, read one bit at a time."""
    n = int(table["n_vertices"][i])
    edges, bits, digits = set(), int(table["adj_bits"][i]), int(table["ops_base3"][i])
    for source in range(n):
        for target in range(source + 1, n):
            if bits & 1:
                edges.add((source, 6 if target == n - 1 else target))
            bits >>= 1
    return twin.make_codes([1 + digits // 3**v % 3 for v in range(n - 2)], edges)


def some_rows(n: int) -> list[int]:
    return np.random.default_rng(3).choice(N, n, replace=False).tolist()


@pytest.mark.slow
def test_all_423624_hashes_are_the_published_ones(official):
    assert np.array_equal(np.sort(official), np.arange(N))


def test_hashes_are_those_of_the_twin(all_codes):
    rows = all_codes[some_rows(200)]
    assert [row.tobytes().hex() for row in _core.nb101_hash(rows)] == [twin.module_hash(row) for row in rows]


@pytest.mark.slow
def test_cells_and_values_are_the_published_ones(all_codes, official, published, bench):
    accuracy, parameters = published["test_acc_mean_108"][official], published["params"][official]
    # The published table is in float32; its steps are 1 / 29,952, five hundred times as large as what float32 loses.
    np.testing.assert_allclose(bench._table.test, 100.0 * accuracy.astype(np.float64), rtol=0, atol=6e-6)
    np.testing.assert_array_equal(bench._table.parameters, parameters)
    for i in some_rows(300):
        assert twin.canonical(published_codes(published, official[i])) == tuple(all_codes[i].tolist())


def test_keys_of_the_space_are_those_of_the_asset(bench, all_codes):
    np.testing.assert_array_equal(bench.space.canonical_key(all_codes), bench._table.keys)
    np.testing.assert_array_equal(bench.space.canonicalise(all_codes), all_codes)


def test_relabelled_cells_have_one_key_and_one_name(all_codes, bench):
    changed = set()
    for row in all_codes[some_rows(30)]:
        inner = [v for v in range(1, 6) if row[v - 1]]
        for order in itertools.permutations(inner):
            place = {0: 0, 6: 6, **dict(zip(inner, order))}
            moved = {(place[a], place[b]) for a, b in twin.edge_set(row)}
            if all(a < b for a, b in moved):
                operations = [int(row[inner[order.index(v)] - 1]) for v in inner]
                changed.add((tuple(row.tolist()), twin.make_codes(operations, moved)))
    changed = {(row, codes) for row, codes in changed if row != codes}
    assert len(changed) > 30
    for row, codes in changed:
        assert twin.canonical(codes) == row and twin.module_hash(codes) == twin.module_hash(row)
    rows, codes = (np.array(side, np.uint8) for side in zip(*changed))
    np.testing.assert_array_equal(bench.test(codes), bench.test(rows))


def test_one_cell_and_many(bench, all_codes):
    rows = some_rows(100)
    codes = all_codes[rows]
    test = bench.test(codes)
    assert test.shape == (100,) and test.dtype == np.float64
    assert [bench.evaluate(cell) for cell in bench.space.cells(codes)] == test.tolist()
    np.testing.assert_array_equal(bench.parameters(codes), bench._table.parameters[rows] / 1e6)
    assert bench.test(codes[:0]).shape == (0,)


def test_optimum_and_regret(bench):
    best = bench.optimum()
    assert round(bench.evaluate(best), 4) == 94.3176 and bench.regret(bench.evaluate(best)) == 0  # published: 0.94318
    assert bench.regret(94.0) == pytest.approx(0.317575, abs=1e-6)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="value: expected a finite number"):
            bench.regret(value)


def test_what_the_values_are_is_said_everywhere(bench):
    assert bench.objective == "test (oracle)" and bench.name == "nasbench101" and bench.dataset == "cifar10"
    assert len(bench) == N
    assert repr(bench) == (
        "NASBench101('cifar10'): 423624 cells, value = test (oracle) accuracy in percent after 108 epochs"
    )
    info = bench.info(bench.optimum())
    assert json.loads(json.dumps(info, allow_nan=False)) == info
    assert info["objective"] == "test (oracle)" and info["value"] == info["test"] == bench.evaluate(bench.optimum())
    assert info["module_hash"] == twin.module_hash(info["canonical_codes"]) and "training_seconds" not in info
    with pytest.raises(ValueError, match="validation: the embedded table has test accuracies only"):
        bench.validation([bench.optimum()])


def test_cells_outside_the_benchmark_are_refused(bench):
    full = np.array([[1, 1, 1, 1, 1, *[1] * 21]], np.uint8)
    with pytest.raises(ValueError, match=r"^cells: .* got cell 1 that has 21 edges on paths .* at most 9$"):
        bench.test(np.concatenate([bench.space.codes([bench.optimum()]), full]))
    full[0, -6:] = 0
    with pytest.raises(ValueError, match=r"^cells: .* got cell 0 that has no path from input to output$"):
        bench.evaluate(full[0])


def test_simulated_validation(bench, all_codes):
    first, again, other = (bench.simulated_validation(rng) for rng in (0, 0, 1))
    codes = all_codes[some_rows(50)]
    np.testing.assert_array_equal(first.validation(codes), again.validation(codes))
    np.testing.assert_array_equal(first.validation(codes[::-1]), first.validation(codes)[::-1])
    assert (first.validation(codes) != other.validation(codes)).all()
    np.testing.assert_array_equal(first.test(codes), bench.test(codes))
    noise = first._table.validation - first._table.test
    assert abs(noise.mean()) < 4 * 0.228 / N**0.5 and noise.std() == pytest.approx(0.228, rel=0.005)
    assert first.evaluate(codes[0]) == first.validation(codes[:1])[0] != first.test(codes[:1])[0]
    assert first.objective == "simulated validation (test + noise)" and bench.objective == "test (oracle)"
    assert "value = simulated validation (test + noise) accuracy" in repr(first) and "sd 0.228, seed " in repr(first)
    assert first.regret(first.evaluate(first.optimum())) == 0
    np.testing.assert_array_equal(first.for_seed(1).validation(codes), other.validation(codes))
    np.testing.assert_array_equal(other.for_seed(0).validation(codes), first.validation(codes))
    assert repr(first.for_seed(1)) == repr(other) and bench.for_seed(1) is bench
    loud = bench.simulated_validation(0, sd=2.0).for_seed(1)
    np.testing.assert_allclose(
        loud.validation(codes) - bench.test(codes),
        2.0 / 0.228 * (other.validation(codes) - bench.test(codes)),
        rtol=1e-6,
        atol=1e-9,
    )
    silent = bench.simulated_validation(0, sd=0)
    np.testing.assert_array_equal(silent.validation(codes), bench.test(codes))
    for sd, message in (
        (-1, "at least 0, got -1"),
        (float("nan"), "a finite number"),
        (float("inf"), "a finite number"),
    ):
        with pytest.raises(ValueError, match=f"sd: expected {message}"):
            bench.simulated_validation(0, sd=sd)
    with pytest.raises(TypeError, match="rng: "):
        bench.simulated_validation(None)


def test_an_official_file(tmp_path, all_codes):
    codes = [tuple(row) for row in all_codes[some_rows(60)].tolist()]
    rng = np.random.default_rng(2)
    values, seconds = rng.integers(8000, 9984, (60, 3, 2)) / 9984, rng.uniform(500, 2000, (60, 3))
    frames = [
        writer.record(cell, 108, *values[i, run], seconds[i, run], 1000 + i)
        for run in range(3)
        for i, cell in enumerate(codes)
    ]
    path = writer.write(tmp_path / "nasbench_only108.tfrecord", frames)
    for bench in (NASBench101.from_tfrecord(path), NASBench101.from_tfrecord(path)):  # the second from the cache
        assert bench.objective == "validation" and len(bench) == 60
        assert repr(bench).endswith("60 cells, value = validation accuracy in percent after 108 epochs")
        array = np.array(codes, np.uint8)
        means = 100 * values.mean(axis=1)
        np.testing.assert_allclose(np.stack([bench.validation(array), bench.test(array)], 1), means, rtol=1e-14)
        np.testing.assert_array_equal(bench.parameters(array), (1000 + np.arange(60)) / 1e6)
        best = int(means[:, 0].argmax())
        assert tuple(bench.optimum().codes) == codes[best]
        info = bench.info(codes[best])
        assert info["training_seconds"] == pytest.approx(seconds[best].mean()) and info["objective"] == "validation"
        assert info["value"] == bench.evaluate(codes[best]) != info["test"]
    others = [row for row in all_codes[:100] if tuple(row.tolist()) not in codes]
    with pytest.raises(ValueError, match=r"cells: .* got cell 1 that is not in this table"):
        bench.test(np.stack([array[0], others[0]]))


@pytest.mark.slow
def test_the_asset_is_made_by_its_script(shared, tmp_path):
    with np.load(shared / "data/nasbench101/nb101.npz") as table:
        arrays = make_nasbench101.make_arrays(table)
    with open_npz("nasbench101.npz") as asset:
        assert set(asset.files) == set(arrays) == {"key_steps", "test_correct", "parameters"}
        for name, array in arrays.items():
            assert asset[name].dtype == array.dtype
            np.testing.assert_array_equal(asset[name], array)
    for name in ("a.npz", "b.npz"):
        make_nasbench101.write_npz(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.slow
def test_the_asset_of_hashes_has_the_published_ones(official, shared):
    hashes = np.load(shared / "data/nasbench101/nb101_hash_md5.npy")
    with open_npz("nasbench101_hashes.npz") as asset:
        np.testing.assert_array_equal(asset["beginnings"], hashes[official, :3])
    found = hashlib.sha256(asset_path("nasbench101_hashes.npz").read_bytes()).hexdigest()
    assert found in asset_path("NASBENCH101.md").read_text(encoding="utf-8")


def test_values_are_looked_up_by_hash(bench):
    best = bench.optimum()
    name = bench.info(best)["module_hash"]
    assert bench.evaluate(name) == bench.evaluate(best) and bench.info(name)["canonical_codes"] == list(best.codes)
    np.testing.assert_array_equal(bench.test([name, name]), bench.test([best, best]))


@pytest.mark.slow
def test_the_asset_is_small_documented_and_takes_little_memory():
    path = asset_path("nasbench101.npz")
    assert path.stat().st_size < 1_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() in asset_path("NASBENCH101.md").read_text(encoding="utf-8")
    code = (
        "import resource\n"
        "from crlso.assets import open_npz\n"
        "import numpy as np, crlso.spaces\n"
        "from crlso.benchmarks import nasbench101\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "bench = nasbench101.NASBench101()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux" and not SANITISED:  # kilobytes there
        assert int(done.stdout) < 100_000


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ([[1]], TypeError, "codes: expected a uint8 array"),
        (np.zeros((1, 26), np.int64), TypeError, "codes: expected a uint8 array"),
        (np.zeros(26, np.uint8), ValueError, r"codes: expected shape \(n, 26\)"),
        (np.zeros((1, 25), np.uint8), ValueError, r"codes: expected shape \(n, 26\)"),
        (np.zeros((1, 26), np.uint8), ValueError, "expected pruned cells"),
        (np.full((1, 26), 4, np.uint8), ValueError, "expected operations 0 to 3 and edges 0 or 1"),
    ],
)
def test_hash_refuses_other_arrays(argument, error, message):
    with pytest.raises(error, match=message):
        _core.nb101_hash(argument)


def test_hash_of_views_and_of_nothing(all_codes):
    rows = all_codes[:20]
    np.testing.assert_array_equal(_core.nb101_hash(rows[::-2]), _core.nb101_hash(rows)[::-2])
    assert _core.nb101_hash(rows[:0]).shape == (0, 16)
