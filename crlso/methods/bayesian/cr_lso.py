"""CR-LSO by queries: a Gaussian process in latents that know the space, shaped without any accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from crlso.methods.bayesian.acquisition import UpperConfidenceBound
from crlso.methods.bayesian.encoders import LatentEncoder
from crlso.methods.bayesian.process import ProcessSurrogate
from crlso.methods.bayesian.search import RESERVOIR, BayesianSearch
from crlso.methods.bayesian.sources import AcquisitionClimb, BestOfReservoir, LatentMoves
from crlso.models import GraphVAE
from crlso.models.gaussian_process import Kernel
from crlso.spaces.base import Space

__all__ = ["CRLSO"]

_KERNEL = Kernel(weights=((0.25, 0.5, 1.0, 2.0, 4.0),))


class CRLSO(BayesianSearch):
    """Upper confidence bounds of a Gaussian process in the latent space of graph VAEs.

    The kernel is ``exp(-a d^2) + 0.5 f f'``: d is the distance between latents, f the standardised log size of the
    network (for NAS-Bench-101 and 201; left out elsewhere). Latents are those of several graph VAEs side by side, which
    also tell path counts, counts of live operations and, through a convex network, the size. Encoders come with crlso
    for NAS-Bench-101, NAS-Bench-201 and DARTS; for another space they are trained when a search begins, without any
    accuracy.

    Up to `reservoir` classes, all are ranked. In larger spaces a round ranks as many random cells, drawn once, cells
    decoded from latents near the best, and what a local search on the acquisition value finds from these and from the
    most promising cells of the last round.

    Parameters
    ----------
    space, rng, budget
        See :class:`crlso.methods.Optimiser`.
    beta : float
        Standard deviations that are added to the mean.
    initial, batch : int
        First cells (half of them large ones, where cells have a size), and cells for each fit.
    encoder : GraphVAE, sequence of GraphVAE or ndarray of shape (k, classes, d), optional
        Fitted models of the space; or, of a listed space, latents by k encoders of its classes in the order of their
        keys.
    candidates : int
        Decoded cells of a round of each kind, in spaces larger than the reservoir.
    reservoir : int
        Random cells to draw once.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> CRLSO(NASBench201(), rng=0, budget=24).remaining
    24
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
    ) -> None:
        latents = LatentEncoder(encoder)
        super().__init__(
            space,
            encoder=latents,
            surrogate=ProcessSurrogate(_KERNEL),
            acquisition=UpperConfidenceBound(beta),
            sources=[LatentMoves(latents, candidates), BestOfReservoir(), AcquisitionClimb(4)],
            initial=initial,
            batch=batch,
            reservoir=reservoir,
            rng=rng,
            budget=budget,
        )
