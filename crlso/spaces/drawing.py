"""Pictures of cells: one geometry and one set of colours, written here as SVG and in the DOT language of Graphviz."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from html import escape

from crlso._base.colours import FAINT, INK, PLAIN, tint
from crlso.spaces.colours import operation_colours
from crlso.spaces.layout import CellLayout
from crlso.spaces.text import cell_text, node_name

__all__ = ["Arrow", "Box", "Graph", "Picture", "cell_graphs", "draw", "to_dot", "to_svg"]

# Lengths in pixels.
LETTER, LINE, FONT = 7, 12, 11  # most width of a letter, distance of lines, size of the font
HALF_HEIGHT = 15  # of a box
_MARGIN = 12
_STEP, _BARE_STEP = 180, 110  # least distance of nodes, where edges have labels and where not
_LIFT, _BARE_LIFT = 52, 36  # height of an arc per node that it passes
_GAP = 30  # least length of a straight edge beside its label
_ABOVE_LINE = 9  # from a straight edge to the middle of its label

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Graph:
    """One graph of a cell, to look at.

    Attributes
    ----------
    title : str
        Empty where a cell has one graph.
    labels : tuple of str
        Text of each node: ``in``, ``out``, a number, or an operation.
    edges : list of (int, int, str, int)
        Source, target, operation (empty where operations are on nodes) and index of the operation.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> (graph,) = NASBench201().cell(6111).graphs
    >>> graph.labels
    ('in', '1', '2', 'out')
    """

    title: str
    labels: tuple[str, ...]
    edges: list[tuple[int, int, str, int]]


@dataclasses.dataclass(frozen=True)
class Box:
    """A node in a picture: a box of height ``2 * HALF_HEIGHT`` around (`x`, `y`), with lines of text in its middle.

    A node without edges has a dotted border.
    """

    x: float
    y: float
    half_width: float
    lines: tuple[str, ...]
    fill: str
    border: str
    is_linked: bool


@dataclasses.dataclass(frozen=True)
class Arrow:
    """An edge in a picture: a cubic Bezier curve by its four points, and its label around (x, y), if it has one."""

    curve: tuple[Point, Point, Point, Point]
    colour: str
    label: str
    label_at: Point


@dataclasses.dataclass(frozen=True)
class Picture:
    """A cell as it is drawn, in pixels: x to the right, y down.

    Attributes
    ----------
    width, height : float
    boxes : list of Box
    arrows : list of Arrow
    titles : list of (float, float, str)
        Left end and middle height of the title of each graph that has one.
    """

    width: float
    height: float
    boxes: list[Box]
    arrows: list[Arrow]
    titles: list[tuple[float, float, str]]


# -- the graphs of a cell -----------------------------------------------------------------------------------------


def cell_graphs(layout: CellLayout, codes: tuple[int, ...]) -> list[Graph]:
    """Return the graphs of a cell, without the edges that are not there."""
    return [_graph(layout, title, part) for title, part in zip(layout.graphs, layout.split_row(codes))]


def _graph(layout: CellLayout, title: str, codes: tuple[int, ...]) -> Graph:
    edges = []
    for (source, target), column in zip(layout.edges, layout.edge_columns):
        code = 0 if column < 0 else codes[column] - layout.free
        if code >= 0:
            edges.append((source, target, "" if layout.operations_on_nodes else layout.operations[code], code))
    return Graph(title, tuple(_label(layout, node, codes) for node in range(layout.n_nodes)), edges)


def _label(layout: CellLayout, node: int, codes: tuple[int, ...]) -> str:
    if node < layout.n_inputs:
        return "in" if layout.n_inputs == 1 else f"in {node}"
    if layout.has_output and node == layout.n_nodes - 1:
        return "out"
    return node_name(layout, node, codes) if layout.operations_on_nodes else str(node)


@dataclasses.dataclass(frozen=True)
class _Shown:
    """What pictures show of a graph: no absent nodes, and no edges that pass nothing on.

    `colours` are those of nodes, None for a node without an operation. An absent node that has edges, in a row that is
    no cell of its space, is shown.
    """

    title: str
    labels: tuple[str, ...]
    colours: tuple[str | None, ...]
    edges: list[tuple[int, int, str, str]]  # source, target, label, colour


def _shown(layout: CellLayout, codes: tuple[int, ...]) -> Iterator[_Shown]:
    colours = operation_colours(layout)
    for graph, part in zip(cell_graphs(layout, codes), layout.split_row(codes)):
        operations: dict[int, int] = {}  # of nodes
        if layout.operations_on_nodes:
            operations = {node: code - layout.free for node, code in zip(layout.intermediate, part)}
        linked = {node for source, target, _, _ in graph.edges for node in (source, target)}
        kept = [node for node in range(layout.n_nodes) if operations.get(node, 0) >= 0 or node in linked]
        position = {node: i for i, node in enumerate(kept)}
        yield _Shown(
            graph.title,
            tuple(graph.labels[node] for node in kept),
            tuple(colours[operations[node]] if operations.get(node, -1) >= 0 else None for node in kept),
            [
                (position[source], position[target], name, colours[code] if name else PLAIN)
                for source, target, name, code in graph.edges
                if not name or code not in layout.dead_operations
            ],
        )


# -- geometry -----------------------------------------------------------------------------------------------------


def draw(layout: CellLayout, codes: tuple[int, ...]) -> Picture:
    """Lay out the picture of a cell: nodes in a row, edges as arrows, several graphs below each other.

    Edges between neighbours are straight, longer ones are arcs: above the nodes where the source is even, below where
    it is odd. Edges whose operation passes nothing on are left out, as are absent nodes.

    Parameters
    ----------
    layout : CellLayout
        Layout of the space.
    codes : tuple of int
        A row of codes.

    Returns
    -------
    Picture

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> picture = draw(NASBench201().layout, (3, 0, 0, 0, 1, 0))
    >>> [box.lines for box in picture.boxes]
    [('in',), ('1',), ('2',), ('out',)]
    >>> [arrow.label for arrow in picture.arrows]
    ['nor_conv_3x3', 'skip_connect']
    """
    graphs = list(_shown(layout, codes))
    step = max(_least_step(graph) for graph in graphs)
    first = _MARGIN + max(_half_width(graph.labels[0]) for graph in graphs)
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    titles = []
    top = 0.0
    for graph in graphs:
        above, below = _room(graph)
        if graph.title:
            titles.append((6.0, top + 10, graph.title))
        y = top + above
        centres = [(first + step * node, y) for node in range(len(graph.labels))]
        boxes += _boxes(graph, centres)
        arrows += [_arrow(graph, edge, centres) for edge in graph.edges]
        top += above + below
    return Picture(max(box.x + box.half_width for box in boxes) + _MARGIN, top, boxes, arrows, titles)


def _lines(label: str) -> tuple[str, ...]:
    """A label on one line, or a long one on two: broken behind the mark that makes the longer line shortest."""
    marks = [i + 1 for i, letter in enumerate(label[:-1]) if letter in "-_." and i]
    if len(label) <= 9 or not marks:
        return (label,)
    middle = min(marks, key=lambda mark: max(mark, len(label) - mark))
    return label[:middle], label[middle:]


def _half_width(label: str) -> float:
    """Half the width of a node's box."""
    return max(18, LETTER * max(map(len, _lines(label))) / 2 + 8)


def _least_step(graph: _Shown) -> float:
    """The least distance of nodes at which straight edges have room for their labels."""
    halves = [_half_width(label) for label in graph.labels]
    names = max((len(name) for source, target, name, _ in graph.edges if target == source + 1), default=0)
    need = max((a + b for a, b in itertools.pairwise(halves)), default=0.0) + LETTER * names + _GAP
    return max(need, _STEP if any(name for _, _, name, _ in graph.edges) else _BARE_STEP)


def _lift(graph: _Shown) -> float:
    """Height of an arc per node that it passes."""
    return _LIFT if any(name for _, _, name, _ in graph.edges) else _BARE_LIFT


def _room(graph: _Shown) -> tuple[float, float]:
    """Room that a graph needs above and below the middle of its nodes."""
    above, below = (
        max((target - source for source, target, _, _ in graph.edges if source % 2 == odd), default=1) - 1
        for odd in (0, 1)
    )
    title = 18 if graph.title else 0
    return HALF_HEIGHT + _MARGIN + title + _lift(graph) * above, HALF_HEIGHT + _MARGIN + _lift(graph) * below


def _boxes(graph: _Shown, centres: list[Point]) -> Iterator[Box]:
    linked = {node for source, target, _, _ in graph.edges for node in (source, target)}
    for node, ((x, y), label, colour) in enumerate(zip(centres, graph.labels, graph.colours)):
        fill, border = ("#f2f2f2", PLAIN) if colour is None else (tint(colour), colour)
        if node not in linked:
            fill, border = "#ffffff", "#aaaaaa"
        yield Box(x, y, _half_width(label), _lines(label), fill, border, node in linked)


def _arrow(graph: _Shown, edge: tuple[int, int, str, str], centres: list[Point]) -> Arrow:
    """The route of an edge between two boxes.

    Neighbours are joined from side to side. An arc joins the tops or the bottoms of its boxes, the longer the nearer
    to their middles, so that arcs of one box do not begin in one point.
    """
    source, target, label, colour = edge
    passed = target - source - 1
    share = 0.7 * (1 - (passed - 1) / max(len(centres) - 2, 1)) if passed else 1.0
    left = centres[source][0] + share * _half_width(graph.labels[source])
    right = centres[target][0] - share * _half_width(graph.labels[target])
    side = -1 if source % 2 == 0 else 1
    middle, reach = centres[source][1], (right - left) / 4
    start = middle + side * HALF_HEIGHT if passed else middle
    peak = middle + side * _lift(graph) * passed
    bend = start + (peak - start) * 4 / 3  # of both control points: the middle of the curve is then at the peak
    curve = (left, start), (left + reach, bend), (right - reach, bend), (right, start)
    return Arrow(curve, colour, label, ((left + right) / 2, peak if passed else middle - _ABOVE_LINE))


# -- SVG ----------------------------------------------------------------------------------------------------------


def to_svg(layout: CellLayout, codes: tuple[int, ...]) -> str:
    """Write the picture of a cell as an inline SVG.

    Parameters
    ----------
    layout, codes
        See :func:`draw`.

    Returns
    -------
    str
        A complete ``<svg>`` element on a white background, without scripts or external references.
    """
    picture = draw(layout, codes)
    width, height = (f"{length:g}" for length in (picture.width, picture.height))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="{FONT}" '
        f'text-anchor="middle"><title>{escape(cell_text(layout, codes))}</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )
    parts = [*map(_svg_arrow, picture.arrows), *map(_svg_box, picture.boxes)]
    labels = [_svg_label(arrow) for arrow in picture.arrows if arrow.label]
    titles = [
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="start" fill="{INK}">{escape(title)}</text>'
        for x, y, title in picture.titles
    ]
    return "".join([head, *parts, *labels, *titles, "</svg>"])


def _svg_arrow(arrow: Arrow) -> str:
    """A line and its head."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = arrow.curve
    length = ((x3 - x2) ** 2 + (y3 - y2) ** 2) ** 0.5
    x, y = (x3 - x2) / length, (y3 - y2) / length  # the direction in which it ends
    end = f"{x3 - 6 * x:.1f} {y3 - 6 * y:.1f}"  # inside the head, so that its tip is sharp
    wings = " ".join(f"L{x3 - 9 * x - turn * y:.1f} {y3 - 9 * y + turn * x:.1f}" for turn in (4, -4))
    return (
        f'<path d="M{x0:.1f} {y0:.1f}C{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f} {end}" fill="none" stroke="{arrow.colour}" '
        f'stroke-width="2"/><path d="M{x3:.1f} {y3:.1f}{wings}Z" fill="{arrow.colour}"/>'
    )


def _svg_box(box: Box) -> str:
    dotted = "" if box.is_linked else ' stroke-dasharray="2 3"'
    return (
        f'<rect x="{box.x - box.half_width:g}" y="{box.y - HALF_HEIGHT:g}" width="{2 * box.half_width:g}" '
        f'height="{2 * HALF_HEIGHT}" rx="7" fill="{box.fill}" stroke="{box.border}"{dotted}/>'
        + _svg_text(box.lines, box.x, box.y, INK if box.is_linked else FAINT)
    )


def _svg_label(arrow: Arrow) -> str:
    """The label of an edge, on a background that keeps it readable on the arcs that it crosses."""
    x, y = arrow.label_at
    width = LETTER * len(arrow.label)
    background = f'<rect x="{x - width / 2:g}" y="{y - 7:g}" width="{width}" height="14" fill="#ffffff"/>'
    return background + _svg_text((arrow.label,), x, y, arrow.colour)


def _svg_text(lines: tuple[str, ...], x: float, y: float, colour: str) -> str:
    """Lines of text around a point."""
    first = y + 4 - LINE * (len(lines) - 1) / 2
    spans = "".join(f'<tspan x="{x:g}" y="{first + LINE * i:g}">{escape(line)}</tspan>' for i, line in enumerate(lines))
    inner = escape(lines[0]) if len(lines) == 1 else spans
    return f'<text x="{x:g}" y="{first:g}" fill="{colour}">{inner}</text>'


# -- DOT ----------------------------------------------------------------------------------------------------------


def to_dot(layout: CellLayout, codes: tuple[int, ...]) -> str:
    """Write a cell in the DOT language of Graphviz, in the colours of the other pictures.

    Parameters
    ----------
    layout, codes
        See :func:`draw`.
    """
    labelled = layout.operations_on_nodes or len(layout.graphs) > 1 or layout.n_inputs > 1
    lines = ["digraph cell {", "  rankdir=LR;"]
    lines.append(f"  node [shape={'box' if layout.operations_on_nodes else 'circle'}];")
    first = 0
    for number, graph in enumerate(_shown(layout, codes)):
        inner = list(_dot_graph(graph, first, labelled))
        if graph.title:
            title = _dot_quoted(graph.title)
            inner = [f"subgraph cluster_{number} {{", f"  label={title};", *(f"  {line}" for line in inner), "}"]
        lines += [f"  {line}" for line in inner]
        first += len(graph.labels)
    return "\n".join([*lines, "}"])


def _dot_graph(graph: _Shown, first: int, labelled: bool) -> Iterator[str]:
    """The lines of a graph whose nodes count from `first`."""
    nodes = []
    for node, (label, colour) in enumerate(zip(graph.labels, graph.colours)):
        fill = f' color="{colour}" style=filled fillcolor="{tint(colour)}"' if colour else ""
        nodes.append(f"{first + node}{f' [label={_dot_quoted(label)}{fill}]' if labelled else ''};")
    yield " ".join(nodes)
    for source, target, name, colour in graph.edges:
        attributes = f' [label={_dot_quoted(name)} color="{colour}" fontcolor="{colour}"]' if name else ""
        yield f"{first + source} -> {first + target}{attributes};"


def _dot_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
