"""Speed-up of a training epoch by the number of threads, and a check that results are bit-identical.

python -m benchmarks.threads --threads 1 2 --json
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

import crlso
from benchmarks import timing
from benchmarks.model import Model, batches


def final_parameters(threads: int, width: int, steps: int = 5) -> bytes:
    """Return all parameters after some training steps, as bytes."""
    model = Model(width, threads)
    model.epoch(batches(len(model.codes), model.vae.latent)[:steps])
    return b"".join(np.ascontiguousarray(tensor.numpy()).tobytes() for tensor in model.parameters.values())


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

    seconds = timing.interleaved({str(n): epoch(n) for n in counts}, arguments.rounds)
    speed_up = {name: 1.0 / ratio for name, ratio in timing.ratios(seconds, "1").items()}
    identical = len(results) == 1
    document = {
        "seconds": timing.medians(seconds),
        "speed_up": speed_up,
        "bit_identical": identical,
        "width": arguments.width,
        **timing.about(),
    }
    lines = [f"1 thread: {document['seconds']['1']:.3f} s/epoch"]
    lines += [f"{name} threads: {ratio:.2f} x one thread" for name, ratio in speed_up.items()]
    lines.append(f"bit-identical parameters: {identical}")
    timing.publish(document, arguments.json, lines)
    return 0 if identical else 1


if __name__ == "__main__":
    sys.exit(main())
