"""Spaces by their names, as cells and files have them."""

from __future__ import annotations

from typing import Any

from crlso.spaces.darts import DARTS
from crlso.spaces.layout import layout_of
from crlso.spaces.nasbench101 import NASBench101
from crlso.spaces.nasbench201 import NASBench201
from crlso.spaces.nasbenchmacro import NASBenchMacro
from crlso.spaces.space import CellSpace

__all__ = ["space_named"]


def space_named(name: str) -> Any:
    """Return the space whose cells have this name in ``cell.space``.

    Parameters
    ----------
    name : str
        Name of one of the benchmarks' spaces, or of a :class:`CellSpace`, whose name says its layout.

    Returns
    -------
    Space
        For the name of a :class:`CellSpace`, one without costs or conditions, which names do not say.

    Raises
    ------
    TypeError, ValueError
        If no space has the name.

    Examples
    --------
    >>> space_named(CellSpace(nodes=3, operations=["conv", "pool"]).cell([0, 1, 1]).space)
    CellSpace(3 nodes, 2 operations on edges)
    """
    layout = layout_of(name)
    for kind in (NASBench101, NASBench201, DARTS, NASBenchMacro):
        space = kind()
        if space.layout == layout:
            return space
    given = "free" if layout.free else "complete" if ";edges=complete;" in layout.name else layout.edges
    return CellSpace(
        layout.n_nodes,
        layout.operations,
        operations_on="nodes" if layout.operations_on_nodes else "edges",
        edges=given,
        max_edges=layout.max_edges,
        input_nodes=layout.n_inputs,
        zero=layout.zero,
        identity=layout.identity,
    )
