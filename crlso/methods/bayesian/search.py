"""What the searches with a Gaussian process share: first cells, batches, candidates and their ranking."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_number
from crlso._base.types import Codes, Floats
from crlso.methods.base import Optimiser
from crlso.methods.bayesian.sources import cell_pool, merged
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior, normal_scores
from crlso.random import Stream

__all__ = ["RESERVOIR", "ModelSearch"]

RESERVOIR = 10_000
POPULATION = 40  # promising cells that are kept from round to round
EXPANDED = 10  # of which the most promising are expanded
REFERENCE = 2000  # random cells that say which paths are counted in a space that is too large to list


class ModelSearch(Optimiser):
    """First some random cells, then batches with the largest upper confidence bound of a Gaussian process.

    Random cells are drawn once, the reservoir, described once and ranked in every round. Where the space has no more
    classes than that, they are all there is to choose from. A subclass calls :meth:`_start` when it is ready to
    describe cells, and has :meth:`_describe`; for larger spaces, it may have sources of its own in :meth:`_pool`.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.methods.Optimiser`.
    beta : float
        Standard deviations that are added to the mean.
    initial : int
        First cells; half of them from the upper third by size where cells have one.
    batch : int
        Cells chosen with one fit; each of them lowers the variance for the next.
    pool : int
        Cells of a round from each source that draws them, in spaces larger than the reservoir.
    reservoir : int
        Random cells to draw once.
    calibrated : bool
        Whether standard deviations are those of the process times :meth:`GaussianProcess.calibration`.

    Attributes
    ----------
    ranks_all : bool
        Whether the reservoir holds all classes of the space.
    """

    kernel: Kernel
    generations = 0
    """Steps of a local search on the bound that improves the candidates of a space larger than the reservoir."""

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
        reservoir: int,
        calibrated: bool,
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.beta = check_number("beta", beta)
        if self.beta < 0:
            raise ValueError(f"beta: expected at least 0, got {beta}")
        check_int("initial", initial, 1)
        check_int("batch", batch, 1)
        check_int("pool", pool, 1)
        check_int("reservoir", reservoir, 1)
        self.initial, self.batch, self.pool = int(initial), int(batch), int(pool)
        self.calibrated = bool(calibrated)
        self._round = 0
        self._queue: list[npt.NDArray[np.uint8]] = []
        self._known_neighbours: dict[bytes, Codes] = {}
        self.diagnostics["model"] = []
        self._cells, self.ranks_all = self._draw_reservoir(int(reservoir))
        self._keys = self.space.canonical_key(self._cells)

    # -- for subclasses -------------------------------------------------------------------------------------------

    @abstractmethod
    def _describe(self, codes: Codes) -> Features:
        """What the kernel sees of canonical cells."""

    def _pool(self, told: Codes, scores: Floats, stream: Stream) -> dict[str, Codes]:
        """Further cells to choose from in this round by source, of a space larger than the reservoir."""
        return cell_pool(self.space, told[np.argsort(-scores, kind="stable")], self.pool, stream)

    @property
    def _reference(self) -> Codes:
        """Cells that stand for the space: all classes in the order of their keys, or some random cells."""
        return self._cells if self.ranks_all else self._cells[:REFERENCE]

    def _start(self) -> None:
        """Choose the first cells and describe the reservoir."""
        self._promising = self._cells[:0]
        self._features = self._describe(self._cells)
        self._known = KnownRows(self._features)
        self._queue = list(self._cells[self._first_positions(self._features.size)])

    # -- inside ---------------------------------------------------------------------------------------------------

    def _draw_reservoir(self, n: int) -> tuple[Codes, bool]:
        if not self.is_listed:
            return self.space.sample_up_to(n, rng=self.stream.child("reservoir").seed), False
        classes: Codes = self.space.classes().codes
        if len(classes) <= n:
            return classes, True
        return classes[self.stream.permutation("reservoir", 0, len(classes))[:n]], False

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
        told = [trial for trial in self.trials if trial.value is not None]
        if not told:
            fresh = self._cells[~self.seen(self._cells)]
            return fresh[self.stream.permutation("blind", self._round, len(fresh))[:n]]
        codes = np.array([trial.cell.codes for trial in told], dtype=np.uint8)
        scores = normal_scores(np.array([trial.value for trial in told], dtype=np.float64))
        process, posterior = self._fit(codes, scores)
        if self.ranks_all:
            return self._cells[self._highest(n, self._cells, posterior, self._places(self._pending_codes()))]
        cells, sources = self._candidates(process, posterior, codes, scores)
        pending = self._pending_codes()
        features = self._describe(np.concatenate([cells, pending]))
        places = np.arange(len(cells), len(features))
        chosen = self._highest(n, cells, process.posterior(features), places)
        picks = self.diagnostics.setdefault("sources", {})
        for i in chosen:
            picks[sources[i]] = picks.get(sources[i], 0) + 1
        return cells[chosen]

    def _fit(self, told: Codes, scores: Floats) -> tuple[GaussianProcess, Posterior]:
        """The process of all values that are known, and what it says of the reservoir."""
        features = self._features[self._places(told)] if self.ranks_all else self._describe(told)
        process = GaussianProcess(self.kernel, calibrated=self.calibrated).fit(features, scores)
        self.diagnostics["model"].append(
            {
                "told": len(told),
                "weights": list(process.weights_),
                "noise": process.noise_,
                "calibration": process.calibration_,
            }
        )
        rows = self._known.rows(process, self.space.canonical_key(told), features)
        return process, process.posterior(self._features, rows)

    def _highest(self, n: int, cells: Codes, posterior: Posterior, pending: npt.NDArray[np.int64]) -> list[int]:
        """Positions of the cells with the highest bounds, when those at `pending` are being evaluated already."""
        seen = self.seen(cells)
        if seen.all():
            raise RuntimeError(f"{self.name}: expected a new cell among {len(cells)} candidates, got none")
        for i in pending:
            posterior.observe(int(i))
        chosen: list[int] = []
        for _ in range(min(n, int((~seen).sum()))):
            bound = posterior.upper(self.beta)[: len(cells)]
            bound[seen] = -np.inf
            chosen.append(int(bound.argmax()))
            seen[chosen[-1]] = True
            if len(chosen) < n:
                posterior.observe(chosen[-1])
        return chosen

    def _candidates(
        self, process: GaussianProcess, known: Posterior, told: Codes, scores: Floats
    ) -> tuple[Codes, list[str]]:
        """Cells to choose from in a space larger than the reservoir, and the source of each.

        They are the best of the reservoir, the pool of the round, and what a local search on the bound finds from both
        and from the most promising cells of the last round.
        """
        bound = known.upper(self.beta)
        bound[self.seen(self._cells)] = -np.inf
        best = self._cells[np.argsort(-bound, kind="stable")[:POPULATION]]
        pool = self._pool(told, scores, self.stream.child(f"pool{self._round}"))
        pool["random"] = np.concatenate([best, pool.get("random", best[:0])])
        cells, sources = merged(self.space, pool)
        if self.generations:
            found = self._local_search(process, np.concatenate([self._promising, cells]))
            self._promising = found
            joined, _ = merged(self.space, {"": np.concatenate([cells, found])})
            cells, sources = joined, sources + ["local search"] * (len(joined) - len(cells))
        return cells, sources

    def _local_search(self, process: GaussianProcess, start: Codes) -> Codes:
        """The cells with the largest bounds among some and, again and again, all neighbours of the best of these."""
        cells = start[~self.seen(start)]
        keys, bounds = np.zeros(0, dtype=np.int64), np.zeros(0)
        best, expanded = start[:0], set()
        for generation in range(self.generations + 1):
            here = self.space.canonical_key(cells)
            new = np.unique(here, return_index=True)[1]
            new = np.sort(new[~np.isin(here[new], keys)])
            if not len(new):
                break
            keys = np.concatenate([keys, here[new]])
            best = np.concatenate([best, cells[new]])
            bounds = np.concatenate([bounds, process.posterior(self._describe(cells[new])).upper(self.beta)])
            order = np.argsort(-bounds, kind="stable")[:POPULATION]
            best, bounds = best[order], bounds[order]
            front = [row for row in best if row.tobytes() not in expanded][:EXPANDED]
            if generation == self.generations or not front:
                break
            expanded |= {row.tobytes() for row in front}
            cells = np.concatenate([self._neighbours(row) for row in front])
            cells = cells[~self.seen(cells)]
        return best

    def _neighbours(self, row: npt.NDArray[np.uint8]) -> Codes:
        """Neighbours of a cell, kept: promising cells are expanded again and again."""
        key = row.tobytes()
        if key not in self._known_neighbours:
            self._known_neighbours[key] = self.space.canonicalise(self.space.neighbours(row))
        return self._known_neighbours[key]

    def _pending_codes(self) -> Codes:
        """Codes of the pending cells (n, codes per cell)."""
        codes = [trial.cell.codes for trial in self.pending]
        return np.array(codes, dtype=np.uint8).reshape(-1, self._cells.shape[1])

    def _places(self, codes: Codes) -> npt.NDArray[np.int64]:
        """Positions of cells in a reservoir that holds all classes."""
        return np.searchsorted(self._keys, self.space.canonical_key(codes))
