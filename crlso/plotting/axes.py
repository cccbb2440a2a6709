"""Shared helpers of plots: the check for matplotlib, and new axes."""

from __future__ import annotations

from typing import Any

from crlso._base.checks import check_members

__all__ = ["axes_or_new", "need_matplotlib"]


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
