"""Overhead of a recorded operation called from Python, against PyTorch eager with autograd.

    python -m benchmarks.op_overhead --against pytorch --json

The model is a recurrence on a few numbers, so small that nearly all of its time is overhead. `forward` is the time to
record it, divided by its number of operations; `forward and backward` includes the gradients. A single operation is
measured too. Both programs run the same code, since both kinds of tensors have the same methods. Gradients are compared
first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import timing
from crlso import Tensor

STEPS = 20
PER_STEP = 5  # operations per step of the recurrence


def recurrence(x: Any, weight: Any, bias: Any) -> Any:
    """Iterate ``h = tanh(h W + b) * x + h`` and return the sum of h."""
    h = x
    for _ in range(STEPS):
        h = (h @ weight + bias).tanh() * x + h
    return h.sum()


def crlso_leaves(values: list[Any]) -> list[Any]:
    return [Tensor(value.copy(), requires_grad=True) for value in values]


def torch_leaves(values: list[Any]) -> list[Any]:
    import torch

    torch.set_num_threads(1)
    return [torch.from_numpy(value.copy()).requires_grad_() for value in values]


def measures(leaves: list[Any]) -> dict[str, tuple[int, Callable[[], object]]]:
    """Number of operations, and program, by name of the measurement."""

    def train() -> None:
        for leaf in leaves:
            leaf.grad = None
        recurrence(*leaves).backward()

    x = leaves[0]
    return {
        "one operation": (1, lambda: x.relu()),
        "forward": (STEPS * PER_STEP + 1, lambda: recurrence(*leaves)),
        "forward and backward": (STEPS * PER_STEP + 1, train),
    }


def main() -> int:
    parser = timing.parser(__doc__, rounds=9)
    parser.add_argument("--against", default="pytorch", help="out of pytorch")
    parser.add_argument("--repeat", type=int, default=300, help="calls per round; default: %(default)s")
    arguments = timing.arguments_of(parser)
    names, skipped = timing.split(parser, arguments.against, ["pytorch"])
    rng = np.random.default_rng(0)
    values = [0.3 * rng.normal(size=shape).astype(np.float32) for shape in ((2, 2), (2, 2), (2,))]
    leaves = {"crlso": crlso_leaves(values), **{name: torch_leaves(values) for name in names}}
    programs = {name: measures(tensors) for name, tensors in leaves.items()}
    for measured in programs.values():
        measured["forward and backward"][1]()
    for name in names:
        for mine, its in zip(leaves["crlso"], leaves[name], strict=True):
            np.testing.assert_allclose(mine.grad.numpy(), its.grad.numpy(), rtol=1e-4, atol=1e-5)

    rows: list[dict[str, Any]] = []
    for what, (operations, _) in programs["crlso"].items():
        calls = {name: measured[what][1] for name, measured in programs.items()}
        repeat = arguments.repeat * (100 if operations == 1 else 1)
        seconds = timing.interleaved(calls, arguments.rounds, repeat)
        microseconds = {name: 1e6 * value / operations for name, value in timing.medians(seconds).items()}
        ratios = timing.ratios(seconds, "crlso")
        rows.append({"what": what, "microseconds_per_operation": microseconds, "ratios": ratios})
    lines = [
        f"{row['what']:22s} {row['microseconds_per_operation']['crlso']:6.2f} us per operation"
        + "".join(f"; {name} {ratio:.2f} x" for name, ratio in row["ratios"].items())
        for row in rows
    ]
    document = {"rows": rows, "skipped": skipped} | timing.about(timing.NEEDS[name] for name in names)
    return timing.publish(document, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
