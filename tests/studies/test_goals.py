"""Searches for fronts and under constraints: what is asked for, kept and refused."""

from __future__ import annotations

import logging
import math
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crlso.benchmarks import Function, NASBench201, NASBench301, Tabular
from crlso.history import Measurement
from crlso.methods import METHODS
from crlso.objectives import front
from crlso.spaces import CellSpace
from crlso.studies import EvaluationError, Study, known_front, search

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
BENCH = NASBench201("cifar10")
BOTH = ["value", "-latency:pixel3"]


def size(cell):
    return float(len(cell.graphs[0].edges))


def value(cell):
    return 80.0 + 3.0 * cell.operations.count("conv") + 0.01 * sum(i * code for i, code in enumerate(cell.codes))


def mine(f=value, **measures):
    return Function(SPACE, f, name="mine", measures={"size": size, **measures})


# -- fronts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cr-lso", "gp", "nsga2", "random"])
def test_a_search_for_a_front(method):
    study = search(BENCH, method, 30, 1, progress=False, objectives=BOTH)
    assert study.objectives == ("value", "-latency:pixel3") and study.constraints == {}
    points = np.array([[trial.value, -trial.measurement.objectives["latency:pixel3"]] for trial in study.trials])
    cells = [trial.cell for trial in study.trials]
    np.testing.assert_array_equal(-points[:, 1], BENCH.latency(cells, "pixel3"))
    assert [trial.number for trial in study.front] == front(points).tolist()
    assert study.best is study.front[0]
    assert all(trial.test == BENCH.test([trial.cell])[0] for trial in study.front)
    found = study.to_dict()["front"]
    assert [entry["value"] for entry in found] == [trial.value for trial in study.front]
    assert found[0]["objectives"] == study.front[0].measurement.objectives


def test_half_of_the_front_is_found_soon():
    study = search(BENCH, "cr-lso", 60, 0, progress=False, objectives=BOTH)
    known = known_front(BENCH, BOTH)
    reference = {"value": 80.0, "latency:pixel3": 30.0}
    whole = Study("table", None, "all", seed=0, budget=len(known), objectives=BOTH)
    for i, (accuracy, ms) in enumerate(known.tolist()):
        measured = Measurement(accuracy, {"latency:pixel3": ms})
        whole.history.tell(whole.history.ask(f"cell {i}", [i], i), measured)
    assert 0.95 * whole.hypervolume(reference) < study.hypervolume(reference) < whole.hypervolume(reference)
    assert len(whole.front) == len(known)


def test_the_value_alone_is_the_search_without_objectives():
    usual, named = (search(BENCH, "gp", 20, 3, progress=False, objectives=names) for names in (None, ["value"]))
    assert [trial.cell for trial in usual.trials] == [trial.cell for trial in named.trials]
    assert usual.front == [usual.best] and usual.optimum == named.optimum


def test_queried_objectives_and_more_than_two():
    def evaluate(cell):
        return {"value": value(cell), "ms": float(sum(cell.codes))}

    bench = mine(evaluate, ms=None)
    study = search(bench, "nsga2", 30, 0, progress=False, objectives=["-ms", "value", "-size"])
    assert len(study.front) > 2 and study.trials[0].measurement.objectives["size"] == size(study.trials[0].cell)
    assert list(study.trials_dataframe().columns)[-2:] == ["ms", "size"]
    assert study.hypervolume({"value": 80.0, "ms": 20.0, "size": 9.0}) == study.hypervolume([20.0, 80.0, 9.0]) > 0


def many(cell):
    return {"value": value(cell), "ms": float(sum(cell.codes)), "mj": float(3 * cell.codes[0] + cell.codes[-1])}


@pytest.mark.parametrize("method", ["gp:initial=8:batch=1", "gp:initial=8", "cr-lso"])
@pytest.mark.parametrize(
    "objectives",
    [["value", "-ms"], ["-mj", "value", "-size"], ["-size", "value", "-ms", "-mj"], ["value", "-size", "weight"]],
)
def test_two_to_four_objectives_known_and_queried(objectives, method):
    bench = mine(many, ms=None, mj=None, weight=lambda cell: 1.0 + cell.codes[1])
    study = search(bench, method, 24, 0, progress=False, objectives=objectives)
    assert study.n_queries == 24 and len({str(trial.cell) for trial in study.trials}) == 24
    signs = [-1.0 if text[0] == "-" else 1.0 for text in objectives]
    points = np.array(
        [
            [sign * trial.measurement.number(text.strip("-")) for sign, text in zip(signs, objectives, strict=True)]
            for trial in study.trials
        ]
    )

    def dominates(a, b):
        return (a >= b).all() and (a > b).any()

    best = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    numbers = {trial.number for trial in study.front}
    assert numbers <= set(best) and {tuple(points[i]) for i in best} == {tuple(points[i]) for i in numbers}
    reference = points.min(axis=0) - 1.0
    drawn = np.random.default_rng(0).uniform(reference, points.max(axis=0), (40_000, len(signs)))
    share = (drawn[:, None] < points[sorted(numbers)]).all(axis=2).any(axis=1).mean()
    volume = share * np.prod(points.max(axis=0) - reference)
    assert study.hypervolume(reference * signs) == pytest.approx(volume, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cr-lso", "gp"])
def test_learned_objectives_lead_to_larger_fronts_than_random_search(method):
    def evaluate(cell):
        numbers = BENCH.measure("latency:pixel3", [cell]), BENCH.measure("latency:fpga", [cell])
        return {"value": BENCH.evaluate(cell), "ms": float(numbers[0][0]), "fpga": float(numbers[1][0])}

    bench = Function(BENCH.space, evaluate, name="queried", measures={"ms": None, "fpga": None})
    for objectives, reference in ((["value", "-ms"], [80.0, 30.0]), (["value", "-ms", "-fpga"], [80.0, 30.0, 20.0])):
        volumes = [
            [
                search(bench, name, 50, seed, progress=False, objectives=objectives).hypervolume(reference)
                for seed in range(3)
            ]
            for name in (method, "random")
        ]
        assert min(volumes[0]) > max(volumes[1])


@pytest.mark.parametrize("method", ["gp:initial=8", "cr-lso"])
def test_a_killed_search_with_learned_objectives_and_bounds_goes_on(method, tmp_path):
    path, bench = tmp_path / "run.jsonl", mine(many, ms=None, mj=None)
    goals = {"objectives": ["value", "-ms", "-size"], "constraints": {"mj": 5}}
    expected = search(bench, method, 22, 0, progress=False, journal=path, **goals)
    assert 0 < expected.n_infeasible < 22
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:32]))
    again = search(bench, method, 22, 0, progress=False, journal=path, **goals)
    assert again.history == expected.history
    assert [trial.number for trial in again.front] == [trial.number for trial in expected.front]


def test_workers_and_pending_cells_with_learned_objectives():
    bench = mine(many, ms=None, mj=None)
    goals = {"objectives": ["value", "-ms"], "constraints": {"mj": 7}}
    study = search(
        bench, "gp:initial=6", 16, 0, progress=False, executor=ThreadPoolExecutor(3), deterministic=True, **goals
    )
    assert len({str(trial.cell) for trial in study.trials}) == 16 and study.front


def test_an_evaluation_that_lacks_a_measure_has_failed():
    def evaluate(cell):
        return {"value": value(cell), "ms": 1.0} if sum(cell.codes) % 2 else value(cell)

    study = search(mine(evaluate, ms=None), "random", 20, 0, progress=False, objectives=["value", "-ms"])
    states = {trial.state: trial for trial in study.trials}
    assert "ms: expected a number, got none from the evaluation" in states["failed"].error
    assert all(trial.measurement.objectives["ms"] == 1.0 for trial in study.front)
    with pytest.raises(EvaluationError, match="value: expected a number by the name 'value', got ms"):
        search(mine(lambda cell: {"ms": 1.0}, ms=None), "random", 20, 0, progress=False)
    nan = mine(lambda cell: {"value": 1.0, "ms": math.nan}, ms=None)
    for goals in ({"objectives": ["value", "-ms"]}, {"constraints": {"ms": 3}}):
        for method in ("random", "gp"):
            with pytest.raises(EvaluationError, match="ms: expected a finite number, got nan"):
                search(nan, method, 3, 0, progress=False, **goals)


def test_known_results_get_the_numbers_that_are_known():
    cells = SPACE.cells(SPACE.classes().codes[:6])
    known = [(cell, value(cell)) for cell in cells]
    study = search(mine(), "gp", 5, 0, progress=False, objectives=["value", "-size"], known=known)
    observed = [trial for trial in study.trials if not trial.asked]
    assert [trial.measurement.objectives["size"] for trial in observed] == [size(cell) for cell in cells]
    with pytest.raises(ValueError, match="known: ms: expected a number, got none from the evaluation"):
        search(mine(ms=None), "nsga2", 5, 0, progress=False, objectives=["value", "-ms"], known=known)


def test_a_large_space_against_parameters():
    bench = NASBench301.standin()
    studies = [
        search(bench, method, 24, 0, progress=False, objectives=["value", "-parameters"], **options)
        for method, options in (("gp", {"initial": 8, "batch": 1, "candidates": 300}), ("random", {}))
    ]
    first, second = (study.hypervolume([90.0, 1.6]) for study in studies)
    assert first > second


# -- constraints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [method for method in METHODS if method != "cr-lso-paper"])
def test_no_query_is_spent_on_a_cell_that_breaks_a_bound(method):
    bounds = {
        "latency:pixel3": 6.0,
        "parameters": ">= 0.1, <= 0.6",
        "few pools": lambda cell: "none" in cell.operations,
    }
    study = search(BENCH, method, 40, 2, progress=False, constraints=bounds)
    cells = [trial.cell for trial in study.trials]
    assert (BENCH.latency(cells, "pixel3") <= 6.0).all() and study.n_infeasible == 0
    parameters = BENCH.parameters(cells)
    assert ((parameters >= 0.1) & (parameters <= 0.6)).all()
    assert all("none" in cell.operations for cell in cells)
    assert study.trials[0].measurement.constraints == {
        "latency:pixel3": BENCH.latency(cells, "pixel3")[0],
        "parameters": parameters[0],
    }
    assert study.constraints["parameters"] == ">= 0.1, <= 0.6" and "few pools" in study.constraints


@pytest.mark.parametrize("method", ["random", "evolution", "local", "nsga2", "gp"])
def test_a_bound_that_few_cells_of_a_large_space_satisfy(method):
    bench = NASBench301.standin()
    options = {"gp": {"initial": 4, "candidates": 100}, "nsga2": {"population": 5}}.get(method, {})
    least = 0.55  # of 20,000 random cells, the smallest has 0.6 million
    study = search(bench, method, 12, 0, progress=False, constraints={"parameters": least}, **options)
    assert (bench.parameters([trial.cell for trial in study.trials]) <= least).all()


def test_the_best_cell_and_the_optimum_are_those_within_the_bounds():
    study = search(BENCH, "cr-lso", 64, 0, progress=False, constraints={"latency:pixel3": 5.0})
    cells = BENCH.space.classes().codes
    allowed = cells[BENCH.latency(cells, "pixel3") <= 5.0]
    assert study.optimum == BENCH.validation(allowed).max() == study.best.value
    assert BENCH.optimal_value() > study.optimum


def test_results_beyond_the_bounds_are_left_out(caplog):
    cells = SPACE.cells(SPACE.classes().codes)
    known = [(cell, value(cell)) for cell in cells[:20]]
    with caplog.at_level(logging.WARNING, "crlso.search"):
        study = search(mine(), "random", 3, 0, progress=False, constraints={"size": 3}, known=known)
    assert all(size(trial.cell) <= 3 for trial in study.trials)
    assert "are not in the space and were left out" in caplog.text


def test_a_budget_is_at_most_the_cells_within_the_bounds():
    table = Tabular(SPACE, SPACE.classes().codes[:5], range(5), measures={"ms": [1.0, 2.0, 3.0, 4.0, 5.0]})
    study = search(table, "random", 2, 0, progress=False, constraints={"ms": "<= 2"})
    assert sorted(trial.value for trial in study.trials) == [0.0, 1.0]
    with pytest.raises(ValueError, match="budget: expected at most 2"):
        search(table, "random", 3, 0, progress=False, constraints={"ms": 2})


def with_ms(cell):
    return {"value": value(cell), "ms": float(sum(cell.codes))}


@pytest.mark.parametrize("method", ["random", "evolution", "nsga2", "gp"])
def test_bounds_of_queried_measures(method, tmp_path):
    path, saved = tmp_path / "run.jsonl", tmp_path / "study.json"
    goals = {"constraints": {"ms": ">= 2, <= 5", "size": 5}}
    study = search(mine(with_ms, ms=None), method, 24, 0, progress=False, journal=path, **goals)
    ms = np.array([sum(trial.cell.codes) for trial in study.trials])
    allowed = (ms >= 2) & (ms <= 5)
    assert allowed.any() and not allowed.all()
    assert study.n_infeasible == (~allowed).sum() == study.to_dict()["n_infeasible"]
    assert f"24 of 24, {study.n_infeasible} not feasible" in str(study)
    good = [trial for trial, is_allowed in zip(study.trials, allowed, strict=True) if is_allowed]
    assert study.best.value == max(trial.value for trial in good) == study.trajectory[-1]["value"]
    assert study.optimum is None and study.front == [study.best]
    assert study.trials[0].measurement.constraints == {"ms": float(ms[0]), "size": size(study.trials[0].cell)}
    assert study.trials[0].measurement.objectives == {}
    study.save(saved)
    for other in (Study.load(saved), Study.open(path), pickle.loads(pickle.dumps(study))):
        assert (other.best.cell, other.n_infeasible) == (study.best.cell, study.n_infeasible)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:31]))
    assert search(mine(with_ms, ms=None), method, 24, 0, progress=False, journal=path, **goals).history == study.history
    with pytest.raises(ValueError, match="constraints: expected"):
        search(mine(with_ms, ms=None), method, 24, 0, progress=False, journal=path, constraints={"ms": 5, "size": 5})


def test_an_objective_may_have_a_bound_and_so_may_the_value():
    goals = {"objectives": ["value", "-ms"], "constraints": {"ms": 6, "value": ">= 84"}}
    study = search(mine(with_ms, ms=None), "nsga2", 30, 0, progress=False, **goals)
    assert study.n_infeasible > 0
    assert all(trial.value >= 84 and sum(trial.cell.codes) <= 6 for trial in study.front)
    measured = study.trials[0].measurement
    assert measured.objectives["ms"] == measured.constraints["ms"]


def test_targets_are_reached_by_feasible_cells():
    study = search(mine(with_ms, ms=None), "random", 40, 0, progress=False, constraints={"ms": 4}, target=85.0)
    first = next(t for t in study.trials if t.value >= 85.0 and sum(t.cell.codes) <= 4)
    assert study.state == "stopped" and study.trials[-1] is first
    assert any(trial.value >= 85.0 for trial in study.trials[:-1])


def test_an_evaluation_that_lacks_a_bounded_measure_has_failed():
    def evaluate(cell):
        return with_ms(cell) if sum(cell.codes) % 2 else value(cell)

    study = search(mine(evaluate, ms=None), "random", 20, 0, progress=False, constraints={"ms": 5})
    failed = [trial for trial in study.trials if trial.state == "failed"]
    assert "ms: expected a number, got none from the evaluation" in failed[0].error
    assert len(failed) == sum(sum(trial.cell.codes) % 2 == 0 for trial in study.trials)
    assert study.n_infeasible == sum(trial.state == "complete" and sum(trial.cell.codes) > 5 for trial in study.trials)


def test_a_search_without_a_feasible_cell_has_no_best_one():
    study = search(mine(with_ms, ms=None), "random", 10, 0, progress=False, constraints={"ms": -1})
    assert (study.state, study.n_infeasible, study.front) == ("complete", 10, [])
    assert study.to_dict()["best"]["value"] is None and "10 not feasible" in str(study)
    with pytest.raises(ValueError, match="best: expected a complete trial that satisfies the constraints, got none"):
        _ = study.best


def test_known_results_must_have_the_bounded_measures():
    cells = SPACE.cells(SPACE.classes().codes[:6])
    bench, goals = mine(with_ms, ms=None), {"constraints": {"ms": 5}}
    told = [(cell, Measurement(value(cell), {"ms": 4.0})) for cell in cells]
    assert search(bench, "gp", 5, 0, progress=False, known=told, **goals).n_queries == 5
    with pytest.raises(ValueError, match="known: ms: expected a number, got none from the evaluation"):
        search(bench, "gp", 5, 0, progress=False, known=[(cell, value(cell)) for cell in cells], **goals)


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_a_study_keeps_its_goals(tmp_path):
    path, saved = tmp_path / "run.jsonl", tmp_path / "study.json"
    goals = {"objectives": BOTH, "constraints": {"parameters": 0.9}}
    study = search(BENCH, "gp", 20, 0, progress=False, journal=path, **goals)
    study.save(saved)
    for other in (Study.load(saved), Study.open(path), pickle.loads(pickle.dumps(study))):
        assert (other.objectives, other.constraints) == (tuple(BOTH), {"parameters": "<= 0.9"})
        assert [trial.number for trial in other.front] == [trial.number for trial in study.front]
        assert [trial.test for trial in other.front] == [trial.test for trial in study.front]
        assert other.hypervolume([80.0, 30.0]) == study.hypervolume([80.0, 30.0])
    text = str(study)
    assert f"{len(study.front)} cells by value, -latency:pixel3" in text and "parameters <= 0.9" in text
    frame = study.trials_dataframe()
    assert list(frame.columns)[-2:] == ["parameters", "latency:pixel3"]
    table = Tabular.from_csv(frame.to_csv(index=False), BENCH.space)
    cells = [trial.cell for trial in study.trials]
    np.testing.assert_allclose(table.measure("latency:pixel3", cells), BENCH.latency(cells, "pixel3"))
    assert "latency:pixel3" in study.trials[0]._repr_html_()


@pytest.mark.parametrize("method", ["cr-lso", "gp", "nsga2"])
def test_a_killed_search_for_a_front_goes_on(method, tmp_path):
    path = tmp_path / "run.jsonl"
    goals = {"objectives": BOTH, "constraints": {"parameters": 0.9}}
    expected = search(BENCH, method, 26, 0, progress=False, journal=path, **goals)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:36]))
    again = search(BENCH, method, 26, 0, progress=False, journal=path, **goals)
    assert again.history == expected.history


def test_a_journal_of_other_goals_is_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    search(mine(), "random", 5, 0, progress=False, journal=path, objectives=["value", "-size"], constraints={"size": 4})
    for goals, message in (
        ({"constraints": {"size": 4}}, r"objectives: expected \['value', '-size'\], got \['value'\]"),
        ({"objectives": ["value", "-size"]}, r"constraints: expected \{'size': '<= 4.0'\}, got \{\}"),
        ({"objectives": ["value", "-size"], "constraints": {"size": 3}}, "constraints: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            search(mine(), "random", 6, 0, progress=False, journal=path, **goals)


def test_a_journal_of_another_function_is_refused(tmp_path):
    path, bench = tmp_path / "run.jsonl", NASBench301.standin()
    first = {"no pools": lambda cell: "max_pool_3x3" not in cell.operations}
    other = {"no pools": lambda cell: "avg_pool_3x3" not in cell.operations}
    search(bench, "random", 3, 0, progress=False, journal=path, constraints=first)
    search(bench, "random", 4, 0, progress=False, journal=path, constraints=first)
    with pytest.raises(ValueError, match="space: expected the one of the journal"):
        search(bench, "random", 5, 0, progress=False, journal=path, constraints=other)


def test_a_journal_without_goals_is_of_a_search_for_the_value():
    from crlso.journal import difference

    before = {"method": "gp", "seed": 0, "options": {}, "fingerprint": {}}
    assert difference(before, {**before, "objectives": ["value"], "constraints": {}}) is None


def test_workers_measure_the_same(tmp_path):
    pytest.importorskip("loky")
    goals = {"objectives": BOTH, "constraints": {"parameters": 0.9}}
    here, there = (
        search(BENCH, "nsga2", 8, 0, progress=False, **goals, **more)
        for more in ({}, {"workers": 1, "deterministic": True})
    )
    assert here.history.to_dict()["trials"] == there.history.to_dict()["trials"]


# -- what is refused, before the first query ---------------------------------------------------------------------------


def never(cell):
    raise AssertionError("a query")


@pytest.mark.parametrize(
    ("goals", "error", "message"),
    [
        (
            {"objectives": ["value", "-siz"]},
            ValueError,
            "objectives: expected a measure of the benchmark, got 'siz'; the",
        ),
        ({"objectives": ["value", "test"]}, ValueError, "objectives: expected no test accuracy, by which a search may"),
        ({"objectives": ["value", "size", "-size"]}, ValueError, "expected each measure once, got 'size' again"),
        ({"objectives": ["-size"]}, ValueError, "objectives: expected 'value' among them, got -size"),
        ({"objectives": []}, ValueError, "objectives: expected 'value' among them, got none"),
        ({"objectives": ["-value", "size"]}, ValueError, "expected 'value', which is maximised, got '-value'"),
        ({"objectives": "value"}, TypeError, "objectives: expected a sequence of names of measures, got str"),
        ({"objectives": [3]}, TypeError, "objectives: expected names of measures, got int"),
        ({"objectives": 3}, TypeError, "objectives: expected a sequence of names of measures, got int"),
        ({"constraints": {"value": ">= nan"}}, ValueError, "expected a finite number after <= or >=, got 'nan'"),
        ({"constraints": {"value": ">= 2, <= 1"}}, ValueError, "expected bounds that a number can satisfy"),
        ({"objectives": ["value", "-holes"]}, ValueError, "holes: expected a number for each cell, got NaN for"),
        ({"constraints": {"sise": 3}}, ValueError, "constraints: expected a measure .*; the nearest is 'size'"),
        ({"constraints": {"test": 3}}, ValueError, "constraints: expected no test accuracy"),
        ({"constraints": {"size": ">= 3, <= 2"}}, ValueError, "expected bounds that a number can satisfy"),
        ({"constraints": {"size": math.nan}}, ValueError, "expected a finite number, got nan"),
        ({"constraints": {"size": 0}}, ValueError, "constraints: expected a cell that satisfies them, got none of"),
        ({"constraints": {"holes": 3}}, ValueError, "holes: expected a number for each cell, got NaN for"),
        ({"constraints": [("size", 3)]}, TypeError, "constraints: expected a mapping of measures to bounds, got list"),
        ({"constraints": {3: 3}}, TypeError, "constraints: expected names of measures, got int"),
        ({"constraints": {"mine": lambda cell: 1}}, TypeError, "expected a function that returns a bool, got int"),
    ],
)
def test_wrong_goals(goals, error, message):
    bench = mine(never, holes=lambda cell: math.nan if size(cell) > 3 else 1.0)
    with pytest.raises(error, match=message):
        search(bench, "random", 5, 0, progress=False, **goals)


def test_what_is_no_benchmark():
    for given in (None, "cifar10", {"space": SPACE}):
        with pytest.raises(TypeError, match="benchmark: expected an object with `space` and `evaluate"):
            known_front(given, ["value"])
    with pytest.raises(TypeError, match="measure: expected the name of a measure, got int"):
        mine(never).measure(3, [])


@pytest.mark.parametrize("method", ["local", "cr-lso-paper"])
def test_methods_without_learned_constraints_refuse_them(method):
    message = f"constraints: expected measures that are known without a query for the method {method}, got ms"
    with pytest.raises(ValueError, match=message):
        search(mine(never, ms=None), method, 5, 0, progress=False, constraints={"ms": 3, "size": 4})


def test_fronts_under_bounds_that_are_not_known():
    with pytest.raises(ValueError, match="constraints: expected measures that are known, got ms"):
        known_front(mine(ms=None), ["value", "-size"], {"ms": 3})


@pytest.mark.parametrize("method", ["local", "evolution", "cr-lso-paper"])
def test_methods_for_the_value_alone_refuse_a_front(method):
    with pytest.raises(ValueError, match=f"objectives: expected 'value' alone for the method {method}, got 2"):
        search(mine(never), method, 5, 0, progress=False, objectives=["value", "-size"])


@pytest.mark.parametrize("method", ["cr-lso", "gp"])
def test_five_objectives_are_too_many_for_surrogates(method):
    bench = mine(never, **dict.fromkeys("abcd"))
    with pytest.raises(ValueError, match="expected 'value' and at most 3 other measures, got value, a, b, c, d"):
        search(bench, method, 5, 0, progress=False, objectives=["value", *"abcd"])


def test_wrong_references():
    study = search(mine(), "random", 5, 0, progress=False, objectives=["value", "-size"])
    for wrong in ([1.0], [1.0, 2.0, 3.0], {"value": 1.0}, {"value": 1.0, "ms": 2.0}):
        with pytest.raises(ValueError, match="reference: expected a number for each of value, size"):
            study.hypervolume(wrong)
    with pytest.raises(ValueError, match=r"reference\['size'\]: expected a finite number, got nan"):
        study.hypervolume([80.0, math.nan])


def test_fronts_that_are_not_known():
    with pytest.raises(TypeError, match="benchmark: expected one that knows the value of all cells"):
        known_front(mine(), ["value", "-size"])
    with pytest.raises(TypeError, match="benchmark: expected one that knows the value of all cells"):
        known_front(NASBench301.standin(), ["value", "-parameters"])
