"""The base class of search methods: the ask/tell interface, the budget, and the record of evaluated cells."""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.names import native_names
from crlso._base.types import Codes, Progress
from crlso.history import History, Measurement, Trial
from crlso.objectives import VALUE, Objective, bounds_of, objectives_of
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space, check_is_space
from crlso.spaces.keys import first_of_each

__all__ = [
    "LARGEST_LISTED",
    "BudgetSpent",
    "Optimiser",
    "Stepwise",
    "check_budget",
    "count_classes",
    "default_budget",
    "reporting",
    "unseen_neighbours",
]

Value = TypeVar("Value")

_log = logging.getLogger("crlso.search")

DEFAULT_BUDGET = 100
LARGEST_LISTED = 20_000  # largest number of different cells for which a search enumerates the space


_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def reporting(progress: Progress | None) -> Iterator[None]:
    """Let optimisers that are made in a ``with`` block report progress from the beginning, see `on_progress`."""
    before = _progress.get()
    try:
        _progress.set(progress)
        yield
    finally:
        _progress.set(before)


class BudgetSpent(RuntimeError):
    """Raised when a trial is asked for after the budget is spent, or when no unseen class is left.

    Examples
    --------
    >>> from crlso.methods import RandomSearch
    >>> from crlso.spaces import NASBench201
    >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=1)
    >>> _ = optimiser.ask()
    >>> try:
    ...     _ = optimiser.ask()
    ... except BudgetSpent as error:
    ...     print(type(error).__name__)
    BudgetSpent
    """


class Stepwise(Generic[Value]):
    """A value that each step of a search replaces, so that a step can be repeated after an interrupt.

    A step computes its value from that before it. Repeated, it starts from the same one, whether it had put its value
    or not. Values must not be changed in place.

    Parameters
    ----------
    value : object
        The value before the first step.

    Examples
    --------
    >>> total = Stepwise(0)
    >>> for step in (1, 2, 2, 2, 3):
    ...     total.put(step, total.before(step) + 10)
    >>> total.value
    30
    """

    def __init__(self, value: Value) -> None:
        self._last: tuple[Any, Value, Value] = (None, value, value)  # a step, and the values before and after it

    @property
    def value(self) -> Value:
        """The value after the last step."""
        return self._last[2]

    def before(self, step: Any) -> Value:
        """Return the value before a step: the last one that was put, or a new one."""
        last, before, after = self._last
        return before if last == step else after

    def put(self, step: Any, value: Value) -> None:
        """Set the value after a step."""
        self._last = (step, self.before(step), value)


class Optimiser(ABC):
    """Base class of search methods: the ask/tell interface, the budget, and the record of evaluated cells.

    The caller gets a trial from :meth:`ask`, evaluates its cell, and reports the result with :meth:`tell`. Any number
    of trials can be pending, and results can be told in any order. Cells with equal ``canonical_key`` form a class.
    The cell of a trial is the representative of its class, and no class is asked for twice, even if its evaluation
    failed. Add results that are known already with :meth:`observe`. Use an optimiser from one thread at a time.

    A search method is a subclass that implements :meth:`_next` and, if it learns from each result, :meth:`_learn`. It
    draws random numbers from :attr:`stream`, times its work with :meth:`phase`, counts with :meth:`count` and reports
    progress with :meth:`report`.

    Ctrl-C can interrupt any call, and the optimiser can go on: the next call first learns what the interrupted one did
    not. An interrupted :meth:`ask` may have recorded its trial, which is then the last one of :attr:`pending`; an
    interrupted :meth:`tell` has recorded the result if the trial is not pending any more.

    An optimiser can be pickled and copied with ``copy.deepcopy`` at any time, also while trials are pending. The copy
    asks for the same cells as the original and shares nothing with it. It has no :attr:`on_progress`.

    Parameters
    ----------
    space : Space
        A :class:`crlso.spaces.CellSpace`, or another object with ``classes()``, ``canonical_key(codes)``,
        ``canonicalise(codes)``, ``representative(codes)`` and ``cells(codes)``.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness. Equal integers give equal searches if results are told in the same order.
    budget : int, optional
        Number of trials that can be asked for. By default the number of classes of the space, or no limit if the space
        is too large to enumerate.

    Attributes
    ----------
    space, budget
        As given.
    objectives : tuple of Objective
        What the search is for: by default the value alone.
    is_listed : bool
        Whether the space is small enough to be enumerated (at most 20,000 classes).
    history : History
        All trials and events.
    stream : crlso.random.Stream
        Source of all randomness.
    seconds : dict of str to float
        Wall-clock time by phase. Time in a nested phase counts only for the inner phase.
    diagnostics : dict
        Information that the method reports, such as counts of proposals.
    note : object
        Plain data that the method left with the last :meth:`ask`, from which :meth:`ask_again` restores what it would
        have to compute; None if there is none.
    on_progress : callable or None
        Called as ``on_progress(phase, done, total)``.

    Raises
    ------
    TypeError, ValueError
        If the budget is not an integer from 1 to the number of classes, or `rng` is invalid.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> class InOrder(Optimiser):
    ...     name = "in-order"
    ...
    ...     def _next(self):
    ...         codes = self.space.classes().codes
    ...         return codes[np.flatnonzero(~self.seen(codes))[0]]
    >>> optimiser = InOrder(NASBench201(), rng=0, budget=2)
    >>> first, second = optimiser.ask(), optimiser.ask()
    >>> optimiser.tell(second, 91.5)
    >>> optimiser.tell(first, state="failed")
    >>> optimiser.best.number, optimiser.n_told, optimiser.remaining
    (1, 2, 0)
    """

    name: str = "unnamed"
    """Name of the method in studies and on the command line."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = native_names(cls.__init__, cls.__name__)  # type: ignore[method-assign]

    def __init__(self, space: Space, *, rng: Any = 0, budget: int | None = None) -> None:
        check_is_space(space)
        n_classes = count_classes(space)
        self.space = space
        self.is_listed = n_classes is not None and n_classes <= LARGEST_LISTED
        if budget is None:
            self.budget = sys.maxsize if n_classes is None else n_classes
        else:
            self.budget = check_budget(budget, n_classes)
        self.history = History()
        self.objectives: tuple[Objective, ...] = (Objective(VALUE),)
        self.stream = Stream(seed_of(rng))
        self.seconds: dict[str, float] = {}
        self.diagnostics: dict[str, Any] = {}
        self.note: Any = None
        self.on_progress = _progress.get()
        self._n_classes = sys.maxsize if n_classes is None else n_classes
        self._learned = 0  # number of events of the history whose lessons are learned
        self._counts: Stepwise[dict[str, int]] = Stepwise({})
        self._phases: tuple[str, ...] = ()
        self._mark = 0.0

    # -- for users ------------------------------------------------------------------------------------------------

    def ask(self) -> Trial:
        """Choose the next cell to evaluate.

        Returns
        -------
        Trial
            A pending trial, to be passed to :meth:`tell`.

        Raises
        ------
        BudgetSpent
            If `budget` trials were asked for, pending ones included, or no class is left.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> optimiser.ask().number, optimiser.remaining
        (0, 2)
        """
        self._learn_all()
        self._check_remaining()
        with self.phase("search"):
            self.note = None
            return self._add(self._proposed())

    def ask_again(self, codes: npt.ArrayLike, note: Any = None) -> tuple[Trial, bool]:
        """Repeat an :meth:`ask` of an earlier run of the same search.

        The trial has the cell that was asked for then. If the method proposes another one now, as a later version or
        another processor may, it learns from the result all the same.

        Parameters
        ----------
        codes : array_like of uint8, shape (codes per cell,)
            The cell that was asked for.
        note : optional
            The :attr:`note` that was left then, by which the method need not compute the proposal again.

        Returns
        -------
        trial : Trial
            The pending trial.
        is_same : bool
            Whether the method proposes this cell.

        Raises
        ------
        BudgetSpent
            As :meth:`ask`.
        ValueError
            If the class of the cell was asked for or observed before, or `note` is not a note of this method.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> first, again = (RandomSearch(NASBench201(), rng=0) for _ in range(2))
        >>> again.ask_again(first.ask().cell.codes)[1]
        True
        """
        self._learn_all()
        self._check_remaining()
        with self.phase("search"):
            self.note = None
            if note is not None:
                self._recall(note)
            given = np.asarray(codes, dtype=np.uint8)
            keys = self.space.canonical_key(np.stack([given, self._proposed()]))
            return self._add(given), bool(keys[0] == keys[1])

    def tell(
        self,
        trial: Trial,
        value: float | Measurement | None = None,
        state: str = "complete",
        error: str | None = None,
    ) -> None:
        """Report the result of evaluating a trial.

        Parameters
        ----------
        trial : Trial
            A trial returned by :meth:`ask`, or a copy of it, for example from another process.
        value : float or Measurement, optional
            The value to maximise, finite; None for a failed trial.
        state : {"complete", "failed"}
            A failed trial still counts as a query.
        error : str, optional
            Why the evaluation failed.

        Raises
        ------
        ValueError
            If the trial was told before or is not from this optimiser, the value is missing, not finite or given for
            a failed trial, the measurement lacks an objective or a constraint of the search, or the state is unknown.
            The optimiser is then unchanged, and the trial can be told again.
        TypeError
            If `trial` is not a Trial or `value` is not a real number.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> trial = optimiser.ask()
        >>> optimiser.tell(trial, 91.5)
        >>> optimiser.best.value
        91.5
        """
        mine = self._find(trial)
        measurement = self._told_measurement(value, state)
        self._learn_all()
        if trial is not mine:
            mine.user_attrs.update(trial.user_attrs)
        if measurement is not None:
            self.history.tell(mine, measurement)
        else:
            self.history.fail(mine, error or trial.error or "failed")
        self._learn_all()
        self.report("search", self.n_told, self.budget)

    def observe(
        self,
        cell: Any,
        value: float | Measurement | None = None,
        state: str = "complete",
        error: str | None = None,
    ) -> Trial:
        """Add a result that is known already. It costs no query, and its class will not be asked for.

        Parameters
        ----------
        cell : Cell or anything that ``space.cell`` accepts
            The cell that was evaluated.
        value : float or Measurement, optional
            The value to maximise, finite; None for a failed evaluation.
        state : {"complete", "failed"}
            Whether the evaluation succeeded.
        error : str, optional
            Why the evaluation failed.

        Returns
        -------
        Trial
            A complete or failed trial.

        Raises
        ------
        TypeError, ValueError
            If `cell` is not a cell of the space, :meth:`tell` would refuse the result, or the class was asked for or
            observed before.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0)
        >>> optimiser.observe("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|", 85.1).asked
        False
        """
        measurement = self._told_measurement(value, state)
        rows = self.space.codes([self.space.cell(cell)])
        if not self.space.valid(rows)[0]:
            raise ValueError(f"cell: expected a cell of the space, got {cell!s:.200}")
        row = self.space.canonicalise(rows)
        key = int(self.space.canonical_key(rows)[0])
        self._learn_all()
        trial = self.history.observe(self.space.cells(row)[0], row[0].tolist(), key, measurement, error)
        self._learn_all()
        return trial

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order in which they were asked for or observed."""
        return self.history.trials

    @property
    def pending(self) -> list[Trial]:
        """Trials that were asked for and whose results are not known yet."""
        return self.history.pending

    @property
    def n_told(self) -> int:
        """Number of trials that were asked for and told, failed ones included."""
        return self.history.n_queries

    @property
    def remaining(self) -> int:
        """Number of trials that can still be asked for."""
        return min(self.budget - self.history.n_asked, self._n_classes - self.history.n_seen)

    @property
    def best(self) -> Trial:
        """The feasible trial with the highest value, the first in case of ties; ValueError if there is none."""
        return self.history.best

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: all but :attr:`on_progress` and the phase that is being timed."""
        return {**self.__dict__, "on_progress": None, "_phases": ()}

    def __repr__(self) -> str:
        told, pending = self.n_told, len(self.pending)
        budget = "none" if self.budget == sys.maxsize else self.budget
        return f"{type(self).__name__}({self.space!r}, budget {budget}: {told} told, {pending} pending)"

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _next(self) -> npt.ArrayLike:
        """Return the codes of the next cell, shape (codes per cell,).

        The cell is any member of a class that was not seen, see :meth:`seen`. :meth:`ask` calls this method while at
        least one trial is left in the budget; other trials may be pending.

        A call that is interrupted is repeated. So look at a queue and skip what was seen, instead of taking from it,
        and assign what belongs together at once; :class:`Stepwise` helps.
        """

    def _recall(self, note: Any) -> None:
        """Restore what an earlier run computed for a proposal, so that the :meth:`_next` that follows is fast.

        A method whose proposals take long leaves a :attr:`note` in :meth:`_next`, in types of JSON. Others propose
        again.

        Raises
        ------
        ValueError
            If `note` is not a note of this method.
        """
        raise ValueError(f"note: expected none for the method {self.name}, got {note!r:.100}")

    def _learn(self, trial: Trial) -> None:  # noqa: B027  (a method need not learn from results)
        """Learn from a trial that was told or observed; its ``value`` is None if it failed.

        Trials come in the order of their results. If this is interrupted, it is called for the same trial again.
        """

    def _aim_for(self, objectives: Sequence[Objective], constraints: Mapping[str, Any]) -> None:
        """Set what the search is for; a subclass that takes objectives or constraints calls this when it is made.

        Parameters
        ----------
        objectives : sequence of Objective or str
            None of them stands for the value alone.
        constraints : mapping
            Bounds of measures that evaluations return, by name: :class:`Bounds`, or what :meth:`Bounds.parse` reads.

        Raises
        ------
        TypeError, ValueError
            If an objective or a bound is wrong.
        """
        self.objectives = tuple(objectives_of(objectives)) or self.objectives
        self.history.bounds = bounds_of(constraints)

    def seen(self, codes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether the class of each cell was asked for or observed.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Cells.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where it was, in the order of the cells.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> trial = optimiser.ask()
        >>> optimiser.seen([trial.cell.codes])
        array([ True])
        """
        return self.history.seen(self.space.canonical_key(codes))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of a ``with`` block to a phase. Other time in :meth:`ask` and :meth:`tell` is "search".

        Parameters
        ----------
        name : str
            Name of the phase in :attr:`seconds`.

        Yields
        ------
        None

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> with optimiser.phase("training"):
        ...     pass
        >>> "training" in optimiser.seconds
        True
        """
        self._charge()
        outer = self._phases
        try:
            self._phases = (*outer, name)
            yield
        finally:
            try:
                self._charge()
            finally:
                self._phases = outer

    def count(self, **numbers: int) -> None:
        """Add to counters in :attr:`diagnostics`; :meth:`_next` calls this at most once, before it returns.

        Parameters
        ----------
        **numbers : int
            What to add, by the name of the counter.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> optimiser.diagnostics.update(proposals=0)
        >>> optimiser.count(proposals=2)
        >>> optimiser.diagnostics["proposals"]
        2
        """
        asked = self.history.n_asked
        before = self._counts.before(asked)
        self._counts.put(asked, {**before, **{name: before.get(name, 0) + n for name, n in numbers.items()}})
        self.diagnostics.update(self._counts.value)

    def report(self, phase: str, done: int, total: int) -> None:
        """Report the progress of a phase to :attr:`on_progress`, if it is set.

        Parameters
        ----------
        phase : str
            Name of the phase.
        done, total : int
            How much of it is done.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=3)
        >>> optimiser.on_progress = lambda phase, done, total: print(phase, done, total)
        >>> optimiser.report("training", 3, 10)
        training 3 10
        """
        if self.on_progress is not None:
            self.on_progress(phase, done, total)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _learn_all(self) -> None:
        """Learn from all results that were not learned from: the last one, and what an interrupt prevented.

        The mark moves only after a lesson, so a lesson that is interrupted is learned again.
        """
        self._phases = ()
        with self.phase("search"):
            while self._learned < len(self.history.events):
                kind, number = self.history.events[self._learned]
                if kind != "asked":
                    self._learn(self.trials[number])
                self._learned += 1

    def _check_remaining(self) -> None:
        if self.remaining == 0:
            asked = self.history.n_asked
            raise BudgetSpent(
                f"ask: expected fewer than {self.budget} trials (the budget) and a class that was not seen, "
                f"got {asked} trials and {self.history.n_seen} classes"
            )

    def _proposed(self) -> npt.NDArray[Any]:
        """Codes of the cell that the method proposes next, checked."""
        codes = np.asarray(self._next())
        if self.seen(codes[np.newaxis])[0]:
            raise RuntimeError(f"{type(self).__name__}._next: expected a class that was not seen, got {codes}")
        return codes

    def _add(self, codes: npt.NDArray[Any]) -> Trial:
        """Add a pending trial for the class of a cell."""
        row = self.space.canonicalise(codes[np.newaxis])
        cell = self.space.cells(self.space.representative(row))[0]
        return self.history.ask(cell, row[0].tolist(), int(self.space.canonical_key(row)[0]))

    def _charge(self) -> None:
        """Add the time since the last call to the innermost phase."""
        now = perf_counter()
        if self._phases:
            name = self._phases[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._mark
        self._mark = now

    def _told_measurement(self, value: Any, state: str) -> Measurement | None:
        """The measurement to record; None for a failed trial."""
        if state not in ("complete", "failed"):
            raise ValueError(f"state: expected 'complete' or 'failed', got {state!r:.100}")
        if state == "failed":
            if value is not None:
                raise ValueError(f"value: expected None for a failed trial, got {value!r:.100}")
            return None
        if value is None:
            raise ValueError("value: expected a number for a complete trial, got None")
        measurement = Measurement.of(value)
        queried = (objective.name for objective in self.objectives if objective.known is None)
        for name in (*queried, *self.history.bounds):
            if measurement.number(name) is None:
                raise ValueError(f"value: expected a measurement with {name!r:.60}, got none")
        return measurement

    def _find(self, trial: Trial) -> Trial:
        """Return the pending trial that equals `trial`, which may be a copy."""
        if not isinstance(trial, Trial):
            raise TypeError(f"trial: expected a Trial from ask, got {type(trial).__name__}")
        number = trial.number
        known = isinstance(number, int) and 0 <= number < len(self.trials)
        if not known or self.trials[number].cell != trial.cell:
            raise ValueError(f"trial: expected a trial of this optimiser, got {trial!r:.200}")
        if not self.history.is_pending(number):
            raise ValueError(f"trial: expected a pending trial, got number {number}, which was told before")
        return self.trials[number]


def unseen_neighbours(optimiser: Optimiser, cell: Any) -> Codes:
    """Return the neighbours of a cell whose classes an optimiser has not seen, one per class.

    Parameters
    ----------
    optimiser : Optimiser
        Its space must have ``neighbours``.
    cell : Cell or sequence of int
        The cell of a trial.

    Returns
    -------
    ndarray of uint8, shape (n, codes per cell)
        Neighbours in the order of the space.
    """
    codes = np.asarray(optimiser.space.neighbours(getattr(cell, "codes", cell)))
    if not len(codes):
        return codes
    different: Codes = codes[first_of_each(optimiser.space.canonical_key(codes))]
    return different[~optimiser.seen(different)]


def count_classes(space: Space) -> int | None:
    """Return the number of classes of a space.

    Parameters
    ----------
    space : Space

    Returns
    -------
    int or None
        For a space too large to enumerate, the number of cells, or None if that is unknown.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> count_classes(NASBench201())
    4930
    """
    number: int | None = getattr(space, "n_cells", LARGEST_LISTED)
    if number is None or number > LARGEST_LISTED:
        return number
    return len(space.classes())


def default_budget(space: Space) -> int:
    """Return the budget of a search that was given none: 100, or the number of classes of a smaller space."""
    n_classes = count_classes(space)
    if n_classes is None or n_classes >= DEFAULT_BUDGET:
        return DEFAULT_BUDGET
    _log.warning("budget: %d queries instead of %d, as the space has no more classes", n_classes, DEFAULT_BUDGET)
    return n_classes


def check_budget(budget: Any, n_classes: int | None) -> int:
    """Return a budget as int, checked against the number of classes.

    Raises
    ------
    TypeError
        If the budget is not an integer.
    ValueError
        If it is below 1, or above `n_classes` if that is known.
    """
    number = check_int("budget", budget, 1)
    if n_classes is not None and number > n_classes:
        raise ValueError(f"budget: expected at most {n_classes} (the classes of the space), got {number}")
    return number
