"""What all search methods share: ask and tell, the budget, and the classes that were already paid for."""

from __future__ import annotations

import math
import numbers
import operator
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._core import CellSet
from crlso.history import Trial
from crlso.random import Stream, seed_of
from crlso.spaces.keys import first_of_each

__all__ = [
    "LARGEST_LISTED",
    "BudgetSpent",
    "Optimiser",
    "check_budget",
    "count_classes",
    "finite_value",
    "unseen_neighbours",
]

LARGEST_LISTED = 20_000  # different cells up to which a search looks at all cells of a space


class BudgetSpent(RuntimeError):
    """Asked for a trial when as many as the budget allows, or all classes of the space, were asked for already."""


class Optimiser(ABC):
    """A search method, driven by :meth:`ask` and :meth:`tell`.

    A trial is asked for, evaluated by the caller and told. Any number of trials can be pending, and they can be told
    in any order. All cells of a class (the space's ``canonical_key``) are one query: the cell of a trial is the
    representative of its class, and no class is asked for twice, whatever became of its trial. An optimiser is used
    by one thread at a time.

    A method is a subclass with :meth:`_next`, and :meth:`_learn` where it learns from each result. It draws from
    :attr:`stream`, times parts of its work with :meth:`phase` and tells how far they are with :meth:`report`.

    Parameters
    ----------
    space : space of cells
        A :class:`crlso.spaces.CellSpace`, or another object with its ``all_codes()``, ``canonical_key(codes)``,
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
    stream : crlso.random.Stream
        Source of all randomness.
    trials : list of Trial
        All trials in the order they were asked for.
    evaluated : crlso._core.CellSet
        Canonical keys of their classes, pending ones included.
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
    >>> import numpy as np
    >>> from crlso.spaces import NASBench201
    >>> class InOrder(Optimiser):
    ...     name = "in-order"
    ...
    ...     def _next(self):
    ...         codes = self.space.all_codes()
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

    def __init__(self, space: Any, *, rng: Any = 0, budget: int | None = None) -> None:
        n_classes = count_classes(space)
        self.space = space
        self.is_listed = n_classes is not None and n_classes <= LARGEST_LISTED
        if budget is None:
            self.budget = sys.maxsize if n_classes is None else n_classes
        else:
            self.budget = check_budget(budget, n_classes)
        self.stream = Stream(seed_of(rng))
        self.trials: list[Trial] = []
        self.evaluated = CellSet()
        self.seconds: dict[str, float] = {}
        self.diagnostics: dict[str, Any] = {}
        self.on_progress: Callable[[str, int, int], object] | None = None
        self._pending: dict[int, Trial] = {}
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
            When `budget` trials were asked for, whether told or not.
        """
        if self.remaining == 0:
            raise BudgetSpent(f"ask: expected fewer than {self.budget} trials (the budget), got as many already")
        with self.phase("search"):
            codes = np.asarray(self._next())[np.newaxis]
            key = int(self.space.canonical_key(codes)[0])
            if key in self.evaluated:
                raise RuntimeError(f"{type(self).__name__}._next: expected a class not asked for yet, got {codes[0]}")
            cell = self.space.cells(self.space.canonicalise(codes))[0]
        trial = Trial(len(self.trials), cell)
        self.trials.append(trial)
        self.evaluated.add(key)
        self._pending[trial.number] = trial
        return trial

    def tell(self, trial: Trial, value: float | None = None, state: str = "complete") -> None:
        """Report what the evaluation of a trial gave.

        Parameters
        ----------
        trial : Trial
            What :meth:`ask` returned, or a copy of it (from another process).
        value : float, optional
            The value to maximise, finite; none for a failed trial.
        state : {"complete", "failed"}
            A failed trial stays paid for.

        Raises
        ------
        ValueError
            For a trial that was told before or is not from this optimiser, a value that is missing, not finite or
            given for a failed trial, and an unknown state. Nothing has changed then: the trial can be told again.
        TypeError
            For a trial that is no Trial or a value that is no real number.
        """
        mine = self._find(trial)
        if state == "complete":
            number = finite_value(value)
        elif state != "failed":
            raise ValueError(f"state: expected 'complete' or 'failed', got {state!r:.100}")
        elif value is not None:
            raise ValueError(f"value: expected none for a failed trial, got {value!r:.100}")
        else:
            number = None
        if trial is not mine:
            mine.user_attrs.update(trial.user_attrs)
        mine.value, mine.state = number, state
        del self._pending[mine.number]
        with self.phase("search"):
            self._learn(mine)
        self.report("search", self.n_told, self.budget)

    @property
    def pending(self) -> list[Trial]:
        """Trials that were asked for and not yet told."""
        return list(self._pending.values())

    @property
    def n_told(self) -> int:
        """Number of trials that were told."""
        return len(self.trials) - len(self._pending)

    @property
    def remaining(self) -> int:
        """Number of trials that can still be asked for."""
        return self.budget - len(self.trials)

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest value, the first of equals; None when there is none."""
        complete = [trial for trial in self.trials if trial.value is not None]
        return max(complete, key=lambda trial: trial.value or 0.0, default=None)

    def __repr__(self) -> str:
        told, pending = self.n_told, len(self._pending)
        budget = "none" if self.budget == sys.maxsize else self.budget
        return f"{type(self).__name__}({self.space!r}, budget {budget}: {told} told, {pending} pending)"

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _next(self) -> npt.ArrayLike:
        """Codes of the next cell: any member of a class that :meth:`seen` does not know.

        Called by :meth:`ask` with at least one trial left in the budget; trials may be pending.
        """

    def _learn(self, trial: Trial) -> None:  # noqa: B027  (a method that learns nothing is a method)
        """Take note of a trial that was just told, complete or failed (``value`` is None then)."""

    def seen(self, codes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the class of each cell was asked for.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Cells.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        return self.evaluated.has(self.space.canonical_key(codes))

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
        if number not in self._pending:
            raise ValueError(f"trial: expected a pending one, got number {number}, which was told before")
        return self._pending[number]


def unseen_neighbours(optimiser: Optimiser, cell: Any) -> npt.NDArray[Any]:
    """Neighbours of a cell whose classes an optimiser has not asked for, one of each class.

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
    different: npt.NDArray[Any] = codes[first_of_each(optimiser.space.canonical_key(codes))]
    return different[~optimiser.seen(different)]


def count_classes(space: Any) -> int | None:
    """Number of different classes of cells; None for a space that is too large to list."""
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
    if isinstance(budget, (bool, np.bool_)):
        raise TypeError("budget: expected an int, got bool")
    try:
        number = operator.index(budget)
    except TypeError:
        raise TypeError(f"budget: expected an int, got {type(budget).__name__}") from None
    if number < 1:
        raise ValueError(f"budget: expected at least 1, got {number}")
    if n_classes is not None and number > n_classes:
        raise ValueError(f"budget: expected at most {n_classes} (the classes of the space), got {number}")
    return number


def finite_value(value: Any) -> float:
    """A value to maximise as float.

    Raises
    ------
    TypeError
        When it is no real number.
    ValueError
        When it is None, NaN or infinite.
    """
    if value is None:
        raise ValueError("value: expected a number for a complete trial, got None")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"value: expected a real number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"value: expected a finite number, got {number}")
    return number
