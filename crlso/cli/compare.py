"""The command ``crlso compare``: compare methods on datasets over seeds, as a table or as JSON."""

from __future__ import annotations

import argparse
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

__all__ = ["add_compare"]

METHODS = "cr-lso,gp,evolution,local,random"
FRONT_METHODS = "cr-lso,gp,nsga2,random"
DATASETS = "cifar10,cifar100,ImageNet16-120"


def add_compare(commands: Any) -> None:
    """Add the command to the parser of the program.

    Parameters
    ----------
    commands : object
        Returned by ``ArgumentParser.add_subparsers``.
    """
    compare = commands.add_parser(
        "compare",
        help="compare methods over many seeds",
        description="Compare methods over many seeds. Progress goes to stderr, the result to stdout. --dataset accepts "
        f"a list, as in {DATASETS}.",
    )
    compare.set_defaults(run=run)
    add_source(compare)
    compare.add_argument(
        "--methods",
        help=f"names, with options as in evolution:population=10:tournament=3; default: {METHODS}, or with several "
        f"objectives {FRONT_METHODS}",
    )
    compare.add_argument(
        "--seeds", type=at_least(1), default=10, metavar="N", help="seeds 0 to N - 1; default: %(default)s"
    )
    compare.add_argument(
        "--budget", type=at_least(1), metavar="N", help="queries; default: 100, or all cells of a smaller space"
    )
    add_constraint(compare)
    compare.add_argument("--jobs", type=at_least(1), default=1, metavar="N", help="processes; default: %(default)s")
    compare.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    compare.add_argument(
        "--out",
        metavar="FILE",
        help="JSON lines, one per search; searches in it are not run again (read it with crlso report, crlso plot or "
        "Comparison.load)",
    )
    compare.add_argument("-v", "--verbose", action="count", default=0, help="log more; traceback on failure")


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed arguments.

    Raises
    ------
    crlso.cli.options.UsageError
        If an argument is invalid.
    """
    check_out(arguments.out)
    check_source(arguments)
    objectives, constraints = objectives_of(arguments), constraints_of(arguments)
    # Imported here to keep --help fast.
    from crlso.comparison import compare

    names = arguments.methods
    if names is None:
        names = METHODS if len(objectives or ()) < 2 else FRONT_METHODS
    methods = [name.strip() for name in names.split(",")]
    for method in methods:
        check_method("--methods", method)
    try:
        benchmarks = [_benchmark(arguments, name) for name in _datasets(arguments)]
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(one_line(error)) from error
    try:
        result = compare(
            benchmarks,
            methods,
            arguments.seeds,
            arguments.budget,
            objectives=objectives,
            constraints=constraints,
            jobs=arguments.jobs,
            path=arguments.out,
        )
    except (ValueError, TypeError) as error:  # an OSError is no wrong usage: the disk may be full
        raise UsageError(one_line(error)) from error
    except KeyboardInterrupt:
        # Finished searches are in the file already. Drop the study, which the program would save over it.
        raise KeyboardInterrupt from None
    sys.stdout.write((result.to_json() if arguments.json else str(result)) + "\n")


def _datasets(arguments: argparse.Namespace) -> list[str | None]:
    """The datasets given, or [None] for the default of the benchmark."""
    return [None] if arguments.dataset is None else [name.strip() for name in arguments.dataset.split(",")]


def _benchmark(arguments: argparse.Namespace, dataset: str | None) -> Any:
    """The benchmark on one dataset. In a simulated validation, each search gets the noise of its own seed."""
    return benchmark_of(argparse.Namespace(**{**vars(arguments), "dataset": dataset, "seed": 0}))
