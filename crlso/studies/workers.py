"""Where a search evaluates its cells: in this process, one after the other, or by workers, many at a time."""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

from crlso._base.checks import check_int, check_number
from crlso.history import Trial
from crlso.studies.evaluation import Outcome, evaluate, evaluate_apart, prepare_process

__all__ = ["Here", "Workers", "evaluator"]

_log = logging.getLogger("crlso.search")

_ATTEMPTS = 3  # of an evaluation whose worker fails
_LONGEST_WAIT = 1e6  # seconds; beyond it, some systems overflow
_GUARD = (
    'workers: expected a script whose work is behind `if __name__ == "__main__":`, got one that calls crlso.search '
    "wherever it is imported, as each worker does"
)
_HOW_TO_SEND = (
    "Put its functions and classes into a module and import them from there, or use workers=n without an executor, "
    "which can send what a notebook or a function defines"
)


class Here:
    """Evaluates in this process, one trial at a time. It has the methods of :class:`Workers`."""

    is_interrupted = False

    def __init__(self, benchmark: Any) -> None:
        self._benchmark = benchmark
        self._trial: Trial | None = None

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    @property
    def has_room(self) -> bool:
        return self._trial is None

    @property
    def is_idle(self) -> bool:
        return self._trial is None

    def begin(self, trial: Trial) -> None:
        self._trial = trial

    def finish(self) -> tuple[Trial, Outcome] | None:
        trial, self._trial = self._trial, None
        return None if trial is None else (trial, evaluate(self._benchmark, trial.cell))

    def check(self) -> None:
        return None


class _Worker:
    """A place where one evaluation runs at a time: an executor of its own, or a share of one.

    Attributes
    ----------
    make : callable or None
        Makes its executor; None if that was given, and is shared.
    executor : object
        None before the first evaluation, and when it is to be replaced.
    future : object
        Of the evaluation that is running.
    trial : Trial or None
        What is evaluated; None if nothing is, or if nobody waits for it any more.
    deadline : float
        When the evaluation has taken too long, by the clock ``time.monotonic``.
    """

    def __init__(self, make: Callable[[], Any] | None, executor: Any = None) -> None:
        self.make = make
        self.executor = executor
        self.future: Any = None
        self.trial: Trial | None = None
        self.deadline = math.inf

    def ready(self) -> Any:
        """Return the executor, which is made if there is none."""
        if self.executor is None and self.make is not None:
            made = self.make()
            if not callable(getattr(made, "submit", None)):
                raise TypeError(f"executor: expected a callable that makes an executor, got {type(made).__name__}")
            self.executor = made
        return self.executor

    def discard(self) -> None:
        """Drop an executor of its own, and kill its processes."""
        if self.make is not None and self.executor is not None:
            executor, self.executor = self.executor, None
            processes = list(getattr(executor, "_processes", None) or ())  # numbers, in pools of Python and of loky
            _shut_down(executor, wait=False)
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))

    def close(self) -> None:
        """End an executor of its own, which is idle."""
        if self.make is not None and self.executor is not None:
            _shut_down(self.executor, wait=True)


def _shut_down(executor: Any, wait: bool) -> None:
    shut_down = getattr(executor, "shutdown", None)  # anything with `submit` is an executor
    if callable(shut_down):
        shut_down(wait=wait)


class Workers:
    """Evaluates several trials at a time, through executors.

    A context manager. While it is entered, the first Ctrl-C only sets `is_interrupted`, and the second one raises
    KeyboardInterrupt.

    Parameters
    ----------
    benchmark : object
        Has ``evaluate(cell)``.
    workers : list
        Places for one evaluation each.
    timeout : float
        Seconds after which an evaluation has failed.
    in_order : bool
        Whether results are passed on in the order of trials.

    Attributes
    ----------
    is_interrupted : bool
        Whether there was a Ctrl-C: no more trials should begin.
    """

    def __init__(self, benchmark: Any, workers: list[_Worker], timeout: float, in_order: bool) -> None:
        self.is_interrupted = False
        self._benchmark = benchmark
        self._workers = workers
        self._timeout = timeout
        self._in_order = in_order
        self._begun: dict[int, Trial] = {}  # trials whose outcome was not passed on yet
        self._outcomes: dict[int, Outcome] = {}  # those of them that are known, in the order in which they came
        self._attempts: dict[int, int] = {}
        self._done: queue.SimpleQueue[tuple[_Worker, Any] | None] = queue.SimpleQueue()
        self._has_results = False
        self._trouble: Exception | None = None
        self._handler: Any = None  # of Ctrl-C, before this one

    # -- for searches ---------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether another trial can begin."""
        is_free = any(worker.future is None for worker in self._workers)
        return self._trouble is None and is_free and len(self._begun) < len(self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether all outcomes were passed on."""
        return not self._begun

    def begin(self, trial: Trial) -> None:
        """Begin to evaluate a trial."""
        self._begun[trial.number] = trial
        self._submit(next(worker for worker in self._workers if worker.future is None), trial)

    def finish(self) -> tuple[Trial, Outcome] | None:
        """Wait for the next outcome, and return it with its trial; None if no trial is left."""
        while self._begun:
            number = min(self._begun) if self._in_order else next(iter(self._outcomes), -1)
            if number in self._outcomes:
                return self._begun.pop(number), self._outcomes.pop(number)
            self._wait()
        return None

    def check(self) -> None:
        """Raise what keeps the workers from going on, if anything does."""
        if self._trouble is not None:
            raise self._trouble

    def __enter__(self) -> Workers:
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(handler):
            self._handler = handler
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        for worker in self._workers:
            if worker.future is not None:
                worker.future.cancel()
                worker.discard()
        for worker in self._workers:
            worker.close()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.is_interrupted:
            self._handler(number, frame)
        self.is_interrupted = True
        self._done.put(None)  # for who waits

    def _submit(self, worker: _Worker, trial: Trial) -> None:
        self._attempts[trial.number] = self._attempts.get(trial.number, 0) + 1
        try:
            future = worker.ready().submit(evaluate_apart, self._benchmark, trial.cell, os.getpid())
        except BrokenExecutor as error:
            self._lost(worker, trial, error)
            return
        if not hasattr(future, "add_done_callback"):
            raise TypeError(f"executor: expected `submit` to return a future, got {type(future).__name__}")
        worker.future, worker.trial, worker.deadline = future, trial, monotonic() + self._timeout
        future.add_done_callback(lambda future: self._done.put((worker, future)))

    def _wait(self) -> None:
        """Wait until an evaluation is over or has taken too long, or for Ctrl-C."""
        running = [worker for worker in self._workers if worker.trial is not None]
        left = min(worker.deadline for worker in running) - monotonic()
        try:
            done = self._done.get(timeout=min(max(left, 0.0), _LONGEST_WAIT))
        except queue.Empty:
            for worker in running:
                if worker.deadline <= monotonic():
                    self._give_up(worker)
            return
        if done is None:
            _log.warning("interrupted: waiting for %d evaluations; Ctrl-C again ends them", len(running))
            return
        worker, future = done
        if worker.future is future:  # and not one of an executor that was discarded
            self._take(worker)

    def _take(self, worker: _Worker) -> None:
        """Take the outcome of an evaluation that is over."""
        future, trial = worker.future, worker.trial
        worker.future = worker.trial = None
        if trial is None:
            return  # it took too long
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is not None:
            self._lost(worker, trial, error)
            return
        self._has_results = True
        self._outcomes[trial.number] = future.result()

    def _give_up(self, worker: _Worker) -> None:
        """Fail a trial that has taken too long; its worker is replaced, or busy until the evaluation ends."""
        trial, worker.trial = worker.trial, None
        if trial is not None:
            error = f"TimeoutError: the evaluation took more than {self._timeout:g} seconds"
            self._outcomes[trial.number] = Outcome(error=error)
        worker.future.cancel()
        if worker.make is not None:
            worker.future = None
            worker.discard()
        elif all(other.future is not None and other.trial is None for other in self._workers):
            self._trouble = RuntimeError(
                "timeout: expected an executor with a free worker, got one in which all run evaluations that take too "
                "long. Give a callable that makes an executor for one worker, which can be replaced"
            )

    def _lost(self, worker: _Worker, trial: Trial, error: BaseException) -> None:
        """Evaluate a trial again whose worker failed, unless that is of no use."""
        number, text = trial.number, f"{type(error).__name__}: {error}".rstrip(". ")
        if isinstance(error, (pickle.PicklingError, TypeError, AttributeError)):
            self._trouble = ValueError(
                f"benchmark: expected one that can be sent to other processes, got {text}. {_HOW_TO_SEND}"
            )
        elif isinstance(error, BrokenExecutor) and worker.make is None:
            self._trouble = RuntimeError(
                f"executor: expected workers that go on, got {text}. Give a callable that makes an executor for one "
                "worker, which can be replaced"
            )
        worker.discard()
        if self._trouble is not None or self.is_interrupted:
            del self._begun[number]  # it stays pending
        elif self._attempts[number] < _ATTEMPTS:
            _log.warning("query %d is evaluated again, as its worker failed: %s", number + 1, text)
            self._submit(worker, trial)
        else:
            error_text = f"its worker failed {_ATTEMPTS} times: {text}"
            self._outcomes[number] = Outcome(error=error_text, is_program_error=not self._has_results)


# -- arguments --------------------------------------------------------------------------------------------------------


def evaluator(benchmark: Any, workers: Any, executor: Any, timeout: Any, deterministic: Any) -> Here | Workers:
    """Make what evaluates the trials of a search, from its arguments.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.
    ImportError
        If there is no executor, and loky is not installed.
    RuntimeError
        If this process is a worker that imports the script.
    """
    if not isinstance(deterministic, bool):
        raise TypeError(f"deterministic: expected a bool, got {type(deterministic).__name__}")
    if workers is None and executor is None:
        if timeout is not None:
            raise ValueError("timeout: expected workers or an executor too: an evaluation in this process has no end")
        return Here(benchmark)
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that imports the script, to begin
        raise RuntimeError(_GUARD)
    seconds = math.inf if timeout is None else check_number("timeout", timeout, above=0.0)
    if workers is None:
        workers = getattr(executor, "_max_workers", None)  # of the pools of Python and of loky
        if workers is None:
            raise TypeError("workers: expected the number of trials in flight for this executor, got None")
    number = check_int("workers", workers, 1)
    if executor is None:
        _check_loky()
        executor = _own_process
    if hasattr(executor, "submit") and not isinstance(executor, type):
        places = [_Worker(None, executor) for _ in range(number)]
    elif callable(executor):
        places = [_Worker(_maker(executor, i)) for i in range(number)]
    else:
        raise TypeError(f"executor: expected an object with `submit`, or a callable, got {type(executor).__name__}")
    return Workers(benchmark, places, seconds, deterministic)


def _maker(factory: Callable[..., Any], number: int) -> Callable[[], Any]:
    """A function that makes the executor of a worker; one that requires an argument gets the number of the worker."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # some callables of C have no signature
        return factory
    required = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return (lambda: factory(number)) if required else factory


def _check_loky() -> None:
    try:
        import loky  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "workers: expected the package loky, which starts processes, or an executor: pip install 'crlso[parallel]'"
        ) from error


def _own_process() -> Any:
    import loky

    # Prepared when it starts, as this process may be killed before the first evaluation.
    return loky.ProcessPoolExecutor(1, initializer=prepare_process, initargs=(os.getpid(),))
