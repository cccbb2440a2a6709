"""The published search protocol on NAS-Bench-201: quality of its models, its results, and its ablations.

    python -m benchmarks.paper_protocol --seeds 10 --jobs 2 --out results.jsonl

Every run is one search with 500 queries, and one line of the output file. Runs that are in the file are not repeated.
The tables compare the full method with its ablations and with random search over the same seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crlso
from benchmarks.runs import rows_of
from crlso.history import Trial
from crlso.methods import PaperCRLSO, RandomSearch

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "no gradient": {"gradient": False},
    "not convex": {"convex": False},
    "no regulariser": {"regulariser": False},
    "noise 0.5": {"noise": 0.5},
    "noise 0.5, no gradient": {"noise": 0.5, "gradient": False},
    "random search": {},
}
PAPER = {"cifar10": 91.54, "cifar100": 73.44, "ImageNet16-120": 46.51}  # validation accuracies reported by the authors


class Measured(PaperCRLSO):
    """The search, which also compares its models with the complete table, once.

    The surrogate is that before the first fine-tuning, or after it in the variant without the regulariser.

    The comparison is for the report only and does not influence the search.
    """

    def measure_against(self, benchmark: Any) -> Measured:
        self.benchmark, self.quality = benchmark, {}
        return self

    def ask(self) -> Trial:
        """Return the next trial, and measure the models when they have just been trained."""
        trial = super().ask()
        if self.vae is not None and not self.quality:
            cells = self.space.all_codes()
            errors = 1.0 - self.benchmark.validation(cells) / 100.0
            surrogate = self.vae.surrogate_ or self.surrogate  # the former is not fine-tuned yet
            self.quality = {
                "reconstruction": self.vae.score(cells),
                "predictor_tau": self.predictor.score(cells, errors),
                "surrogate_tau": surrogate.score(self.vae.encode(cells), errors),
            }
        return trial


def run(job: tuple[str, str, int, int, str]) -> dict[str, Any]:
    """Run one search and return its line of the output file."""
    dataset, variant, seed, budget, preset = job
    crlso.set_num_threads(1)
    benchmark = crlso.benchmarks.NASBench201(dataset)
    if variant == "random search":
        optimiser: Any = RandomSearch(benchmark.space, rng=seed, budget=budget)
    else:
        options = {"preset": preset, **VARIANTS[variant]}
        optimiser = Measured(benchmark.space, rng=seed, budget=budget, **options).measure_against(benchmark)
    start = time.perf_counter()
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, benchmark.evaluate(trial.cell))
    best = optimiser.best
    return {
        "dataset": dataset,
        "variant": variant,
        "seed": seed,
        "budget": budget,
        "preset": preset,
        "cell": str(best.cell),
        "validation": best.value,
        "test": float(benchmark.test([best.cell])[0]),
        "query": best.number + 1,
        "optimum": best.cell == benchmark.optimum(),
        "seconds": time.perf_counter() - start,
        "phases": optimiser.seconds,
        "diagnostics": optimiser.diagnostics,
        "quality": getattr(optimiser, "quality", {}),
        "version": crlso.__version__,
    }


def spread(values: list[float], digits: int = 3) -> str:
    """Return the mean and standard deviation as text."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def latent_share(rows: list[dict[str, Any]]) -> str:
    """Return the share of proposals from latent moves, rather than from neighbours, as text."""
    moves, neighbours = (sum(row["diagnostics"].get(key, 0) for row in rows) for key in ("latent_moves", "neighbours"))
    return f"{100 * moves / (moves + neighbours):.0f} %" if moves + neighbours else ""


def found_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of search results as lines of Markdown."""
    yield (
        "| dataset | variant | seeds | validation | test of that cell | at the optimum | median query of the best "
        "| proposals from the latent space |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for dataset in DATASETS:
        for variant in VARIANTS:
            of = [row for row in rows if row["dataset"] == dataset and row["variant"] == variant]
            if of:
                validation, test = (spread([row[key] for row in of]) for key in ("validation", "test"))
                hits, query = sum(row["optimum"] for row in of), statistics.median(row["query"] for row in of)
                yield (
                    f"| {dataset} | {variant} | {len(of)} | {validation} | {test} | {hits} of {len(of)} | {query:g} "
                    f"| {latent_share(of)} |"
                )
        if any(row["dataset"] == dataset for row in rows):
            yield f"| {dataset} | reported in the paper | | {PAPER[dataset]} | | | | |"


def quality_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of model quality, against the complete benchmark, as lines of Markdown."""
    columns = (
        "dataset",
        "seeds",
        "reconstruction of all cells",
        "predictor's Kendall tau",
        "surrogate's Kendall tau",
        "seconds",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---|---|---|---|---|---|"
    for dataset in DATASETS:
        of = [row for row in rows if row["dataset"] == dataset and row["variant"] == "full" and row["quality"]]
        if of:
            smallest = min(row["quality"]["reconstruction"] for row in of)
            taus = [spread([row["quality"][key] for row in of]) for key in ("predictor_tau", "surrogate_tau")]
            seconds = spread([row["seconds"] for row in of], 1)
            yield f"| {dataset} | {len(of)} | at least {100 * smallest:.2f} % | {taus[0]} | {taus[1]} | {seconds} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--preset", default="fast", choices=["fast", "paper"])
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, help="file of JSON lines, one per run; runs in it are not repeated")
    parser.add_argument("--json", action="store_true", help="print all runs as one JSON document instead of tables")
    arguments = parser.parse_args()
    keys = ("dataset", "variant", "seed", "budget", "preset")
    wanted = [
        (dataset, variant, seed, arguments.budget, arguments.preset)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for dataset in arguments.datasets
        for variant in arguments.variants
    ]
    rows = rows_of(
        run,
        wanted,
        keys,
        jobs=arguments.jobs,
        path=arguments.out,
        text=lambda row: f"{row['dataset']} {row['variant']} seed {row['seed']}: {row['validation']:.3f}",
    )
    if arguments.json:
        print(json.dumps({"runs": rows, "version": crlso.__version__}))
    else:
        print("\n".join([*quality_table(rows), "", *found_table(rows)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
