"""Shared helpers of plots: the check for matplotlib, and new axes."""

from __future__ import annotations

from typing import Any

__all__ = ["need_matplotlib", "new_axes"]


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


def new_axes(size: tuple[float, float]) -> Any:
    """Return axes in a new figure of the given width and height in inches."""
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]
