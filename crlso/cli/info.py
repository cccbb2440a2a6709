"""The command ``crlso info``: versions, BLAS and threads, for bug reports; or the measures of a benchmark."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from crlso._version import __version__
from crlso.cli.options import UsageError, add_source, benchmark_of, check_source, one_line

__all__ = ["add_info"]


def add_info(commands: Any) -> None:
    """Add the command to the parser of the program."""
    info = commands.add_parser(
        "info",
        help="print versions, BLAS and threads, for bug reports, or the measures of a benchmark",
        description="Print versions, BLAS and threads, for bug reports. With --benchmark or --table, print what can be "
        "asked of a cell: the names of objectives and constraints, their units, and whether they are known without a "
        "query.",
    )
    add_source(info)
    info.add_argument("-v", "--verbose", action="count", default=0, help="traceback on failure")
    info.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the information as a table."""
    if arguments.benchmark is None and arguments.table is None and arguments.dataset is None:
        _print(_versions())
        return
    check_source(arguments)
    from crlso.benchmarks.measures import measures_of

    try:
        measures = measures_of(benchmark_of(argparse.Namespace(**{**vars(arguments), "seed": 0})))
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(one_line(error)) from error
    _print({measure.name: f"{measure.unit or '-':<9}{_how(measure.is_known)}" for measure in measures.values()})


def _how(is_known: bool) -> str:
    return "known without a query" if is_known else "by evaluation"


def _print(rows: dict[str, str]) -> None:
    width = max(map(len, rows)) + 2
    print("\n".join(f"{name:<{width}}{text}" for name, text in rows.items()))


def _versions() -> dict[str, str]:
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
    return rows
