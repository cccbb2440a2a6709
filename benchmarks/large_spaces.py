"""Processor time of cr-lso in spaces too large to rank completely: of a query, a cell's neighbours and its encoding.

    python -m benchmarks.large_spaces --json

One thread. A query is an ask and a tell, after those that fill the model; what the benchmark itself takes does not
count. Neighbours and latents are of many cells in one call; latents are those of neighbours, which a search compares.
Times are the least of all rounds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import crlso
from benchmarks import timing
from crlso.methods import CRLSO
from crlso.models import GraphVAE

BEFORE = 10  # queries that are not measured


def measured_queries(benchmark: Any, queries: int) -> float:
    """Return the processor time of a query in milliseconds."""
    search, total = CRLSO(benchmark.space, rng=0, budget=BEFORE + queries), 0.0
    for number in range(BEFORE + queries):
        start = time.process_time()
        trial = search.ask()
        asked = time.process_time()
        value = benchmark.evaluate(trial.cell)
        evaluated = time.process_time()
        search.tell(trial, value)
        total += (time.process_time() - evaluated + asked - start) * (number >= BEFORE)
    return 1e3 * total / queries


def least(work: Callable[[], object], rounds: int) -> float:
    """Return the least processor time of some work, in seconds."""
    found = []
    for _ in range(rounds + 1):  # the first warms up
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found[1:])


def measure(benchmark: Any, queries: int, cells: int, rounds: int) -> dict[str, float]:
    """Return the times of one benchmark."""
    space = benchmark.space
    some = space.canonicalise(space.sample(cells, rng=0))
    near = space.neighbourhoods(some).codes
    encoder = GraphVAE.pretrained(space).freeze_encoder()
    return {
        "query_ms": min(measured_queries(benchmark, queries) for _ in range(rounds)),
        "neighbours_us": 1e6 * least(lambda: space.neighbourhoods(some), rounds) / len(some),
        "encoding_us": 1e6 * least(lambda: encoder.encode(near), rounds) / len(near),
    }


def main() -> int:
    parser = timing.parser(__doc__, rounds=3)
    parser.add_argument("--queries", type=int, default=50, help="queries that are measured; default: %(default)s")
    parser.add_argument("--cells", type=int, default=50, help="cells whose neighbours are found; default: %(default)s")
    arguments = timing.arguments_of(parser)
    crlso.set_num_threads(1)
    benchmarks = {
        "nasbench101": crlso.benchmarks.NASBench101(),
        "darts": crlso.benchmarks.NASBench301.standin(),
    }
    sizes = (arguments.queries, arguments.cells, arguments.rounds)
    rows = {name: measure(benchmark, *sizes) for name, benchmark in benchmarks.items()}
    lines = [
        f"{name:12s} {row['query_ms']:6.1f} ms a query; {row['neighbours_us']:6.1f} us for a cell's neighbours; "
        f"{row['encoding_us']:5.2f} us to encode one"
        for name, row in rows.items()
    ]
    return timing.publish({"rows": rows} | timing.about([]), arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
