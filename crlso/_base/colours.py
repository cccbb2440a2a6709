"""Colours of curves and drawings, and what becomes of them on a dark background."""

from __future__ import annotations

__all__ = ["DEAD", "FAINT", "IDENTITY", "INK", "PALETTE", "PLAIN", "SERIES", "dark_colours", "mixed", "tint"]

SERIES = ("#0072b2", "#d55e00", "#00805b", "#b0568a", "#5f5f5f", "#c29200", "#56b4e9")
"""Of methods, in order: told apart by colour-blind readers too (after Okabe and Ito)."""

PALETTE = ("#0072b2", "#c25500", "#00805b", "#b0568a", "#007c91", "#9a6400", "#6a4fb3", "#8c4a3a")
"""Of operations: told apart likewise, and dark enough for text on white, at least 4.5 to 1."""

DEAD, IDENTITY, PLAIN = "#bbbbbb", "#5f5f5f", "#444444"  # of operations that pass nothing on, of identities, of neither
INK, FAINT = "#222222", "#707070"  # of text, and of text in nodes without edges
_PALE = {"#ffffff": "#1b1d21", "#f2f2f2": "#2c2f35", "#aaaaaa": "#6f7680"}  # grounds and dotted borders


def mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share of another one, as ``#rrggbb``.

    Examples
    --------
    >>> mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = ((int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def tint(colour: str) -> str:
    """Return a light background of a colour."""
    return mixed("#ffffff", colour, 1 / 6)


def dark_colours() -> dict[str, str]:
    """Return what stands on a dark background for each colour that drawings have on white."""
    found = {**_PALE, DEAD: "#5c6169", INK: "#e6e6e6", FAINT: "#a2a8b0", PLAIN: "#b9bec6"}
    for colour in dict.fromkeys((*SERIES, *PALETTE, IDENTITY)):
        found[colour] = _lit(colour)
        found[tint(colour)] = mixed(_PALE["#ffffff"], colour, 1 / 3)
    return found


def _lit(colour: str) -> str:
    """A colour with as much white as it needs to be read on a dark background."""
    shares = (share / 20 for share in range(20))
    return next(lit for lit in (mixed(colour, "#ffffff", share) for share in shares) if _luminance(lit) >= 0.3)


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.1 defines it: from 0, black, to 1, white."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
