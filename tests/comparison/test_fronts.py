"""Comparisons of fronts: regrets on the scale of tables, what is kept in files, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import crlso
from benchmarks.hardware import Table
from crlso.benchmarks import Function, NASBench201, Tabular
from crlso.comparison import compare
from crlso.comparison.fronts import scale_of
from crlso.methods import METHODS
from crlso.objectives import hypervolume
from crlso.spaces import CellSpace
from crlso.studies.goals import goals_of

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
BENCH = NASBench201("cifar10")
BOTH = ["value", "-latency:pixel3"]


def rows_of(comparison):
    return {(row["method"], row["checkpoint"]): row for row in comparison.to_dict()["results"]}


def test_regrets_are_those_of_the_table_of_all_cells():
    comparison = compare(BENCH, ["random", "nsga2"], seeds=3, budget=24, checkpoints=[8], objectives=BOTH)
    table, rows = Table("cifar10/pixel3"), rows_of(comparison)
    for method in ("random", "nsga2"):
        studies = [crlso.search(BENCH, method, 24, seed, progress=False, objectives=BOTH) for seed in range(3)]
        located = [BENCH.space.classes().locate([trial.cell for trial in study.trials]) for study in studies]
        for mark in (8, 24):
            regrets = [table.regret(found[:mark]) for found in located]
            assert rows[method, mark]["hypervolume_regret_mean"] == pytest.approx(np.mean(regrets))
            low, high = rows[method, mark]["hypervolume_regret_ci"]
            assert min(regrets) - 1e-9 <= low <= high <= max(regrets) + 1e-9
    assert {record["best_volume"] for record in comparison.records} == {table.best}


def test_constraints_bound_the_front_too():
    bounds = {"parameters": 0.5}
    comparison = compare(BENCH, "random", seeds=2, budget=12, objectives=["value", "flops"], constraints=bounds)
    cells = BENCH.space.classes().codes
    cells = cells[BENCH.parameters(cells) <= 0.5]
    points = np.stack([BENCH.validation(cells), np.log(BENCH.measure("flops", cells))], axis=1)
    best = hypervolume(points, [np.median(points[:, 0]), points[:, 1].min()])
    assert {record["best_volume"] for record in comparison.records} == {best}
    assert all(record["constraints"] == {"parameters": "<= 0.5"} for record in comparison.records)
    assert max(record["volumes"][-1]["volume"] for record in comparison.records) <= best


def test_measures_that_are_not_positive_count_as_they_are():
    codes = SPACE.classes().codes[:3]
    table = Tabular(SPACE, codes, [1.0, 2.0, 3.0], measures={"ms": [4.0, 0.0, 1.0], "mj": [1.0, np.e, np.e**2]})
    scale = scale_of(goals_of(table, ["value", "-ms", "mj"]), table)
    assert (scale.is_logarithm, scale.reference) == ((False, False, True), (2.0, -4.0, 0.0))
    assert scale.best == pytest.approx(1.0 * 3.0 * 2.0)


def test_a_front_that_is_not_known_has_no_regret():
    def both(cell):
        return {"value": float(cell.operations.count("conv")), "ms": float(sum(cell.codes))}

    bench = Function(SPACE, both, measures={"ms": None})
    comparison = compare(bench, ["random", "gp:initial=4"], seeds=2, budget=8, objectives=["value", "-ms"])
    assert all(record["volumes"] is None and record["state"] == "complete" for record in comparison.records)
    assert all(row["hypervolume_regret_mean"] is None for row in comparison.to_dict()["results"])


def test_without_objectives_records_are_as_before():
    comparison = compare(BENCH, "random", seeds=1, budget=5)
    assert not {"objectives", "constraints", "volumes"} & set(comparison.records[0])


def test_a_file_keeps_searches_for_other_goals_apart(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    for goals in ({}, {"objectives": BOTH}, {"constraints": {"parameters": 0.5}}, {"constraints": {"parameters": 0.6}}):
        compare(BENCH, "random", seeds=1, budget=5, path=path, **goals)
    assert len(path.read_text().splitlines()) == 4
    monkeypatch.setattr(METHODS["random"], "_next", None)  # no search runs again
    again = compare(BENCH, "random", seeds=1, budget=5, path=path, objectives=BOTH)
    assert again.failures == [] and again.records[0]["volumes"]
    assert json.loads(again.to_json())["results"][0]["hypervolume_regret_mean"] < 100.0


@pytest.mark.slow
def test_processes_find_the_same(tmp_path):
    here, there = (
        compare(BENCH, "random", seeds=2, budget=6, objectives=BOTH, constraints={"parameters": 0.9}, jobs=jobs)
        for jobs in (1, 2)
    )
    assert [record["volumes"] for record in here.records] == [record["volumes"] for record in there.records]


def test_the_default_methods_are_those_for_fronts():
    comparison = compare(BENCH, seeds=1, budget=17, objectives=BOTH)
    assert [record["label"] for record in comparison.records] == ["cr-lso", "gp", "nsga2", "random"]
    assert comparison.failures == []


@pytest.mark.parametrize(
    ("goals", "error", "message"),
    [
        ({"objectives": ["value", "-latency:pixel4"]}, ValueError, "the nearest is 'latency:pixel3'"),
        ({"objectives": "value"}, TypeError, "objectives: expected a sequence of names of measures, got str"),
        ({"objectives": 3}, TypeError, "objectives: expected a sequence of names of measures, got int"),
        ({"objectives": ["value", "test"]}, ValueError, "expected no test accuracy"),
        ({"constraints": {"parameters": ">= 2, <= 1"}}, ValueError, "expected bounds that a number can satisfy"),
        ({"constraints": {"parameters": 0.0}}, ValueError, "expected a cell that satisfies them, got none"),
        ({"objectives": BOTH, "methods": ["local"]}, ValueError, "expected 'value' alone for the method local"),
        ({"constraints": {"value": ">= 90"}, "methods": ["local"]}, ValueError, "known without a query for the method"),
    ],
)
def test_wrong_goals(goals, error, message):
    with pytest.raises(error, match=message):
        compare(BENCH, **{"methods": "random", "seeds": 1, "budget": 5, **goals})
