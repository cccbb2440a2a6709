"""NSGA-II: evolution by fronts and by how crowded they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.types import Codes, Floats, Positions
from crlso.history import Trial
from crlso.methods.base import Optimiser, unseen_neighbours
from crlso.methods.random import RandomOrder
from crlso.objectives import Objective, front, points_of
from crlso.spaces.base import Space

__all__ = ["NSGA2", "crowding", "survivors"]

_CROSSED = 0.9  # share of children of two parents
_MUTATED = 0.632  # share of children that are mutated: in the paper, each of l bits with probability 1 / l
_ATTEMPTS = 20  # to make a child that was not seen


class NSGA2(Optimiser):
    """NSGA-II, the elitist genetic algorithm for several objectives.

    The first generation is random. Of each generation and its children, those survive that the fewest fronts dominate;
    among those of the last front that has room, the least crowded. A parent is the better of two random survivors. A
    child has the codes of one parent up to a random place and those of the other from there, in nine of ten cases, and
    takes a step to a random neighbour in 63 % of the cases. A child that is no cell of the space or was seen is made
    again; after 20 attempts it is an unseen neighbour of the parent, or a random cell.

    Parameters
    ----------
    space : Space
        Space of the cells, which also has ``neighbours(codes)``.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
    population : int
        Number of cells of a generation.
    objectives : sequence of Objective
        By default the value alone.
    constraints : mapping
        Bounds of measures that evaluations return, see :class:`crlso.methods.bayesian.BayesianSearch`. A feasible cell
        dominates one that is not, and of two that are not, the one that is closer to it dominates.

    Raises
    ------
    TypeError, ValueError
        If `population` is not an integer of at least 2.

    References
    ----------
    Deb, Pratap, Agarwal, Meyarivan: A fast and elitist multiobjective genetic algorithm: NSGA-II. IEEE Transactions on
    Evolutionary Computation 6 (2002).

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> study = crlso.search(benchmark, "nsga2", budget=60, objectives=["value", "-latency:pixel3"])
    >>> len(study.front) > 3
    True
    """

    name = "nsga2"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        population: int = 20,
        objectives: Sequence[Objective] = (),
        constraints: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.population = check_int("population", population, 2)
        self._aim_for(objectives, constraints)
        self._random = RandomOrder(self)
        self._alive: tuple[int, list[int]] = (0, [])  # a generation that is over, and the numbers of its survivors
        self.diagnostics.update(random_cells=0)

    def _next(self) -> npt.ArrayLike:
        number = len(self.trials)
        parents = self._parents(number // self.population)
        if not parents:
            self.count(random_cells=1)
            return self._random.next()
        ranks, spaces = _standing(self._points(parents), self.history.violations(parents))
        for attempt in range(_ATTEMPTS):
            step = number * _ATTEMPTS + attempt
            drawn = self.stream.integers("tournaments", step, 4, len(parents))
            pairs = (drawn[:2], drawn[2:])
            first, second = (min(pair, key=lambda i: (ranks[i], -spaces[i], i)) for pair in pairs)
            child = self._child(step, self.history.rows_of([parents[first], parents[second]]))
            if self.space.valid(child)[0] and not self.seen(child)[0]:
                return child[0]
        fresh = unseen_neighbours(self, parents[first].cell)
        if len(fresh):
            return fresh[int(self.stream.integers("neighbour", number, 1, len(fresh))[0])]
        self.count(random_cells=1)
        return self._random.next()

    def _child(self, step: int, parents: Codes) -> Codes:
        """A child of two cells, (1, codes per cell); it may be no cell of the space."""
        width = parents.shape[1]
        crossed, mutated = self.stream.uniform("child", step, 2, "float64")
        cut = 1 + int(self.stream.integers("cut", step, 1, max(width - 1, 1))[0])
        cells = parents[:1].copy()
        if crossed < _CROSSED:
            cells[:, cut:] = parents[1:, cut:]
        if mutated < _MUTATED and self.space.valid(cells)[0]:
            cells = self.space.mutate(cells, rng=self.stream.child(f"mutation {step}").seed)
        return cells

    def _parents(self, generation: int) -> list[Trial]:
        """The complete trials that survived all generations before this one."""
        begin, alive = self._alive if self._alive[0] <= generation else (0, [])
        for number in range(begin, generation):
            end = (number + 1) * self.population
            trials = [*(self.trials[i] for i in alive), *self.trials[end - self.population : end]]
            known = [trial for trial in trials if trial.value is not None]
            kept = survivors(self._points(known), self.population, self.history.violations(known))
            alive = sorted(known[i].number for i in kept)
            if all(trial.state != "pending" for trial in trials):
                self._alive = number + 1, alive
        return [self.trials[i] for i in alive]

    def _points(self, trials: list[Trial]) -> Floats:
        """Objectives of complete trials, to be maximised."""
        points = points_of(self.objectives, trials)
        for i, objective in enumerate(self.objectives):
            if objective.known is not None and len(trials):
                points[:, i] = objective.sign * objective.known(self.history.rows_of(trials))
        return points


def survivors(points: Floats, n: int, violations: Floats | None = None) -> Positions:
    """Return the positions of the `n` points that survive: by front, and in the last front by how crowded they are.

    Parameters
    ----------
    points : ndarray, shape (m, k)
        Objectives, to be maximised.
    n : int
    violations : ndarray, shape (m,), optional
        How far the points are from satisfying constraints; 0 by default. Those that satisfy them come first, then the
        others, the closest first.

    Examples
    --------
    >>> survivors(np.array([[0.0, 4.0], [1.0, 3.0], [1.2, 2.9], [4.0, 0.0], [0.0, 0.0]]), 3)
    array([0, 3, 2])
    """
    ranks, spaces = _standing(points, np.zeros(len(points)) if violations is None else violations)
    return np.lexsort((-spaces, ranks))[:n]


def _standing(points: Floats, violations: Floats) -> tuple[Positions, Floats]:
    """The number of the front of each point, from 0, and its crowding distance in its front."""
    ranks, spaces = np.zeros(len(points), dtype=np.int64), np.zeros(len(points))
    left, rank = np.arange(len(points)), 0
    while len(left):
        nearest = violations[left].min()
        allowed = points[left][violations[left] == nearest]
        best = allowed[front(allowed)] if nearest == 0.0 else allowed
        is_best = (points[left][:, None] == best[None]).all(axis=2).any(axis=1)  # equal points share a front
        is_best &= violations[left] == nearest
        ranks[left[is_best]] = rank
        spaces[left[is_best]] = crowding(points[left[is_best]])
        left, rank = left[~is_best], rank + 1
    return ranks, spaces


def crowding(points: Floats) -> Floats:
    """Return the crowding distance of each point of a front: large where its neighbours in each objective are far.

    Parameters
    ----------
    points : ndarray, shape (n, k)

    Returns
    -------
    ndarray of float64, shape (n,)
        Infinity for the best and the worst point in an objective.

    Examples
    --------
    >>> crowding(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]]))
    array([inf,  2., inf])
    """
    distance = np.zeros(len(points))
    for column in np.where(np.isinf(points), np.finfo(np.float64).min / 4, points).T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] or 1.0
        distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
        distance[order[[0, -1]]] = np.inf
    return distance
