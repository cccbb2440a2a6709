"""Plots of the best value against the number of queries, for studies and comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_members, check_number
from crlso._base.types import Floats
from crlso.comparison import LEVEL, bootstrap_band
from crlso.plotting.axes import axes_or_new, need_matplotlib

__all__ = ["plot_comparison", "plot_trajectory"]

# Told apart by colour-blind readers too (Okabe, Ito).
_COLOURS = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#b87700", "#5f5f5f", "#56b4e9")
_SIZE = (5.2, 3.4)  # inches


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
        Draw how far the value is below the optimum of the benchmark instead: True takes the one that each study
        recorded, a number gives it.

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
    groups: dict[str, list[_Curve]] = {}
    for study in checked:
        optimum = _optimum(regret, study.optimum, study.benchmark)
        groups.setdefault(study.method, []).append(_curve(study.trajectory, study.n_queries, optimum))
    ax = axes_or_new(ax, _SIZE)
    for (method, curves), colour in zip(groups.items(), itertools.cycle(_COLOURS)):
        _draw_studies(ax, method, curves, colour)
    first, is_regret = checked[0], regret is not False
    corner = "upper right" if is_regret else "lower right"
    _finish(ax, (first.benchmark, first.dataset), first.objective, is_regret, corner)
    if is_regret:
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
    groups: dict[str, list[_Curve]] = {}
    for record in records:
        optimum = _optimum(regret, record["optimum"], record["benchmark"])
        groups.setdefault(record["label"], []).append(_curve(record["trajectory"], record["budget"], optimum))
    ax = axes_or_new(ax, _SIZE)
    means = [
        _draw_mean(ax, label, curves, colour)
        for (label, curves), colour in zip(groups.items(), itertools.cycle(_COLOURS))
    ]
    is_regret = regret is not False
    corner = "lower left" if is_regret else "lower right"
    _finish(ax, (records[0]["benchmark"], records[0]["dataset"]), records[0]["objective"], is_regret, corner)
    positive = [mean for mean in np.concatenate(means) if mean > 0]
    if is_regret and positive:
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5 * min(positive))
    return ax


# -- drawing ------------------------------------------------------------------------------------------------------


def _draw_studies(ax: Any, method: str, curves: Sequence[_Curve], colour: str) -> None:
    """Draw the studies of one method: one as a line, several as thin lines with their mean."""
    if len(curves) == 1:
        _draw(ax, curves[0], colour, linewidth=1.6, label=method)
        return
    for curve in curves:
        _draw(ax, curve, colour, linewidth=0.7, alpha=0.35)
    queries, values = _together(curves)
    if len(queries):
        mean = _Curve(queries, values.mean(axis=0))
        _draw(ax, mean, colour, linewidth=1.8, label=f"{method} (mean of {len(curves)})")


def _draw_mean(ax: Any, label: str, curves: Sequence[_Curve], colour: str) -> Floats:
    """Draw the mean of the searches of one method with its interval; the values drawn."""
    queries, values = _together(curves)
    means: Floats = values.mean(axis=0)
    several = len(curves) > 1
    name = f"{label} (mean of {len(curves)})" if several else label
    _draw(ax, _Curve(queries, means), colour, linewidth=1.8, label=name)
    if several:
        ax.fill_between(queries, *bootstrap_band(values), step="post", color=colour, alpha=0.18, linewidth=0)
    return means


def _draw(ax: Any, curve: _Curve, colour: str, **style: Any) -> None:
    ax.plot(curve.queries, curve.values, drawstyle="steps-post", color=colour, **style)


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


# -- arguments ----------------------------------------------------------------------------------------------------


def _checked_studies(studies: Any) -> list[Any]:
    found = [studies] if hasattr(studies, "trajectory") else list(studies)
    if not found:
        raise ValueError("studies: expected at least one, got none")
    for study in found:
        check_members("studies", study, ("trajectory", "objective", "optimum"), "a Study, or a sequence of them")
        if not study.trajectory:
            raise ValueError(f"studies: expected complete trials in each, got none in {study!r}")
    problems = {(study.benchmark, study.dataset) for study in found}
    if len(problems) > 1:
        raise ValueError(f"studies: expected one benchmark and dataset, got {sorted(map(str, problems))}")
    objectives = {study.objective for study in found}
    if len(objectives) > 1:
        raise ValueError(f"studies: expected values of one objective, got {sorted(map(str, objectives))}")
    return found


def _checked_records(comparison: Any, benchmark: str | None, dataset: str | None) -> list[dict[str, Any]]:
    """Complete searches of the one selected benchmark."""
    check_members("comparison", comparison, ("records",), "a Comparison")
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


# -- curves -------------------------------------------------------------------------------------------------------


class _Curve(NamedTuple):
    """A step curve: from each query on, the value beside it."""

    queries: npt.NDArray[np.int64]
    values: Floats


def _curve(trajectory: Sequence[Mapping[str, Any]], last: int, optimum: float | None) -> _Curve:
    """The values of a trajectory, or its regrets, up to the query `last`."""
    queries = [entry["query"] for entry in trajectory]
    values = [entry["value"] for entry in trajectory]
    if last > queries[-1]:
        queries.append(last)
        values.append(values[-1])
    found = np.array(values, dtype=np.float64)
    if optimum is not None:
        found = optimum - found
        found[found <= LEVEL] = 0.0
    return _Curve(np.array(queries, dtype=np.int64), found)


def _together(curves: Sequence[_Curve]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Queries (q,) at which all curves have a value, and the values (curves, q) there."""
    first, last = max(curve.queries[0] for curve in curves), min(curve.queries[-1] for curve in curves)
    queries = np.arange(first, last + 1, dtype=np.int64)
    rows = [curve.values[np.searchsorted(curve.queries, queries, side="right") - 1] for curve in curves]
    return queries, np.array(rows)
