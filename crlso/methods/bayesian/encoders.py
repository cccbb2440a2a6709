"""Encoders: features of cells from their graphs, and latents of graph VAEs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats, Progress
from crlso.assets import asset_path, open_npz
from crlso.methods.bayesian.parts import Reservoir
from crlso.models import GraphVAE
from crlso.models.gaussian_process import Features
from crlso.models.shaped import shaped_vae
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.features import CellFeatures

__all__ = ["GraphEncoder", "LatentEncoder", "class_latents"]

Latents = npt.NDArray[np.float32]

_ENCODERS = 2  # trained at the start of a search of a space without encoders of its own
_CELLS = 20_000  # random cells that these are trained on in a space that is too large to list


class GraphEncoder:
    """Features read off the graph: operations, sequences of operations on paths, and the standardised log size."""

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Choose the sequences that are counted, and standardise the size over the reference cells."""
        self._features = CellFeatures(reservoir.space, reservoir.reference)

    def encode(self, codes: Codes) -> Features:
        """Features of canonical cells: operations and paths, and the size where the space knows it."""
        features = self._features
        return Features((features.operations(codes), features.paths(codes)), features.size(codes))


class LatentEncoder:
    """Latents of several graph VAEs side by side, of a mean squared distance of 1, and the standardised log size.

    In a complete reservoir, latents are averaged over the cells of a class. Where nothing is given, what comes with
    crlso is used; for other spaces two graph VAEs are trained when a search begins, without any accuracy, whose latents
    also tell path counts, counts of live operations and the size.

    Parameters
    ----------
    given : GraphVAE, sequence of GraphVAE or ndarray of shape (k, classes, d), optional
        Fitted models of the space; or, of a listed space, latents by k encoders of its classes in the order of their
        keys.
    """

    def __init__(self, given: GraphVAE | Sequence[GraphVAE] | npt.ArrayLike | None = None) -> None:
        self._given = given
        self._models: list[GraphVAE] = []

    @property
    def vae(self) -> GraphVAE:
        """The first of the models; there are none in a complete reservoir."""
        return self._models[0]

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Load, check or train the models, and scale their latents.

        Raises
        ------
        TypeError, ValueError
            When what was given does not fit the reservoir.
        """
        self._reservoir = reservoir
        self._features = CellFeatures(reservoir.space, reservoir.reference)
        if reservoir.is_complete:
            self._by_class = _joined(self._class_latents(stream, report))
            return
        self._models = self._large_space_models(stream, report)
        reference = reservoir.reference
        self._scales = [1.0 / _total_spread(vae.encode(reference).astype(np.float64)) for vae in self._models]
        self._scale = 1.0
        self._scale = 1.0 / (np.sqrt(2.0) * _total_spread(self._latents(reference)))

    def encode(self, codes: Codes) -> Features:
        """Latents of canonical cells, and the size where the space knows it."""
        if self._reservoir.is_complete:
            latents = self._by_class[self._reservoir.locate(codes)]
        else:
            latents = self._latents(codes)
        return Features((latents,), self._features.size(codes))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _latents(self, codes: Codes) -> Floats:
        parts = [vae.encode(codes) * np.float64(scale) for vae, scale in zip(self._models, self._scales)]
        latents: Floats = np.concatenate(parts, axis=1) * self._scale
        return latents

    def _class_latents(self, stream: Stream, report: Progress) -> npt.NDArray[Any]:
        """Latents of all classes, shape (encoders, classes, d)."""
        space, models = self._reservoir.space, _models(self._given)
        if models is None and self._given is not None:
            return _checked_latents(self._given, len(self._reservoir.codes))
        if models is None and space.shipped.class_latents is not None:
            with open_npz(space.shipped.class_latents) as asset:
                latents: npt.NDArray[Any] = asset["latents"]
            return latents
        return np.stack([class_latents(space, vae) for vae in models or self._trained(stream, report)])

    def _large_space_models(self, stream: Stream, report: Progress) -> list[GraphVAE]:
        models, space = _models(self._given), self._reservoir.space
        if models is not None:
            return models
        if self._given is not None:
            kind = type(self._given).__name__
            raise TypeError(f"encoder: expected GraphVAEs for a space larger than the reservoir, got {kind}")
        if space.shipped.shaped_encoders and not self._reservoir.is_listed:
            return [GraphVAE.load(asset_path(name), space) for name in space.shipped.shaped_encoders]
        return self._trained(stream, report)

    def _trained(self, stream: Stream, report: Progress) -> list[GraphVAE]:
        """Models of a space without any of its own."""
        space = self._reservoir.space
        if self._reservoir.is_listed:
            codes = space.all_codes()
        else:
            codes = space.sample_up_to(_CELLS, rng=stream.child("training cells").seed)
        models = []
        for i in range(_ENCODERS):
            rng = stream.child("encoders").child(f"encoder{i}").seed
            models.append(shaped_vae(space, codes, self._features, rng=rng))
            report("encoders", i + 1, _ENCODERS)
        return models


def class_latents(space: Space, vae: GraphVAE) -> Latents:
    """Latents of the classes of a listed space in the order of their keys, each the mean over the cells of the class.

    In units of the total standard deviation.

    Parameters
    ----------
    space : Space
        One that can be listed.
    vae : GraphVAE
        A fitted model of its cells.

    Returns
    -------
    ndarray of float32, shape (classes, d)
    """
    codes = space.all_codes()
    classes = space.classes()
    positions = classes.locate(codes)
    counts = np.bincount(positions, minlength=len(classes))
    z = vae.encode(codes).astype(np.float64)
    sums = np.zeros((len(counts), z.shape[1]))
    np.add.at(sums, positions, z)
    return (sums / counts[:, None] / _total_spread(z)).astype(np.float32)


def _total_spread(z: Floats) -> float:
    """Standard deviation of latents (n, d) over all dimensions together."""
    return float(np.sqrt(z.var(axis=0).sum())) or 1.0


def _joined(parts: npt.NDArray[Any]) -> Floats:
    """Latents of several encoders (k, n, d) side by side, scaled to a mean squared distance of 1: (n, k d)."""
    joined = np.concatenate(list(np.asarray(parts, dtype=np.float64)), axis=1)
    return joined / (np.sqrt(2.0) * _total_spread(joined))


def _models(given: Any) -> list[GraphVAE] | None:
    """The graph VAEs that were given, if they are such."""
    if isinstance(given, GraphVAE):
        return [given]
    if isinstance(given, (list, tuple)) and given and all(isinstance(vae, GraphVAE) for vae in given):
        return list(given)
    return None


def _checked_latents(given: Any, n: int) -> npt.NDArray[Any]:
    parts = np.asarray(given)
    if parts.dtype.kind != "f" or parts.ndim != 3 or parts.shape[1] != n or not np.isfinite(parts).all():
        raise ValueError(
            f"encoder: expected GraphVAEs or finite latents (encoders, {n}, d), got {parts.dtype} {parts.shape}"
        )
    return parts
