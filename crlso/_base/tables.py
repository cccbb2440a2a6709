"""Two-column tables as text, for terminals."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["number", "text_table"]


def number(value: Any) -> str:
    """Return a value as text, floats with three decimals."""
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else str(value)


def text_table(rows: list[tuple[str, str]]) -> str:
    """Return rows of names and texts as aligned lines.

    Examples
    --------
    >>> print(text_table([("cells", "9"), ("classes", "6")]))
    cells    9
    classes  6
    """
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in rows)
