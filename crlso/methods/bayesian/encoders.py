"""Encoders: features computed from the graphs of cells, latents of graph VAEs, and several encoders together."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.cache import digest
from crlso._base.types import Codes, EpochProgress, Floats, Progress
from crlso.methods.bayesian.parts import Encoder, Reservoir
from crlso.models import FrozenEncoder, GraphVAE, kept_vae, shipped_latents, shipped_vaes
from crlso.models.frozen import encode_all
from crlso.models.gaussian_process import Features
from crlso.models.shaped import shaped_vae
from crlso.random import Stream
from crlso.spaces.base import Space

__all__ = ["DescriptorEncoder", "GivenEncoder", "GraphEncoder", "JoinedEncoder", "LatentEncoder", "class_latents"]

Latents = npt.NDArray[np.float32]

_ENCODERS = 2  # number of encoders trained for a space without shipped ones
_CELLS = 10_000  # number of random cells to train them on, in a space too large to enumerate


class GraphEncoder:
    """Encoder by graph features: operations, sequences of operations on paths, and standardised log size."""

    def fingerprint(self) -> Any:
        """Return what identifies the encoder: nothing, since it is made anew for every search.

        Returns
        -------
        tuple
            Empty.
        """
        return ()

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Choose the sequences to count, and standardise the size over the reference cells.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.
        """
        self._features = reservoir.features

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell); the size only if the space knows it.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            Two groups, the operations and the paths of each cell.
        """
        features = self._features
        return Features((features.operations(codes), features.paths(codes)), features.size(codes))


class DescriptorEncoder:
    """Encoder by descriptors of the graphs of cells, see :meth:`crlso.spaces.features.CellFeatures.descriptors`."""

    def fingerprint(self) -> Any:
        """Return what identifies the encoder: nothing, since it is made anew for every search.

        Returns
        -------
        tuple
            Empty.
        """
        return ()

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Standardise the descriptors and the size over the reference cells.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.
        """
        self._features = reservoir.features

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell); the size only if the space knows it.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            One group, the descriptors of each cell.
        """
        return Features((self._features.descriptors(codes),), self._features.size(codes))


class GivenEncoder:
    """Encoder by features that the user gives: standardised, with a mean squared distance of 1.

    Features that are equal in all reference cells are left out.

    Parameters
    ----------
    given : callable or ndarray of shape (classes,) or (classes, d)
        ``given(cells)`` returns finite features of a list of n cells, shape (n,) or (n, d). An array has the features
        of all classes of a space that is enumerated, in the order of the canonical keys.
    """

    def __init__(self, given: Callable[[Sequence[Any]], npt.ArrayLike] | npt.ArrayLike) -> None:
        self._given = given

    def fingerprint(self) -> Any:
        """Return what identifies the encoder: what it was given.

        Returns
        -------
        callable or array_like
            The argument `given`.
        """
        return self._given

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Standardise the features over the reference cells.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.

        Raises
        ------
        TypeError, ValueError
            If the features are not finite numbers for each cell, or an array is given for a larger space.
        """
        self._reservoir = reservoir
        if not callable(self._given) and not reservoir.is_complete:
            kind = type(self._given).__name__
            raise TypeError(f"features: expected a function for a space larger than the reservoir, got {kind}")
        columns = self._columns(reservoir.reference)
        self._centre, spread = columns.mean(axis=0), columns.std(axis=0)
        self._differs = spread > 1e-9 * np.abs(columns).max(axis=0, initial=0.0)
        self._spread = spread[self._differs] * np.sqrt(2.0 * max(1, int(self._differs.sum())))

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell).

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            One group, the standardised features of each cell without those that are constant; zeros if all are.
        """
        scaled = (self._columns(codes) - self._centre)[:, self._differs] / self._spread
        return Features((scaled if scaled.shape[1] else np.zeros((len(codes), 1)),))

    def _columns(self, codes: Codes) -> Floats:
        space = self._reservoir.space
        if callable(self._given):
            return _checked_features(self._given(space.cells(space.representative(codes))), len(codes))
        of_classes = _checked_features(self._given, len(self._reservoir.codes))
        return of_classes[self._reservoir.locate(codes)]


class JoinedEncoder:
    """Encoder by the groups of features of several encoders, in their order. The size is that of the first.

    Parameters
    ----------
    parts : sequence of Encoder
        The encoders to join, at least one.
    """

    def __init__(self, parts: Sequence[Encoder]) -> None:
        self.parts = tuple(parts)

    def fingerprint(self) -> Any:
        """Return what identifies the encoder: its parts.

        Returns
        -------
        tuple of Encoder
            The encoders that are joined.
        """
        return self.parts

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Prepare each part.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.
        """
        for part in self.parts:
            part.prepare(reservoir, stream, report)

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell).

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            The groups of all parts, and the size of the first one.
        """
        found = [part.encode(codes) for part in self.parts]
        return Features(tuple(group for features in found for group in features.groups), found[0].size)


class LatentEncoder:
    """Encoder by graph VAEs: their concatenated latents, and the standardised log size.

    Latents are scaled to a mean squared distance of 1. If the reservoir holds all classes, latents are averaged over
    the cells of each class. By default, the encoders that come with crlso are used. For other spaces, two graph VAEs
    are trained when a search begins, and kept in the cache for searches with the same space and seed. They need no
    accuracies: they learn to predict path counts, counts of live operations and the size.

    Parameters
    ----------
    given : GraphVAE, sequence of GraphVAE or ndarray of shape (k, classes, d), optional
        Fitted models of the space. For a space that is enumerated, also the latents of its classes by k encoders, in
        the order of the canonical keys.
    """

    def __init__(self, given: GraphVAE | Sequence[GraphVAE] | npt.ArrayLike | None = None) -> None:
        self._given = given
        self._models: list[GraphVAE] = []
        self._frozen: list[FrozenEncoder] = []  # of the models, made when they are needed

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_frozen": []}  # snapshots cannot be pickled

    def fingerprint(self) -> Any:
        """Return what identifies the encoder: the models or latents it was given.

        Returns
        -------
        GraphVAE, sequence of GraphVAE, array_like or None
            The argument `given`.
        """
        return self._given

    @property
    def vae(self) -> GraphVAE:
        """The first model. There is none if the reservoir holds all classes."""
        return self._models[0]

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Load or train the models, and scale their latents.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.

        Raises
        ------
        TypeError, ValueError
            If the given models or latents do not fit the reservoir.
        """
        self._reservoir = reservoir
        self._features = reservoir.features
        if reservoir.is_complete:
            self._by_class = _joined(self._class_latents(stream, report))
            return
        self._models, self._frozen = self._large_space_models(stream, report), []
        reference = reservoir.reference
        self._scales = [1.0 / _total_spread(z.astype(np.float64)) for z in self._encoded(reference)]
        self._scale = 1.0
        self._scale = 1.0 / (np.sqrt(2.0) * _total_spread(self._latents(reference)))

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell); the size only if the space knows it.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        Features
            One group, the latents of each cell.
        """
        if self._reservoir.is_complete:
            latents = self._by_class[self._reservoir.locate(codes)]
        else:
            latents = self._latents(codes)
        return Features((latents,), self._features.size(codes))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _latents(self, codes: Codes) -> Floats:
        parts = self._encoded(codes)
        ends = np.cumsum([part.shape[1] for part in parts]).tolist()
        latents = np.empty((len(codes), ends[-1]))
        for part, scale, end in zip(parts, self._scales, ends):
            np.multiply(part, np.float64(scale), out=latents[:, end - part.shape[1] : end])
        latents *= self._scale
        return latents

    def _encoded(self, codes: Codes) -> list[Latents]:
        """Latents of each model."""
        if not self._frozen:
            self._frozen = [vae.freeze_encoder() for vae in self._models]
        return encode_all(self._frozen, codes)

    def _class_latents(self, stream: Stream, report: Progress) -> npt.NDArray[Any]:
        """Latents of all classes, shape (encoders, classes, d)."""
        space, models = self._reservoir.space, _models(self._given)
        if models is None and self._given is not None:
            return _checked_latents(self._given, len(self._reservoir.codes))
        shipped = shipped_latents(space)
        if models is None and shipped is not None:
            return shipped
        return np.stack([class_latents(space, vae) for vae in models or self._trained(stream, report)])

    def _large_space_models(self, stream: Stream, report: Progress) -> list[GraphVAE]:
        models, space = _models(self._given), self._reservoir.space
        if models is not None:
            return models
        if self._given is not None:
            kind = type(self._given).__name__
            raise TypeError(f"encoder: expected GraphVAEs for a space larger than the reservoir, got {kind}")
        shipped = [] if self._reservoir.is_listed else shipped_vaes(space)
        return shipped or self._trained(stream, report)

    def _trained(self, stream: Stream, report: Progress) -> list[GraphVAE]:
        """Train models for a space without shipped ones, or take them from the cache."""
        report("encoders", 0, _ENCODERS)
        space = self._reservoir.space
        if self._reservoir.is_listed:
            codes = space.all_codes()
        else:
            codes = space.sample_up_to(_CELLS, rng=stream.child("training cells").seed)
        features = self._features
        given = codes, self._reservoir.reference, features.size(codes)  # paths and counts follow from these
        layout = dataclasses.replace(features.layout, to_text=None)
        models: list[GraphVAE] = []
        for i in range(_ENCODERS):
            rng = stream.child("encoders").child(f"encoder{i}").seed

            def on_epoch(done: int, epochs: int, before: int = i) -> None:
                report("encoders", before * epochs + done, _ENCODERS * epochs)

            def train(rng: int = rng, on_epoch: EpochProgress = on_epoch) -> GraphVAE:
                return shaped_vae(space, codes, features, rng=rng, on_epoch=on_epoch)

            key = digest(space.name, layout, *given, rng, inspect.signature(shaped_vae))
            models.append(kept_vae(key, space, train))
            on_epoch(models[-1].epochs, models[-1].epochs)
        return models


def class_latents(space: Space, vae: GraphVAE) -> Latents:
    """Return the mean latent of each class of a space, in the order of the canonical keys.

    Latents are divided by their total standard deviation.

    Parameters
    ----------
    space : Space
        A space that can be enumerated.
    vae : GraphVAE
        A fitted model of its cells.

    Returns
    -------
    ndarray of float32, shape (classes, d)
        One latent for each class, the mean of its cells.
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
    """Root-mean-square distance of latents (n, d) from their mean; 1 if that is 0."""
    return float(np.sqrt(z.var(axis=0).sum())) or 1.0


def _joined(parts: npt.NDArray[Any]) -> Floats:
    """Concatenate latents of several encoders (k, n, d) and scale them to a mean squared distance of 1: (n, k d)."""
    joined = np.concatenate(list(np.asarray(parts, dtype=np.float64)), axis=1)
    return joined / (np.sqrt(2.0) * _total_spread(joined))


def _models(given: Any) -> list[GraphVAE] | None:
    """The given graph VAEs as a list; None if `given` is something else."""
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


def _checked_features(given: Any, n: int) -> Floats:
    """Return features as (n, d), checked."""
    try:
        columns = np.asarray(given)
    except ValueError:
        raise ValueError(f"features: expected shape ({n},) or ({n}, d), got rows of different lengths") from None
    if columns.dtype.kind not in "fiub":
        raise TypeError(f"features: expected real numbers, got dtype {columns.dtype}")
    if columns.ndim not in (1, 2) or len(columns) != n or not columns.size:
        raise ValueError(f"features: expected shape ({n},) or ({n}, d), one row for each cell, got {columns.shape}")
    if not np.isfinite(columns).all():
        raise ValueError("features: expected finite numbers, got NaN or infinity")
    return columns.astype(np.float64).reshape(n, -1)
