"""Comparisons: statistics by hand, files that a run goes on with, processes, failures, the command."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso import cli
from crlso.benchmarks import Function, NASBench201, Tabular
from crlso.cli import compare as cli_compare
from crlso.comparison import Comparison, compare, parse_method
from crlso.comparison.records import _interrupts_wait
from crlso.methods import METHODS, RandomSearch
from crlso.spaces import CellSpace

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
KEYS = {"benchmark", "dataset", "objective", "seeds", "budget", "results", "queries_to_optimum", "seconds_per_query"}
ROW = {"method", "checkpoint", "n", "at_optimum"} | {
    f"{what}_{how}" for what in ("value", "test", "regret") for how in ("mean", "median", "sd", "ci")
}


def table(name="mine", with_test=True):
    codes = SPACE.all_codes()
    values = np.random.default_rng(0).permutation(len(codes)) / 2 + 50.0
    return Tabular(SPACE, codes, values, values - 1.0 if with_test else None, name=name)


def plain(comparison):
    """The document without times."""
    document = comparison.to_dict()
    return [
        {key: value for key, value in part.items() if key != "seconds_per_query"}
        for part in document.get("comparisons", [document])
    ]


class Failing(RandomSearch):
    name = "failing"

    def _next(self):
        if self.stream.integers("fails", 0, 1, 3)[0] == 0:
            raise RuntimeError("no idea")
        return super()._next()


# -- statistics ---------------------------------------------------------------------------------------------------


def record(label, seed, trajectory, **more):
    return {
        "benchmark": "b",
        "dataset": None,
        "objective": "value",
        "method": label,
        "label": label,
        "seed": seed,
        "budget": 10,
        "state": "complete",
        "trajectory": [dict(zip(("query", "value", "test"), step)) for step in trajectory],
        "optimum": 9.0,
        "n_queries": 10,
        "seconds": {"training": 0.3, "search": 0.2, "evaluation": 100.0},
        **more,
    }


RECORDS = [
    record("a", 0, [[1, 5.0, 4.0], [4, 9.0, 8.0]]),
    record("a", 1, [[2, 7.0, 7.5]]),
    record("a", 2, [[1, 6.0, 6.0], [9, 9.0, 8.5]]),
    record("b", 0, [[1, 6.0, 5.0]]),
    record("b", 1, [[1, 1.0, 1.0], [3, 8.0, 7.0]]),
    record("b", 2, [], state="failed"),
]


def test_statistics_by_hand():
    document = Comparison(RECORDS, (1, 4, 10)).to_dict()
    rows = {(row["method"], row["checkpoint"]): row for row in document["results"]}
    assert list(rows) == [("a", 1), ("a", 4), ("a", 10), ("b", 1), ("b", 4), ("b", 10)]
    assert all(set(row) == ROW for row in rows.values())
    first = rows["a", 1]  # seed 1 has found nothing yet
    assert (first["n"], first["value_mean"], first["test_mean"], first["regret_mean"]) == (2, 5.5, 5.0, 3.5)
    middle = rows["a", 4]
    assert (middle["n"], middle["value_median"], middle["test_median"], middle["regret_median"]) == (3, 7.0, 7.5, 2.0)
    assert middle["value_mean"] == pytest.approx(22 / 3)
    assert middle["value_sd"] == pytest.approx(np.sqrt(((9 - 22 / 3) ** 2 + (7 - 22 / 3) ** 2 + (6 - 22 / 3) ** 2) / 2))
    assert 6.0 <= middle["value_ci"][0] < 22 / 3 < middle["value_ci"][1] <= 9.0
    assert middle["regret_ci"] == pytest.approx([9 - middle["value_ci"][1], 9 - middle["value_ci"][0]])
    assert [rows["a", mark]["at_optimum"] for mark in (1, 4, 10)] == pytest.approx([0, 1 / 3, 2 / 3])
    assert [rows["b", mark]["at_optimum"] for mark in (1, 4, 10)] == [0.0, 0.0, 0.0]
    assert document["queries_to_optimum"] == {"a": {"median": 9, "q90": None}, "b": {"median": None, "q90": None}}
    assert document["seconds_per_query"] == pytest.approx({"a": 0.05, "b": 0.05})
    # Seeds 0 and 1 have both: differences 3 and -1 at the end, so no sum of ranks is out of the ordinary.
    assert document["paired"][-1] == {"a": "a", "b": "b", "checkpoint": 10, "p": 1.0}
    assert (document["seeds"], document["failed"]) == (3, 1)


def test_what_does_not_exist_is_null():
    records = [record("a", 0, [[1, 5.0, None]], optimum=None), record("b", 1, [[3, 5.0, 2.0]], optimum=None)]
    document = json.loads(Comparison(records, (2, 10)).to_json())
    empty = next(row for row in document["results"] if (row["method"], row["checkpoint"]) == ("b", 2))
    assert {key for key, value in empty.items() if value is None} == ROW - {"method", "checkpoint", "n"}
    full = document["results"][1]
    assert [full[key] for key in ("value_mean", "value_sd", "value_ci", "test_mean", "at_optimum")] == [
        5.0,
        *[None] * 4,
    ]
    assert [pair["p"] for pair in document["paired"]] == [None, None]
    assert "optimum by" not in str(Comparison(records, (2, 10)))


def test_shares_of_sources():
    records = [record("a", 0, [[1, 5.0, 4.0]], sources={"noise": 3, "gradient": 1})]
    records += [record("a", 1, [[1, 5.0, 4.0]], sources={"noise": 4}), record("b", 0, [[1, 5.0, 4.0]])]
    comparison = Comparison(records, (10,))
    assert comparison.to_dict()["sources"] == {"a": {"gradient": 0.125, "noise": 0.875}, "b": None}
    assert "a: cells from gradient 12 %, noise 88 %" in str(comparison)
    bench = crlso.benchmarks.NASBench301.standin()
    (row,) = compare(bench, "gp:candidates=30", seeds=1, budget=19).records
    assert sum(row["sources"].values()) == 3  # 16 cells come before the first choice


def test_one_record_per_search_and_what_is_in_it(tmp_path):
    bench = table()
    path = tmp_path / "results.jsonl"
    result = compare(bench, ["random", "evolution:population=5:tournament=2"], 3, 12, path=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(result.records) == 6
    for line in lines:
        study = crlso.search(bench, line["method"], 12, line["seed"], progress=False, **line["options"])
        assert line["trajectory"] == study.trajectory
        assert line["cell"] == str(study.best.cell)
        assert line["optimum"] == bench.evaluate(bench.optimum())
        assert (line["benchmark"], line["objective"], line["budget"], line["n_queries"]) == (
            "mine",
            "value",
            12,
            12,
        )
    assert {json.dumps(line["options"]) for line in lines} == {"{}", '{"population": 5, "tournament": 2}'}


def test_several_benchmarks_and_tables():
    result = compare([table("one"), table("two", with_test=False)], {"r": "random", "l": ("local", {})}, [3, 8], 10)
    document = result.to_dict()
    assert set(document) == {"comparisons", "version"}
    assert [part["benchmark"] for part in document["comparisons"]] == ["one", "two"]
    assert all(row["test_mean"] is None for row in document["comparisons"][1]["results"])
    assert len(result.table()) == 4
    assert {row["method"] for row in result.table()} == {"r", "l"}
    text, html = str(result), result._repr_html_()
    for part in ("one: 2 seeds, 10 queries", "two: 2 seeds", "r against l: p = "):
        assert part in text and part in html
    assert html.count("<table>") == html.count("</table>") == 2
    assert repr(result) == "Comparison(r, l: 8 searches, 0 failed)"


def test_checkpoints():
    bench = NASBench201("cifar10")
    marks = [row["checkpoint"] for row in compare(bench, "random", 1, 130).to_dict()["results"]]
    assert marks == [32, 64, 100, 128, 130]
    marks = [row["checkpoint"] for row in compare(bench, "random", 1, 64, checkpoints=[5, 64, 100]).table()]
    assert marks == [5, 64]


# -- files --------------------------------------------------------------------------------------------------------


def counted(calls):
    class Counted(RandomSearch):
        name = "counted"

        def __init__(self, space, *, rng=0, budget=None, extra=0):
            super().__init__(space, rng=rng, budget=budget)
            self.rng = rng

        def _next(self):
            if not self.trials:
                calls.append(self.rng)
            return super()._next()

    return Counted


def test_a_run_goes_on_where_a_file_ends(tmp_path):
    path, calls = tmp_path / "results.jsonl", []
    method = counted(calls)
    whole = compare(table(), [method], 5, 10, path=path)
    content = path.read_bytes()
    assert calls == [0, 1, 2, 3, 4]
    compare(table(), [method], 5, 10, path=path)
    assert calls == [0, 1, 2, 3, 4] and path.read_bytes() == content
    # The run was killed while it wrote the fourth line.
    lines = content.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    calls.clear()
    again = compare(table(), [method], 5, 10, path=path)
    assert calls == [3, 4]
    assert plain(again) == plain(whole)
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [0, 1, 2, 3, 4]


def test_other_options_budgets_versions_and_benchmarks_are_other_searches(tmp_path):
    path, calls = tmp_path / "results.jsonl", []
    method = counted(calls)
    for arguments in (
        (table(), {"x": method}, 1, 10),
        (table(), {"x": (method, {"extra": 1})}, 1, 10),
        (table(), {"x": method}, 1, 11),
        (table("other"), {"x": method}, 1, 10),
        (table(), {"x": method}, [1], 10),
    ):
        compare(*arguments, path=path)
    assert len(calls) == 5
    compare(table(), {"another label": method}, 1, 10, path=path)
    assert len(calls) == 5
    text = path.read_text()
    path.write_text(text.replace(f'"version": "{crlso.__version__}"', '"version": "0.0.0"'))
    compare(table(), {"x": method}, 1, 10, path=path)
    assert len(calls) == 6


@pytest.mark.parametrize("line", ["{}", "[1]", "no json", '{"state": "complete"}'])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 1, 5, path=path)
    content = path.read_text() + line + "\n"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: expected a result of crlso\.compare"):
        compare(table(), "random", 1, 5, path=path)
    assert path.read_text() == content


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    path = tmp_path / "results.jsonl"
    arguments = [sys.executable, "-m", "crlso", "compare", "--methods", "local,random", "--seeds", "60", "--json"]
    arguments += ["--budget", "150", "--out", str(path)]
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 2000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    before = path.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]
    assert 0 < kept.count(b"\n") < 120
    done = subprocess.run(arguments, env=environment(), capture_output=True, check=True, timeout=120)
    assert path.read_bytes().startswith(kept)
    assert path.read_bytes().count(b"\n") == 120
    fresh = plain(compare(NASBench201("cifar10"), ["local", "random"], 60, 150))[0]
    found = json.loads(done.stdout)
    assert {key: value for key, value in found.items() if key != "seconds_per_query"} == fresh


# -- executors and failures ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(tmp_path):
    benches = [NASBench201("cifar10"), table()]
    one = compare(benches, ["evolution", "local"], 3, 15, path=tmp_path / "one")
    two = compare(benches, ["evolution", "local"], 3, 15, jobs=2, path=tmp_path / "two")
    with ThreadPoolExecutor(2) as pool:
        three = compare(benches, ["evolution", "local"], 3, 15, executor=pool)
    assert plain(one) == plain(two) == plain(three)


def test_a_failing_search_leaves_the_others_alone(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    result = compare(table(), [Failing, "random"], 12, 8, path=path)
    failures = result.failures
    assert 0 < len(failures) < 12
    assert {failure["error"] for failure in failures} == {"RuntimeError: no idea"}
    document = result.to_dict()
    assert [row["n"] for row in document["results"]] == [12 - len(failures), 12]
    assert document["failed"] == len(failures)
    assert f"{len(failures)} searches failed" in str(result)
    assert "no idea" in caplog.text
    # Failed searches are tried again, the others are not.
    compare(table(), [Failing, "random"], 12, 8, path=path)
    assert len(path.read_text().splitlines()) == 24 + len(failures)


def test_a_future_that_fails_and_an_executor_that_ends():
    class Odd(Executor):
        def __init__(self, ends):
            self.count, self.ends = 0, ends

        def submit(self, function, /, *arguments, **options):
            self.count += 1
            if self.count > self.ends:
                raise RuntimeError("shut down")
            future = Future()
            if self.count % 2:
                future.set_exception(OSError("worker lost"))
            else:
                future.set_result(function(*arguments))
            return future

    result = compare(table(), "random", 6, 5, executor=Odd(100))
    assert [record["state"] for record in result.records] == ["failed", "complete"] * 3
    assert result.records[0]["error"] == "OSError: worker lost"
    with pytest.raises(RuntimeError, match="shut down"):
        compare(table(), "random", 6, 5, executor=Odd(4))


SCRIPT = """
import json, os, sys
import crlso
from crlso.methods import RandomSearch

class Deadly(RandomSearch):
    name = "deadly"

    def __init__(self, space, *, rng=0, budget=None):
        super().__init__(space, rng=rng, budget=budget)
        self.seed = rng

    def _next(self):
        if self.seed == 2:
            os._exit(3)
        return super()._next()

if __name__ == "__main__":
    result = crlso.compare(crlso.benchmarks.NASBench201("cifar10"), [Deadly], 6, 10, jobs=2, path=sys.argv[1])
    print(json.dumps([record["state"] for record in result.records]))
"""


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}


@pytest.mark.slow
def test_a_process_that_dies_takes_its_own_search_alone(tmp_path):
    script = tmp_path / "deadly.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "out")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout) == ["complete", "complete", "failed", *["complete"] * 3], done.stderr
    states = {
        json.loads(line)["seed"]: json.loads(line)["state"] for line in (tmp_path / "out").read_text().splitlines()
    }
    assert states == {seed: "failed" if seed == 2 else "complete" for seed in range(6)}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished(tmp_path, jobs):
    path = tmp_path / "results.jsonl"
    arguments = [sys.executable, "-m", "crlso", "compare", "--methods", "local", "--seeds", "5000", "--budget", "150"]
    arguments += ["--jobs", jobs, "--out", str(path)]
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 2000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err == "crlso: interrupted\n"
    assert all(json.loads(line)["state"] == "complete" for line in path.read_text().splitlines())


def test_processes_take_ctrl_c_when_they_are_ready_for_it():
    blocked = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    before, told = signal.getsignal(signal.SIGINT), []

    def interrupted_while_starting():
        with _interrupts_wait():
            signal.raise_signal(signal.SIGINT)
            told.append(subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True).stdout)

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_starting()
    assert told == ["True\n"]
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Noisy(Function):
    """The sum of the codes and a number for each cell and seed."""

    def __init__(self, seed=None):
        super().__init__(SPACE, self.noisy, name="noisy")
        self.seed = seed

    def noisy(self, cell):
        return sum(cell.codes) + np.random.default_rng([self.seed, *cell.codes]).uniform()

    def for_seed(self, seed):
        return Noisy(seed)

    def optimum(self):
        return max(SPACE.cells(SPACE.all_codes()), key=self.noisy)


@pytest.mark.slow
def test_processes_give_each_seed_its_noise():
    bench = crlso.benchmarks.NASBench101().simulated_validation(5)
    records = compare(bench, "random", [0, 3], 4, jobs=2).records
    for record in records:
        here = crlso.search(bench.for_seed(record["seed"]), "random", 4, record["seed"])
        assert (record["state"], record["trajectory"]) == ("complete", here.trajectory)


@pytest.mark.parametrize("threads", [0, 2])
def test_each_seed_has_noise_of_its_own_and_all_methods_the_same(tmp_path, threads):
    path, n = tmp_path / "results.jsonl", len(SPACE)
    with ThreadPoolExecutor(threads) if threads else nullcontext() as executor:
        result = compare(Noisy(), ["random", "local"], [0, 3], n, executor=executor, path=path)
    best = {seed: Noisy(seed).evaluate(Noisy(seed).optimum()) for seed in (0, 3)}
    assert best[0] != best[3]
    # All cells are asked for, so that each search ends at the best of its seed's noise.
    assert [(r["seed"], r["value"], r["optimum"]) for r in result.records] == [
        (seed, best[seed], best[seed]) for seed in (0, 0, 3, 3)
    ]
    for record in result.records:
        assert (
            record["trajectory"] == crlso.search(Noisy(record["seed"]), record["method"], n, record["seed"]).trajectory
        )
    content = path.read_bytes()
    assert plain(compare(Noisy(), ["random", "local"], [0, 3], n, path=path)) == plain(result)
    assert path.read_bytes() == content


def test_a_benchmark_that_is_no_benchmark_of_ours_need_not_know_of_seeds():
    class Bare:
        space, name = SPACE, "bare"

        def evaluate(self, cell):
            return float(sum(cell.codes))

    assert compare(Bare(), "random", 2, 5).to_dict()["failed"] == 0


def test_a_benchmark_of_a_function_has_no_optimum():
    bench = Function(SPACE, lambda cell: float(sum(cell.codes)), name="sum")
    document = compare(bench, "random", 3, 5).to_dict()
    assert document["results"][0]["at_optimum"] is None
    assert document["results"][0]["regret_mean"] is None
    assert document["queries_to_optimum"] == {"random": {"median": None, "q90": None}}


# -- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"methods": "magic"}, ValueError, "method: expected one of"),
        ({"methods": []}, ValueError, "methods: expected at least one"),
        ({"methods": ["random", "random"]}, ValueError, "methods: expected each once, got 'random' twice"),
        ({"methods": "random:x=1"}, TypeError, "options of method 'random': expected none, got x"),
        ({"methods": "random:x"}, ValueError, "methods: expected options as name:option=value, got 'random:x'"),
        ({"methods": [3]}, TypeError, "method: expected a name or a subclass"),
        ({"methods": 3}, TypeError, "methods: expected names, classes or a mapping, got int"),
        ({"seeds": 0}, ValueError, "seeds: expected at least 1, got 0"),
        ({"seeds": [1, 1]}, ValueError, "seeds: expected at least one and each once"),
        ({"seeds": [-1]}, ValueError, "seeds: expected at least 0, got -1"),
        ({"seeds": "12"}, TypeError, "seeds: expected a number of seeds or a sequence of them, got str"),
        ({"budget": 0}, ValueError, "budget: expected at least 1, got 0"),
        ({"budget": 10**6}, ValueError, "budget: expected at most"),
        ({"jobs": 0}, ValueError, "jobs: expected at least 1, got 0"),
        ({"checkpoints": [0]}, ValueError, "checkpoints: expected at least 1, got 0"),
        ({"benchmarks": []}, ValueError, "benchmarks: expected at least one"),
        ({"benchmarks": [table(), table()]}, ValueError, "benchmarks: expected different names"),
        ({"benchmarks": "nasbench201"}, TypeError, "benchmark: expected an object"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, error, message):
    path = tmp_path / "results"
    with pytest.raises(error, match=message):
        compare(**{"benchmarks": table(), "methods": "random", "seeds": 2, "budget": 5, "path": path, **arguments})
    assert not path.exists()


def test_methods_as_text():
    assert parse_method("local") == ("local", {})
    assert parse_method("a:b=1:c=true:d=x y:e=0.5") == ("a", {"b": 1, "c": True, "d": "x y", "e": 0.5})


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_json(capsys):
    arguments = ["compare", "--benchmark", "nasbench201", "--dataset", "cifar10", "--methods", "local,random"]
    assert cli.main([*arguments, "--seeds", "3", "--budget", "70", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == KEYS | {"paired", "sources", "failed", "version"}
    assert (document["benchmark"], document["dataset"]) == ("nasbench201", "cifar10")
    assert (document["seeds"], document["budget"], document["version"]) == (3, 70, crlso.__version__)
    assert [(row["method"], row["checkpoint"]) for row in document["results"]] == [
        (method, mark) for method in ("local", "random") for mark in (32, 64, 70)
    ]
    assert all(set(row) == ROW for row in document["results"])
    assert [set(pair) for pair in document["paired"]] == [{"a", "b", "checkpoint", "p"}] * 3
    assert set(document["seconds_per_query"]) == set(document["queries_to_optimum"]) == {"local", "random"}


def test_the_command_prints_tables(capsys):
    assert cli.main(["compare", "--dataset", "cifar10,cifar100", "--seeds", "2", "--budget", "8"]) == 0
    out = capsys.readouterr().out
    rows = [line.split()[0] for line in out.splitlines() if " 8  " in line]
    assert rows == 2 * cli_compare.METHODS.split(",") == 2 * ["cr-lso", "gp", "evolution", "local", "random"]
    assert ",".join(inspect.signature(compare).parameters["methods"].default) == cli_compare.METHODS
    assert "nasbench201 / cifar10: 2 seeds, 8 queries" in out
    assert "nasbench201 / cifar100: 2 seeds, 8 queries" in out


def test_the_command_takes_the_sources_of_a_search(capsys):
    arguments = ["compare", "--benchmark", "nasbench101", "--objective", "simulated-validation", "--json"]
    assert cli.main([*arguments, "--methods", "random", "--seeds", "2", "--budget", "5"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["objective"].startswith("simulated validation")
    assert document["results"][0]["value_mean"] != document["results"][0]["test_mean"]
    searches = []
    for seed in ("0", "1"):
        assert cli.main(["search", *arguments[1:], "--method", "random", "--seed", seed, "--budget", "5"]) == 0
        searches.append(json.loads(capsys.readouterr().out)["best"]["value"])
    assert document["results"][0]["value_mean"] == pytest.approx(np.mean(searches), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "x"], "--models: expected with --benchmark nasbench301 only"),
        (["--methods", "magic"], f"--methods: expected of {', '.join(METHODS)}, got 'magic'"),
        (["--methods", ""], "--methods: expected of"),
        (["--methods", "local,local"], "methods: expected each once"),
        (["--methods", "local:x=1"], "options of method 'local'"),
        (["--dataset", "mnist"], "dataset"),
        (["--budget", "5000"], "budget: expected at most 4930"),
        (["--seeds", "0"], "--seeds"),
        (["--jobs", "no"], "--jobs"),
        (["--out", "/nowhere/at/all"], "--out: expected a file in an existing folder"),
    ],
)
def test_wrong_usage(capsys, arguments, message):
    assert cli.main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
