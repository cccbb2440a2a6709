"""A cell of any space: a small directed acyclic graph with an operation on each edge."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["Cell", "CellFormat", "register_format"]


@dataclass(frozen=True)
class CellFormat:
    """What all cells of a space have in common.

    Parameters
    ----------
    operations : tuple of str
        Names of the operations; a code is an index into it.
    edges : tuple of (int, int)
        ``(source, target)`` of each edge, in the order of a cell's codes; node 0 is the input, the last the output.
    to_string : callable
        Turns a tuple of codes into the string form of the space.
    absent : str, optional
        The operation that stands for no edge at all.
    """

    operations: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    to_string: Callable[[tuple[int, ...]], str]
    absent: str | None = None

    @property
    def n_nodes(self) -> int:
        """Number of nodes, input and output included."""
        return 1 + max(target for _, target in self.edges)


_FORMATS: dict[str, CellFormat] = {}


def register_format(space: str, cell_format: CellFormat) -> None:
    """Make cells of a space printable.

    Parameters
    ----------
    space : str
        Name of the space.
    cell_format : CellFormat
        Its operations, edges and string form.

    Raises
    ------
    ValueError
        When the name is already taken by another format.
    """
    if _FORMATS.setdefault(space, cell_format) != cell_format:
        raise ValueError(f"space: expected a new name, got {space!r}, which has a format already")


def _format_of(space: object) -> CellFormat:
    if not isinstance(space, str):
        raise TypeError(f"space: expected a str, got {type(space).__name__}")
    try:
        return _FORMATS[space]
    except KeyError:
        raise ValueError(f"space: expected one of {sorted(_FORMATS)}, got {space!r}") from None


def _checked_codes(codes: Iterable[Any], cell_format: CellFormat) -> tuple[int, ...]:
    expected = f"codes: expected {len(cell_format.edges)} integers from 0 to {len(cell_format.operations) - 1}"
    try:
        values = tuple(operator.index(code) for code in codes)
    except TypeError:
        raise TypeError(f"{expected}, got {codes!r:.100}") from None
    if len(values) != len(cell_format.edges) or not all(0 <= v < len(cell_format.operations) for v in values):
        raise ValueError(f"{expected}, got {codes!r:.100}")
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
        The operation of each edge, in the edge order of the space.

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
        object.__setattr__(self, "codes", _checked_codes(self.codes, _format_of(self.space)))

    @property
    def operations(self) -> tuple[str, ...]:
        """Name of the operation on each edge."""
        names = _format_of(self.space).operations
        return tuple(names[code] for code in self.codes)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """``(source, target)`` of each edge, in the order of `codes`."""
        return _format_of(self.space).edges

    def __str__(self) -> str:
        return _format_of(self.space).to_string(self.codes)

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
        cell_format = _format_of(self.space)
        lines = ["digraph cell {", "  rankdir=LR;", "  node [shape=circle];"]
        lines.append("  " + " ".join(f"{node};" for node in range(cell_format.n_nodes)))
        for (source, target), name in zip(self.edges, self.operations, strict=True):
            if name != cell_format.absent:
                label = name.replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'  {source} -> {target} [label="{label}"];')
        return "\n".join([*lines, "}"])

    def _repr_html_(self) -> str:
        return to_svg(self)


# Colours that read on white and on dark pages (Okabe, Ito: tell-apart for colour-blind readers too), by operation code.
_COLOURS = ("#999999", "#999999", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_STEP, _RADIUS, _ARC = 180, 14, 46  # pixels: between nodes, of a node, height of an arc per node it passes


def to_svg(cell: Cell) -> str:
    """An inline SVG of a cell: nodes on a line, edges as labelled arcs, absent edges dotted.

    Parameters
    ----------
    cell : Cell
        What to draw.

    Returns
    -------
    str
        A complete ``<svg>`` element without scripts or external references.
    """
    cell_format = _format_of(cell.space)
    n_nodes = cell_format.n_nodes
    above, below = (
        max((target - source - 1 for source, target in cell.edges if source % 2 == odd), default=0) for odd in (0, 1)
    )
    middle = 30 + _ARC * above
    width, height = _STEP * (n_nodes - 1) + 60, middle + _ARC * below + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" style="max-width:100%" font-family="sans-serif" font-size="11"><title>{escape(str(cell))}</title>'
    ]
    for (source, target), code in zip(cell.edges, cell.codes, strict=True):
        parts.append(_svg_edge(source, target, code, cell_format, middle))
    for node in range(n_nodes):
        x = 30 + _STEP * node
        name = "in" if node == 0 else "out" if node == n_nodes - 1 else str(node)
        parts.append(
            f'<circle cx="{x}" cy="{middle}" r="{_RADIUS}" fill="#f4f4f4" stroke="#555555"/>'
            f'<text x="{x}" y="{middle + 4}" text-anchor="middle" fill="#222222">{name}</text>'
        )
    return "".join([*parts, "</svg>"])


def _svg_edge(source: int, target: int, code: int, cell_format: CellFormat, middle: int) -> str:
    """One edge: straight between neighbours, else an arc above (even source) or below (odd source) the nodes."""
    name = cell_format.operations[code]
    colour = _COLOURS[code % len(_COLOURS)]
    side = -1 if source % 2 == 0 else 1
    lift = side * _ARC * (target - source - 1)
    start, end = 30 + _STEP * source + _RADIUS, 30 + _STEP * target - _RADIUS
    bend = round(lift * 4 / 3)  # of both control points: the arc's middle is then `lift` away from the line
    line = f"M{start} {middle}C{start + 40} {middle + bend} {end - 40} {middle + bend} {end} {middle}"
    if name == cell_format.absent:
        return f'<path d="{line}" fill="none" stroke="#bbbbbb" stroke-dasharray="2 4"/>'
    turn = round(math.degrees(math.atan2(-bend, 40)))
    label_y = middle + lift + (14 if lift > 0 else -6)
    return (
        f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<path d="M0 0L-9 -4L-9 4Z" fill="{colour}" transform="translate({end} {middle}) rotate({turn})"/>'
        f'<text x="{(start + end) // 2}" y="{label_y}" text-anchor="middle" fill="{colour}">{escape(name)}</text>'
    )
