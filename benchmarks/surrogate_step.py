"""The surrogate's value and gradient, and a user-written model's overhead per operation, against PyTorch eager.

    python -m benchmarks.surrogate_step --json

One thread each. The network is the published surrogate (16 inputs, width 128, four layers) with equal parameters, its
values and gradients compared first; `step` also takes the descent step and decodes with the published decoder (width
256). The overhead is the whole time of one recorded operation on a tensor of 4 elements.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import crlso
from benchmarks.timing import interleaved, ratios
from benchmarks.train_epoch import Ours, torch_program
from crlso import _core


def torch_gradient(program: Any, z: Any) -> tuple[Any, Any]:
    import torch

    leaf = torch.from_numpy(z).requires_grad_()
    value = program.icnn(leaf)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value, gradient


def torch_step(program: Any, z: Any) -> Any:
    import torch

    _, gradient = torch_gradient(program, z)
    with torch.no_grad():
        logits = program.decode(torch.from_numpy(z) - 0.2 * gradient)
        return logits.reshape(len(z), 6, 5).argmax(2).numpy()


def measure(name: str, programs: dict[str, Callable[[], object]], rounds: int, repeat: int) -> dict[str, Any]:
    seconds = interleaved(programs, rounds, repeat)
    medians = {program: 1e6 * statistics.median(values) for program, values in seconds.items()}
    return {"what": name, "microseconds": medians, "ratio": ratios(seconds, "crlso").get("pytorch")}


def rows(rounds: int, with_torch: bool) -> list[dict[str, Any]]:
    ours = Ours(256, 1)
    surrogate, decoder = ours.vae.surrogate_, ours.vae
    program = torch_program(ours, 1, same_algebra=True) if with_torch else None
    found = []
    for n, repeat in ((10, 200), (1024, 10), (65536, 1)):
        z = np.random.default_rng(n).normal(size=(n, 16)).astype(np.float32)
        evaluate: dict[str, Callable[[], object]] = {"crlso": lambda z=z: surrogate.evaluate(z)}
        step: dict[str, Callable[[], object]] = {"crlso": lambda z=z: decoder.decode(surrogate.descend(z, 0.2))}
        if program is not None:
            value, gradient = torch_gradient(program, z)
            for mine, other in zip(surrogate.evaluate(z), (value, gradient), strict=True):
                np.testing.assert_allclose(mine, other.detach().numpy(), rtol=0, atol=2e-5 * float(abs(mine).max()))
            evaluate["pytorch"] = lambda z=z: torch_gradient(program, z)
            step["pytorch"] = lambda z=z: torch_step(program, z)
        found.append(measure(f"value and gradient, {n} latents", evaluate, rounds, repeat))
        found.append(measure(f"step and decode, {n} latents", step, rounds, repeat))
    mine = crlso.Tensor(np.zeros((2, 2), np.float32), requires_grad=True)
    operation: dict[str, Callable[[], object]] = {"crlso": lambda: _core.relu(mine)}
    if with_torch:
        import torch

        other = torch.zeros(2, 2, requires_grad=True)
        operation["pytorch"] = lambda: torch.relu(other)
    found.append(measure("one recorded operation on 4 elements", operation, rounds, 20000))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with_torch = importlib.util.find_spec("torch") is not None
    if not with_torch:
        print("pytorch: left out, torch is not installed", file=sys.stderr)
    found = rows(arguments.rounds, with_torch)
    if arguments.json:
        print(json.dumps({"rows": found, "version": crlso.__version__, "blas": _core.runtime_info()["blas_kernel"]}))
        return 0
    for row in found:
        times = ", ".join(f"{name} {value:10.2f} us" for name, value in row["microseconds"].items())
        print(f"{row['what']:38s} {times}" + (f"  {row['ratio']:6.2f} x crlso" if row["ratio"] else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
