"""Regularised evolution: mutate the best of a few cells and remove the oldest."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso.methods.base import Optimiser, unseen_neighbours
from crlso.methods.random import RandomOrder
from crlso.spaces.base import Space

__all__ = ["Evolution"]


class Evolution(Optimiser):
    """Regularised ("aging") evolution.

    The population consists of the `population` most recently completed trials; the first cells are random. Each new
    cell is a random unseen neighbour of a parent, the best of `tournament` cells drawn from the population. If the
    parent has no unseen neighbour, the next best cell of the tournament becomes the parent. If none has one, the new
    cell is random.

    Parameters
    ----------
    space : Space
        Space of the cells, which also has ``neighbours(codes)``.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
    population : int
        Number of cells that can be parents. The defaults, 30 with a tournament of 10, are those of NASLib for searches
        of 150 queries. NATS-Bench uses 10 and 3. A population of 100, common for longer searches, would spend a small
        budget on random search.
    tournament : int
        Number of cells drawn without replacement to choose a parent; at most `population`.
    constraints : mapping
        Bounds of measures that evaluations return, see :class:`crlso.methods.bayesian.BayesianSearch`. Of two cells,
        the feasible one is better, and of two that are not, the one that is closer to it (Deb's rules).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer of at least 1, or the tournament is larger than the population.

    References
    ----------
    Real, Aggarwal, Huang, Le: Regularized evolution for image classifier architecture search. AAAI 2019.
    Deb: An efficient constraint handling method for genetic algorithms. Computer Methods in Applied Mechanics and
    Engineering 186 (2000).
    NASLib, https://github.com/automl/NASLib, ``create_configs.py``: population and tournament.

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> crlso.search(benchmark, method="evolution", budget=50, rng=0).n_queries
    50
    """

    name = "evolution"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        population: int = 30,
        tournament: int = 10,
        constraints: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self._aim_for((), constraints)
        self.population, self.tournament = (
            check_int("population", population, 1),
            check_int("tournament", tournament, 1),
        )
        if tournament > population:
            raise ValueError(f"tournament: expected at most the population of {population}, got {tournament}")
        self._random = RandomOrder(self)
        self.diagnostics.update(random_cells=0)

    def _next(self) -> npt.ArrayLike:
        number, alive = len(self.trials), self.history.latest(self.population)
        if number >= self.population and alive:
            drawn = self.stream.permutation("tournament", number, len(alive))[: self.tournament]
            chosen = [alive[i] for i in drawn]
            values = np.array([trial.value for trial in chosen])
            for i in np.lexsort((-values, self.history.violations(chosen))):
                parent = chosen[i]
                fresh = unseen_neighbours(self, parent.cell)
                if len(fresh):
                    child: npt.NDArray[Any] = fresh[int(self.stream.integers("mutation", number, 1, len(fresh))[0])]
                    return child
        self.count(random_cells=1)
        return self._random.next()
