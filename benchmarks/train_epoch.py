"""Time of a training epoch of the NAS-Bench-201 graph VAE with its surrogate, against other frameworks.

    python -m benchmarks.train_epoch --against pytorch,pytorch-same-algebra,pyg,jax --threads 1 --json

The model is the published one by default (width 256, latent 16, batch 256). An epoch has 62 batches with gradients,
clipping and Adam. All programs start from the same parameters and use the same cells and noise. Losses and gradients of
several batches are compared first.

- `pytorch` is the fastest direct form found: K is split, with a loop over edges.
- `pytorch-same-algebra` also makes every exact saving that crlso makes.
- `pyg` uses MessagePassing of torch_geometric; collation is not counted.
- `jax` is one compiled step.

`gemm_fraction` is the time of the matrix products of an epoch, run alone, divided by the time of the epoch.
`fma_peak_fraction` is the rate of floating-point operations in these products divided by the peak of one core, or null
if the peak cannot be measured.
"""

from __future__ import annotations

import functools
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.model import Model, batches, differences
from benchmarks.twins import twin
from crlso import _core, no_grad

LIMITS = {"median": 2e-6, "parameter": 1e-5}  # largest allowed differences, see benchmarks.model
PRODUCTS = "products alone"


def products(model: Model, n: int) -> list[tuple[int, int, int]]:
    """Return (rows, outputs, inputs) of each linear map in a step on n cells; each takes three products."""
    width, latent, space = model.vae.width, model.vae.latent, model.space
    hidden, layers = model.surrogate.width, model.surrogate.layers
    table = model.vae.encoder_.trunk.first.zero_row
    return [
        (space.n_nodes, width, width),  # R2 R1 of the first layer
        *4 * [(table, width, width)],  # second layer: K1, K2, R1, R2
        *2 * [(space.n_nodes * n, width, width)],  # third layer: K1, K2
        *2 * [(2 * latent, width, width)],  # R2, R1 on the heads
        *2 * [(n, 2 * latent, width)],  # heads, of messages and of sums
        (n, width, latent),  # decoder
        *4 * [(n, width, width)],
        (n, len(space.edges) * len(space.operations), width),
        (n, hidden, latent),  # surrogate
        *layers * [(n, hidden, hidden), (n, hidden, latent)],
        (n, 1, hidden),
        (n, 1, latent),
    ]


def flops(model: Model, sizes: list[int]) -> float:
    """Return the number of floating-point operations in the products of all batches."""
    return sum(3.0 * 2.0 * m * n * k for size in sizes for m, n, k in products(model, size))


def products_alone(model: Model, sizes: list[int]) -> Callable[[], None]:
    """Make a program that computes only the products of an epoch."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    operands = {
        size: [(draw(m, k), draw(n, k), draw(m, n)) for m, n, k in products(model, size)] for size in set(sizes)
    }

    def run() -> None:
        with no_grad():
            for size in sizes:
                for x, weight, _ in operands[size]:
                    _core.linear(x, weight)
                for x, weight, gradient in reversed(operands[size]):
                    _core.matmul(gradient, weight)
                    _core.matmul(gradient, x, transpose_a=True)

    return run


def main() -> int:
    parser = timing.parser(__doc__, rounds=5)
    parser.add_argument("--against", default="pytorch,pytorch-same-algebra", help=f"out of {', '.join(timing.NEEDS)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--cells", type=int, default=15625, help="cells per epoch; default: %(default)s")
    arguments = timing.arguments_of(parser)
    names, skipped = timing.split(parser, arguments.against, timing.NEEDS)

    model = Model(arguments.width, arguments.threads)
    made = batches(arguments.cells, model.vae.latent)
    sizes = [len(batch[0]) for batch in made]
    others = [twin(name, model, arguments.threads) for name in names]
    found = {other.name: differences(model, other, made) for other in others}
    programs: dict[str, Callable[[], object]] = {
        program.name: functools.partial(program.epoch, made) for program in (model, *others)
    }
    seconds = timing.interleaved({**programs, PRODUCTS: products_alone(model, sizes)}, arguments.rounds)
    against = timing.ratios(seconds, model.name)
    medians = timing.medians(seconds)
    peak: Any = getattr(_core, "fma_peak", None)  # operations per second of one core
    rate = flops(model, sizes) / medians[model.name]
    document = {
        "seconds": {name: medians[name] for name in programs},
        "ratios": {name: against[name] for name in programs if name != model.name},
        "gemm_fraction": against[PRODUCTS],
        "fma_peak_fraction": None if peak is None else rate / statistics.median(peak(0.1) for _ in range(5)),
        "gflop": flops(model, sizes) / 1e9,
        "differences": found,
        "skipped": skipped,
        "threads": arguments.threads,
        "width": arguments.width,
        **timing.about(timing.NEEDS[name] for name in names),
    }
    lines = [f"{model.name:22s} {medians[model.name]:8.3f} s/epoch, {against[PRODUCTS]:.0%} of it products alone"]
    for name in names:
        text = f"{against[name]:6.2f} x {model.name}, gradients within {found[name]['median']:.1e}"
        lines.append(f"{name:22s} {medians[name]:8.3f} s/epoch {text}")
    timing.publish(document, arguments.json, lines)
    far = [name for name, off in found.items() if any(off[key] > limit for key, limit in LIMITS.items())]
    if far:
        print(f"losses or gradients differ from those of crlso: {', '.join(far)}", file=sys.stderr)
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
