"""Trials, their measurements, and the history of a search."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.bounds import Bounds
from crlso._base.displays import display, drawing, facts
from crlso._base.measurement import Measurement
from crlso._base.plain import plain, typed
from crlso._base.tables import number
from crlso._base.trials import Trials
from crlso._base.types import Codes, Floats, Keys
from crlso._core import CellSet

__all__ = ["Event", "History", "Improvement", "Measurement", "Trial", "Trials"]


def __dir__() -> list[str]:
    return __all__


@dataclass
class Trial:
    """A cell that was proposed by a method or observed, with the result of its evaluation.

    Parameters
    ----------
    number : int
        Position among the trials of its history, from 0.
    cell : Cell
        The cell to evaluate.
    measurement : Measurement or float, optional
        Result of the evaluation; None unless the trial is complete.
    error : str, optional
        Why the evaluation failed; None unless it did.
    asked : bool
        True for a query, which a method proposed; False for an observation added by the user.
    index : int, optional
        Official index of the cell, looked up for the best cells after a search.
    test : float, optional
        Test accuracy of the cell in percent, looked up for the best cells after a search.
    user_attrs : dict
        Notes of the user.

    Raises
    ------
    ValueError
        If the trial has both a measurement and an error.

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
        """State of the trial: ``"complete"`` with a measurement, ``"failed"`` with an error, else ``"pending"``."""
        if self.measurement is not None:
            return "complete"
        return "pending" if self.error is None else "failed"

    @property
    def value(self) -> float | None:
        """The value to maximise; None unless the trial is complete."""
        return None if self.measurement is None else self.measurement.value

    def take(self, measurement: Measurement) -> None:
        """Complete the trial with a measurement, whose user attributes are merged into those of the trial.

        Parameters
        ----------
        measurement : Measurement
            The result of its evaluation.

        Raises
        ------
        TypeError
            If it is something else.

        Examples
        --------
        >>> trial = Trial(0, "a cell")
        >>> trial.take(Measurement(93.5))
        >>> trial.state
        'complete'
        """
        if not isinstance(measurement, Measurement):
            raise TypeError(f"measurement: expected a Measurement, got {type(measurement).__name__}")
        self.user_attrs.update(measurement.user_attrs)
        self.measurement = replace(measurement, user_attrs={})

    def result(self) -> dict[str, Any]:
        """The trial as a result: a dict of ``cell`` (text), ``index``, ``value`` and ``test``.

        Returns
        -------
        dict
            Plain data.

        Examples
        --------
        >>> Trial(0, "a cell", 93.5).result()
        {'cell': 'a cell', 'index': None, 'value': 93.5, 'test': None}
        """
        return {"cell": str(self.cell), "index": self.index, "value": self.value, "test": self.test}

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain data for strict JSON.

        Returns
        -------
        dict
            Plain data.

        Examples
        --------
        >>> Trial(0, "a cell", 93.5).to_dict()["value"]
        93.5
        """
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
        if self.measurement is not None:
            further = {**self.measurement.objectives, **self.measurement.constraints}
            rows += [(name, number(value)) for name, value in further.items()]
        rows += [(str(key), number(value)) for key, value in [*known.items(), *self.user_attrs.items()]]
        return display(facts([*rows, ("cell", str(self.cell))]), drawing(self.cell))


def _trial_of(entry: Any, cell: Any) -> Trial:
    """Restore a trial from the output of its to_dict."""
    trial = Trial(
        typed(entry, "number", int),
        cell,
        Measurement.from_dict(entry),
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
    """An event of a search: the trial `number` was ``asked``, ``told``, ``failed`` or ``observed``.

    Parameters
    ----------
    kind : str
        What happened.
    number : int
        Number of the trial.

    Examples
    --------
    >>> history = History()
    >>> _ = history.ask("a cell", [0], 0)
    >>> history.events
    [Event(kind='asked', number=0)]
    """

    kind: str
    number: int


class Improvement(NamedTuple):
    """A trial that was better than all earlier ones, with its query number, counted from 1.

    Parameters
    ----------
    query : int
        Number of the query, from 1; 0 for a result that was observed before the first.
    trial : Trial
        The trial.

    Examples
    --------
    >>> history = History()
    >>> history.tell(history.ask("a cell", [0], 0), Measurement(93.5))
    >>> history.improvements[0].query
    1
    """

    query: int
    trial: Trial


class History:
    """All trials and events of a search.

    A method and its study share one history, which alone stores the trials. Equal cells form a class with one
    canonical key; each class is asked for, or observed, at most once. An event is recorded whole or not at all, also
    if Ctrl-C interrupts that.

    Attributes
    ----------
    trials : list of Trial
        In the order in which they were asked for or observed.
    events : list of Event
        All events in order. Replayed through a method with the same options and seed, they repeat its search.
    bounds : dict of str to Bounds
        Constraints of the search on measures that evaluations return, by name. :attr:`best` and :attr:`improvements`
        are of trials that satisfy all of them.
    on_event : callable or None
        Called after each event, for example to write it to a file. Its exceptions are passed on; the event is recorded
        all the same. Copies and pickles have none.

    Examples
    --------
    >>> history = History()
    >>> trial = history.ask("a cell", codes=(3, 1), key=16)
    >>> history.tell(trial, Measurement(93.5))
    >>> history.best.value, history.values, history.n_queries
    (93.5, array([93.5]), 1)
    """

    def __init__(self) -> None:
        self.trials: Trials = Trials()
        self.events: list[Event] = []
        self.bounds: dict[str, Bounds] = {}
        self.on_event: Callable[[], object] | None = None
        self._codes: list[tuple[int, ...]] = []
        self._keys: list[int] = []
        self._seen = CellSet()
        self._pending: dict[int, Trial] = {}
        self._n_asked = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return (self.trials, self._keys, self.events) == (other.trials, other._keys, other.events)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: all but :attr:`on_event`."""
        return {**self.__dict__, "on_event": None}

    def __repr__(self) -> str:
        return f"History({len(self.trials)} trials, {len(self._pending)} pending)"

    # -- events ---------------------------------------------------------------------------------------------------

    def ask(self, cell: Any, codes: Iterable[int], key: int) -> Trial:
        """Add a pending trial.

        Parameters
        ----------
        cell : Cell
            The cell to evaluate.
        codes : iterable of int
            Canonical codes of the cell.
        key : int
            Canonical key of the cell.

        Returns
        -------
        Trial
            The new trial, which is pending.

        Raises
        ------
        ValueError
            If the class was asked for or observed before.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> second.number, history.n_asked
        (1, 2)
        """
        trial = Trial(len(self.trials), cell)
        with self._whole():
            self._add(trial, codes, key)
            self._pending[trial.number] = trial
            self.events.append(Event("asked", trial.number))
        self._notify()
        return trial

    def observe(
        self, cell: Any, codes: Iterable[int], key: int, measurement: Measurement | None, error: str | None = None
    ) -> Trial:
        """Add a finished trial for a cell that was not asked for.

        Parameters
        ----------
        cell : Cell
            The cell that was evaluated.
        codes : iterable of int
            Canonical codes of the cell.
        key : int
            Canonical key of the cell.
        measurement : Measurement or None
            Result of the evaluation; None if it failed.
        error : str, optional
            Why the evaluation failed; ``"failed"`` by default.

        Returns
        -------
        Trial
            The new trial, complete or failed.

        Raises
        ------
        ValueError
            If the class was asked for or observed before.

        Examples
        --------
        >>> history = History()
        >>> history.observe("a cell", [0], 0, Measurement(93.5), None).asked
        False
        """
        trial = Trial(len(self.trials), cell, asked=False)
        with self._whole():
            if measurement is None:
                trial.error = error or "failed"
            else:
                trial.take(measurement)
            self._add(trial, codes, key)
            self.events.append(Event("observed", trial.number))
        self._notify()
        return trial

    def tell(self, trial: Trial, measurement: Measurement) -> None:
        """Complete a pending trial with its measurement.

        Parameters
        ----------
        trial : Trial
            A trial of this history.
        measurement : Measurement
            The result of its evaluation.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.tell(second, Measurement(93.5))
        >>> history.best.number
        1
        """
        with self._whole(trial):
            del self._pending[trial.number]
            trial.take(measurement)
            self.events.append(Event("told", trial.number))
        self._notify()

    def fail(self, trial: Trial, error: str) -> None:
        """Mark a pending trial as failed; it still counts as a query.

        Parameters
        ----------
        trial : Trial
            A trial of this history.
        error : str
            Why its evaluation failed.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.fail(first, "out of memory")
        >>> first.state, history.n_queries
        ('failed', 1)
        """
        with self._whole(trial):
            del self._pending[trial.number]
            trial.error = error
            self.events.append(Event("failed", trial.number))
        self._notify()

    def _notify(self) -> None:
        if self.on_event is not None:
            self.on_event()

    @contextlib.contextmanager
    def _whole(self, trial: Trial | None = None) -> Iterator[None]:
        """Undo what the block did to the history, and to `trial`, if an exception ends it."""
        n_trials, n_events = len(self.trials), len(self.events)
        before = {} if trial is None else {**vars(trial), "user_attrs": dict(trial.user_attrs)}
        try:
            yield
        except BaseException:
            for rows in (self.trials, self._codes, self._keys):
                del rows[n_trials:]
            del self.events[n_events:]
            if trial is not None:
                vars(trial).update(before)
            self._index()
            raise

    def _index(self) -> None:
        """Derive from the trials which classes were seen, and which trials are pending."""
        self._pending = {trial.number: trial for trial in self.trials if trial.state == "pending"}
        self._n_asked = sum(trial.asked for trial in self.trials)
        self._seen = CellSet()
        for key in self._keys:
            self._seen.add(key)

    def _add(self, trial: Trial, codes: Iterable[int], key: int) -> None:
        if key in self._seen:
            raise ValueError(
                f"cell: expected a class that was not asked for or observed before, got {trial.cell!s:.200}"
            )
        self.trials.append(trial)
        self._codes.append(tuple(codes))
        self._keys.append(int(key))
        self._seen.add(int(key))
        self._n_asked += trial.asked

    # -- as plain data --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The history as plain data: ``trials`` with their canonical keys, and ``events`` as pairs.

        Returns
        -------
        dict
            Plain data.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.to_dict()["events"]
        [['asked', 0], ['asked', 1]]
        """
        trials = [{**trial.to_dict(), "key": key} for trial, key in zip(self.trials, self._keys)]
        return {"trials": trials, "events": [list(event) for event in self.events]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], make_cell: Callable[[Any], Any]) -> History:
        """Restore a history from the output of :meth:`to_dict`.

        Parameters
        ----------
        document : mapping
            Output of :meth:`to_dict`.
        make_cell : callable
            ``make_cell(codes)`` returns a cell.

        Returns
        -------
        History

        Raises
        ------
        KeyError, TypeError, ValueError
            If the document does not have this form.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> space, history = NASBench201(), History()
        >>> trial = history.ask(space.cell(6111), space.cell(6111).codes, 6111)
        >>> History.from_dict(history.to_dict(), space.cell).trials[0].cell == trial.cell
        True
        """
        history = cls()
        for entry in document["trials"]:
            codes = typed(entry, "codes", list)
            trial = _trial_of(entry, make_cell(codes))
            if trial.number != len(history.trials):
                raise ValueError(f"number: expected {len(history.trials)}, got {trial.number}")
            history._add(trial, codes, typed(entry, "key", int))
        history._index()
        history.events = [Event(str(kind), int(number)) for kind, number in document["events"]]
        return history

    # -- queries and results --------------------------------------------------------------------------------------

    def seen(self, keys: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether classes were asked for or observed: one bool for each of the canonical `keys`, shape (n,).

        Parameters
        ----------
        keys : array_like of int64, shape (n,)
            Canonical keys.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where the class was asked for or observed, in the order of `keys`.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.seen([1, 2])
        array([ True, False])
        """
        return self._seen.has(keys)

    @property
    def n_seen(self) -> int:
        """Number of classes that were asked for or observed, pending and failed ones included."""
        return len(self._seen)

    @property
    def complete(self) -> list[Trial]:
        """Trials with a measurement, in order."""
        return [trial for trial in self.trials if trial.measurement is not None]

    def is_feasible(self, trial: Trial) -> bool:
        """Return whether a trial is complete and satisfies the constraints.

        Parameters
        ----------
        trial : Trial
            Any trial.

        Returns
        -------
        bool
            False also for a trial without a number that a constraint bounds.

        Examples
        --------
        >>> from crlso.objectives import Bounds
        >>> history = History()
        >>> history.bounds = {"ms": Bounds(most=2.0)}
        >>> [history.is_feasible(Trial(0, "a", Measurement(90.0, {"ms": ms}))) for ms in (1.0, 3.0)]
        [True, False]
        """
        measured = trial.measurement
        return measured is not None and all(bounds.hold(measured.number(name)) for name, bounds in self.bounds.items())

    @property
    def feasible(self) -> list[Trial]:
        """Complete trials that satisfy the constraints, in order."""
        return [trial for trial in self.trials if self.is_feasible(trial)]

    def violations(self, trials: Iterable[Trial]) -> Floats:
        """Return how far trials are from satisfying the constraints.

        Parameters
        ----------
        trials : iterable of Trial
            n trials, of any state.

        Returns
        -------
        ndarray of float64, shape (n,)
            Sum over the constraints of how far a number is beyond its bounds, in units of the bound; 0 for a feasible
            trial, infinity for one without a number.

        Examples
        --------
        >>> from crlso.objectives import Bounds
        >>> history = History()
        >>> history.bounds = {"ms": Bounds(most=2.0)}
        >>> history.violations([Trial(0, "a", Measurement(90.0, {"ms": ms})) for ms in (1.0, 3.0)])
        array([0. , 0.5])
        """
        measured = [trial.measurement for trial in trials]
        total = np.where([found is None for found in measured], math.inf, 0.0)
        for name, bounds in self.bounds.items():
            given = [None if found is None else found.number(name) for found in measured]
            excess = bounds.excess(np.array([number or 0.0 for number in given]))
            total += np.where([number is None for number in given], math.inf, excess)
        return total

    @property
    def pending(self) -> list[Trial]:
        """Trials whose result is not known yet, in order."""
        return list(self._pending.values())

    def is_pending(self, number: int) -> bool:
        """Whether the trial with this number is pending.

        Parameters
        ----------
        number : int
            Number of a trial.

        Returns
        -------
        bool
            False also for a number that no trial has.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.is_pending(0)
        True
        """
        return number in self._pending

    @property
    def n_asked(self) -> int:
        """Number of queries, pending ones included."""
        return self._n_asked

    @property
    def n_queries(self) -> int:
        """Number of finished queries, failed ones included."""
        return self.n_asked - len(self._pending)

    @property
    def values(self) -> Floats:
        """Values of the complete trials, shape (n,)."""
        return np.array([trial.value for trial in self.complete], dtype=np.float64)

    @property
    def rows(self) -> Codes:
        """Canonical codes of the complete trials, shape (n, codes per cell)."""
        return self.rows_of(self.complete)

    @property
    def keys(self) -> Keys:
        """Canonical keys of the complete trials, shape (n,)."""
        return np.array([self._keys[trial.number] for trial in self.complete], dtype=np.int64)

    def rows_of(self, trials: Iterable[Trial]) -> Codes:
        """Canonical codes of the given trials, shape (n, codes per cell).

        Parameters
        ----------
        trials : iterable of Trial
            n trials of this history.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            One row for each of the trials, in their order.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.rows_of([second, first])
        array([[1],
               [0]], dtype=uint8)
        """
        rows = [self._codes[trial.number] for trial in trials]
        return np.array(rows, dtype=np.uint8).reshape(len(rows), len(self._codes[0]) if self._codes else 0)

    def codes_of(self, trial: Trial) -> tuple[int, ...]:
        """Canonical codes of a trial of this history.

        Parameters
        ----------
        trial : Trial
            A trial of this history.

        Returns
        -------
        tuple of int
            One canonical code for each position of the cell.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.codes_of(second)
        (1,)
        """
        return self._codes[trial.number]

    def key_of(self, trial: Trial) -> int:
        """Canonical key of a trial of this history.

        Parameters
        ----------
        trial : Trial
            A trial of this history.

        Returns
        -------
        int
            Equal for all cells of the class of the trial.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.key_of(second)
        1
        """
        return self._keys[trial.number]

    def latest(self, n: int) -> list[Trial]:
        """The `n` trials that were completed last, or all if there are fewer, in the order of their results.

        Parameters
        ----------
        n : int
            Number of trials.

        Returns
        -------
        list of Trial
            Complete trials, the last result last; observed ones are among them.

        Examples
        --------
        >>> history = History()
        >>> first, second = (history.ask(f"cell {key}", [key], key) for key in range(2))
        >>> history.tell(second, Measurement(93.5))
        >>> history.tell(first, Measurement(92.5))
        >>> [trial.number for trial in history.latest(1)]
        [0]
        """
        done = (self.trials[number] for kind, number in reversed(self.events) if kind in ("told", "observed"))
        return list(itertools.islice((trial for trial in done if trial.value is not None), n))[::-1]

    @property
    def improvements(self) -> list[Improvement]:
        """Each feasible trial that was better than all earlier ones, with its query number."""
        found: list[Improvement] = []
        query, best = 0, -math.inf
        for trial in self.trials:
            query += trial.asked and trial.state != "pending"
            if trial.value is not None and trial.value > best and self.is_feasible(trial):
                best = trial.value
                found.append(Improvement(query, trial))
        return found

    @property
    def trajectory(self) -> list[dict[str, Any]]:
        """Improvements as dicts: ``query``, ``value`` (best so far) and ``test`` of that cell, or None."""
        return [{"query": query, "value": trial.value, "test": trial.test} for query, trial in self.improvements]

    @property
    def best(self) -> Trial:
        """The feasible trial with the highest value; the first one in case of ties.

        Raises
        ------
        ValueError
            If no trial is complete and satisfies the constraints.
        """
        improvements = self.improvements
        if not improvements:
            wanted = "complete trial that satisfies the constraints" if self.bounds else "complete trial"
            raise ValueError(f"best: expected a {wanted}, got none among {len(self.trials)}")
        return improvements[-1].trial
