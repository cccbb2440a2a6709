"""Random search: the baseline that every other method has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crlso.search.base import Optimiser

__all__ = ["RandomSearch"]

DRAWN = 256  # cells drawn at a time from a large space
DRAWS = 20  # without a new cell among them, after which a space is listed, or given up if it cannot be


class RandomSearch(Optimiser):
    """Ask for classes in random order: at each step uniformly among those not asked for yet.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.search.Optimiser`.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> optimiser = RandomSearch(NASBench201(), rng=0, budget=10)
    >>> len({optimiser.ask().cell for _ in range(10)})
    10
    """

    name = "random"

    def __init__(self, space: Any, *, rng: Any = 0, budget: int | None = None) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self._first = 0  # number of the trial that took the first of the queue
        self._queue = self._all_classes() if self.is_listed else self._draw()

    def _all_classes(self) -> npt.NDArray[Any]:
        """A cell of each class, in random order."""
        codes = self.space.all_codes()
        keys, first = np.unique(self.space.canonical_key(codes), return_index=True)
        order = self.stream.permutation("random search", 0, len(keys))
        queue: npt.NDArray[Any] = codes[first[order]]
        return queue

    def _draw(self) -> npt.NDArray[Any]:
        """Some cells of a large space, not asked for yet, in random order."""
        for attempt in range(DRAWS):
            rng = self.stream.child(f"draw {len(self.trials)} {attempt}").seed
            codes = self.space.sample_up_to(min(DRAWN, self.budget), rng=rng)
            fresh: npt.NDArray[Any] = codes[~self.seen(codes)]
            if len(fresh):
                self._first = len(self.trials)
                return fresh
        if self.space.n_cells is None:
            raise RuntimeError(f"random search: expected a new cell in {DRAWS} draws of {len(codes)}, got none")
        queue = self._all_classes()
        self._first = len(self.trials)
        return queue[~self.seen(queue)]

    def _next(self) -> npt.ArrayLike:
        # Each ask takes the next of the queue, whose entries are of different classes.
        if len(self.trials) - self._first == len(self._queue):
            self._queue = self._draw()
        codes: npt.NDArray[Any] = self._queue[len(self.trials) - self._first]
        return codes
