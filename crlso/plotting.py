"""Pictures of cells and searches, in matplotlib alone (``pip install 'crlso[plot]'``).

Every function takes the axes to draw on and returns them, so that pictures can be combined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["plot_cell", "plot_trajectory"]

# Told apart by colour-blind readers too (Okabe, Ito).
_OPERATION_COLOURS = ("#8a8a8a", "#5f5f5f", "#0072b2", "#d55e00", "#00805b", "#b0568a", "#3f8fc0", "#b87700")
_METHOD_COLOURS = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#b87700", "#5f5f5f", "#56b4e9")
_STEP = 2.4  # between nodes
_LIFT = 0.85  # height of an arc per node it passes
_HALF_HEIGHT = 0.26  # of a node's box
_INCHES = 0.77  # per unit of length in a new figure
_ABSENT = "none"


def plot_cell(cell: Any, ax: Any = None) -> Any:
    """Draw a cell: its nodes in a row, its edges as arrows with the names of their operations.

    Edges between neighbours are straight, longer ones are arcs: above the nodes where the source is even, below where
    it is odd. Edges with the operation ``none`` are left out, and a node without any edge is dotted.

    Parameters
    ----------
    cell : Cell
        What to draw: an object with ``edges``, ``operations`` and ``codes``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> ax = plot_cell(NASBench201().cell(9930))
    """
    _need_matplotlib("plot_cell")
    n_nodes = 1 + max(target for _, target in cell.edges)
    above = max((target - source for source, target in cell.edges if source % 2 == 0), default=1) - 1
    below = max((target - source for source, target in cell.edges if source % 2 == 1), default=1) - 1
    left, right = -0.75, _STEP * (n_nodes - 1) + 0.75
    bottom, top = -0.5 - _LIFT * below, 0.5 + _LIFT * above
    if ax is None:
        ax = _new_axes((_INCHES * (right - left), _INCHES * (top - bottom)))
    drawn = [edge for edge in zip(cell.edges, cell.operations, cell.codes) if edge[1] != _ABSENT]
    connected = {node for edge, _, _ in drawn for node in edge}
    for node in range(n_nodes):
        _draw_node(ax, node, n_nodes, node in connected)
    for edge, operation, code in drawn:
        _draw_edge(ax, edge, n_nodes, operation, _OPERATION_COLOURS[code % len(_OPERATION_COLOURS)])
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def plot_trajectory(studies: Any, ax: Any = None, regret: bool | float = False) -> Any:
    """Draw the best value found so far against the number of queries.

    Parameters
    ----------
    studies : Study or sequence of Study
        What to draw. Studies of one method share a colour; with several, each is a thin line and their mean, where
        all of them have a value, a thick one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    regret : bool or float
        Draw how far the value is below the best of the whole benchmark instead: True looks it up for the benchmarks
        of crlso, a number gives it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    ValueError
        For no study, a study without a complete trial, studies of different datasets, or an optimum that is not
        known.

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> studies = [crlso.search(bench, method="random", budget=30, rng=seed) for seed in range(5)]
    >>> ax = plot_trajectory(studies, regret=True)
    """
    _need_matplotlib("plot_trajectory")
    checked = _checked_studies(studies)
    optimum = _optimum(checked[0], regret)
    if ax is None:
        ax = _new_axes((5.2, 3.4))
    by_method: dict[str, list[Any]] = {}
    for study in checked:
        by_method.setdefault(study.method, []).append(study)
    for place, (method, group) in enumerate(by_method.items()):
        _draw_group(ax, method, group, optimum, _METHOD_COLOURS[place % len(_METHOD_COLOURS)])
    ax.set_xlabel("queries")
    ax.set_ylabel("best validation accuracy (%)" if optimum is None else "regret (percentage points)")
    where = " / ".join(str(part) for part in (checked[0].benchmark, checked[0].dataset) if part)
    ax.set_title(where, fontsize="medium")
    ax.set_xlim(left=0)
    if optimum is not None:
        ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper right" if optimum is not None else "lower right")
    return ax


def _need_matplotlib(what: str) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install 'crlso[plot]'") from error


def _new_axes(size: tuple[float, float]) -> Any:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _half_width(node: int, n_nodes: int) -> float:
    """Half the width of a node's box; "input" and "output" need more room than a number."""
    return 0.42 if node in (0, n_nodes - 1) else 0.26


def _draw_node(ax: Any, node: int, n_nodes: int, connected: bool) -> None:
    """A box with the node's name."""
    from matplotlib.patches import FancyBboxPatch

    name = "input" if node == 0 else "output" if node == n_nodes - 1 else str(node)
    x, half, pad = _STEP * node, _half_width(node, n_nodes), 0.06
    box = FancyBboxPatch(
        (x - half + pad, -_HALF_HEIGHT + pad),
        2 * (half - pad),
        2 * (_HALF_HEIGHT - pad),
        boxstyle=f"round,pad={pad},rounding_size=0.12",
        facecolor="#f2f2f2" if connected else "white",
        edgecolor="#444444" if connected else "#aaaaaa",
        linestyle="solid" if connected else "dotted",
        linewidth=1.1,
        zorder=2,
    )
    ax.add_patch(box)
    colour = "#222222" if connected else "#8a8a8a"
    ax.text(x, 0, name, ha="center", va="center", fontsize=9, color=colour, zorder=4)


def _draw_edge(ax: Any, edge: tuple[int, int], n_nodes: int, operation: str, colour: str) -> None:
    """An arrow between two boxes, and its label on the middle of it."""
    from matplotlib.patches import FancyArrowPatch

    start, end, lift = _route(edge, n_nodes)
    # arc3 is a quadratic Bezier curve: its control point is |rad| * length off the line, its middle half as far.
    bend = -2 * (lift - start[1]) / (end[0] - start[0])
    arrow = FancyArrowPatch(
        start,
        end,
        shrinkA=0,
        shrinkB=0.5,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>,head_length=5,head_width=2.6",
        linewidth=1.4,
        color=colour,
        zorder=3,
    )
    ax.add_patch(arrow)
    ax.text(
        (start[0] + end[0]) / 2,
        lift if lift else 0.06,
        operation,
        ha="center",
        va="center" if lift else "bottom",
        fontsize=8,
        color=colour,
        bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1.5} if lift else None,
        zorder=5,
    )


def _route(edge: tuple[int, int], n_nodes: int) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Where an edge starts and ends, and the height of its middle.

    Neighbours are joined from side to side. An arc joins the tops or the bottoms of its boxes, the longer the nearer
    to their middles, so that arcs of one box do not begin in one point.
    """
    source, target = edge
    start, end = _STEP * source, _STEP * target
    before, after = _half_width(source, n_nodes), _half_width(target, n_nodes)
    if target == source + 1:
        return (start + before, 0.0), (end - after, 0.0), 0.0
    side = 1 if source % 2 == 0 else -1
    share = 0.7 * (1 - (target - source - 2) / max(n_nodes - 2, 1))
    y = side * _HALF_HEIGHT
    return (start + share * before, y), (end - share * after, y), side * _LIFT * (target - source - 1)


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
    return found


def _optimum(study: Any, regret: bool | float) -> float | None:
    """The value that regret is counted from; None for no regret."""
    if regret is False:
        return None
    if regret is not True:
        number = float(regret)
        if not math.isfinite(number):
            raise ValueError(f"regret: expected a bool or a finite optimum, got {regret!r}")
        return number
    if study.benchmark != "nasbench201":
        raise ValueError(f"regret: expected the optimum as a number for benchmark {study.benchmark!r}, got True")
    from crlso.benchmarks import NASBench201

    return NASBench201(study.dataset).regret(0.0)


def _draw_group(ax: Any, method: str, group: Sequence[Any], optimum: float | None, colour: str) -> None:
    """The studies of one method."""
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
    """Queries and values of the steps, up to the last query."""
    queries = [int(entry[0]) for entry in study.trajectory]
    values = [float(entry[1]) for entry in study.trajectory]
    if study.n_queries > queries[-1]:
        queries.append(study.n_queries)
        values.append(values[-1])
    return queries, values if optimum is None else [optimum - value for value in values]


def _at(curve: tuple[list[int], list[float]], query: int) -> float:
    """The value of a step curve at a query."""
    from bisect import bisect_right

    queries, values = curve
    return values[bisect_right(queries, query) - 1]
