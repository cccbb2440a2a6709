"""The file of records with which a run resumes, executors, processes and failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.comparison import compare
from crlso.comparison.records import _interrupts_wait
from crlso.methods import RandomSearch
from tests.processes import environment
from tests.twins.toys import SPACE, table


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


@pytest.mark.slow
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
