"""Searches that know the results of another data set: queries to the optimum with and without a prior.

    python -m benchmarks.priors --seeds 40 --jobs 2 --out priors.jsonl --json

The benchmark is NAS-Bench-201, with all nine pairs of a source and a target: the six pairs of different data sets, and
for each target a source that has nothing to do with it (``unrelated``: a smooth function of cells, drawn at random).
Priors of a source are

- ``search``: the 100 queries of a search there;
- ``random 100``, ``random 300``: as many cells drawn at random;
- ``permuted``, ``negated``: the search, with its values in random order, or negated;
- ``random permuted``: 100 random cells, with their values in random order.

The last three and ``unrelated`` mislead. A search without a prior has the source ``none``. The table shows the share of
searches that are at the optimum after 16, 24, 32 and 64 queries, the median and the mean number of queries (at most
100), and the mean difference to the search without a prior with the same seed, with its standard error. Searches that
are in the file ``--out`` are not run again.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import crlso
from benchmarks.runs import rows_of, without_warnings
from crlso.benchmarks import NASBench201, Tabular

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
UNRELATED = "unrelated"
RELATED_KINDS = ("search", "random 100", "random 300")
MISLEADING_KINDS = ("permuted", "negated", "random permuted")
BUDGET = 100
CHECKPOINTS = (16, 24, 32, 64)
_PRIOR_SEED = 1_000_000  # added to the seeds of searches on sources, which differ from those on targets

Job = tuple[str, str, str, int]
Pairs = list[tuple[Any, float]]


def unrelated(space: Any, seed: int) -> Tabular:
    """Return a table of a random smooth function of the cells of a space."""
    from crlso.models.gaussian_process import Features, Kernel
    from crlso.spaces.features import CellFeatures

    codes = space.classes().codes
    rng = np.random.default_rng(seed)
    centres = codes[rng.permutation(len(codes))[:300]]
    known = CellFeatures(space, codes)
    x, y = (Features((known.operations(some), known.paths(some))) for some in (codes, centres))
    values = Kernel(((0.2,), (0.1,))).between(x, y, (0.2, 0.1)) @ rng.normal(size=len(centres))
    return Tabular(space, codes, values)


@functools.lru_cache(maxsize=1)
def source_study(source: str, seed: int) -> Any:
    """Return a search on a source, from which several priors are made."""
    benchmark: Any = unrelated(NASBench201().space, seed) if source == UNRELATED else NASBench201(source)
    return crlso.search(benchmark, budget=BUDGET, rng=_PRIOR_SEED + seed, progress=False)


def prior(source: str, kind: str, seed: int) -> Pairs:
    """Return the results of a source that a search is given."""
    rng = np.random.default_rng(_PRIOR_SEED + seed)
    if kind.startswith("random"):
        benchmark = NASBench201(source)
        codes = benchmark.space.classes().codes
        n = 300 if kind == "random 300" else 100
        cells = list(benchmark.space.cells(codes[rng.permutation(len(codes))[:n]]))
        values = np.array([benchmark.evaluate(cell) for cell in cells])
    else:
        trials = source_study(source, seed).trials
        cells, values = [trial.cell for trial in trials], np.array([trial.value for trial in trials])
    if kind.endswith("permuted"):
        values = rng.permutation(values)
    if kind == "negated":
        values = -values
    return list(zip(cells, values.tolist()))


def run(job: Job) -> dict[str, Any]:
    """Run one search on a target, up to the optimum."""
    target, source, kind, seed = job
    crlso.set_num_threads(1)
    benchmark = NASBench201(target)
    optimum = benchmark.optimal_value()

    def at_optimum(study: Any, trial: Any) -> None:
        if study.best.value >= optimum:
            study.stop()

    options = {} if source == "none" else {"prior": [prior(source, kind, seed)]}
    with without_warnings():  # of each prior that is not used
        study = crlso.search(benchmark, budget=BUDGET, rng=seed, progress=False, callbacks=[at_optimum], **options)
    queries = study.n_queries if study.best.value >= optimum else None
    return {"target": target, "source": source, "kind": kind, "seed": seed, "queries": queries}


def all_jobs(targets: list[str], sources: list[str], kinds: list[str], seeds: range) -> list[Job]:
    """Return target, source, kind of prior and seed of each search."""
    pairs = [(target, "none", "") for target in targets]
    for target in targets:
        for source in sources:
            if source == UNRELATED:
                pairs.append((target, source, "search"))
            elif source != target:
                pairs += [(target, source, kind) for kind in kinds]
    return [(*pair, seed) for pair in pairs for seed in seeds]


def summaries(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the numbers of each target, source and kind of prior."""
    known: dict[tuple[str, str, str], dict[int, float]] = {}
    for record in records:
        queries = np.inf if record["queries"] is None else record["queries"]
        known.setdefault((record["target"], record["source"], record["kind"]), {})[record["seed"]] = queries
    rows = []
    for (target, source, kind), by_seed in known.items():
        queries = np.array(list(by_seed.values()))
        row = {"target": target, "source": source, "kind": kind, "seeds": len(queries)}
        row.update({f"@{n}": float((queries <= n).mean()) for n in CHECKPOINTS})
        row["median"], row["mean"] = float(min(np.median(queries), BUDGET)), float(np.minimum(queries, BUDGET).mean())
        without = known.get((target, "none", ""), {})
        shared = [seed for seed in by_seed if seed in without]
        differences = [min(by_seed[seed], BUDGET) - min(without[seed], BUDGET) for seed in shared]
        if differences and source != "none":
            row["without"] = float(np.mean([min(without[seed], BUDGET) for seed in shared]))
            row["difference"] = float(np.mean(differences))
            row["error"] = float(np.std(differences, ddof=1) / np.sqrt(len(shared))) if len(shared) > 1 else None
        rows.append(row)
    return sorted(rows, key=lambda row: (row["target"], row["source"] != "none", row["source"]))


def text_of(rows: list[dict[str, Any]]) -> str:
    """Return the numbers as a table."""
    names = "".join(f"{f'@{n}':>6s}" for n in CHECKPOINTS) + f" {'median':>7s} {'mean':>6s} {'difference':>13s}"
    lines = [f"{'target':15s} {'source':15s} {'prior':15s} {'seeds':>5s} {names}"]
    for row in rows:
        shares = "".join(f"{row[f'@{n}']:6.0%}" for n in CHECKPOINTS)
        line = f"{row['target']:15s} {row['source']:15s} {row['kind']:15s} {row['seeds']:5d} {shares}"
        line += f" {row['median']:7.1f} {row['mean']:6.1f}"
        if "difference" in row:
            error = "" if row["error"] is None else f" ± {row['error']:.1f}"
            line += f" {row['difference']:+8.1f}{error} ({row['difference'] / row['without']:+.0%})"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Run the searches that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--sources", nargs="+", default=[*DATASETS, UNRELATED], choices=[*DATASETS, UNRELATED])
    kinds = [*RELATED_KINDS, *MISLEADING_KINDS]
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, help="file of searches, one a line, which are not run again")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    wanted = all_jobs(arguments.targets, arguments.sources, arguments.kinds, seeds)
    records = rows_of(
        run,
        sorted(wanted, key=lambda job: (job[3], job[1])),  # one after the other, searches that share one on the source
        ("target", "source", "kind", "seed"),
        jobs=arguments.jobs,
        path=arguments.out,
        text=lambda row: f"{row['target']} {row['source']} {row['kind']} seed {row['seed']}: {row['queries']} queries",
    )
    rows = summaries(records)
    sys.stdout.write((json.dumps(rows, indent=1) if arguments.json else text_of(rows)) + "\n")


if __name__ == "__main__":
    main()
