"""Searches with workers: nothing is lost or done twice, whatever workers do, and in whatever order results come."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from crlso.benchmarks import Function
from crlso.history import Measurement
from crlso.journal import Journal
from crlso.spaces import CellSpace
from crlso.studies import EvaluationError, Study, search
from tests import kills
from tests.processes import environment, wait_for_end

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
N = 12


def value_of(cell):
    return 10.0 * sum(cell.codes) + cell.operations.count("conv")


BENCH = Function(SPACE, value_of, name="f")
CELLS = [trial.cell for trial in search(BENCH, "random", N).trials]  # that random search asks for, in order


class Delayed:
    """An executor without a limit whose evaluations end in random order."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def submit(self, function, *arguments):
        future = Future()
        delay = self.random.choice([0.0, 0.002, 0.01])
        threading.Timer(delay, self._run, (future, function, arguments)).start()
        return future

    def _run(self, future, function, arguments):
        if future.set_running_or_notify_cancel():
            future.set_result(function(*arguments))


def run(benchmark=BENCH, method="random", budget=N, **options):
    return search(benchmark, method, budget, **{"workers": 4, **options})


def events(study):
    return [(event.kind, event.number) for event in study.history.events]


def errors(study):
    return {trial.number: trial.error.partition("\n")[0] for trial in study.trials if trial.error is not None}


def in_flight(study):
    """Number of pending trials after each event."""
    return np.cumsum([1 if kind == "asked" else -1 for kind, _ in events(study)])


# -- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["random", "evolution", "local", "gp"])
def test_results_in_any_order(tmp_path, method):
    orders = set()
    for seed in range(3):
        path = tmp_path / f"{seed}.jsonl"
        study = run(method=method, executor=Delayed(seed), journal=path)
        assert (study.state, study.n_queries, len(study.trials)) == ("complete", N, N)
        assert [trial.value for trial in study.trials] == [value_of(trial.cell) for trial in study.trials]
        assert len({study.history.key_of(trial) for trial in study.trials}) == N
        flying = in_flight(study)
        assert max(flying) == 4 and list(flying[-4:]) == [3, 2, 1, 0]
        assert min(flying[3:-4]) == 3  # refilled at once
        assert Study.open(path).history == study.history
        orders.add(tuple(events(study)))
    assert len(orders) == 3


@pytest.mark.parametrize("method", ["random", "evolution", "gp"])
def test_deterministic_results_do_not_depend_on_the_order(method):
    studies = [run(method=method, executor=Delayed(seed), deterministic=True) for seed in range(3)]
    expected = [("asked", i) for i in range(4)]
    for i in range(N):
        expected += [("told", i)] + ([("asked", i + 4)] if i + 4 < N else [])
    assert events(studies[0]) == expected
    assert studies[0].history == studies[1].history == studies[2].history


def test_one_worker_is_a_search_without_workers():
    for executor in (Delayed(0), functools.partial(ThreadPoolExecutor, 1)):
        study = run(method="gp", workers=1, executor=executor)
        assert study.history == search(BENCH, "gp", N).history


def test_the_number_of_workers_is_by_default_that_of_the_executor():
    with ThreadPoolExecutor(3) as executor:
        assert max(in_flight(run(workers=None, executor=executor))) == 3
    with pytest.raises(TypeError, match="workers: expected the number of trials in flight"):
        run(workers=None, executor=Delayed(0))


# -- ends -------------------------------------------------------------------------------------------------------------


def test_stop_waits_for_what_runs():
    def stop(study, trial):
        told.append(trial.number)
        if len(told) == 3:
            study.stop()

    told = []
    study = run(executor=Delayed(1), callbacks=[stop])
    assert (study.state, study.n_queries, study.history.pending) == ("stopped", 6, [])
    assert sorted(told) == list(range(6))


def interrupting(times):
    def callback(study, trial):
        if study.n_queries == 3:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return callback


def test_the_first_interrupt_waits_and_the_second_does_not(tmp_path, caplog):
    before = signal.getsignal(signal.SIGINT)
    for times, n_told in ((1, 6), (2, 3)):
        path = tmp_path / f"{times}.jsonl"
        with pytest.raises(KeyboardInterrupt, match=f"{n_told} of {N} queries .* the same call goes on") as caught:
            run(executor=Delayed(1), callbacks=[interrupting(times)], journal=path)
        assert signal.getsignal(signal.SIGINT) is before
        study = caught.value.study
        assert (study.state, study.n_queries, len(study.history.pending)) == ("interrupted", n_told, 6 - n_told)
        assert Study.open(path).history == study.history
        again = run(executor=Delayed(2), journal=path)
        assert (again.state, again.n_queries) == ("complete", N)
        assert {trial.cell for trial in again.trials} == set(CELLS)
    assert "evaluations; Ctrl-C again ends them" in caplog.text


@pytest.mark.parametrize("method", ["random", "gp"])
def test_a_deterministic_search_goes_on_as_if_it_was_not_interrupted(tmp_path, method):
    expected = run(method=method, executor=Delayed(0), deterministic=True)
    for seed, times in ((1, 1), (2, 2)):
        options = {"method": method, "executor": Delayed(seed), "deterministic": True, "journal": tmp_path / f"{seed}"}
        with pytest.raises(KeyboardInterrupt):
            run(**options, callbacks=[interrupting(times)])
        again = run(**options)
        if times == 2:  # after one, all that ran were told before new ones were asked for
            assert again.history == expected.history
        assert again.n_queries == N and not again.history.pending


@pytest.mark.parametrize("method", ["random", "evolution", "gp"])
def test_a_deterministic_search_goes_on_from_any_line(tmp_path, method):
    path = tmp_path / "run.jsonl"
    options = {"method": method, "budget": 8, "workers": 3, "deterministic": True, "journal": path}
    expected = run(executor=Delayed(0), **options).history
    lines = path.read_bytes().splitlines(keepends=True)
    for n in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:n]))
        assert run(executor=Delayed(n), **options).history == expected, n


def test_a_search_goes_on_with_another_number_of_workers(tmp_path):
    path = tmp_path / "run.jsonl"
    run(executor=Delayed(0), journal=path)
    lines = path.read_bytes().splitlines(keepends=True)
    for workers in (None, 1, 2, 7):
        path.write_bytes(b"".join(lines[:9]))
        pending = [trial.number for trial in Study.open(path).history.pending]
        study = run(workers=workers, executor=workers and Delayed(1), journal=path)
        assert len(pending) == 4 and study.n_queries == N and {trial.cell for trial in study.trials} == set(CELLS)
        if workers in (None, 1):
            assert [number for kind, number in events(study)[8:] if kind == "told"][:4] == pending


def test_a_callback_that_raises_ends_the_search():
    def wrong(study, trial):
        raise OSError("full")

    with pytest.raises(OSError, match="full") as caught:
        run(executor=functools.partial(ThreadPoolExecutor, 1), callbacks=[wrong])
    assert (caught.value.study.state, caught.value.study.n_queries) == ("failed", 1)


# -- evaluations that fail --------------------------------------------------------------------------------------------


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__("cannot be sent")
        self.lock = threading.Lock()


class Speechless(Exception):
    def __str__(self):
        raise ValueError("no text")


def misbehave(cell):
    number = CELLS.index(cell)
    if number == 1:
        raise Unpicklable(1, 2)
    if number == 3:
        sys.exit("done")
    if number == 5:
        raise Speechless
    results = {2: float("nan"), 4: "text", 6: np.ones(3), 7: None, 8: np.full(1, 7.0)}
    if number == 9:
        return Measurement(1.0, user_attrs={"lock": threading.Lock(), "n": np.int64(3)})
    return results.get(number, 1.0)


EXPECTED = {
    1: "Unpicklable: cannot be sent",
    2: "value: expected a finite number, got nan",
    3: "SystemExit: done",
    4: "value: expected a number, got str",
    5: "Speechless",
    6: "value: expected a number, got ndarray",
    7: "value: expected a number, got NoneType",
}


def spawned(number=1):
    return ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))


def forked(number=1):
    return ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("fork"))


def of_loky(number=1):
    return pytest.importorskip("loky").ProcessPoolExecutor(number)


POOLS = {"threads": ThreadPoolExecutor, "fork": forked, "spawn": spawned, "loky": of_loky}


@pytest.mark.slow
@pytest.mark.parametrize("kind", POOLS)
def test_evaluations_that_misbehave(kind):
    with POOLS[kind](2) as executor:
        study = run(Function(SPACE, misbehave, name="g"), workers=2, executor=executor)
    assert errors(study) == EXPECTED
    assert study.trials[8].value == 7.0 and study.trials[9].user_attrs["n"] == 3
    assert "raise Unpicklable(1, 2)" in study.trials[1].error


def exits(cell):
    if CELLS.index(cell) == 2:
        time.sleep(0.1)
        os._exit(3)
    return value_of(cell)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fork", "spawn", "loky"])
def test_a_worker_that_exits_is_replaced(kind, caplog):
    study = run(Function(SPACE, exits, name="g"), workers=2, executor=lambda: POOLS[kind]())
    assert study.n_queries == N and list(errors(study)) == [2]
    assert errors(study)[2].startswith("its worker failed 3 times: ")
    assert caplog.text.count("query 3 is evaluated again, as its worker failed") == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fork", "spawn", "loky"])
def test_an_executor_that_breaks_ends_the_search_and_loses_nothing(kind, tmp_path):
    path = tmp_path / "run.jsonl"
    with (
        pytest.raises(RuntimeError, match="executor: expected workers that go on, got ") as caught,
        POOLS[kind](2) as pool,
    ):
        run(Function(SPACE, exits, name="f"), workers=2, executor=pool, journal=path)
    if sys.version_info >= (3, 11):
        assert f"the same call goes on from {path}" in caught.value.__notes__[0]
    study = caught.value.study
    assert 2 in [trial.number for trial in study.history.pending] and not errors(study)
    told = study.n_queries
    evaluated = []
    again = run(
        Function(SPACE, lambda cell: evaluated.append(cell) or value_of(cell), name="f"),
        journal=path,
        executor=Delayed(0),
    )
    assert again.n_queries == N and len(evaluated) == N - told and not errors(again)


class Flaky:
    """An executor whose evaluations fail by a fault of its own at first."""

    def __init__(self, error, times):
        self.error, self.times = error, times

    def submit(self, function, *arguments):
        future = Future()
        if self.times:
            self.times -= 1
            future.cancel() if self.error is None else future.set_exception(self.error)
        else:
            future.set_result(function(*arguments))
        return future


@pytest.mark.parametrize("error", [None, OSError("the network is gone"), BrokenExecutor("gone")])
def test_a_fault_of_a_worker_is_not_one_of_the_cell(error):
    once = Flaky(error, 2)
    study = run(executor=lambda: once)
    assert study.n_queries == N and not errors(study)
    again = Flaky(error, 3)
    with pytest.raises(EvaluationError, match="its worker failed 3 times"):
        run(executor=lambda: again, workers=1)


def test_executors_that_are_none():
    with pytest.raises(TypeError, match="executor: expected a callable that makes an executor, got NoneType"):
        run(executor=lambda: None)

    class Jobs:
        def submit(self, function, *arguments):
            return "a job"

    with pytest.raises(TypeError, match="executor: expected `submit` to return a future, got str"):
        run(executor=Jobs())


def test_a_pool_that_is_closed_ends_the_search():
    executor = ThreadPoolExecutor(2)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures") as caught:
        run(executor=executor)
    assert len(caught.value.study.history.pending) == 1


def test_an_error_of_the_program_ends_the_search_at_once():
    with pytest.raises(EvaluationError, match="1 queries; the last: AttributeError"):
        run(Function(SPACE, lambda cell: cell.missing, name="g"), workers=1, executor=Delayed(0))


def test_only_failures(caplog):
    def fails(cell):
        raise OSError("no")

    with pytest.raises(EvaluationError, match=f"got only failures in {N} queries; the last: OSError: no"):
        run(Function(SPACE, fails, name="g"), executor=Delayed(0))


def test_what_cannot_be_sent_is_named(tmp_path):
    bench = Function(SPACE, lambda cell: 1.0, name="g")
    with pytest.raises(ValueError, match="benchmark: expected one that can be sent to other processes, got ") as caught:
        run(bench, workers=2, executor=forked, journal=tmp_path / "run.jsonl")
    assert "import them from there" in str(caught.value)
    assert not errors(caught.value.study)


# -- time -------------------------------------------------------------------------------------------------------------


def hangs(cell):
    if CELLS.index(cell) in (1, 2):
        time.sleep(1000)
    return value_of(cell)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fork", "spawn", "loky"])
def test_a_worker_that_hangs_is_replaced(kind):
    made = []

    def make(number):
        made.append(number)
        return POOLS[kind]()

    study = run(Function(SPACE, hangs, name="g"), workers=2, executor=make, timeout=20.0)
    expected = "TimeoutError: the evaluation took more than 20 seconds"
    assert errors(study) == {1: expected, 2: expected} and study.n_queries == N
    assert sorted(set(made)) == [0, 1] and 3 <= len(made) <= 4  # a new one for what comes after


def test_a_thread_that_hangs_is_busy_until_its_evaluation_ends():
    release = threading.Event()

    def waits(cell):
        if CELLS.index(cell) in (1, 2):
            release.wait(30)
        return value_of(cell)

    bench = Function(SPACE, waits, name="g")
    try:
        with ThreadPoolExecutor(3) as executor:
            study = run(bench, workers=3, executor=executor, timeout=0.3)
            assert list(errors(study)) == [1, 2] and study.n_queries == N
            release.set()
        release.clear()
        with ThreadPoolExecutor(2) as executor:
            with pytest.raises(RuntimeError, match="timeout: expected an executor with a free worker") as caught:
                run(bench, workers=2, executor=executor, timeout=0.3)
            assert list(errors(caught.value.study)) == [1, 2]
            release.set()
    finally:
        release.set()


# -- processes --------------------------------------------------------------------------------------------------------


SCRIPT = """
import crlso, os, sys, time
from crlso.spaces import CellSpace

space = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")

def score(cell):
    {body}
    return float(sum(cell.codes))

bench = crlso.benchmarks.Function(space, score, name="f")
"""


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], env=environment(), capture_output=True, text=True, timeout=120, **options
    )


@pytest.mark.slow
def test_workers_alone_take_functions_of_a_notebook():
    pytest.importorskip("loky")
    # As in a notebook and in a shell, __main__ has no file that a process could import.
    body = "assert os.getpid() != here"
    done = python(
        "-c",
        "import os; here = os.getpid()\n"
        + SCRIPT.format(body=body)
        + "print(crlso.search(bench, 'random', 6, workers=2).n_queries)",
    )
    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        SCRIPT.format(body="pass")
        + "from concurrent.futures import ProcessPoolExecutor\n"
        + "from multiprocessing import get_context\n"
        + "spawned = lambda: ProcessPoolExecutor(1, mp_context=get_context('spawn'))\n"
        + "crlso.search(bench, 'random', 6, workers=1, executor=spawned)\n"
    )
    done = python(str(script))
    assert done.returncode == 1 and "EvaluationError" in done.stderr.splitlines()[-2] + done.stderr.splitlines()[-1]
    assert 'RuntimeError: workers: expected a script whose work is behind `if __name__ == "__main__":`' in done.stderr


def test_loky_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(ImportError, match=r"pip install 'crlso\[parallel\]'"):
        run()


KILLED = """
if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor
    executor = {executor}
    study = crlso.search(bench, "random", 12, workers=3, executor=executor, journal=sys.argv[1])
    print(study.n_queries)
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["None", "lambda: ProcessPoolExecutor(1)"])
def test_a_killed_search_goes_on_and_its_processes_end(tmp_path, executor):
    if executor == "None":
        pytest.importorskip("loky")
    path, script = tmp_path / "run.jsonl", tmp_path / "script.py"
    script.write_text(
        SCRIPT.format(body="os.write(1, b'begun\\n'); time.sleep(0.2)") + KILLED.format(executor=executor)
    )
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, str(script), str(path)],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            for _ in range(5):
                assert process.stdout.readline() == "begun\n"
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)
            wait_for_end(process.pid)
        finally:
            process.stdout.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert len(Study.open(path).history.pending) in (2, 3)
    done = python(str(script), str(path))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "12", done.stderr
    kinds = [entry.kind for entry in Journal.read(path).entries]
    assert (kinds.count("asked"), kinds.count("told"), kinds.count("failed")) == (12, 12, 0)


@pytest.mark.slow
def test_ctrl_c_reaches_all_processes_and_loses_nothing(tmp_path):
    """As a terminal sends it, to the group: evaluations go on after the first, and end at the second."""
    path, script = tmp_path / "run.jsonl", tmp_path / "script.py"
    script.write_text(
        SCRIPT.format(body="os.write(1, b'begun\\n'); time.sleep(float(sys.argv[2]))")
        + KILLED.format(executor="lambda: ProcessPoolExecutor(1)")
    )
    for seconds, times in (("1.5", 1), ("100", 2)):
        process = subprocess.Popen(
            [sys.executable, str(script), str(path), seconds],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            for _ in range(3):
                assert process.stdout.readline() == "begun\n"
            for _ in range(times):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.3)
            errors = process.communicate(timeout=60)[1]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert errors.count("Traceback") == 1 and "KeyboardInterrupt: " in errors.splitlines()[-1], errors
        study = Study.open(path)
        assert (study.n_queries, len(study.history.pending)) == ((3, 0) if times == 1 else (3, 3))


# -- Dask -------------------------------------------------------------------------------------------------------------


def exits_once(cell, folder):
    marker = os.path.join(folder, "exited")
    if CELLS.index(cell) == 2 and not os.path.exists(marker):
        with open(marker, "w"):
            os._exit(1)
    return value_of(cell)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Dask
def test_a_worker_of_dask_that_exits(tmp_path):
    distributed = pytest.importorskip("distributed")
    bench = Function(SPACE, functools.partial(exits_once, folder=str(tmp_path)), name="f")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        study = run(bench, workers=2, executor=client.get_executor(pure=False))
    assert (tmp_path / "exited").exists()
    assert study.n_queries == N and not errors(study)
    assert {trial.cell for trial in study.trials} == set(CELLS)


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_the_example_of_dask():
    pytest.importorskip("distributed")
    done = python(str(EXAMPLES / "dask_cluster.py"), "--budget", "6", "--method", "random")
    assert done.returncode == 0 and "6 of 6" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_example_of_submitit(tmp_path):
    pytest.importorskip("submitit")
    done = python(str(EXAMPLES / "submitit_jobs.py"), "--folder", str(tmp_path), "--budget", "4", "--method", "random")
    assert done.returncode == 0 and "4 of 4" in done.stdout, done.stderr
    assert len(list(tmp_path.glob("*_result.pkl"))) == 4


@pytest.mark.slow
def test_a_job_of_submitit_that_exits(tmp_path):
    submitit = pytest.importorskip("submitit")
    jobs = runpy.run_path(str(EXAMPLES / "submitit_jobs.py"))["Jobs"]
    marker = tmp_path / "exited"

    def exits_once(cell):  # within the test, as jobs cannot import this file
        if not marker.exists():
            marker.touch()
            os._exit(1)
        return float(sum(cell.codes))

    bench = Function(SPACE, exits_once, name="f")
    executor = submitit.AutoExecutor(folder=tmp_path / "jobs", cluster="local")
    study = run(bench, budget=4, workers=2, executor=jobs(executor, seconds=0.1))
    assert marker.exists() and study.n_queries == 4 and not errors(study)


@pytest.mark.slow
def test_the_example_of_mpi():
    pytest.importorskip("mpi4py")
    start = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if start is None:
        pytest.skip("needs mpiexec, as of `pip install mpich`")
    script = str(EXAMPLES / "mpi_workers.py")
    command = [start, "-n", "3", sys.executable, "-m", "mpi4py.futures", script, "--budget", "6", "--method", "random"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0 and "6 of 6" in done.stdout, done.stderr


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: expected at least 1, got 0"),
        ({"workers": "all"}, "workers: expected an int"),
        ({"executor": 3}, "executor: expected an object with `submit`, or a callable, got int"),
        ({"timeout": 0}, "timeout: expected a positive number, got 0"),
        ({"timeout": "1 h"}, "timeout: expected a number"),
        ({"workers": None, "timeout": 3}, "timeout: expected workers or an executor"),
        ({"deterministic": 1}, "deterministic: expected a bool, got int"),
    ],
)
def test_wrong_arguments(options, message, tmp_path):
    path = tmp_path / "run.jsonl"
    executor = {} if options.get("workers", 1) is None else {"executor": Delayed(0)}
    with pytest.raises((TypeError, ValueError), match=message):
        run(**{**executor, **options}, journal=path)
    assert not path.exists()


def test_lines_of_a_journal_are_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    run(executor=Delayed(3), journal=path)
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()[1:]].count("told") == N


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing():
    pytest.importorskip("loky")
    counts = kills.check(3, 1)
    assert (counts["kills"], counts["queries"]) == (3, 38)


@pytest.mark.slow
def test_a_lost_result_is_found(monkeypatch):
    pytest.importorskip("loky")
    usual, calls = kills.kill_at_random, []

    def lossy(folder, moments, budget):
        was_running = usual(folder, moments, budget)
        path = folder / "killed.jsonl"
        calls.append(len(kills.results(path)))
        if len(calls) > 1 and calls[-2] > 0:  # there were results before this kill
            path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        return was_running

    monkeypatch.setattr(kills, "kill_at_random", lossy)
    with pytest.raises(AssertionError, match="lost"):
        kills.check(8, 1)
