"""Charts as inline SVG that fits any width: positions are shares of the plot, and text keeps its size.

Lines are drawn in an inner SVG that is stretched, points and labels outside of it. Every colour is one of those of
:mod:`crlso._base.colours`, which displays swap on a dark background.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from crlso._base.colours import mixed
from crlso._base.displays import safe

__all__ = ["RAMP", "Axis", "Band", "Dot", "Line", "chart", "key", "ramp"]

Numbers = Sequence[float] | npt.NDArray[np.floating] | npt.NDArray[np.integer]

RAMP = ("#3b4a8f", "#7a7a7a", "#f2c14e")  # of low, middle and high values: told apart in light and in colour


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis: its label and its ends; `is_log` for a logarithmic one."""

    label: str
    low: float
    high: float
    is_log: bool = False

    @classmethod
    def over(cls, label: str, numbers: Iterable[float], margin: float = 0.06) -> Axis:
        """Return the axis that shows all numbers, with a margin."""
        found = [float(x) for x in numbers]
        low, high = (min(found), max(found)) if found else (0.0, 1.0)
        room = margin * (high - low) or 0.05 * abs(high) or 1.0
        return cls(label, low - room, high + room)

    def share(self, numbers: Numbers) -> npt.NDArray[np.float64]:
        """Return where numbers are: 0 at the low end, 1 at the high one."""
        x, ends = np.asarray(numbers, dtype=np.float64), np.array([self.low, self.high])
        if self.is_log:
            x, ends = np.log10(np.maximum(x, self.low / 1e3)), np.log10(ends)
        return np.asarray((x - ends[0]) / (ends[1] - ends[0]))

    def ticks(self) -> list[float]:
        """Return round numbers within the ends: about five."""
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            every = max(1, math.ceil((last - first + 1) / 6))
            tens = [10.0**power for power in range(first, last + 1, every)]
            return tens if len(tens) > 1 else [self.low, self.high]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (factor * step) <= 6)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line; `is_step` for one that keeps each value until the next."""

    x: Numbers
    y: Numbers
    colour: str
    is_step: bool = False
    is_thin: bool = False
    is_dotted: bool = False


@dataclasses.dataclass(frozen=True)
class Band:
    """The area between two step curves."""

    x: Numbers
    low: Numbers
    high: Numbers
    colour: str


@dataclasses.dataclass(frozen=True)
class Dot:
    """A point with a text that is shown where the pointer is; `target` is the id of what a click shows."""

    x: float
    y: float
    colour: str
    text: str = ""
    target: str = ""
    size: float = 4.0
    is_cross: bool = False


def chart(title: str, about: str, x: Axis, y: Axis, marks: Sequence[Line | Band | Dot], has_ticks: bool = True) -> str:
    """Return a chart as a figure.

    Parameters
    ----------
    title, about : str
        Its title, and what it shows, for those who cannot see it.
    x, y : Axis
    marks : sequence
        Drawn in order, but points on top of all.
    has_ticks : bool
        Whether numbers on the axes mean something.
    """
    areas = "".join(_drawn(mark, x, y) for mark in marks if not isinstance(mark, Dot))
    dots = "".join(_dot(mark, x, y) for mark in marks if isinstance(mark, Dot))
    scales = _scales(x, y) if has_ticks else ""
    labels = (
        f'<text x="50%" y="100%" dy="{38 if has_ticks else 22}" text-anchor="middle">{safe(x.label)}</text>'
        f'<text x="-54" y="-12" text-anchor="start">{safe(y.label)}</text>'
    )
    return (
        f'<figure class="chart"><figcaption>{safe(title)}</figcaption><div class="plot">'
        f'<svg role="img" aria-label="{safe(about)}" width="100%" height="100%">{scales}{labels}'
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">{areas}</svg>{dots}'
        "</svg></div></figure>"
    )


def key(entries: Iterable[tuple[str, str]]) -> str:
    """Return the list of what colours mean: pairs of colour and text."""
    items = "".join(
        f'<li><svg width="22" height="10" aria-hidden="true"><line x1="1" x2="21" y1="5" y2="5" stroke="{colour}" '
        f'stroke-width="3"/></svg>{safe(text)}</li>'
        for colour, text in entries
    )
    return f'<ul class="key">{items}</ul>'


def ramp(share: float) -> str:
    """Return the colour of a value between the lowest, 0, and the highest, 1."""
    place = min(max(share, 0.0), 1.0) * (len(RAMP) - 1)
    i = min(int(place), len(RAMP) - 2)
    return mixed(RAMP[i], RAMP[i + 1], place - i)


def _scales(x: Axis, y: Axis) -> str:
    parts = []
    for tick, share in zip(x.ticks(), 100 * x.share(x.ticks())):
        parts.append(f'<line class="grid" x1="{share:.2f}%" x2="{share:.2f}%" y1="0" y2="100%"/>')
        parts.append(f'<text x="{share:.2f}%" y="100%" dy="18" text-anchor="middle">{tick:g}</text>')
    for tick, share in zip(y.ticks(), 100 - 100 * y.share(y.ticks())):
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{share:.2f}%" y2="{share:.2f}%"/>')
        parts.append(f'<text x="-8" y="{share:.2f}%" dy="4" text-anchor="end">{tick:.6g}</text>')
    return "".join(parts)


def _drawn(mark: Line | Band, x: Axis, y: Axis) -> str:
    """A line or an area, in thousandths of the plot."""
    along = 1000 * x.share(mark.x)
    if isinstance(mark, Band):
        low, high = (1000 - 1000 * y.share(side) for side in (mark.low, mark.high))
        there, back = _stairs(along, high), _stairs(along, low)[::-1]
        return f'<path d="{_path([*there, *back])}Z" fill="{mark.colour}" opacity="0.15"/>'
    points = list(zip(along, 1000 - 1000 * y.share(mark.y)))
    if mark.is_step:
        points = _stairs(along, 1000 - 1000 * y.share(mark.y))
    width, dashes = 1 if mark.is_thin else 2, ' stroke-dasharray="3 4"' if mark.is_dotted else ""
    return (
        f'<path d="{_path(points)}" fill="none" stroke="{mark.colour}" stroke-width="{width}"{dashes} '
        'stroke-linejoin="round" vector-effect="non-scaling-stroke"/>'
    )


def _stairs(along: Numbers, height: Numbers) -> list[tuple[float, float]]:
    """Points of a line that keeps each height until the next."""
    points = [(along[0], height[0])]
    for i in range(1, len(along)):
        points += [(along[i], height[i - 1]), (along[i], height[i])]
    return points


def _path(points: Sequence[tuple[float, float]]) -> str:
    bounded = ((min(max(a, -5000.0), 6000.0), min(max(b, -5000.0), 6000.0)) for a, b in points)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in bounded)


def _dot(dot: Dot, x: Axis, y: Axis) -> str:
    """A point; nothing where it is outside the plot."""
    a, b = float(x.share([dot.x])[0]), float(y.share([dot.y])[0])
    if not (-0.001 <= a <= 1.001 and -0.001 <= b <= 1.001):
        return ""
    place = f'"{100 * a:.2f}%" {{}}="{100 - 100 * b:.2f}%"'
    title = f"<title>{safe(dot.text)}</title>" if dot.text else ""
    target = f' data-target="{safe(dot.target)}"' if dot.target else ""
    if dot.is_cross:
        where = "x=" + place.format("y")
        return f'<text class="dot" {where} dy="4" text-anchor="middle" fill="{dot.colour}"{target}>×{title}</text>'
    where, kind = "cx=" + place.format("cy"), "dot" if dot.text else "back"
    return f'<circle class="{kind}" {where} r="{dot.size:g}" fill="{dot.colour}"{target}>{title}</circle>'
