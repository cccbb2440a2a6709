"""Local search: hill climbing between neighbours, restarted at each local optimum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_choice
from crlso._base.types import Codes
from crlso.history import Trial
from crlso.methods.base import Optimiser, unseen_neighbours
from crlso.methods.random import RandomOrder
from crlso.spaces.base import Space

__all__ = ["LocalSearch"]

IMPROVEMENTS = ("first", "steepest")


class _Climb(NamedTuple):
    """Where a climb stands. A change makes a new one, so that an interrupt leaves the old one or the new one."""

    current: Trial | None = None
    best: Trial | None = None  # the best evaluated neighbour, where a steepest climb goes next
    start: Trial | None = None  # the best start for the next climb
    neighbours: Codes = np.zeros((0, 0), dtype=np.uint8)  # of the current cell, in the order of asking, the next last
    climbs: int = 0
    moves: int = 0


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
    space : Space
        Space of the cells, which also has ``neighbours(codes)``.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
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
        self._climb = _Climb()
        self._steps: set[int] = set()  # canonical keys of the cells that were chosen as neighbours
        self.diagnostics.update(climbs=0, moves=0)

    def _next(self) -> npt.ArrayLike:
        if not len(self._waiting(self._climb)) and not any(map(self._is_step, self.pending)):
            self._advance()
        waiting = self._waiting(self._climb)
        if not len(waiting):
            return self._random.next()
        codes: npt.NDArray[Any] = waiting[-1]
        self._steps.add(int(self.space.canonical_key(codes[None])[0]))
        return codes

    def _learn(self, trial: Trial) -> None:
        climb = self._climb
        if trial.value is None or trial is climb.current:  # the second, if this lesson is repeated
            pass
        elif not self._is_step(trial):
            climb = climb._replace(start=_better(trial, climb.start))
        elif self.improvement == "steepest":
            climb = climb._replace(best=_better(trial, climb.best))
        elif _better(trial, climb.current) is trial:
            climb = self._moved(climb, trial)
        self._go_on(climb)

    def _is_step(self, trial: Trial) -> bool:
        """Whether a trial was chosen as a neighbour of a cell of a climb."""
        return trial.asked and self.history.key_of(trial) in self._steps

    def _waiting(self, climb: _Climb) -> Codes:
        """The neighbours of the current cell that are not asked for yet, the next one last."""
        return climb.neighbours[~self.seen(climb.neighbours)] if len(climb.neighbours) else climb.neighbours

    def _advance(self) -> None:
        """Once all neighbours are evaluated, move to the best of them if it is better, else to the next start."""
        climb = self._climb
        while not len(self._waiting(climb)):
            if climb.best is not None and _better(climb.best, climb.current) is climb.best:
                climb = self._moved(climb, climb.best)
            elif climb.start is not None:
                begun = climb._replace(start=None, current=None, climbs=climb.climbs + 1)
                climb = self._moved(begun, climb.start)
            else:
                climb = climb._replace(current=None, best=None)
                break
        self._go_on(climb)

    def _moved(self, climb: _Climb, trial: Trial) -> _Climb:
        """Return the climb after a move to the cell of a trial."""
        fresh = unseen_neighbours(self, trial.cell)
        order = self.stream.permutation("neighbours", trial.number, len(fresh))
        moves = climb.moves + (climb.current is not None)
        return climb._replace(current=trial, best=None, neighbours=fresh[order], moves=moves)

    def _go_on(self, climb: _Climb) -> None:
        self._climb = climb
        self.diagnostics.update(climbs=climb.climbs, moves=climb.moves)


def _better(trial: Trial, other: Trial | None) -> Trial:
    """Return the trial with the higher value; `other` in case of a tie."""
    if other is None or other.value is None or (trial.value is not None and trial.value > other.value):
        return trial
    return other
