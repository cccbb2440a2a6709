"""Pictures of cells and searches, in matplotlib alone (``pip install 'crlso[plot]'``).

Every function takes the axes to draw on and returns them, so that pictures can be combined.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from crlso.spaces.cell import NO_EDGE, Shown, shown, tint

__all__ = ["plot_cell", "plot_comparison", "plot_trajectory"]

# Told apart by colour-blind readers too (Okabe, Ito).
_OPERATION_COLOURS = ("#8a8a8a", "#5f5f5f", "#0072b2", "#d55e00", "#00805b", "#b0568a", "#3f8fc0", "#b87700")
_METHOD_COLOURS = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#b87700", "#5f5f5f", "#56b4e9")
_STEP = 2.4  # between nodes
_LIFT = 0.85  # height of an arc per node it passes
_BARE_LIFT = 0.6  # the same of arcs without labels
_HALF_HEIGHT = 0.26  # of a node's box
_INCHES = 0.77  # per unit of length in a new figure
_LETTER = 0.095  # width of a letter of an edge's label in a new figure
_GAP = 0.35  # least length of a straight edge beside its label


def plot_cell(cell: Any, ax: Any = None) -> Any:
    """Draw a cell: its nodes in a row, its edges as arrows with the names of their operations.

    Edges between neighbours are straight, longer ones are arcs: above the nodes where the source is even, below where
    it is odd. Edges with the operation ``none`` are left out, as are absent nodes; a node without any edge is dotted.
    Operations on nodes stand in boxes of their colours.

    Parameters
    ----------
    cell : Cell
        What to draw; several graphs are drawn below each other, with their titles.
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
    graphs = shown(cell)
    step = max(_STEP, *(_needed_step(graph) for graph in graphs))
    spans = [_span(graph) for graph in graphs]
    left, right = -0.75, max(_right(graph, step) for graph in graphs)
    height = sum(above + below for above, below in spans)
    if ax is None:
        ax = _new_axes((_INCHES * (right - left), _INCHES * height))
    top = spans[0][0]  # so that the nodes of the first graph stand at height 0
    for graph, (above, below) in zip(graphs, spans):
        _draw_graph(ax, graph, top - above, step)
        if graph.title:
            ax.text(left + 0.1, top - 0.1, graph.title, va="top", fontsize=9, color="#222222", zorder=5)
        top -= above + below
    ax.set_xlim(left, right)
    ax.set_ylim(top, spans[0][0])
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _needed_step(graph: Shown) -> float:
    """The least distance of nodes at which straight edges have room for their labels."""
    halves = [_half_width(name) for name in _names(graph)]
    names = max((len(name) for source, target, name, _ in graph.edges if target == source + 1), default=0)
    return max((a + b for a, b in itertools.pairwise(halves)), default=0) + _LETTER * names + _GAP


def _right(graph: Shown, step: float) -> float:
    """Where the room of a graph ends."""
    return step * (len(graph.labels) - 1) + max(0.75, _half_width(_names(graph)[-1]) + 0.2)


def _span(graph: Shown) -> tuple[float, float]:
    """Room that a graph needs above and below its nodes."""
    above, below = (
        max((target - source for source, target, _, _ in graph.edges if source % 2 == odd), default=1) - 1
        for odd in (0, 1)
    )
    lift = _lift(graph)
    title = 0.3 if graph.title and not above else 0.0
    return 0.5 + title + lift * above, 0.5 + lift * below


def _lift(graph: Shown) -> float:
    """Height of an arc per node it passes."""
    return _LIFT if any(name for _, _, name, _ in graph.edges) else _BARE_LIFT


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
        For no study, a study without a complete trial, studies of different datasets or objectives, or an optimum
        that is not known.

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
    """Draw the mean over seeds of the best value found so far against the number of queries, for each method.

    Around each mean is its 95 % bootstrap interval. A curve begins where all searches of the method have a value;
    failed searches are left out. A mean regret of 0, where all searches are at the optimum, has no place on the
    logarithmic axis: the curve falls off it there.

    Parameters
    ----------
    comparison : Comparison
        What to draw.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    regret : bool or float
        Draw how far values are below the best of the whole benchmark instead, on a logarithmic axis: True takes the
        optimum of each search's benchmark, a number gives it.
    benchmark, dataset : str, optional
        Which to draw, of a comparison on several.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    ValueError
        When it is not exactly one benchmark that is to be drawn, when none of its searches is complete, and for an
        optimum that is not known.

    Examples
    --------
    >>> import crlso
    >>> bench = crlso.benchmarks.NASBench201("cifar10")
    >>> ax = plot_comparison(crlso.compare(bench, ["local", "random"], seeds=4, budget=20), regret=True)
    """
    _need_matplotlib("plot_comparison")
    records = _checked_records(comparison, benchmark, dataset)
    curves = _mean_curves(records, regret)
    if ax is None:
        ax = _new_axes((5.2, 3.4))
    for place, (label, (queries, means, band)) in enumerate(curves.items()):
        colour = _METHOD_COLOURS[place % len(_METHOD_COLOURS)]
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
    """Title, labels and, in a corner, the legend of axes with values against queries."""
    ax.set_xlabel("queries")
    ax.set_ylabel(_value_label(objective, regret))
    ax.set_title(" / ".join(str(part) for part in where if part), fontsize="medium")
    ax.set_xlim(left=0)
    ax.grid(alpha=0.3, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc=corner)


def _value_label(objective: str | None, regret: bool) -> str:
    """What values with this objective are."""
    objective = objective or "validation"
    is_accuracy = "validation" in objective or "test" in objective
    if regret:
        return "regret (percentage points)" if is_accuracy else f"regret ({objective})"
    return f"best {objective} accuracy (%)" if is_accuracy else f"best {objective}"


def _need_matplotlib(what: str) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install 'crlso[plot]'") from error


def _new_axes(size: tuple[float, float]) -> Any:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _draw_graph(ax: Any, graph: Shown, height: float, step: float) -> None:
    """The nodes of a graph in a row at some height, and its edges."""
    names = _names(graph)
    halves = [_half_width(name) for name in names]
    for node, (name, number) in enumerate(zip(names, graph.colours)):
        colours = ("#f2f2f2", "#444444") if number is None else (tint(_colour(number)), _colour(number))
        _draw_node(ax, (step * node, height), name, colours if node in graph.linked else None)
    for source, target, operation, number in graph.edges:
        if operation != NO_EDGE:
            route = _route((source, target), halves, step, _lift(graph))
            _draw_edge(ax, route, height, operation, _colour(number) if operation else "#444444")


def _colour(number: int) -> str:
    return _OPERATION_COLOURS[number % len(_OPERATION_COLOURS)]


def _names(graph: Shown) -> list[str]:
    """What stands in the boxes of nodes."""
    ends = {"in": "input", "out": "output"}
    return [
        ends.get(label, label) if colour is None else _two_lines(label)
        for label, colour in zip(graph.labels, graph.colours)
    ]


def _two_lines(name: str) -> str:
    """A long name of an operation on two lines: broken behind the mark that makes the longer line shortest."""
    places = [place + 1 for place, letter in enumerate(name[:-1]) if letter in "-_." and place]
    if len(name) <= 9 or not places:
        return name
    place = min(places, key=lambda place: max(place, len(name) - place))
    return f"{name[:place]}\n{name[place:]}"


def _half_width(name: str) -> float:
    """Half the width of a node's box: room for its name."""
    if name in ("input", "output"):
        return 0.42
    return max(0.26, 0.12 + 0.055 * max(map(len, name.split("\n"))))


def _draw_node(ax: Any, place: tuple[float, float], name: str, colours: tuple[str, str] | None) -> None:
    """A box with the node's name, of some colours inside and around; dotted without any."""
    from matplotlib.patches import FancyBboxPatch

    (x, y), half, pad = place, _half_width(name), 0.06
    inside, around = colours or ("white", "#aaaaaa")
    box = FancyBboxPatch(
        (x - half + pad, y - _HALF_HEIGHT + pad),
        2 * (half - pad),
        2 * (_HALF_HEIGHT - pad),
        boxstyle=f"round,pad={pad},rounding_size=0.12",
        facecolor=inside,
        edgecolor=around,
        linestyle="solid" if colours else "dotted",
        linewidth=1.1,
        zorder=2,
    )
    ax.add_patch(box)
    colour = "#222222" if colours else "#8a8a8a"
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


def _route(
    edge: tuple[int, int], halves: list[float], step: float, lift: float
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Where an edge starts and ends, and the height of its middle, above the line of the nodes.

    Neighbours are joined from side to side. An arc joins the tops or the bottoms of its boxes, the longer the nearer
    to their middles, so that arcs of one box do not begin in one point.
    """
    source, target = edge
    start, end = step * source, step * target
    if target == source + 1:
        return (start + halves[source], 0.0), (end - halves[target], 0.0), 0.0
    side = 1 if source % 2 == 0 else -1
    share = 0.7 * (1 - (target - source - 2) / max(len(halves) - 2, 1))
    y = side * _HALF_HEIGHT
    return (start + share * halves[source], y), (end - share * halves[target], y), side * lift * (target - source - 1)


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
    """Complete searches of the one benchmark that is to be drawn."""
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
    """Queries, means and ends of their intervals by method; None instead of these for a single search."""
    import numpy as np

    from crlso.comparison.statistics import bootstrap_band

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
    """Queries and values, or regrets, of the steps of one search of a comparison."""
    from crlso.comparison import LEVEL

    queries = [int(entry["query"]) for entry in record["trajectory"]]
    values = [float(entry["value"]) for entry in record["trajectory"]]
    if regret is False:
        return queries, values
    optimum = record["optimum"] if regret is True else _finite_optimum(regret)
    if optimum is None:
        raise ValueError(
            f"regret: expected the optimum as a number for benchmark {record['benchmark']!r}, which does not know it, "
            "got True"
        )
    return queries, [optimum - value if optimum - value > LEVEL else 0.0 for value in values]


def _finite_optimum(regret: float) -> float:
    number = float(regret)
    if not math.isfinite(number):
        raise ValueError(f"regret: expected a bool or a finite optimum, got {regret!r}")
    return number


def _optimum(study: Any, regret: bool | float) -> float | None:
    """The value that regret is counted from; None for no regret."""
    if regret is False:
        return None
    if regret is not True:
        return _finite_optimum(regret)
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
    queries = [int(entry["query"]) for entry in study.trajectory]
    values = [float(entry["value"]) for entry in study.trajectory]
    if study.n_queries > queries[-1]:
        queries.append(study.n_queries)
        values.append(values[-1])
    return queries, values if optimum is None else [optimum - value for value in values]


def _at(curve: tuple[list[int], list[float]], query: int) -> float:
    """The value of a step curve at a query."""
    from bisect import bisect_right

    queries, values = curve
    return values[bisect_right(queries, query) - 1]
