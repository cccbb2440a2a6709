"""Plots of the best value against the number of queries, for studies and comparisons."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from crlso._base.checks import check_number
from crlso.comparison import LEVEL, bootstrap_band
from crlso.plotting.axes import need_matplotlib, new_axes

__all__ = ["plot_comparison", "plot_trajectory"]

# Distinguishable for colour-blind readers (after Okabe and Ito, Color Universal Design, 2008).
_METHOD_COLOURS = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#b87700", "#5f5f5f", "#56b4e9")


def plot_trajectory(studies: Any, ax: Any = None, regret: bool | float = False) -> Any:
    """Plot the best value found so far against the number of queries.

    Parameters
    ----------
    studies : Study or sequence of Study
        Studies to plot. Studies of one method share a colour. If a method has several, each is a thin line, and a
        thick line is their mean where all of them have a value.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    regret : bool or float
        Plot the regret, optimum minus value, instead. True uses the optimum that the study recorded; a number is used
        as the optimum.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no study, a study has no complete trial, studies differ in dataset or objective, or the optimum is
        needed but unknown.

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> studies = [crlso.search(bench, method="random", budget=30, rng=seed) for seed in range(5)]
    >>> ax = plot_trajectory(studies, regret=True)
    """
    need_matplotlib("plot_trajectory")
    checked = _checked_studies(studies)
    optimum = _optimum(regret, checked[0].optimum, checked[0].benchmark)
    if ax is None:
        ax = new_axes((5.2, 3.4))
    by_method: dict[str, list[Any]] = {}
    for study in checked:
        by_method.setdefault(study.method, []).append(study)
    for number, (method, group) in enumerate(by_method.items()):
        _draw_group(ax, method, group, optimum, _METHOD_COLOURS[number % len(_METHOD_COLOURS)])
    first = checked[0]
    corner = "lower right" if optimum is None else "upper right"
    _finish(ax, (first.benchmark, first.dataset), getattr(first, "objective", None), optimum is not None, corner)
    if optimum is not None:
        ax.set_ylim(bottom=0)
    return ax


def plot_comparison(
    comparison: Any,
    ax: Any = None,
    regret: bool | float = False,
    benchmark: str | None = None,
    dataset: str | None = None,
) -> Any:
    """Plot the best value found so far against the number of queries: the mean over seeds for each method.

    A band around each mean is its 95 % bootstrap interval. A curve starts where all searches of the method have a
    value; failed searches are left out. The axis of regret is logarithmic: a curve leaves the plot where its mean
    regret is 0, which means that all searches are at the optimum.

    Parameters
    ----------
    comparison : Comparison
        Comparison to plot.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    regret : bool or float
        Plot the regret, optimum minus value, instead. True uses the optimum that each search recorded; a number is
        used as the optimum.
    benchmark, dataset : str, optional
        Selects one benchmark of a comparison on several.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If not exactly one benchmark is selected, none of its searches is complete, or the optimum is needed but
        unknown.

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> ax = plot_comparison(crlso.compare(bench, ["local", "random"], seeds=4, budget=20), regret=True)
    """
    need_matplotlib("plot_comparison")
    records = _checked_records(comparison, benchmark, dataset)
    curves = _mean_curves(records, regret)
    if ax is None:
        ax = new_axes((5.2, 3.4))
    for number, (label, (queries, means, band)) in enumerate(curves.items()):
        colour = _METHOD_COLOURS[number % len(_METHOD_COLOURS)]
        ax.plot(queries, means, drawstyle="steps-post", color=colour, linewidth=1.8, label=label)
        if band is not None:
            ax.fill_between(queries, *band, step="post", color=colour, alpha=0.18, linewidth=0)
    is_regret = regret is not False
    corner = "lower left" if is_regret else "lower right"
    _finish(ax, (records[0]["benchmark"], records[0]["dataset"]), records[0]["objective"], is_regret, corner)
    drawn = [mean for _, means, _ in curves.values() for mean in means if mean > 0]
    if is_regret and drawn:
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5 * min(drawn))
    return ax


def _finish(ax: Any, where: tuple[Any, ...], objective: Any, regret: bool, corner: str) -> None:
    """Set the title, labels and legend of axes that show values against queries."""
    ax.set_xlabel("queries")
    ax.set_ylabel(_value_label(objective, regret))
    ax.set_title(" / ".join(str(part) for part in where if part), fontsize="medium")
    ax.set_xlim(left=0)
    ax.grid(alpha=0.3, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc=corner)


def _value_label(objective: str | None, regret: bool) -> str:
    """Label of the value axis for an objective."""
    objective = objective or "validation"
    is_accuracy = "validation" in objective or "test" in objective
    if regret:
        return "regret (percentage points)" if is_accuracy else f"regret ({objective})"
    return f"best {objective} accuracy (%)" if is_accuracy else f"best {objective}"


def _checked_studies(studies: Any) -> list[Any]:
    found = [studies] if hasattr(studies, "trajectory") else list(studies)
    if not found:
        raise ValueError("studies: expected at least one, got none")
    for study in found:
        if not study.trajectory:
            raise ValueError(f"studies: expected complete trials in each, got none in {study!r}")
    problems = {(study.benchmark, study.dataset) for study in found}
    if len(problems) > 1:
        raise ValueError(f"studies: expected one benchmark and dataset, got {sorted(map(str, problems))}")
    objectives = {getattr(study, "objective", None) for study in found}
    if len(objectives) > 1:
        raise ValueError(f"studies: expected values of one objective, got {sorted(map(str, objectives))}")
    return found


def _checked_records(comparison: Any, benchmark: str | None, dataset: str | None) -> list[dict[str, Any]]:
    """Complete searches of the one selected benchmark."""
    wanted = {"benchmark": benchmark, "dataset": dataset}
    records = [
        record
        for record in comparison.records
        if all(value is None or record[key] == value for key, value in wanted.items())
    ]
    problems = sorted({str((record["benchmark"], record["dataset"], record["objective"])) for record in records})
    if len(problems) != 1:
        found = ", ".join(problems) or "none"
        raise ValueError(f"comparison: expected one benchmark, chosen by benchmark and dataset, got {found:.500}")
    complete = [record for record in records if record["trajectory"]]
    if not complete:
        raise ValueError("comparison: expected complete searches, got none")
    return complete


def _mean_curves(records: list[dict[str, Any]], regret: bool | float) -> dict[str, tuple[Any, Any, Any]]:
    """Queries, means and interval ends by label; None instead of interval ends for a single search."""
    groups: dict[str, list[Any]] = {}
    firsts: dict[str, int] = {}
    for record in records:
        label, (queries, values) = record["label"], _record_curve(record, regret)
        firsts[label] = max(firsts.get(label, 1), queries[0])
        groups.setdefault(label, []).append((queries, values))
    budget = records[0]["budget"]
    curves: dict[str, tuple[Any, Any, Any]] = {}
    for label, group in groups.items():
        common = np.arange(firsts[label], budget + 1)
        rows = np.array([np.array(v)[np.searchsorted(q, common, side="right") - 1] for q, v in group])
        band = bootstrap_band(rows) if len(rows) > 1 else None
        means = rows.mean(axis=0)
        curves[f"{label} (mean of {len(rows)})" if band else label] = (common, means, band)
    return curves


def _record_curve(record: dict[str, Any], regret: bool | float) -> tuple[list[int], list[float]]:
    """Queries and values, or regrets, of the improvements of one search of a comparison."""
    optimum = _optimum(regret, record["optimum"], record["benchmark"])
    queries, values = _steps(record["trajectory"])
    if optimum is None:
        return queries, values
    return queries, [optimum - value if optimum - value > LEVEL else 0.0 for value in values]


def _steps(trajectory: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    """Queries and values of a trajectory."""
    return [int(entry["query"]) for entry in trajectory], [float(entry["value"]) for entry in trajectory]


def _optimum(regret: bool | float, known: float | None, benchmark: Any) -> float | None:
    """The optimum from which regret is computed, given or `known`; None if no regret is plotted."""
    if regret is False:
        return None
    if regret is not True:
        return check_number("regret", regret)
    if known is None:
        raise ValueError(
            f"regret: expected the optimum as a number for benchmark {benchmark!r}, which does not know it, got True"
        )
    return known


def _draw_group(ax: Any, method: str, group: Sequence[Any], optimum: float | None, colour: str) -> None:
    """Draw the studies of one method."""
    curves = [_curve(study, optimum) for study in group]
    if len(curves) == 1:
        queries, values = curves[0]
        ax.plot(queries, values, drawstyle="steps-post", color=colour, linewidth=1.6, label=method)
        return
    for queries, values in curves:
        ax.plot(queries, values, drawstyle="steps-post", color=colour, linewidth=0.7, alpha=0.35)
    first, last = max(queries[0] for queries, _ in curves), min(queries[-1] for queries, _ in curves)
    if first <= last:
        common = list(range(first, last + 1))
        means = [math.fsum(_at(curve, query) for curve in curves) / len(curves) for query in common]
        label = f"{method} (mean of {len(curves)})"
        ax.plot(common, means, drawstyle="steps-post", color=colour, linewidth=1.8, label=label)


def _curve(study: Any, optimum: float | None) -> tuple[list[int], list[float]]:
    """Queries and values, or regrets, of the improvements of a study, extended to its last query."""
    queries, values = _steps(study.trajectory)
    if study.n_queries > queries[-1]:
        queries.append(study.n_queries)
        values.append(values[-1])
    return queries, values if optimum is None else [optimum - value for value in values]


def _at(curve: tuple[list[int], list[float]], query: int) -> float:
    """The value of a step curve at a query."""
    queries, values = curve
    return values[bisect_right(queries, query) - 1]
