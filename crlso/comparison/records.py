"""Running many searches through an executor, and the file of their records, with which a later run goes on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crlso._base.plain import plain
from crlso._core import set_num_threads
from crlso.methods.base import Optimiser
from crlso.studies.run import search

__all__ = ["KEYS", "Record", "Results", "Task", "key_of", "run_searches"]

_log = logging.getLogger("crlso.compare")

Record = dict[str, Any]
KEYS = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version")
"""What identifies a search."""


def key_of(record: Record) -> str:
    """Identity of a search as text: two records with equal keys are of the same search."""
    return json.dumps([record.get(key) for key in KEYS], sort_keys=True)


@dataclass(frozen=True)
class Task:
    """A search to run."""

    label: str
    position: int  # of its benchmark among the benchmarks
    method: str | type[Optimiser]
    options: dict[str, Any]
    head: Record  # values of KEYS

    @property
    def key(self) -> str:
        """The identity as text."""
        return key_of(self.head)


class Results:
    """Records of finished searches, in a file of JSON lines if there is one.

    Opening it drops a last line that was only half written. Each record is written at once and flushed to the disk.

    Parameters
    ----------
    path : path-like or None

    Raises
    ------
    ValueError
        For a file with another line that is no record; the line is named.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else Path(path)
        self.records: dict[str, Record] = {}
        if self._path is not None:
            self._path.touch()  # raises now for a file that cannot be written
            self._read(self._path)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            _log.warning(
                "%s: a last line of %d bytes was not written to its end and is dropped", path, len(content) - end
            )
            os.truncate(path, end)
        for number, line in enumerate(content[:end].splitlines(), start=1):
            try:
                record = json.loads(line)
                if not _is_record(record):
                    raise ValueError("other keys")
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number}: expected a result of crlso.compare: {error}") from None
            self.records[key_of(record)] = record

    def add(self, record: Record) -> None:
        """Keep a record."""
        self.records[key_of(record)] = record
        if self._path is not None:
            line = json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n"
            with self._path.open("ab") as file:
                file.write(line.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())

    def has(self, task: Task) -> bool:
        """Whether a search is there and did not fail."""
        record = self.records.get(task.key)
        return record is not None and record["state"] == "complete"


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and {*KEYS, "state", "trajectory", "optimum", "n_queries", "seconds"} <= set(record)
        and record["state"] in ("complete", "failed")
        and isinstance(record["trajectory"], list)
        and all(isinstance(entry, dict) and set(entry) == {"query", "value", "test"} for entry in record["trajectory"])
        and isinstance(record["seconds"], dict)
    )


def run_searches(
    tasks: Sequence[Task],
    benchmarks: Sequence[Any],
    executor: Executor | None,
    jobs: int,
    path: str | os.PathLike[str] | None,
    report: Callable[[str, int, int], object] | None,
) -> dict[str, Record]:
    """Run the searches that a file does not hold yet.

    Returns
    -------
    dict of str to dict
        Record of each search by ``task.key``; those of the file that were not asked for are among them.
    """
    results = Results(path)
    known = {task.key: task for task in tasks if not results.has(task)}
    todo = list(known.values())
    done = len(tasks) - len(todo)
    if executor is not None:
        finished: Iterator[Record] = _through(executor, todo, benchmarks)
    elif jobs == 1 or len(todo) <= 1:
        finished = (run_search(benchmarks[task.position], task) for task in todo)
    else:
        finished = _through_pools(todo, benchmarks, min(jobs, len(todo)))
    with contextlib.closing(finished):  # type: ignore[type-var]
        for record in finished:
            results.add(record)
            if record["state"] == "failed":
                where = f"{record['method']} on {record['benchmark']}/{record['dataset']}, seed {record['seed']}"
                _log.warning("%s failed: %s", where, record["error"])
            done += 1
            if report is not None:
                report("searches", done, len(tasks))
    return results.records


def run_search(benchmark: Any, task: Task) -> Record:
    """One search as a record; an exception makes a failed one."""
    seed, budget = task.head["seed"], task.head["budget"]
    try:
        for_seed = getattr(benchmark, "for_seed", None)  # a benchmark of the user's need not be a Benchmark
        benchmark = for_seed(seed) if callable(for_seed) else benchmark
        study = search(benchmark, task.method, budget, seed, progress=False, **task.options)
        record: Record = {
            **task.head,
            "state": "complete",
            "error": None,
            "n_queries": study.n_queries,
            "trajectory": study.trajectory,
            **study.to_dict()["best"],
            "optimum": study.optimum,
            "seconds": study.seconds,
            "sources": study.diagnostics.get("sources"),
        }
    except Exception as error:
        _log.debug("traceback of the failure", exc_info=True)
        record = failed(task, error)
    document: Record = plain(record)
    return document


def failed(task: Task, error: BaseException) -> Record:
    """The record of a search that failed."""
    nothing = {"n_queries": 0, "trajectory": [], "optimum": None, "seconds": {}}
    nothing |= dict.fromkeys(("cell", "index", "value", "test"))
    return {**task.head, "state": "failed", "error": f"{type(error).__name__}: {error}", **nothing}


# -- executors ----------------------------------------------------------------------------------------------------

_benchmarks: Sequence[Any] = ()  # of a process of our own pools


def _begin(benchmarks: Sequence[Any]) -> None:
    """Set up a process of a pool: take the benchmarks, and use one thread."""
    import signal

    global _benchmarks
    _benchmarks = benchmarks
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see _interrupts_wait
    set_num_threads(1)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Keep a Ctrl-C until the end of this block, and in processes started in it until :func:`_begin`.

    Their imports would answer it by a traceback, and so would they if this process told them half of what they need.
    """
    import signal
    import threading
    from multiprocessing import resource_tracker

    handler = signal.getsignal(signal.SIGINT)
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield  # Windows has no mask that a process hands on; and other threads are not interrupted
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    caught: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))  # other threads may still take it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
        if caught:
            signal.raise_signal(signal.SIGINT)


def _run_in_pool(task: Task) -> Record:
    return run_search(_benchmarks[task.position], task)


def _through(executor: Executor, tasks: Sequence[Task], benchmarks: Sequence[Any]) -> Iterator[Record]:
    """Records from an executor of the user's, as they come; whatever a future raises fails its search alone."""
    submit = lambda task: executor.submit(run_search, benchmarks[task.position], task)  # noqa: E731
    for task, future in _as_they_come(tasks, submit, len(tasks)):
        try:
            record = future.result()
        except Exception as error:
            record = failed(task, error)
        yield record


def _through_pools(tasks: Sequence[Task], benchmarks: Sequence[Any], jobs: int) -> Iterator[Record]:
    """Records from process pools. A process that dies breaks its pool: what ran there runs again, one by one."""
    suspects: list[Task] = []
    yield from _rounds(tasks, benchmarks, jobs, lambda task, _: suspects.append(task))
    casualties: list[Record] = []
    yield from _rounds(suspects, benchmarks, 1, lambda task, error: casualties.append(failed(task, error)))
    yield from casualties


def _rounds(
    tasks: Sequence[Task], benchmarks: Sequence[Any], jobs: int, lost: Callable[[Task, BaseException], object]
) -> Iterator[Record]:
    """Records from a pool, and from another when it broke; the searches that were running then are `lost`."""
    import multiprocessing

    left = list(tasks)
    while left:
        context = multiprocessing.get_context("spawn")  # a fork would inherit threads in an unknown state
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(benchmarks,))
        try:

            def submit(task: Task, pool: ProcessPoolExecutor = pool) -> Future[Record]:
                with _interrupts_wait():  # the first starts the processes
                    return pool.submit(_run_in_pool, task)

            for task, future in _as_they_come(left.copy(), submit, jobs):
                left.remove(task)
                try:
                    record = future.result()
                except BrokenExecutor as error:
                    lost(task, error)
                except Exception as error:  # what cannot be pickled
                    yield failed(task, error)
                else:
                    yield record
        except BrokenExecutor:  # of submit: another pool takes what is left
            pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _as_they_come(
    tasks: Sequence[Task], submit: Callable[[Task], Future[Record]], window: int
) -> Iterator[tuple[Task, Future[Record]]]:
    """Submit tasks, `window` at a time, and give each with its future when that is done.

    When submitting fails, those that are under way are given first, and then the exception is raised.
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
