"""A cell of any space: a small directed acyclic graph of operations."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crlso._base.checks import is_int
from crlso._base.displays import display, drawing
from crlso.spaces.drawing import Graph, cell_graphs, to_dot, to_svg
from crlso.spaces.layout import CellLayout, layout_of
from crlso.spaces.text import cell_text

__all__ = ["Cell"]


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
        return cell_graphs(layout_of(self.space), self.codes)

    def __str__(self) -> str:
        return cell_text(layout_of(self.space), self.codes)

    def __repr__(self) -> str:
        return f"Cell({str(self)!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the cell with matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            `ax`, or the axes of a new figure.

        Raises
        ------
        ImportError
            When matplotlib is not installed.

        Examples
        --------
        >>> ax = Cell("nasbench201", (3, 0, 1, 2, 4, 0)).plot()
        >>> ax.get_aspect() is not None
        True
        """
        from crlso.plotting import plot_cell

        return plot_cell(self, ax=ax)

    def to_dot(self) -> str:
        """Write the cell in the DOT language of Graphviz, without edges that pass nothing on.

        Returns
        -------
        str
            One ``digraph`` on several lines.

        Examples
        --------
        >>> print(Cell("nasbench201", (3, 0, 0, 0, 1, 0)).to_dot())
        digraph cell {
          rankdir=LR;
          node [shape=circle];
          0; 1; 2; 3;
          0 -> 1 [label="nor_conv_3x3" color="#c25500" fontcolor="#c25500"];
          1 -> 3 [label="skip_connect" color="#5f5f5f" fontcolor="#5f5f5f"];
        }
        """
        return to_dot(layout_of(self.space), self.codes)

    def to_svg(self) -> str:
        """Draw the cell as SVG: a complete element on white, without scripts or references to elsewhere.

        Returns
        -------
        str
            One ``svg`` element.

        Examples
        --------
        >>> Cell("nasbench201", (3, 0, 0, 0, 1, 0)).to_svg().startswith("<svg xmlns=")
        True
        """
        return to_svg(layout_of(self.space), self.codes)

    def _repr_html_(self) -> str:
        return display(drawing(self))


def _checked_codes(codes: Iterable[Any], layout: CellLayout) -> tuple[int, ...]:
    limits = layout.cardinalities
    expected = f"codes: expected {len(limits)} integers from 0 to {max(limits) - 1}"
    try:
        values = tuple(codes)
    except TypeError:
        raise TypeError(f"{expected}, got {codes!r:.100}") from None
    if set(map(type, values)) - {int}:  # the usual types need no look at each value
        if not all(map(is_int, values)):
            raise TypeError(f"{expected}, got {codes!r:.100}")
        values = tuple(map(operator.index, values))
    if len(values) != len(limits):
        raise ValueError(f"{expected}, got {codes!r:.100}")
    for column, (value, limit) in enumerate(zip(values, limits)):
        if not 0 <= value < limit:
            raise ValueError(f"{expected} ({limit - 1} in column {column}), got {codes!r:.100}")
    return values
