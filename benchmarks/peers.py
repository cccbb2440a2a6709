"""General optimisers beside cr-lso: queries to the best cell of NAS-Bench-201, and seconds per query.

    python -m benchmarks.peers --seeds 20 --jobs 2 --out peers.jsonl

The objective is the mean validation accuracy of the embedded tables. ``benchmarks.general_optimisers`` says how Optuna
(``tpe``, its default, and ``optuna-gp``), SMAC3 (``smac``) and Ax (``ax``) are set up; ``pip install -e '.[peers]'``
installs them, and those that are missing are skipped. All other methods are those of crlso.

Two ways to count tell how a search did:

- all: every query counts, also one for a cell that was asked for before;
- distinct: a query counts only if no equal cell was asked for before. Methods of crlso never ask for one, so both are
  the same for them; the others would need a table of their own of what is known. A search goes on until it has asked
  for as many distinct cells as the budget says, and for at most three times as many cells in all.

Equal cells compute the same (classes of the space), and all get the value of the representative of their class. The
best cell has no equal one.

Seconds are processor time, with one thread, of choosing cells and of learning from values in the first ``--budget``
queries: other work on the machine does not count.

Searches that are in the file ``--out`` are not run again. ``--peer-seeds smac=10 ax=2`` runs fewer seeds of slow
methods; by default, two of Ax. ``--quick`` runs one data set, one seed and 20 queries of each method.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import crlso
from benchmarks.general_optimisers import PEERS, make, prepare, version_of
from benchmarks.runs import rows_of
from benchmarks.timing import about, is_installed, publish, within
from crlso.comparison import LEVEL, queries_for_share, wilson_interval
from crlso.methods import METHODS

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
KEYS = ("dataset", "method", "version", "seed", "budget")
COUNTED = ("all", "distinct")
CHECKPOINTS = (64, 100)
LONGEST = 3  # times the budget: cells in all that a search may ask for
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run(job: tuple[str, str, str, int, int]) -> dict[str, Any]:
    """Run one search and return its row."""
    dataset, method, _, seed, budget = job
    prepare(method)
    benchmark = crlso.benchmarks.NASBench201(dataset)
    found = search(lambda: make(method, benchmark.space, seed, budget), benchmark, budget)
    return {**dict(zip(KEYS, job)), **found}


def search(start: Callable[[], Any], benchmark: Any, budget: int) -> dict[str, Any]:
    """Ask an optimiser for cells until both counts of queries to the best cell are known, and return them.

    Parameters
    ----------
    start : callable
        Returns an object with ``ask()`` and ``tell(value)``.
    benchmark : object
        A table with ``optimal_value()``.
    budget : int
        Number of distinct cells.

    Returns
    -------
    dict
        ``all`` and ``distinct``: the query of the best cell from 1, by either count, None if it was not found;
        ``asked`` and ``different``: how many cells were asked for, and how many distinct ones. Of the first `budget`
        queries: ``repeats``, how many were for a cell like an earlier one; ``seconds`` of processor time per query.
    """
    space, best = benchmark.space, benchmark.optimal_value() - LEVEL
    known: dict[int, float] = {}
    row: dict[str, Any] = {"all": None, "distinct": None, "asked": 0}
    began = time.process_time()
    optimiser = start()
    seconds = time.process_time() - began
    while row["asked"] < budget or (row["all"] is None and len(known) < budget and row["asked"] < LONGEST * budget):
        began = time.process_time()
        asked = optimiser.ask()
        seconds += time.process_time() - began
        codes = space.codes([space.cell(asked)])
        key = int(space.canonical_key(codes)[0])
        if key not in known:
            known[key] = benchmark.evaluate(space.cells(space.representative(codes))[0])
        row["asked"] += 1
        if row["all"] is None and known[key] >= best:
            row |= {"all": row["asked"], "distinct": len(known)}
        began = time.process_time()
        optimiser.tell(known[key])
        seconds += time.process_time() - began
        if row["asked"] == budget:
            row |= {"repeats": budget - len(known), "seconds": seconds / budget}
    return {**row, "different": len(known)}


def summaries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the numbers of each method on each data set: shares with Wilson's 95 % intervals, medians, seconds."""
    found = []
    for dataset, method in dict.fromkeys((row["dataset"], row["method"]) for row in rows):
        own = [row for row in rows if (row["dataset"], row["method"]) == (dataset, method)]
        budget = own[0]["budget"]
        summary: dict[str, Any] = {
            "dataset": dataset,
            "method": method,
            "version": own[0]["version"],
            "seeds": len(own),
            "repeats": statistics.mean(row["repeats"] for row in own) / budget,
            "seconds": statistics.mean(row["seconds"] for row in own),
            "ended early": sum(row["different"] < budget and row["all"] is None for row in own),
        }
        for count in COUNTED:
            queries = [row[count] if row[count] is not None and row[count] <= budget else None for row in own]
            summary[count] = {"median": queries_for_share(queries, 0.5), "at": {}}
            for mark in sorted({*(mark for mark in CHECKPOINTS if mark < budget), budget}):
                hits = sum(query is not None and query <= mark for query in queries)
                interval = list(wilson_interval(hits, len(own)))
                summary[count]["at"][str(mark)] = {"share": hits / len(own), "interval": interval}
        found.append(summary)
    return found


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    marks = list(found[0]["all"]["at"]) if found else []
    counted = [f"{count}: @{mark}" for count in COUNTED for mark in marks]
    columns = ["data set", "method", "seeds", *counted, *(f"median, {count}" for count in COUNTED), "repeats"]
    columns.append("ms per query")
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in found:
        cells = [row["dataset"], row["method"], str(row["seeds"])]
        for count in COUNTED:
            for at in row[count]["at"].values():
                low, high = at["interval"]
                cells.append(f"{100 * at['share']:.0f} % ({100 * low:.0f} to {100 * high:.0f})")
        cells += ["-" if row[count]["median"] is None else str(row[count]["median"]) for count in COUNTED]
        cells += [f"{100 * row['repeats']:.0f} %", f"{1000 * row['seconds']:.3g}"]
        yield f"| {' | '.join(cells)} |"


def early(found: list[dict[str, Any]], budget: int) -> Iterator[str]:
    """Yield a line for each row of the table with searches that repeated themselves until they were ended."""
    for row in found:
        if row["ended early"]:
            text = (
                f"had not asked for {budget} distinct cells after {LONGEST * budget} queries, nor found the best cell"
            )
            yield f"{row['method']} on {row['dataset']}: {row['ended early']} of {row['seeds']} searches {text}"


def seeds_of(text: str) -> tuple[str, int]:
    """Return the method and the number of a text such as ``"smac=10"``."""
    method, _, number = text.rpartition("=")
    return method, int(number)


def parsed() -> argparse.Namespace:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=None, choices=DATASETS, help="default: all")
    parser.add_argument("--methods", nargs="+", default=["cr-lso", "gp", *PEERS], help="default: all")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--peer-seeds", nargs="*", type=seeds_of, default=[("ax", 2)], metavar="METHOD=N")
    parser.add_argument("--budget", type=int, default=100, metavar="N", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, help="file of JSON lines, one per search; searches in it are not repeated")
    parser.add_argument("--quick", action="store_true", help="one data set, one seed, 20 queries")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    arguments = parser.parse_args()
    known = [*METHODS, *PEERS]
    if unknown := [name for name in arguments.methods if name.partition(":")[0] not in known]:
        parser.error(f"--methods: expected names out of {', '.join(known)}, got {', '.join(unknown)}")
    if arguments.quick:
        arguments.seeds, arguments.budget = 1, 20
    arguments.datasets = arguments.datasets or DATASETS[: 1 if arguments.quick else None]
    return arguments


def main() -> int:
    """Run the searches and print the table."""
    arguments = parsed()
    within(ONE_THREAD)
    methods = [name for name in arguments.methods if name not in PEERS or is_installed(name, PEERS[name].needs)]
    wanted = [
        (dataset, method, version_of(method), arguments.first_seed + seed, arguments.budget)
        for seed in range(arguments.seeds)
        for dataset in arguments.datasets
        for method in methods
        if seed < dict(arguments.peer_seeds).get(method, arguments.seeds)
    ]
    rows = rows_of(
        run,
        wanted,
        KEYS,
        jobs=arguments.jobs,
        path=arguments.out,
        text=lambda row: f"{row['dataset']} {row['method']} seed {row['seed']}: best cell at query {row['all']}",
    )
    found = summaries(sorted(rows, key=lambda row: DATASETS.index(row["dataset"])))
    about_packages = about([package for name in methods if name in PEERS for package in PEERS[name].needs.values()])
    skipped = [name for name in arguments.methods if name not in methods]
    document = {**about_packages, "skipped": skipped, "results": found, "searches": rows}
    versions = ", ".join(f"{name} {version}" for name, version in about_packages["versions"].items())
    return publish(document, arguments.json, [*table(found), *early(found, arguments.budget), "", versions])


if __name__ == "__main__":
    raise SystemExit(main())
