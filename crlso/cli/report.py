"""The command ``crlso report``: write a page about a search or a comparison."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from crlso.cli.options import add_results, results_of

__all__ = ["add_report"]


def add_report(commands: Any) -> None:
    """Add the command to the parser of the program."""
    report = commands.add_parser(
        "report",
        help="write a page about a search or a comparison",
        description="Write one HTML page, which needs no network and no other file: summary, best cells, curves, a map "
        "of the cells, all trials or searches, and the environment.",
    )
    add_results(report, "report.html")
    report.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the page, and print where it is."""
    results = results_of(arguments)
    from crlso.report import write_report

    write_report(results, arguments.out)
    sys.stdout.write(f"{arguments.out}\n")
