"""The embedded NAS-Bench-201 table against the table that it was made from and against published numbers."""

from __future__ import annotations

import bz2
import collections
import hashlib
import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from crlso.assets import asset_path, open_npz
from crlso.benchmarks import NASBench201

DATASETS = {"cifar10": "c10", "cifar100": "c100", "ImageNet16-120": "in16"}
ALL = np.arange(15625)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=DATASETS)
def bench(request):
    """Benchmark of each dataset in turn."""
    return NASBench201(request.param)


def column(rows, name) -> np.ndarray:
    """A numeric column of the table."""
    return np.array([float(row[name]) for row in rows])


def test_validation_of_each_run_is_that_of_the_table(bench, nasbench201_rows):
    texts = [row[f"{DATASETS[bench.dataset]}_val200_seeds"].split() for row in nasbench201_rows]
    expected = np.array([[float(t) for t in text] + [np.nan] * (3 - len(text)) for text in texts])
    runs = np.stack([bench.validation(ALL, seed=seed) for seed in range(3)], axis=1)
    np.testing.assert_array_equal(runs, expected)
    assert np.isnan(runs[:, 2]).sum() == 7456 and not np.isnan(runs[:, :2]).any()
    means = np.array([sum(map(float, text)) / len(text) for text in texts])
    np.testing.assert_allclose(bench.validation(ALL), means, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_other_columns_are_those_of_the_table(bench, nasbench201_rows):
    prefix = DATASETS[bench.dataset]
    np.testing.assert_array_equal(bench.test(ALL), column(nasbench201_rows, f"{prefix}_test200_mean"))
    np.testing.assert_array_equal(bench.test(ALL, epochs=12), column(nasbench201_rows, f"{prefix}_test12"))
    np.testing.assert_array_equal(bench.validation(ALL, epochs=12), column(nasbench201_rows, f"{prefix}_val12"))
    devices = [name.removeprefix("lat_ms_") for name in nasbench201_rows[0] if name.startswith("lat_ms_")]
    assert sorted(bench.devices) == sorted(devices) and len(devices) == 27
    for device in devices:
        np.testing.assert_array_equal(bench.latency(ALL, device), column(nasbench201_rows, f"lat_ms_{device}"))


def test_costs_are_those_of_the_table(nasbench201_rows):
    np.testing.assert_allclose(
        NASBench201("cifar10").parameters(ALL), column(nasbench201_rows, "params_c10_M"), rtol=0, atol=1e-12
    )
    # The table has two decimals, and 150 of its rows hold the FLOPs of a cell with other operations.
    bench = NASBench201("cifar100")
    difference = bench.flops(ALL) - column(nasbench201_rows, "flops_c100_M")
    right = np.abs(difference) <= 0.005 + 1e-9
    assert right.sum() == 15625 - 150
    edges = np.abs(difference[~right]) / 3.93216  # in 1x1 convolutions; a 3x3 convolution is nine of them
    np.testing.assert_allclose(edges, np.where(edges > 5, 9, 1), atol=0.01)


class OfficialUnpickler(pickle.Unpickler):
    """Reads the plain values of the official files and nothing that could run code."""

    def find_class(self, module, name):
        """Allow ordered dictionaries and NumPy scalars only."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("numpy.core.multiarray", "scalar"):
            return np.float64(0).__reduce__()[0]
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"{module}.{name}")


@pytest.mark.parametrize("index", [0, 11, 284])
def test_genuine_official_files(bench, shared, index):
    path = shared / "data/fixtures/NATS-tss-v1_0-3ffb9-simple" / f"{index:06d}.pickle.pbz2"
    with bz2.open(path) as file:
        official = OfficialUnpickler(file).load()
    assert official["200"]["arch_str"] == str(bench.space.cell(index))
    tested = bench.dataset
    validated = "cifar10-valid" if tested == "cifar10" else tested
    for epochs in (12, 200):
        results = official[str(epochs)]["all_results"]

        def accuracies(dataset, split, results=results, epochs=epochs):
            keys = sorted(key for key in results if key[0] == dataset)
            return [results[key]["eval_acc1es"][f"{split}@{epochs - 1}"] for key in keys]

        validation = accuracies(validated, "x-valid")
        test = accuracies(tested, "ori-test" if tested == "cifar10" else "x-test")
        assert bench.validation([index], epochs)[0] == pytest.approx(np.mean(validation), abs=1e-4)
        assert bench.test([index], epochs)[0] == pytest.approx(np.mean(test), abs=1e-4)
        if epochs == 200:
            runs = [bench.validation([index], seed=seed)[0] for seed in range(3)]
            assert runs == pytest.approx(validation, abs=1e-4)
        cost = next(value for key, value in results.items() if key[0] == tested)
        assert bench.parameters([index])[0] == pytest.approx(cost["params"], abs=1e-9)
        assert bench.flops([index])[0] == pytest.approx(cost["flop"], abs=1e-9)


@pytest.mark.parametrize(
    ("dataset", "validation", "validation_index", "test", "test_index"),
    [
        ("cifar10", 91.607, 6111, 94.373, 6111),
        ("cifar100", 73.493, 9930, 73.513, 9930),
        ("ImageNet16-120", 46.733, 10676, 47.311, 857),
    ],
)
def test_published_optima(dataset, validation, validation_index, test, test_index):
    bench = NASBench201(dataset)
    values, tests = bench.validation(ALL), bench.test(ALL)
    assert round(values.max(), 3) == validation and values.argmax() == validation_index
    assert round(tests.max(), 3) == test and tests.argmax() == test_index
    optimum = bench.optimum()
    assert bench.space.index([optimum]).tolist() == [validation_index]
    assert bench.evaluate(optimum) == values.max()
    assert bench.regret(values.max()) == 0.0 and bench.regret(values.max() - 1) == pytest.approx(1.0)


def test_the_best_validation_cell_of_imagenet_is_not_the_best_test_cell():
    bench = NASBench201("ImageNet16-120")
    assert round(bench.test([10676])[0], 2) == 46.20 and round(bench.validation([857])[0], 2) == 46.38


def test_twelve_epochs_are_another_fidelity(bench):
    short, long = bench.validation(ALL, epochs=12), bench.validation(ALL)
    assert 0.3 < np.corrcoef(short, long)[0, 1] < 0.99
    assert short.max() < long.max() - 5


def test_each_optimum_represents_its_class(bench):
    for level in bench.space.levels:
        assert bench.optimum(level) == bench.optimum()
        codes = bench.space.codes(bench.optimum())
        assert (bench.space.canonicalise(codes, level) == codes).all()
        assert (bench.space.canonical_key(ALL, level) == bench.space.canonical_key(codes, level)).sum() == 1


def test_optimum_by_level_is_among_representatives():
    bench = NASBench201("cifar100")
    for level in bench.space.levels:
        representatives = np.unique(bench.space.canonicalise(ALL, level), axis=0)
        assert bench.validation(representatives).max() == bench.evaluate(bench.optimum(level))
    with pytest.raises(ValueError, match="level: expected 'function' or 'isomorphism', got 'graph'"):
        bench.optimum("graph")


def test_cells_of_one_class_differ_in_value(bench):
    keys = bench.space.canonical_key(ALL, "isomorphism")
    values = bench.validation(ALL)
    order = np.lexsort((values, keys))
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    spread = np.maximum.reduceat(values[order], starts) - np.minimum.reduceat(values[order], starts)
    assert 0.1 < np.median(spread[spread > 0]) < 1.0


def test_all_kinds_of_cells_give_the_same_values(bench):
    space = bench.space
    codes = space.all_codes()[[5, 10676, 0]]
    expected = bench.validation(ALL)[[5, 10676, 0]]
    for cells in (codes, space.cells(codes), [5, 10676, 0], [str(cell) for cell in space.cells(codes)]):
        np.testing.assert_array_equal(bench.validation(cells), expected)
    assert bench.evaluate(10676) == bench.evaluate(space.cell(10676)) == bench.evaluate(codes[1]) == expected[1]
    assert isinstance(bench.evaluate(0), float)
    assert bench.validation([]).shape == bench.test([]).shape == (0,)


def test_values_cannot_be_changed_through_results(bench):
    before = bench.validation(ALL)
    result = bench.validation(ALL)
    result[:] = 0
    np.testing.assert_array_equal(bench.validation(ALL), before)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("cifar10", "cifar10"),
        ("CIFAR-10", "cifar10"),
        ("cifar10-valid", "cifar10"),
        ("cifar_100", "cifar100"),
        ("imagenet16-120", "ImageNet16-120"),
        ("ImageNet16-120", "ImageNet16-120"),
        ("imagenet16_120", "ImageNet16-120"),
    ],
)
def test_dataset_names(given, meant):
    assert NASBench201(given).dataset == meant


@pytest.mark.parametrize("wrong", ["", "cifar", "cifar1000", "imagenet", "svhn", "cifar10\0", "x" * 10**6])
def test_unknown_datasets(wrong):
    with pytest.raises(ValueError, match="dataset: expected one of cifar10, cifar100, ImageNet16-120, got") as caught:
        NASBench201(wrong)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("wrong", [None, 10, b"cifar10", ["cifar10"]])
def test_datasets_of_other_types(wrong):
    with pytest.raises(TypeError, match="dataset: expected a str"):
        NASBench201(wrong)


def test_bad_arguments():
    bench = NASBench201()
    for epochs in (0, 90, -1, 200.0, "200", None, True):
        with pytest.raises(ValueError, match="epochs: expected 12 or 200"):
            bench.validation([0], epochs=epochs)
        with pytest.raises(ValueError, match="epochs: expected 12 or 200"):
            bench.test([0], epochs=epochs)
    for seed in (-1, 3, 777, 1.0, "0", True, float("nan")):
        with pytest.raises(ValueError, match="seed: expected None, 0, 1 or 2"):
            bench.validation([0], seed=seed)
    with pytest.raises(ValueError, match="seed: expected None with 12 epochs"):
        bench.validation([0], epochs=12, seed=0)
    for device in ("gpu", "", None, ["fpga"]):
        with pytest.raises(ValueError, match="device: expected one of 1080ti_1, "):
            bench.latency([0], device)
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="value: expected a finite number"):
            bench.regret(value)
    with pytest.raises(ValueError, match="position 0: expected"):
        bench.evaluate("not a cell")
    with pytest.raises(TypeError, match="got dtype float64"):
        bench.validation(np.full((2, 6), np.nan))
    with pytest.raises(IndexError, match="got 15625"):
        bench.test([15625])


def test_info_and_repr(bench):
    info = bench.info(10676)
    assert json.loads(json.dumps(info, allow_nan=False)) == info
    assert info["index"] == 10676 and info["cell"] == str(bench.space.cell(10676)) and info["dataset"] == bench.dataset
    assert info["validation"] == bench.evaluate(10676) == pytest.approx(np.mean(info["validation_runs"]))
    assert len(info["latency"]) == 27 and info["representative"]["function"] == info["cell"]
    assert repr(bench).startswith(f"NASBench201({bench.dataset!r}): 15625 cells, value = mean validation accuracy")
    assert bench.name == "nasbench201" and bench.objective == "validation" and len(bench) == 15625


@pytest.mark.slow
def test_the_asset_is_made_by_its_script(shared, tmp_path):
    spec = importlib.util.spec_from_file_location("make_nasbench201", ROOT / "tools/assets/make_nasbench201.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    arrays = script.make_arrays(script.read_rows(shared / "data/nasbench201/nb201.csv.gz"))
    with open_npz("nasbench201.npz") as asset:
        assert set(asset.files) == set(arrays)
        for name, array in arrays.items():
            assert asset[name].dtype == array.dtype
            np.testing.assert_array_equal(asset[name], array)
    script.write_npz(tmp_path / "a.npz", arrays)
    script.write_npz(tmp_path / "b.npz", arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for text, decimals in (("1.23456", 4), ("nan", 2), ("", 2)):
        with pytest.raises((ValueError, ArithmeticError)):
            script.scaled(text, decimals)


def test_the_asset_is_small_and_documented():
    path = asset_path("nasbench201.npz")
    assert path.stat().st_size < 2_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() in asset_path("NASBENCH201.md").read_text(encoding="utf-8")
    with open_npz("nasbench201.npz") as asset:
        forbidden = ("isomorph", "zc_", "naswot", "synflow", "nregions")
        assert not [name for name in asset.files if any(word in name for word in forbidden)]


def test_missing_assets_are_named():
    with pytest.raises(FileNotFoundError, match=r"asset 'nothing\.npz': expected a file at"):
        asset_path("nothing.npz")
