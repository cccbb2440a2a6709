"""The ask/tell interface, the budget, phases and the registry of methods."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

import crlso
from crlso._base.registry import Registry
from crlso.history import Trial
from crlso.methods import METHODS, BudgetSpent, Optimiser, RandomSearch
from crlso.methods.base import check_budget, count_classes
from crlso.studies import search
from tests.processes import environment
from tests.twins.toys import ALL, BUDGETS, PairSpace, Scripted, Timed, scripted


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
        (1.0, "failed", ValueError, "value: expected None for a failed trial, got 1.0"),
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
        with pytest.raises(ValueError, match=f"a pending trial, got number {trial.number}, which was told before"):
            optimiser.tell(trial, 2.0)
    assert first.value == 1.0


@pytest.mark.parametrize("foreign", [Trial(0, (2, 2)), Trial(1, (0, 0)), Trial(-1, (0, 0)), Trial("0", (0, 0))])
def test_a_foreign_trial_is_refused(foreign):
    optimiser = scripted()
    optimiser.ask()
    with pytest.raises(ValueError, match="trial: expected a trial of this optimiser, got Trial"):
        optimiser.tell(foreign, 1.0)


def test_what_is_no_trial_is_refused():
    with pytest.raises(TypeError, match="trial: expected a Trial from ask, got int"):
        scripted().tell(0, 1.0)


def test_a_method_that_asks_for_a_class_twice_is_stopped():
    optimiser = scripted(script=[(1, 0), (0, 1)])
    optimiser.ask()
    with pytest.raises(RuntimeError, match=r"Scripted._next: expected a class that was not seen, got \[0 1\]"):
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


@pytest.mark.parametrize(("budget", "error", "message"), BUDGETS)
def test_wrong_budgets(budget, error, message):
    with pytest.raises(error, match=message):
        scripted(budget=budget)


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
    assert sum(seconds.values()) <= total


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


def test_the_registry():
    assert list(METHODS) == ["cr-lso", "cr-lso-paper", "evolution", "gp", "local", "nsga2", "random"]
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
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
