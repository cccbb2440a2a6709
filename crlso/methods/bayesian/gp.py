"""A Gaussian process on the discrete cells: the strongest of the baselines by queries."""

from __future__ import annotations

from typing import Any

from crlso._base.types import Codes
from crlso.methods.bayesian.search import RESERVOIR, ModelSearch
from crlso.models.gaussian_process import Features, Kernel
from crlso.spaces.features import CellFeatures

__all__ = ["GPSearch"]

_KERNEL = Kernel(weights=((0.025, 0.075, 0.2), (0.0, 0.05, 0.2)))  # operations count half, see CellFeatures


class GPSearch(ModelSearch):
    """Upper confidence bounds of a Gaussian process over operations and paths of cells.

    The kernel is ``exp(-a H - b P) + 0.5 l l'``. H is the number of operations that differ (where edges are free: the
    difference of the counts of operations and edges), P the squared distance between square roots of how often each
    sequence of operations leads from an input to the output, l the standardised log size of the network (for
    NAS-Bench-101 and 201; left out elsewhere). Targets are standardised normal scores of the ranks of values; a, b and
    the noise are those of a grid that make them most likely.

    Up to 10,000 classes, all are ranked. In larger spaces a round ranks as many random cells, drawn once, and `pool`
    new ones, mutations of mutations of the ten best and all neighbours of the five best.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.methods.Optimiser`.
    beta : float
        Standard deviations that are added to the mean.
    initial, batch : int
        First cells (half of them large ones, where cells have a size), and cells for each fit.
    pool : int
        Random cells of a round, in spaces that are too large to list.
    kernel : Kernel, optional
        Weights of H / 2 and of P, and noises to choose from.
    calibrated : bool
        As for ``cr-lso``: deviations corrected by leave-one-out errors.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), method="gp", budget=24, rng=0)
    >>> study.n_queries
    24
    """

    name = "gp"

    def __init__(
        self,
        space: Any,
        *,
        rng: Any = 0,
        budget: int | None = None,
        beta: float = 2.0,
        initial: int = 16,
        batch: int = 4,
        pool: int = 10_000,
        kernel: Kernel = _KERNEL,
        calibrated: bool = False,
    ) -> None:
        super().__init__(
            space,
            rng=rng,
            budget=budget,
            beta=beta,
            initial=initial,
            batch=batch,
            pool=pool,
            reservoir=RESERVOIR,
            calibrated=calibrated,
        )
        if not isinstance(kernel, Kernel):
            raise TypeError(f"kernel: expected a Kernel, got {type(kernel).__name__}")
        self.kernel = kernel
        self._cell_features = CellFeatures(space, self._reference)
        self._start()

    def _describe(self, codes: Codes) -> Features:
        features = self._cell_features
        return Features((features.operations(codes), features.paths(codes)), features.size(codes))
