"""What all pictures need: matplotlib, and new axes."""

from __future__ import annotations

from typing import Any

__all__ = ["need_matplotlib", "new_axes"]


def need_matplotlib(what: str) -> None:
    """Refuse to go on without matplotlib.

    Raises
    ------
    ImportError
        When it is not installed; the message names `what` needs it, and how to install it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install 'crlso[plot]'") from error


def new_axes(size: tuple[float, float]) -> Any:
    """Make axes in a new figure of some size in inches."""
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]
