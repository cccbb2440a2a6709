"""Names and shapes of the parameters of networks, known before the networks are made: what a file must hold.

Each function yields pairs (name, shape) one by one, so that sizes from a file cost nothing before they are compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from crlso.models.graph import CellTemplate
from crlso.spaces.base import Space

__all__ = ["Shapes", "icnn", "inside", "linear", "mlp", "trunk"]

Shapes: TypeAlias = Iterator[tuple[str, tuple[int, ...]]]
"""Names and shapes of parameters."""


def inside(name: str, shapes: Shapes, separator: str = ".") -> Shapes:
    """Those of a module that another one holds under a name."""
    return ((f"{name}{separator}{inner}", shape) for inner, shape in shapes)


def linear(inputs: int, outputs: int) -> Shapes:
    """Those of :class:`crlso.nn.Linear`."""
    yield "weight", (outputs, inputs)
    yield "bias", (outputs,)


def mlp(sizes: Sequence[int]) -> Shapes:
    """Those of :class:`crlso.nn.MLP`."""
    for i, pair in enumerate(itertools.pairwise(sizes)):
        yield from inside(f"layers.{i}", linear(*pair))


def icnn(inputs: int, width: int, layers: int) -> Shapes:
    """Those of :class:`crlso.nn.ICNN`."""
    yield "input_weight", (width, inputs)
    yield "input_bias", (width,)
    yield "output_weight", (1, width)
    yield "output_skip", (1, inputs)
    yield "output_bias", (1,)
    for i in range(layers):
        yield f"weights.{i}", (width, width)
        yield f"skips.{i}", (width, inputs)


def trunk(space: Space, width: int, layers: int) -> Shapes:
    """Those of :class:`crlso.models.graph.GraphTrunk`."""
    template = CellTemplate(space.layout)
    for i in range(layers):
        rows = width if i else template.n_kinds  # the first layer has a row per kind of node
        shapes = dict.fromkeys(("target", "source", "root1"), (rows, width))
        shapes |= {"edge": (template.n_types, width), "root2": (width, width)}
        yield from inside(f"layers.{i - 1}" if i else "first", iter([*shapes.items(), ("bias", (width,))]))
