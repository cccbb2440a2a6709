"""One training epoch of the NAS-Bench-201 graph VAE with its surrogate, against PyTorch on the same maths.

    python -m benchmarks.train_epoch --against pytorch,pytorch-same-algebra --threads 1 --json

The model is the published one by default (width 256, latent 16, batch 256): 62 batches, gradients, clipping, Adam.
All programs start from the same parameters and see the same cells and noise; before anything is timed, losses and
gradients of several batches are compared. Runs are interleaved and medians of their ratios to crlso are reported.
`pytorch` is the form of today's maths that was fastest here (K split, a loop over edges); `pytorch-same-algebra` is
given every exact saving that crlso makes. A framework that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import platform
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import crlso
from benchmarks.timing import interleaved, ratios
from crlso import _core
from crlso.models import GraphVAE, ICNNSurrogate
from crlso.models.graph import CellEncoding
from crlso.spaces import NASBench201

ADAM = {"betas": (0.0, 0.5), "weight_decay": 3e-5, "max_norm": 5.0}
RATE = 1e-4
Batches = list[tuple[Any, Any, Any]]  # positions, noise, targets


def batches(n: int, size: int, latent: int, seed: int) -> Batches:
    """An epoch's batches, the same for all programs."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    made = []
    for first in range(0, n, size):
        chosen = order[first : first + size]
        noise = rng.normal(size=(len(chosen), latent)).astype(np.float32)
        made.append((chosen, noise, rng.uniform(0.05, 0.5, len(chosen)).astype(np.float32)))
    return made


class Ours:
    """The training of crlso."""

    name = "crlso"

    def __init__(self, width: int, threads: int) -> None:
        crlso.set_num_threads(threads)
        self.space = NASBench201()
        self.codes = self.space.all_codes()
        self.classes = self.codes.astype(np.int64)
        self.vae = GraphVAE(self.space, width=width, rng=0).initialise()
        self.vae.surrogate_ = ICNNSurrogate(rng=1).initialise(self.vae.latent, 0.2)
        modules = (self.vae.encoder_, self.vae.decoder_, self.vae.surrogate_.network_)
        self.parameters = {
            f"{label}.{name}": tensor
            for label, module in zip(("encoder", "decoder", "icnn"), modules, strict=True)
            for name, tensor in module.named_parameters().items()
        }
        self.encoding = CellEncoding(self.space, self.codes, self.vae.encoder_.trunk.first)
        self.optimiser = _core.Adam(list(self.parameters.values()), **ADAM)

    def loss(self, batch: tuple[Any, Any, Any]) -> Any:
        chosen, noise, targets = batch
        return self.vae.loss(self.encoding.batch(chosen), self.classes[chosen], noise, targets)

    def epoch(self, made: Batches) -> None:
        for batch in made:
            loss = self.loss(batch)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step(RATE)

    def value_and_gradients(self, batch: tuple[Any, Any, Any]) -> tuple[float, dict[str, Any]]:
        self.optimiser.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        return loss.item(), {name: tensor.grad.numpy().copy() for name, tensor in self.parameters.items()}


def torch_program(ours: Ours, threads: int, same_algebra: bool) -> Any:
    """The same training in PyTorch, starting from copies of crlso's parameters."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    codes = torch.from_numpy(ours.classes)
    edges = [tuple(edge) for edge in ours.space.edges]
    n_nodes, n_operations, width = ours.space.n_nodes, len(ours.space.operations), ours.vae.width
    near = [[(e, a + b - i) for e, (a, b) in enumerate(edges) if i in (a, b)] for i in range(n_nodes)]
    rows = torch.from_numpy(ours.encoding.batch(slice(None)).rows).reshape(len(codes), n_nodes, -1)
    kind_target, kind_source, kind_edge = map(torch.from_numpy, ours.vae.encoder_.trunk.first.messages())

    class Program:
        name = "pytorch-same-algebra" if same_algebra else "pytorch"

        def __init__(self) -> None:
            self.p = {
                name: torch.from_numpy(tensor.numpy().copy()).requires_grad_()
                for name, tensor in ours.parameters.items()
            }
            self.nonnegative = [self.p[name] for name, tensor in ours.parameters.items() if tensor.nonnegative]
            self.optimiser = torch.optim.Adam(
                self.p.values(), lr=RATE, betas=ADAM["betas"], weight_decay=ADAM["weight_decay"]
            )

        def layer(self, i: int) -> Callable[[str], Any]:
            prefix = "encoder.trunk." + ("first." if i == 0 else f"layers.{i - 1}.")
            return lambda name: self.p[prefix + name]

        def messages(self, target: Any, source: Any, types: Any, code: Any) -> list[Any]:
            """Sums of messages: one (batch, width) tensor per node, from lists of such tensors."""
            of_edge = [types[code[:, e]] for e in range(len(edges))]
            return [
                sum(F.leaky_relu(target[i] + source[j] + of_edge[e], 0.01) for e, j in near[i]) for i in range(n_nodes)
            ]

        def heads(self, code: Any) -> Any:
            """Today's maths, K split, a loop over edges."""
            q = self.layer(0)
            types = q("edge") + q("bias")
            root = q("root1") @ q("root2").T
            target, source = list(q("target")), list(q("source"))
            x = [root[i] + m for i, m in enumerate(self.messages(target, source, types, code))]
            for number in (1, 2):
                q = self.layer(number)
                target, source = ([F.linear(h, q(k)) for h in x] for k in ("target", "source"))
                roots = [F.linear(F.linear(h, q("root1")), q("root2")) for h in x]
                x = [
                    r + m
                    for r, m in zip(roots, self.messages(target, source, q("edge") + q("bias"), code), strict=True)
                ]
            return [
                F.linear(sum(x), self.p[f"encoder.{h}.weight"], self.p[f"encoder.{h}.bias"])
                for h in ("mu", "log_variance")
            ]

        def heads_by_tables(self, code: Any, chosen: Any) -> Any:
            """The savings of crlso: layer 1 a table, layer 2's products on its rows, the last R2 R1 on the heads."""
            q = self.layer(0)
            types = q("edge") + q("bias")
            parts = q("target")[kind_target] + q("source")[kind_source] + types[kind_edge]
            table = torch.cat([q("root1") @ q("root2").T, F.leaky_relu(parts, 0.01)])
            row = rows[chosen].reshape(-1, rows.shape[2])
            q = self.layer(1)
            bag = lambda t: F.embedding_bag(row, t, mode="sum").reshape(len(code), n_nodes, width)  # noqa: E731
            target, source = bag(table @ q("target").T), bag(table @ q("source").T)
            root = bag(table @ q("root1").T @ q("root2").T)
            sums = self.messages(target.unbind(1), source.unbind(1), q("edge") + q("bias"), code)
            x = root + torch.stack(sums, 1)
            q = self.layer(2)
            target, source = x @ q("target").T, x @ q("source").T
            sums = self.messages(target.unbind(1), source.unbind(1), q("edge") + q("bias"), code)
            weight = torch.cat([self.p["encoder.mu.weight"], self.p["encoder.log_variance.weight"]])
            bias = torch.cat([self.p["encoder.mu.bias"], self.p["encoder.log_variance.bias"]])
            both = F.linear(sum(sums), weight, bias) + F.linear(x.sum(1), weight @ q("root2") @ q("root1"))
            return both.chunk(2, dim=1)

        def icnn(self, z: Any) -> Any:
            p = self.p
            h = F.leaky_relu(F.linear(z, p["icnn.input_weight"], p["icnn.input_bias"]), 0.01)
            for i in range(ours.vae.surrogate_.layers):
                inner = F.leaky_relu(F.linear(h, p[f"icnn.weights.{i}"]), 0.01)
                h = inner + F.leaky_relu(F.linear(z, p[f"icnn.skips.{i}"]), 0.01)
            return (
                F.linear(h, p["icnn.output_weight"]) + F.linear(z, p["icnn.output_skip"]) + p["icnn.output_bias"]
            ).squeeze(1)

        def decode(self, z: Any) -> Any:
            p = self.p
            h = torch.tanh(F.linear(z, p["decoder.first.weight"], p["decoder.first.bias"]))
            for i in range(2):
                block = f"decoder.blocks.{i}."
                inner = F.leaky_relu(F.linear(h, p[block + "inner.weight"], p[block + "inner.bias"]), 0.01)
                h = h + F.linear(inner, p[block + "outer.weight"], p[block + "outer.bias"])
            return F.linear(h, p["decoder.logits.weight"], p["decoder.logits.bias"])

        def loss(self, batch: tuple[Any, Any, Any]) -> Any:
            chosen, noise, targets = (torch.from_numpy(part) for part in batch)
            code, n = codes[chosen], len(chosen)
            mu, v = self.heads_by_tables(code, chosen) if same_algebra else self.heads(code)
            z = mu + ours.vae.sigma_scale * torch.exp(0.5 * v) * noise
            logits = self.decode(z).reshape(-1, n_operations)
            total = F.cross_entropy(logits, code.reshape(-1), reduction="sum") / n
            total = total + ours.vae.kl_weight * 0.5 * (mu * mu + torch.exp(v) - 1 - v).sum() / n
            return total + F.mse_loss(self.icnn(z), targets)

        def epoch(self, made: Batches) -> None:
            for batch in made:
                loss = self.loss(batch)
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.p.values(), ADAM["max_norm"])
                self.optimiser.step()
                with torch.no_grad():
                    for weight in self.nonnegative:
                        weight.clamp_(min=0)

        def value_and_gradients(self, batch: tuple[Any, Any, Any]) -> tuple[float, dict[str, Any]]:
            self.optimiser.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            loss.backward()
            return loss.item(), {name: tensor.grad.numpy().copy() for name, tensor in self.p.items()}

    return Program()


PROGRAMS: dict[str, tuple[str, Callable[[Ours, int], Any]]] = {
    "pytorch": ("torch", lambda ours, threads: torch_program(ours, threads, same_algebra=False)),
    "pytorch-same-algebra": ("torch", lambda ours, threads: torch_program(ours, threads, same_algebra=True)),
}


def largest_difference(ours: Ours, other: Any, made: Batches) -> float:
    """Over several batches: the largest difference of a loss or gradient, relative to the gradient's largest entry."""
    worst = 0.0
    for batch in made[:3]:
        (a, ga), (b, gb) = ours.value_and_gradients(batch), other.value_and_gradients(batch)
        worst = max(worst, abs(a - b) / abs(a))
        worst = max([worst, *(float(np.abs(ga[name] - gb[name]).max() / np.abs(ga[name]).max()) for name in ga)])
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="pytorch,pytorch-same-algebra", help=f"out of {', '.join(PROGRAMS)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    asked = [name for name in arguments.against.split(",") if name]
    if unknown := [name for name in asked if name not in PROGRAMS]:
        parser.error(f"--against: expected names out of {', '.join(PROGRAMS)}, got {', '.join(unknown)}")
    missing = [name for name in asked if importlib.util.find_spec(PROGRAMS[name][0]) is None]
    for name in missing:
        print(f"{name}: left out, {PROGRAMS[name][0]} is not installed", file=sys.stderr)

    ours = Ours(arguments.width, arguments.threads)
    made = batches(len(ours.codes), 256, ours.vae.latent, seed=0)
    others = [PROGRAMS[name][1](ours, arguments.threads) for name in asked if name not in missing]
    differences = {other.name: largest_difference(ours, other, made) for other in others}
    programs = {program.name: functools.partial(program.epoch, made) for program in (ours, *others)}
    seconds = interleaved(programs, arguments.rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    against = ratios(seconds, "crlso")
    info = _core.runtime_info()
    versions = {"crlso": crlso.__version__, "numpy": np.__version__, "python": platform.python_version()}
    if others:
        import torch

        versions["torch"] = torch.__version__
    document = {
        "seconds": medians,
        "ratios": against,
        "largest_difference": differences,
        "threads": arguments.threads,
        "width": arguments.width,
        "missing": missing,
        "versions": versions,
        "cpu": f"{platform.machine()}, {info['isa']}",
        "blas": f"{info['blas']}, {info['blas_kernel']}",
    }
    if arguments.json:
        print(json.dumps(document))
        return 0
    for name, median in medians.items():
        ratio = f"{against[name]:6.2f} x crlso, gradients within {differences[name]:.1e}" if name in against else ""
        print(f"{name:24s} {median:8.3f} s/epoch {ratio}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
