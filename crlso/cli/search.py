"""The command ``crlso search``: run one search and print it as a table or as JSON."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from crlso.cli.options import (
    UsageError,
    add_constraint,
    add_source,
    at_least,
    benchmark_of,
    check_method,
    check_out,
    check_source,
    constraints_of,
    objectives_of,
    one_line,
)

__all__ = ["add_search"]

_log = logging.getLogger("crlso.cli")

DEFAULT_METHOD = "cr-lso"
WRONG_USAGE = (ValueError, TypeError, FileNotFoundError, IsADirectoryError, PermissionError, ImportError)
"""Errors before a search begins that the arguments are to blame for; others are those of the system: a full disk."""
ABLATIONS = ("gradient", "convex", "regulariser")
PAPER = "cr-lso-paper"


def add_search(commands: Any) -> None:
    """Add the command to the parser of the program."""
    from crlso.methods import METHODS

    search = commands.add_parser(
        "search",
        help="search for the best cell of a benchmark",
        description="Search for the best cell of a benchmark. Progress goes to stderr, the result to stdout.",
    )
    search.set_defaults(run=run)
    add_source(search)
    search.add_argument(
        "--method",
        default=DEFAULT_METHOD,
        help=f"{', '.join(METHODS)}; with options as in evolution:population=10:tournament=3; default: %(default)s",
    )
    search.add_argument(
        "--budget", type=at_least(1), metavar="N", help="queries; default: 100, or all cells of a smaller space"
    )
    search.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="default: %(default)s")
    add_constraint(search)
    search.add_argument("--threads", type=at_least(1), metavar="N", help="default: CRLSO_NUM_THREADS or all cores")
    search.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    search.add_argument("--out", metavar="FILE", help="write the study (crlso report and Study.load read it)")
    search.add_argument(
        "--journal",
        metavar="FILE",
        help="write each event at once; a search that was killed goes on from the file (crlso report and Study.open "
        "read it)",
    )
    search.add_argument(
        "--known",
        metavar="FILE",
        help="results of the same task, not to be evaluated again: a journal, a saved study or a CSV file",
    )
    _add_evaluation(search)
    search.add_argument("-v", "--verbose", action="count", default=0, help="log more; traceback on failure")
    search.add_argument(
        "--prior",
        action="append",
        metavar="FILE",
        help="of cr-lso: a journal, a saved study or a CSV file of another task on the same space; may be repeated",
    )
    paper = search.add_argument_group(f"options of {PAPER}")
    paper.add_argument("--preset", choices=["fast", "paper"], help="model sizes and training lengths")
    paper.add_argument("--no-gradient", action="store_true", help="move latents by noise alone")
    paper.add_argument("--no-convex", action="store_true", help="drop the convexity constraint of the surrogate")
    paper.add_argument("--no-regulariser", action="store_true", help="train the VAE without the surrogate term")


def _add_evaluation(search: argparse.ArgumentParser) -> None:
    """Add what says where cells are evaluated, and for how long."""
    search.add_argument(
        "--workers", type=at_least(1), metavar="N", help="evaluations at the same time, each in a process (needs loky)"
    )
    search.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="with --workers: an evaluation that takes longer has failed"
    )
    search.add_argument("--target", type=float, metavar="VALUE", help="end with the first value that is at least this")
    search.add_argument(
        "--max-seconds", type=float, metavar="SECONDS", help="begin no query after this time; goes on with --journal"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the search, print its result, and save the study if asked to."""
    options = _options(arguments)
    objectives, constraints = objectives_of(arguments), constraints_of(arguments)
    check_method("--method", arguments.method)
    check_out(arguments.out)
    check_source(arguments)
    # Imported here to keep --help fast.
    from crlso._core import set_num_threads
    from crlso.methods.base import check_budget, count_classes
    from crlso.studies.run import search

    try:
        if arguments.threads is not None:
            set_num_threads(arguments.threads)
        benchmark = benchmark_of(arguments)
        if arguments.budget is not None:
            check_budget(arguments.budget, count_classes(benchmark.space))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(one_line(error)) from error
    try:
        study = search(
            benchmark,
            arguments.method,
            arguments.budget,
            arguments.seed,
            journal=arguments.journal,
            known=arguments.known,
            workers=arguments.workers,
            timeout=arguments.timeout,
            target=arguments.target,
            max_seconds=arguments.max_seconds,
            objectives=objectives,
            constraints=constraints,
            **options,
        )
    except Exception as error:
        if isinstance(error, WRONG_USAGE) and not hasattr(error, "study"):  # no search began
            raise UsageError(one_line(error)) from error
        _save_what_there_is(error, arguments.out)
        raise
    try:  # save before printing, as the reader of stdout may be gone; print in any case
        if arguments.out is not None:
            study.save(arguments.out)
    finally:
        sys.stdout.write((study.to_json() if arguments.json else str(study)) + "\n")
        sys.stdout.flush()


def _save_what_there_is(error: Exception, out: str | None) -> None:
    """Save the study so far of a search that an error ended."""
    study = getattr(error, "study", None)
    if study is None or out is None:
        return
    try:
        study.save(out)
    except OSError as wrong:
        _log.warning("%s was not written: %s", out, one_line(wrong))
    else:
        _log.warning("%d of %d queries are in %s", study.n_queries, study.budget, out)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the method that were given; UsageError if the method does not have them."""
    options: dict[str, Any] = {name: False for name in ABLATIONS if getattr(arguments, f"no_{name}")}
    if arguments.preset is not None:
        options["preset"] = arguments.preset
    if options and arguments.method.split(":")[0] != PAPER:
        flags = ", ".join("--preset" if name == "preset" else f"--no-{name}" for name in options)
        raise UsageError(f"{flags}: expected with --method {PAPER} only, got --method {arguments.method}")
    if arguments.prior is not None:
        if arguments.method.split(":")[0] != DEFAULT_METHOD:
            raise UsageError(f"--prior: expected with --method {DEFAULT_METHOD} only, got --method {arguments.method}")
        options["prior"] = arguments.prior
    return options
