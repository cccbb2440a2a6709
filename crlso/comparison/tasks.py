"""The searches of a comparison: what to run, and the record of each."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from crlso._base.plain import plain
from crlso.comparison.fronts import FrontScale, scale_of, volumes_of
from crlso.comparison.records import Record, key_of
from crlso.methods.base import Optimiser
from crlso.studies.goals import goals_of
from crlso.studies.run import search
from crlso.studies.study import Study

__all__ = ["Task", "as_they_come", "failed", "run_search"]

_log = logging.getLogger("crlso.compare")


@dataclass(frozen=True)
class Task:
    """A search to run: a method, its options, a benchmark, goals, a seed and a budget."""

    label: str
    position: int  # of the benchmark in the list of benchmarks
    method: str | type[Optimiser]
    options: dict[str, Any]
    head: Record  # values of KEYS, and of GOALS if there are any
    goals: dict[str, Any] = field(default_factory=dict)  # arguments of crlso.search
    scale: FrontScale | None = None  # of the benchmark, unless it is another one for each seed

    @property
    def key(self) -> str:
        """The identity of the search as text, see :func:`key_of`."""
        return key_of(self.head)


def run_search(benchmark: Any, task: Task) -> Record:
    """Run one search and return its record; if the search raises, the record is a failed one."""
    seed, budget = task.head["seed"], task.head["budget"]
    scale = task.scale
    try:
        for_seed = getattr(benchmark, "for_seed", None)  # any object with space and evaluate is a benchmark
        if callable(for_seed) and (own := for_seed(seed)) is not benchmark:
            benchmark, scale = own, scale_of(goals_of(own, **task.goals), own)
        study = search(benchmark, task.method, budget, seed, progress=False, **task.goals, **task.options)
        record: Record = {
            **task.head,
            "label": task.label,
            "state": "complete",
            "error": None,
            "n_queries": study.n_queries,
            "trajectory": study.trajectory,
            **study.to_dict()["best"],
            "optimum": study.optimum,
            "seconds": study.seconds,
            "sources": study.diagnostics.get("sources"),
            "space": getattr(study.best.cell, "space", None) if study.trajectory else None,
            **_front(study, scale),
        }
    except Exception as error:
        _log.debug("traceback of the failure", exc_info=True)
        record = failed(task, error)
    document: Record = plain(record)
    return document


def _front(study: Study, scale: FrontScale | None) -> Record:
    """What the record of a search for several objectives has of its front."""
    if len(study.objectives) < 2:
        return {}
    if scale is None:
        return {"volumes": None, "best_volume": None}
    return {"volumes": volumes_of(study, scale), "best_volume": scale.best}


def failed(task: Task, error: BaseException) -> Record:
    """Return the record of a failed search."""
    nothing = {"n_queries": 0, "trajectory": [], "optimum": None, "seconds": {}}
    nothing |= dict.fromkeys(("cell", "index", "value", "test"))
    return {**task.head, "label": task.label, "state": "failed", "error": f"{type(error).__name__}: {error}", **nothing}


def as_they_come(
    tasks: Sequence[Task], submit: Callable[[Task], Future[Record]], window: int
) -> Iterator[tuple[Task, Future[Record]]]:
    """Submit at most `window` tasks at a time, and yield each task with its future when that is done.

    If submitting fails, the running tasks are yielded before the exception is raised.
    """
    waiting = list(reversed(tasks))
    done: queue.SimpleQueue[Future[Record]] = queue.SimpleQueue()
    running: dict[Any, Task] = {}
    trouble: Exception | None = None
    try:
        while running or (waiting and trouble is None):
            while waiting and len(running) < window and trouble is None:
                try:
                    future = submit(waiting[-1])
                except Exception as error:
                    trouble = error
                    break
                running[future] = waiting.pop()
                future.add_done_callback(done.put)
            if running:
                future = done.get()
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()
    if trouble is not None:
        raise trouble
