"""Searches for the front of accuracy and latency, and under a bound of latency, on NAS-Bench-201.

    python -m benchmarks.hardware --seeds 30 --jobs 2 --out hardware.jsonl --json

Fronts: the validation accuracy is queried, and the latency of each cell on a device is known. The regret is the share
of the hypervolume of the front of all cells that a search lacks after 25, 50 and 100 queries, in percent: the area, in
accuracy and in the logarithm of the latency, between a front and the median accuracy of all cells and their largest
latency. Settings are those of cifar10/pixel3.

Optuna's TPE and NSGA-II (with a population of 20) run on the same objectives, if Optuna is installed (``pip install -e
'.[peers]'``). They may ask for a cell again; only the first time counts as a query. A search that repeats itself ends
after five times as many cells as the budget; what it lacks counts as found by then.

Bounds: the best cell under a latency, of which few, some and many cells are (5, 20 and 60 %). The share of seeds that
find it by 64 queries is given with Wilson's 95 % interval.

Learned fronts and bounds (``--kinds learned-front learned-bound``): the same, but the latency of a cell is measured
with its accuracy, and not known before. A bound is then learned, and queries beyond it are counted.

The large space: the stand-in of NAS-Bench-301 against the number of parameters. Its front is not known, so the
hypervolume itself is given, above the median accuracy and the largest number of parameters of random cells, and p of
Wilcoxon's signed-rank test between each method and cr-lso over seeds. Evolution searches for accuracy alone.

``--quick`` runs one device, one seed and 12 queries. Searches that are in the file ``--out`` are not run again.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso
from benchmarks.general_optimisers import optuna_front
from benchmarks.runs import rows_of
from benchmarks.timing import about, is_installed, publish, within
from crlso.comparison import LEVEL, signed_rank_test, wilson_interval
from crlso.objectives import hypervolume

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
DEVICES = ("pixel3", "raspi4", "eyeriss", "fpga", "1080ti_32")
METHODS = ("cr-lso", "gp", "nsga2", "random")
PEERS = ("optuna-tpe", "optuna-nsga2")
LARGE = ("cr-lso", "gp", "nsga2", "evolution", "random")
BOUNDED_BY = ("cr-lso", "gp")
LEARNED_BY = ("cr-lso", "gp", "evolution", "random")
SHARES = (0.05, 0.2, 0.6)  # of the cells that are below a bound
KEYS = ("kind", "task", "method", "seed", "budget")
CHECKPOINTS = (25, 50, 100)
BOUNDED = 64  # queries of a search under a bound
LONGEST = 5  # times the budget: cells that another optimiser may ask for
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Points = npt.NDArray[np.float64]


class Table:
    """The objectives of all cells of NAS-Bench-201 that a search may ask for, to be maximised.

    Parameters
    ----------
    task : str
        Data set and device, such as ``"cifar10/pixel3"``.
    """

    def __init__(self, task: str) -> None:
        dataset, device = task.split("/")
        self.benchmark, self.device = crlso.benchmarks.NASBench201(dataset), device
        cells = self.benchmark.space.classes().codes
        self.accuracy = self.benchmark.validation(cells)
        self.latency = self.benchmark.measure(f"latency:{device}", cells)
        self.codes = [tuple(row) for row in cells.tolist()]
        self.points = np.stack([self.accuracy, -np.log(self.latency)], axis=1)
        self.reference = [float(np.median(self.accuracy)), float(self.points[:, 1].min())]
        self.best = hypervolume(self.points, self.reference)

    def regret(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> float:
        """Percent of the hypervolume that is missing from some of the classes."""
        return 100.0 * (1.0 - hypervolume(self.points[list(rows)], self.reference) / self.best)

    def bound(self, share: float) -> float:
        """The latency below which this share of the cells is."""
        return float(np.quantile(self.latency, share))


@functools.lru_cache(maxsize=4)
def table(task: str) -> Table:
    """Return the table of a task."""
    return Table(task)


def run(job: tuple[str, str, str, int, int]) -> dict[str, Any]:
    """Run one search and return its row."""
    kind, task, method, seed, budget = job
    crlso.set_num_threads(1)
    begin = time.process_time()
    found = _RUNS[kind](task, method, seed, budget)
    return {**dict(zip(KEYS, job)), **found, "seconds": (time.process_time() - begin) / budget}


def measuring(task: str) -> crlso.benchmarks.Function:
    """Return the benchmark of a task whose evaluations measure the latency, which is not known before."""
    known = table(task)
    benchmark, latency = known.benchmark, dict(zip(known.codes, known.latency.tolist()))

    def evaluate(cell: crlso.spaces.Cell) -> dict[str, float]:
        codes = benchmark.space.canonicalise(benchmark.space.codes([cell]))[0]
        return {"value": benchmark.evaluate(cell), "ms": latency[tuple(codes.tolist())]}

    return crlso.benchmarks.Function(benchmark.space, evaluate, name="measuring", measures={"ms": None})


def run_front(task: str, method: str, seed: int, budget: int, is_learned: bool = False) -> dict[str, Any]:
    """Search for a front, and return its regret after each checkpoint."""
    space = table(task).benchmark.space
    if method in PEERS:
        cells = _asked_by_optuna(task, method, seed, budget)
    else:
        benchmark = measuring(task) if is_learned else table(task).benchmark
        objectives = ["value", "-ms" if is_learned else f"-latency:{table(task).device}"]
        study = crlso.search(benchmark, method, budget, seed, progress=False, objectives=objectives)
        cells = [trial.cell for trial in study.trials]
    rows = space.classes().locate(cells)
    return {"regret": {str(n): table(task).regret(rows[:n]) for n in _checkpoints(budget)}, "queries": len(rows)}


def run_one(task: str, method: str, seed: int, budget: int) -> dict[str, Any]:
    """Search for the best value alone, to compare its seconds."""
    crlso.search(table(task).benchmark, method, budget, seed, progress=False)
    return {}


def run_bound(task: str, method: str, seed: int, budget: int, is_learned: bool = False) -> dict[str, Any]:
    """Search below a bound; the task ends with its share of cells."""
    name, _, share = task.rpartition("/")
    known, bound = table(name), table(name).bound(float(share))
    allowed = known.latency <= bound
    measure = f"latency:{known.device}"
    benchmark, constraints = (measuring(name), {"ms": bound}) if is_learned else (known.benchmark, {measure: bound})
    study = crlso.search(benchmark, method, budget, seed, progress=False, constraints=constraints)
    over = (known.benchmark.measure(measure, [trial.cell for trial in study.trials]) > bound).sum()
    best = study.trajectory[-1]["value"] if study.trajectory else -np.inf
    return {"hit": bool(best >= known.accuracy[allowed].max() - LEVEL), "over": int(over)}


def run_large(task: str, method: str, seed: int, budget: int) -> dict[str, Any]:
    """Search the large space, and return the hypervolume after each checkpoint."""
    benchmark = crlso.benchmarks.NASBench301.standin()
    objectives = ["value", "-parameters"] if method != "evolution" else None
    study = crlso.search(benchmark, method, budget, seed, progress=False, objectives=objectives)
    cells = [trial.cell for trial in study.trials]
    points = np.stack([benchmark.validation(cells), -np.log(benchmark.parameters(cells))], axis=1)
    return {"hypervolume": {str(n): hypervolume(points[:n], _large_reference()) for n in _checkpoints(budget)}}


_RUNS = {
    "front": run_front,
    "bound": run_bound,
    "large": run_large,
    "one": run_one,
    "learned-front": functools.partial(run_front, is_learned=True),
    "learned-bound": functools.partial(run_bound, is_learned=True),
}


@functools.cache
def _large_reference() -> list[float]:
    """The median accuracy and the largest number of parameters of random cells."""
    benchmark = crlso.benchmarks.NASBench301.standin()
    cells = benchmark.space.sample(5000, rng=0)
    return [float(np.median(benchmark.validation(cells))), float(-np.log(benchmark.parameters(cells)).max())]


def _checkpoints(budget: int) -> list[int]:
    return sorted({*(mark for mark in CHECKPOINTS if mark < budget), budget})


def _asked_by_optuna(task: str, method: str, seed: int, budget: int) -> list[Any]:
    """The different cells that a sampler of Optuna asks for, at most `budget`."""
    known = table(task)
    space = known.benchmark.space
    found: dict[int, Any] = {}
    warnings.simplefilter("ignore")  # of experimental options
    optimiser = optuna_front(method, space, seed)
    for _ in range(LONGEST * budget):
        cell = space.codes([optimiser.ask()])
        row = int(space.classes().locate(cell)[0])
        found.setdefault(row, space.canonicalise(cell)[0])
        if len(found) == budget:
            break
        optimiser.tell([float(known.accuracy[row]), float(known.latency[row])])
    return list(found.values())


def summaries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the numbers of each method on each task."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["task"], row["method"]), []).append(row)
    found = []
    for (kind, task, method), own in groups.items():
        summary: dict[str, Any] = {"kind": kind, "task": task, "method": method, "seeds": len(own)}
        summary["seconds"] = statistics.mean(row["seconds"] for row in own)
        if kind.endswith("bound"):
            hits = sum(row["hit"] for row in own)
            summary |= {"share": hits / len(own), "interval": list(wilson_interval(hits, len(own)))}
            summary["over"] = sum(row["over"] for row in own)
        elif kind != "one":
            name = "regret" if kind.endswith("front") else "hypervolume"
            for mark in own[0][name]:
                numbers = [row[name][mark] for row in own]
                spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
                summary.setdefault(name, {})[mark] = {"mean": statistics.mean(numbers), "deviation": spread}
                if kind == "large" and method != "cr-lso" and ("large", task, "cr-lso") in groups:
                    ours = {row["seed"]: row[name][mark] for row in groups["large", task, "cr-lso"]}
                    pairs = [(ours[row["seed"]], row[name][mark]) for row in own if row["seed"] in ours]
                    summary[name][mark]["p"] = signed_rank_test(*zip(*pairs))
        found.append(summary)
    return found


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables, in Markdown."""
    fronts = [row for row in found if not row["kind"].endswith("bound")]
    if fronts:
        marks = list(next((row.get("regret") or row.get("hypervolume") or {}) for row in fronts))
        yield "| task | method | seeds | " + " | ".join(f"@{mark}" for mark in marks) + " | ms per query |"
        yield "|---" * (len(marks) + 4) + "|"
    for row in fronts:
        numbers = row.get("regret") or row.get("hypervolume") or {}
        texts = [f"{at['mean']:.3g} ({at['deviation']:.2g})" for at in numbers.values()]
        columns = [row["task"], row["method"], str(row["seeds"]), *(texts or ["-"] * len(marks))]
        yield f"| {' | '.join(columns)} | {1000 * row['seconds']:.3g} |"
    bounds = [row for row in found if row["kind"].endswith("bound")]
    if bounds:
        yield ""
        yield f"| task / share of cells | method | seeds | best cell by {BOUNDED} queries | queries beyond the bound |"
        yield "|---" * 5 + "|"
    for row in bounds:
        low, high = (100 * x for x in row["interval"])
        text = f"{100 * row['share']:.0f} % ({low:.0f} to {high:.0f})"
        yield f"| {row['task']} | {row['method']} | {row['seeds']} | {text} | {row['over']} |"


def parsed() -> argparse.Namespace:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS, help="default: all")
    parser.add_argument("--devices", nargs="+", default=list(DEVICES), metavar="NAME", help="default: %(default)s")
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *PEERS], help="of fronts; default: %(default)s")
    parser.add_argument("--kinds", nargs="+", default=["front", "bound", "large"], choices=list(_RUNS))
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--budget", type=int, default=100, metavar="N", help="of fronts; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--out", type=Path, help="file of JSON lines, one per search; searches in it are not repeated")
    parser.add_argument("--quick", action="store_true", help="one device, one seed, 12 queries")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    arguments = parser.parse_args()
    devices = crlso.benchmarks.NASBench201().devices
    if unknown := [name for name in arguments.devices if name not in devices]:
        parser.error(f"--devices: expected names out of {', '.join(devices)}, got {', '.join(unknown)}")
    if unknown := [name for name in arguments.methods if name not in PEERS and name not in METHODS]:
        parser.error(f"--methods: expected names out of {', '.join([*METHODS, *PEERS])}, got {', '.join(unknown)}")
    if arguments.quick:
        arguments.seeds, arguments.budget, arguments.devices, arguments.datasets = 1, 12, ["pixel3"], ["cifar10"]
    return arguments


def jobs(arguments: argparse.Namespace, methods: Sequence[str]) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield the searches that are wanted."""
    tasks = [f"{dataset}/{device}" for dataset in arguments.datasets for device in arguments.devices]
    bounded = min(BOUNDED, arguments.budget)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        if "front" in arguments.kinds:
            yield from (("front", task, method, seed, arguments.budget) for task in tasks for method in methods)
        if "one" in arguments.kinds:
            own = [method for method in methods if method in ("cr-lso", "gp")]
            yield from (("one", task, method, seed, arguments.budget) for task in tasks for method in own)
        if "learned-front" in arguments.kinds:
            own = [method for method in methods if method not in PEERS]
            yield from (("learned-front", task, method, seed, arguments.budget) for task in tasks for method in own)
        names = [f"{dataset}/{arguments.devices[0]}/{share}" for dataset in arguments.datasets for share in SHARES]
        for kind, own in (("bound", BOUNDED_BY), ("learned-bound", LEARNED_BY)):
            if kind in arguments.kinds:
                yield from ((kind, name, method, seed, bounded) for name in names for method in own)
        if "large" in arguments.kinds:
            yield from (("large", "darts/parameters", method, seed, arguments.budget) for method in LARGE)


def main() -> int:
    """Run the searches and print the tables."""
    arguments = parsed()
    within(ONE_THREAD)
    methods = [name for name in arguments.methods if name not in PEERS or is_installed(name, {"optuna": "optuna"})]
    rows = rows_of(
        run,
        list(jobs(arguments, methods)),
        KEYS,
        jobs=arguments.jobs,
        path=arguments.out,
        text=lambda row: f"{row['kind']} {row['task']} {row['method']} seed {row['seed']}",
    )
    found = summaries(rows)
    peers = [name for name in methods if name in PEERS]
    skipped = [name for name in arguments.methods if name not in methods]
    document = {**about(["optuna"] if peers else []), "skipped": skipped, "results": found, "searches": rows}
    return publish(document, arguments.json, [*lines(found)])


if __name__ == "__main__":
    raise SystemExit(main())
