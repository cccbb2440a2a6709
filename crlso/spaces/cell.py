"""A cell of any space: a small directed acyclic graph of operations."""

from __future__ import annotations

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
        lines = ["digraph cell {", "  rankdir=LR;"]
        on_nodes = layout_of(self.space).operations_on_nodes
        lines.append(f"  node [shape={'box' if on_nodes else 'circle'}];")
        first = 0
        for graph in self.graphs:
            inner = [f"{first + v}{_dot_label(text) if on_nodes else ''};" for v, text in enumerate(graph.labels)]
            lines.append("  " + " ".join(inner))
            for source, target, name, _ in graph.edges:
                if name != NO_EDGE:
                    lines.append(f"  {first + source} -> {first + target}{_dot_label(name)};")
            first += len(graph.labels)
        return "\n".join([*lines, "}"])

    def _repr_html_(self) -> str:
        return to_svg(self)


def _dot_label(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f' [label="{quoted}"]' if text else ""


# Colours that read on white and on dark pages (Okabe, Ito: tell-apart for colour-blind readers too), by operation code.
_COLOURS = ("#999999", "#999999", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_STEP, _RADIUS, _ARC = 180, 14, 46  # pixels: between nodes, of a node, height of an arc per node it passes


def to_svg(cell: Cell) -> str:
    """An inline SVG of a cell: nodes on a line, edges as labelled arcs, absent edges dotted; one row for each graph.

    Parameters
    ----------
    cell : Cell
        What to draw.

    Returns
    -------
    str
        A complete ``<svg>`` element without scripts or external references.
    """
    parts, height, width = [], 0, 0
    for graph in cell.graphs:
        drawing, graph_height = _svg_graph(graph, height)
        parts += drawing
        height += graph_height
        width = max(width, _STEP * (len(graph.labels) - 1) + 60)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" style="max-width:100%" font-family="sans-serif" font-size="11"><title>{escape(str(cell))}</title>'
    )
    return "".join([head, *parts, "</svg>"])


def _svg_graph(graph: Graph, top: int) -> tuple[list[str], int]:
    """What is drawn of a graph that begins at height `top`, and the height it needs."""
    above, below = (
        max((target - source - 1 for source, target, _, _ in graph.edges if source % 2 == odd), default=0)
        for odd in (0, 1)
    )
    middle = top + 30 + _ARC * above
    parts = [_svg_edge(*edge, middle) for edge in graph.edges]
    if graph.title:
        parts.append(f'<text x="4" y="{top + 12}" fill="#222222">{escape(graph.title)}</text>')
    for node, label in enumerate(graph.labels):
        if label == "absent":
            continue
        x = 30 + _STEP * node
        y, halo = middle + 4, ""
        if len(label) > 5:  # an operation: the circle has no room for it
            y, halo = middle + 28, ' stroke="#ffffff" stroke-width="3" style="paint-order:stroke"'
        parts.append(
            f'<circle cx="{x}" cy="{middle}" r="{_RADIUS}" fill="#f4f4f4" stroke="#555555"/>'
            f'<text x="{x}" y="{y}" text-anchor="middle" fill="#222222"{halo}>{escape(label)}</text>'
        )
    return parts, 60 + _ARC * (above + below)


def _svg_edge(source: int, target: int, name: str, code: int, middle: int) -> str:
    """One edge: straight between neighbours, else an arc above (even source) or below (odd source) the nodes."""
    colour = _COLOURS[code % len(_COLOURS)]
    side = -1 if source % 2 == 0 else 1
    lift = side * _ARC * (target - source - 1)
    start, end = 30 + _STEP * source + _RADIUS, 30 + _STEP * target - _RADIUS
    bend = round(lift * 4 / 3)  # of both control points: the arc's middle is then `lift` away from the line
    line = f"M{start} {middle}C{start + 40} {middle + bend} {end - 40} {middle + bend} {end} {middle}"
    if name == NO_EDGE:
        return f'<path d="{line}" fill="none" stroke="#bbbbbb" stroke-dasharray="2 4"/>'
    turn = round(math.degrees(math.atan2(-bend, 40)))
    label_y = middle + lift + (14 if lift > 0 else -6)
    return (
        f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<path d="M0 0L-9 -4L-9 4Z" fill="{colour}" transform="translate({end} {middle}) rotate({turn})"/>'
        f'<text x="{(start + end) // 2}" y="{label_y}" text-anchor="middle" fill="{colour}">{escape(name)}</text>'
    )
