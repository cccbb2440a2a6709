"""Graph VAEs whose latents also predict side information about the cells; training uses no accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Codes, EpochProgress
from crlso._core import Tensor
from crlso.models.vae import GraphVAE
from crlso.nn import ICNN, Linear, Module
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.features import CellFeatures

__all__ = ["SideInformation", "shaped_vae"]

Targets = npt.NDArray[np.float32]

_PATHS, _LIVE, _SIZE = 0.12, 0.01, 0.01  # weights of the mean squared errors: chosen on cifar10, see docs/lab-notes.md


class SideInformation:
    """Auxiliary heads that predict path counts, counts of live operations and the size of a cell from its latent.

    Pass an instance to :meth:`GraphVAE.fit`; :func:`shaped_vae` does both. Spaces that do not know the size of a cell
    get no head for it.

    Parameters
    ----------
    features : CellFeatures
        Features of the space.
    codes : ndarray of uint8, shape (n, codes per cell)
        The cells that the VAE is trained on, in the same order.
    convex : bool
        Whether the head for the size is convex in the latent.
    """

    name = "shaped vae"

    def __init__(self, features: CellFeatures, codes: Codes, *, convex: bool = True) -> None:
        live = features.live_operations(codes)
        size = features.size(codes)
        self._paths: Targets = features.paths(codes).astype(np.float32)
        self._live: Targets = ((live - live.mean(axis=0)) / (live.std(axis=0) + 1e-9)).astype(np.float32)
        self._size: Targets | None = None if size is None else size.astype(np.float32)
        self._convex = convex

    def initialise(self, latent: int, stream: Stream) -> list[Module]:
        """Make new heads and return them.

        Parameters
        ----------
        latent : int
            Length of a latent.
        stream : Stream
            Source of the initial values.

        Returns
        -------
        list of Module
            The heads for path counts and for live operations, and that for the size if the space knows it.
        """
        self._path_head = Linear(latent, self._paths.shape[1], stream.child("paths"))
        self._live_head = Linear(latent, self._live.shape[1], stream.child("live"))
        heads: list[Module] = [self._path_head, self._live_head]
        if self._size is not None:
            self._size_head = ICNN(latent, 32, 2, stream.child("size"), convex=self._convex)
            heads.append(self._size_head)
        return heads

    def loss(self, z: Tensor, positions: npt.NDArray[np.int64]) -> Tensor:
        """Return the weighted sum of the heads' mean squared errors.

        Parameters
        ----------
        z : Tensor, shape (n, latent)
            Sampled latents.
        positions : ndarray of int64, shape (n,)
            Positions of their cells in `codes`.

        Returns
        -------
        Tensor
            One element.
        """
        total = _core.mse(self._path_head(z), self._paths[positions]) * _PATHS
        total = total + _core.mse(self._live_head(z), self._live[positions]) * _LIVE
        if self._size is not None:
            total = total + _core.mse(self._size_head(z), self._size[positions]) * _SIZE
        return total


def shaped_vae(
    space: Space,
    codes: Codes,
    features: CellFeatures,
    *,
    rng: Any,
    width: int = 64,
    epochs: int = 15,
    latent: int = 32,
    convex: bool = True,
    on_epoch: EpochProgress | None = None,
) -> GraphVAE:
    """Train a graph VAE whose latents also predict path counts, counts of live operations and the size of a cell.

    Parameters
    ----------
    space : Space
        Space of the cells.
    codes : ndarray of uint8, shape (n, codes per cell)
        Cells to train on.
    features : CellFeatures
        Features of the space.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Seed of the training.
    width, epochs, latent : int
        Passed to :class:`GraphVAE`.
    convex : bool
        Whether the head for the size is convex in the latent.
    on_epoch : callable, optional
        Called as ``on_epoch(done, epochs)`` after each epoch.

    Returns
    -------
    GraphVAE
        The fitted model.
    """
    vae = GraphVAE(space, width=width, latent=latent, epochs=epochs, rng=rng)
    return vae.fit(codes, heads=SideInformation(features, codes, convex=convex), on_epoch=on_epoch)
