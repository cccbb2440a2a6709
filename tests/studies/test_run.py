"""One search from beginning to end: what is evaluated, recorded, refused and survived."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import time

import numpy as np
import pytest

import crlso
from crlso.methods import METHODS, RandomSearch
from crlso.random import Stream
from crlso.studies import EvaluationError, search
from crlso.studies.study import Study
from tests.twins.toys import ALL, BUDGETS, Many, PairBenchmark, PairSpace, Scripted, Timed, table


@pytest.mark.parametrize(("budget", "error", "message"), BUDGETS)
def test_wrong_budgets(budget, error, message):
    with pytest.raises(error, match=message):
        search(PairBenchmark(), method="random", budget=budget)


@pytest.mark.parametrize(("rng", "error"), [(None, TypeError), (-1, ValueError), ("0", TypeError), (1.5, TypeError)])
def test_wrong_rngs(rng, error):
    with pytest.raises(error, match="rng"):
        search(PairBenchmark(), method="random", budget=2, rng=rng)


def test_a_search_from_beginning_to_end():
    benchmark = PairBenchmark()
    study = search(benchmark, method="random", budget=6, rng=1)
    assert [trial.cell for trial in study.trials] == benchmark.asked
    assert sorted(benchmark.asked) == sorted({tuple(sorted(cell)) for cell in ALL})
    assert [trial.value for trial in study.trials] == [10.0 * a + b for a, b in benchmark.asked]
    assert (study.benchmark, study.dataset, study.method, study.seed) == ("toy", "numbers", "random", 1)
    assert (study.budget, study.n_queries, study.state) == (6, 6, "complete")
    assert study.best.cell == (2, 2)
    assert study.to_dict()["best"] == {"cell": "(2, 2)", "index": 8, "value": 22.0, "test": 78.0}
    assert list(study.seconds) == ["search", "evaluation"]


def test_tests_are_looked_up_after_the_choice_and_for_the_chosen_alone():
    class Watched(PairBenchmark):
        looked_up = None

        def evaluate(self, cell):
            assert self.looked_up is None
            return super().evaluate(cell)

        def test(self, cells):
            assert self.looked_up is None
            self.looked_up = list(cells)
            return super().test(cells)

    benchmark = Watched()
    study = search(benchmark, method="random", budget=6, rng=3)
    assert benchmark.looked_up == [trial.cell for _, trial in study.history.improvements]
    assert {t.number for t in study.trials if t.test is not None} == {t.number for _, t in study.history.improvements}
    assert [tuple(entry.values()) for entry in study.trajectory] == [
        (q, t.value, 100.0 - 10 * t.cell[0] - t.cell[1]) for q, t in study.history.improvements
    ]


def test_a_benchmark_with_the_least():
    class Space(PairSpace):
        index = None

    class Least:
        space = Space()

        def evaluate(self, cell):
            return 1

    document = search(Least(), method="random", budget=2).to_dict()
    assert document["benchmark"] is None
    assert document["dataset"] is None
    assert document["best"]["index"] is None
    assert document["best"]["test"] is None
    assert document["trajectory"] == [{"query": 1, "value": 1.0, "test": None}]


@pytest.mark.parametrize("found", [np.nan, "text", RuntimeError("no test")])
def test_a_test_that_cannot_be_had_is_null(found):
    class Odd(PairBenchmark):
        def test(self, cells):
            if isinstance(found, Exception):
                raise found
            return [found] * len(cells)

    best = search(Odd(), method="random", budget=3).to_dict()["best"]
    assert best["test"] is None
    assert best["index"] is not None


def test_search_is_a_plain_function_and_the_classes_are_in_methods():
    assert crlso.search is search and inspect.isfunction(search)
    assert crlso.methods.RandomSearch is RandomSearch
    assert {"METHODS", "RandomSearch", "Optimiser"} <= set(dir(crlso.methods))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = crlso.methods.Nothing


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.SeedSequence, Stream])
def test_the_seed_of_a_study_repeats_it(make):
    study = search(PairBenchmark(), method="random", budget=6, rng=make(7))
    again = search(PairBenchmark(), method="random", budget=6, rng=study.seed)
    assert type(study.seed) is int
    assert [t.cell for t in again.trials] == [t.cell for t in study.trials]
    assert search(PairBenchmark(), method="random", budget=1, rng=np.uint8(9)).seed == 9


def test_a_method_of_ones_own():
    study = search(PairBenchmark(), method=Scripted, budget=2, script=ALL)
    assert study.method == "scripted"
    assert [t.cell for t in study.trials] == [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "magic"}, ValueError, f"method: expected one of {', '.join(METHODS)}, got 'magic'"),
        ({"method": 3}, TypeError, "method: expected a name or a subclass of Optimiser, got 3"),
        ({"method": dict}, TypeError, "method: expected a name or a subclass of Optimiser, got <class 'dict'>"),
        ({"gradient": False, "b": 1}, TypeError, "options of method 'random': expected none, got b, gradient"),
        ({"method": Scripted, "scrip": ()}, TypeError, "options of method 'scripted': expected script, got scrip"),
        ({"seed": 1}, TypeError, "search: expected rng=, got seed="),
        ({"random_state": 1}, TypeError, "search: expected rng=, got random_state="),
        ({"n_trials": 5}, TypeError, "search: expected budget=, got n_trials="),
        ({"direction": "minimize"}, TypeError, "values are maximised; negate what is to be minimised"),
        ({"n_jobs": 2}, TypeError, "search: expected no n_jobs=: set the number of threads with crlso.set_num_threads"),
        ({"method": "random:x"}, ValueError, "method: expected options as name:option=value, got 'random:x'"),
        ({"method": "scripted:b=1", "b": 2}, TypeError, "method: expected each option once, got b in 'scripted:b=1'"),
        ({"progress": "yes"}, TypeError, "progress: expected None, a bool or a callable, got str"),
        ({"callbacks": print}, TypeError, "callbacks: expected a sequence of callables, got one callable"),
        ({"callbacks": [3]}, TypeError, "callbacks: expected callables, got int"),
        ({"target": "high"}, TypeError, "target: expected"),
        ({"target": float("nan")}, ValueError, "target: expected a finite number"),
        ({"max_seconds": 0}, ValueError, "max_seconds: expected"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    benchmark = PairBenchmark()
    with pytest.raises(error) as caught:
        search(benchmark, **{"method": "random", "budget": 3, **arguments})
    assert message in str(caught.value)
    assert benchmark.asked == []


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        (None, "got NoneType"),
        (lambda cell: 1.0, "got function; make one of a function: crlso.benchmarks.Function(space, evaluate)"),
        (
            time.sleep,
            "crlso.benchmarks.Function(space, sleep), where space is, for example, crlso.spaces.NASBench201()",
        ),
        (PairSpace(), "got PairSpace"),
        (PairBenchmark, "got the class PairBenchmark itself"),
    ],
)
def test_wrong_benchmarks(benchmark, message):
    with pytest.raises(TypeError, match="benchmark: expected an object") as caught:
        search(benchmark, method="random", budget=1)
    assert message in str(caught.value)


def test_an_evaluation_that_fails_is_a_query_and_goes_on(caplog):
    class Fragile(PairBenchmark):
        def evaluate(self, cell):
            super().evaluate(cell)
            if cell[0] == cell[1]:
                return {0: float("nan"), 1: "text", 2: None}[cell[0]]
            if cell == (0, 1):
                raise RuntimeError("out of memory")
            return 5.0

    benchmark = Fragile()
    with caplog.at_level(logging.WARNING, logger="crlso"):
        study = search(benchmark, method="random", budget=6)
    errors = {t.cell: t.error and t.error.partition("\n\n")[0] for t in study.trials}
    assert errors == {
        (0, 0): "value: expected a finite number, got nan",
        (1, 1): "value: expected a number, got str",
        (2, 2): "value: expected a number, got NoneType",
        (0, 1): "RuntimeError: out of memory",
        (0, 2): None,
        (1, 2): None,
    }
    assert [t.state for t in study.trials].count("failed") == 4
    assert study.n_queries == 6
    assert len(benchmark.asked) == 6
    assert study.best.value == 5.0
    assert len(caplog.records) == 4
    assert "RuntimeError: out of memory" in caplog.text
    trace = next(t.error for t in study.trials if t.cell == (0, 1)).partition("\n\n")[2]
    assert trace.startswith("Traceback") and trace.count("File") == 1 and 'raise RuntimeError("out of memory")' in trace


class Failing(PairBenchmark):
    """Raises errors, or returns values, by the number of the query; the last one for all further queries."""

    def __init__(self, *outcomes):
        super().__init__()
        self.space = Many()
        self.outcomes = outcomes

    def evaluate(self, cell):
        super().evaluate(cell)
        outcome = self.outcomes[min(len(self.asked), len(self.outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(
    "outcome", [TypeError("an argument is missing"), NameError("x"), ImportError("x"), None, "much"]
)
def test_an_error_of_the_program_at_the_first_query_ends_a_search(outcome):
    benchmark = Failing(outcome)
    with pytest.raises(EvaluationError, match="got only failures in 1 queries; the last: ") as caught:
        search(benchmark, method="random", budget=50)
    assert len(benchmark.asked) == 1
    assert (caught.value.study.n_queries, caught.value.study.state) == (1, "failed")


def test_ten_errors_of_the_program_end_a_search_without_values():
    benchmark = Failing(MemoryError(), MemoryError(), TypeError("an argument is missing"))
    message = "got only failures in 12 queries; the last: TypeError: an argument is missing"
    with pytest.raises(EvaluationError, match=message):
        search(benchmark, method="random", budget=50)
    assert len(benchmark.asked) == 12


@pytest.mark.parametrize(
    "outcome", [MemoryError(), RuntimeError("out of memory"), ValueError("diverged"), float("nan")]
)
def test_errors_of_cells_do_not_end_a_search(outcome):
    study = search(Failing(*[outcome] * 30, 1.0), method="random", budget=40)
    assert [trial.state for trial in study.trials] == ["failed"] * 30 + ["complete"] * 10


@pytest.mark.parametrize("method", ["random", "evolution"])
def test_a_search_without_any_value_is_an_error(method):
    message = "got only failures in 15 queries; the last: OSError: disk gone"
    with pytest.raises(EvaluationError, match=message) as caught:
        search(Failing(OSError("disk gone")), method=method, budget=15)
    assert (caught.value.study.n_queries, caught.value.study.state) == (15, "failed")


def test_errors_of_the_program_after_a_value_do_not_end_a_search():
    study = search(Failing(1.0, TypeError()), method="random", budget=40)
    assert (study.n_queries, study.best.number) == (40, 0)


def test_an_interrupt_carries_the_study():
    class Interrupted(PairBenchmark):
        def evaluate(self, cell):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().evaluate(cell)

    with pytest.raises(KeyboardInterrupt) as caught:
        search(Interrupted(), method="random", budget=6)
    study = caught.value.study
    assert isinstance(study, Study)
    assert study.state == "interrupted"
    assert [t.state for t in study.trials] == ["complete"] * 3 + ["pending"]
    assert study.n_queries == 3
    assert study.best.test == 100.0 - study.best.value
    assert set(study.seconds) == {"search", "evaluation"}


def test_an_exception_of_a_callback_carries_the_study():
    def callback(study, trial):
        if trial.number == 1:
            raise LookupError("stop here")

    with pytest.raises(LookupError, match="stop here") as caught:
        search(PairBenchmark(), method="random", budget=6, callbacks=[callback])
    assert (caught.value.study.n_queries, caught.value.study.state) == (2, "failed")


def raising(error):
    def callback(study, trial):
        raise error

    return callback


def stopping(study, trial):
    study.stop()


@pytest.mark.parametrize("stop", [raising(StopIteration()), stopping])
def test_a_callback_ends_a_search(stop):
    called = []
    callbacks = [lambda study, trial: trial.number == 2 and stop(study, trial), lambda *given: called.append(given[1])]
    study = search(PairBenchmark(), method="random", budget=6, callbacks=callbacks)
    assert (study.n_queries, study.state, [trial.number for trial in called]) == (3, "stopped", [0, 1, 2])
    assert study.best.test == 100.0 - study.best.value
    assert "3 of 6 queries, best" in repr(study) and repr(study).endswith(", stopped)")
    study.stop()
    assert study.state == "stopped"


def test_a_stopped_study_is_saved_as_such(tmp_path):
    study = search(table(), "random", budget=5, callbacks=[stopping])
    study.save(tmp_path / "study.json")
    loaded = Study.load(tmp_path / "study.json")
    assert loaded == study and (loaded.state, loaded.n_queries) == ("stopped", 1)


def test_a_stop_at_the_last_query_changes_nothing():
    study = search(PairBenchmark(), method="random", budget=3, callbacks=[lambda s, t: t.number == 2 and s.stop()])
    assert (study.n_queries, study.state) == (3, "complete")


def test_a_target_ends_a_search_also_one_that_goes_on(tmp_path):
    whole = search(table(), "random", budget=5)
    target = whole.trials[2].value
    first = next(i for i, trial in enumerate(whole.trials, 1) if trial.value >= target)
    journal = tmp_path / "run.jsonl"
    for _ in range(2):
        study = search(table(), "random", budget=5, target=target, journal=journal)
        assert (study.n_queries, study.state) == (first, "stopped")
    assert search(table(), "random", budget=5, known=study, target=target).n_queries == 0
    study = search(table(), "random", budget=5, target=1e9, journal=journal)
    assert study.state == "complete" and [t.cell for t in study.trials] == [t.cell for t in whole.trials]
    assert search(PairBenchmark(), "random", budget=6, target=-1.0).n_queries == 1


def test_a_failure_does_not_reach_a_target():
    class FailingFirst(PairBenchmark):
        def evaluate(self, cell):
            value = super().evaluate(cell)
            if len(self.asked) == 1:
                raise ValueError("unlucky")
            return value

    study = search(FailingFirst(), "random", budget=6, target=-1.0)
    assert [trial.state for trial in study.trials] == ["failed", "complete"]


def test_no_query_begins_after_the_last_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("crlso.studies.limits.perf_counter", lambda: now[0])

    class Slow(PairBenchmark):
        def evaluate(self, cell):
            now[0] += 10.0
            return super().evaluate(cell)

    study = search(Slow(), "random", budget=6, max_seconds=25.0)
    assert (study.n_queries, study.state) == (3, "stopped")


def test_another_thread_ends_a_search():
    class Waiting(PairBenchmark):
        def evaluate(self, cell):
            if len(self.asked) == 2:
                thread = threading.Thread(target=crlso.last_study().stop)
                thread.start()
                thread.join()
            return super().evaluate(cell)

    study = search(Waiting(), method="random", budget=6)
    assert (study.n_queries, study.state) == (3, "stopped")


def test_the_last_study_is_at_hand_however_a_search_ends():
    whole = search(PairBenchmark(), method="random", budget=6)
    assert crlso.last_study() is whole
    with pytest.raises(KeyboardInterrupt, match=r"1 of 6 queries are in crlso.last_study\(\)") as caught:
        search(PairBenchmark(), method="random", budget=6, callbacks=[raising(KeyboardInterrupt())])
    assert crlso.last_study() is caught.value.study is not whole
    with pytest.raises(LookupError) as failed:
        search(PairBenchmark(), method="random", budget=6, callbacks=[raising(LookupError("mine"))])
    assert crlso.last_study() is failed.value.study
    assert str(failed.value) == "'mine'" or str(failed.value) == "mine"
    notes = ["1 of 6 queries are in crlso.last_study()"]
    assert sys.version_info < (3, 11) or failed.value.__notes__ == notes


def test_ctrl_c_while_test_values_are_looked_up_carries_the_study():
    class Impatient(PairBenchmark):
        def test(self, cells):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        search(Impatient(), method="random", budget=3)
    assert caught.value.study.n_queries == 3


def test_without_a_search_there_is_no_last_study(monkeypatch):
    monkeypatch.setattr("crlso.studies.run._last", None)
    with pytest.raises(RuntimeError, match="last_study: expected a search in this process, got none"):
        crlso.last_study()


def test_the_default_budget_takes_all_of_a_small_space(caplog):
    assert search(PairBenchmark(), method="random").n_queries == 6
    assert "budget: 6 queries instead of 100, as the space has no more classes" in caplog.text
    caplog.clear()
    large = PairBenchmark()
    large.space = Many()
    assert search(large, method="random").n_queries == 100 and not caplog.records


def test_options_may_be_written_behind_the_name_of_a_method():
    study = search(table(), "evolution:population=4", budget=5, tournament=2)
    assert (study.method, study.options) == ("evolution", {"population": 4, "tournament": 2})


def test_callbacks_see_the_study_so_far():
    seen = []

    def callback(study, trial):
        seen.append((study.n_queries, study.state, study.trials[-1] is trial, trial.state, len(study.seconds)))

    search(PairBenchmark(), method="random", budget=3, callbacks=(callback,))
    assert seen == [(n, "running", True, "complete", 2) for n in (1, 2, 3)]


def test_seconds_of_evaluation():
    class Slow(PairBenchmark):
        def evaluate(self, cell):
            time.sleep(0.02)
            return super().evaluate(cell)

    study = search(Slow(), method=Timed, budget=2, script=ALL)
    assert list(study.seconds) == ["training", "inner", "search", "evaluation"]
    assert study.seconds["evaluation"] >= 0.04
    assert study.seconds["search"] < study.seconds["evaluation"] + 0.5
