"""What the searches with a Gaussian process share: first cells, batches, candidates and their ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._random import Stream
from crlso.models.base import check_count, finite_number
from crlso.search._features import Floats
from crlso.search._gaussian_process import Features, GaussianProcess, Kernel, Posterior, normal_scores
from crlso.search._pool import cell_pool, merged
from crlso.search.base import Optimiser
from crlso.spaces.layout import Codes

__all__ = ["ModelSearch"]

POPULATION = 40  # parents of each generation
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
    """Generations of mutants that improve the pool of a space that is too large to list."""

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
        self.diagnostics["model"] = []

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _describe(self, codes: Codes) -> Features:
        """What the kernel sees of canonical cells."""

    def _pool(self, told: Codes, scores: Floats, stream: Stream) -> dict[str, Codes]:
        """Cells to choose from in this round by source, of a space that is too large to list."""
        return cell_pool(self.space, told[np.argsort(-scores, kind="stable")], self.pool, stream)

    def _told_scores(self) -> tuple[Codes, Floats]:
        """Codes of the cells whose values are known, and the normal scores of these."""
        told = [(trial.cell.codes, trial.value) for trial in self.trials if trial.value is not None]
        return np.array([codes for codes, _ in told], dtype=np.uint8), normal_scores([value for _, value in told])

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
        features = self._describe(reference)
        self._features = features if self.is_listed else None
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
        informed = any(trial.value is not None for trial in self.trials)
        cells, sources = self._candidates(informed)
        process = self._fit() if informed else None
        if process is not None and sources and self.generations:
            cells, sources = self._evolved(process, cells, sources)
        fresh = np.flatnonzero(~self.seen(cells))
        if not len(fresh):
            raise RuntimeError(f"{self.name}: expected a new cell among {len(cells)} candidates, got none")
        if process is None:
            return cells[fresh[self.stream.permutation("blind", self._round, len(fresh))[:n]]]
        posterior = self._posterior(process, cells, fresh)
        chosen: list[int] = []
        for _ in range(min(n, len(fresh))):
            bound = posterior.upper(self.beta)[: len(fresh)]
            bound[chosen] = -np.inf
            chosen.append(int(bound.argmax()))
            posterior.observe(chosen[-1])
        for i in fresh[chosen] if sources else ():
            picks = self.diagnostics.setdefault("sources", {})
            picks[sources[i]] = picks.get(sources[i], 0) + 1
        return cells[fresh[chosen]]

    def _candidates(self, informed: bool) -> tuple[Codes, list[str]]:
        """Cells to choose from, and of a pool the source of each."""
        if self.is_listed:
            return self._cells, []
        if informed:
            return merged(self.space, self._pool(*self._told_scores(), self.stream.child(f"pool{self._round}")))
        return self.space.sample_up_to(REFERENCE, rng=self.stream.child(f"blind{self._round}").seed), []

    def _evolved(self, process: GaussianProcess, cells: Codes, sources: list[str]) -> tuple[Codes, list[str]]:
        """The pool and generations of mutants of those of it that the model likes best."""
        offspring = cells[~self.seen(cells)]
        population = offspring[:0]
        for generation in range(self.generations + 1):
            joined, _ = merged(self.space, {"": np.concatenate([population, offspring])})
            joined = joined[~self.seen(joined)]
            bound = process.posterior(self._describe(joined)).upper(self.beta)
            population = joined[np.argsort(-bound, kind="stable")[:POPULATION]]
            if generation < self.generations:
                rng = self.stream.child(f"evolution{self._round}.{generation}").seed
                offspring = self.space.mutate(population, rng=rng)
        all_cells, _ = merged(self.space, {"": np.concatenate([cells, population])})
        return all_cells, sources + ["evolution"] * (len(all_cells) - len(cells))

    def _fit(self) -> GaussianProcess:
        """The process of all values that are known."""
        codes, scores = self._told_scores()
        process = GaussianProcess(self.kernel).fit(self._features_of(codes), scores)
        self.diagnostics["model"].append(
            {"told": len(codes), "weights": list(process.weights_), "noise": process.noise_}
        )
        return process

    def _posterior(self, process: GaussianProcess, cells: Codes, fresh: npt.NDArray[np.int64]) -> Posterior:
        """What is known of the fresh ones of some cells, followed by the pending ones, which are being evaluated."""
        features = self._describe(cells[fresh]) if self._features is None else self._features[fresh]
        if self.pending:
            pending = np.array([trial.cell.codes for trial in self.pending], dtype=np.uint8)
            features = Features.join(features, self._features_of(pending))
        posterior = process.posterior(features)
        for i in range(len(fresh), len(features)):
            posterior.observe(i)
        return posterior

    def _features_of(self, codes: Codes) -> Features:
        if self._features is None:
            return self._describe(codes)
        return self._features[np.searchsorted(self._keys, self.space.canonical_key(codes))]
