"""The program ``crlso``: its parser, logging, and exit codes."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from crlso._version import __version__
from crlso.cli.compare import add_compare
from crlso.cli.info import add_info
from crlso.cli.journal import add_journal
from crlso.cli.options import UsageError, one_line
from crlso.cli.plot import add_plot
from crlso.cli.report import add_report
from crlso.cli.search import add_search

if TYPE_CHECKING:
    from crlso.studies.study import Study

__all__ = ["main"]

DONE, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, prog: str = "crlso") -> int:
    """Run the program.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process.
    prog : str
        Name of the program in messages.

    Returns
    -------
    int
        The exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted.

    Examples
    --------
    >>> main(["search", "--dataset", "cifar10", "--budget", "0"])
    2
    """
    parser = _parser(prog)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # --help, --version and errors of argparse
        return stop.code if isinstance(stop.code, int) else USAGE
    verbosity: int = getattr(arguments, "verbose", 0)
    try:
        with _logging_to_stderr(prog, verbosity), _ended_like_ctrl_c():
            arguments.run(arguments)
            sys.stdout.flush()
        return DONE
    except UsageError as error:
        _complain(prog, f"error: {error} (see {prog} {arguments.command} --help)")
        return USAGE
    except KeyboardInterrupt as stop:
        where = (getattr(arguments, name, None) for name in ("out", "journal"))
        _complain(prog, _interrupted(stop, *where))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout is gone: let the interpreter flush the rest to the null device.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        if verbosity:
            traceback.print_exc(file=sys.stderr)
        _complain(prog, f"error: {one_line(error)}" + ("" if verbosity else " (-v shows the traceback)"))
        return FAILURE


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Neural architecture search by convex optimisation in a latent space.",
        epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"crlso {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_search(commands)
    add_compare(commands)
    add_report(commands)
    add_plot(commands)
    add_journal(commands)
    add_info(commands)
    return parser


@contextlib.contextmanager
def _logging_to_stderr(prog: str, verbosity: int) -> Any:
    """Show the log of the package on stderr: warnings; with -v information; with -vv debug messages."""
    logger = logging.getLogger("crlso")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{prog}: %(levelname)s: %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that what was found is saved."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signals = []  # handlers belong to the main thread

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in signals]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _interrupted(stop: BaseException, out: str | None, journal: str | None) -> str:
    """Return the message after Ctrl-C, and save the study so far if an output file was given."""
    study: Study | None = getattr(stop, "study", None)
    if study is None:
        return "interrupted"
    text = f"interrupted after {study.n_queries} of {study.budget} queries"
    if journal is not None:
        text += f"; the same command goes on from {journal}"
    if out is None:
        return text
    try:
        study.save(out)
    except OSError as error:
        return f"{text}; {out} was not written: {one_line(error)}"
    return f"{text}; they are in {out}"


def _complain(prog: str, text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr may be closed or None
        print(f"{prog}: {text}", file=sys.stderr, flush=True)
