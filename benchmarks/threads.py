"""Speed-up of a training epoch by the number of threads, and a check that results are bit-identical.

    python -m benchmarks.threads --threads 1 2 --json

What the machine itself allows is measured in the same rounds, by threads that have nothing to do with each other:
products of small matrices, and copies of arrays larger than any cache. A shared machine may allow much less than the
number of its processors promises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import crlso
import crlso._core as _core
from benchmarks import timing
from benchmarks.model import Model, batches

ARRAYS: list[np.ndarray] = []  # what copies are made of, a pair for each thread


def final_parameters(threads: int, width: int, steps: int = 5) -> bytes:
    """Return all parameters after some training steps, as bytes."""
    model = Model(width, threads)
    model.epoch(batches(len(model.codes), model.vae.latent)[:steps])
    return b"".join(np.ascontiguousarray(tensor.numpy()).tobytes() for tensor in model.parameters.values())


def multiply(part: int) -> None:
    """Multiply small matrices, which stay in the cache, for some milliseconds."""
    matrix = np.full((256, 256), 1 / 256, dtype=np.float32)
    for _ in range(100):
        _core.matmul(matrix, matrix)


def copy(part: int) -> None:
    """Copy 128 MB, more than any cache holds, a few times."""
    for _ in range(3):
        np.copyto(*ARRAYS[part])


def side_by_side(work: Callable[[int], None], threads: int) -> Callable[[], None]:
    """Return a program that does some work once in each of several threads."""

    def run() -> None:
        crlso.set_num_threads(1)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))

    return run


def gains(seconds: dict[str, list[float]], name: str, counts: list[int]) -> dict[str, float]:
    """Return how much more of some work several threads do in the time of one."""
    ratios = timing.ratios(seconds, f"{name} 1")
    return {str(n): n / ratios[f"{name} {n}"] for n in counts}


def main() -> int:
    parser = timing.parser(__doc__, rounds=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--cells", type=int, default=15625, help="cells per epoch; default: %(default)s")
    arguments = timing.arguments_of(parser)
    counts = sorted({1, *arguments.threads})
    results = {final_parameters(n, arguments.width) for n in counts}
    model = Model(arguments.width, 1)
    made = batches(arguments.cells, model.vae.latent)

    def epoch(n: int) -> Callable[[], None]:
        def run() -> None:
            crlso.set_num_threads(n)
            model.epoch(made)

        return run

    ARRAYS.extend(np.ones((2, 1 << 24)) for _ in range(max(counts)))
    limits = {"products": multiply, "copies": copy}
    programs = {str(n): epoch(n) for n in counts}
    programs |= {f"{name} {n}": side_by_side(work, n) for name, work in limits.items() for n in counts}
    seconds = timing.interleaved(programs, arguments.rounds)
    speed_up = {name: 1.0 / ratio for name, ratio in timing.ratios(seconds, "1").items() if name.isdigit()}
    allowed = {name: gains(seconds, name, counts[1:]) for name in limits}
    identical = len(results) == 1
    document = {
        "seconds": timing.medians(seconds),
        "speed_up": speed_up,
        "limits": allowed,
        "bit_identical": identical,
        "width": arguments.width,
        **timing.about(),
    }
    lines = [f"1 thread: {document['seconds']['1']:.3f} s/epoch"]
    lines += [f"{name} threads: {ratio:.2f} x one thread" for name, ratio in speed_up.items()]
    lines += [f"{n} threads apart: {x:.2f} x the {name} of one" for name, by in allowed.items() for n, x in by.items()]
    lines.append(f"bit-identical parameters: {identical}")
    timing.publish(document, arguments.json, lines)
    return 0 if identical else 1


if __name__ == "__main__":
    sys.exit(main())
