"""CR-LSO by queries: a Gaussian process in latents that know the space, shaped without any accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.assets import open_npz
from crlso.methods.bayesian.latents import class_latents, join_latents, shaped_vae, shipped_encoders, total_spread
from crlso.methods.bayesian.search import RESERVOIR, ModelSearch
from crlso.methods.bayesian.sources import latent_pool
from crlso.models import GraphVAE
from crlso.models.gaussian_process import Features, Kernel
from crlso.random import Stream
from crlso.spaces.features import CellFeatures

__all__ = ["CRLSO"]

_KERNEL = Kernel(weights=((0.25, 0.5, 1.0, 2.0, 4.0),))
_ENCODERS = 2  # trained at the start of a search of a space without encoders of its own
_CELLS = 20_000  # random cells that these are trained on in a space that is too large to list


class CRLSO(ModelSearch):
    """Upper confidence bounds of a Gaussian process in the latent space of graph VAEs.

    The kernel is ``exp(-a d^2) + 0.5 f f'``: d is the distance between latents, f the standardised log size of the
    network (for NAS-Bench-101 and 201; left out elsewhere). Latents are those of several graph VAEs side by side,
    which also tell path counts, counts of live operations and, through a convex network, the size. Encoders come with
    crlso for NAS-Bench-101, NAS-Bench-201 and DARTS; for another space they are trained when a search begins, without
    any accuracy.

    A reservoir of random cells is drawn once; where it holds all classes of the space, these are all ranked, by latents
    averaged over a class. In larger spaces a round ranks the reservoir, cells decoded from latents near the best, and
    what a local search on the bound finds from these and from the most promising cells of the last round.

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
    pool : int
        Decoded cells of a round from each source, in spaces larger than the reservoir.
    reservoir : int
        Random cells to draw once.
    calibrated : bool
        Whether standard deviations are multiplied by how much larger than expected the leave-one-out errors of the
        process are: no better in our measurements.
    gradient, side_information, convex : bool
        Ablations. False: latents near the best by noise alone, not along the gradient of the mean; encoders without
        heads and a kernel without f; a head for the size and a surrogate that are not convex. What comes with crlso
        serves ``gradient=False`` alone: the other two train encoders.

    Attributes
    ----------
    diagnostics : dict
        ``model``: weight and noise of each fit; ``sources``: in large spaces, how many cells each source gave.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), method="cr-lso", budget=24, rng=0)
    >>> study.n_queries
    24
    """

    name = "cr-lso"
    generations = 4

    def __init__(
        self,
        space: Any,
        *,
        rng: Any = 0,
        budget: int | None = None,
        beta: float = 1.5,
        initial: int = 8,
        batch: int = 1,
        encoder: GraphVAE | Sequence[GraphVAE] | npt.ArrayLike | None = None,
        pool: int = 200,
        reservoir: int = RESERVOIR,
        calibrated: bool = False,
        gradient: bool = True,
        side_information: bool = True,
        convex: bool = True,
    ) -> None:
        super().__init__(
            space,
            rng=rng,
            budget=budget,
            beta=beta,
            initial=initial,
            batch=batch,
            pool=pool,
            reservoir=reservoir,
            calibrated=calibrated,
        )
        self.kernel = _KERNEL
        self.gradient, self.side_information, self.convex = gradient, side_information, convex
        self._seed = self.stream.child("encoders").seed
        self._cell_features = CellFeatures(space, self._reference)
        with self.phase("encoders"):
            if self.ranks_all:
                self._by_class = join_latents(self._class_latents(encoder))
            else:
                self._encoders = self._given_or_trained(encoder)
                self._set_scales()
            self._start()

    # -- latents --------------------------------------------------------------------------------------------------

    def _class_latents(self, encoder: Any) -> npt.NDArray[Any]:
        """Latents of all classes (encoders, classes, d)."""
        given = _models(encoder)
        if given is None and encoder is not None:
            return _checked_latents(encoder, len(self._cells))
        shipped = self.space.shipped.class_latents
        if given is None and shipped is not None and self._takes_shipped:
            with open_npz(shipped) as asset:
                latents: npt.NDArray[Any] = asset["latents"]
            return latents
        return np.stack([class_latents(self.space, vae) for vae in given or self._trained()])

    def _given_or_trained(self, encoder: Any) -> list[GraphVAE]:
        models = _models(encoder)
        if models is not None:
            return models
        if encoder is not None:
            raise TypeError(
                f"encoder: expected GraphVAEs for a space larger than the reservoir, got {type(encoder).__name__}"
            )
        has_own = self._takes_shipped and self.space.shipped.shaped_encoders and not self.is_listed
        return shipped_encoders(self.space) if has_own else self._trained()

    def _set_scales(self) -> None:
        """Scale latents to the same spread for each encoder, and to a mean squared distance of 1 in all."""
        self._scales = [1.0 / total_spread(vae.encode(self._reference).astype(np.float64)) for vae in self._encoders]
        self._scale = 1.0
        self._scale = 1.0 / (np.sqrt(2.0) * total_spread(self._joined(self._reference)))

    @property
    def _takes_shipped(self) -> bool:
        """Whether what comes with crlso may serve."""
        return self.side_information and self.convex

    def _trained(self) -> list[GraphVAE]:
        """Encoders of a space without any of its own."""
        if self.is_listed:
            codes = np.asarray(self.space.all_codes())
        else:
            codes = self.space.sample_up_to(_CELLS, rng=self.stream.child("training cells").seed)
        models = []
        for i in range(_ENCODERS):
            vae = shaped_vae(
                self.space,
                codes,
                self._cell_features,
                rng=Stream(self._seed).child(f"encoder{i}").seed,
                side_information=self.side_information,
                convex=self.convex,
            )
            models.append(vae)
            self.report("encoders", i + 1, _ENCODERS)
        return models

    def _joined(self, codes: Codes) -> Floats:
        parts = [vae.encode(codes) * np.float64(scale) for vae, scale in zip(self._encoders, self._scales)]
        joined: Floats = np.concatenate(parts, axis=1) * self._scale
        return joined

    def _describe(self, codes: Codes) -> Features:
        size = self._cell_features.size(codes) if self.side_information else None
        if self.ranks_all:  # described once, all classes in the order of their keys
            return Features((self._by_class,), size)
        return Features((self._joined(codes),), size)

    # -- large spaces ---------------------------------------------------------------------------------------------

    def _pool(self, told: Codes, scores: Floats, stream: Stream) -> dict[str, Codes]:
        return latent_pool(
            self._encoders[0], told, scores, self.pool, stream, gradient=self.gradient, convex=self.convex
        )


def _models(encoder: Any) -> list[GraphVAE] | None:
    """The graph VAEs that were given, if they are such."""
    if isinstance(encoder, GraphVAE):
        return [encoder]
    if isinstance(encoder, (list, tuple)) and encoder and all(isinstance(vae, GraphVAE) for vae in encoder):
        return list(encoder)
    return None


def _checked_latents(encoder: Any, n: int) -> npt.NDArray[Any]:
    parts = np.asarray(encoder)
    if parts.dtype.kind != "f" or parts.ndim != 3 or parts.shape[1] != n or not np.isfinite(parts).all():
        raise ValueError(
            f"encoder: expected GraphVAEs or finite latents (encoders, {n}, d), got {parts.dtype} {parts.shape}"
        )
    return parts
