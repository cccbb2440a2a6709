"""The default method: Gaussian processes on latents of graph VAEs trained without accuracies, and on graphs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso.methods.bayesian.acquisition import UpperConfidenceBound
from crlso.methods.bayesian.average import Member, ProcessAverage
from crlso.methods.bayesian.encoders import (
    DescriptorEncoder,
    GivenEncoder,
    GraphEncoder,
    JoinedEncoder,
    LatentEncoder,
)
from crlso.methods.bayesian.gp import GRAPH_KERNEL
from crlso.methods.bayesian.parts import Encoder
from crlso.methods.bayesian.priors import PriorEncoder, read_priors, with_priors
from crlso.methods.bayesian.search import RESERVOIR, BayesianSearch
from crlso.methods.bayesian.sources import AcquisitionClimb, BestOfReservoir, LatentMoves
from crlso.models import GraphVAE
from crlso.models.gaussian_process import Kernel
from crlso.objectives import Objective
from crlso.spaces.base import Space
from crlso.spaces.cell import Cell

__all__ = ["CRLSO"]

# Groups of features: 0 latents, 1 operations, 2 paths, 3 descriptors, 4 those that the user gives.
_NOISES = (0.01, 0.05, 0.2, 0.5, 1.0)
_MEMBERS = (
    Member((0,), Kernel(((0.25, 0.5, 1.0, 2.0, 4.0),), _NOISES)),
    Member((1, 2), dataclasses.replace(GRAPH_KERNEL, noises=_NOISES)),
    Member((3,), Kernel(((0.25, 0.5, 1.0, 2.0, 4.0),), _NOISES)),
)
_GIVEN = Member((4,), Kernel(((0.25, 0.5, 1.0, 2.0, 4.0),), _NOISES), has_floor=False)


class CRLSO(BayesianSearch):
    """Bayesian search with Gaussian processes on latents of graph VAEs and on graphs of cells, the default method.

    Three processes are averaged, see :class:`ProcessAverage`. They compare the latents of cells, their operations and
    paths as ``gp`` does, and descriptors of their graphs. Each kernel is ``exp(-sum_g a_g d_g^2) + 0.5 f f'``, where
    d_g is a distance and f the standardised log size of the network. The size is known for NAS-Bench-101 and 201, and
    left out elsewhere.

    Latents of several graph VAEs are concatenated. The VAEs also learn to predict path counts, counts of live
    operations and, through a convex network, the size. Encoders for NAS-Bench-101, NAS-Bench-201 and DARTS come with
    crlso. For other spaces they are trained when a search begins, without any accuracies.

    A space with at most `reservoir` classes is ranked completely in each round. In a larger space, a round ranks
    random cells drawn once and cells decoded from latents near the best ones. It also ranks cells found by a local
    search on the acquisition value, which starts from the other candidates and from its results of the last round.

    Parameters
    ----------
    space : Space
        Space of the cells.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of randomness.
    budget : int, optional
        Number of trials that can be asked for, see :class:`crlso.methods.Optimiser`.
    beta : float
        Number of standard deviations added to the mean in the upper confidence bound.
    initial : int
        Number of initial cells; half of them are large cells if cells have a size.
    batch : int
        Number of cells chosen per fit.
    encoder : GraphVAE, sequence of GraphVAE or ndarray of shape (k, classes, d), optional
        Fitted models of the space. For a space that is enumerated, also the latents of its classes by k encoders, in
        the order of the canonical keys.
    candidates : int
        Number of cells decoded per round by random steps, and by gradient steps, in spaces larger than the reservoir.
    reservoir : int
        Number of random cells drawn once.
    features : callable or array_like of shape (classes,) or (classes, d), optional
        What you know of cells, such as parameters, latencies or zero-cost scores; one more process compares them.
        ``features(cells)`` returns numbers for a list of n cells, shape (n,) or (n, d). It is called for thousands of
        cells, and in large spaces again in every round, so it must be cheap. An array has the features of all classes
        of a space that is ranked completely, in the order of the canonical keys.
    prior : sequence, optional
        Results of other tasks on the same space. Each entry is a study, a path to a journal, to a file of
        ``Study.save`` or to a CSV file that ``Tabular.from_csv`` reads, a Tabular, or a list of pairs of a cell and its
        value. Up to half of the initial cells are those that priors predict to be best. How much the predictions count
        later is learned from the values of this task, see :class:`PriorEncoder`. Results of the same task are no prior:
        :meth:`observe` adds them, or the argument `known` of :func:`crlso.search`.
    objectives : sequence of Objective
        What the search is for; by default the value alone. See :class:`BayesianSearch`.
    constraints : mapping
        Bounds of measures that evaluations return, by name. See :class:`BayesianSearch`.

    Raises
    ------
    TypeError, ValueError
        If an option is invalid, or `encoder` or `features` do not fit the space.
    OSError
        If a file of `prior` cannot be read.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> CRLSO(NASBench201(), rng=0, budget=24).remaining
    24

    A search that knows one on another dataset:

    >>> import crlso
    >>> other = crlso.search(crlso.benchmarks.NASBench201("cifar100"), budget=40)
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), budget=24, prior=[other])
    >>> study.best.value == study.optimum
    True
    """

    name = "cr-lso"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        beta: float = 1.5,
        initial: int = 8,
        batch: int = 1,
        encoder: GraphVAE | Sequence[GraphVAE] | npt.ArrayLike | None = None,
        candidates: int = 200,
        reservoir: int = RESERVOIR,
        features: Callable[[Sequence[Cell]], npt.ArrayLike] | npt.ArrayLike | None = None,
        prior: Any = None,
        objectives: Sequence[Objective] = (),
        constraints: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        latents, priors = LatentEncoder(encoder), read_priors(space, prior)
        parts: list[Encoder] = [latents, GraphEncoder(), DescriptorEncoder()]
        members: tuple[Member, ...] = _MEMBERS
        if features is not None:
            parts, members = [*parts, GivenEncoder(features)], (*members, _GIVEN)
        joined = JoinedEncoder(parts)
        super().__init__(
            space,
            encoder=PriorEncoder(joined, priors, members) if priors else joined,
            surrogate=ProcessAverage(with_priors(members, len(priors))),
            acquisition=UpperConfidenceBound(beta),
            sources=[LatentMoves(latents, candidates), BestOfReservoir(), AcquisitionClimb(4)],
            initial=initial,
            batch=batch,
            reservoir=reservoir,
            cells=np.concatenate([prior.codes for prior in priors]) if priors else None,
            objectives=objectives,
            constraints=constraints,
            rng=rng,
            budget=budget,
        )
