"""The command ``crlso plot``: draw the results of a search or a comparison."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from crlso.cli.options import UsageError, add_results, one_line, results_of

__all__ = ["add_plot"]

_SIZES = {"value": (5.2, 3.4), "regret": (5.2, 3.4), "optimum": (5.2, 3.4), "front": (5.2, 3.6)}
_OF_STUDIES, _OF_COMPARISONS = ("value", "regret", "front", "cell"), ("value", "regret", "optimum")


def add_plot(commands: Any) -> None:
    """Add the command to the parser of the program."""
    plot = commands.add_parser(
        "plot",
        help="draw the results of a search or a comparison",
        description="Draw the results of a search or a comparison with matplotlib. The ending of the file to write "
        "says its format: .png, .pdf or .svg. Benchmarks of a comparison stand side by side.",
    )
    add_results(plot, "figure.pdf")
    plot.add_argument(
        "--kind",
        choices=list(dict.fromkeys((*_OF_STUDIES, *_OF_COMPARISONS))),
        default="value",
        help="value: the best value by query; regret: optimum minus that; optimum (of comparisons): the share of "
        "searches at the optimum; front and cell (of searches): trials by two objectives, the best cell; "
        "default: %(default)s",
    )
    plot.add_argument("--width", type=float, metavar="INCHES", help="of the figure; a column of a paper has about 3.3")
    plot.add_argument("--dpi", type=float, default=200, help="dots per inch of .png; default: %(default)s")
    plot.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Draw the plot and write it to the file."""
    for name in ("width", "dpi"):
        given = getattr(arguments, name)
        if given is not None and not 0.5 <= given <= 2400:
            raise UsageError(f"--{name}: expected a number from 0.5 to 2400, got {given}")
    results = results_of(arguments)
    from crlso._base.files import replacing  # imported here to keep --help fast

    try:
        figure = _figure(results, arguments.kind, arguments.width)
        with replacing(arguments.out) as stream:
            figure.savefig(stream, dpi=arguments.dpi, format=Path(arguments.out).suffix[1:] or "png")
    except (ValueError, TypeError, ImportError) as error:
        raise UsageError(one_line(error)) from error
    sys.stdout.write(f"{arguments.out}\n")


def _figure(results: Any, kind: str, width: float | None) -> Any:
    """The figure of a study, or of a comparison with axes for each benchmark."""
    from crlso.plotting.axes import need_matplotlib

    need_matplotlib("crlso plot")
    is_study = hasattr(results, "trials")
    allowed = _OF_STUDIES if is_study else _OF_COMPARISONS
    if kind not in allowed:
        what = "a search" if is_study else "a comparison"
        raise ValueError(f"--kind: expected one of {', '.join(allowed)} for {what}, got {kind}")
    if kind == "cell":
        return results.best.cell.plot().figure
    problems = [{}] if is_study else results.problems
    return _drawn(results, kind, problems, width)


def _drawn(results: Any, kind: str, problems: Any, width: float | None) -> Any:
    from matplotlib.figure import Figure

    size = _SIZES[kind]
    scale = 1.0 if width is None else width / (size[0] * len(problems))
    figure = Figure(figsize=(size[0] * len(problems) * scale, size[1] * max(scale, 0.75)), layout="constrained")
    for ax, problem in zip(figure.subplots(1, len(problems), squeeze=False)[0], problems):
        if kind == "front":
            results.plot_front(ax)
        elif kind == "optimum":
            results.plot_optimum(ax, **problem)
        elif hasattr(results, "trials"):
            results.plot_trajectory(ax, regret=kind == "regret")
        else:
            results.plot(ax, regret=kind == "regret", **problem)
    return figure
