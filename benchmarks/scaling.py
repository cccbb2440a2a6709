"""Time of training against the number of cells and against the width, with fitted exponents.

    python -m benchmarks.scaling --json --plot docs/_static/scaling.svg

Each measurement is one epoch (gradients, clipping, Adam) of the NAS-Bench-201 model on one thread. There are up to
423,624 cells, as many as NAS-Bench-101 has; the 15,625 cells of NAS-Bench-201 are repeated. Exponents are fitted by
least squares on logarithms. All widths use the same cells. The exponent of the wider half is given separately, because
everything but matrix products takes time proportional to the width.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from benchmarks import timing
from benchmarks.model import Model, batches

CELLS = [2048, 8192, 32768, 131072, 423624]
WIDTHS = [64, 128, 256, 512, 1024]


def seconds_of(model: Model, cells: int, rounds: int) -> float:
    made = batches(cells, model.vae.latent)
    model.epoch(made[:2])
    return timing.medians(timing.interleaved({"epoch": functools.partial(model.epoch, made)}, rounds))["epoch"]


def plot(document: dict[str, Any], path: str) -> None:
    """Write a figure of the two curves with their fitted powers."""
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("cells", "widths"), strict=True):
        part = document[name]
        x, power = np.array(part["x"], float), part["exponent"]
        axes.loglog(x, np.exp(np.log(part["seconds"] / x**power).mean()) * x**power, "--", color="tab:gray")
        axes.loglog(x, part["seconds"], "o", color="tab:blue")
        axes.set(xlabel=name, ylabel="seconds an epoch", title=f"{part['of']}: exponent {power:.2f}")
        axes.grid(alpha=0.3, which="both")
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "crlso"}):
        figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main() -> int:
    parser = timing.parser(__doc__, rounds=1)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS, help="default: %(default)s")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="default: %(default)s")
    parser.add_argument("--width", type=int, default=64, help="for the numbers of cells; default: %(default)s")
    parser.add_argument("--of", type=int, default=5120, help="cells for the widths; default: %(default)s")
    parser.add_argument("--plot", metavar="FILE", help="write the figure (needs matplotlib)")
    arguments = timing.arguments_of(parser)
    model = Model(arguments.width, 1)
    by_cells = [seconds_of(model, n, arguments.rounds) for n in arguments.cells]
    by_width = [seconds_of(Model(width, 1), arguments.of, arguments.rounds) for width in arguments.widths]
    fit = timing.fitted_exponent
    half = len(arguments.widths) // 2
    document = {
        "cells": {
            "x": arguments.cells,
            "seconds": by_cells,
            "exponent": fit(arguments.cells, by_cells),
            "of": f"width {arguments.width}",
        },
        "widths": {
            "x": arguments.widths,
            "seconds": by_width,
            "exponent": fit(arguments.widths, by_width),
            "exponent_of_wide_half": fit(arguments.widths[half:], by_width[half:]),
            "of": f"{arguments.of:,} cells",
        },
        **timing.about(),
    }
    if arguments.plot:
        plot(document, arguments.plot)
    lines = []
    for name in ("cells", "widths"):
        part = document[name]
        lines += [f"{x:8,d} {name}: {y:8.3f} s/epoch" for x, y in zip(part["x"], part["seconds"], strict=True)]
        lines.append(f"exponent {part['exponent']:.3f} ({part['of']})")
    lines.append(f"exponent of the wide half {document['widths']['exponent_of_wide_half']:.3f}")
    return timing.publish(document, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
