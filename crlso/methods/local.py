"""Local search: hill climbing between neighbours, restarted at each local optimum."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from crlso._base.checks import check_choice
from crlso.history import Trial
from crlso.methods.base import Optimiser, unseen_neighbours
from crlso.methods.random import RandomOrder
from crlso.spaces.base import Space

__all__ = ["LocalSearch"]

IMPROVEMENTS = ("first", "steepest")


class LocalSearch(Optimiser):
    """Hill climbing with restarts from random cells.

    A climb starts at a random cell and evaluates the unseen neighbours of its current cell in random order. With
    ``"first"`` it moves to a neighbour as soon as one is better; with ``"steepest"`` it moves to the best neighbour
    once all are evaluated. If none is better, the climb ends and the next one starts.

    Any number of trials can be pending. The climb also moves to a pending neighbour of an earlier cell that turns out
    to be better than the current cell. While all neighbours are pending, random cells are proposed, and the best of
    them starts the next climb.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.methods.Optimiser`; the space also has ``neighbours(codes)``.
    improvement : {"first", "steepest"}
        When a climb moves to a neighbour.

    Raises
    ------
    ValueError
        If `improvement` is neither.

    References
    ----------
    White, Nolen, Savani: Exploring the loss landscape in neural architecture search. UAI 2021.

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> study = crlso.search(benchmark, method="local", budget=50, rng=0)
    >>> study.n_queries, study.diagnostics["climbs"] > 0
    (50, True)
    """

    name = "local"

    def __init__(self, space: Space, *, rng: Any = 0, budget: int | None = None, improvement: str = "first") -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.improvement: str = check_choice("improvement", improvement, IMPROVEMENTS)
        self._random = RandomOrder(self)
        self._current: Trial | None = None
        self._best: Trial | None = None  # best evaluated neighbour, where a steepest climb goes next
        self._queue: list[
            npt.NDArray[Any]
        ] = []  # neighbours of the current cell that are not asked for yet, the next one last
        self._steps: set[int] = set()  # numbers of pending trials that are neighbours of a cell of this climb
        self._start: Trial | None = None  # the best start for the next climb
        self.diagnostics.update(climbs=0, moves=0)

    def _next(self) -> npt.ArrayLike:
        if not self._queue and not self._steps:
            self._advance()
        while self._queue:
            codes = self._queue.pop()
            if not self.seen(codes[None])[0]:  # another member of the class may have been asked for
                self._steps.add(len(self.trials))
                return codes
        return self._random.next()

    def _learn(self, trial: Trial) -> None:
        is_step = trial.number in self._steps
        self._steps.discard(trial.number)
        if trial.value is None:
            return
        if not is_step:
            self._start = _better(trial, self._start)
        elif self.improvement == "steepest":
            self._best = _better(trial, self._best)
        elif _better(trial, self._current) is trial:
            self._move(trial)

    def _advance(self) -> None:
        """Once all neighbours are evaluated, move to the best of them if it is better, else to the next start."""
        while not self._queue:
            if self._best is not None and _better(self._best, self._current) is self._best:
                self._move(self._best)
            elif self._start is not None:
                start, self._start, self._current = self._start, None, None
                self.diagnostics["climbs"] += 1
                self._move(start)
            else:
                self._current = self._best = None
                return

    def _move(self, trial: Trial) -> None:
        self.diagnostics["moves"] += self._current is not None
        self._current, self._best = trial, None
        fresh = unseen_neighbours(self, trial.cell)
        order = self.stream.permutation("neighbours", trial.number, len(fresh))
        self._queue = [fresh[i] for i in order]


def _better(trial: Trial, other: Trial | None) -> Trial:
    """Return the trial with the higher value; `other` in case of a tie."""
    if other is None or other.value is None or (trial.value is not None and trial.value > other.value):
        return trial
    return other
