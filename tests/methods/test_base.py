"""Ask and tell, the budget, random search and the runner, on a space small enough to count by hand."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import crlso
import crlso.spaces
from crlso._base.registry import Registry
from crlso.history import Trial
from crlso.methods import METHODS, BudgetSpent, Optimiser, RandomSearch
from crlso.methods.base import check_budget, count_classes
from crlso.random import Stream
from crlso.spaces.keys import Classes
from crlso.studies import EvaluationError, search
from crlso.studies.study import Study


class PairSpace:
    """Cells are pairs of operations out of three, and (a, b) is the same function as (b, a): 9 cells, 6 classes."""

    name = "pairs"
    n_classes = 6

    def all_codes(self):
        return np.array(list(itertools.product(range(3), repeat=2)), dtype=np.uint8)

    def canonicalise(self, codes, level="function"):
        return np.sort(np.asarray(codes), axis=1)

    def canonical_key(self, codes, level="function"):
        low, high = self.canonicalise(codes).astype(np.int64).T
        return 10 * high + low

    def classes(self):
        return Classes.among(self.all_codes(), self.canonicalise, self.canonical_key)

    def cells(self, codes):
        return [tuple(row) for row in np.asarray(codes).tolist()]

    def index(self, cells):
        return np.array([3 * a + b for a, b in cells])


class PairBenchmark:
    name = "toy"
    dataset = "numbers"

    def __init__(self):
        self.space = PairSpace()
        self.asked = []

    def evaluate(self, cell):
        self.asked.append(cell)
        return 10.0 * cell[0] + cell[1]

    def test(self, cells):
        return np.array([100.0 - 10.0 * a - b for a, b in cells])


class Scripted(Optimiser):
    """Asks for given codes and remembers what it was taught."""

    name = "scripted"

    def __init__(self, space, *, rng=0, budget=None, script=()):
        super().__init__(space, rng=rng, budget=budget)
        self.script, self.learned = list(script), []

    def _next(self):
        return self.script[len(self.trials)]

    def _learn(self, trial):
        self.learned.append((trial.number, trial.value, trial.state))


ALL = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]


def scripted(budget=6, script=ALL, **options):
    return Scripted(PairSpace(), budget=budget, script=script, **options)


# -- ask and tell -------------------------------------------------------------------------------------------------


def test_the_cell_of_a_trial_is_the_representative_of_its_class():
    optimiser = scripted(script=[(2, 1)])
    trial = optimiser.ask()
    assert trial == Trial(0, (1, 2))
    assert optimiser.history.n_seen == 1 and optimiser.history.seen([21])[0]
    assert optimiser.seen(np.array([[1, 2], [2, 1], [1, 1]])).tolist() == [True, True, False]


def test_trials_are_told_in_any_order():
    optimiser = scripted()
    trials = [optimiser.ask() for _ in range(4)]
    assert optimiser.pending == trials
    optimiser.tell(trials[2], 5.0)
    optimiser.tell(trials[0], state="failed")
    assert optimiser.pending == [trials[1], trials[3]]
    last = optimiser.ask()
    optimiser.tell(last, 7)
    optimiser.tell(trials[1], np.float32(6.5))
    assert optimiser.learned == [(2, 5.0, "complete"), (0, None, "failed"), (4, 7.0, "complete"), (1, 6.5, "complete")]
    assert [(t.value, t.state) for t in optimiser.trials] == [
        (None, "failed"),
        (6.5, "complete"),
        (5.0, "complete"),
        (None, "pending"),
        (7.0, "complete"),
    ]
    assert all(type(t.value) in (float, type(None)) for t in optimiser.trials)
    assert optimiser.best is last
    assert (optimiser.n_told, optimiser.remaining) == (4, 1)


def test_best_is_none_then_the_first_of_equals():
    optimiser = scripted()
    first, second, third = (optimiser.ask() for _ in range(3))
    optimiser.tell(third, -2.0)
    assert optimiser.best is third
    optimiser.tell(second, -1.0)
    optimiser.tell(first, -1.0)
    assert optimiser.best is first
    with pytest.raises(ValueError, match="best: expected a complete trial, got none"):
        _ = scripted().best


def test_a_copy_of_a_trial_from_another_process_can_be_told():
    optimiser = scripted()
    trial = optimiser.ask()
    copy = pickle.loads(pickle.dumps(trial))
    copy.user_attrs["host"] = "far"
    optimiser.tell(copy, 3.0)
    assert (trial.value, trial.state, trial.user_attrs) == (3.0, "complete", {"host": "far"})


@pytest.mark.parametrize(
    ("value", "state", "error", "message"),
    [
        (None, "complete", ValueError, "value: expected a number for a complete trial, got None"),
        (float("nan"), "complete", ValueError, "value: expected a finite number, got nan"),
        (float("inf"), "complete", ValueError, "value: expected a finite number, got inf"),
        (np.float32("-inf"), "complete", ValueError, "value: expected a finite number, got -inf"),
        (10**400, "complete", ValueError, "value: expected a finite number, got inf"),
        ("90", "complete", TypeError, "value: expected a number, got str"),
        (True, "complete", TypeError, "value: expected a number, got bool"),
        (1j, "complete", TypeError, "value: expected a number, got complex"),
        (np.zeros(2), "complete", TypeError, "value: expected a number, got ndarray"),
        (1.0, "failed", ValueError, "value: expected none for a failed trial, got 1.0"),
        (1.0, "pending", ValueError, "state: expected 'complete' or 'failed', got 'pending'"),
        (1.0, "lost", ValueError, "state: expected 'complete' or 'failed', got 'lost'"),
        (1.0, None, ValueError, "state: expected 'complete' or 'failed', got None"),
    ],
)
def test_a_wrong_tell_changes_nothing(value, state, error, message):
    optimiser = scripted()
    trial = optimiser.ask()
    with pytest.raises(error) as caught:
        optimiser.tell(trial, value, state)
    assert str(caught.value) == message
    assert optimiser.pending == [trial]
    assert trial == Trial(0, (0, 0))
    assert optimiser.learned == []
    optimiser.tell(trial, 1.0)


def test_a_trial_is_told_once():
    optimiser = scripted()
    first, second = optimiser.ask(), optimiser.ask()
    optimiser.tell(first, 1.0)
    optimiser.tell(second, state="failed")
    for trial in (first, second):
        with pytest.raises(ValueError, match=f"a pending one, got number {trial.number}, which was told before"):
            optimiser.tell(trial, 2.0)
    assert first.value == 1.0


@pytest.mark.parametrize("foreign", [Trial(0, (2, 2)), Trial(1, (0, 0)), Trial(-1, (0, 0)), Trial("0", (0, 0))])
def test_a_foreign_trial_is_refused(foreign):
    optimiser = scripted()
    optimiser.ask()
    with pytest.raises(ValueError, match="trial: expected one that this optimiser asked for, got Trial"):
        optimiser.tell(foreign, 1.0)


def test_what_is_no_trial_is_refused():
    with pytest.raises(TypeError, match="trial: expected a Trial from ask, got int"):
        scripted().tell(0, 1.0)


def test_a_method_that_asks_for_a_class_twice_is_stopped():
    optimiser = scripted(script=[(1, 0), (0, 1)])
    optimiser.ask()
    with pytest.raises(RuntimeError, match=r"Scripted._next: expected a class not asked for yet, got \[0 1\]"):
        optimiser.ask()
    assert len(optimiser.trials) == 1


def test_the_budget_counts_pending_and_failed_trials():
    optimiser = scripted(budget=2)
    first = optimiser.ask()
    optimiser.tell(first, state="failed")
    optimiser.ask()
    assert optimiser.remaining == 0
    with pytest.raises(BudgetSpent, match="expected fewer than 2 trials"):
        optimiser.ask()


def test_the_default_budget_is_the_number_of_classes():
    assert Scripted(PairSpace()).budget == count_classes(PairSpace()) == 6


BUDGETS = [
    (0, ValueError, "budget: expected at least 1, got 0"),
    (-5, ValueError, "budget: expected at least 1, got -5"),
    (7, ValueError, r"budget: expected at most 6 \(the classes of the space\), got 7"),
    (10**30, ValueError, "budget: expected at most 6"),
    (3.0, TypeError, "budget: expected an int, got float"),
    ("3", TypeError, "budget: expected an int, got str"),
    (True, TypeError, "budget: expected an int, got bool"),
    (np.bool_(True), TypeError, "budget: expected an int, got bool"),
]


@pytest.mark.parametrize(("budget", "error", "message"), BUDGETS)
def test_wrong_budgets(budget, error, message):
    with pytest.raises(error, match=message):
        scripted(budget=budget)
    with pytest.raises(error, match=message):
        search(PairBenchmark(), method="random", budget=budget)


def test_a_budget_of_another_integer_type():
    budget = check_budget(np.uint8(6), 6)
    assert (budget, type(budget)) == (6, int)


def test_a_subclass_must_choose():
    with pytest.raises(TypeError, match="abstract"):
        Optimiser(PairSpace())


@pytest.mark.parametrize(("rng", "error"), [(None, TypeError), (-1, ValueError), ("0", TypeError), (1.5, TypeError)])
def test_wrong_rngs(rng, error):
    with pytest.raises(error, match="rng"):
        scripted(rng=rng)
    with pytest.raises(error, match="rng"):
        search(PairBenchmark(), method="random", budget=2, rng=rng)


# -- phases -------------------------------------------------------------------------------------------------------


class Timed(Scripted):
    def _next(self):
        time.sleep(0.02)
        with self.phase("training"):
            time.sleep(0.05)
            self.report("training", 1, 1)
            with contextlib.suppress(ZeroDivisionError), self.phase("inner"):
                time.sleep(0.03)
                _ = 1 / 0
        return super()._next()


def test_a_phase_within_a_phase_counts_once():
    optimiser = Timed(PairSpace(), script=ALL)
    start = time.perf_counter()
    optimiser.ask()
    total = time.perf_counter() - start
    seconds = optimiser.seconds
    assert set(seconds) == {"search", "training", "inner"}
    assert seconds["search"] >= 0.02
    assert seconds["training"] >= 0.05
    assert seconds["inner"] >= 0.03
    assert total - 0.02 < sum(seconds.values()) <= total


def test_time_between_calls_is_not_counted():
    optimiser = scripted()
    trial = optimiser.ask()
    before = dict(optimiser.seconds)
    time.sleep(0.2)
    optimiser.tell(trial, 1.0)
    assert optimiser.seconds["search"] - before["search"] < 0.15


def test_progress_is_reported():
    optimiser = Timed(PairSpace(), script=ALL, budget=2)
    calls = []
    optimiser.on_progress = lambda *arguments: calls.append(arguments)
    for value in (1.0, 2.0):
        optimiser.tell(optimiser.ask(), value)
    assert calls == [("training", 1, 1), ("search", 1, 2), ("training", 1, 1), ("search", 2, 2)]


# -- random search ------------------------------------------------------------------------------------------------


def ask_all(rng, n=6):
    optimiser = RandomSearch(PairSpace(), rng=rng, budget=n)
    return [optimiser.ask().cell for _ in range(n)]


def test_random_search_visits_every_class_once():
    assert sorted(ask_all(0)) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def test_random_search_repeats_with_its_seed():
    assert ask_all(5) == ask_all(5)
    assert len({tuple(ask_all(seed)) for seed in range(20)}) > 10


def test_a_smaller_budget_is_the_beginning_of_a_larger_one():
    assert ask_all(5, 3) == ask_all(5, 6)[:3]


def test_random_search_is_uniform_over_classes():
    # 3,000 draws over 6 classes: 500 each, standard deviation sqrt(3000 / 6 * 5 / 6) = 20.4. Uniform over cells
    # would be 333 for (0, 0) and 667 for (0, 1).
    runs = [ask_all(seed, 2) for seed in range(3000)]
    for place in range(2):
        counts = Counter(run[place] for run in runs)
        assert set(counts) == set(ask_all(0))
        assert all(abs(count - 500) < 5 * 20.4 for count in counts.values())


def test_random_search_on_the_whole_benchmark_space():
    space = crlso.spaces.NASBench201()
    optimiser = RandomSearch(space, rng=0)
    assert optimiser.budget == 4930
    codes = space.codes([optimiser.ask().cell for _ in range(600)])
    assert len(np.unique(space.canonical_key(codes))) == 600
    assert (space.canonicalise(codes) == codes).all()


# -- the runner ---------------------------------------------------------------------------------------------------


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
        ({"budget": None}, TypeError, "budget: expected an int, got NoneType"),
        ({"progress": "yes"}, TypeError, "progress: expected None, a bool or a callable, got str"),
        ({"callbacks": print}, TypeError, "callbacks: expected a sequence of callables, got one callable"),
        ({"callbacks": [3]}, TypeError, "callbacks: expected callables, got int"),
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
        (lambda cell: 1.0, "got function"),
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
    errors = {t.cell: t.error for t in study.trials}
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


class Many(PairSpace):
    """56 operations in place of three: 1,596 classes."""

    def all_codes(self):
        return np.array(list(itertools.product(range(56), repeat=2)), dtype=np.uint8)

    def canonical_key(self, codes, level="function"):
        low, high = self.canonicalise(codes).astype(np.int64).T
        return 100 * high + low


@pytest.mark.parametrize(("budget", "spent"), [(1, 1), (3, 3), (10, 10), (50, 10)])
def test_a_search_in_which_everything_fails_ends_early(budget, spent):
    class Broken(PairBenchmark):
        def evaluate(self, cell):
            super().evaluate(cell)
            raise OSError("disk gone")

    benchmark = Broken()
    benchmark.space = Many()
    message = f"got {spent} failures in {spent} queries; the last: OSError: disk gone"
    with pytest.raises(EvaluationError, match=message) as caught:
        search(benchmark, method="random", budget=budget)
    assert len(benchmark.asked) == spent
    study = caught.value.study
    assert (study.n_queries, study.state) == (spent, "failed")


def test_one_success_keeps_a_search_alive():
    class Nearly(PairBenchmark):
        def evaluate(self, cell):
            super().evaluate(cell)
            if len(self.asked) != 10:
                raise OSError
            return 1.0

    benchmark = Nearly()
    benchmark.space = Many()
    study = search(benchmark, method="random", budget=40)
    assert (study.n_queries, study.best.number) == (40, 9)


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


def test_progress_to_a_callable():
    calls = []
    search(PairBenchmark(), method="random", budget=3, progress=lambda *arguments: calls.append(arguments))
    assert calls == [("search", 1, 3), ("search", 2, 3), ("search", 3, 3)]


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_bars_go_to_stderr(capsys, progress, shown):
    search(PairBenchmark(), method=Timed, budget=2, progress=progress, script=ALL)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("search" in err and "training" in err and "2/2" in err) == shown
    assert bool(err) == shown


# -- methods by name ----------------------------------------------------------------------------------------------


def test_the_registry():
    assert list(METHODS) == ["cr-lso", "cr-lso-paper", "evolution", "gp", "local", "random"]
    assert METHODS["random"] is RandomSearch
    assert METHODS["cr-lso"] is crlso.CRLSO is crlso.methods.CRLSO
    assert METHODS["gp"] is crlso.methods.GPSearch
    parameters = [inspect.signature(function).parameters.values() for function in (search, crlso.search)]
    assert len({tuple((p.name, p.default) for p in each) for each in parameters}) == 1
    registry = Registry({"a": "collections:OrderedDict"})
    registry.register("b", dict)
    assert (dict(registry)["b"], len(registry), "c" in registry) == (dict, 2, False)
    with pytest.raises(ValueError, match="name: expected a new name, got 'a', which is taken"):
        registry.register("a", dict)
    with pytest.raises(KeyError):
        _ = registry["c"]


def test_importing_the_methods_is_cheap():
    code = (
        "import sys, crlso.methods; list(crlso.methods.METHODS); "
        "print([m for m in sys.modules if m in ('crlso.methods.base', 'crlso.methods.paper', 'tqdm')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
