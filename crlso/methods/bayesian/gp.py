"""A Gaussian process on the graphs of cells: the strongest of the baselines by queries."""

from __future__ import annotations

from typing import Any

from crlso.methods.bayesian.acquisition import UpperConfidenceBound
from crlso.methods.bayesian.encoders import GraphEncoder
from crlso.methods.bayesian.process import ProcessSurrogate
from crlso.methods.bayesian.search import BayesianSearch
from crlso.methods.bayesian.sources import BestOfReservoir, Mutations, Neighbours, RandomCells
from crlso.models.gaussian_process import Kernel
from crlso.spaces.base import Space

__all__ = ["GPSearch"]

_KERNEL = Kernel(weights=((0.025, 0.075, 0.2), (0.0, 0.05, 0.2)))  # operations count half, see CellFeatures


class GPSearch(BayesianSearch):
    """Upper confidence bounds of a Gaussian process over operations and paths of cells.

    The kernel is ``exp(-a H - b P) + 0.5 l l'``. H is the number of operations that differ (where edges are free: the
    difference of the counts of operations and edges), P the squared distance between square roots of how often each
    sequence of operations leads from an input to the output, l the standardised log size of the network (for
    NAS-Bench-101 and 201; left out elsewhere). Targets are normal scores of the values; a, b and the noise are those
    of a grid that make them most likely.

    Up to 10,000 classes, all are ranked. In larger spaces a round ranks as many random cells, drawn once, and new ones,
    mutations of mutations of the ten best and all neighbours of the five best.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.methods.Optimiser`.
    beta : float
        Standard deviations that are added to the mean.
    initial, batch : int
        First cells (half of them large ones, where cells have a size), and cells for each fit.
    candidates : int
        New random cells of a round, in spaces with more than 10,000 classes.
    kernel : Kernel, optional
        Weights of H / 2 and of P, and noises to choose from.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> GPSearch(NASBench201(), rng=0, budget=24).remaining
    24
    """

    name = "gp"

    def __init__(
        self,
        space: Space,
        *,
        rng: Any = 0,
        budget: int | None = None,
        beta: float = 2.0,
        initial: int = 16,
        batch: int = 4,
        candidates: int = 10_000,
        kernel: Kernel = _KERNEL,
    ) -> None:
        super().__init__(
            space,
            encoder=GraphEncoder(),
            surrogate=ProcessSurrogate(kernel),
            acquisition=UpperConfidenceBound(beta),
            sources=[BestOfReservoir(), RandomCells(candidates), Neighbours(), Mutations()],
            initial=initial,
            batch=batch,
            rng=rng,
            budget=budget,
        )
