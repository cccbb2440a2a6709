"""The Bayesian search: some first cells, then those with the largest acquisition values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.types import Codes, Floats, Positions
from crlso.methods.base import Optimiser
from crlso.methods.bayesian.parts import (
    Acquisition,
    Candidates,
    Encoder,
    Posterior,
    Reservoir,
    Round,
    Source,
    Surrogate,
)
from crlso.methods.random import RandomOrder
from crlso.models.gaussian_process import normal_scores
from crlso.spaces.base import Space

__all__ = ["RESERVOIR", "BayesianSearch"]

RESERVOIR = 10_000


class BayesianSearch(Optimiser):
    """Bayesian search: random first cells, then batches of the cells with the largest acquisition values.

    Random cells are drawn once, the reservoir, encoded once and ranked in every round. Where the space has no more
    classes than that, they are all there is to choose from. In larger spaces, a round chooses among the candidates that
    its sources propose. Targets of the surrogate are normal scores of the values. Pending cells are conditioned on:
    they reduce the posterior variance nearby, so the next proposal moves elsewhere.

    Parameters
    ----------
    space : Space
    encoder : Encoder
        Describes cells by features.
    surrogate : Surrogate
        Predicts scores from features.
    acquisition : Acquisition
        Says how much a cell promises.
    sources : sequence of Source
        Propose candidates, in spaces larger than the reservoir; in this order.
    initial : int
        First cells; half of them from the upper third by size where cells have one.
    batch : int
        Cells chosen with one fit; each is conditioned on for the next.
    reservoir : int
        Random cells to draw once.
    rng, budget
        See :class:`crlso.methods.Optimiser`.

    Attributes
    ----------
    reservoir : Reservoir
    diagnostics : dict
        ``model``: what each fit chose; ``sources``: in large spaces, how many cells each source gave.

    Examples
    --------
    An acquisition of one's own, in a search that is composed of it and of parts that are there:

    >>> from crlso.methods.bayesian import BayesianSearch, BestOfReservoir, GraphEncoder, ProcessSurrogate
    >>> from crlso.models import Kernel
    >>> from crlso.spaces import NASBench201
    >>> def cautious(posterior):
    ...     return posterior.mean - 0.5 * posterior.deviation
    >>> search = BayesianSearch(
    ...     NASBench201(),
    ...     encoder=GraphEncoder(),
    ...     surrogate=ProcessSurrogate(Kernel(weights=((0.05, 0.1), (0.05,)))),
    ...     acquisition=cautious,
    ...     sources=[BestOfReservoir()],
    ... )
    >>> for _ in range(20):
    ...     trial = search.ask()
    ...     search.tell(trial, float(trial.cell.operations.count("nor_conv_3x3")))
    >>> search.best.value
    6.0
    """

    name = "bayesian"

    def __init__(
        self,
        space: Space,
        *,
        encoder: Encoder,
        surrogate: Surrogate,
        acquisition: Acquisition,
        sources: Sequence[Source],
        initial: int = 8,
        batch: int = 1,
        reservoir: int = RESERVOIR,
        rng: Any = 0,
        budget: int | None = None,
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self.initial, self.batch = check_int("initial", initial, 1), check_int("batch", batch, 1)
        self.encoder, self.surrogate, self.acquisition = encoder, surrogate, acquisition
        self.sources = tuple(sources)
        self.diagnostics["model"] = []
        self._round = 0
        self.reservoir = self._draw_reservoir(check_int("reservoir", reservoir, 1))
        with self.phase("encoders"):
            encoder.prepare(self.reservoir, self.stream, self.report)
            self._features = encoder.encode(self.reservoir.codes)
        surrogate.watch(self._features)
        self._queue: list[npt.NDArray[np.uint8]] = list(self.reservoir.codes[self._first_positions()])

    # -- the order of events --------------------------------------------------------------------------------------

    def _draw_reservoir(self, n: int) -> Reservoir:
        if not self.is_listed:
            codes = self.space.sample_up_to(n, rng=self.stream.child("reservoir").seed)
            return Reservoir(self.space, codes, is_complete=False, is_listed=False)
        codes = self.space.classes().codes
        if len(codes) > n:
            drawn = codes[self.stream.permutation("reservoir", 0, len(codes))[:n]]
            return Reservoir(self.space, drawn, is_complete=False, is_listed=True)
        return Reservoir(self.space, codes, is_complete=True, is_listed=True)

    def _first_positions(self) -> Positions:
        """Positions of the first cells in the reservoir."""
        n, size = len(self.reservoir.codes), self._features.size
        order = self.stream.permutation("initial", 0, n)
        if size is not None:
            large = np.argsort(-size, kind="stable")[: max(1, n // 3)]
            upper = large[self.stream.permutation("initial large", 0, len(large))[: self.initial // 2]]
            order = np.concatenate([upper, order[~np.isin(order, upper)]])
        return order[: self.initial]

    def _next(self) -> npt.ArrayLike:
        while True:
            if not self._queue:
                with self.phase("choice"):
                    self._queue = list(self._choose(min(self.batch, self.remaining)))
            codes = self._queue.pop(0)
            if not self.seen(codes[None])[0]:  # it may have been observed meanwhile
                return codes

    def _choose(self, n: int) -> Codes:
        """The next `n` cells, or fewer."""
        self._round += 1
        codes = self.history.rows
        if not len(codes):
            fresh = self.reservoir.codes[~self.seen(self.reservoir.codes)]
            return fresh[self.stream.permutation("blind", self._round, len(fresh))[:n]]
        scores = normal_scores(self.history.values)
        posterior = self._fit(codes, scores)
        pending = self.history.rows_of(self.pending)
        if self.reservoir.is_complete:
            where = self.reservoir.locate(pending)
            return self.reservoir.codes[self._highest(n, self.reservoir.codes, posterior, where)]
        found = self._candidates(posterior, codes, scores)
        features = self.encoder.encode(np.concatenate([found.codes, pending]))
        where = np.arange(len(found), len(features))
        chosen = self._highest(n, found.codes, self.surrogate.posterior(features), where)
        picks = self.diagnostics.setdefault("sources", {})
        for i in chosen:
            picks[found.sources[i]] = picks.get(found.sources[i], 0) + 1
        return found.codes[chosen]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _fit(self, codes: Codes, scores: Floats) -> Posterior:
        """Fit the surrogate to all that is observed, and give its posterior at the reservoir."""
        is_complete = self.reservoir.is_complete
        features = self._features[self.reservoir.locate(codes)] if is_complete else self.encoder.encode(codes)
        self.surrogate.fit(features, scores, self.history.keys)
        self.diagnostics["model"].append({"observed": len(codes), **self.surrogate.summary()})
        return self.surrogate.posterior()

    def _highest(self, n: int, cells: Codes, posterior: Posterior, pending: Positions) -> list[int]:
        """Positions of the cells with the largest acquisition values, conditioned on those that are pending."""
        seen = self.seen(cells)
        for i in pending:
            posterior.observe(int(i))
        chosen: list[int] = []
        for _ in range(min(n, int((~seen).sum()))):
            values = np.where(seen, -np.inf, self.acquisition(posterior)[: len(cells)])
            chosen.append(int(values.argmax()))
            seen[chosen[-1]] = True
            if len(chosen) < n:
                posterior.observe(chosen[-1])
        return chosen

    def _candidates(self, posterior: Posterior, codes: Codes, scores: Floats) -> Candidates:
        """Cells to choose from in a space larger than the reservoir."""
        candidates = Candidates(self.space, codes.shape[1])
        context = Round(
            reservoir=self.reservoir,
            stream=self.stream.child(f"pool{self._round}"),
            codes=codes,
            scores=scores,
            candidates=candidates,
            reservoir_values=np.where(self.seen(self.reservoir.codes), -np.inf, self.acquisition(posterior)),
            acquisition_values=lambda cells: self.acquisition(self.surrogate.posterior(self.encoder.encode(cells))),
            seen=self.seen,
        )
        for source in self.sources:
            for name, proposed in source.propose(context).items():
                candidates.add(name, proposed)
        if self.seen(candidates.codes).all():  # the sources know of nothing new
            candidates.add("random", RandomOrder(self).next()[None])
        return candidates
