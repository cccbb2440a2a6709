"""Latents that know the side information of a space: several graph VAEs with heads, trained without any accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Codes
from crlso._core import Tensor
from crlso.models.base import train
from crlso.models.graph import CellEncoding
from crlso.models.vae import GraphVAE
from crlso.nn import ICNN, Linear, Module
from crlso.random import Stream, seed_of
from crlso.spaces.features import CellFeatures

__all__ = ["shaped_vae"]

Latents = npt.NDArray[np.float32]

_PATHS, _LIVE, _SIZE = 0.12, 0.01, 0.01  # weights of the mean squared errors: chosen on cifar10, see docs/results.md


class _Heads(Module):
    """What the sampled latent has to tell besides the cell: path counts, counts of live operations, and the size."""

    def __init__(self, latent: int, targets: list[Latents], stream: Stream, convex: bool) -> None:
        self.paths = Linear(latent, targets[0].shape[1], stream.child("paths"))
        self.live = Linear(latent, targets[1].shape[1], stream.child("live"))
        self.size = ICNN(latent, 32, 2, stream.child("size"), convex=convex)

    def loss(self, z: Tensor, targets: list[Latents]) -> Tensor:
        total = _core.mse(self.paths(z), targets[0]) * _PATHS
        total = total + _core.mse(self.live(z), targets[1]) * _LIVE
        if len(targets) > 2:
            total = total + _core.mse(self.size(z), targets[2]) * _SIZE
        return total


def shaped_vae(
    space: Any,
    codes: Codes,
    features: CellFeatures,
    *,
    rng: Any,
    width: int = 64,
    epochs: int = 15,
    latent: int = 32,
    side_information: bool = True,
    convex: bool = True,
) -> GraphVAE:
    """A graph VAE whose latents also tell path counts, counts of live operations and, where there is one, the size.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        Cells to train on.
    features : CellFeatures
    side_information, convex : bool
        False: without the heads; with a head for the size that is not convex.
    """
    vae = GraphVAE(space, width=width, latent=latent, epochs=epochs, rng=rng)
    if not side_information:
        return vae.fit(codes)
    vae.initialise()
    stream = Stream(seed_of(rng)).child("shaped vae")
    targets = [features.paths(codes), features.live_operations(codes)]
    targets[1] = (targets[1] - targets[1].mean(axis=0)) / (targets[1].std(axis=0) + 1e-9)
    size = features.size(codes)
    if size is not None:
        targets.append(size)
    wanted = [target.astype(np.float32) for target in targets]
    heads = _Heads(latent, wanted, stream, convex)
    encoding, classes = CellEncoding(vae.encoder_.trunk, codes), codes.astype(np.int64)

    def loss(positions: npt.NDArray[np.int64], step: int) -> Tensor:
        mu, log_variance = vae.encoder_(encoding.batch(positions))
        noise = stream.normal("noise", step, (len(positions), latent))
        z = _core.gaussian(mu, log_variance, noise, scale=vae.sigma_scale)
        total = vae.decoder_.cross_entropy(vae.decoder_(z), classes[positions])
        total = total + _core.kl_normal(mu, log_variance) * vae.kl_weight
        return total + heads.loss(z, [target[positions] for target in wanted])

    modules = (
        [vae.encoder_, vae.decoder_, heads]
        if size is not None
        else [vae.encoder_, vae.decoder_, heads.paths, heads.live]
    )
    vae.history_ = train(
        [tensor for module in modules for tensor in module.parameters()],
        loss,
        len(codes),
        stream,
        epochs=epochs,
        batch_size=vae.batch_size,
        learning_rate=vae.learning_rate,
        betas=vae.betas,
        weight_decay=vae.weight_decay,
        max_norm=vae.max_norm,
    )
    return vae
