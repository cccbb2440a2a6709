"""Cells in matplotlib: the picture that :mod:`crlso.spaces.drawing` lays out."""

from __future__ import annotations

from typing import Any

from crlso._base.checks import check_members
from crlso._base.colours import FAINT, INK
from crlso.plotting.axes import axes_or_new, need_matplotlib
from crlso.spaces.drawing import FONT, HALF_HEIGHT, Arrow, Box, Picture, draw
from crlso.spaces.layout import layout_of

__all__ = ["plot_cell"]

_DPI = 96  # pixels of the picture per inch of a new figure
_SIZE = FONT * 72 / _DPI  # of the font, in points
_SPARE = 1.1  # text may take a little more than its share: letters are narrower than the drawing assumes
_ROUND = 6  # radius of the corners of boxes


def plot_cell(cell: Any, ax: Any = None) -> Any:
    """Draw a cell: its nodes in a row, its edges as arrows with the names of their operations.

    Edges between neighbours are straight, longer ones are arcs: above the nodes where the source is even, below where
    it is odd. Edges whose operation passes nothing on, such as ``none``, are left out, as are absent nodes; a node
    without any edge is dotted. Each operation has its colour, the same as in the SVG that notebooks show.

    Parameters
    ----------
    cell : Cell
        What to draw; several graphs are drawn below each other, with their titles.
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
    >>> from crlso.spaces import NASBench201
    >>> ax = plot_cell(NASBench201().cell(9930))
    """
    need_matplotlib("plot_cell")
    check_members("cell", cell, ("space", "codes"), "a Cell")
    picture = draw(layout_of(cell.space), cell.codes)
    ax = axes_or_new(ax, (picture.width / _DPI, picture.height / _DPI))
    scale = _scale(ax, picture)
    for box in picture.boxes:
        _draw_box(ax, box, scale)
    for arrow in picture.arrows:
        _draw_arrow(ax, arrow, scale)
    for x, y, title in picture.titles:
        ax.text(x, y, title, va="center", fontsize=scale * _SIZE, color=INK, zorder=5)
    ax.set_xlim(0, picture.width)
    ax.set_ylim(picture.height, 0)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _scale(ax: Any, picture: Picture) -> float:
    """By how much text and arrow heads shrink in axes that are smaller than the picture, so that they fit."""
    room = ax.get_window_extent()
    inches = (room.width / ax.figure.dpi, room.height / ax.figure.dpi)
    return float(min(1.0, _DPI * inches[0] / picture.width * _SPARE, _DPI * inches[1] / picture.height * _SPARE))


def _draw_box(ax: Any, box: Box, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    patch = FancyBboxPatch(
        (box.x - box.half_width + _ROUND, box.y - HALF_HEIGHT + _ROUND),
        2 * (box.half_width - _ROUND),
        2 * (HALF_HEIGHT - _ROUND),
        boxstyle=f"round,pad={_ROUND}",
        facecolor=box.fill,
        edgecolor=box.border,
        linestyle="solid" if box.is_linked else "dotted",
        linewidth=scale,
        zorder=2,
    )
    ax.add_patch(patch)
    colour = INK if box.is_linked else FAINT
    text = "\n".join(box.lines)
    ax.text(
        box.x, box.y, text, ha="center", va="center", fontsize=scale * _SIZE, color=colour, linespacing=1.0, zorder=4
    )


def _draw_arrow(ax: Any, arrow: Arrow, scale: float) -> None:
    """An arrow between two boxes, and its label, if it has one."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    patch = FancyArrowPatch(
        path=Path(arrow.curve, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]),
        arrowstyle="-|>,head_length=5,head_width=2.6",
        mutation_scale=scale,
        linewidth=1.4 * scale,
        color=arrow.colour,
        zorder=3,
    )
    ax.add_patch(patch)
    if arrow.label:
        # The background keeps the label readable on the arcs that it crosses, and must not hide straight lines.
        background = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": scale}
        style = {"fontsize": scale * _SIZE, "color": arrow.colour, "bbox": background, "zorder": 5}
        ax.text(*arrow.label_at, arrow.label, ha="center", va="center", **style)
