"""The development suite: methods on sixteen tasks of six benchmarks, ranked over all of them.

    python -m benchmarks.suite --methods cr-lso,gp,gp:initial=8:batch=1 --seeds 20 --jobs 2 --out suite.jsonl

Settings of the default method are chosen by the aggregate over these tasks:

- NAS-Bench-201: the six objectives on CIFAR-10 of ``benchmarks.designs``;
- NAS-Bench-101: test accuracy, and simulated validation;
- the stand-in of NAS-Bench-301 for the DARTS space;
- NAS-Bench-Macro: chains of eight layers;
- NAS-Bench-Graph: arxiv, cora and physics, 26,206 measured cells of a larger space;
- TransNAS-Bench-101 micro: jigsaw, segmentsemantic and class_object.

``--reporting`` adds CIFAR-100 and ImageNet16-120 of NAS-Bench-201, by which nothing is chosen. They are shown by
themselves and are in no aggregate. ``--tasks`` runs some tasks only. ``--quick`` takes about two minutes: a few tasks
that are ranked completely, three seeds, 48 queries.

The last three benchmarks are read from a folder of tables, ``--data`` or ``$CRLSO_SUITE_DATA``, by default
``../shared/data`` beside the repository. It has the files ``suite/*.csv.gz`` with their spaces, and
``other/nas-bench-macro_cifar10.json``.

Searches that are in the file ``--out`` are not run again, so that a run can be continued and methods added.
``benchmarks.suite_statistics`` explains the numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import crlso
from benchmarks.designs import OBJECTIVES, Objective
from benchmarks.suite_statistics import MARKS, Standings, standings, text_of
from crlso.methods import Optimiser

DATA = "CRLSO_SUITE_DATA"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
_REFERENCE = 20_000  # random cells of a space too large to list, among which cells are ranked
_QUICK: dict[str, int] = {"seeds": 3, "budget": 48}


@dataclasses.dataclass(frozen=True)
class Task:
    """A benchmark of the suite, and what counts as its goal.

    Parameters
    ----------
    name : str
        Name in tables.
    benchmark : object
        What is searched; noisy ones have ``for_seed``.
    values : callable
        ``values(benchmark)`` returns the values of all its different cells, or of random ones in a space too large.
    goal_rank : int
        A search has arrived when its best cell is among this many best ones.
    goal : float, optional
        Instead of the rank, the value at which a search has arrived.
    noisy : bool
        Whether values differ between seeds.
    quick, reporting : bool
        Whether the task is part of ``--quick``, and whether it is for reports only.
    """

    name: str
    benchmark: Any
    values: Callable[[Any], Any]
    goal_rank: int = 1
    goal: float | None = None
    noisy: bool = False
    quick: bool = False
    reporting: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """Names by which records of the task are found."""
        return tuple(getattr(self.benchmark, key, None) for key in ("name", "dataset", "objective"))

    def reference(self, seed: int) -> Any:
        """Return the values of the cells that a search with this seed sees, in ascending order."""
        return _sorted_values(self, seed if self.noisy else 0)


@functools.lru_cache(maxsize=32)
def _sorted_values(task: Task, seed: int) -> Any:
    return np.sort(task.values(task.benchmark.for_seed(seed)))


def _of_classes(benchmark: Any) -> Any:
    return benchmark.validation(benchmark.space.classes().codes)


def _of_table(benchmark: Any) -> Any:
    return benchmark.values(benchmark.space.all_codes())


def _of_test(benchmark: Any) -> Any:
    return benchmark.test(benchmark.space.all_codes())


def _of_validation(benchmark: Any) -> Any:
    return benchmark.validation(benchmark.space.all_codes())


def _of_sample(benchmark: Any) -> Any:
    return benchmark.validation(benchmark.space.sample(_REFERENCE, rng=0))


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the tables: the given one, ``$CRLSO_SUITE_DATA``, or ``../shared/data``.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    folder = Path(given or os.environ.get(DATA) or _BESIDE)
    if not (folder / "suite").is_dir():
        raise FileNotFoundError(
            f"data: expected a folder with suite/*.csv.gz and other/*.json, got {str(folder)!r}. "
            f"Name it by --data or in ${DATA}"
        )
    return folder


def tasks(data: str | os.PathLike[str] | None = None, reporting: bool = False) -> list[Task]:
    """Return the tasks of the suite.

    Parameters
    ----------
    data : path-like, optional
        Folder of the tables, see :func:`data_folder`.
    reporting : bool
        Whether to add the tasks for reporting.

    Raises
    ------
    FileNotFoundError
        If the tables are not there.
    """
    folder = data_folder(data)
    found = [
        Task(
            f"nb201 {name}",
            Objective(name),
            _of_classes,
            noisy=name.startswith("noise"),
            quick=name in ("mean", "noise 0.3"),
        )
        for name in OBJECTIVES
    ]
    nb101 = crlso.benchmarks.NASBench101()
    found.append(Task("nb101 test", nb101, _of_test, goal_rank=2))
    found.append(Task("nb101 simulated", nb101.simulated_validation(0), _of_validation, goal_rank=10, noisy=True))
    found.append(Task("darts stand-in", crlso.benchmarks.NASBench301.standin(), _of_sample, goal=95.3))
    found.append(Task("macro", _macro(folder), _of_table, quick=True))
    for name in ("arxiv", "cora", "physics"):
        found.append(Task(f"graph {name}", _table(folder, f"nasbenchgraph_{name}", "nasbenchgraph"), _of_table))
    for name in ("jigsaw", "segmentsemantic", "class_object"):
        table = _table(folder, f"transnas_micro_{name}", "transnas_micro")
        found.append(Task(f"transnas {name}", table, _of_table, quick=name == "jigsaw"))
    if reporting:
        for name in ("cifar100", "ImageNet16-120"):
            found.append(Task(f"nb201 {name}", crlso.benchmarks.NASBench201(name), _of_classes, reporting=True))
    return found


def _table(folder: Path, name: str, space: str) -> crlso.benchmarks.Tabular:
    """Read a table of the folder; a search sees its cells only."""
    text = gzip.decompress((folder / "suite" / f"{name}.csv.gz").read_bytes()).decode()
    benchmark = crlso.benchmarks.Tabular.from_csv(
        text, crlso.spaces.CellSpace.from_toml(folder / "suite" / f"{space}.toml")
    )
    benchmark.name = name
    return benchmark


def _macro(folder: Path) -> crlso.benchmarks.Tabular:
    """Read NAS-Bench-Macro: a chain of eight layers with three choices, and the mean accuracy of three runs."""
    rows = json.loads((folder / "other" / "nas-bench-macro_cifar10.json").read_text())
    layers = len(next(iter(rows)))
    space = crlso.spaces.CellSpace(
        nodes=layers + 2,
        operations=["identity", "mb3_k3", "mb6_k5"],
        operations_on="nodes",
        edges=[(i, i + 1) for i in range(layers + 1)],
    )
    codes = np.array([list(map(int, text)) for text in rows], dtype=np.uint8)
    return crlso.benchmarks.Tabular(space, codes, [row["mean_acc"] for row in rows.values()], name="nas-bench-macro")


class Factory:
    """A function that makes an optimiser, as an option that a later run can identify."""

    def __init__(self, function: Callable[..., Optimiser]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"


class Made(Optimiser):
    """The optimiser that a factory makes: ``factory(space, rng=..., budget=...)``."""

    name = "made"

    def __new__(cls, space: Any, *, factory: Factory, rng: Any = 0, budget: int | None = None) -> Any:
        return factory.function(space, rng=rng, budget=budget)


def run(
    methods: Mapping[str, Any] | Iterable[str],
    chosen: Sequence[Task] | None = None,
    seeds: int | Iterable[int] = 20,
    budget: int = 100,
    *,
    jobs: int = 1,
    path: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Standings:
    """Run methods on tasks of the suite and rank them.

    Parameters
    ----------
    methods : mapping or iterable of str
        Names of methods, with options as in ``"cr-lso:beta=2"``; or a mapping of labels to names, subclasses of
        Optimiser, pairs of these with options, or functions ``f(space, rng=..., budget=...)`` that return an optimiser.
    chosen : sequence of Task, optional
        By default :func:`tasks`.
    seeds, jobs, path, progress
        As for :func:`crlso.compare`.
    budget : int
        Queries of each search.

    Returns
    -------
    Standings

    Raises
    ------
    RuntimeError
        If a search failed. Those that did not are in the file `path`.
    """
    chosen = tasks() if chosen is None else list(chosen)
    if isinstance(methods, Mapping):
        methods = {label: _method(entry) for label, entry in methods.items()}
    else:
        methods = list(methods)
    comparison = crlso.compare(
        [task.benchmark for task in chosen],
        methods,
        seeds=seeds,
        budget=budget,
        jobs=jobs,
        path=path,
        checkpoints=[mark for mark in MARKS if mark <= budget],
        progress=progress,
    )
    failed = comparison.failures
    if failed:
        raise RuntimeError(f"{len(failed)} searches failed, the first with {failed[0]['error']}")
    return standings(chosen, comparison.records, budget)


def _method(entry: Any) -> Any:
    """Return a method as crlso.compare takes it."""
    if isinstance(entry, str):
        return crlso.comparison.parse_method(entry)
    if isinstance(entry, (tuple, type)):
        return entry
    return Made, {"factory": Factory(entry)}


def main() -> None:
    """Run the suite and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="cr-lso,gp,gp:initial=8:batch=1", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=None, metavar="N", help="default: 20")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--budget", type=int, default=None, metavar="N", help="default: 100")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--tasks", default=None, help="names of tasks, separated by commas")
    parser.add_argument("--reporting", action="store_true", help="add the tasks by which nothing is chosen")
    parser.add_argument("--quick", action="store_true", help="few tasks, seeds and queries")
    parser.add_argument("--data", default=None, metavar="FOLDER", help=f"tables; default: ${DATA}, ../shared/data")
    parser.add_argument("--out", default=None, metavar="FILE", help="records of searches, which are not run again")
    parser.add_argument("--json", default=None, metavar="FILE", help="write all numbers to a file")
    arguments = parser.parse_args()
    try:
        chosen = _chosen(tasks(arguments.data, arguments.reporting), arguments)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    seeds = arguments.seeds or (_QUICK["seeds"] if arguments.quick else 20)
    budget = arguments.budget or (_QUICK["budget"] if arguments.quick else 100)
    found = run(
        [name.strip() for name in arguments.methods.split(",")],
        chosen,
        range(arguments.first_seed, arguments.first_seed + seeds),
        budget,
        jobs=arguments.jobs,
        path=arguments.out,
    )
    print(text_of(found))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({**found, "version": crlso.__version__}, indent=1, allow_nan=False))


def _chosen(known: list[Task], arguments: argparse.Namespace) -> list[Task]:
    """Tasks that the options select."""
    if arguments.tasks is None:
        return [task for task in known if task.quick or not arguments.quick]
    names = [name.strip() for name in arguments.tasks.split(",")]
    by_name = {task.name: task for task in known}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f"--tasks: expected some of {', '.join(by_name)}, got {', '.join(unknown)}")
    return [by_name[name] for name in names]


if __name__ == "__main__":
    main()
