"""Trials and their history: which cells were asked for or observed, and what their evaluations gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_number
from crlso._base.plain import plain, typed
from crlso._base.tables import drawing, html_table, number
from crlso._base.types import Codes, Floats, Keys
from crlso._core import CellSet

__all__ = ["Event", "History", "Improvement", "Measurement", "Trial"]


@dataclass(frozen=True)
class Measurement:
    """What an evaluation of a cell gave.

    Parameters
    ----------
    value : float
        The value to maximise, finite, e.g. validation accuracy in percent.
    objectives, constraints : mapping of str to float
        Further objectives and values of constraints by name.
    cost : float, optional
        What the evaluation took, in a unit of the user's.
    user_attrs : mapping of str to object
        Notes of the user's.

    Raises
    ------
    TypeError, ValueError
        For a value, objective, constraint value or cost that is no finite real number.

    Examples
    --------
    >>> Measurement(93.5, cost=1.5).value
    93.5
    """

    value: float
    objectives: Mapping[str, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    user_attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_number("value", self.value))
        for kind in ("objectives", "constraints"):
            numbers = {name: check_number(name, value) for name, value in getattr(self, kind).items()}
            object.__setattr__(self, kind, numbers)
        if self.cost is not None:
            object.__setattr__(self, "cost", check_number("cost", self.cost))

    @classmethod
    def of(cls, value: Any) -> Measurement:
        """Make a measurement of a number; a measurement stays as it is."""
        return value if isinstance(value, Measurement) else cls(value)


@dataclass
class Trial:
    """A cell that was asked for or observed, and what its evaluation gave.

    Parameters
    ----------
    number : int
        Position among the trials of its history, from 0.
    cell : Cell
        What is evaluated.
    measurement : Measurement or float, optional
        What the evaluation gave; None unless the trial is complete.
    error : str, optional
        Why the evaluation failed; None unless it did.
    asked : bool
        Whether a method asked for the cell: a query. False for an observation that was added.
    index, test
        What the search looks up of the best cells when it is over: official index and test accuracy.
    user_attrs : dict
        Notes of the user's.

    Raises
    ------
    ValueError
        For a trial with a measurement and an error.

    Examples
    --------
    >>> trial = Trial(0, "a cell", 93.5)
    >>> trial.state, trial.value
    ('complete', 93.5)
    """

    number: int
    cell: Any
    measurement: Measurement | None = None
    error: str | None = None
    asked: bool = True
    index: int | None = None
    test: float | None = None
    user_attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.measurement is not None:
            self.measurement = Measurement.of(self.measurement)
            if self.error is not None:
                raise ValueError(f"error: expected None for a trial with a measurement, got {self.error!r:.100}")

    @property
    def state(self) -> str:
        """``"complete"`` with a measurement, ``"failed"`` with an error, else ``"pending"``."""
        if self.measurement is not None:
            return "complete"
        return "pending" if self.error is None else "failed"

    @property
    def value(self) -> float | None:
        """The value to maximise; None unless the trial is complete."""
        return None if self.measurement is None else self.measurement.value

    def take(self, measurement: Measurement) -> None:
        """Become complete; user attributes of the measurement become the trial's."""
        self.user_attrs.update(measurement.user_attrs)
        self.measurement = replace(measurement, user_attrs={})

    def result(self) -> dict[str, Any]:
        """The cell and what is known of it, the shape of every result: ``cell``, ``index``, ``value`` and ``test``."""
        return {"cell": str(self.cell), "index": self.index, "value": self.value, "test": self.test}

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain data that strict JSON can hold."""
        codes = getattr(self.cell, "codes", None)
        measured = self.measurement
        document = {
            "number": self.number,
            **self.result(),
            "codes": codes,
            "state": self.state,
            "asked": self.asked,
            "error": self.error,
            "objectives": {} if measured is None else measured.objectives,
            "constraints": {} if measured is None else measured.constraints,
            "cost": None if measured is None else measured.cost,
            "user_attrs": self.user_attrs,
        }
        found: dict[str, Any] = plain(document)
        return found

    def _repr_html_(self) -> str:
        notes = {"index": self.index, "test": self.test, "error": self.error}
        known = {key: value for key, value in notes.items() if value is not None}
        rows = [("trial", str(self.number)), ("state", self.state), ("value", number(self.value))]
        rows += [(str(key), number(value)) for key, value in {**known, **self.user_attrs}.items()]
        return html_table([*rows, ("cell", str(self.cell))]) + drawing(self.cell)


def _trial_of(entry: Any, cell: Any) -> Trial:
    """A trial of what its to_dict gave."""
    value, measurement = typed(entry, "value", float, optional=True), None
    if value is not None:
        measurement = Measurement(
            value,
            typed(entry, "objectives", dict),
            typed(entry, "constraints", dict),
            typed(entry, "cost", float, optional=True),
        )
    trial = Trial(
        typed(entry, "number", int),
        cell,
        measurement,
        typed(entry, "error", str, optional=True),
        typed(entry, "asked", bool),
        typed(entry, "index", int, optional=True),
        typed(entry, "test", float, optional=True),
        typed(entry, "user_attrs", dict),
    )
    if typed(entry, "state", str) != trial.state:
        raise ValueError(f"state: expected {trial.state!r} with these values, got {entry['state']!r:.100}")
    return trial


class Event(NamedTuple):
    """One thing that happened: a trial was ``asked``, ``told``, ``failed`` or ``observed``."""

    kind: str
    number: int


class Improvement(NamedTuple):
    """A trial that was better than all before it, and by which query; queries are counted from 1."""

    query: int
    trial: Trial


class History:
    """The trials of a search: the single owner, shared by the method that asks and the study that reports.

    Queries are counted by class of equal cells: the method gives the canonical key of each cell, and a class is asked
    for, or observed, once.

    Attributes
    ----------
    trials : list of Trial
        In the order in which they were asked for or observed.
    events : list of Event
        What happened, in order; replayed through a method with the same options and seed, they repeat its search.

    Examples
    --------
    >>> history = History()
    >>> trial = history.ask("a cell", codes=(3, 1), key=16)
    >>> history.tell(trial, Measurement(93.5))
    >>> history.best.value, history.values, history.n_queries
    (93.5, array([93.5]), 1)
    """

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.events: list[Event] = []
        self._codes: list[tuple[int, ...]] = []
        self._keys: list[int] = []
        self._seen = CellSet()
        self._pending: dict[int, Trial] = {}
        self._n_asked = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return (self.trials, self._keys, self.events) == (other.trials, other._keys, other.events)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"History({len(self.trials)} trials, {len(self._pending)} pending)"

    # -- what happens ---------------------------------------------------------------------------------------------

    def ask(self, cell: Any, codes: Iterable[int], key: int) -> Trial:
        """Add a pending trial.

        Parameters
        ----------
        cell : Cell
        codes : iterable of int
            Its canonical row of codes.
        key : int
            Its canonical key.
        """
        trial = self._add(Trial(len(self.trials), cell), codes, key)
        self._pending[trial.number] = trial
        self.events.append(Event("asked", trial.number))
        return trial

    def observe(self, cell: Any, codes: Iterable[int], key: int, measurement: Measurement) -> Trial:
        """Add a measurement that nobody asked for, as a complete trial."""
        trial = self._add(Trial(len(self.trials), cell, asked=False), codes, key)
        trial.take(measurement)
        self.events.append(Event("observed", trial.number))
        return trial

    def tell(self, trial: Trial, measurement: Measurement) -> None:
        """Complete a pending trial; user attributes of the measurement become the trial's."""
        del self._pending[trial.number]
        trial.take(measurement)
        self.events.append(Event("told", trial.number))

    def fail(self, trial: Trial, error: str) -> None:
        """Let a pending trial fail; it stays a query."""
        del self._pending[trial.number]
        trial.error = error
        self.events.append(Event("failed", trial.number))

    def _add(self, trial: Trial, codes: Iterable[int], key: int) -> Trial:
        if key in self._seen:
            raise ValueError(
                f"cell: expected a class that was not asked for or observed before, got {trial.cell!s:.200}"
            )
        self.trials.append(trial)
        self._codes.append(tuple(codes))
        self._keys.append(int(key))
        self._seen.add(int(key))
        self._n_asked += trial.asked
        return trial

    # -- as plain data --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The history as plain data: ``trials``, each with its canonical key, and ``events`` as pairs."""
        trials = [{**trial.to_dict(), "key": key} for trial, key in zip(self.trials, self._keys)]
        return {"trials": trials, "events": [list(event) for event in self.events]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], make_cell: Callable[[Any], Any]) -> History:
        """Make a history of what :meth:`to_dict` gave.

        Parameters
        ----------
        document : mapping
        make_cell : callable
            Makes a cell of its codes.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a document that is not of this form.
        """
        history = cls()
        for entry in document["trials"]:
            codes = typed(entry, "codes", list)
            trial = _trial_of(entry, make_cell(codes))
            if trial.number != len(history.trials):
                raise ValueError(f"number: expected {len(history.trials)}, got {trial.number}")
            history._add(trial, codes, typed(entry, "key", int))
            if trial.state == "pending":
                history._pending[trial.number] = trial
        history.events = [Event(str(kind), int(number)) for kind, number in document["events"]]
        return history

    # -- what is known --------------------------------------------------------------------------------------------

    def seen(self, keys: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the classes with these keys (n,) were asked for or observed, shape (n,)."""
        return self._seen.has(keys)

    @property
    def n_seen(self) -> int:
        """Number of classes that were asked for or observed."""
        return len(self._seen)

    @property
    def complete(self) -> list[Trial]:
        """Trials with a measurement, in order."""
        return [trial for trial in self.trials if trial.measurement is not None]

    @property
    def pending(self) -> list[Trial]:
        """Trials that were asked for and neither told nor failed, in order."""
        return list(self._pending.values())

    def is_pending(self, number: int) -> bool:
        """Whether the trial with this number is pending."""
        return number in self._pending

    @property
    def n_asked(self) -> int:
        """Number of queries that were asked for, pending ones included."""
        return self._n_asked

    @property
    def n_queries(self) -> int:
        """Number of queries whose evaluation came back, failed ones included."""
        return self.n_asked - len(self._pending)

    @property
    def values(self) -> Floats:
        """Values of the complete trials, shape (n,)."""
        return np.array([trial.value for trial in self.complete], dtype=np.float64)

    @property
    def rows(self) -> Codes:
        """Canonical rows of codes of the complete trials, shape (n, codes per cell)."""
        return self.rows_of(self.complete)

    @property
    def keys(self) -> Keys:
        """Canonical keys of the complete trials, shape (n,)."""
        return np.array([self._keys[trial.number] for trial in self.complete], dtype=np.int64)

    def rows_of(self, trials: Iterable[Trial]) -> Codes:
        """Canonical rows of codes of some trials, shape (n, codes per cell)."""
        rows = [self._codes[trial.number] for trial in trials]
        return np.array(rows, dtype=np.uint8).reshape(len(rows), len(self._codes[0]) if self._codes else 0)

    @property
    def improvements(self) -> list[Improvement]:
        """Each trial that was better than all before it, and by which query it was known."""
        found: list[Improvement] = []
        query, best = 0, -math.inf
        for trial in self.trials:
            query += trial.asked and trial.state != "pending"
            if trial.value is not None and trial.value > best:
                best = trial.value
                found.append(Improvement(query, trial))
        return found

    @property
    def trajectory(self) -> list[dict[str, Any]]:
        """``query``, ``value`` (the best so far) and ``test`` (of that cell, or None) of each improvement."""
        return [{"query": query, "value": trial.value, "test": trial.test} for query, trial in self.improvements]

    @property
    def best(self) -> Trial:
        """The complete trial with the highest value, the first of equals.

        Raises
        ------
        ValueError
            When no trial is complete.
        """
        improvements = self.improvements
        if not improvements:
            raise ValueError(f"best: expected a complete trial, got none among {len(self.trials)}")
        return improvements[-1].trial
