"""Running many searches through an executor, with a file of records from which a later run resumes."""

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

from crlso._base.files import read_bytes
from crlso._base.plain import plain
from crlso._core import set_num_threads
from crlso.methods.base import Optimiser
from crlso.studies.run import search

__all__ = ["KEYS", "Record", "Results", "Task", "key_of", "run_searches"]

_log = logging.getLogger("crlso.compare")

LARGEST_FILE = 1 << 30  # bytes
Record = dict[str, Any]
KEYS = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version")
"""Keys of a record that identify its search."""


def key_of(record: Record) -> str:
    """Return the identity of a search as text: records of the same search have equal keys."""
    return json.dumps([record.get(key) for key in KEYS], sort_keys=True)


@dataclass(frozen=True)
class Task:
    """A search to run: a method, its options, a benchmark, a seed and a budget."""

    label: str
    position: int  # of the benchmark in the list of benchmarks
    method: str | type[Optimiser]
    options: dict[str, Any]
    head: Record  # values of KEYS

    @property
    def key(self) -> str:
        """The identity of the search as text, see :func:`key_of`."""
        return key_of(self.head)


class Results:
    """Records of finished searches, kept in memory and optionally in a file of JSON lines.

    An incomplete last line of the file is dropped when it is opened. Each record is written and synced to disk at once.

    Parameters
    ----------
    path : path-like or None
        The file; None keeps records in memory only.

    Raises
    ------
    ValueError
        If another line of the file is not a record. The message names the line.
    OSError
        If the file cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else Path(path)
        self.records: dict[str, Record] = {}
        if self._path is not None:
            self._path.touch()  # fails early if the file cannot be written
            self._read(self._path)

    def _read(self, path: Path) -> None:
        content = read_bytes(path, LARGEST_FILE)
        end = content.rfind(b"\n") + 1
        if end < len(content):
            _log.warning("%s: dropped an incomplete last line of %d bytes", path, len(content) - end)
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
        """Add a record, and write it to the file."""
        self.records[key_of(record)] = record
        if self._path is not None:
            line = json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n"
            with self._path.open("ab") as file:
                file.write(line.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())

    def has(self, task: Task) -> bool:
        """Return whether the record of a search is present and complete."""
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
    """Run one search and return its record; if the search raises, the record is a failed one."""
    seed, budget = task.head["seed"], task.head["budget"]
    try:
        for_seed = getattr(benchmark, "for_seed", None)  # any object with space and evaluate is a benchmark
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
    """Return the record of a failed search."""
    nothing = {"n_queries": 0, "trajectory": [], "optimum": None, "seconds": {}}
    nothing |= dict.fromkeys(("cell", "index", "value", "test"))
    return {**task.head, "state": "failed", "error": f"{type(error).__name__}: {error}", **nothing}


# -- executors ----------------------------------------------------------------------------------------------------

_benchmarks: Sequence[Any] = ()  # in a worker process of our own pools


def _begin(benchmarks: Sequence[Any]) -> None:
    """Initialise a worker process: keep the benchmarks, and use one thread."""
    import signal

    global _benchmarks
    _benchmarks = benchmarks
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process without a traceback
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see _interrupts_wait
    set_num_threads(1)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, and in processes started in it until :func:`_begin`.

    A process interrupted while it imports modules, or receives its arguments, would print a traceback.
    """
    import signal
    import threading
    from multiprocessing import resource_tracker

    handler = signal.getsignal(signal.SIGINT)
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield  # Windows has no inherited signal mask, and only the main thread is interrupted
        return
    resource_tracker.ensure_running()  # starting it in the block would unblock the signal
    caught: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))  # another thread may still receive it
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
    """Yield records from an executor as searches finish; an exception of a future fails only its own search."""
    submit = lambda task: executor.submit(run_search, benchmarks[task.position], task)  # noqa: E731
    for task, future in _as_they_come(tasks, submit, len(tasks)):
        try:
            record = future.result()
        except Exception as error:
            record = failed(task, error)
        yield record


def _through_pools(tasks: Sequence[Task], benchmarks: Sequence[Any], jobs: int) -> Iterator[Record]:
    """Yield records from process pools.

    A process that dies breaks its pool. The searches that were running in it are run again, one at a time.
    """
    suspects: list[Task] = []
    yield from _rounds(tasks, benchmarks, jobs, lambda task, _: suspects.append(task))
    casualties: list[Record] = []
    yield from _rounds(suspects, benchmarks, 1, lambda task, error: casualties.append(failed(task, error)))
    yield from casualties


def _rounds(
    tasks: Sequence[Task], benchmarks: Sequence[Any], jobs: int, lost: Callable[[Task, BaseException], object]
) -> Iterator[Record]:
    """Yield records from a pool, replaced when it breaks; `lost` is called for the searches that were running then."""
    import multiprocessing

    left = list(tasks)
    while left:
        context = multiprocessing.get_context("spawn")  # a forked process would inherit threads in an unknown state
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(benchmarks,))
        try:

            def submit(task: Task, pool: ProcessPoolExecutor = pool) -> Future[Record]:
                with _interrupts_wait():  # the first submit starts the processes
                    return pool.submit(_run_in_pool, task)

            for task, future in _as_they_come(left.copy(), submit, jobs):
                left.remove(task)
                try:
                    record = future.result()
                except BrokenExecutor as error:
                    lost(task, error)
                except Exception as error:  # for example, a benchmark that cannot be pickled
                    yield failed(task, error)
                else:
                    yield record
        except BrokenExecutor:  # raised by submit: a new pool runs the rest
            pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _as_they_come(
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
