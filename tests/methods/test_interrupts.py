"""Ctrl-C at any line of a method or of the history: the search that goes on is the one that was not interrupted."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import Counter
from pathlib import Path

import pytest

import crlso
from crlso.history import History, Measurement
from crlso.methods import CRLSO, METHODS, NSGA2, Evolution, GPSearch, LocalSearch, PaperCRLSO, RandomSearch
from crlso.methods.base import Stepwise
from crlso.models import GraphVAE, Predictor
from crlso.spaces import CellSpace
from tests.twins.toys import ALL, scripted

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
PACKAGE = Path(crlso.__file__).parent
FILES = {str(path) for path in (PACKAGE / "methods").rglob("*.py")}
FILES |= {str(PACKAGE / "history.py"), str(PACKAGE / "models" / "gaussian_process.py")}
CLASSES = SPACE.classes().codes


class Lines:
    """Counts the lines of `FILES` that run, and raises KeyboardInterrupt instead of one of them."""

    def __init__(self, where=None, time=1):
        self.where, self.time, self.count = where, time, Counter()

    def __enter__(self):
        self.before = sys.gettrace()  # of a tool that counts lines
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _enter(self, frame, event, argument):
        return self._line if frame.f_code.co_filename in FILES else None

    def _line(self, frame, event, argument):
        if event == "line":
            here = (frame.f_code.co_filename, frame.f_lineno)
            self.count[here] += 1
            if here == self.where and self.count[here] == self.time:
                raise KeyboardInterrupt
        return self._line


def value_of(cell):
    return 80.0 + 3.0 * cell.operations.count("conv") - len(cell.graphs[0].edges) + 0.01 * sum(cell.codes)


def step(optimiser):
    """One call, chosen by what the optimiser knows: two cells are pending at a time, one fails, one is observed.

    Returns whether there was something to do.
    """
    if not optimiser.remaining and not optimiser.pending:
        return False
    if optimiser.history.n_asked == 4 and all(trial.asked for trial in optimiser.trials):
        known = SPACE.cells(CLASSES[~optimiser.seen(CLASSES)][-1:])[0]
        optimiser.observe(known, value_of(known))
    elif len(optimiser.pending) < 2 and optimiser.remaining:
        optimiser.ask()
    else:
        trial = optimiser.pending[-1 if optimiser.n_told % 3 else 0]
        failed = trial.number % 5 == 2
        optimiser.tell(trial, None if failed else value_of(trial.cell), "failed" if failed else "complete")
    return True


def session(optimiser, lines):
    """Run a search to its end, and go on where an interrupt ends a call."""
    interrupts, going = 0, True
    with lines:
        while going:
            try:
                going = step(optimiser)
            except KeyboardInterrupt:
                interrupts += 1
    return interrupts


def outcome(optimiser):
    return optimiser.history.to_dict(), optimiser.diagnostics, optimiser.history.n_asked, optimiser.history.n_seen


def compare(make, budget, times, only=""):
    """Interrupt a search at every line that it runs, some of the times that it runs it; `only` is part of a path."""
    expected, lines = make(budget), Lines()
    assert session(expected, lines) == 0
    assert expected.n_told == budget
    tried = 0
    for where, n in lines.count.items():
        if only not in where[0]:
            continue
        for time in sorted({1 + (n - 1) * i // max(1, times - 1) for i in range(times)}):
            optimiser = make(budget)
            place = f"{Path(where[0]).name}:{where[1]}, time {time} of {n}"
            assert session(optimiser, Lines(where, time)) == 1, place
            assert outcome(optimiser) == outcome(expected), place
            tried += 1
    return tried


class Large(CellSpace):
    """A space that is not listed by the search, although it is small."""

    def __init__(self):
        super().__init__(nodes=4, operations=["conv", "pool"], edges="free")

    n_cells = property(lambda self: None)


MAKE = {
    "random": lambda budget: RandomSearch(SPACE, rng=1, budget=budget),
    "evolution": lambda budget: Evolution(SPACE, rng=1, budget=budget, population=3, tournament=2),
    "local": lambda budget: LocalSearch(SPACE, rng=1, budget=budget),
    "steepest": lambda budget: LocalSearch(SPACE, rng=1, budget=budget, improvement="steepest"),
    "nsga2": lambda budget: NSGA2(SPACE, rng=1, budget=budget, population=3),
    "gp": lambda budget: GPSearch(SPACE, rng=1, budget=budget, initial=3, batch=2),
}


@pytest.mark.parametrize("name", ["random", "local", "nsga2"])
def test_an_interrupt_anywhere_changes_nothing(name):
    assert compare(MAKE[name], budget=8, times=1) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKE)
def test_an_interrupt_at_many_times_changes_nothing(name):
    assert compare(MAKE[name], budget=14, times=2) > 100


@pytest.mark.slow
def test_an_interrupted_search_of_a_large_space():
    encoder = GraphVAE(SPACE, width=8, latent=4, epochs=1, rng=0).fit(SPACE.all_codes())

    def make(budget):
        return CRLSO(SPACE, rng=1, budget=budget, initial=3, encoder=encoder, candidates=6, reservoir=20)

    assert compare(make, budget=8, times=2, only="bayesian") > 100


@pytest.mark.slow
def test_an_interrupted_draw_from_a_large_space():
    space = Large()
    assert compare(lambda budget: RandomSearch(space, rng=1, budget=budget), budget=10, times=4) > 50


@pytest.mark.slow
def test_an_interrupted_training_is_done_again(monkeypatch):
    presets = dict(SPACE.presets)
    presets["fast"] = dataclasses.replace(presets["fast"], width=8, epochs=1)
    monkeypatch.setattr(CellSpace, "presets", presets)
    monkeypatch.setattr("crlso.methods.paper.Predictor", functools.partial(Predictor, epochs=2))

    def make(budget):
        return PaperCRLSO(SPACE, rng=1, budget=budget, labels=5)

    assert compare(make, budget=9, times=1, only="paper") > 80


def test_a_lesson_that_an_interrupt_prevented_is_learned_first():
    class Forgetful(type(scripted())):
        busy, told = True, ()

        def _learn(self, trial):
            if self.busy:
                raise KeyboardInterrupt
            self.told = (*self.told, self.n_told)
            super()._learn(trial)

    optimiser = Forgetful(scripted().space, script=ALL)
    first, second = optimiser.ask(), optimiser.ask()
    with pytest.raises(KeyboardInterrupt):
        optimiser.tell(first, 1.0)
    with pytest.raises(KeyboardInterrupt):
        optimiser.ask()
    assert (first.state, len(optimiser.trials), optimiser.learned) == ("complete", 2, [])
    optimiser.busy = False
    optimiser.tell(second, 2.0)
    assert optimiser.learned == [(0, 1.0, "complete"), (1, 2.0, "complete")]
    assert optimiser.told == (1, 2)  # each lesson is learned before the next result is recorded


def test_an_error_of_a_progress_callback_loses_no_lesson():
    def broken(phase, done, total):
        raise LookupError("my mistake")

    optimiser = scripted()
    trial = optimiser.ask()
    optimiser.on_progress = broken
    with pytest.raises(LookupError):
        optimiser.tell(trial, 1.0)
    optimiser.on_progress = None
    assert optimiser.learned == [(0, 1.0, "complete")]
    optimiser.tell(optimiser.ask(), 2.0)
    assert [number for number, *_ in optimiser.learned] == [0, 1]


def test_a_history_records_an_event_whole_or_not_at_all():
    class Full(list):
        def append(self, event):
            raise KeyboardInterrupt

    history = History()
    known = history.observe("a", [1], 1, Measurement(5.0))
    pending = history.ask("b", [2], 2)
    pending.user_attrs["host"] = "near"
    before, events = history.to_dict(), history.events
    measurement = Measurement(7.0, user_attrs={"host": "far"})
    for record in (
        lambda: history.ask("c", [3], 3),
        lambda: history.observe("c", [3], 3, measurement),
        lambda: history.tell(pending, measurement),
        lambda: history.fail(pending, "lost"),
    ):
        history.events = Full(events)
        with pytest.raises(KeyboardInterrupt):
            record()
        history.events = events
        assert history.to_dict() == before
        assert (history.pending, history.n_asked, history.n_seen, known.value) == ([pending], 1, 2, 5.0)
    history.tell(pending, measurement)
    assert (pending.value, pending.user_attrs, history.ask("c", [3], 3).number) == (7.0, {"host": "far"}, 2)


def test_a_step_that_is_repeated_starts_from_the_same_value():
    value = Stepwise(("a",))
    for step_, times in (("x", 3), ("y", 1), ("z", 2)):
        for _ in range(times):
            value.put(step_, (*value.before(step_), step_))
    assert value.value == ("a", "x", "y", "z")
    assert value.before("z") == ("a", "x", "y") and value.before("next") == value.value


def test_all_methods_are_interrupted_here():
    assert set(METHODS) == {*MAKE, "cr-lso", "cr-lso-paper"} - {"steepest"}
