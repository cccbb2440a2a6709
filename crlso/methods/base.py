"""The base class of search methods: ask and tell, the budget, and the record of evaluated cells."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.types import Codes, Progress
from crlso.history import History, Measurement, Trial
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each

__all__ = ["LARGEST_LISTED", "BudgetSpent", "Optimiser", "check_budget", "count_classes", "unseen_neighbours"]

LARGEST_LISTED = 20_000  # different cells up to which a search looks at all cells of a space


class BudgetSpent(RuntimeError):
    """Asked for a trial after the budget was spent, or after all classes of the space were asked for or observed."""


class Optimiser(ABC):
    """Base class of search methods: the ask/tell interface, the budget, and the record of evaluated cells.

    A trial is asked for, evaluated by the caller and told. Any number of trials can be pending, and they can be told
    in any order. All cells of a class (the space's ``canonical_key``) are one query: the cell of a trial is the
    representative of its class, and no class is asked for twice, whatever became of its trial. What is known of other
    cells is added with :meth:`observe`. An optimiser is used by one thread at a time.

    A method is a subclass with :meth:`_next`, and :meth:`_learn` where it learns from each result. It draws from
    :attr:`stream`, times parts of its work with :meth:`phase` and tells how far they are with :meth:`report`.

    Parameters
    ----------
    space : Space
        A :class:`crlso.spaces.CellSpace`, or another object with its ``classes()``, ``canonical_key(codes)``,
        ``canonicalise(codes)`` and ``cells(codes)``.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Randomness of the search; equal integers give equal searches when results are told in the same order.
    budget : int, optional
        Trials that can be asked for; by default the number of classes of the space, or no limit where the space is
        too large to list.

    Attributes
    ----------
    space, budget
        As given.
    is_listed : bool
        Whether the space is small enough to look at all of its cells (20,000 classes).
    history : History
        All trials and events.
    stream : crlso.random.Stream
        Source of all randomness.
    seconds : dict of str to float
        Wall-clock time by phase; a phase within a phase counts for the inner one alone.
    diagnostics : dict
        What a method reports about itself.
    on_progress : callable or None
        Called as ``on_progress(phase, done, total)``.

    Raises
    ------
    TypeError, ValueError
        For a budget that is no integer, below 1 or above the number of classes, and for an unusable `rng`.

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
    """What the method is called in studies and on the command line."""

    def __init__(self, space: Space, *, rng: Any = 0, budget: int | None = None) -> None:
        n_classes = count_classes(space)
        self.space = space
        self.is_listed = n_classes is not None and n_classes <= LARGEST_LISTED
        if budget is None:
            self.budget = sys.maxsize if n_classes is None else n_classes
        else:
            self.budget = check_budget(budget, n_classes)
        self.history = History()
        self.stream = Stream(seed_of(rng))
        self.seconds: dict[str, float] = {}
        self.diagnostics: dict[str, Any] = {}
        self.on_progress: Progress | None = None
        self._n_classes = sys.maxsize if n_classes is None else n_classes
        self._phases: list[str] = []
        self._mark = 0.0

    # -- for users ------------------------------------------------------------------------------------------------

    def ask(self) -> Trial:
        """Choose the next cell to evaluate.

        Returns
        -------
        Trial
            Pending; hand it back to :meth:`tell`.

        Raises
        ------
        BudgetSpent
            When `budget` trials were asked for, whether told or not, or no class is left.
        """
        if self.remaining == 0:
            asked = self.history.n_asked
            raise BudgetSpent(
                f"ask: expected fewer than {self.budget} trials (the budget) and a class that was not seen, "
                f"got {asked} trials and {self.history.n_seen} classes"
            )
        with self.phase("search"):
            codes = np.asarray(self._next())[np.newaxis]
            key = self.space.canonical_key(codes)
            if self.history.seen(key)[0]:
                raise RuntimeError(f"{type(self).__name__}._next: expected a class not asked for yet, got {codes[0]}")
            row = self.space.canonicalise(codes)
            return self.history.ask(self.space.cells(row)[0], row[0].tolist(), int(key[0]))

    def tell(
        self,
        trial: Trial,
        value: float | Measurement | None = None,
        state: str = "complete",
        error: str | None = None,
    ) -> None:
        """Report what the evaluation of a trial gave.

        Parameters
        ----------
        trial : Trial
            What :meth:`ask` returned, or a copy of it (from another process).
        value : float or Measurement, optional
            The value to maximise, finite; none for a failed trial.
        state : {"complete", "failed"}
            A failed trial stays a query.
        error : str, optional
            Why it failed.

        Raises
        ------
        ValueError
            For a trial that was told before or is not from this optimiser, a value that is missing, not finite or
            given for a failed trial, and an unknown state. Nothing has changed then: the trial can be told again.
        TypeError
            For a trial that is no Trial or a value that is no real number.
        """
        mine = self._find(trial)
        measurement = _told_measurement(value, state)
        if trial is not mine:
            mine.user_attrs.update(trial.user_attrs)
        if measurement is not None:
            self.history.tell(mine, measurement)
        else:
            self.history.fail(mine, error or trial.error or "failed")
        with self.phase("search"):
            self._learn(mine)
        self.report("search", self.n_told, self.budget)

    def observe(self, cell: Any, value: float | Measurement) -> Trial:
        """Add a measurement that is known already: it costs no query, and its class is not asked for.

        Parameters
        ----------
        cell : Cell or anything that ``space.cell`` accepts
        value : float or Measurement
            What its evaluation gave.

        Returns
        -------
        Trial
            Complete.

        Raises
        ------
        TypeError, ValueError
            For what is no cell of the space or no finite value, and for a class that was asked for or observed before.

        Examples
        --------
        >>> from crlso.methods import RandomSearch
        >>> from crlso.spaces import NASBench201
        >>> optimiser = RandomSearch(NASBench201(), rng=0)
        >>> optimiser.observe("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|", 85.1).asked
        False
        """
        measurement = Measurement.of(value)
        rows = self.space.codes([self.space.cell(cell)])
        if not self.space.valid(rows)[0]:
            raise ValueError(f"cell: expected a cell of the space, got {cell!s:.200}")
        row = self.space.canonicalise(rows)
        key = int(self.space.canonical_key(rows)[0])
        trial = self.history.observe(self.space.cells(row)[0], row[0].tolist(), key, measurement)
        with self.phase("search"):
            self._learn(trial)
        return trial

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order in which they were asked for or observed."""
        return self.history.trials

    @property
    def pending(self) -> list[Trial]:
        """Trials that were asked for and not yet told."""
        return self.history.pending

    @property
    def n_told(self) -> int:
        """Number of trials that were asked for and told."""
        return self.history.n_queries

    @property
    def remaining(self) -> int:
        """Number of trials that can still be asked for."""
        return min(self.budget - self.history.n_asked, self._n_classes - self.history.n_seen)

    @property
    def best(self) -> Trial:
        """The complete trial with the highest value, the first of equals; ValueError when there is none."""
        return self.history.best

    def __repr__(self) -> str:
        told, pending = self.n_told, len(self.pending)
        budget = "none" if self.budget == sys.maxsize else self.budget
        return f"{type(self).__name__}({self.space!r}, budget {budget}: {told} told, {pending} pending)"

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _next(self) -> npt.ArrayLike:
        """Codes of the next cell: any member of a class that :meth:`seen` does not know.

        Called by :meth:`ask` with at least one trial left in the budget; trials may be pending.
        """

    def _learn(self, trial: Trial) -> None:  # noqa: B027  (a method that learns nothing is a method)
        """Take note of a trial that was just told or observed; ``value`` is None when it failed."""

    def seen(self, codes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the class of each cell was asked for or observed.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Cells.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        return self.history.seen(self.space.canonical_key(codes))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a ``with`` block for a phase; what :meth:`ask` and :meth:`tell` do counts for "search"."""
        self._charge()
        self._phases.append(name)
        try:
            yield
        finally:
            self._charge()
            self._phases.pop()

    def report(self, phase: str, done: int, total: int) -> None:
        """Pass on how far a phase is, when anyone listens."""
        if self.on_progress is not None:
            self.on_progress(phase, done, total)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _charge(self) -> None:
        """Add the time since the last call to the innermost phase."""
        now = perf_counter()
        if self._phases:
            name = self._phases[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._mark
        self._mark = now

    def _find(self, trial: Trial) -> Trial:
        """The pending trial that `trial` is, or is a copy of."""
        if not isinstance(trial, Trial):
            raise TypeError(f"trial: expected a Trial from ask, got {type(trial).__name__}")
        number = trial.number
        known = isinstance(number, int) and 0 <= number < len(self.trials)
        if not known or self.trials[number].cell != trial.cell:
            raise ValueError(f"trial: expected one that this optimiser asked for, got {trial!r:.200}")
        if not self.history.is_pending(number):
            raise ValueError(f"trial: expected a pending one, got number {number}, which was told before")
        return self.trials[number]


def _told_measurement(value: Any, state: str) -> Measurement | None:
    """The measurement that was told; None for a failed trial."""
    if state == "complete":
        if value is None:
            raise ValueError("value: expected a number for a complete trial, got None")
        return Measurement.of(value)
    if state != "failed":
        raise ValueError(f"state: expected 'complete' or 'failed', got {state!r:.100}")
    if value is not None:
        raise ValueError(f"value: expected none for a failed trial, got {value!r:.100}")
    return None


def unseen_neighbours(optimiser: Optimiser, cell: Any) -> Codes:
    """Neighbours of a cell whose classes an optimiser has not seen, one of each class.

    Parameters
    ----------
    optimiser : Optimiser
        Its space has ``neighbours``.
    cell : Cell or sequence of int
        A cell of a trial.

    Returns
    -------
    ndarray of uint8, shape (n, codes per cell)
        In the order of the space.
    """
    codes = np.asarray(optimiser.space.neighbours(getattr(cell, "codes", cell)))
    if not len(codes):
        return codes
    different: Codes = codes[first_of_each(optimiser.space.canonical_key(codes))]
    return different[~optimiser.seen(different)]


def count_classes(space: Space) -> int | None:
    """Number of different cells; None, or the number of listed ones, for a space that is too large to look at all."""
    number: int | None = getattr(space, "n_cells", LARGEST_LISTED)
    if number is None or number > LARGEST_LISTED:
        return number
    return len(space.classes())


def check_budget(budget: Any, n_classes: int | None) -> int:
    """A budget as int.

    Raises
    ------
    TypeError
        When it is no integer.
    ValueError
        When it is below 1 or above `n_classes`, if that is known.
    """
    number = check_int("budget", budget, 1)
    if n_classes is not None and number > n_classes:
        raise ValueError(f"budget: expected at most {n_classes} (the classes of the space), got {number}")
    return number
