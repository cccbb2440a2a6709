"""The embedded NAS-Bench-Macro table against the table that it was made from, and against published numbers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import crlso
from crlso.assets import asset_path, open_npz
from crlso.benchmarks import NASBenchMacro
from tools.assets import make_nasbenchmacro

BENCH = NASBenchMacro()


@pytest.fixture(scope="module")
def table(shared) -> dict:
    """The published table: a row for each network."""
    return json.loads((shared / "data/other/nas-bench-macro_cifar10.json").read_text())


def column(table, name) -> np.ndarray:
    return np.array([row[name] for row in table.values()])


def test_accuracies_are_those_of_the_table(table):
    names = list(table)
    np.testing.assert_allclose(BENCH.runs(names), column(table, "test_acc"), rtol=0, atol=1e-5)
    for values in (BENCH.test(names), BENCH.values(names)):
        np.testing.assert_allclose(values, column(table, "mean_acc"), rtol=0, atol=1e-5)
    assert BENCH.evaluate(names[0]) == pytest.approx(table[names[0]]["mean_acc"], abs=1e-5)


def test_costs_are_those_of_the_table(table):
    names = list(table)
    assert len(names) == len(set(names)) == 6561
    np.testing.assert_array_equal(np.rint(BENCH.parameters(names) * 1e6), column(table, "params"))
    np.testing.assert_array_equal(np.rint(BENCH.flops(names) * 1e6), column(table, "flops"))


def test_the_asset_is_made_by_its_script(table, tmp_path):
    arrays = make_nasbenchmacro.make_arrays(table)
    with open_npz("nasbenchmacro.npz") as asset:
        assert asset.files == list(arrays) == ["test_correct"]
        assert asset["test_correct"].dtype == arrays["test_correct"].dtype == np.uint16
        np.testing.assert_array_equal(asset["test_correct"], arrays["test_correct"])
    name, row = next(iter(table.items()))
    for wrong in ({"params": row["params"] + 1}, {"test_acc": [90.0, 91.0, 91.005]}):
        with pytest.raises(ValueError, match="expected"):
            make_nasbenchmacro.make_arrays({**table, name: {**row, **wrong}})
    with pytest.raises(ValueError, match="expected all 6561 networks, got 6560"):
        make_nasbenchmacro.make_arrays({other: row for other, row in table.items() if other != name})


def test_the_asset_is_small_and_documented():
    path = asset_path("nasbenchmacro.npz")
    assert path.stat().st_size < 20_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() in asset_path("NASBENCHMACRO.md").read_text(encoding="utf-8")
    assert "Apache License" in asset_path("licences/Apache-2.0.txt").read_text(encoding="utf-8")


def test_the_published_best_and_worst():
    assert str(BENCH.optimum()) == "22212220"
    assert BENCH.evaluate(BENCH.optimum()) == BENCH.optimal_value() == BENCH.evaluate("22212202")
    values = BENCH.values(BENCH.space.all_codes())
    assert (round(values.min(), 2), round(values.max(), 4), len(values)) == (45.36, 93.1267, 6561)
    assert BENCH.regret(values.max()) == 0


def test_equal_cells_have_equal_values_and_costs():
    codes = BENCH.space.all_codes()
    canonical = BENCH.space.canonicalise(codes)
    assert (codes != canonical).any(axis=1).sum() == 6561 - 3969
    for function in (BENCH.runs, BENCH.parameters, BENCH.flops):
        np.testing.assert_array_equal(function(codes), function(canonical))
    # They are no more than what computes the same: hardly any two of them share all three accuracies by chance.
    runs = BENCH.runs(BENCH.space.classes().codes)
    assert len(np.unique(runs, axis=0)) > 3960


def test_measures_and_what_is_known_of_a_cell():
    assert list(BENCH.measures) == ["value", "parameters", "flops"] and BENCH.objective == "test (oracle)"
    cells = BENCH.space.sample(4, rng=0)
    np.testing.assert_array_equal(BENCH.measure("flops", cells), BENCH.flops(cells))
    info = json.loads(json.dumps(BENCH.info("20102202")))
    assert (info["cell"], info["representative"]) == ("20102202", "20120220")
    assert info["value"] == info["test"] == pytest.approx(np.mean(info["runs"]))
    assert repr(BENCH) == "NASBenchMacro('cifar10'): 6561 cells, value = test (oracle) accuracy in percent"


def test_a_search_asks_for_each_network_once():
    study = crlso.search(BENCH, "evolution", budget=300, rng=0, progress=False)
    cells = BENCH.space.codes([trial.cell for trial in study.trials])
    assert len(np.unique(BENCH.space.canonical_key(cells))) == 300
    np.testing.assert_array_equal(BENCH.space.canonicalise(cells), cells)
    assert study.best.value == BENCH.evaluate(study.best.cell)


@pytest.mark.parametrize("wrong", ["0201210", "02012103", "|conv~0|", (0, 1), 12, b"02012100", None])
def test_what_is_no_cell(wrong):
    with pytest.raises((ValueError, TypeError), match="expected"):
        BENCH.evaluate(wrong)
