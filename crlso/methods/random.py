"""Random search, and the random order of cells that other methods use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from crlso.methods.base import Optimiser
from crlso.objectives import Objective
from crlso.spaces.base import Space

__all__ = ["RandomOrder", "RandomSearch"]

DRAWN = 256  # number of cells per draw from a large space
DRAWS = 20  # draws without an unseen cell before the space is enumerated, or an error is raised


class RandomOrder:
    """Random order of the classes that an optimiser has not seen.

    If the space can be enumerated, classes are drawn uniformly without replacement. Otherwise random cells are drawn
    until an unseen one is found.

    Parameters
    ----------
    optimiser : Optimiser
        Provides the space, the random stream and the record of seen classes.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=10)
    >>> bool(optimiser.seen(RandomOrder(optimiser).next()[None])[0])
    False
    """

    def __init__(self, optimiser: Optimiser) -> None:
        self._optimiser = optimiser
        self._queue = self._all_classes() if optimiser.is_listed else self._draw()
        self._first = 0  # all cells of the queue before this one were seen

    def next(self) -> npt.NDArray[Any]:
        """Return a cell whose class was not seen, shape (codes per cell,): the same one until it is seen.

        Raises
        ------
        RuntimeError
            If repeated draws from a large space find no unseen cell.
        """
        while True:
            if self._first == len(self._queue):
                fresh = self._draw()
                self._first = 0  # set first: if an interrupt comes between, the old queue is gone through again
                self._queue = fresh
            codes: npt.NDArray[Any] = self._queue[self._first]
            if not self._optimiser.seen(codes[None])[0]:
                return codes
            self._first += 1

    def _all_classes(self) -> npt.NDArray[Any]:
        """One cell of each class, in random order."""
        classes = self._optimiser.space.classes()
        queue: npt.NDArray[Any] = classes.codes[self._optimiser.stream.permutation("random search", 0, len(classes))]
        return queue

    def _draw(self) -> npt.NDArray[Any]:
        """Draw unseen cells of a large space, in random order."""
        optimiser = self._optimiser
        for attempt in range(DRAWS):
            rng = optimiser.stream.child(f"draw {len(optimiser.trials)} {attempt}").seed
            codes = optimiser.space.sample_up_to(min(DRAWN, optimiser.budget), rng=rng)
            fresh: npt.NDArray[Any] = codes[~optimiser.seen(codes)]
            if len(fresh):
                return fresh
        if optimiser.space.n_cells is None:
            raise RuntimeError(f"random search: expected a new cell in {DRAWS} draws of {len(codes)}, got none")
        queue = self._all_classes()
        return queue[~optimiser.seen(queue)]


class RandomSearch(Optimiser):
    """Random search: each class is drawn uniformly among those not seen yet.

    Parameters
    ----------
    space : Space
        Space of the cells.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
    objectives : sequence of Objective
        Any; random search does not choose by them.
    constraints : mapping
        Bounds of measures that evaluations return, see :class:`crlso.methods.bayesian.BayesianSearch`. Random search
        does not choose by them either, but its best cell satisfies them.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=10)
    >>> len({optimiser.ask().cell for _ in range(10)})
    10
    """

    name = "random"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        objectives: Sequence[Objective] = (),
        constraints: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self._aim_for(objectives, constraints)
        self._order = RandomOrder(self)

    def _next(self) -> npt.ArrayLike:
        return self._order.next()
