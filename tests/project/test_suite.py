"""The benchmark suite: its statistics by hand, its tasks, and tiny runs."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import types

import numpy as np
import pytest

import crlso
from benchmarks import suite, suite_statistics
from crlso.methods import RandomSearch
from tests.project.test_benchmark_scripts import run


def test_ranks_share_ties():
    scores = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 3.0 + 1e-12], [0.5, 3.0, 3.0]])
    np.testing.assert_allclose(suite_statistics.ranks(scores), [[2.5, 2, 2], [2.5, 1, 2], [1, 3, 2]])


def test_holm():
    # By hand: 4 * .005, then the larger of that and 3 * .01, then 2 * .03, and the last is not smaller than that.
    np.testing.assert_allclose(suite_statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert suite_statistics.holm([0.7, 0.6]) == [1.0, 1.0] and suite_statistics.holm([]) == []


def of(name, **more):
    """A task whose cells have the values 0 to 9."""
    values = np.arange(10.0)
    benchmark = types.SimpleNamespace(name=name, dataset=None, objective="value", for_seed=lambda seed: benchmark)
    return suite.Task(name, benchmark, lambda _: values, **more)


def record(task, label, seed, *steps):
    trajectory = [{"query": query, "value": value, "test": None} for query, value in steps]
    names = {"benchmark": task, "dataset": None, "objective": "value", "optimum": 9.0}
    seconds = {"search": 1.0, "encoders": 2.0, "evaluation": 50.0}
    return {**names, "label": label, "seed": seed, "trajectory": trajectory, "seconds": seconds}


def test_numbers_of_a_task_by_hand():
    records = [
        record("t", "a", 0, (1, 3.0), (4, 9.0)),
        record("t", "a", 1, (1, 5.0), (16, 9.0)),
        record("t", "b", 0, (2, 5.0), (18, 7.0)),
        record("t", "b", 1, (1, 9.0)),
    ]
    found = suite_statistics.standings([of("t")], records, 20)
    (task,), sd = found["tasks"], math.sqrt(99 / 12)
    assert (task["cells"], task["goal"], task["sd"]) == (10, 9.0, pytest.approx(sd))
    a, b = task["rows"]
    assert (a["queries"], a["queries_median"], a["reached"]) == (pytest.approx(8), 10, 1)
    assert (b["queries"], b["reached"]) == (pytest.approx(math.sqrt(21)), 0.5)
    assert a["score"] == pytest.approx(math.log(8))
    assert b["score"] == pytest.approx((math.log(21) + 2 / sd + 0) / 2)
    assert a["rank"] == {"16": pytest.approx(1), "20": pytest.approx(1)}
    assert b["rank"] == {"16": pytest.approx(math.sqrt(5)), "20": pytest.approx(math.sqrt(3))}
    assert b["regret"] == {"16": pytest.approx(2 / sd), "20": pytest.approx(1 / sd)}
    assert (a["seconds"], a["encoder_seconds"]) == (3.0, 2.0)
    assert [row["mean_rank"] for row in found["overall"]] == [1.5, 1.5]
    assert found["overall"][0]["mean_rank_ci"] == [1.0, 2.0] and found["overall"][0]["mean_rank_ci_tasks"] is None
    assert [row["mean_rank_at"]["20"] for row in found["overall"]] == [1.25, 1.75]
    json.dumps(found, allow_nan=False)


def test_of_two_searches_that_did_not_arrive_the_nearer_is_better():
    records = [record("t", "far", 0, (1, 3.0)), record("t", "near", 0, (9, 8.0)), record("t", "there", 0, (20, 9.0))]
    found = suite_statistics.standings([of("t")], records, 20)
    assert [row["mean_rank"] for row in found["overall"]] == [3, 2, 1]
    assert found["overall"][0]["mean_rank_ci"] is None  # of one seed
    assert suite_statistics.text_of(found)
    assert [row["queries"] for row in found["tasks"][0]["rows"]] == pytest.approx([21, 21, 20])


def test_goals_by_rank_and_by_value():
    records = [record("t", "a", 0, (2, 4.0), (3, 7.0), (8, 9.0))]
    for goal, query in (({}, 8), ({"goal_rank": 3}, 3), ({"goal": 4.0}, 2), ({"goal": 3.5}, 2)):
        found = suite_statistics.standings([of("t", **goal)], records, 20)
        assert found["tasks"][0]["rows"][0]["queries"] == pytest.approx(query)
    near = [record("t", "a", 0, (2, 9.0)), record("t", "a", 1, (3, 8.0))]
    (row,) = suite_statistics.standings([of("t", goal_rank=2)], near, 20)["tasks"][0]["rows"]
    assert (row["reached"], row["at_optimum"]) == (1, 0.5)
    text = suite_statistics.text_of(suite_statistics.standings([of("t", goal_rank=2)], near, 20))
    assert text.startswith("goal of t: the 2 best cells\n")
    found = suite_statistics.standings([of("t", best=11.0)], records, 20)
    assert found["tasks"][0]["rows"][0]["regret"]["20"] == pytest.approx(2 / math.sqrt(99 / 12))


def standing(seeds=12):
    """On tasks 1 and 2, a needs fewer queries than b; on task 3, a few more; c is level with a."""
    records = []
    for (task, a, b), seed in itertools.product((("1", 4, 8), ("2", 6, 9), ("3", 21, 20)), range(seeds)):
        queries = {"a": a, "b": b, "c": a}
        records += [record(task, label, seed, (1, 0.5), (query + seed, 9.0)) for label, query in queries.items()]
    return suite_statistics.standings([of("1"), of("2"), of("3")], records, 64)


def test_wins_losses_and_the_worst_case():
    found = standing()
    ab, ac, bc = found["pairs"]
    assert (ab["wins"], ab["losses"]) == (ab["wins_holm"], ab["losses_holm"]) == (["1", "2"], ["3"])
    assert (bc["wins"], bc["losses"]) == (["3"], ["1", "2"]) and not ac["wins"] + ac["losses"]
    a, b, _ = found["overall"]
    assert b["behind"] == ["1", "2"] and a["behind"] == []  # less than a tenth on task 3
    ratio = math.exp(np.mean(np.log([(8 + seed) / (4 + seed) for seed in range(12)])))
    assert b["worst"]["task"] == "1" and b["worst"]["best"] == "a" and b["worst"]["ratio"] == pytest.approx(ratio)
    assert b["worst"]["p"] == pytest.approx(2 / 2**12) and b["worst"]["p_holm"] == pytest.approx(2 * 2 / 2**12)
    assert a["worst"]["task"] == "3" and a["mean_rank"] == pytest.approx((1.5 + 1.5 + 2.5) / 3)
    # All seeds agree: only drawing other tasks moves a mean.
    assert a["mean_rank_ci"] == pytest.approx([a["mean_rank"]] * 2)
    assert a["mean_rank_ci_tasks"] == pytest.approx([1.5, 2.5])
    text = suite_statistics.text_of(found)
    assert text.startswith("task ")  # no goal but the best cells
    assert "a against b: ahead on 2, behind on 1" in text and "x a on 1" in text


def test_two_seeds_show_nothing():
    assert standing(2)["pairs"][0]["wins"] == [] and standing(2)["overall"][1]["behind"] == []


def test_tasks_for_reporting_are_in_no_aggregate():
    tasks = [of("1"), of("2", reporting=True)]
    records = [record("1", "a", 0, (2, 9.0)), record("1", "b", 0, (3, 9.0))]
    records += [record("2", "a", 0, (9, 9.0)), record("2", "b", 0, (1, 9.0))]
    found = suite_statistics.standings(tasks, records, 20)
    assert [row["mean_rank"] for row in found["overall"]] == [1, 2] and len(found["tasks"]) == 2
    alone = suite_statistics.standings(tasks[1:], records[2:], 20)
    assert alone["overall"] == [] and "2 (reporting)" in suite_statistics.text_of(alone)


# -- tasks and runs ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder as that of the real tables, with a few cells each."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "suite").mkdir()
    spaces = {"nasbenchgraph": ("nodes", 6), "transnas_micro": ("edges", 4)}
    names = {
        "nasbenchgraph": ("arxiv", "cora", "physics"),
        "transnas_micro": ("jigsaw", "segmentsemantic", "class_object"),
    }
    for name, (where, nodes) in spaces.items():
        text = f'nodes = {nodes}\noperations = ["conv", "pool"]\noperations_on = "{where}"\nedges = "free"\n'
        (folder / "suite" / f"{name}.toml").write_text(text)
        cells = crlso.spaces.CellSpace(nodes, ["conv", "pool"], where, "free").sample(60, rng=0)
        for table in names[name]:
            space = crlso.spaces.CellSpace(nodes, ["conv", "pool"], where, "free")
            lines = [f'"{cell}",{value}' for value, cell in enumerate(space.cells(cells))]
            content = "\n".join(["cell,value", *lines]).encode()
            (folder / "suite" / f"{name}_{table}.csv.gz").write_bytes(gzip.compress(content))
    return folder


def test_tables_that_are_not_there(tmp_path, monkeypatch, data):
    with pytest.raises(FileNotFoundError, match=r"expected a folder with suite.*CRLSO_SUITE_DATA"):
        suite.tasks(tmp_path, only=["graph cora"])
    monkeypatch.setenv("CRLSO_SUITE_DATA", str(data))
    assert len(suite.tasks(only=["graph cora"])[0].reference(0)) == 60
    monkeypatch.setenv("CRLSO_SUITE_DATA", str(tmp_path))
    assert len(suite.tasks(only=["macro"])[0].reference(0)) == 3969
    assert suite.tasks(only=["nb201 mean"])[0].reference(0).max() == pytest.approx(91.607, abs=1e-3)
    with pytest.raises(ValueError, match=r"expected some of nb201 mean, .*, got nb301"):
        suite.tasks(only=["nb301"])


@pytest.mark.slow
def test_all_tasks_rank_the_values_that_a_search_gets(data):
    tasks = suite.tasks(data, reporting=True)
    assert len(tasks) == len({task.key for task in tasks}) == 18
    assert [task.name for task in tasks if task.reporting] == list(suite.REPORTING)
    assert {*suite.QUICK} < {task.name for task in tasks}
    for task in tasks:
        benchmark = task.benchmark.for_seed(1)
        values = task.reference(1)
        assert (np.diff(values) >= 0).all() and values.std() > 0
        if task.best is None:
            assert benchmark.optimal_value() == pytest.approx(values[-1], abs=1e-9)
        else:
            assert values[-1] < task.goal < task.best
        if benchmark.space.n_cells is not None:
            value = benchmark.evaluate(benchmark.space.cells(benchmark.space.classes().codes[5:6])[0])
            assert np.abs(values - value).min() < 1e-9
        is_noisy = not np.array_equal(np.sort(task.values(task.benchmark.for_seed(2))), values)
        assert task.noisy == is_noisy


class Other(RandomSearch):
    def __init__(self, space, *, shift=1000, rng=0, budget=None):
        super().__init__(space, rng=rng + shift, budget=budget)


def made(space, rng, budget):
    return Other(space, rng=rng, budget=budget)


def test_subclasses_and_factories_under_labels(data, tmp_path):
    chosen = suite.tasks(data, only=["macro", "graph cora"])
    methods = {
        "random": "random",
        "class": Other,
        "same": (Other, {"shift": 0}),
        "made": made,
        "lambda": lambda space, rng, budget: RandomSearch(space, rng=rng, budget=budget),
    }
    found = suite.run(methods, chosen, 3, 20)
    for task in found["tasks"]:
        numbers = {row["method"]: {k: v for k, v in row.items() if k in ("score", "rank")} for row in task["rows"]}
        assert numbers["random"] == numbers["same"] == numbers["lambda"] != numbers["class"] == numbers["made"]
    del methods["lambda"]
    path = tmp_path / "records.jsonl"
    first = suite.run({"made": made}, chosen, 3, 20, path=path)
    lines = path.read_text().splitlines()
    again = suite.run(methods, chosen, 3, 20, path=path)
    assert path.read_text().splitlines()[: len(lines)] == lines and len(lines) == 6
    rows = [[row for row in task["rows"] if row["method"] == "made"] for task in again["tasks"]]
    assert rows == [task["rows"] for task in first["tasks"]]
    assert len(path.read_text().splitlines()) == 6 * 4


class Broken(RandomSearch):
    def _next(self):
        raise ValueError("not today")


def test_a_failed_search_is_an_error(data):
    with pytest.raises(RuntimeError, match=r"2 searches failed, the first of them x on nasbenchmacro, seed 0: .*today"):
        suite.run({"x": Broken, "random": "random"}, suite.tasks(data, only=["macro"]), 2, 10)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cr-lso", "gp", "evolution", "local"])
def test_only_measured_cells_are_asked_for(data, method):
    for task in suite.tasks(data, only=["graph arxiv", "transnas jigsaw"]):
        n = len(task.reference(0))
        study = crlso.search(task.benchmark, method, n, 0)
        assert study.n_queries == n == len({trial.cell for trial in study.trials})
        assert study.best.value == task.reference(0)[-1]


@pytest.mark.slow
def test_the_program(data, tmp_path):
    given = ["--data", str(data), "--seeds", "2", "--budget", "20", "--tasks", "macro,nb201 cifar100"]
    given += ["--out", str(tmp_path / "records.jsonl"), "--json", str(tmp_path / "found.json")]
    for methods in ("random", "random,evolution:population=5:tournament=2"):
        done = run("suite", *given, "--methods", methods)
        assert done.returncode == 0, done.stderr
        found = json.loads((tmp_path / "found.json").read_text())
        assert found["methods"] == methods.split(",") and found["version"] == crlso.__version__
        assert [task["task"] for task in found["tasks"]] == ["macro", "nb201 cifar100"]
    assert "random against evolution:population=5:tournament=2: ahead on" in done.stdout
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 8


@pytest.mark.slow
def test_the_program_says_what_is_missing(tmp_path):
    done = run("suite", "--data", str(tmp_path), "--tasks", "graph cora")
    assert done.returncode == 1 and done.stderr.startswith("error: data: expected a folder with")
