"""An epoch of training by the number of threads: speed-up over one thread, and that no bit of the result differs.

python -m benchmarks.threads --threads 1 2 --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable

import numpy as np

import crlso
from benchmarks.timing import interleaved, ratios
from benchmarks.train_epoch import Ours, batches


def final_parameters(threads: int, width: int, steps: int) -> bytes:
    """All parameters after some training steps, as bytes."""
    ours = Ours(width, threads)
    ours.epoch(batches(len(ours.codes), 256, ours.vae.latent, seed=0)[:steps])
    return b"".join(np.ascontiguousarray(tensor.numpy()).tobytes() for tensor in ours.parameters.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts = sorted({1, *arguments.threads})
    results = {final_parameters(n, arguments.width, steps=5) for n in counts}
    ours = Ours(arguments.width, 1)
    made = batches(len(ours.codes), 256, ours.vae.latent, seed=0)[:20]

    def epoch(n: int) -> Callable[[], None]:
        def run() -> None:
            crlso.set_num_threads(n)
            ours.epoch(made)

        return run

    seconds = interleaved({str(n): epoch(n) for n in counts}, arguments.rounds)
    document = {
        "seconds_20_batches": {name: statistics.median(values) for name, values in seconds.items()},
        "speed_up": {name: 1.0 / ratio for name, ratio in ratios(seconds, "1").items()},
        "bit_identical": len(results) == 1,
        "width": arguments.width,
        "version": crlso.__version__,
    }
    if arguments.json:
        print(json.dumps(document))
    else:
        for name, ratio in document["speed_up"].items():
            print(f"{name} threads: {ratio:.2f} x one thread, bit-identical: {document['bit_identical']}")
    return 0 if document["bit_identical"] else 1


if __name__ == "__main__":
    sys.exit(main())
