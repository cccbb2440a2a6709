"""What plots share: the check for matplotlib, new axes, labels and legends."""

from __future__ import annotations

import math
from typing import Any

from crlso._base.checks import check_members

__all__ = ["add_legend", "axes_or_new", "finish", "need_matplotlib", "regret_label", "value_label"]

_LETTER = 0.53  # width of a letter, in heights of the font
_SMALL = 0.833  # size of a small font, in sizes of the usual one
_GAP = 4  # between the label of the x axis and the legend, in points


def need_matplotlib(what: str) -> None:
    """Raise ImportError if matplotlib is not installed.

    Parameters
    ----------
    what : str
        Name of the calling function, for the message.

    Raises
    ------
    ImportError
        The message says what needs matplotlib and how to install it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install 'crlso[plot]'") from error


def axes_or_new(ax: Any, size: tuple[float, float]) -> Any:
    """Return the given axes, checked, or for None those of a new figure of this width and height in inches.

    Raises
    ------
    TypeError
        If `ax` is something else.
    """
    from matplotlib import pyplot

    if ax is not None:
        check_members("ax", ax, ("plot", "add_patch", "set_xlim"), "matplotlib axes")
        return ax
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def finish(ax: Any, title: str, xlabel: str, ylabel: str) -> None:
    """Set title, labels, grid and frame of axes."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_title(title, fontsize="medium")
    ax.grid(alpha=0.3, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def value_label(objective: str | None) -> str:
    """Return what the value of a cell is, with its unit; accuracies are in percent."""
    objective = objective or "validation"
    is_accuracy = "validation" in objective or "test" in objective
    return f"{objective} accuracy (%)" if is_accuracy else objective


def regret_label(objective: str | None) -> str:
    """Return the label of an axis of regret, with its unit."""
    name = value_label(objective)
    return "regret (% points)" if name.endswith("(%)") else f"regret ({name})"


def add_legend(ax: Any, title: str | None = None) -> None:
    """Add the legend: below the axes, where it covers nothing, in as many columns as have room.

    A figure with a layout engine makes room for it. In one without, the bottom margin grows; above other axes, where
    there is no room, the legend is inside, where it covers least.
    """
    from matplotlib.transforms import ScaledTranslation

    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    style: dict[str, Any] = {"fontsize": "small", "title": title, "title_fontsize": "small", "alignment": "left"}
    style |= {"handlelength": 1.6, "columnspacing": 1.4}
    spec, has_engine = ax.get_subplotspec(), ax.figure.get_layout_engine() is not None
    if not has_engine and (spec is None or not spec.is_last_row()):
        ax.legend(loc="best", framealpha=0.8, **style)
        return
    size = ax.xaxis.label.get_size()  # in points
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    most = max(1, int(width / (_LETTER * _SMALL * size * (max(map(len, labels)) + 5))))
    n_rows = math.ceil(len(labels) / most)
    above = 2.1 * size + 8 + _GAP  # height of the ticks and the label of the axis
    below = ScaledTranslation(0, -above / 72, ax.figure.dpi_scale_trans)
    place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": ax.transAxes + below}
    ax.legend(**place, borderaxespad=0.0, frameon=False, ncols=math.ceil(len(labels) / n_rows), **style)
    if not has_engine:
        height = above + (n_rows + (title is not None) + 0.5) * 1.75 * _SMALL * size
        margin = height / 72 / (ax.figure.bbox.height / ax.figure.dpi)
        ax.figure.subplots_adjust(bottom=max(ax.figure.subplotpars.bottom, min(margin, 0.6)))
