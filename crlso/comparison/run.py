"""The function :func:`compare`, which runs methods on benchmarks over seeds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crlso._base.checks import check_int, check_members, is_int
from crlso._base.files import check_folder
from crlso._base.fingerprint import UnidentifiedError, fingerprint
from crlso._base.names import native_names
from crlso._base.plain import plain
from crlso._version import __version__
from crlso.comparison.checkpoints import checked_checkpoints
from crlso.comparison.fronts import scale_of
from crlso.comparison.processes import refuse_unguarded
from crlso.comparison.records import KEYS, Record
from crlso.comparison.result import Comparison
from crlso.comparison.running import run_searches
from crlso.comparison.tasks import Task
from crlso.methods import METHODS
from crlso.methods.base import default_budget, reporting
from crlso.methods.naming import parse_method
from crlso.studies.goals import Goals, goals_of
from crlso.studies.progress import listener
from crlso.studies.run import make_optimiser

__all__ = ["DEFAULT_METHODS", "FRONT_METHODS", "compare"]

DEFAULT_METHODS = ("cr-lso", "gp", "evolution", "local", "random")
FRONT_METHODS = ("cr-lso", "gp", "nsga2", "random")
"""Methods that are compared by default with several objectives."""


@native_names
def compare(
    benchmarks: Any,
    methods: Any = None,
    seeds: int | Iterable[int] = 10,
    budget: int | None = None,
    *,
    objectives: Sequence[str] | None = None,
    constraints: Mapping[str, Any] | None = None,
    executor: Any = None,
    jobs: int = 1,
    path: str | os.PathLike[str] | None = None,
    checkpoints: Sequence[int] | None = None,
    progress: Any = None,
) -> Comparison:
    """Run methods on benchmarks over seeds and compare them.

    Every search is ``crlso.search(benchmark, method, budget, rng=seed)``, so all methods use the same seeds. If a
    benchmark has ``for_seed``, as a noisy one does, ``benchmark.for_seed(seed)`` is searched instead: the noise differs
    between seeds and is the same for all methods. Results do not depend on the executor. A search that raises is
    logged and counts as failed; the others continue.

    Parameters
    ----------
    benchmarks : benchmark or sequence of benchmarks
        Benchmarks with different names or datasets.
    methods : str, class, sequence of these, or mapping
        Names in :data:`crlso.methods.METHODS`, optionally with options as in ``"cr-lso-paper:gradient=false"``, or
        subclasses of :class:`crlso.methods.Optimiser`. A mapping maps labels to methods or to pairs
        ``(method, options)``. By default :data:`DEFAULT_METHODS`, or with several objectives :data:`FRONT_METHODS`.
    seeds : int or iterable of int
        Seeds; an int n stands for 0 to n - 1.
    budget : int, optional
        Queries of each search. By default 100, or all classes of the smallest space if it has fewer, with a warning.
    objectives : sequence of str, optional
        As for :func:`crlso.search`, the same for all benchmarks and methods. With several objectives, searches are
        compared by hypervolume regret, if the benchmark is a table that knows the objectives of all its cells.
    constraints : mapping, optional
        As for :func:`crlso.search`, the same for all benchmarks and methods.
    executor : concurrent.futures.Executor, optional
        Where searches run: any object whose ``submit(function, *arguments)`` returns a future. If it runs other
        processes, benchmarks and methods must be picklable.
    jobs : int
        Number of processes to start if there is no executor, with one thread each; 1 runs all searches in this
        process. Processes are spawned, so a script needs ``if __name__ == "__main__":``. Functions and classes defined
        in a notebook cannot be sent to them; an executor of loky can do that. Processes end when this one ends,
        however it ends.
    path : path-like, optional
        File of JSON lines, one per search, to which records are appended; one run at a time writes to it. Searches
        that are complete in the file are not run again. Damaged lines are logged with their numbers, and their
        searches run again. A search is identified by the names of benchmark, dataset and objective, by its method,
        options, seed and budget, by the version of crlso, and by fingerprints of the space, of the benchmark and of
        the method with its options. See the notes.
    checkpoints : sequence of int, optional
        Numbers of queries after which to compare; by default :data:`CHECKPOINTS`.
    progress : bool or callable, optional
        As for :func:`crlso.search`.

    Returns
    -------
    Comparison
        A record of each search, also if it failed or was in the file already, and the checkpoints.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, before any search is run; if a line of the file is not a record; or if a benchmark
        or a method cannot be identified, which `path` needs, or not be sent to processes, which `jobs` needs.
    RuntimeError
        If processes run the script when they import it, because it has no ``if __name__ == "__main__":``.
    BlockingIOError
        If another run writes to the file. The message names its process and host.
    OSError
        If the file cannot be read or written.

    Notes
    -----
    A fingerprint covers the values of a table, the code of a function with the functions and values that it uses from
    its module, the weights of a model, the attributes of any other object. So results are not taken for those of
    another table, an edited function or another encoder; the old ones stay in the file. What an
    evaluation writes to, such as a list of calls, does not count, and neither do files that it reads. A module counts
    by its name: functions of your own are followed when they are imported by name (``from mine import train``).

    A benchmark of a lambda, or one that uses an object without identity (a lock, an open file), is refused with
    `path` unless it has a name: ``Function(space, f, name="mine")``. Objects that a named function takes from outside,
    such as a generator of random numbers, count by their class; without the name, their state counts too. An object
    with a method ``fingerprint()`` says itself what identifies it, for example a text or a number.

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> result = crlso.compare(benchmark, ["local", "random"], seeds=4, budget=20)
    >>> [(row["method"], row["checkpoint"], row["n"]) for row in result.to_dict()["results"]]
    [('local', 20, 4), ('random', 20, 4)]
    """
    refuse_unguarded()
    given = list(benchmarks) if isinstance(benchmarks, (list, tuple)) else [benchmarks]
    wanted: dict[str, Any] = {"objectives": objectives, "constraints": constraints}
    goals = [goals_of(benchmark, **wanted) for benchmark in given]
    usual = FRONT_METHODS if any(len(goal.objectives) > 1 for goal in goals) else DEFAULT_METHODS
    chosen = _checked_methods(usual if methods is None else methods)
    numbers = _checked_seeds(seeds)
    jobs = check_int("jobs", jobs, 1)
    if executor is not None:
        check_members("executor", executor, ("submit",), "an executor, with the method submit")
    if path is not None:
        check_folder("path", path)
    if budget is None:
        budget = min((default_budget(goal.benchmark.space) for goal in goals), default=1)
    with listener(progress) as listening:
        with reporting(listening.report):  # a method may train encoders when it is made
            heads = _checked_heads(given, goals, chosen, budget, identify=path is not None)
        scales = [scale_of(goal, benchmark) for goal, benchmark in zip(goals, given)]
        marks = checked_checkpoints(checkpoints, budget)
        tasks = [
            Task(label, position, method, options, {**heads[position, label], "seed": seed}, wanted, scales[position])
            for position in range(len(given))
            for seed in numbers
            for label, (method, options) in chosen.items()
        ]
        found = run_searches(tasks, given, executor, jobs, path, listening.report)
    records = [{**found[task.key], "label": task.label} for task in tasks]
    if path is None:
        records = [{**record, "fingerprint": None} for record in records]
    return Comparison(records, marks)


def _checked_methods(methods: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Methods and options by label."""
    if isinstance(methods, (str, type)):
        methods = [methods]
    if not isinstance(methods, Iterable):
        raise TypeError(f"methods: expected names, classes or a mapping, got {type(methods).__name__}")
    chosen: dict[str, tuple[Any, dict[str, Any]]] = {}
    if isinstance(methods, Mapping):
        entries = [
            (str(label), *(entry if isinstance(entry, tuple) else (entry, {}))) for label, entry in methods.items()
        ]
    else:
        entries = []
        for entry in methods:
            method, options = parse_method(entry) if isinstance(entry, str) else (entry, {})
            entries.append((entry if isinstance(entry, str) else getattr(entry, "name", str(entry)), method, options))
    for label, method, options in entries:
        if label in chosen:
            raise ValueError(f"methods: expected different methods, got {label!r:.100} twice")
        chosen[label] = (method, dict(options))
    if not chosen:
        raise ValueError("methods: expected at least one, got none")
    return chosen


def _checked_seeds(seeds: Any) -> list[int]:
    if is_int(seeds):
        return list(range(check_int("seeds", seeds, 1)))
    if isinstance(seeds, (bool, str)) or not isinstance(seeds, Iterable):
        raise TypeError(f"seeds: expected a number of seeds or a sequence of them, got {type(seeds).__name__}")
    numbers = [check_int("seeds", seed, 0) for seed in seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"seeds: expected at least one seed and no repetition, got {numbers!r:.100}")
    return numbers


def _checked_heads(
    benchmarks: list[Any],
    goals: list[Goals],
    chosen: dict[str, tuple[Any, dict[str, Any]]],
    budget: Any,
    identify: bool,
) -> dict[Any, Record]:
    """Values of KEYS, except the seed, and of GOALS, by position of the benchmark and label."""
    heads: dict[Any, Record] = {}
    # Before an optimiser is made, which may change its options.
    methods = {label: _method_fingerprint(*chosen[label]) if identify else {} for label in chosen}
    names = set()
    for position, (benchmark, goal) in enumerate(zip(benchmarks, goals)):
        name = tuple(_text(getattr(benchmark, key, None)) for key in ("name", "dataset", "objective"))
        if name in names:
            raise ValueError(f"benchmarks: expected different names and datasets, got {name} twice")
        names.add(name)
        space = goal.benchmark.space
        prints = _benchmark_fingerprint(benchmark, space) if identify else {}
        for label, (method, options) in chosen.items():
            make_optimiser(method, space, 0, budget, options, goal.objectives, goal.bounds)  # raises if it cannot be
            called = method if isinstance(method, str) else method.name
            # Without fingerprints, only the label tells apart methods that share a name and the text of their options.
            identity = {**prints, **methods[label]} if identify else {"label": label}
            given = (*name, called, plain(options), None, int(budget), __version__, identity)
            heads[position, label] = {**dict(zip(KEYS, given)), **_goals_of_record(goal)}
    if not names:
        raise ValueError("benchmarks: expected at least one, got none")
    return heads


def _goals_of_record(goal: Goals) -> Record:
    found = {"objectives": [*map(str, goal.objectives)], "constraints": goal.constraints}
    return found if len(goal.objectives) > 1 or goal.constraints else {}


def _benchmark_fingerprint(benchmark: Any, space: Any) -> dict[str, str]:
    try:
        return {"space": fingerprint(space), "benchmark": fingerprint(benchmark)}
    except UnidentifiedError as error:
        raise ValueError(
            f"path: expected a benchmark that a later run can identify, got {error} in "
            f"{getattr(benchmark, 'name', type(benchmark).__name__)!r:.100}. Give it a name, as in Function(space, f, "
            'name="..."), or a method `fingerprint` that returns what identifies it, for example a text'
        ) from None


def _method_fingerprint(method: Any, options: dict[str, Any]) -> dict[str, str]:
    kind = METHODS[method] if isinstance(method, str) and method in METHODS else method
    try:
        return {"method": fingerprint((kind, options))}
    except UnidentifiedError as error:
        raise ValueError(
            f"path: expected methods and options that a later run can identify, got {error}. Use a function that is "
            "made by `def`, or an object with a method `fingerprint` that returns what identifies it"
        ) from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
