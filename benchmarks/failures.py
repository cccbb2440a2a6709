"""Searches in which evaluations fail for a share of the cells.

    python -m benchmarks.failures --seeds 10 --jobs 2 --out failures.json

The benchmark is NAS-Bench-201 (validation accuracy, CIFAR-100 by default). Evaluations raise MemoryError for one kind
of classes:

- ``largest``: the given share of classes with the most parameters;
- ``operation``: those with the operation avg_pool_3x3 on at least three edges that count;
- ``random``: the given share of classes, drawn at random; nothing can be learned from it.

For each method, kind and share, the table shows the number of failed queries (mean, largest over seeds), that of
random search (mean), and the regret to the best class that can be evaluated: mean, largest, and the share of seeds in
which it is 0. The output is the same as JSON, with the failures and the regret of each seed.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import crlso
from benchmarks.runs import without_warnings
from crlso.random import Stream
from crlso.spaces.features import CellFeatures

CASES = (("largest", 2), ("largest", 5), ("largest", 10), ("largest", 30), ("operation", 0), ("random", 10))


class Failing(crlso.benchmarks.NASBench201):
    """NAS-Bench-201 with evaluations that raise MemoryError for some classes."""

    def __init__(self, dataset: str, kind: str, percent: float) -> None:
        super().__init__(dataset)
        classes = self.space.classes().codes
        self.codes = classes
        self.fails = self._failing(kind, percent, classes)
        self.values = self.validation(classes)
        self.feasible_optimum = float(self.values[~self.fails].max())

    def _failing(self, kind: str, percent: float, classes: Any) -> Any:
        n = len(classes)
        count = round(n * percent / 100)
        if kind == "largest":
            order = np.argsort(-self.space.log_size(classes), kind="stable")
        elif kind == "random":
            order = Stream(20).permutation("failing", 0, n)
        else:
            live = CellFeatures(self.space, classes).live_operations(classes)
            pools = live[:, self.space.operations.index("avg_pool_3x3")]
            return pools >= 3
        fails = np.zeros(n, dtype=bool)
        fails[order[:count]] = True
        return fails

    def evaluate(self, cell: Any) -> float:
        """Return the value of a cell; MemoryError if its class fails."""
        i = int(self.space.classes().locate(np.array([cell.codes], dtype=np.uint8))[0])
        if self.fails[i]:
            raise MemoryError("out of memory")
        return float(self.values[i])


def run(job: tuple[str, str, str, float, int, int]) -> dict[str, Any]:
    """Run one search."""
    dataset, method, kind, percent, seed, budget = job
    benchmark = Failing(dataset, kind, percent)
    with without_warnings():  # failures are wanted here
        try:
            study = crlso.search(benchmark, method, budget=budget, rng=seed)
        except crlso.EvaluationError as error:
            study = error.study
    failed = [trial.number for trial in study.trials if trial.state == "failed"]
    best = study.best.value if study.trajectory else float(benchmark.values.min())
    name = f"{kind} {percent:g} %" if percent else kind
    return {
        "method": method,
        "case": name,
        "seed": seed,
        "share": float(benchmark.fails.mean()),
        "failures": len(failed),
        "queries": study.n_queries,
        "regret": benchmark.feasible_optimum - best,
    }


def main() -> None:
    """Run the searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="cifar100")
    parser.add_argument("--methods", nargs="+", default=["random", "gp", "cr-lso"])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=None)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [
        (arguments.dataset, method, kind, percent, seed, arguments.budget)
        for kind, percent in CASES
        if arguments.cases is None or kind in arguments.cases
        for method in arguments.methods
        for seed in seeds
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        records = list(pool.map(run, jobs, chunksize=4))
    head = ("failures: mean", "most", "regret: mean", "most", "at 0")
    print(f"{'case':14s} {'method':12s} {head[0]} {head[1]:>5s} {head[2]} {head[3]:>6s} {head[4]:>6s}")
    for case, method in dict.fromkeys((r["case"], r["method"]) for r in records):
        rows = [r for r in records if (r["case"], r["method"]) == (case, method)]
        failures, regret = np.array([r["failures"] for r in rows]), np.array([r["regret"] for r in rows])
        print(
            f"{case:14s} {method:12s} {failures.mean():14.1f} {failures.max():5d} {regret.mean():12.3f} "
            f"{regret.max():6.2f} {(regret < 1e-9).mean():6.0%}"
        )
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(records, file, indent=1)


if __name__ == "__main__":
    main()
