"""Plots of two objectives: all trials of a search, and the front of those that no other dominates."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_members
from crlso._base.colours import SERIES
from crlso._base.types import Floats
from crlso.benchmarks.measures import measures_of
from crlso.objectives import VALUE, Objective, front, points_of
from crlso.plotting.axes import add_legend, axes_or_new, finish, need_matplotlib, value_label
from crlso.studies.goals import known_front

__all__ = ["plot_front"]

_SIZE = (5.2, 3.6)  # inches
_FRONT, _KNOWN, *_ = SERIES
_OTHERS = "#8a8a8a"


def plot_front(study: Any, ax: Any = None, known: Any = None) -> Any:
    """Plot the trials of a search by its two objectives, and the front of those that no other dominates.

    The region that the front dominates is shaded, up to the worst trial. The axes show the front and all trials but the
    worst tenth, in each objective. Trials that a constraint excludes are crosses; no front has them.

    Parameters
    ----------
    study : Study
        With two objectives.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    known : object, optional
        A benchmark that knows the value of all its cells, or an array of points in the units of the objectives, shape
        (n, 2): their front is drawn as a dotted line.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If the study has another number of objectives or no feasible trial, or `known` does not fit.

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> study = crlso.search(bench, budget=20, objectives=["value", "-latency:pixel3"])
    >>> ax = plot_front(study, known=bench)
    """
    need_matplotlib("plot_front")
    check_members("study", study, ("objectives", "front", "trials", "history"), "a Study")
    aims = [Objective.parse(text) for text in study.objectives]
    if len(aims) != 2:
        raise ValueError(f"study: expected two objectives, got {', '.join(study.objectives)}")
    if not study.front:
        raise ValueError("study: expected a feasible trial, got none")
    signs = np.array([aim.sign for aim in aims], dtype=np.float64)
    trials = [trial for trial in study.trials if all(aim.of(trial) is not None for aim in aims)]
    points, best = points_of(aims, trials), points_of(aims, study.front)
    feasible = np.array([study.history.is_feasible(trial) for trial in trials])
    others = None if known is None else _known_points(known, study)
    ax = axes_or_new(ax, _SIZE)
    worst = points[feasible].min(axis=0)
    if others is not None:
        edge = _staircase(others[front(others)], others.min(axis=0)) * signs
        ax.plot(edge[:, 1], edge[:, 0], ":", color=_KNOWN, linewidth=1.2, label="known front")
    shown, edge = points * signs, _staircase(best, worst) * signs
    ax.fill_between(edge[:, 1], edge[:, 0], worst[0] * signs[0], color=_FRONT, alpha=0.12, linewidth=0)
    ax.plot(edge[:, 1], edge[:, 0], color=_FRONT, linewidth=1.2)
    ax.plot(shown[feasible, 1], shown[feasible, 0], ".", color=_OTHERS, label="trials")
    if not feasible.all():
        ax.plot(shown[~feasible, 1], shown[~feasible, 0], "x", color=_OTHERS, markersize=4, label="beyond a bound")
    ax.plot(best[:, 1] * signs[1], best[:, 0] * signs[0], "o", color=_FRONT, markersize=4, label="front")
    labels = [_label(aim, study, known) for aim in aims]
    finish(ax, " / ".join(part for part in (study.benchmark, study.dataset) if part), labels[1], labels[0])
    for set_limits, column in ((ax.set_ylim, 0), (ax.set_xlim, 1)):
        set_limits(*_limits(points[:, column], best[:, column], aims[column].sign))
    add_legend(ax)
    return ax


def _label(aim: Objective, study: Any, known: Any) -> str:
    """The name of an objective, with its unit where that is known."""
    if aim.name == VALUE:
        return value_label(study.objective or VALUE)
    unit = measures_of(known)[aim.name].unit if hasattr(known, "space") else ""
    return f"{aim.name} ({unit})" if unit else aim.name


def _limits(points: Floats, best: Floats, sign: int) -> tuple[float, float]:
    """The ends of an axis: they show the front, and all trials but the worst tenth, which may be far away."""
    worst, most = min(float(np.quantile(points, 0.1)), float(best.min())), float(points.max())
    margin = 0.06 * (most - worst) or 0.06 * abs(most) or 1.0
    ends = sorted((sign * (worst - margin), sign * (most + margin)))
    return ends[0], ends[1]


def _known_points(known: Any, study: Any) -> Floats:
    """The known points, to be maximised."""
    if hasattr(known, "space"):
        points = known_front(known, study.objectives)
    else:
        points = np.asarray(known, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"known: expected finite points of shape (n, 2), got shape {points.shape}")
    signs = [Objective.parse(text).sign for text in study.objectives]
    return points * np.array(signs, dtype=np.float64)


def _staircase(best: npt.NDArray[np.float64], worst: Floats) -> Floats:
    """Corners of the region that points of a front dominate; the first objective of the points descends."""
    corners = [(best[0, 0], worst[1])]
    for here, following in zip(best, [*best[1:], (worst[0], 0.0)]):
        corners += [(here[0], here[1]), (following[0], here[1])]
    return np.array(corners)
