"""Going on from a journal: what the search is, and its events again."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crlso._base.checks import check_int
from crlso._base.environment import environment
from crlso._base.files import check_folder
from crlso._base.fingerprint import Named, fingerprint
from crlso._base.plain import json_text, plain
from crlso._version import __version__
from crlso.history import Measurement
from crlso.journal import Entry, Journal, Recorder, difference
from crlso.methods.base import Optimiser, check_budget, count_classes
from crlso.methods.results import Results
from crlso.studies.goals import Goals
from crlso.studies.study import Study

__all__ = ["check_same", "head_of", "observe", "opened", "replay", "results_of"]

_log = logging.getLogger("crlso.search")

_LONGEST_OPTION = 1000  # characters
_NUMBERS = ("isa", "blas", "blas_kernel", "machine")  # of an environment: what results depend on in their last digits


@contextlib.contextmanager
def opened(path: str | os.PathLike[str] | None) -> Iterator[Recorder | None]:
    """Open a journal for writing; without a path there is none."""
    if path is None:
        yield None
    else:
        check_folder("journal", path)
        with Recorder.opened(path) as recorder:
            yield recorder


def head_of(goals: Goals, method: Any, options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what identifies a search, as the first line of its journal has it.

    An option that is long is shown by its kind; a fingerprint of each option and of the space tells others apart.
    """
    benchmark = goals.benchmark
    labels = {name: getattr(benchmark, name, None) for name in ("benchmark", "dataset", "objective")}
    labels["benchmark"] = getattr(benchmark, "name", None)
    space = benchmark.space
    name = getattr(space, "name", None)
    return {
        **{label: None if value is None else str(value) for label, value in labels.items()},
        "objectives": [str(objective) for objective in goals.objectives],
        "constraints": goals.constraints,
        "method": method if isinstance(method, str) else str(getattr(method, "name", method)),
        "options": {key: _shown(value) for key, value in options.items()},
        "seed": seed,
        "space": name if isinstance(name, str) else None,
        "fingerprint": {key: fingerprint(Named(value)) for key, value in {"space": space, **options}.items()},
        "version": __version__,
        "environment": environment(),
    }


def _shown(value: Any) -> Any:
    shown = plain(value)
    return shown if len(json_text(shown)) <= _LONGEST_OPTION else f"a {type(value).__name__} too long to show"


def check_same(journal: Journal, head: Mapping[str, Any], budget: Any) -> None:
    """Refuse to go on with another search than that of the journal, or with a smaller budget.

    Raises
    ------
    TypeError, ValueError
        The message names the difference.
    """
    if journal.head is None:
        return
    found = difference(journal.head, head)
    if found is not None:
        raise ValueError(f"journal: {os.fspath(journal.path)} is of another search: {found}")
    if budget is not None and check_int("budget", budget, 1) < journal.budget:
        raise ValueError(f"budget: expected at least {journal.budget}, that of the journal, got {budget}")


def replay(journal: Journal, optimiser: Optimiser, budget: int) -> None:
    """Let an optimiser learn from the events of a journal, and set its budget.

    Where the method proposes another cell than the journal has, that of the journal is taken, and one warning says so.

    Raises
    ------
    ValueError
        If the journal has a cell that is not in the space, or a note that the method does not understand.
    """
    other: list[int] = []
    for entry in journal.entries:
        with journal.reading(entry):
            if not _repeated(entry, optimiser):
                other.append(entry.number + 1)
    optimiser.budget = check_budget(budget, count_classes(optimiser.space))
    if journal.entries:
        _warn(journal, other)


def observe(optimiser: Optimiser, results: Results, goals: Goals) -> None:
    """Let an optimiser learn from results that are known already, but for those of cells that it knows.

    Raises
    ------
    ValueError
        If one of them lacks an objective.
    """
    fresh = ~optimiser.history.seen(results.keys)
    cells = optimiser.space.cells(results.codes)
    for i in np.flatnonzero(fresh).tolist():
        outcome = results.outcomes[i]
        if isinstance(outcome, Measurement):
            try:
                measurement = goals.completed(cells[i], outcome)
            except ValueError as error:
                raise ValueError(f"known: {error}") from None
            optimiser.observe(cells[i], measurement)
        else:
            optimiser.observe(cells[i], state="failed", error=outcome)
    _log.info("%d results are known already; the cells of %d were evaluated before", fresh.sum(), (~fresh).sum())


def _repeated(entry: Entry, optimiser: Optimiser) -> bool:
    """Repeat one event; return False if the method proposes another cell."""
    if entry.kind == "asked":
        _, is_same = optimiser.ask_again(entry.codes, entry.document.get("note"))
        _check_key(entry, optimiser)
        return is_same
    if entry.kind in ("told", "failed"):
        trial = optimiser.trials[entry.number]
        optimiser.tell(trial, entry.measurement, "complete" if entry.kind == "told" else "failed", entry.error)
    elif entry.kind == "observed":
        measurement = entry.measurement
        cell = optimiser.space.cells([entry.codes])[0]
        optimiser.observe(cell, measurement, "failed" if measurement is None else "complete", entry.error)
        _check_key(entry, optimiser)
    elif entry.kind == "resumed":
        optimiser.budget = check_int("budget", entry.document["budget"], 1)
    return True


def _check_key(entry: Entry, optimiser: Optimiser) -> None:
    """Check that the last trial has the key that the journal gives it."""
    key = optimiser.history.key_of(optimiser.trials[-1])
    if key != entry.key:
        raise ValueError(f"key: expected {key} for this cell, got {entry.key}")


def _warn(journal: Journal, other: list[int]) -> None:
    head: dict[str, Any] = journal.head or {}
    before = {"version": head.get("version"), **head.get("environment", {})}
    now = {"version": __version__, **environment()}
    changed = [
        f"{name} {before.get(name)} and not {now[name]}"
        for name in ("version", *_NUMBERS)
        if before.get(name) != now[name]
    ]
    reasons = f" (it was begun with {', '.join(changed)})" if changed else ""
    if other:
        _log.warning(
            "%s: the method proposes other cells than the journal has in %d queries, first in query %d%s; the results "
            "of the journal are kept, and the search goes on from them",
            journal.path,
            len(other),
            other[0],
            reasons,
        )
    elif changed:
        _log.warning("%s: the search may ask for other cells than where it was begun%s", journal.path, reasons)


def results_of(study: Study) -> dict[str, Any]:
    """Return what the last line of a journal has of a study that is over."""
    return {
        "seconds": study.seconds,
        "optimum": study.optimum,
        "results": [{"number": trial.number, "index": trial.index, "test": trial.test} for trial in study.chosen],
    }
