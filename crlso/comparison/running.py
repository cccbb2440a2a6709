"""Running the searches of a comparison: in this process, through an executor, or in processes of our own."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

from crlso.comparison.processes import through_processes
from crlso.comparison.records import Record, Results
from crlso.comparison.tasks import Task, as_they_come, failed, run_search

__all__ = ["run_searches"]

_log = logging.getLogger("crlso.compare")


def run_searches(
    tasks: Sequence[Task],
    benchmarks: Sequence[Any],
    executor: Executor | None,
    jobs: int,
    path: str | os.PathLike[str] | None,
    report: Callable[[str, int, int], object] | None,
) -> dict[str, Record]:
    """Run the searches that are not in the file of records yet.

    Parameters
    ----------
    tasks : sequence of Task
        The searches.
    benchmarks : sequence
        The benchmarks that tasks refer to by position.
    executor : concurrent.futures.Executor or None
        Where to run searches; None uses `jobs` processes.
    jobs : int
        Number of processes; 1 runs all searches in this process.
    path : path-like or None
        File of records.
    report : callable or None
        Called as ``report("searches", done, total)``.

    Returns
    -------
    dict of str to dict
        Records by ``task.key``, including all other records of the file.
    """
    with Results.opened(path) as results:
        known = {task.key: task for task in tasks if not results.has(task.head)}
        todo = list(known.values())
        results.log_differences(task.head for task in todo)
        done = len(tasks) - len(todo)
        with contextlib.closing(_finished(todo, benchmarks, executor, jobs)) as finished:  # type: ignore[type-var]
            for record in finished:
                results.add(record)
                if record["state"] == "failed":
                    where = f"{record['method']} on {record['benchmark']}/{record['dataset']}, seed {record['seed']}"
                    _log.warning("%s failed: %s", where, record["error"])
                done += 1
                if report is not None:
                    report("searches", done, len(tasks))
    return results.records


def _finished(
    tasks: Sequence[Task], benchmarks: Sequence[Any], executor: Executor | None, jobs: int
) -> Iterator[Record]:
    """Return an iterator that runs searches and yields their records."""
    if executor is not None:
        return _through(executor, tasks, benchmarks)
    if jobs == 1 or len(tasks) <= 1:
        return (run_search(benchmarks[task.position], task) for task in tasks)
    return through_processes(tasks, benchmarks, min(jobs, len(tasks)))


def _through(executor: Executor, tasks: Sequence[Task], benchmarks: Sequence[Any]) -> Iterator[Record]:
    """Yield records from an executor as searches finish; an exception of a future fails only its own search."""
    submit = lambda task: executor.submit(run_search, benchmarks[task.position], task)  # noqa: E731
    for task, future in as_they_come(tasks, submit, len(tasks)):
        try:
            record = future.result()
        except Exception as error:
            record = failed(task, error)
        yield record
