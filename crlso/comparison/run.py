"""Many searches, compared: methods on benchmarks over seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crlso._base.checks import check_int, is_int
from crlso._base.plain import plain
from crlso._version import __version__
from crlso.comparison.records import KEYS, Record, Task, run_searches
from crlso.comparison.result import Comparison
from crlso.studies.progress import listener
from crlso.studies.run import check_benchmark, make_optimiser

__all__ = ["CHECKPOINTS", "checked_checkpoints", "compare", "parse_method"]

CHECKPOINTS = (32, 64, 100, 128, 150, 300, 500, 1000, 2000, 5000)
"""Queries after which methods are compared, as far as the budget goes; the budget itself is always one."""


def compare(
    benchmarks: Any,
    methods: Any = ("cr-lso", "gp", "evolution", "local", "random"),
    seeds: int | Iterable[int] = 10,
    budget: int = 100,
    *,
    executor: Any = None,
    jobs: int = 1,
    path: str | os.PathLike[str] | None = None,
    checkpoints: Sequence[int] | None = None,
    progress: Any = None,
) -> Comparison:
    """Run methods on benchmarks over seeds and compare them.

    Every search is ``crlso.search(benchmark, method, budget, rng=seed)``: methods see the same seeds. Where values have
    noise, as in :meth:`crlso.benchmarks.NASBench101.simulated_validation`, it is ``benchmark.for_seed(seed)`` that is
    searched: other noise for each seed, the same for all methods. What a search gives does not depend on where and
    beside what it runs. A search that raises is logged and counts as failed; the others go on.

    Parameters
    ----------
    benchmarks : benchmark or sequence of benchmarks
        Each with a name and dataset of its own; ``for_seed(seed)``, where there is one, gives what the searches with
        that seed see.
    methods : str, class, sequence of these, or mapping
        Names in :data:`crlso.methods.METHODS`, perhaps with options as in ``"cr-lso-paper:gradient=false"``, or
        subclasses of :class:`crlso.methods.Optimiser`. A mapping gives labels to methods or to pairs
        ``(method, options)``.
    seeds : int or iterable of int
        A number n stands for 0 to n - 1.
    budget : int
        Queries of each search.
    executor : concurrent.futures.Executor or the like, optional
        Where searches run: anything with ``submit(function, *arguments)`` that gives futures. Benchmarks and classes
        of methods must be picklable if it runs other processes.
    jobs : int
        Without an executor: processes to start, with one thread each; 1 runs all searches in this process. They are
        spawned: a script needs ``if __name__ == "__main__":``, and what a notebook defines cannot be sent to them
        (an executor of loky can do that).
    path : path-like, optional
        A file of JSON lines, one per search, that is appended to. Searches that are in it already are not run again,
        unless they failed; a last line that was only half written is dropped. A search is known by the names of
        benchmark, dataset and objective, its method and options, seed, budget and the version of crlso.
    checkpoints : sequence of int, optional
        See :data:`CHECKPOINTS`.
    progress : bool or callable, optional
        As for :func:`crlso.search`.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        For arguments that cannot be used, before any search is run; for a file whose lines are no results.
    OSError
        When the file cannot be read or written.

    Examples
    --------
    >>> import crlso
    >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
    >>> result = crlso.compare(benchmark, ["local", "random"], seeds=4, budget=20)
    >>> [(row["method"], row["checkpoint"], row["n"]) for row in result.to_dict()["results"]]
    [('local', 20, 4), ('random', 20, 4)]
    """
    given = list(benchmarks) if isinstance(benchmarks, (list, tuple)) else [benchmarks]
    chosen = _checked_methods(methods)
    numbers = _checked_seeds(seeds)
    jobs = check_int("jobs", jobs, 1)
    heads = _checked_heads(given, chosen, budget)
    marks = checked_checkpoints(checkpoints, budget)
    tasks = [
        Task(label, position, method, options, {**heads[position, label], "seed": seed})
        for position in range(len(given))
        for seed in numbers
        for label, (method, options) in chosen.items()
    ]
    with listener(progress) as listening:
        found = run_searches(tasks, given, executor, jobs, path, listening.report)
    records = [{**found[task.key], "label": task.label} for task in tasks]
    return Comparison(records, marks)


def parse_method(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of a method from text like ``"evolution:population=10:tournament=3"``.

    Raises
    ------
    ValueError
        For text of another form.

    Examples
    --------
    >>> parse_method("cr-lso-paper:gradient=false:preset=fast")
    ('cr-lso-paper', {'gradient': False, 'preset': 'fast'})
    """
    name, *pairs = text.split(":")
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"methods: expected options as name:option=value, got {text!r:.200}")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return name, options


def checked_checkpoints(checkpoints: Any, budget: int) -> tuple[int, ...]:
    """Checkpoints in ascending order, up to the budget and with it."""
    marks = CHECKPOINTS if checkpoints is None else tuple(checkpoints)
    queries = [check_int("checkpoints", mark, 1) for mark in marks]
    return tuple(sorted({*(mark for mark in queries if mark < budget), int(budget)}))


def _checked_methods(methods: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Label -> method and options."""
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
            raise ValueError(f"methods: expected each once, got {label!r:.100} twice")
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
        raise ValueError(f"seeds: expected at least one and each once, got {numbers!r:.100}")
    return numbers


def _checked_heads(
    benchmarks: list[Any], chosen: dict[str, tuple[Any, dict[str, Any]]], budget: Any
) -> dict[Any, Record]:
    """What identifies the searches of each benchmark and label, but for their seeds."""
    heads: dict[Any, Record] = {}
    names = set()
    for position, benchmark in enumerate(benchmarks):
        check_benchmark(benchmark)
        name = tuple(_text(getattr(benchmark, key, None)) for key in ("name", "dataset", "objective"))
        if name in names:
            raise ValueError(f"benchmarks: expected different names and datasets, got {name} twice")
        names.add(name)
        for label, (method, options) in chosen.items():
            make_optimiser(method, benchmark.space, 0, budget, options)  # raises for what no search could be made of
            called = method if isinstance(method, str) else method.name
            given = (*name, called, plain(options), None, int(budget), __version__)
            heads[position, label] = dict(zip(KEYS, given))
    if not names:
        raise ValueError("benchmarks: expected at least one, got none")
    return heads


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
