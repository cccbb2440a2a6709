"""Searches with several evaluations in flight: how well they use their workers, and what they find.

    python -m benchmarks.workers --json

Wall time: evaluations that sleep for a random time, with `crlso.search(..., workers=n)` and threads, from the first
evaluation to the end of the last, divided by the ideal, the sum of all times over n. It includes what the method takes
to choose, and the end, when there is no work left for all workers.

Quality: the share of seeds in which the best cell of NAS-Bench-201 (cifar10, validation accuracy) is found, one query
after the other and with n in flight, whose results come in the order of simulated times. No time is waited for.
"""

from __future__ import annotations

import heapq
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np

import crlso
from benchmarks import timing
from crlso.methods import METHODS
from crlso.random import Stream


def durations(seed: int, n: int) -> Any:
    """Times of evaluations from 0.2 to 1.8, 1 in the mean, as those of small and of large networks."""
    return 0.2 + 1.6 * Stream(seed).uniform("durations", 0, n).astype(np.float64)


class Sleeping(crlso.benchmarks.NASBench201):
    """NAS-Bench-201 with evaluations that take time, and a record of when each began and ended."""

    def __init__(self, dataset: str, seconds: Any) -> None:
        super().__init__(dataset)
        self.seconds = list(seconds)
        self.times: list[float] = []

    def evaluate(self, cell: Any) -> float:
        begun, seconds = time.perf_counter(), self.seconds.pop()  # of whichever evaluation begins next
        time.sleep(seconds)
        self.times += [begun, time.perf_counter()]
        return float(super().evaluate(cell))


def wall_time(method: str, budget: int, workers: int, mean: float) -> dict[str, float]:
    """Search with evaluations that sleep."""
    seconds = mean * durations(0, budget)
    benchmark = Sleeping("cifar10", seconds)
    with ThreadPoolExecutor(workers) as executor:
        study = crlso.search(benchmark, method, budget, executor=executor, progress=False)
    wall, ideal = max(benchmark.times) - min(benchmark.times), float(seconds.sum()) / workers
    choosing = sum(value for phase, value in study.seconds.items() if phase != "evaluation")
    return {"queries": study.n_queries, "seconds": wall, "ideal": ideal, "ratio": wall / ideal, "choosing": choosing}


def query_of_optimum(job: tuple[str, int, int, int]) -> int | None:
    """Number of results after which a search with some trials in flight has the best cell; None if it has not."""
    method, budget, in_flight, seed = job
    benchmark = crlso.benchmarks.NASBench201("cifar10")
    optimiser: Any = METHODS[method](benchmark.space, rng=seed, budget=budget)
    seconds, optimum = durations(seed, budget), benchmark.optimal_value()
    running: list[tuple[float, int]] = []
    now = 0.0
    while optimiser.remaining or running:
        while optimiser.remaining and len(running) < in_flight:
            number = optimiser.ask().number
            heapq.heappush(running, (now + seconds[number], number))
        now, number = heapq.heappop(running)
        trial = optimiser.trials[number]
        optimiser.tell(trial, benchmark.evaluate(trial.cell))
        if trial.value == optimum:
            return int(optimiser.n_told)
    return None


def quality(method: str, budget: int, in_flight: int, seeds: int, jobs: int) -> dict[str, Any]:
    """Search with one trial and with several in flight."""
    found = {}
    with ProcessPoolExecutor(jobs) as pool:
        for n in (1, in_flight):
            queries = list(pool.map(query_of_optimum, [(method, budget, n, seed) for seed in range(seeds)]))
            found[str(n)] = {
                "share": float(np.mean([query is not None for query in queries])),
                "median": float(np.median([budget + 1 if query is None else query for query in queries])),
                "queries": queries,
            }
    return found


def main() -> int:
    parser = timing.parser(__doc__, rounds=1)
    parser.add_argument("--method", default="cr-lso")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--mean", type=float, default=4.0, help="mean seconds of an evaluation; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = timing.arguments_of(parser)
    method, budget, workers = arguments.method, arguments.budget, arguments.workers
    walls = [wall_time(method, budget, workers, arguments.mean) for _ in range(arguments.rounds)]
    shares = quality(method, budget, workers, arguments.seeds, arguments.jobs)
    document = {"method": method, "workers": workers, "wall": walls, "at_optimum": shares} | timing.about()
    lines = [
        f"{wall['queries']} evaluations by {workers} workers: {wall['seconds']:.1f} s, {wall['ratio']:.3f} of the "
        f"ideal, {wall['choosing']:.1f} s to choose cells"
        for wall in walls
    ]
    lines += [
        f"{n:>2s} in flight: the optimum after {budget} queries in {found['share']:.0%} of {arguments.seeds} seeds, "
        f"median query {found['median']:g}"
        for n, found in shares.items()
    ]
    return timing.publish(document, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
