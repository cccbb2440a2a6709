"""Benchmark suite: compare methods on sixteen tasks of six benchmarks, and rank them over all tasks.

    python -m benchmarks.suite --methods cr-lso,gp,gp:initial=8:batch=1 --seeds 20 --jobs 2 --out suite.jsonl

Settings of the default method are chosen by the aggregate over these tasks:

- NAS-Bench-201: the six objectives on CIFAR-10 of ``benchmarks.designs``;
- NAS-Bench-101: test accuracy, and simulated validation;
- the stand-in of NAS-Bench-301 for the DARTS space;
- NAS-Bench-Macro: networks of eight layers;
- NAS-Bench-Graph: arxiv, cora and physics, 26,206 measured cells of a larger space;
- TransNAS-Bench-101 micro: jigsaw, segmentsemantic and class_object.

A search has arrived at its goal with the best cell, or with one of the best few where 100 queries hardly ever find the
best one: a benchmark of which every search misses the goal would tell nothing by queries.

``--reporting`` adds CIFAR-100 and ImageNet16-120 of NAS-Bench-201, by which nothing is chosen. They are shown by
themselves and are in no aggregate. ``--tasks`` runs some tasks only. ``--quick`` takes about two minutes: a few tasks
that are ranked completely, three seeds, 48 queries.

The last two benchmarks are read from a folder of tables, ``--data`` or ``$CRLSO_SUITE_DATA``, by default
``../shared/data`` beside the repository. It has the files ``suite/*.csv.gz`` with their spaces.

Searches that are in the file ``--out`` are not run again, so that a run can be continued and methods added.
The method ``latents-alone`` is cr-lso as it was before, with a process on latents alone. ``encoders-on-5000-cells``,
and the same with 10000 and 20000, are cr-lso in spaces too large to list with encoders made as those of a user's space.
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
from crlso.methods import CRLSO, Optimiser
from crlso.methods.bayesian import (
    AcquisitionClimb,
    BayesianSearch,
    BestOfReservoir,
    LatentEncoder,
    LatentMoves,
    ProcessSurrogate,
    UpperConfidenceBound,
)
from crlso.models import GraphVAE, Kernel
from crlso.models.shaped import shaped_vae
from crlso.random import seed_of
from crlso.spaces.features import CellFeatures

DATA = "CRLSO_SUITE_DATA"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
_DARTS_BEST = 95.801  # where most of 150 steepest ascents from good random cells end; none ends higher
_REFERENCE = 20_000  # random cells of a space too large to list, among which cells are ranked
REPORTING = ("nb201 cifar100", "nb201 ImageNet16-120")
QUICK = ("nb201 mean", "nb201 noise 0.3", "macro", "transnas jigsaw")


@dataclasses.dataclass(frozen=True, eq=False)
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
    best : float, optional
        The highest value known, for a benchmark that does not know its own.
    noisy : bool
        Whether values differ between seeds.
    reporting : bool
        Whether the task is for reports only.
    """

    name: str
    benchmark: Any
    values: Callable[[Any], Any]
    goal_rank: int = 1
    goal: float | None = None
    best: float | None = None
    noisy: bool = False
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


def _of_test_of_classes(benchmark: Any) -> Any:
    return benchmark.test(benchmark.space.classes().codes)


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
            f"data: expected a folder with suite/*.csv.gz, got {str(folder)!r}. Name it by --data or in ${DATA}"
        )
    return folder


def tasks(
    data: str | os.PathLike[str] | None = None, reporting: bool = False, only: Iterable[str] | None = None
) -> list[Task]:
    """Return the tasks of the suite.

    Parameters
    ----------
    data : path-like, optional
        Folder of the tables, see :func:`data_folder`; not needed if no task in `only` has one.
    reporting : bool
        Whether to add the tasks for reporting.
    only : iterable of str, optional
        Names of tasks, of those for reporting too; by default all.

    Raises
    ------
    FileNotFoundError
        If the tables are not there.
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> [task.name for task in tasks(only=["nb201 mean", "nb201 cifar100"])]
    ['nb201 mean', 'nb201 cifar100']
    """
    makers = _makers(data)
    names = [name for name in makers if reporting or name not in REPORTING] if only is None else list(only)
    unknown = [name for name in names if name not in makers]
    if unknown:
        raise ValueError(f"tasks: expected some of {', '.join(makers)}, got {', '.join(unknown)}")
    return [makers[name](name) for name in names]


def _makers(data: Any) -> dict[str, Callable[[str], Task]]:
    """Functions that make the tasks, by name: reading a table takes seconds."""
    makers: dict[str, Callable[[str], Task]] = {}
    for objective in OBJECTIVES:
        makers[f"nb201 {objective}"] = functools.partial(_nb201, objective)
    makers["nb101 test"] = lambda name: Task(name, crlso.benchmarks.NASBench101(), _of_test, goal_rank=2)
    makers["nb101 simulated"] = _nb101_simulated
    makers["darts stand-in"] = _darts
    makers["macro"] = lambda name: Task(name, crlso.benchmarks.NASBenchMacro(), _of_test_of_classes)
    for table in ("arxiv", "cora", "physics"):
        makers[f"graph {table}"] = functools.partial(_tabular, data, f"nasbenchgraph_{table}", "nasbenchgraph", 10)
    for table in ("jigsaw", "segmentsemantic", "class_object"):
        makers[f"transnas {table}"] = functools.partial(_tabular, data, f"transnas_micro_{table}", "transnas_micro", 5)
    for name in REPORTING:
        makers[name] = _nb201_reporting
    return makers


def _nb201(objective: str, name: str) -> Task:
    return Task(name, Objective(objective), _of_classes, noisy=objective.startswith("noise"))


def _nb201_reporting(name: str) -> Task:
    dataset = name.removeprefix("nb201 ")
    return Task(name, crlso.benchmarks.NASBench201(dataset), _of_classes, reporting=True)


def _nb101_simulated(name: str) -> Task:
    benchmark = crlso.benchmarks.NASBench101().simulated_validation(0)
    return Task(name, benchmark, _of_validation, goal_rank=10, noisy=True)


def _darts(name: str) -> Task:
    return Task(name, crlso.benchmarks.NASBench301.standin(), _of_sample, goal=95.3, best=_DARTS_BEST)


def _tabular(data: Any, table: str, space: str, goal_rank: int, name: str) -> Task:
    return Task(name, _table(data_folder(data), table, space), _of_table, goal_rank)


def _table(folder: Path, name: str, space: str) -> crlso.benchmarks.Tabular:
    """Read a table of the folder; a search sees its cells only."""
    text = gzip.decompress((folder / "suite" / f"{name}.csv.gz").read_bytes()).decode()
    benchmark = crlso.benchmarks.Tabular.from_csv(
        text, crlso.spaces.CellSpace.from_toml(folder / "suite" / f"{space}.toml")
    )
    benchmark.name = name
    return benchmark


class Factory:
    """A function that makes an optimiser, as an option of :class:`Made`."""

    def __init__(self, function: Callable[..., Optimiser]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"  # in the file of results: no address


class Made(Optimiser):
    """The optimiser that a factory makes: ``factory(space, rng=..., budget=...)``."""

    name = "made"

    def __new__(cls, space: Any, *, factory: Factory, rng: Any = 0, budget: int | None = None) -> Any:
        """Return what the factory makes, which is no instance of this class."""
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
        first = failed[0]
        where = f"{first['label']} on {first['benchmark']}, seed {first['seed']}"
        raise RuntimeError(f"{len(failed)} searches failed, the first of them {where}: {first['error']}")
    return standings(chosen, comparison.records, budget)


def _method(entry: Any) -> Any:
    """Return a method as crlso.compare takes it."""
    if isinstance(entry, str):
        return crlso.comparison.parse_method(entry)
    if isinstance(entry, (tuple, type)):
        return entry
    return Made, {"factory": Factory(entry)}


def latents_alone(space: Any, *, rng: Any = 0, budget: int | None = None) -> Optimiser:
    """Return cr-lso with one process, on latents, and the bound of 1.5 deviations, as it was before the suite."""
    latents = LatentEncoder()
    return BayesianSearch(
        space,
        encoder=latents,
        surrogate=ProcessSurrogate(Kernel(weights=((0.25, 0.5, 1.0, 2.0, 4.0),))),
        acquisition=UpperConfidenceBound(1.5),
        sources=[LatentMoves(latents, 200), BestOfReservoir(), AcquisitionClimb(4)],
        rng=rng,
        budget=budget,
    )


@functools.cache
def _trained_encoders(space: Any, cells: int, draw: int) -> list[GraphVAE]:
    codes = space.sample_up_to(cells, rng=1000 + draw)
    features = CellFeatures(space, space.canonicalise(space.sample(2000, rng=5)))
    return [shaped_vae(space, codes, features, rng=10 * draw + i) for i in range(2)]


def with_encoders_on(cells: int) -> Callable[..., Optimiser]:
    """Return cr-lso with encoders trained on so many random cells, as in a user's space; seeds share four pairs."""

    def made(space: Any, *, rng: Any = 0, budget: int | None = None) -> Optimiser:
        return CRLSO(space, rng=rng, budget=budget, encoder=_trained_encoders(space, cells, seed_of(rng) % 4))

    made.__qualname__ = f"encoders-on-{cells}-cells"  # what tells records apart
    return made


COMPOSITIONS = {
    "latents-alone": latents_alone,
    **{f"encoders-on-{cells}-cells": with_encoders_on(cells) for cells in (5000, 10000, 20000)},
}


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
    names = arguments.tasks.split(",") if arguments.tasks else QUICK if arguments.quick else None
    try:
        chosen = tasks(arguments.data, arguments.reporting, names and [name.strip() for name in names])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    seeds = arguments.seeds or (3 if arguments.quick else 20)
    budget = arguments.budget or (48 if arguments.quick else 100)
    names = [name.strip() for name in arguments.methods.split(",")]
    found = run(
        {name: COMPOSITIONS.get(name, name) for name in names},
        chosen,
        range(arguments.first_seed, arguments.first_seed + seeds),
        budget,
        jobs=arguments.jobs,
        path=arguments.out,
    )
    print(text_of(found))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({**found, "version": crlso.__version__}, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
