"""Plots of the best value against the number of queries, for studies and comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from crlso._base.checks import check_members, check_number
from crlso._base.colours import SERIES
from crlso.comparison import bootstrap_band, query_of_optimum, wilson_interval
from crlso.comparison.curves import Curve, curve_of, share_curve, together, value_floor
from crlso.plotting.axes import add_legend, axes_or_new, finish, need_matplotlib, regret_label, value_label

__all__ = ["plot_comparison", "plot_optimum", "plot_trajectory"]

_SIZE = (5.2, 3.4)  # inches


def plot_trajectory(studies: Any, ax: Any = None, regret: bool | float = False) -> Any:
    """Plot the best value found so far against the number of queries.

    The axis of values begins where the lowest curve is after a tenth of the queries: the random cells with which
    searches begin are far below. The axis of regret is logarithmic: a curve leaves the plot where its regret is 0,
    which means at the optimum. The legend is below the axes; above
    other axes it needs a figure that makes room for it (``pyplot.subplots(layout="constrained")``).

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
        `ax`, or the axes of a new figure.

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
    groups: dict[str, list[Curve]] = {}
    for study in checked:
        optimum = _optimum(regret, study.optimum, study.benchmark)
        groups.setdefault(study.method, []).append(curve_of(study.trajectory, study.n_queries, optimum))
    ax = axes_or_new(ax, _SIZE)
    counts = list(map(len, groups.values()))
    for (method, curves), colour in zip(groups.items(), itertools.cycle(SERIES)):
        _draw_studies(ax, _named(method, len(curves), counts), curves, colour)
    first = checked[0]
    shown = [curve for curves in groups.values() for curve in curves]
    _finish(ax, (first.benchmark, first.dataset), first.objective, regret is not False, shown)
    add_legend(ax, _means(counts))
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
    value; failed searches are left out. Axes and legend are those of :func:`plot_trajectory`; a mean regret of 0 means
    that all searches are at the optimum.

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
        `ax`, or the axes of a new figure.

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
    groups: dict[str, list[Curve]] = {}
    for record in records:
        optimum = _optimum(regret, record["optimum"], record["benchmark"])
        groups.setdefault(record["label"], []).append(curve_of(record["trajectory"], record["budget"], optimum))
    ax = axes_or_new(ax, _SIZE)
    counts = list(map(len, groups.values()))
    means = [
        _draw_mean(ax, _named(label, len(curves), counts), curves, colour)
        for (label, curves), colour in zip(groups.items(), itertools.cycle(SERIES))
    ]
    first = records[0]
    _finish(ax, (first["benchmark"], first["dataset"]), first["objective"], regret is not False, means)
    add_legend(ax, _means(counts))
    return ax


def plot_optimum(comparison: Any, ax: Any = None, benchmark: str | None = None, dataset: str | None = None) -> Any:
    """Plot the share of searches that have found the optimum against the number of queries, for each method.

    It is the empirical distribution function of the number of queries that a search needs. A band around each curve is
    its 95 % interval by Wilson. Failed searches are left out.

    Parameters
    ----------
    comparison : Comparison
        Comparison on benchmarks that know their optimum.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    benchmark, dataset : str, optional
        Selects one benchmark of a comparison on several.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If not exactly one benchmark is selected, none of its searches is complete, or the optimum is unknown.

    References
    ----------
    Wilson: Probable inference, the law of succession, and statistical inference. Journal of the American Statistical
    Association 22 (1927).

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> ax = plot_optimum(crlso.compare(bench, ["local", "random"], seeds=4, budget=20))
    """
    need_matplotlib("plot_optimum")
    records = _checked_records(comparison, benchmark, dataset)
    groups: dict[str, list[int | None]] = {}
    for record in records:
        _optimum(True, record["optimum"], record["benchmark"])
        groups.setdefault(record["label"], []).append(query_of_optimum(record))
    ax = axes_or_new(ax, _SIZE)
    counts, last = list(map(len, groups.values())), max(record["budget"] for record in records)
    for (label, reached), colour in zip(groups.items(), itertools.cycle(SERIES)):
        shares = share_curve(reached, last)
        ends = [wilson_interval(round(share * len(reached)), len(reached)) for share in shares.values]
        _draw(ax, Curve(shares.queries, 100 * shares.values), colour, linewidth=1.8, label=label)
        low, high = (100 * np.array(side) for side in zip(*ends))
        ax.fill_between(shares.queries, low, high, step="post", color=colour, alpha=0.09, linewidth=0)
    first = records[0]
    where = " / ".join(str(part) for part in (first["benchmark"], first["dataset"]) if part)
    finish(ax, where, "queries", "at the optimum (%)")
    ax.set_xlim(0, last)
    ax.set_ylim(-3, 103)
    add_legend(ax, f"shares of {counts[0]} searches" if len(set(counts)) == 1 else None)
    return ax


# -- drawing ------------------------------------------------------------------------------------------------------


def _draw_studies(ax: Any, label: str, curves: Sequence[Curve], colour: str) -> None:
    """Draw the studies of one method: one as a line, several as thin lines with their mean."""
    if len(curves) == 1:
        _draw(ax, curves[0], colour, linewidth=1.6, label=label)
        return
    for curve in curves:
        _draw(ax, curve, colour, linewidth=0.7, alpha=0.35)
    queries, values = together(curves)
    if len(queries):
        mean = Curve(queries, values.mean(axis=0))
        _draw(ax, mean, colour, linewidth=1.8, label=label)


def _draw_mean(ax: Any, label: str, curves: Sequence[Curve], colour: str) -> Curve:
    """Draw the mean of the searches of one method with its interval; the mean."""
    queries, values = together(curves)
    mean = Curve(queries, values.mean(axis=0))
    _draw(ax, mean, colour, linewidth=1.8, label=label)
    if len(curves) > 1:
        ax.fill_between(queries, *bootstrap_band(values), step="post", color=colour, alpha=0.18, linewidth=0)
    return mean


def _draw(ax: Any, curve: Curve, colour: str, **style: Any) -> None:
    ax.plot(curve.queries, curve.values, drawstyle="steps-post", color=colour, **style)


def _finish(ax: Any, where: tuple[Any, ...], objective: Any, regret: bool, curves: Sequence[Curve]) -> None:
    """Set the labels and scales of axes that show the curves: values or regrets against queries."""
    ylabel = regret_label(objective) if regret else f"best {value_label(objective)}"
    finish(ax, " / ".join(str(part) for part in where if part), "queries", ylabel)
    ax.set_xlim(left=0)
    values = np.concatenate([curve.values for curve in curves])
    if regret and (values > 0).any():
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5 * values[values > 0].min())
    floor = None if regret else value_floor(curves)
    if floor is not None:
        margin = 0.05 * (values.max() - floor)
        ax.set_ylim(floor - margin, values.max() + margin)


def _named(label: str, n: int, counts: Iterable[int]) -> str:
    """The label of a method, with the number of its searches unless that is the same for all, see :func:`_means`."""
    return label if n == 1 or len(set(counts)) == 1 else f"{label} (mean of {n})"


def _means(counts: Iterable[int]) -> str | None:
    """The title of the legend: of how many searches the means are, if all are of equally many."""
    found = set(counts)
    return f"means of {found.pop()} searches" if len(found) == 1 and found != {1} else None


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
