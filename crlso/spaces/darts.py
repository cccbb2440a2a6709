"""The DARTS space of NAS-Bench-301: a normal and a reduction cell with four intermediate nodes of two inputs each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crlso.spaces.base import PAPER_PRESETS, Preset, Shipped
from crlso.spaces.cell import Cell
from crlso.spaces.genotype import EDGES, OPERATIONS, format_genotype, parse_genotype
from crlso.spaces.layout import CellLayout, register_layout
from crlso.spaces.space import CellSpace
from crlso.spaces.text import bare_text, general_text

__all__ = ["DARTS"]


def _to_text(codes: tuple[int, ...]) -> str:
    """The usual text, or for a row that is no cell, the general form."""
    try:
        return format_genotype(codes)
    except ValueError:
        return general_text(_LAYOUT, codes)


_LAYOUT = register_layout(
    CellLayout(
        "darts",
        OPERATIONS,
        n_nodes=6,
        n_inputs=2,
        edges=EDGES,
        free=True,
        has_output=False,
        in_degree=2,
        graphs=("normal", "reduce"),
        to_text=_to_text,
        identity=("skip_connect",),
    )
)


_PRESETS = {
    "paper": PAPER_PRESETS["paper"],
    "fast": dataclasses.replace(PAPER_PRESETS["fast"], width=128, epochs=3, pretrained=True),
}
_SHIPPED = Shipped("encoder_darts.npz", ("latent0_darts.npz", "latent1_darts.npz"))


class DARTS(CellSpace):
    """All pairs of cells of the DARTS space.

    A pair is a normal cell and a reduction cell. Each has two inputs (nodes 0 and 1: the outputs of the two cells
    before) and four intermediate nodes, each the sum of operations on two different nodes before it; its output is all
    four. A pair is a row of 28 codes, with the edges of each cell by target and source: 0 for no edge, else 1 + the
    index of the operation in `operations`. Pairs are equal when they differ only in the order of intermediate nodes.

    Text is the usual ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=...)``;
    :meth:`cell` also takes an object or a mapping with these four fields, two cells of pairs, and the configurations of
    NAS-Bench-301.

    References
    ----------
    Liu, Simonyan, Yang: DARTS: Differentiable architecture search. ICLR 2019.

    Examples
    --------
    >>> space = DARTS()
    >>> cells = space.cells(space.sample(2, rng=0))
    >>> space.cell(str(cells[0])) == cells[0]
    True
    """

    def __init__(self) -> None:
        self._layout = _LAYOUT

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""
        return _PRESETS

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso: an encoder, and two shaped ones."""
        return _SHIPPED

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, Genotype, mapping, sequence or Cell
            A genotype as text or with the fields ``normal``, ``normal_concat``, ``reduce`` and ``reduce_concat``; two
            cells of pairs, (operation, source) or (source, index of the operation); a configuration or a result of
            NAS-Bench-301; 28 codes, or a Cell. Text may be that of any of these, and have more around it: see
            docs/reference/spaces.md. It is parsed, never evaluated.

        Returns
        -------
        Cell
            A cell of this space; `x` itself if it is one.

        Raises
        ------
        TypeError, ValueError
            For anything that is no cell; the message names what was expected.

        Examples
        --------
        >>> space = DARTS()
        >>> (cell,) = space.cells(space.sample(1, rng=0))
        >>> space.cell(str(cell)) == cell, len(cell.codes)
        (True, 28)
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, str):
            x = bare_text(x)
            general = x.startswith("normal:")  # a row that is no cell, see str(cell)
            return super().cell(x) if general else Cell(self.name, tuple(parse_genotype(x).tolist()))
        two_cells = isinstance(x, (Sequence, np.ndarray)) and len(x) == len(self._layout.graphs)
        if two_cells or isinstance(x, Mapping) or hasattr(x, "normal_concat") or hasattr(x, "get_dictionary"):
            return Cell(self.name, tuple(parse_genotype(x).tolist()))
        return super().cell(x)
