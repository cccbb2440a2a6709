"""Memory of a complete training of the published model, in a separate process that includes Python and NumPy.

    python -m benchmarks.memory --json

`resident_mb` is the largest resident set during training. `system_allocations` counts how often the buffer pool
requested memory from the system: until the end of the first step, until the last full batch of the first epoch (a
smaller batch follows), until the end of the first epoch, and in total.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

from benchmarks import timing

CHILD = "--child"


def train(width: int, epochs: int, cells: int, threads: int) -> dict[str, Any]:
    """Train the model through its public estimator, and return the measurements."""
    import numpy as np

    import crlso
    from crlso import _core
    from crlso.models import GraphVAE
    from crlso.spaces import NASBench201

    crlso.set_num_threads(threads)
    codes = NASBench201().all_codes()[:cells]
    errors = np.random.default_rng(0).uniform(0.05, 0.5, len(codes))
    vae = GraphVAE(NASBench201(), width=width, epochs=epochs, learning_rate=1e-4, betas=(0.0, 0.5))
    asked: list[int] = []  # counts at the beginning of each step and at the end of each epoch
    count = lambda: asked.append(_core.pool_stats()["system_allocations"])  # noqa: E731
    loss = vae.loss

    def counted(*arguments: Any) -> Any:
        count()
        return loss(*arguments)

    vae.loss = counted
    vae.fit(codes, errors, on_epoch=lambda done, epochs: count())
    steps = -(-cells // vae.batch_size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    found = {
        "first_step": asked[1],
        "full_batches": asked[cells // vae.batch_size - 1],  # at the beginning of the last one
        "first_epoch": asked[steps],
        "training": asked[-1],
    }
    return {"resident_mb": peak, "system_allocations": found, "epochs": epochs, "width": width}


def main() -> int:
    parser = timing.parser(__doc__, rounds=1)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--cells", type=int, default=15625)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(CHILD, action="store_true", help=argparse.SUPPRESS)
    arguments = timing.arguments_of(parser)
    if arguments.child:
        print(json.dumps(train(arguments.width, arguments.epochs, arguments.cells, arguments.threads)))
        return 0
    command = [sys.executable, *sys.orig_argv[1:], CHILD]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    document = json.loads(output) | timing.about()
    steps = document["system_allocations"]
    lines = [
        f"largest resident set: {document['resident_mb']:.0f} MB after {document['epochs']} epochs",
        f"memory requests to the system: {steps['first_step']} times in the first step, {steps['full_batches']} by the "
        f"last full batch, {steps['first_epoch']} of the first epoch, {steps['training']} of the training",
    ]
    return timing.publish(document, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
