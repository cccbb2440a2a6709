"""Bayesian search: initial cells, then those with the largest acquisition values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.plain import typed
from crlso._base.types import Codes, Floats, Positions
from crlso.methods.base import Optimiser, Stepwise
from crlso.methods.bayesian.constraints import LearnedConstraint
from crlso.methods.bayesian.feasibility import Feasibility
from crlso.methods.bayesian.gains import gain_of
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
from crlso.methods.bayesian.priors import best_predicted
from crlso.methods.bayesian.remembered import RememberedFeatures
from crlso.methods.random import RandomOrder
from crlso.models.gaussian_process import Features, normal_scores
from crlso.objectives import VALUE, Objective
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each

__all__ = ["RESERVOIR", "BayesianSearch"]

RESERVOIR = 10_000


class BayesianSearch(Optimiser):
    """Bayesian search: random initial cells, then batches of the cells with the largest acquisition values.

    The reservoir is a set of random cells that is drawn and encoded once and ranked in every round. If it holds all
    classes of the space, the search chooses from the reservoir. In larger spaces, a round chooses from the candidates
    proposed by its sources. The surrogate is fitted to normal scores of the values. Pending cells are conditioned on:
    they reduce the posterior variance nearby, so the next proposal moves elsewhere. Cells that may fail, as learned
    from failed evaluations, are penalised, see :class:`Feasibility`.

    Parameters
    ----------
    space : Space
        Space of the cells.
    encoder : Encoder
        Maps cells to features.
    surrogate : Surrogate
        Predicts scores from features.
    acquisition : Acquisition
        Ranks cells by their posterior.
    sources : sequence of Source
        Propose candidates, in this order, in spaces larger than the reservoir.
    initial : int
        Number of initial cells, less those whose values are observed and not asked for. If cells have a size, half of
        them are from the largest third. If priors predict values, up to half of them, after the first two, are those
        predicted to be best instead: no further one once another initial cell is better.
    batch : int
        Number of cells chosen per fit; each is conditioned on before the next is chosen.
    reservoir : int
        Number of random cells drawn once.
    cells : ndarray of uint8, shape (n, codes per cell), optional
        Canonical cells to add to a reservoir that does not hold all classes, such as good cells of other tasks.
    objectives : sequence of Objective or str
        The value alone, or the value and up to three others. Those that are not known without a query are learned by
        copies of the surrogate, and :meth:`tell` takes a measurement with them. The search asks for the cells that
        promise to add most to the hypervolume of the front: by the acquisition value of the value if the others are
        known, see :class:`FrontGain`; by an expectation if several are learned, see :class:`VolumeGain`.
    constraints : mapping
        Bounds of measures that evaluations return, by name: a number is an upper bound, text has one or more, as in
        ``{"latency": 5.0, "energy": ">= 1, <= 2"}``. A copy of the surrogate learns each of them, see
        :class:`LearnedConstraint`. :meth:`tell` takes a measurement with these numbers.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.

    Attributes
    ----------
    reservoir : Reservoir
    feasibility : Feasibility
        What was learned from failed evaluations.
    learned_constraints : dict of str to LearnedConstraint
        What was learned from measurements about each constraint.
    diagnostics : dict
        ``model``: the parameters chosen by each fit. ``sources``: in large spaces, the number of chosen cells by
        source.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer of at least 1, or a part rejects the space.

    Examples
    --------
    A search with your own acquisition function and existing parts:

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
        cells: Codes | None = None,
        objectives: Sequence[Objective] = (),
        constraints: Mapping[str, Any] = MappingProxyType({}),
        rng: Any = 0,
        budget: int | None = None,
    ) -> None:
        super().__init__(space, rng=rng, budget=budget)
        self._aim_for(objectives, constraints)
        self.initial, self.batch = check_int("initial", initial, 1), check_int("batch", batch, 1)
        self.encoder, self.surrogate, self.acquisition = encoder, surrogate, acquisition
        self.sources = tuple(sources)
        self.diagnostics["model"] = []
        self._models: Stepwise[list[dict[str, Any]]] = Stepwise([])
        self._picks: Stepwise[dict[str, int]] = Stepwise({})
        self.reservoir = self._draw_reservoir(check_int("reservoir", reservoir, 1), cells)
        self.gain = gain_of(
            acquisition, self.objectives, self.reservoir.codes, is_constrained=bool(self.history.bounds)
        )
        with self.phase("encoders"):
            encoder.prepare(self.reservoir, self.stream, self.report)
            self._features = encoder.encode(self.reservoir.codes)
        self._remembered = RememberedFeatures(encoder, space.cardinalities)
        self.learned_constraints = {
            name: LearnedConstraint(bounds, copy.deepcopy(surrogate)) for name, bounds in self.history.bounds.items()
        }
        learned = [objective for objective in self.objectives if objective.known is None]
        self._learned_objectives = {
            objective: surrogate if objective.name == VALUE else copy.deepcopy(surrogate) for objective in learned
        }
        for part in (
            *self._learned_objectives.values(),
            *(limit.surrogate for limit in self.learned_constraints.values()),
        ):
            part.watch(self._features)
        self.feasibility = Feasibility(self._features)
        self._initial, self._predicted = self.reservoir.codes[self._first_positions()], self._predicted_cells()
        self._plan = 1, self._initial  # the next round, and the cells of that before it

    # -- rounds ---------------------------------------------------------------------------------------------------

    def _draw_reservoir(self, n: int, cells: Codes | None) -> Reservoir:
        if not self.is_listed:
            drawn = self.space.sample_up_to(n, rng=self.stream.child("reservoir").seed)
        else:
            codes = self.space.classes().codes
            if len(codes) <= n:
                return Reservoir(self.space, codes, is_complete=True, is_listed=True)
            drawn = codes[self.stream.permutation("reservoir", 0, len(codes))[:n]]
        if cells is not None:
            joined = np.concatenate([self.space.canonicalise(drawn), cells])
            drawn = joined[first_of_each(self.space.canonical_key(joined))]
        return Reservoir(self.space, drawn, is_complete=False, is_listed=self.is_listed)

    def _first_positions(self) -> Positions:
        """Positions of the initial cells in the reservoir."""
        n, size = len(self.reservoir.codes), self._features.size
        order = self.stream.permutation("initial", 0, n)
        if size is not None:
            large = np.argsort(-size, kind="stable")[: max(1, n // 3)]
            upper = large[self.stream.permutation("initial large", 0, len(large))[: self.initial // 2]]
            order = np.concatenate([upper, order[~np.isin(order, upper)]])
        return order[: self.initial]

    def _predicted_cells(self) -> Codes:
        """The cells that priors predict to be best, half as many as there are initial cells."""
        predicted = self._features.predicted
        return self.reservoir.codes[[] if predicted is None else best_predicted(predicted, self.initial // 2)]

    def _first_cells(self) -> Codes:
        """The initial cells that are still wanted: one less for each value that was observed and not asked for."""
        known = sum(not trial.asked for trial in self.history.complete)
        cells = self._with_predicted() if len(self._predicted) else self._initial
        return cells[: max(self.initial - known, 0)]

    def _with_predicted(self) -> Codes:
        """The initial cells: after two of them, those that priors predict, while none of the others is better."""
        usual, best = self._initial, self._predicted
        usual = usual[~np.isin(self.space.canonical_key(usual), self.space.canonical_key(best))]
        begin, rest = usual[[0, -1]] if len(usual) > 1 else usual, usual[1:-1]
        keys, values = self.history.keys, self.history.values
        is_best = np.isin(keys, self.space.canonical_key(best))
        if is_best.any() and not is_best.all() and values[is_best].max() < values[~is_best].max():
            best = best[self.seen(best)]
        return np.concatenate([begin, best, rest])[: self.initial]

    def _next(self) -> npt.ArrayLike:
        while True:
            chosen = self._first_cells() if self._round == 1 else self._plan[1]
            fresh = chosen[~self.seen(chosen)]  # some may have been observed since they were chosen
            if len(fresh):
                return fresh[0]
            with self.phase("choice"):
                chosen = self._choose(min(self.batch, self.remaining))
            if self._is_memoryless:
                self.note = {"cells": chosen.tolist(), "model": self._fit_of_round()}
            self._plan = self._round + 1, chosen

    @property
    def _is_memoryless(self) -> bool:
        """Whether choices depend on the history alone, so that a note can stand for those of earlier rounds."""
        parts = (self.surrogate, self.acquisition)
        return self.reservoir.is_complete and all(getattr(part, "is_memoryless", False) for part in parts)

    def _recall(self, note: Any) -> None:
        cells = np.array(typed(note, "cells", list), dtype=np.uint8)
        if not self._is_memoryless or cells.ndim != 2 or not self.space.valid(cells).all():
            raise ValueError(f"note: expected cells of the space, chosen by {self.name}, got {note!r:.100}")
        fit = typed(note, "model", dict, optional=True)
        if fit is not None:
            self._note_fit(fit)
        self._plan = self._round + 1, cells

    @property
    def _round(self) -> int:
        """Number of the next round, or of the present one inside :meth:`_choose`; the first is 1."""
        return self._plan[0]

    def _choose(self, n: int) -> Codes:
        """Choose the next cells, at most `n`."""
        codes = self.history.rows
        self._learn_from_failures(codes)
        if not len(codes):
            return self._blind(n)
        scores = self._scores()
        posteriors = self._fit(codes, scores)
        self._update_gain(codes, scores)
        pending = self.history.rows_of(self.pending)
        if self.reservoir.is_complete:
            where, cells = self.reservoir.locate(pending), self.reservoir
            return cells.codes[self._highest(n, cells, posteriors, self._penalty(), where)]
        found = self._candidates(posteriors, codes, scores)
        features = self._remembered.encode(np.concatenate([found.codes, pending]))
        where = np.arange(len(found), len(features))
        penalty = self._penalty(features)[: len(found)]
        chosen = self._highest(n, found, self._posteriors(features), penalty, where)
        picks = dict(self._picks.before(self._round))
        for i in chosen:
            picks[found.sources[i]] = picks.get(found.sources[i], 0) + 1
        self._picks.put(self._round, picks)
        self.diagnostics["sources"] = picks
        return found.codes[chosen]

    def _blind(self, n: int) -> Codes:
        """Choose at most `n` cells of the reservoir while no value is known: the least likely to fail, at random."""
        fresh = np.flatnonzero(~self.history.seen(self.reservoir.keys))
        if not len(fresh):
            return RandomOrder(self).next()[None]
        order = fresh[self.stream.permutation("blind", self._round, len(fresh))]
        likely = np.argsort(-self.feasibility.penalty()[order], kind="stable")
        return self.reservoir.codes[order[likely[:n]]]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _scores(self) -> Floats:
        """Normal scores of the learned objectives of the complete trials, shape (n, learned)."""
        columns = [objective.sign * self._numbers(objective.name) for objective in self._learned_objectives]
        return np.stack([normal_scores(column) for column in columns], axis=1)

    def _fit(self, codes: Codes, scores: Floats) -> list[Posterior]:
        """Fit the surrogates to all observed cells, and return those of the objectives at the reservoir."""
        features, keys = self._features_of(codes), self.history.keys
        for surrogate, column in zip(self._learned_objectives.values(), scores.T):
            surrogate.fit(features, np.ascontiguousarray(column), keys)
        summary = {"observed": len(codes), **self.surrogate.summary()}
        for objective, surrogate in self._learned_objectives.items():
            if objective.name != VALUE:
                summary.setdefault("objectives", {})[objective.name] = surrogate.summary()
        for name, limit in self.learned_constraints.items():
            limit.fit(features, self._numbers(name), keys)
            summary.setdefault("constraints", {})[name] = limit.summary()
        self._note_fit(summary)
        return self._posteriors()

    def _posteriors(self, x: Features | None = None) -> list[Posterior]:
        """The posteriors of the learned objectives at cells, by default at the reservoir."""
        return [surrogate.posterior(x) for surrogate in self._learned_objectives.values()]

    def _numbers(self, name: str) -> Floats:
        """The numbers of a measure of the complete trials, shape (n,)."""
        measured = (trial.measurement for trial in self.history.complete)
        return np.array([found.number(name) for found in measured if found is not None], dtype=np.float64)

    def _update_gain(self, codes: Codes, scores: Floats) -> None:
        """Let the gain learn from the feasible ones of the observed cells."""
        feasible = self.history.violations(self.history.complete) == 0.0
        self.gain.update(codes[feasible], scores[feasible], scores.min(axis=0))

    def _ranking(self, scores: Floats) -> Floats:
        """Scores of the observed cells by which the best come first: the feasible ones, then those that are closer."""
        violations = self.history.violations(self.history.complete)
        feasible = violations == 0.0
        if feasible.all():
            return self.gain.ranking(scores)
        ranks = -violations
        if feasible.any():
            ranking = self.gain.ranking(scores[feasible])
            ranks[feasible] = ranking - ranking.min() + 1.0
        return normal_scores(ranks)

    def _penalty(self, x: Features | None = None) -> Floats:
        """The penalties of m cells that may fail or break a constraint, shape (m,); by default of the reservoir."""
        penalty = self.feasibility.penalty(x)
        for limit in self.learned_constraints.values():
            penalty = penalty + limit.penalty(x)
        return penalty

    def _note_fit(self, fit: dict[str, Any]) -> None:
        """Add the parameters of the fit of this round to the diagnostics."""
        self._models.put(self._round, [*self._models.before(self._round), fit])
        self.diagnostics["model"] = self._models.value

    def _fit_of_round(self) -> dict[str, Any] | None:
        """The parameters of the fit of this round; None if there was none."""
        return None if self._models.before(self._round) is self._models.value else self._models.value[-1]

    def _learn_from_failures(self, codes: Codes) -> None:
        """Fit the feasibility to all finished cells: the complete ones, `codes`, and those that failed."""
        failed = self.history.rows_of(trial for trial in self.trials if trial.state == "failed")
        if len(failed):
            finished = np.concatenate([codes.reshape(-1, failed.shape[1]), failed])
            self.feasibility.fit(self._features_of(finished), np.arange(len(finished)) < len(codes))

    def _features_of(self, codes: Codes) -> Features:
        """Features of canonical cells, looked up where they are known."""
        complete = self.reservoir.is_complete
        return self._features[self.reservoir.locate(codes)] if complete else self._remembered.encode(codes)

    def _highest(
        self, n: int, cells: Reservoir | Candidates, posteriors: list[Posterior], penalty: Floats, pending: Positions
    ) -> list[int]:
        """Positions of the `n` cells that promise most, conditioned on the pending ones."""
        seen = self.history.seen(cells.keys)
        for i in pending:
            _observe(posteriors, int(i))
        chosen: list[int] = []
        for _ in range(min(n, int((~seen).sum()))):
            gains = self.gain(posteriors, cells.codes, penalty)
            chosen.append(int(np.where(seen, -np.inf, gains).argmax()))
            seen[chosen[-1]] = True
            if len(chosen) < n:
                _observe(posteriors, chosen[-1])
        return chosen

    def _values(self, cells: Codes) -> Floats:
        """What canonical cells promise, shape (m,): the gain by them."""
        features = self._remembered.encode(cells)
        return self.gain(self._posteriors(features), cells, self._penalty(features))

    def _candidates(self, posteriors: list[Posterior], codes: Codes, scores: Floats) -> Candidates:
        """Collect the candidates of a round in a space larger than the reservoir."""
        candidates = Candidates(self.space, codes.shape[1])
        context = Round(
            reservoir=self.reservoir,
            stream=self.stream.child(f"pool{self._round}"),
            codes=codes,
            scores=self._ranking(scores),
            candidates=candidates,
            reservoir_values=np.where(
                self.history.seen(self.reservoir.keys),
                -np.inf,
                self.gain(posteriors, self.reservoir.codes, self._penalty()),
            ),
            acquisition_values=self._values,
            seen=self.seen,
            seen_keys=self.history.seen,
        )
        for source in self.sources:
            for name, proposed in source.propose(context).items():
                candidates.add(name, proposed)
        if self.history.seen(candidates.keys).all():  # no source proposed an unseen class
            candidates.add("random", RandomOrder(self).next()[None])
        return candidates


def _observe(posteriors: list[Posterior], i: int) -> None:
    """Condition all posteriors on an evaluation of cell `i`."""
    for posterior in posteriors:
        posterior.observe(i)
