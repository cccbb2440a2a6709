"""What the searches with a Gaussian process share: first cells, batches, candidates and their ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._random import Stream
from crlso.models.base import check_count, finite_number
from crlso.search._features import Floats
from crlso.search._gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior, normal_scores
from crlso.search._pool import cell_pool, merged
from crlso.search.base import Optimiser
from crlso.spaces.layout import Codes

__all__ = ["ModelSearch"]

POPULATION = 40  # promising cells that are kept from round to round
EXPANDED = 10  # of which the most promising are expanded
REFERENCE = 2000  # random cells that stand for a space that is too large to list


class ModelSearch(Optimiser):
    """First some random cells, then batches with the largest upper confidence bound of a Gaussian process.

    A subclass calls :meth:`_start` when it is ready to describe cells, and has :meth:`_describe`; for spaces that
    are too large to list, it may have sources of its own in :meth:`_pool`.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.search.Optimiser`.
    beta : float
        Standard deviations that are added to the mean.
    initial : int
        First cells; half of them from the upper third by size where cells have one.
    batch : int
        Cells chosen with one fit; each of them lowers the variance for the next.
    pool : int
        Random cells of a round, in spaces that are too large to list.
    """

    kernel: Kernel
    generations = 0
    """Steps of a local search on the bound that improves the pool of a space that is too large to list."""

    def __init__(
        self,
        space: Any,
        *,
        rng: Any = 0,
        budget: int | None = None,
        beta: float,
        initial: int,
        batch: int,
        pool: int,
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.beta = finite_number("beta", beta)
        if self.beta < 0:
            raise ValueError(f"beta: expected at least 0, got {beta}")
        check_count("initial", initial)
        check_count("batch", batch)
        check_count("pool", pool)
        self.initial, self.batch, self.pool = int(initial), int(batch), int(pool)
        self._round = 0
        self._queue: list[npt.NDArray[np.uint8]] = []
        self._known_neighbours: dict[bytes, Codes] = {}
        self.diagnostics["model"] = []

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _describe(self, codes: Codes) -> Features:
        """What the kernel sees of canonical cells."""

    def _pool(self, told: Codes, scores: Floats, stream: Stream) -> dict[str, Codes]:
        """Cells to choose from in this round by source, of a space that is too large to list."""
        return cell_pool(self.space, told[np.argsort(-scores, kind="stable")], self.pool, stream)

    def _told_scores(self) -> tuple[Codes, Floats]:
        """Codes of the cells whose values are known, and the normal scores of these; two empty arrays at first."""
        told = [(trial.cell.codes, trial.value) for trial in self.trials if trial.value is not None]
        scores = normal_scores([value for _, value in told]) if told else np.zeros(0)
        return np.array([codes for codes, _ in told], dtype=np.uint8), scores

    def _reference(self) -> Codes:
        """All classes of a listed space, in the order of their keys; else some random cells."""
        if not self.is_listed:
            return self.space.sample_up_to(REFERENCE, rng=self.stream.child("reference").seed)
        codes = self.space.canonicalise(self.space.all_codes())
        return codes[np.unique(self.space.canonical_key(codes), return_index=True)[1]]

    def _start(self, reference: Codes) -> None:
        """Choose the first cells, and describe those of a listed space."""
        self._cells = reference
        self._keys = self.space.canonical_key(reference)
        self._promising = reference[:0]
        features = self._describe(reference)
        self._features = features if self.is_listed else None
        self._known = KnownRows(features) if self.is_listed else None
        self._queue = list(reference[self._first_positions(features.size)])

    # -- inside ---------------------------------------------------------------------------------------------------

    def _first_positions(self, size: Floats | None) -> npt.NDArray[np.int64]:
        n = len(self._cells)
        order = self.stream.permutation("initial", 0, n)
        if size is not None:
            large = np.argsort(-size, kind="stable")[: max(1, n // 3)]
            upper = large[self.stream.permutation("initial large", 0, len(large))[: self.initial // 2]]
            order = np.concatenate([upper, order[~np.isin(order, upper)]])
        return order[: self.initial]

    def _next(self) -> npt.ArrayLike:
        if not self._queue:
            with self.phase("choice"):
                self._queue = list(self._choose(min(self.batch, self.remaining)))
        return self._queue.pop(0)

    def _choose(self, n: int) -> Codes:
        """The next `n` cells, or fewer."""
        self._round += 1
        told, scores = self._told_scores()
        cells, sources = self._candidates(told, scores)
        process = self._fit(told, scores) if len(told) else None
        if process is not None and sources and self.generations:
            cells, sources = self._evolved(process, cells, sources)
        seen = self.seen(cells)
        fresh = np.flatnonzero(~seen)
        if not len(fresh):
            raise RuntimeError(f"{self.name}: expected a new cell among {len(cells)} candidates, got none")
        if process is None:
            return cells[fresh[self.stream.permutation("blind", self._round, len(fresh))[:n]]]
        posterior = self._posterior(process, cells, told)
        chosen: list[int] = []
        for _ in range(min(n, len(fresh))):
            bound = posterior.upper(self.beta)[: len(cells)]
            bound[seen] = -np.inf
            chosen.append(int(bound.argmax()))
            seen[chosen[-1]] = True
            if len(chosen) < n:
                posterior.observe(chosen[-1])
        for i in chosen if sources else ():
            picks = self.diagnostics.setdefault("sources", {})
            picks[sources[i]] = picks.get(sources[i], 0) + 1
        return cells[chosen]

    def _candidates(self, told: Codes, scores: Floats) -> tuple[Codes, list[str]]:
        """Cells to choose from, and of a pool the source of each."""
        if self.is_listed:
            return self._cells, []
        if len(told):
            return merged(self.space, self._pool(told, scores, self.stream.child(f"pool{self._round}")))
        return self.space.sample_up_to(REFERENCE, rng=self.stream.child(f"blind{self._round}").seed), []

    def _evolved(self, process: GaussianProcess, cells: Codes, sources: list[str]) -> tuple[Codes, list[str]]:
        """The pool, the most promising cells of the last round, and what a local search on the bound finds from there.

        Each generation adds all neighbours of the most promising cells.
        """
        offspring, population = cells[~self.seen(cells)], self._promising[~self.seen(self._promising)]
        for generation in range(self.generations + 1):
            joined, _ = merged(self.space, {"": np.concatenate([population, offspring])})
            joined = joined[~self.seen(joined)]
            bound = process.posterior(self._describe(joined)).upper(self.beta)
            population = joined[np.argsort(-bound, kind="stable")[:POPULATION]]
            if generation < self.generations:
                offspring = np.concatenate([self._neighbours(row) for row in population[:EXPANDED]])
        self._promising = population
        all_cells, _ = merged(self.space, {"": np.concatenate([cells, population])})
        return all_cells, sources + ["evolution"] * (len(all_cells) - len(cells))

    def _neighbours(self, row: npt.NDArray[np.uint8]) -> Codes:
        """Neighbours of a cell, kept: promising cells are expanded again and again."""
        key = row.tobytes()
        if key not in self._known_neighbours:
            self._known_neighbours[key] = self.space.neighbours(row)
        return self._known_neighbours[key]

    def _fit(self, told: Codes, scores: Floats) -> GaussianProcess:
        """The process of all values that are known."""
        process = GaussianProcess(self.kernel).fit(self._features_of(told), scores)
        self.diagnostics["model"].append(
            {"told": len(told), "weights": list(process.weights_), "noise": process.noise_}
        )
        return process

    def _posterior(self, process: GaussianProcess, cells: Codes, told: Codes) -> Posterior:
        """What is known of some cells when the pending ones, which may follow them, have been evaluated."""
        pending = np.array([trial.cell.codes for trial in self.pending], dtype=np.uint8)
        if self._features is None or self._known is None:
            features = self._describe(cells)
            if len(pending):
                features = Features.join(features, self._describe(pending))
            posterior = process.posterior(features)
            places = np.arange(len(cells), len(features))
        else:
            rows = self._known.rows(process, self._places(told))
            posterior = process.posterior(self._features, rows)
            places = self._places(pending) if len(pending) else np.arange(0)
        for i in places:
            posterior.observe(int(i))
        return posterior

    def _features_of(self, codes: Codes) -> Features:
        return self._describe(codes) if self._features is None else self._features[self._places(codes)]

    def _places(self, codes: Codes) -> npt.NDArray[np.int64]:
        """Positions of cells of a listed space."""
        return np.searchsorted(self._keys, self.space.canonical_key(codes))
