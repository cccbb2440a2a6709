"""The published model for NAS-Bench-201 in crlso, and the checks that twins in other frameworks must pass.

A twin, see benchmarks.twins, is a class constructed from (model, threads). It copies the parameters of the model and
has these methods for training:

    epoch(batches)                  gradients, clipping, Adam and projection for every batch
    value_and_gradients(batch)      the loss, and its gradients by parameter name in crlso

and these functions of latents for the search, with frozen weights:

    points(z)                       latents as arrays of the framework, converted once
    evaluate(points)                values and gradients of the surrogate
    step(points)                    codes decoded after one descent step
    decode(points)                  decoded codes
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso
from crlso import _core
from crlso.models import GraphVAE, ICNNSurrogate
from crlso.models.graph import CellEncoding
from crlso.spaces import NASBench201

__all__ = ["ADAM", "DESCENT", "RATE", "SLOPE", "Batch", "Model", "batches", "check_search", "differences"]

ADAM: dict[str, Any] = {"betas": (0.0, 0.5), "weight_decay": 3e-5, "max_norm": 5.0}
RATE = 1e-4
EPSILON = 1e-8
SLOPE = 0.01
DESCENT = 0.2  # step size of the search
BATCH_SIZE = 256
BATCHES_COMPARED = 7
Batch = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]  # positions, noise, targets


def batches(n: int, latent: int, cells: int = 15625, size: int = BATCH_SIZE, seed: int = 0) -> list[Batch]:
    """Make batches with n cells in total, equal for all programs; cells repeat if n exceeds `cells`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n) % cells
    made = []
    for first in range(0, n, size):
        chosen = order[first : first + size]
        noise = rng.normal(size=(len(chosen), latent)).astype(np.float32)
        made.append((chosen, noise, rng.uniform(0.05, 0.5, len(chosen)).astype(np.float32)))
    return made


class Model:
    """The model, with its training and search functions, in crlso."""

    name = "crlso"

    def __init__(self, width: int, threads: int) -> None:
        crlso.set_num_threads(threads)
        self.space = NASBench201()
        self.codes = self.space.all_codes()
        self.classes = self.codes.astype(np.int64)
        self.vae = GraphVAE(self.space, width=width, rng=0).initialise()
        self.surrogate = ICNNSurrogate(rng=1).initialise(self.vae.latent, 0.2)
        self.vae.surrogate_ = self.surrogate
        modules = (self.vae.encoder_, self.vae.decoder_, self.surrogate.network_)
        self.parameters = {
            f"{label}.{name}": tensor
            for label, module in zip(("encoder", "decoder", "icnn"), modules, strict=True)
            for name, tensor in module.named_parameters().items()
        }
        self.encoding = CellEncoding(self.vae.encoder_.trunk, self.codes)
        self.optimiser = _core.Adam(list(self.parameters.values()), **ADAM)

    def loss(self, batch: Batch) -> Any:
        chosen, noise, targets = batch
        return self.vae.loss(self.encoding.batch(chosen), self.classes[chosen], noise, targets)

    def epoch(self, made: Iterable[Batch]) -> None:
        for batch in made:
            self.optimiser.zero_grad()
            loss = self.loss(batch)
            loss.backward()
            self.optimiser.step(RATE)

    def value_and_gradients(self, batch: Batch) -> tuple[float, dict[str, Any]]:
        self.optimiser.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        return loss.item(), {name: tensor.grad.numpy().copy() for name, tensor in self.parameters.items()}

    def points(self, z: Any) -> Any:
        return z

    def freeze(self) -> None:
        """Freeze the weights for the functions of latents below, as a search does once per round."""
        self.descent, self.decoder = self.surrogate.freeze(), self.vae.freeze_decoder()

    def evaluate(self, z: Any) -> Any:
        return self.descent.evaluate(z)

    def decode(self, z: Any) -> Any:
        return self.decoder.decode(z)

    def step(self, z: Any) -> Any:
        return self.decoder.decode(self.descent.descend(z, DESCENT))


def differences(model: Model, other: Any, made: list[Batch]) -> dict[str, float]:
    """Return relative differences of losses and gradients between two programs over the first batches.

    The difference of a batch is the largest one of its loss, relative to the loss, and of its gradient entries,
    relative to the largest entry. `median` and `largest` are over batches. `parameter` is the median if the gradient
    of each parameter is compared with its own largest entry.

    Use the medians to judge. In about one batch of twelve, rounding determines the sign of an input of a leaky ReLU
    that is close to 0, and the gradient of one message differs.
    """
    whole, own = [], []
    for batch in made[:BATCHES_COMPARED]:
        (a, ga), (b, gb) = model.value_and_gradients(batch), other.value_and_gradients(batch)
        largest = {name: float(np.abs(gradient).max()) for name, gradient in ga.items()}
        off = {name: float(np.abs(ga[name] - gb[name]).max()) for name in ga}
        whole.append(max(abs(a - b) / abs(a), max(off.values()) / max(largest.values())))
        own.append(max(off[name] / largest[name] for name in ga))
    return {"median": statistics.median(whole), "largest": max(whole), "parameter": statistics.median(own)}


def check_search(model: Model, other: Any, z: npt.NDArray[Any]) -> None:
    """Raise AssertionError if values, gradients or decoded cells differ from those of crlso."""
    for mine, its in zip(model.evaluate(z), other.evaluate(other.points(z)), strict=True):
        np.testing.assert_allclose(mine, np.asarray(its), rtol=0, atol=2e-5 * float(abs(mine).max()))
    for function in ("decode", "step"):
        mine, its = getattr(model, function)(z), getattr(other, function)(other.points(z))
        # Two logits can be equal up to rounding, so a few cells may differ.
        assert (mine == np.asarray(its)).all(axis=1).mean() > 0.99, f"{other.name}: {function} differs"
