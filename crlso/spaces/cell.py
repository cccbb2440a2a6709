"""A cell of any space: a small directed acyclic graph of operations."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from crlso.spaces.layout import CellLayout, Graph, layout_of

__all__ = ["NO_EDGE", "Cell"]

NO_EDGE = "none"  # the operation that stands for no edge, in spaces that have one


def _checked_codes(codes: Iterable[Any], layout: CellLayout) -> tuple[int, ...]:
    limits = layout.cardinalities
    expected = f"codes: expected {len(limits)} integers from 0 to {max(limits) - 1}"
    try:
        values = tuple(operator.index(code) for code in codes)
    except TypeError:
        raise TypeError(f"{expected}, got {codes!r:.100}") from None
    if len(values) != len(limits):
        raise ValueError(f"{expected}, got {codes!r:.100}")
    for column, (value, limit) in enumerate(zip(values, limits)):
        if not 0 <= value < limit:
            raise ValueError(f"{expected} ({limit - 1} in column {column}), got {codes!r:.100}")
    return values


@dataclass(frozen=True, repr=False)
class Cell:
    """One cell: immutable, hashable, equal to any cell of the same space with the same codes.

    Spaces make cells (``space.cell(...)``); the constructor is for codes that are already at hand.

    Parameters
    ----------
    space : str
        Name of the space, e.g. ``"nasbench201"``.
    codes : sequence of int
        The row of codes, as the space orders them.

    Raises
    ------
    ValueError
        For an unknown space, a wrong number of codes or a code outside its range.
    TypeError
        For codes that are not integers.

    Examples
    --------
    >>> cell = Cell("nasbench201", (3, 0, 1, 2, 4, 0))
    >>> str(cell)
    '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|'
    """

    space: str
    codes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", _checked_codes(self.codes, layout_of(self.space)))

    @property
    def operations(self) -> tuple[str | None, ...]:
        """Name of the operation on each edge, or on each intermediate node; None where there is none."""
        layout = layout_of(self.space)
        return tuple(name for part in layout.split_row(self.codes) for name in layout.operation_names(part))

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """``(source, target)`` of every edge that a graph of the space can have, in the order of their codes."""
        return layout_of(self.space).edges

    @property
    def graphs(self) -> list[Graph]:
        """The graphs of the cell, to look at: one, or a normal and a reduction cell."""
        return layout_of(self.space).drawn(self.codes)

    def __str__(self) -> str:
        return layout_of(self.space).text(self.codes)

    def __repr__(self) -> str:
        return f"Cell({str(self)!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the cell with matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from crlso.plotting import plot_cell

        return plot_cell(self, ax=ax)

    def to_dot(self) -> str:
        """The cell in the DOT language of Graphviz; edges that stand for no edge are left out.

        Examples
        --------
        >>> print(Cell("nasbench201", (3, 0, 0, 0, 1, 0)).to_dot())
        digraph cell {
          rankdir=LR;
          node [shape=circle];
          0; 1; 2; 3;
          0 -> 1 [label="nor_conv_3x3"];
          1 -> 3 [label="skip_connect"];
        }
        """
        layout = layout_of(self.space)
        labelled = layout.operations_on_nodes or len(layout.graphs) > 1 or layout.n_inputs > 1
        lines = ["digraph cell {", "  rankdir=LR;"]
        lines.append(f"  node [shape={'box' if layout.operations_on_nodes else 'circle'}];")
        first = 0
        for number, graph in enumerate(shown(self)):
            inner = _dot_graph(graph, first, labelled)
            if graph.title:
                title = _dot_quoted(graph.title)
                inner = [f"subgraph cluster_{number} {{", f"  label={title};", *(f"  {line}" for line in inner), "}"]
            lines += [f"  {line}" for line in inner]
            first += len(graph.labels)
        return "\n".join([*lines, "}"])

    def _repr_html_(self) -> str:
        return to_svg(self)


@dataclass(frozen=True)
class Shown:
    """A graph as pictures show it: without absent nodes, and with numbers of colours instead of operations.

    The colour of a node is None where it has no operation. An absent node that has edges, in a row that is no cell of
    its space, is shown.
    """

    title: str
    labels: tuple[str, ...]
    colours: tuple[int | None, ...]
    edges: list[tuple[int, int, str, int]]

    @property
    def linked(self) -> set[int]:
        """The nodes with edges other than those that stand for no edge."""
        return {node for source, target, name, _ in self.edges if name != NO_EDGE for node in (source, target)}


def shown(cell: Cell) -> list[Shown]:
    """The graphs of a cell as pictures show them."""
    layout = layout_of(cell.space)
    # The first two colours are greys, for no edge and for the identity.
    shift = 0 if NO_EDGE in layout.operations else 2
    return [_shown_graph(*pair, layout, shift) for pair in zip(cell.graphs, layout.split_row(cell.codes))]


def _shown_graph(graph: Graph, codes: tuple[int, ...], layout: CellLayout, shift: int) -> Shown:
    numbers: dict[int, int | None] = dict.fromkeys(range(layout.n_nodes))
    absent = set()
    for node, code in zip(layout.intermediate, codes) if layout.operations_on_nodes else ():
        if code < layout.free:
            absent.add(node)
        else:
            numbers[node] = code - layout.free + shift
    absent -= {node for source, target, _, _ in graph.edges for node in (source, target)}
    kept = [node for node in numbers if node not in absent]
    place = {node: i for i, node in enumerate(kept)}
    return Shown(
        graph.title,
        tuple(graph.labels[node] for node in kept),
        tuple(numbers[node] for node in kept),
        [(place[source], place[target], name, code + shift) for source, target, name, code in graph.edges],
    )


def _dot_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _dot_graph(graph: Shown, first: int, labelled: bool) -> list[str]:
    """The lines of a graph whose nodes count from `first`."""

    def attributes(text: str) -> str:
        return f" [label={_dot_quoted(text)}]" if text else ""

    nodes = [f"{first + node}{attributes(text if labelled else '')};" for node, text in enumerate(graph.labels)]
    edges = [
        f"{first + source} -> {first + target}{attributes(name)};"
        for source, target, name, _ in graph.edges
        if name != NO_EDGE
    ]
    return [" ".join(nodes), *edges]


# Colours that read on white and on dark pages (Okabe, Ito: tell-apart for colour-blind readers too).
_COLOURS = ("#a0652f", "#999999", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_STEP, _RADIUS, _ARC = 180, 14, 46  # pixels: between nodes, of a node, height of an arc per node it passes
_BARE_ARC = 34  # the same of an arc without a label
_LETTER = 7  # pixels: no letter of the names of operations is much wider at this size
_GAP = 30  # pixels: least length of a straight edge beside its label


def tint(colour: str) -> str:
    """A light background of a colour."""
    return "#" + "".join(f"{255 - (255 - int(colour[i : i + 2], 16)) // 6:02x}" for i in (1, 3, 5))


def to_svg(cell: Cell) -> str:
    """An inline SVG of a cell: nodes on a line, edges as labelled arcs, absent edges dotted; one row for each graph.

    Operations on nodes stand in boxes of their colours.

    Parameters
    ----------
    cell : Cell
        What to draw.

    Returns
    -------
    str
        A complete ``<svg>`` element without scripts or external references.
    """
    graphs = shown(cell)
    boxed = layout_of(cell.space).operations_on_nodes
    step = max(_STEP, *(_svg_need(graph, boxed) for graph in graphs))
    parts, height, width = [], 0, 0
    for graph in graphs:
        drawing, graph_height = _svg_graph(graph, height, step, boxed)
        parts += drawing
        height += graph_height
        last = _svg_half(graph.labels[-1], boxed)
        width = max(width, 30 + step * (len(graph.labels) - 1) + max(30, last + 8))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" style="max-width:100%" font-family="sans-serif" font-size="11"><title>{escape(str(cell))}</title>'
    )
    return "".join([head, *parts, "</svg>"])


def _svg_half(label: str, boxed: bool) -> int:
    """Half the width of a node."""
    return max(_RADIUS + 4, _LETTER * len(label) // 2 + 8) if boxed else _RADIUS


def _svg_need(graph: Shown, boxed: bool) -> int:
    """The least distance of nodes at which straight edges have room for their labels."""
    halves = [_svg_half(label, boxed) for label in graph.labels]
    names = max((len(name) for source, target, name, _ in graph.edges if target == source + 1), default=0)
    return max((a + b for a, b in itertools.pairwise(halves)), default=0) + _LETTER * names + _GAP


def _svg_graph(graph: Shown, top: int, step: int, boxed: bool) -> tuple[list[str], int]:
    """What is drawn of a graph that begins at height `top`, and the height it needs."""
    above, below = (
        max((target - source - 1 for source, target, _, _ in graph.edges if source % 2 == odd), default=0)
        for odd in (0, 1)
    )
    arc = _BARE_ARC if boxed else _ARC
    room = 16 if graph.title and not above else 0
    middle = top + 30 + room + arc * above
    draw = _svg_box_edge if boxed else _svg_edge
    parts = [draw(graph, edge, middle, step) for edge in graph.edges]
    if graph.title:
        parts.append(f'<text x="4" y="{top + 12}" fill="#777777">{escape(graph.title)}</text>')
    ends = {node for source, target, _, _ in graph.edges for node in (source, target)}
    for node, (label, colour) in enumerate(zip(graph.labels, graph.colours)):
        dotted = "" if node in ends else ' stroke-dasharray="2 3"'
        parts.append(_svg_node(label, colour, (30 + step * node, middle), boxed, dotted))
    return parts, 60 + room + arc * (above + below)


def _svg_node(label: str, colour: int | None, place: tuple[int, int], boxed: bool, dotted: str) -> str:
    x, y = place
    fill, stroke = "#f4f4f4", "#555555"
    if colour is not None:
        stroke = _COLOURS[colour % len(_COLOURS)]
        fill = tint(stroke)
    half = _svg_half(label, boxed)
    where = f'circle cx="{x}" cy="{y}" r="{_RADIUS}"'
    if boxed:
        where = f'rect x="{x - half}" y="{y - _RADIUS}" width="{2 * half}" height="{2 * _RADIUS}" rx="6"'
    return (
        f'<{where} fill="{fill}" stroke="{stroke}"{dotted}/>'
        f'<text x="{x}" y="{y + 4}" text-anchor="middle" fill="#222222">{escape(label)}</text>'
    )


def _svg_edge(graph: Shown, edge: tuple[int, int, str, int], middle: int, step: int) -> str:
    """One edge: straight between neighbours, else an arc above (even source) or below (odd source) the nodes."""
    source, target, name, code = edge
    colour = _COLOURS[code % len(_COLOURS)]
    side = -1 if source % 2 == 0 else 1
    lift = side * _ARC * (target - source - 1)
    start, end = 30 + step * source + _RADIUS, 30 + step * target - _RADIUS
    bend = round(lift * 4 / 3)  # of both control points: the arc's middle is then `lift` away from the line
    line = f"M{start} {middle}C{start + 40} {middle + bend} {end - 40} {middle + bend} {end} {middle}"
    if name == NO_EDGE:
        return f'<path d="{line}" fill="none" stroke="#bbbbbb" stroke-dasharray="2 4"/>'
    turn = round(math.degrees(math.atan2(-bend, 40)))
    label_y = middle + lift + (14 if lift > 0 else -6)
    return (
        _svg_arrow(line, (end, middle), turn, colour)
        + f'<text x="{(start + end) // 2}" y="{label_y}" text-anchor="middle" fill="{colour}">{escape(name)}</text>'
    )


def _svg_box_edge(graph: Shown, edge: tuple[int, int, str, int], middle: int, step: int) -> str:
    """One edge between boxes: from side to side of neighbours, else an arc that joins their tops or bottoms.

    The longer an arc, the nearer to the middles of its boxes it ends, so that arcs of one box do not begin in one
    point.
    """
    source, target, _, _ = edge
    side = -1 if source % 2 == 0 else 1
    before, after = (_svg_half(graph.labels[node], boxed=True) for node in (source, target))
    passed = target - source - 1
    share = 0.8 * (1 - (passed - 1) / len(graph.labels)) if passed else 1
    start, end = round(30 + step * source + share * before), round(30 + step * target - share * after)
    y = middle + side * _RADIUS * (passed > 0)
    bend = side * round((_BARE_ARC * passed - _RADIUS) * 4 / 3) if passed else 0
    reach = round((end - start) / 4)
    line = f"M{start} {y}C{start + reach} {y + bend} {end - reach} {y + bend} {end} {y}"
    return _svg_arrow(line, (end, y), round(math.degrees(math.atan2(-bend, reach))), "#888888")


def _svg_arrow(line: str, end: tuple[int, int], turn: int, colour: str) -> str:
    """A line and its head, turned by some degrees."""
    return (
        f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<path d="M0 0L-9 -4L-9 4Z" fill="{colour}" transform="translate({end[0]} {end[1]}) rotate({turn})"/>'
    )
