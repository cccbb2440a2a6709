"""What notebooks show of objects: tables and drawings in one style, on light and dark backgrounds.

A display is one ``<div class="crlso">`` with its style, without scripts and without anything from elsewhere. Text is
escaped here, and nowhere else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from crlso._base.colours import dark_colours

__all__ = ["columns", "display", "drawing", "facts", "heading", "note", "safe", "style"]

# Where a page says that it is dark: Sphinx and others, JupyterLab, VS Code, Colab. Where it says that it is light, the
# preference of the system does not count.
_DARK = ("[data-theme=dark]", "[data-jp-theme-light=false]", ".vscode-dark", ".vscode-high-contrast", "[theme=dark]")
_LIGHT = ":not(:has([data-theme=light],[data-jp-theme-light=true],.vscode-light)):not([data-theme=light],[theme=light])"
_VARIABLES = {  # light, dark
    "ink": ("#222222", "#e6e6e6"),
    "faint": ("#606060", "#a8aeb6"),
    "line": ("#d6d6d6", "#43474e"),
    "shade": ("#f4f4f4", "#26292e"),
    "ground": ("#ffffff", "#1b1d21"),
}
_RULES = """
.crlso{color:var(--ink);background:var(--ground);font:13px/1.45 system-ui,sans-serif;padding:8px;max-width:100%}
.crlso .wide{overflow-x:auto;max-width:100%}
.crlso table{border-collapse:collapse;margin:4px 0;font-variant-numeric:tabular-nums}
.crlso th,.crlso td{padding:3px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);
unicode-bidi:isolate}
.crlso thead th{white-space:nowrap;border-bottom:2px solid var(--line)}
.crlso tbody th{color:var(--faint);font-weight:600;white-space:nowrap}
.crlso tr,.crlso tbody tr:nth-child(n){background:none}
.crlso tbody tr:hover{background:var(--shade)}
.crlso .num{text-align:right;white-space:nowrap}
.crlso .title{font-weight:600;margin:2px 0}
.crlso .note{color:var(--faint);white-space:pre-line;margin:2px 0}
.crlso svg{display:block}
"""
# What HTML cannot have, and what turns the direction of the text that follows.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def safe(text: Any) -> str:
    """Return text for HTML: escaped, with a mark for each character that would spoil the page.

    Examples
    --------
    >>> safe("<b> & \\x00")
    '&lt;b&gt; &amp; \ufffd'
    """
    return escape(_CONTROL.sub("\ufffd", str(text)))


@functools.cache
def style() -> str:
    """Return the ``<style>`` of displays: variables for both backgrounds, rules, and the colours of drawings."""
    light, dark = (";".join(f"--{name}:{pair[i]}" for name, pair in _VARIABLES.items()) for i in (0, 1))
    names = {colour: f"--c{colour[1:]}" for colour in dark_colours()}
    dark += "".join(f";{names[colour]}:{other}" for colour, other in dark_colours().items())
    swaps = "".join(
        f".crlso [{kind}='{colour}']{{{kind}:var({name},{colour})}}"
        for colour, name in names.items()
        for kind in ("stroke", "fill")
    )
    said = ",".join(f"{selector} .crlso" for selector in _DARK)
    wanted = f"@media screen and (prefers-color-scheme:dark){{:root{_LIGHT} .crlso{{{dark}}}}}"
    printed = f"@media print{{.crlso.crlso{{{light}}}}}"
    rules = _RULES.replace("\n", "")
    return f"<style>.crlso{{{light}}}{rules}{swaps}@media screen{{{said}{{{dark}}}}}{wanted}{printed}</style>"


def display(*parts: str) -> str:
    """Return parts of HTML as one display."""
    return f'<div class="crlso">{style()}{"".join(parts)}</div>'


def facts(rows: Iterable[tuple[str, Any]]) -> str:
    """Return a table of names and texts.

    Examples
    --------
    >>> facts([("cells", 9)])
    '<div class="wide"><table><tbody><tr><th scope="row">cells</th><td>9</td></tr></tbody></table></div>'
    """
    lines = (f'<tr><th scope="row">{safe(name)}</th><td>{safe(text)}</td></tr>' for name, text in rows)
    return f'<div class="wide"><table><tbody>{"".join(lines)}</tbody></table></div>'


def columns(header: Sequence[str], rows: Iterable[Sequence[Any]], texts: Sequence[str] = ()) -> str:
    """Return a table with a header; all columns but the first and those named in `texts` are numbers."""
    kinds = ["" if i == 0 or name in texts else ' class="num"' for i, name in enumerate(header)]
    head = "".join(f'<th scope="col"{kind}>{safe(name)}</th>' for name, kind in zip(header, kinds))
    lines = ("".join(f"<td{kind}>{safe(text)}</td>" for text, kind in zip(row, kinds)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def heading(text: Any) -> str:
    """Return the title of a part."""
    return f'<div class="title">{safe(text)}</div>'


def note(text: Any) -> str:
    """Return a note below a part; lines stay lines."""
    return f'<div class="note">{safe(text)}</div>'


def drawing(cell: Any) -> str:
    """Return the drawing of a cell, which scrolls where it is too wide; empty if the cell has none."""
    to_svg = getattr(cell, "to_svg", None)
    return f'<div class="wide" tabindex="0">{to_svg()}</div>' if callable(to_svg) else ""
