"""The benchmark of general optimisers: its counts by hand, what it keeps, and what it says is missing."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

import crlso
from benchmarks import general_optimisers, peers, runs
from tests.project.test_benchmark_scripts import run


class Listed:
    """Asks for the cells of a list, and then for the last one again and again."""

    def __init__(self, cells):
        self.cells, self.told = cells, []

    def ask(self):
        return self.cells[min(len(self.told), len(self.cells) - 1)]

    def tell(self, value):
        self.told.append(value)


BENCHMARK = crlso.benchmarks.NASBench201("cifar10")
OTHER, EQUAL = (0, 0, 0, 3, 0, 0), (3, 0, 1, 0, 0, 1)  # a convolution alone, the other one before skip edges
NOTHING, BEST = (0, 0, 0, 0, 0, 0), BENCHMARK.optimum().codes


def test_equal_cells_count_by_one_count_and_not_by_the_other():
    made = Listed([OTHER, EQUAL, OTHER, NOTHING, BEST])
    found = peers.search(lambda: made, BENCHMARK, 4)
    assert found.pop("seconds") >= 0
    assert found == {"all": 5, "distinct": 3, "asked": 5, "different": 3, "repeats": 2}
    nothing, other, best = map(BENCHMARK.evaluate, (NOTHING, OTHER, BEST))
    assert made.told == [other, other, other, nothing, best]  # equal cells get one value
    assert BENCHMARK.evaluate(EQUAL) != other


@pytest.mark.parametrize("budget", [4, 6])
def test_a_search_that_has_found_the_best_cell_fills_its_budget(budget):
    found = peers.search(lambda: Listed([BEST, OTHER]), BENCHMARK, budget)
    assert (found["all"], found["distinct"], found["asked"], found["different"]) == (1, 1, budget, 2)
    assert found["repeats"] == budget - 2


def test_a_search_that_repeats_itself_ends():
    found = peers.search(lambda: Listed([OTHER]), BENCHMARK, 5)
    assert (found["all"], found["distinct"], found["asked"], found["different"]) == (None, None, 15, 1)


def test_methods_of_crlso_are_those_of_a_search():
    study = crlso.search(BENCHMARK, "gp:initial=8", budget=30, rng=3)
    own = general_optimisers.make("gp:initial=8", BENCHMARK.space, 3, 30)
    for trial in study.trials:
        assert own.ask() == trial.cell
        own.tell(trial.value)


def row(dataset, method, seed, every, distinct, repeats=0, different=100):
    names = {"dataset": dataset, "method": method, "version": "1", "seed": seed, "budget": 100}
    return {**names, "all": every, "distinct": distinct, "repeats": repeats, "seconds": 0.5, "different": different}


def test_summaries_by_hand():
    rows = [row("cifar10", "a", 0, 10, 10), row("cifar10", "a", 1, 150, 64, 50), row("cifar10", "a", 2, 90, 80, 10)]
    rows += [row("cifar10", "a", 3, None, None, 100, 1), row("cifar100", "a", 0, 3, 3)]
    found, other = peers.summaries(rows)
    assert (found["dataset"], found["seeds"], found["ended early"]) == ("cifar10", 4, 1)
    assert (found["repeats"], found["seconds"]) == (pytest.approx(0.4), 0.5)
    assert found["all"]["median"] == 90 and found["distinct"]["median"] == 64
    shares = {count: [at["share"] for at in found[count]["at"].values()] for count in ("all", "distinct")}
    assert shares == {"all": [0.25, 0.5], "distinct": [0.5, 0.75]}
    low, high = found["all"]["at"]["100"]["interval"]  # the ends are 1.96 of their standard errors away
    for end in (low, high):
        assert abs(0.5 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 4))
    assert other["all"]["at"]["64"]["share"] == 1.0
    first, *_ = list(peers.table([found]))[2:]
    shares = "25 % (5 to 70) | 50 % (15 to 85) | 50 % (15 to 85) | 75 % (30 to 95)"
    assert first == f"| cifar10 | a | 4 | {shares} | 90 | 64 | 40 % | 500 |"


def test_what_did_not_end_is_said():
    rows = [
        row("cifar10", "a", 0, None, None, 90, 12),
        row("cifar10", "a", 1, 9, 9, 0, 12),
        row("cifar10", "b", 0, 1, 1),
    ]
    (line,) = peers.early(peers.summaries(rows), 100)
    text = "had not asked for 100 distinct cells after 300 queries, nor found the best cell"
    assert line == f"a on cifar10: 1 of 2 searches {text}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--methods", "gp", "tpee"], "--methods: expected names out of cr-lso,"),
        (["--peer-seeds", "smac"], "argument --peer-seeds: invalid seeds_of value: 'smac'"),
    ],
)
def test_unknown_arguments(given, text):
    done = run("peers", *given)
    assert done.returncode == 2 and text in done.stderr


def count(job):
    return {"name": job[0], "seed": job[1], "found": job[1] ** 2}


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_that_are_kept_are_not_made_again(tmp_path, jobs, capsys):
    path = tmp_path / "rows.jsonl"
    keys, text = ("name", "seed"), lambda row: f"seed {row['seed']}"
    first = runs.rows_of(count, [("a", 2), ("a", 1)], keys, jobs=jobs, path=path, text=text)
    assert [row["found"] for row in first] == [4, 1]
    with path.open("a") as file:
        file.write('{"name": "a", "seed": 3, "fou')  # a run that was ended while it wrote
    capsys.readouterr()
    again = runs.rows_of(count, [("a", 3), ("a", 2)], keys, jobs=jobs, path=path, text=text)
    assert [row["found"] for row in again] == [9, 4] and capsys.readouterr().err == "seed 3\n"
    assert sorted(json.loads(line)["seed"] for line in path.read_text().splitlines()) == [1, 2, 3]


@pytest.mark.slow
def test_what_is_not_installed_is_skipped_and_named(tmp_path):
    given = ["--quick", "--methods", "gp", "tpe", "--out", str(tmp_path / "rows.jsonl")]
    done = run("peers", *given, "--json", without="optuna")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["skipped"] == ["tpe"] and [row["method"] for row in found["results"]] == ["gp"]
    assert "tpe: skipped, optuna is not installed: pip install optuna" in done.stderr
    again = run("peers", *given, "--peer-seeds", "gp=1", "tpe=0", without="optuna")
    assert again.returncode == 0 and "best cell at query" not in again.stderr  # nothing was run again
    assert again.stdout.startswith("| data set | method ") and f"crlso {crlso.__version__}" in again.stdout
    nothing = run("peers", "--quick", "--methods", "tpe", without="optuna")
    assert nothing.returncode == 0 and "pip install optuna" in nothing.stderr


@pytest.mark.slow
@pytest.mark.parametrize("method", general_optimisers.PEERS)
def test_a_peer_asks_for_cells_and_a_seed_repeats_it(method):
    missing = [name for name in general_optimisers.PEERS[method].needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    general_optimisers.prepare(method)

    def cells(seed):
        optimiser = general_optimisers.make(method, BENCHMARK.space, seed, 28)
        asked = []
        for _ in range(8):  # of SMAC3 and Ax, the first cells are seven and five
            asked.append(BENCHMARK.space.cell(optimiser.ask()))
            optimiser.tell(BENCHMARK.evaluate(asked[-1]))
        return asked

    assert cells(0) == cells(0) != cells(1)
