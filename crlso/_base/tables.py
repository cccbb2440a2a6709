"""Two-column tables as text and HTML, for terminals and notebooks."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

__all__ = ["drawing", "html_table", "number", "text_table"]


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


def html_table(rows: list[tuple[str, str]]) -> str:
    """Return rows of names and texts as an HTML table, escaped."""
    cells = (
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f"<table>{''.join(cells)}</table>"


def drawing(cell: Any) -> str:
    """Return the HTML drawing of a cell; empty if the cell has none."""
    draw = getattr(cell, "_repr_html_", None)
    return str(draw()) if callable(draw) else ""
