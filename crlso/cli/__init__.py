"""The program ``crlso``: searches from a shell.

Exit codes: 0 done, 1 failure, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crlso._version import __version__

if TYPE_CHECKING:
    from crlso.studies.study import Study

__all__ = ["main"]

DONE, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130

BENCHMARKS = ("nasbench101", "nasbench201", "nasbench301")
DEFAULT_BENCHMARK = "nasbench201"
SIMULATED = "simulated-validation"

DEFAULT_METHOD = "cr-lso"

ABLATIONS = ("gradient", "convex", "regulariser")
PAPER = "cr-lso-paper"


class UsageError(Exception):
    """The command line asks for something that does not exist or cannot be."""


def main(argv: Sequence[str] | None = None, prog: str = "crlso") -> int:
    """Run the program.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.
    prog : str
        What the program is called in its messages.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["search", "--dataset", "cifar10", "--budget", "0"])
    2
    """
    parser = _parser(prog)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # --help, --version and what argparse itself refuses
        return stop.code if isinstance(stop.code, int) else USAGE
    verbosity: int = getattr(arguments, "verbose", 0)
    try:
        with _logging_to_stderr(prog, verbosity):
            arguments.run(arguments)
            sys.stdout.flush()
        return DONE
    except UsageError as error:
        _complain(prog, f"error: {error} (see {prog} {arguments.command} --help)")
        return USAGE
    except KeyboardInterrupt as stop:
        _complain(prog, _interrupted(stop, getattr(arguments, "out", None)))
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads stdout any more: let the interpreter flush what is left into nothing.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        if verbosity:
            traceback.print_exc(file=sys.stderr)
        _complain(prog, f"error: {_one_line(error)}" + ("" if verbosity else " (-v shows the traceback)"))
        return FAILURE


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Neural architecture search by convex optimisation in a latent space.",
        epilog="Exit codes: 0 done, 1 failure, 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"crlso {__version__}")
    from crlso.cli import compare as cli_compare  # which imports this module

    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_search(commands)
    cli_compare.add_compare(commands)
    info = commands.add_parser("info", help="versions, BLAS and threads, as a bug report needs them")
    info.add_argument("-v", "--verbose", action="count", default=0, help="traceback on failure")
    info.set_defaults(run=_info)
    return parser


def _add_search(commands: Any) -> None:
    from crlso.methods import METHODS

    search = commands.add_parser(
        "search",
        help="search the best cell of a benchmark",
        description="Search the best cell of a benchmark. Progress goes to stderr, the result to stdout.",
    )
    search.set_defaults(run=_search)
    _add_source(search)
    search.add_argument("--method", choices=list(METHODS), default=DEFAULT_METHOD, help="default: %(default)s")
    search.add_argument("--budget", type=_at_least(1), default=100, metavar="N", help="queries; default: %(default)s")
    search.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="default: %(default)s")
    search.add_argument("--threads", type=_at_least(1), metavar="N", help="default: CRLSO_NUM_THREADS or all cores")
    search.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    search.add_argument("--out", metavar="FILE", help="write the study, all trials included (Study.load reads it)")
    search.add_argument("-v", "--verbose", action="count", default=0, help="log more; traceback on failure")
    paper = search.add_argument_group(f"options of {PAPER}")
    paper.add_argument("--preset", choices=["fast", "paper"], help="sizes and lengths of training")
    paper.add_argument("--no-gradient", action="store_true", help="perturb by noise alone")
    paper.add_argument("--no-convex", action="store_true", help="the same surrogate without the constraint")
    paper.add_argument("--no-regulariser", action="store_true", help="train the VAE without the surrogate's term")


def _add_source(parser: argparse.ArgumentParser) -> None:
    """Options that say what is searched."""
    parser.add_argument("--benchmark", choices=BENCHMARKS, help=f"default: {DEFAULT_BENCHMARK}")
    parser.add_argument("--dataset", help="of the benchmark; default: cifar10")
    parser.add_argument(
        "--objective",
        choices=[SIMULATED],
        help="nasbench101: test accuracy with the noise of a validation instead of the test accuracy itself",
    )
    parser.add_argument(
        "--models", metavar="DIR", help="nasbench301: the official ensemble instead of the stand-in of crlso"
    )
    parser.add_argument("--table", metavar="FILE.csv", help="cells of your own: columns cell, value and perhaps test")
    parser.add_argument("--space", metavar="SPEC.toml", help="the space of these cells: arguments of CellSpace")


def _at_least(lowest: int) -> Any:
    """A type for argparse: whole numbers from `lowest` on."""

    def integer(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if number < lowest:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {lowest}, got {text!r:.100}")
        return number

    return integer


def _search(arguments: argparse.Namespace) -> None:
    options = _options(arguments)
    _check_out(arguments.out)
    _check_source(arguments)
    # Imported now: the help must not wait for it.
    import crlso
    from crlso.methods.base import check_budget, count_classes
    from crlso.studies.run import search

    try:
        if arguments.threads is not None:
            crlso.set_num_threads(arguments.threads)
        benchmark = _benchmark(arguments)
        check_budget(arguments.budget, count_classes(benchmark.space))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(_one_line(error)) from error
    study = search(benchmark, arguments.method, arguments.budget, arguments.seed, **options)
    sys.stdout.write((study.to_json() if arguments.json else str(study)) + "\n")
    sys.stdout.flush()
    if arguments.out is not None:
        study.save(arguments.out)


def _check_source(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if (arguments.table is None) != (arguments.space is None):
        raise UsageError("--table, --space: expected both or neither")
    if arguments.table is not None and (arguments.benchmark is not None or arguments.dataset is not None):
        raise UsageError("--table: expected without --benchmark and --dataset")
    if arguments.table is None and arguments.benchmark is None:
        arguments.benchmark = DEFAULT_BENCHMARK
    for flag, value, home in (
        ("--objective", arguments.objective, "nasbench101"),
        ("--models", arguments.models, "nasbench301"),
    ):
        if value is not None and arguments.benchmark != home:
            raise UsageError(f"{flag}: expected with --benchmark {home} only")


def _benchmark(arguments: argparse.Namespace) -> Any:
    """The benchmark that the options name."""
    import crlso.benchmarks
    import crlso.spaces

    if arguments.table is not None:
        return crlso.benchmarks.Tabular.from_csv(arguments.table, crlso.spaces.CellSpace.from_toml(arguments.space))
    dataset = "cifar10" if arguments.dataset is None else arguments.dataset
    if arguments.benchmark == "nasbench201":
        return crlso.benchmarks.NASBench201(dataset)
    if dataset != "cifar10":
        raise ValueError(f"--dataset: expected cifar10, the only one of {arguments.benchmark}, got {dataset!r:.100}")
    if arguments.benchmark == "nasbench101":
        table = crlso.benchmarks.NASBench101()
        return table.simulated_validation(arguments.seed) if arguments.objective == SIMULATED else table
    if arguments.models is not None:
        return crlso.benchmarks.NASBench301.from_official(arguments.models)
    return crlso.benchmarks.NASBench301.standin()


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options of the method; those that were not given are left to its defaults."""
    options: dict[str, Any] = {name: False for name in ABLATIONS if getattr(arguments, f"no_{name}")}
    if arguments.preset is not None:
        options["preset"] = arguments.preset
    if options and arguments.method != PAPER:
        flags = ", ".join("--preset" if name == "preset" else f"--no-{name}" for name in options)
        raise UsageError(f"{flags}: expected with --method {PAPER} only, got --method {arguments.method}")
    return options


def _check_out(out: str | None) -> None:
    """Refuse a file that cannot be written before a search is spent on it."""
    if out is None:
        return
    path = Path(os.path.realpath(out))
    if not out or path.is_dir():
        raise UsageError(f"--out: expected a file, got {out!r}")
    if not path.parent.is_dir():
        raise UsageError(f"--out: expected a file in an existing folder, got {out!r}")
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise UsageError(f"--out: expected a file that can be written, got {out!r}")


def _info(arguments: argparse.Namespace) -> None:
    import platform

    import numpy

    import crlso._core as _core
    from crlso._base.blas import slow_core

    rows = {
        "crlso": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "NumPy": numpy.__version__,
        "platform": platform.platform(),
    }
    core = dict(_core.runtime_info())
    if slow_core(str(core["blas_kernel"]), str(core["isa"])):
        core["blas_kernel"] = f"{core['blas_kernel']} (slow: without AVX2, which this processor has)"
    rows["extension"] = f"{core.pop('version', 'of unknown version')} ({_core.__file__})"
    rows.update({str(name).replace("_", " "): str(value) for name, value in core.items()})
    width = max(map(len, rows)) + 2
    print("\n".join(f"{name:<{width}}{value}" for name, value in rows.items()))


@contextlib.contextmanager
def _logging_to_stderr(prog: str, verbosity: int) -> Any:
    """Show the package's log on stderr: warnings, with -v what it does, with -vv everything."""
    logger = logging.getLogger("crlso")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{prog}: %(levelname)s: %(message)s"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def _interrupted(stop: BaseException, out: str | None) -> str:
    """The one line that Ctrl-C leaves; what was found is saved when the user wanted a file."""
    study: Study | None = getattr(stop, "study", None)
    if study is None:
        return "interrupted"
    text = f"interrupted after {study.n_queries} of {study.budget} queries"
    if out is None:
        return text
    try:
        study.save(out)
    except OSError as error:
        return f"{text}; {out} was not written: {_one_line(error)}"
    return f"{text}; they are in {out}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    known = isinstance(error, (ValueError, TypeError, OSError, RuntimeError)) and text
    return text if known else f"{type(error).__name__}: {text}".rstrip(": ")


def _complain(prog: str, text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr may be closed or missing
        print(f"{prog}: {text}", file=sys.stderr, flush=True)
