"""The command ``crlso info``: versions, BLAS and threads, for bug reports."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from crlso._version import __version__

__all__ = ["add_info"]


def add_info(commands: Any) -> None:
    """Add the command to the parser of the program."""
    info = commands.add_parser("info", help="print versions, BLAS and threads, for bug reports")
    info.add_argument("-v", "--verbose", action="count", default=0, help="traceback on failure")
    info.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the information as a table."""
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
