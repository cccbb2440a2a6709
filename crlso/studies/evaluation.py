"""Evaluating a cell, here or in another process: whatever happens, the outcome is plain data."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from types import FrameType
from typing import Any, NamedTuple

from crlso._base.plain import plain
from crlso._base.processes import end_with_parent
from crlso.history import Measurement

__all__ = ["Outcome", "evaluate", "evaluate_apart", "prepare_process"]

# Errors of the program, not of a cell: at the first query, or for the tenth time without a value, they end a search.
_PROGRAM_ERRORS = (TypeError, NameError, AttributeError, ImportError, SyntaxError, NotImplementedError)
_LONGEST_TRACE = 4000  # characters


class Outcome(NamedTuple):
    """What became of an evaluation.

    Attributes
    ----------
    measurement : Measurement or None
        Its result; None if it failed.
    error : str or None
        Why it failed; None if it did not.
    trace : str
        The end of the traceback of the failure; empty if there is none.
    is_program_error : bool
        Whether the program is at fault, rather than the cell.
    """

    measurement: Measurement | None = None
    error: str | None = None
    trace: str = ""
    is_program_error: bool = False


def evaluate(benchmark: Any, cell: Any) -> Outcome:
    """Evaluate a cell. An exception, or a result that is not a finite number, is a failure.

    Examples
    --------
    >>> class Half:
    ...     def evaluate(self, cell):
    ...         return cell / 2
    >>> evaluate(Half(), 3).measurement.value, evaluate(Half(), "text").is_program_error
    (1.5, True)
    """
    try:
        value = benchmark.evaluate(cell)
    except Exception as error:
        return _failure(error)
    try:
        return Outcome(Measurement.of(value))
    except (TypeError, ValueError) as wrong:  # no number, or not a finite one
        return Outcome(error=str(wrong), is_program_error=isinstance(wrong, TypeError))


def evaluate_apart(benchmark: Any, cell: Any, caller: int) -> Outcome:
    """Evaluate a cell in a worker; nothing leaves it but types of Python and :class:`Measurement`.

    An evaluation that ends its thread or process by an exception, such as SystemExit, has failed. A process that was
    started by `caller` (the number of the process that searches) ends with it, and leaves the first Ctrl-C to it, which
    a terminal sends to all processes.
    """
    if os.getppid() == caller:
        prepare_process(caller)
    try:
        outcome = evaluate(benchmark, cell)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome = _failure(error)
    found = outcome.measurement
    if found is None:
        return outcome
    notes = plain(dict(found.user_attrs))
    return Outcome(Measurement(found.value, found.objectives, found.constraints, found.cost, notes))


_prepared = 0  # the process that ends with its parent: one that is forked inherits the number, but no thread


def prepare_process(caller: int) -> None:
    """Let this process, a worker that `caller` started, end with it, and leave the first Ctrl-C to it."""
    global _prepared
    if _prepared != os.getpid():
        end_with_parent(caller)
        _prepared = os.getpid()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _first_interrupt)


def _first_interrupt(number: int, frame: FrameType | None) -> None:
    """Ignore the first Ctrl-C, but not the next."""
    signal.signal(number, signal.default_int_handler)


def _failure(error: BaseException) -> Outcome:
    where = None if error.__traceback__ is None else error.__traceback__.tb_next  # below this file
    lines = traceback.format_exception(type(error), error, where)
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # an exception without a text
        text = type(error).__name__
    return Outcome(None, text, "".join(lines)[-_LONGEST_TRACE:], isinstance(error, _PROGRAM_ERRORS))
