"""Processes of our own that run searches: how they start, what they are sent, and how they end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from crlso._base.processes import end_with_parent
from crlso._core import set_num_threads
from crlso.comparison.records import Record
from crlso.comparison.tasks import Task, as_they_come, failed, run_search

__all__ = ["refuse_unguarded", "through_processes"]

_NAME = "crlso.compare"  # of our processes
_UNGUARDED = 86  # exit code of a process that came to `compare` while it imported the script

_GUARD = (
    'jobs: expected a script whose work is behind `if __name__ == "__main__":`, got one that calls crlso.compare '
    "wherever it is imported, as each of the processes does. Put the calls below that line, or use jobs=1"
)
_HOW_TO_SEND = (
    "Put its functions and classes into a module and import them from there (processes cannot import what is defined "
    "in a notebook, in a shell or inside a function), or use jobs=1, or executor=loky.get_reusable_executor(2) of the "
    "package loky"
)


class _Context(SpawnContext):
    """Starts processes and keeps them.

    Processes are spawned, because a forked process would inherit threads in an unknown state.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BaseProcess] = []

    def Process(self, *arguments: Any, **options: Any) -> Any:  # type: ignore[override]
        """Make a process, which the pool starts."""
        process = super().Process(*arguments, **options)
        process.name = _NAME
        self.started.append(process)
        return process


# -- in a process of ours ---------------------------------------------------------------------------------------------

_benchmarks: Sequence[Any] = ()
_trouble: str | None = None


def refuse_unguarded() -> None:
    """End this process if it is one of ours that only imports the script of its parent, which says why."""
    process = multiprocessing.current_process()
    if process.name == _NAME and getattr(process, "_inheriting", False):
        os._exit(_UNGUARDED)


def _begin(payload: bytes, parent: int) -> None:
    """Initialise a process: take the benchmarks, use one thread, and end when the parent ends."""
    global _benchmarks, _trouble
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process without a traceback
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see _interrupts_wait
    set_num_threads(1)
    try:
        _benchmarks = pickle.loads(payload)[0]
    except Exception as error:
        _trouble = f"{type(error).__name__}: {error}"


def _get_trouble() -> str | None:
    return _trouble


def _run(task: bytes) -> Record:
    found: Task = pickle.loads(task)
    return run_search(_benchmarks[found.position], found)


# -- in the parent ----------------------------------------------------------------------------------------------------


def through_processes(tasks: Sequence[Task], benchmarks: Sequence[Any], jobs: int) -> Iterator[Record]:
    """Yield the records of searches that run in processes.

    A process that dies breaks its pool. The searches that were running in it are run again, one at a time. Processes
    end with this one, however it ends.

    Parameters
    ----------
    tasks : sequence of Task
        The searches.
    benchmarks : sequence
        The benchmarks that tasks refer to by position.
    jobs : int
        Number of processes.

    Raises
    ------
    ValueError
        If benchmarks or methods cannot be sent to other processes, before any search is run.
    RuntimeError
        If a process ends while it starts: with a script that runs searches when it is imported, for example.
    """
    _check_main()
    payload = _pickled((list(benchmarks), list(tasks)))
    suspects: list[Task] = []
    yield from _rounds(tasks, payload, jobs, lambda task, _: suspects.append(task))
    casualties: list[Record] = []
    yield from _rounds(suspects, payload, 1, lambda task, error: casualties.append(failed(task, error)))
    yield from casualties


def _check_main() -> None:
    """Check that processes can import the main module again, which they do first."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)  # a notebook has none, and then nothing is imported
    if file is not None and getattr(main, "__spec__", None) is None and not os.path.isfile(file):
        raise ValueError(
            f"jobs: expected a program in a file, which other processes can import, got one from {file!r:.200}. "
            "Write it into a file, or use jobs=1"
        )


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise ValueError(_cannot_be_sent(f"{type(error).__name__}: {error}")) from error


def _cannot_be_sent(reason: str) -> str:
    return f"jobs: expected benchmarks and methods that can be sent to other processes, got {reason}. {_HOW_TO_SEND}"


def _rounds(
    tasks: Sequence[Task], payload: bytes, jobs: int, lost: Callable[[Task, BaseException], object]
) -> Iterator[Record]:
    """Yield records from a pool, replaced when it breaks; `lost` is called for the searches that were running then."""
    left = list(tasks)
    while left:
        context = _Context()
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(payload, os.getpid()))

        def submit(task: Task, pool: ProcessPoolExecutor = pool) -> Future[Record]:
            with _interrupts_wait():  # submitting starts processes
                return pool.submit(_run, pickle.dumps(task))

        try:
            _check_start(pool, context)
            for task, future in as_they_come(left.copy(), submit, jobs):
                left.remove(task)
                try:
                    record = future.result()
                except BrokenExecutor as error:
                    lost(task, error)
                except Exception as error:
                    yield failed(task, error)
                else:
                    yield record
        except BrokenExecutor:  # raised by submit: a new pool runs the rest
            pass
        except BaseException:  # nobody waits for the searches that are running
            for process in context.started:
                process.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _check_start(pool: ProcessPoolExecutor, context: _Context) -> None:
    """Start one process and see whether it has what it needs."""
    try:
        with _interrupts_wait():
            future = pool.submit(_get_trouble)
        trouble = future.result()
    except BrokenExecutor:
        pool.shutdown(wait=True)  # now exit codes are known
        codes = [process.exitcode for process in context.started]
        if _UNGUARDED in codes:
            raise RuntimeError(_GUARD) from None
        raise RuntimeError(f"jobs: a process ended while it started, with exit code {codes[0]}") from None
    if trouble is not None:
        raise ValueError(_cannot_be_sent(trouble))


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, and in processes started in it until :func:`_begin`.

    A process interrupted while it imports modules, or receives its arguments, would print a traceback.
    """
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
