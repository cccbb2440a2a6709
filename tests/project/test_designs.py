"""The table of designs: its objectives, its designs with encoders of their own, and its statistics."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest

import crlso

from .test_benchmark_scripts import ROOT, run

# By its path: with the source tree on the import path, the package in it would be tested and not the installed one.
_spec = importlib.util.spec_from_file_location("designs_under_test", ROOT / "benchmarks" / "designs.py")
designs = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = designs  # where dataclasses look for it
_spec.loader.exec_module(designs)


@pytest.mark.parametrize("name", designs.OBJECTIVES)
def test_objectives_are_of_the_cells_that_can_be_asked_for(name):
    objective = designs.Objective(name)
    cells = designs._classes()
    values = objective.validation(cells)
    assert len(cells) == 4930 and np.isfinite(values).all()
    assert objective.evaluate(objective.optimum()) == objective.optimal_value() == values.max()
    other = objective.for_seed(1).validation(cells)
    assert objective.for_seed(1).optimal_value() == other.max()
    if not name.startswith("noise"):
        np.testing.assert_array_equal(other, values)
        return
    mean, sd = designs.Objective("mean").validation(cells), float(name.split()[1])
    assert (values - mean).std() == pytest.approx(sd, rel=0.05) and (other - mean).std() == pytest.approx(sd, rel=0.05)
    assert abs(np.corrcoef(values - mean, other - mean)[0, 1]) < 0.1


@pytest.mark.slow
def test_designs_with_encoders_of_their_own(tmp_path, monkeypatch):
    def train_quickly(kind, space, codes, features, seed):
        if kind == "plain":
            return crlso.models.GraphVAE(space, width=8, latent=6, epochs=1, rng=seed).fit(codes)
        sizes = {"epochs": 1, "latent": 6, "width": 8}
        return designs.shaped_vae(space, codes, features, rng=seed, convex=kind == "shaped", **sizes)

    monkeypatch.setattr(designs, "train_encoder", train_quickly)
    monkeypatch.setattr(designs, "_ENCODERS", 2)
    space = crlso.spaces.NASBench201()
    for kind in designs.KINDS:
        designs.make_encoders(tmp_path, kind, space)
    before = (tmp_path / space.name / "shaped0.npz").stat().st_mtime_ns
    designs.make_encoders(tmp_path, "shaped", space)
    assert (tmp_path / space.name / "shaped0.npz").stat().st_mtime_ns == before
    bench = crlso.benchmarks.NASBench201("cifar10")
    found = {}
    for name, (method, options) in designs.designs(str(tmp_path)).items():
        if method is designs.Design:
            smaller = {"networks": min(2, options.get("networks", 0)), "encoders": min(2, options.get("encoders", 2))}
            study = crlso.search(bench, method, 20, 0, **{**options, **smaller})
            found[name] = [trial.cell for trial in study.trials]
            assert len(set(found[name])) == 20
            assert ("sources" in study.diagnostics) == ("reservoir" in options)
            if options.get("climb") is False:
                assert "local search" not in study.diagnostics["sources"]
    assert len({tuple(cells) for cells in found.values()}) >= len(found) - 1  # designs differ


def test_a_search_that_did_not_arrive_counts_as_one_query_more():
    def step(query, value):
        return {"query": query, "value": value, "test": None}

    record = {"state": "complete", "dataset": "d", "objective": "o", "optimum": 9.0}
    records = [{**record, "seed": 0, "trajectory": [step(1, 5.0), step(7, 9.0)]}]
    records += [{**record, "seed": 1, "trajectory": [step(2, 8.0)]}]
    assert designs.queries_of(records, 20) == {("d", "o", 0): 7, ("d", "o", 1): 21}
    with pytest.raises(RuntimeError, match="a search failed: because"):
        designs.queries_of([{**record, "state": "failed", "error": "because"}], 20)


@pytest.mark.slow
def test_the_command_prints_a_table_and_json():
    done = run("designs", "--dataset", "cifar10", "--seeds", "2", "--budget", "40", "--only", "default", "gp")
    assert done.returncode == 0, done.stderr
    *_, line = done.stdout.splitlines()
    rows = json.loads(line)["rows"]
    assert [(row["design"], row["n"], len(row["shares"])) for row in rows] == [("default", 2, 1), ("gp", 2, 1)]
    assert "| design | queries (+- %) | @32 | p against default |" in done.stdout
