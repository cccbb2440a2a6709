"""Pictures of cells and searches, in matplotlib alone (``pip install 'crlso[plot]'``).

Every function takes the axes to draw on and returns them, so that pictures can be combined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from crlso.spaces.cell import NO_EDGE

__all__ = ["plot_cell", "plot_trajectory"]

# Told apart by colour-blind readers too (Okabe, Ito).
_OPERATION_COLOURS = ("#8a8a8a", "#5f5f5f", "#0072b2", "#d55e00", "#00805b", "#b0568a", "#3f8fc0", "#b87700")
_METHOD_COLOURS = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#b87700", "#5f5f5f", "#56b4e9")
_STEP = 2.4  # between nodes
_LIFT = 0.85  # height of an arc per node it passes
_HALF_HEIGHT = 0.26  # of a node's box
_INCHES = 0.77  # per unit of length in a new figure


def plot_cell(cell: Any, ax: Any = None) -> Any:
    """Draw a cell: its nodes in a row, its edges as arrows with the names of their operations.

    Edges between neighbours are straight, longer ones are arcs: above the nodes where the source is even, below where
    it is odd. Edges with the operation ``none`` are left out, as are absent nodes; a node without any edge is dotted.

    Parameters
    ----------
    cell : Cell
        What to draw: an object with ``graphs``; several graphs are drawn below each other.
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
    graphs = cell.graphs
    spans = [_span(graph) for graph in graphs]
    widest = max(len(graph.labels) for graph in graphs)
    left, right = -0.75, _STEP * (widest - 1) + 0.75
    height = sum(above + below for above, below in spans)
    if ax is None:
        ax = _new_axes((_INCHES * (right - left), _INCHES * height))
    top = spans[0][0]  # so that the nodes of the first graph stand at height 0
    for graph, (above, below) in zip(graphs, spans):
        _draw_graph(ax, graph, top - above)
        if graph.title:
            ax.text(left + 0.1, top - 0.1, graph.title, va="top", fontsize=9, color="#222222", zorder=5)
        top -= above + below
    ax.set_xlim(left, right)
    ax.set_ylim(top, spans[0][0])
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _span(graph: Any) -> tuple[float, float]:
    """Room that a graph needs above and below its nodes."""
    above, below = (
        max((target - source for source, target, _, _ in graph.edges if source % 2 == odd), default=1) - 1
        for odd in (0, 1)
    )
    return 0.5 + _LIFT * above, 0.5 + _LIFT * below


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
    ax.set_ylabel(_value_label(checked[0]) if optimum is None else "regret (percentage points)")
    where = " / ".join(str(part) for part in (checked[0].benchmark, checked[0].dataset) if part)
    ax.set_title(where, fontsize="medium")
    ax.set_xlim(left=0)
    if optimum is not None:
        ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper right" if optimum is not None else "lower right")
    return ax


def _value_label(study: Any) -> str:
    objective = getattr(study, "objective", None) or "validation"
    return "best value" if objective == "value" else f"best {objective} accuracy (%)"


def _need_matplotlib(what: str) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install 'crlso[plot]'") from error


def _new_axes(size: tuple[float, float]) -> Any:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _draw_graph(ax: Any, graph: Any, height: float) -> None:
    """The nodes of a graph in a row at some height, and its edges."""
    edges = [edge for edge in graph.edges if edge[2] != NO_EDGE]
    connected = {node for source, target, _, _ in edges for node in (source, target)}
    names = [_node_name(label) for label in graph.labels]
    for node, name in enumerate(names):
        if graph.labels[node] != "absent":
            _draw_node(ax, (_STEP * node, height), name, node in connected)
    for source, target, operation, code in edges:
        colour = _OPERATION_COLOURS[code % len(_OPERATION_COLOURS)] if operation else "#444444"
        _draw_edge(ax, _route((source, target), names), height, operation, colour)


def _node_name(label: str) -> str:
    """What stands in a node's box; long names of operations on two lines."""
    if label in ("in", "out"):
        return label + "put"
    breaks = [place for place in (label.find(mark, 4) for mark in "-_") if place > 0]
    if len(label) <= 9 or not breaks:
        return label
    return f"{label[: min(breaks)]}\n{label[min(breaks) + 1 :]}"


def _half_width(name: str) -> float:
    """Half the width of a node's box: room for its name."""
    if name in ("input", "output"):
        return 0.42
    return max(0.26, 0.12 + 0.055 * max(map(len, name.split("\n"))))


def _draw_node(ax: Any, place: tuple[float, float], name: str, connected: bool) -> None:
    """A box with the node's name."""
    from matplotlib.patches import FancyBboxPatch

    (x, y), half, pad = place, _half_width(name), 0.06
    box = FancyBboxPatch(
        (x - half + pad, y - _HALF_HEIGHT + pad),
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
    size = 7.5 if "\n" in name else 9
    ax.text(x, y, name, ha="center", va="center", fontsize=size, color=colour, linespacing=1.0, zorder=4)


def _draw_edge(
    ax: Any, route: tuple[tuple[float, float], tuple[float, float], float], height: float, operation: str, colour: str
) -> None:
    """An arrow between two boxes, and its label, if it has one, on the middle of it."""
    from matplotlib.patches import FancyArrowPatch

    start, end, lift = route
    # arc3 is a quadratic Bezier curve: its control point is |rad| * length off the line, its middle half as far.
    bend = -2 * (lift - start[1]) / (end[0] - start[0])
    arrow = FancyArrowPatch(
        (start[0], start[1] + height),
        (end[0], end[1] + height),
        shrinkA=0,
        shrinkB=0.5,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>,head_length=5,head_width=2.6",
        linewidth=1.4,
        color=colour,
        zorder=3,
    )
    ax.add_patch(arrow)
    if not operation:
        return
    ax.text(
        (start[0] + end[0]) / 2,
        height + (lift if lift else 0.06),
        operation,
        ha="center",
        va="center" if lift else "bottom",
        fontsize=8,
        color=colour,
        bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1.5} if lift else None,
        zorder=5,
    )


def _route(edge: tuple[int, int], names: list[str]) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Where an edge starts and ends, and the height of its middle, above the line of the nodes.

    Neighbours are joined from side to side. An arc joins the tops or the bottoms of its boxes, the longer the nearer
    to their middles, so that arcs of one box do not begin in one point.
    """
    source, target = edge
    start, end = _STEP * source, _STEP * target
    before, after = _half_width(names[source]), _half_width(names[target])
    if target == source + 1:
        return (start + before, 0.0), (end - after, 0.0), 0.0
    side = 1 if source % 2 == 0 else -1
    share = 0.7 * (1 - (target - source - 2) / max(len(names) - 2, 1))
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
