"""Heads for side information: their loss by its formula, their streams, and training through GraphVAE.fit."""

from __future__ import annotations

import numpy as np
import pytest

from crlso import Tensor, _core, nn
from crlso.models import GraphVAE, SideInformation, shaped_vae
from crlso.models.base import train
from crlso.models.graph import CellEncoding
from crlso.random import Stream, seed_of
from crlso.spaces import CellSpace, NASBench201
from crlso.spaces.features import CellFeatures

from ..twins.models import icnn_twin

SIZED, UNSIZED = NASBench201(), CellSpace(nodes=4, operations=["skip", "conv", "pool"], edges="free")


def cells_of(space, n: int = 60) -> tuple[np.ndarray, CellFeatures]:
    codes = space.sample(n, rng=0)
    return codes, CellFeatures(space, space.canonicalise(codes))


@pytest.mark.parametrize("space", [SIZED, UNSIZED], ids=["with size", "without size"])
@pytest.mark.parametrize("convex", [True, False])
def test_the_loss_against_its_formula(space, convex):
    codes, features = cells_of(space)
    heads = SideInformation(features, codes, convex=convex)
    modules = heads.initialise(5, Stream(3))
    assert len(modules) == (3 if space is SIZED else 2)
    positions = np.array([7, 0, 31, 7])
    z = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    live = features.live_operations(codes)
    wanted = [features.paths(codes), (live - live.mean(axis=0)) / (live.std(axis=0) + 1e-9)]
    expected = 0.0
    for weight, module, targets in zip((0.12, 0.01), modules, wanted):
        state = module.state()
        predicted = z @ state["weight"].T + state["bias"]
        expected += weight * ((predicted - targets[positions]) ** 2).sum(axis=1).mean()
    if space is SIZED:
        sizes = features.size(codes)
        predicted = icnn_twin(modules[2].state(), z) if convex else modules[2](z).numpy()
        expected += 0.01 * ((predicted - sizes[positions]) ** 2).mean()
        assert any(tensor.nonnegative for tensor in modules[2].parameters()) == convex
    assert heads.loss(Tensor(z), positions).item() == pytest.approx(expected, rel=1e-5)


def test_heads_begin_from_streams_of_their_own():
    """The encoder begins as in plain training; heads, noise and order come from the stream that the heads name."""
    codes, features = cells_of(SIZED)
    heads = SideInformation(features, codes)
    vae = GraphVAE(SIZED, width=12, latent=5, epochs=0, rng=4).fit(codes, heads=heads)
    plain = GraphVAE(SIZED, width=12, latent=5, rng=4).initialise()
    np.testing.assert_array_equal(vae.encode(codes), plain.encode(codes))
    stream = Stream(seed_of(4)).child("shaped vae")
    z = np.eye(5, dtype=np.float32)
    ours = SideInformation(features, codes)
    ours.initialise(5, stream)
    assert heads.loss(Tensor(z), np.arange(5)).item() == ours.loss(Tensor(z), np.arange(5)).item()
    ours.initialise(5, stream.child("another"))
    assert heads.loss(Tensor(z), np.arange(5)).item() != ours.loss(Tensor(z), np.arange(5)).item()


def test_a_shaped_model_is_a_model_fitted_with_these_heads():
    codes, features = cells_of(UNSIZED)
    shaped = shaped_vae(UNSIZED, codes, features, rng=Stream(seed_of(2)), width=12, latent=5, epochs=2)
    by_hand = GraphVAE(UNSIZED, width=12, latent=5, epochs=2, rng=2)
    by_hand.fit(codes, heads=SideInformation(features, codes))
    np.testing.assert_array_equal(shaped.encode(codes), by_hand.encode(codes))
    assert shaped.history_ == by_hand.history_
    assert (shaped.encode(codes) != by_hand.fit(codes).encode(codes)).any()


def test_heads_train_as_a_loop_over_the_parts_does():
    """The loss written out here, over the parts of the model: the same parameters to the last bit."""
    codes, features = cells_of(SIZED)
    fitted = GraphVAE(SIZED, width=12, latent=5, epochs=3, batch_size=16, rng=6)
    fitted.fit(codes, heads=SideInformation(features, codes))
    vae = GraphVAE(SIZED, width=12, latent=5, epochs=3, batch_size=16, rng=6).initialise()
    stream = Stream(seed_of(6)).child("shaped vae")
    live = features.live_operations(codes)
    live = ((live - live.mean(axis=0)) / (live.std(axis=0) + 1e-9)).astype(np.float32)
    paths, sizes = features.paths(codes).astype(np.float32), features.size(codes).astype(np.float32)
    path_head = nn.Linear(5, paths.shape[1], stream.child("paths"))
    live_head = nn.Linear(5, live.shape[1], stream.child("live"))
    size_head = nn.ICNN(5, 32, 2, stream.child("size"))
    encoding, classes = CellEncoding(vae.encoder_.trunk, codes), codes.astype(np.int64)

    def loss(positions, step):
        mu, log_variance = vae.encoder_(encoding.batch(positions))
        z = _core.gaussian(mu, log_variance, stream.normal("noise", step, (len(positions), 5)), scale=0.01)
        total = vae.decoder_.cross_entropy(vae.decoder_(z), classes[positions])
        total = total + _core.kl_normal(mu, log_variance) * 0.005
        side = _core.mse(path_head(z), paths[positions]) * 0.12
        side = side + _core.mse(live_head(z), live[positions]) * 0.01
        return total + (side + _core.mse(size_head(z), sizes[positions]) * 0.01)

    modules = (vae.encoder_, vae.decoder_, path_head, live_head, size_head)
    train(
        [tensor for module in modules for tensor in module.parameters()],
        loss,
        len(codes),
        stream,
        epochs=3,
        batch_size=16,
        learning_rate=2e-3,
        betas=(0.9, 0.99),
        weight_decay=3e-5,
        max_norm=5.0,
    )
    np.testing.assert_array_equal(vae.encode(codes), fitted.encode(codes))
