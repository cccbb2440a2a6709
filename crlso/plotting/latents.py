"""Plots of latent spaces: where a search went, and a surrogate along a segment."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_members, check_numbers
from crlso._base.colours import SERIES
from crlso._base.types import Floats
from crlso.diagnostics import latent_map
from crlso.plotting.axes import add_legend, axes_or_new, finish, need_matplotlib, value_label

__all__ = ["plot_latent_map", "plot_segment"]

_MAP, _SEGMENT = (5.2, 4.0), (5.2, 3.4)  # inches


def plot_latent_map(
    study: Any, ax: Any = None, model: Any = None, space: Any = None, projector: Any = None, background: int = 1000
) -> Any:
    """Plot the cells of a search as points of a latent space, and the path of its improvements.

    Points have the colour of their value; the worst tenth share the first colour. Crosses are failed trials, small grey
    points are other cells of the space, and a line goes from each improvement to the next.

    Parameters
    ----------
    study : Study
        A search with at least one complete trial.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    model : object, optional
        With ``encode(cells)``, which returns latents; the default is that of :func:`crlso.diagnostics.latent_map`.
    space : Space, optional
        By default that of the cells.
    projector : object, optional
        With ``fit_transform(x)``, which returns points (n, 2). By default, the two principal axes.
    background : int
        Number of random cells of the space to show too.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If the study has no complete trial, or as for :func:`crlso.diagnostics.latent_map`.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=20)
    >>> ax = plot_latent_map(study)
    """
    need_matplotlib("plot_latent_map")
    found = latent_map(study, model, space, projector, background)
    complete = [trial.number for trial in study.trials if trial.value is not None]
    failed = [trial.number for trial in study.trials if trial.state == "failed"]
    if not complete:
        raise ValueError("study: expected a complete trial, got none")
    values = np.array([study.trials[number].value for number in complete])
    path = [trial.number for _, trial in study.history.improvements]
    ax = axes_or_new(ax, _MAP)
    ax.plot(*found.background.T, ".", color="#c4c4c4", markersize=2, zorder=1)
    ax.plot(*found.points[path].T, "-", color="#444444", linewidth=0.9, zorder=2, label="improvements")
    shades = {"vmin": float(np.quantile(values, 0.1)), "vmax": float(values.max()), "cmap": "cividis"}
    style = {"s": 22, "edgecolors": "#222222", "linewidths": 0.4, "zorder": 3}
    dots = ax.scatter(*found.points[complete].T, c=values, **shades, **style)
    if failed:
        ax.plot(*found.points[failed].T, "x", color=SERIES[1], markersize=5, zorder=3, label="failed")
    ax.plot(*found.points[path[-1:]].T, "*", color=SERIES[1], markersize=11, markeredgecolor="#222222", zorder=4)
    ax.lines[-1].set_label("best")
    ax.figure.colorbar(dots, ax=ax, label=value_label(study.objective), shrink=0.85, extend="min")
    finish(ax, " / ".join(part for part in (study.benchmark, study.dataset) if part), "axis 1", "axis 2")
    ax.set_xticks([])
    ax.set_yticks([])
    add_legend(ax)
    return ax


def plot_segment(surrogates: Any, start: npt.ArrayLike, end: npt.ArrayLike, ax: Any = None, points: int = 201) -> Any:
    """Plot surrogates along the segment between two points of a latent space, each with its chord.

    A convex function is nowhere above its chord, the dotted line between its ends.

    Parameters
    ----------
    surrogates : object or mapping of str to object
        Models with ``predict(z)``, such as :class:`crlso.models.ICNNSurrogate` with and without ``convex``, by names.
    start, end : array_like, shape (d,)
        Ends of the segment.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    points : int
        Number of points at which the surrogates are evaluated, at least 2.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, or the axes of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If the ends are not finite points of equal length, or a model does not predict a finite number for each point.

    Examples
    --------
    >>> from crlso.models import ICNNSurrogate
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> models = {
    ...     name: ICNNSurrogate(width=8, epochs=5, convex=name == "ICNN").fit(z, (z**2).sum(axis=1))
    ...     for name in ("ICNN", "MLP")
    ... }
    >>> ax = plot_segment(models, z[0], z[1])
    """
    need_matplotlib("plot_segment")
    named = surrogates if isinstance(surrogates, Mapping) else {type(surrogates).__name__: surrogates}
    points = check_int("points", points, 2)
    ends = [_point(name, given) for name, given in (("start", start), ("end", end))]
    if len(ends[0]) != len(ends[1]):
        raise ValueError(f"end: expected shape ({len(ends[0])},), as start, got ({len(ends[1])},)")
    if not named:
        raise ValueError("surrogates: expected at least one, got none")
    shares = np.linspace(0.0, 1.0, points)
    z = ends[0] + shares[:, None] * (ends[1] - ends[0])
    curves = {str(name): _predicted(name, model, z) for name, model in named.items()}
    ax = axes_or_new(ax, _SEGMENT)
    for (name, values), colour in zip(curves.items(), itertools.cycle(SERIES)):
        ax.plot(shares, values, color=colour, linewidth=1.8, label=name)
        ax.plot([0, 1], values[[0, -1]], ":", color=colour, linewidth=1.1)
    finish(ax, "surrogate along a segment", "position from start (0) to end (1)", "prediction")
    ax.set_xlim(0, 1)
    add_legend(ax, "dotted: chords")
    return ax


def _point(name: str, given: Any) -> Floats:
    point = np.asarray(given, dtype=np.float64)
    if point.ndim != 1 or not len(point) or not np.isfinite(point).all():
        raise ValueError(f"{name}: expected finite numbers of shape (d,), got shape {point.shape}")
    return point


def _predicted(name: Any, model: Any, z: Floats) -> Floats:
    check_members(f"surrogates[{name!r:.60}]", model, ("predict",), "a model with predict(z)")
    return check_numbers(f"predictions of {name!s:.60}", model.predict(z.astype(np.float32)), len(z), "point")
