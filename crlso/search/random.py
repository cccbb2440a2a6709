"""Random search: the baseline that every other method has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crlso.search.base import Optimiser

__all__ = ["RandomSearch"]


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
        codes = space.all_codes()
        keys, first = np.unique(space.canonical_key(codes), return_index=True)
        order = self.stream.permutation("random search", 0, len(keys))
        self._queue: npt.NDArray[Any] = codes[first[order]]

    def _next(self) -> npt.ArrayLike:
        # Each ask takes the next of the queue, whose entries are of different classes.
        codes: npt.NDArray[Any] = self._queue[len(self.trials)]
        return codes
