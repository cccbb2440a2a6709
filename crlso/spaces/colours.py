"""Colours of operations: one for each operation, whatever space it is in."""

from __future__ import annotations

import itertools
import re

from crlso._base.colours import DEAD, IDENTITY, PALETTE
from crlso.spaces.layout import CellLayout

__all__ = ["operation_colours"]

# The colour of an operation that many spaces have; the first pattern that its name has decides.
_USUAL = (
    (r"\b(skip|identity|id)\b", IDENTITY),
    (r"max ?pool", PALETTE[3]),
    (r"(avg|average|mean) ?pool", PALETTE[2]),
    (r"\b(sep|depthwise|separable).*[57]x", PALETTE[6]),
    (r"\b(sep|depthwise|separable)", PALETTE[4]),
    (r"\b(dil|dilated|atrous).*[57]x", PALETTE[7]),
    (r"\b(dil|dilated|atrous)", PALETTE[5]),
    (r"conv.*1x1|1x1.*conv", PALETTE[0]),
    (r"conv.*3x3|3x3.*conv", PALETTE[1]),
)


def operation_colours(layout: CellLayout) -> tuple[str, ...]:
    """Return the colour of each operation of a space.

    Operations that pass nothing on, or what they get, are grey. Convolutions and poolings that many spaces have are
    known by their names and have the same colour in all of them. The others take what is left of the palette in order.

    Examples
    --------
    >>> from crlso.spaces import DARTS, NASBench201
    >>> small, large = (dict(zip(s.operations, operation_colours(s.layout))) for s in (NASBench201(), DARTS()))
    >>> small["skip_connect"] == large["skip_connect"], small["avg_pool_3x3"] == large["avg_pool_3x3"]
    (True, True)
    """
    found = dict.fromkeys(layout.dead_operations, DEAD) | dict.fromkeys(layout.identities, IDENTITY)
    for i, name in enumerate(layout.operations):
        colour = _usual(name)
        if i not in found and colour is not None and (colour == IDENTITY or colour not in found.values()):
            found[i] = colour
    left = [colour for colour in PALETTE if colour not in found.values()]
    palette = itertools.chain(left, itertools.cycle(PALETTE))
    return tuple(found.get(i) or next(palette) for i in range(len(layout.operations)))


def _usual(name: str) -> str | None:
    words = re.sub(r"[_\-.]+", " ", name.lower())
    return next((colour for pattern, colour in _USUAL if re.search(pattern, words)), None)
