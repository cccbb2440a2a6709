"""Time of the surrogate's value and gradient, and of a search step, against PyTorch eager and JAX jit.

    python -m benchmarks.surrogate_step --against pytorch,jax --json

The network is the published surrogate (16 inputs, width 128, four layers). `step` also makes the descent step and
decodes with the published decoder (width 256). All programs have equal, frozen weights. In crlso these are packed once,
as in a search; in JAX they are constants of the compiled functions; in PyTorch they are tensors without gradients.
Values, gradients and cells are compared first.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.model import Model, check_search
from benchmarks.twins import twin

__all__ = ["compare"]

WHAT = {"evaluate": "value and gradient", "step": "descend and decode", "decode": "decode"}


def compare(functions: Sequence[str], text: str | None) -> int:
    """Measure functions of the twins, see benchmarks.model, for several numbers of latents."""
    parser = timing.parser(text, rounds=7)
    parser.add_argument("--against", default="pytorch,jax", help="out of pytorch, jax")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--latents", type=int, nargs="+", default=[10, 1024, 65536], help="default: %(default)s")
    arguments = timing.arguments_of(parser)
    names, skipped = timing.split(parser, arguments.against, ["pytorch", "jax"])

    model = Model(256, arguments.threads)
    model.freeze()
    programs = [model, *(twin(name, model, arguments.threads) for name in names)]
    rows: list[dict[str, Any]] = []
    for n in arguments.latents:
        z = np.random.default_rng(n).normal(size=(n, model.vae.latent)).astype(np.float32)
        for program in programs[1:]:
            check_search(model, program, z)
        for function in functions:
            calls = {
                program.name: functools.partial(getattr(program, function), program.points(z)) for program in programs
            }
            seconds = timing.interleaved(calls, arguments.rounds, repeat=max(1, 2000 // n))
            found = {"seconds": timing.medians(seconds), "ratios": timing.ratios(seconds, model.name)}
            rows.append({"what": WHAT[function], "latents": n, **found})
    document = {"rows": rows, "skipped": skipped, "threads": arguments.threads}
    lines = [_line(row) for row in rows]
    return timing.publish(document | timing.about(timing.NEEDS[name] for name in names), arguments.json, lines)


def _line(row: dict[str, Any]) -> str:
    mine = row["seconds"]["crlso"]
    others = ", ".join(f"{name} {ratio:.2f} x" for name, ratio in row["ratios"].items())
    rate = f"{row['latents'] / mine / 1e3:8.1f} thousand a second"
    return f"{row['what']:18s} {row['latents']:6d} latents: {1e6 * mine:10.1f} us, {rate}; {others}"


if __name__ == "__main__":
    sys.exit(compare(["evaluate", "step"], __doc__))
