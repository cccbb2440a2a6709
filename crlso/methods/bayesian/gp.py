"""Bayesian search with a Gaussian process on the graphs of cells, the strongest baseline per query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from crlso.methods.bayesian.acquisition import UpperConfidenceBound
from crlso.methods.bayesian.encoders import GraphEncoder
from crlso.methods.bayesian.process import ProcessSurrogate
from crlso.methods.bayesian.search import BayesianSearch
from crlso.methods.bayesian.sources import BestOfReservoir, Mutations, Neighbours, RandomCells
from crlso.models.gaussian_process import Kernel
from crlso.objectives import Objective
from crlso.spaces.base import Space

__all__ = ["GRAPH_KERNEL", "GPSearch"]

# Of operations, which have weight one half already (see CellFeatures), and of paths.
GRAPH_KERNEL = Kernel(weights=((0.025, 0.075, 0.2), (0.0, 0.05, 0.2)))


class GPSearch(BayesianSearch):
    """Bayesian search with a Gaussian process over the operations and paths of cells.

    The kernel is ``exp(-a H - b P) + 0.5 l l'``:

    - H is the number of operations that differ. If edges are free, it is the difference of the counts of operations
      and edges.
    - P is the squared distance between the square roots of path counts. A path count is how often a sequence of
      operations leads from an input to the output.
    - l is the standardised log size of the network, known for NAS-Bench-101 and 201 and left out elsewhere.

    Targets are normal scores of the values. The weights a and b and the noise maximise the marginal likelihood on a
    grid.

    A space with at most 10,000 classes is ranked completely in each round. In a larger space, a round ranks 10,000
    random cells drawn once, and new random cells. It also ranks double mutations of the ten best cells and all
    neighbours of the five best.

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
    candidates : int
        Number of new random cells per round, in spaces with more than 10,000 classes.
    kernel : Kernel, optional
        Grids for the weights of H / 2 and of P, and for the noise.
    objectives : sequence of Objective
        What the search is for; by default the value alone. See :class:`BayesianSearch`.
    constraints : mapping
        Bounds of measures that evaluations return, by name. See :class:`BayesianSearch`.

    Raises
    ------
    TypeError, ValueError
        If an option is invalid.

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
        kernel: Kernel = GRAPH_KERNEL,
        objectives: Sequence[Objective] = (),
        constraints: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(
            space,
            encoder=GraphEncoder(),
            surrogate=ProcessSurrogate(kernel),
            acquisition=UpperConfidenceBound(beta),
            sources=[BestOfReservoir(), RandomCells(candidates), Neighbours(), Mutations()],
            initial=initial,
            batch=batch,
            objectives=objectives,
            constraints=constraints,
            rng=rng,
            budget=budget,
        )
