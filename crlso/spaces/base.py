"""The protocol of a space, which is what methods and models may ask of one, and what a space says about itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_members
from crlso._base.types import Codes, Floats, Keys
from crlso.spaces.cell import Cell
from crlso.spaces.keys import Classes
from crlso.spaces.layout import CellLayout
from crlso.spaces.neighbours import Neighbourhoods

__all__ = ["PAPER_PRESETS", "Preset", "Shipped", "Space", "check_is_space", "check_space"]


@dataclasses.dataclass(frozen=True)
class Preset:
    """Sizes and lengths of training for the published method, ``cr-lso-paper``.

    Attributes
    ----------
    width, latent, epochs, learning_rate, betas, kl_weight, batch_size
        Settings of the graph VAE. The predictor is trained for 200 epochs in all presets.
    surrogate_width : int
        Width of the surrogate.
    predictor_rate : float
        Learning rate of the predictor.
    noise : float, optional
        Standard deviation of the noise that a search adds to latents. None: chosen such that half of the moves by
        noise alone decode to another cell.
    labels, queries : int
        Size of the random sample, and the budget for which it is meant.
    cells : int
        Number of cells of a large space that the VAE is trained on.
    pretrained : bool
        Whether training starts from the VAE of the space that comes with crlso, which has seen no accuracy.
    """

    width: int
    latent: int
    epochs: int
    learning_rate: float
    betas: tuple[float, float]
    kl_weight: float
    batch_size: int
    surrogate_width: int
    predictor_rate: float
    noise: float | None
    labels: int
    queries: int
    cells: int
    pretrained: bool = False


_PAPER = Preset(
    width=256,
    latent=16,
    epochs=200,
    learning_rate=1e-4,
    betas=(0.0, 0.5),
    kl_weight=0.005,
    batch_size=256,
    surrogate_width=128,
    predictor_rate=1e-4,
    noise=0.5,
    labels=300,
    queries=500,
    cells=20_000,
)

PAPER_PRESETS: Mapping[str, Preset] = {
    "paper": _PAPER,
    "fast": dataclasses.replace(
        _PAPER,
        width=64,
        latent=64,
        epochs=15,
        learning_rate=2e-3,
        betas=(0.9, 0.99),
        predictor_rate=1e-3,
        noise=None,
    ),
}
"""Presets of a space that has none of its own: the published sizes, and smaller ones that train in seconds."""


@dataclasses.dataclass(frozen=True)
class Shipped:
    """Names of the assets that come with crlso for a space. No accuracy was used to make them.

    Attributes
    ----------
    encoder : str, optional
        A graph VAE.
    shaped_encoders : tuple of str
        Graph VAEs from whose latents path counts, counts of operations and sizes can be predicted too.
    class_latents : str, optional
        Latents of all classes, by several such encoders: (encoders, classes, d).
    """

    encoder: str | None = None
    shaped_encoders: tuple[str, ...] = ()
    class_latents: str | None = None


def check_is_space(space: object) -> None:
    """Refuse what is no space of cells, with a TypeError."""
    check_members("space", space, ("classes", "canonical_key", "representative"), "a space of cells")


def check_space(name: object, space: Space) -> None:
    """Refuse a space that a file was not written for.

    Parameters
    ----------
    name : object
        Name of a space, from the file.
    space : Space

    Raises
    ------
    ValueError
        When it is another's.
    """
    check_is_space(space)
    if name != space.name:
        raise ValueError(f"space: expected the space that the file was written for, got {space.name}")


class Space(Protocol):
    """A space of cells, as search methods and models use it; :class:`crlso.spaces.CellSpace` is one.

    Cells are rows of codes, uint8. Equal cells share a canonical key and form a class; :meth:`classes` lists each
    class once, and a class is one query of a search. Methods that take `cells` or `codes` accept an array of codes,
    shape (n, codes per cell), an iterable of anything that :meth:`cell` accepts, or one cell.
    """

    @property
    def name(self) -> str:
        """Name of the space."""

    @property
    def layout(self) -> CellLayout:
        """How cells are written as codes."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes, those of all graphs of a cell."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of values of each code."""

    @property
    def n_cells(self) -> int | None:
        """Number of cells that the space lists, ``len(all_codes())``; None when it is too large to list."""

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso for the space."""

    @property
    def whole(self) -> Space:
        """The space of which this one is a part; itself if it is none."""

    # -- cells and codes ------------------------------------------------------------------------------------------

    def cell(self, x: Any) -> Cell:
        """Make a Cell of text, codes or a Cell."""

    def cells(self, codes: Any) -> list[Cell]:
        """Make a Cell of each row of codes."""

    def codes(self, cells: Any) -> Codes:
        """Return the codes of cells, checked: (n, codes per cell)."""

    def one_hot(self, codes: Any) -> npt.NDArray[np.float32]:
        """Return codes as indicators: (n, sum of the cardinalities)."""

    def from_logits(self, logits: npt.NDArray[Any]) -> Codes:
        """Return the most likely cells for logits (n, sum of the cardinalities)."""

    # -- which cells are possible, and which are equal ------------------------------------------------------------

    def valid(self, codes: Any) -> npt.NDArray[np.bool_]:
        """Tell which rows of codes are cells of the space: (n,)."""

    def canonicalise(self, codes: Any) -> Codes:
        """Return the canonical cell of each cell's class."""

    def representative(self, codes: Any) -> Codes:
        """Return the cell that stands for each cell's class: the one that a search asks for."""

    def canonical_key(self, codes: Any) -> Keys:
        """Return one integer per cell, the same for equal cells and for no other: (n,)."""

    # -- lists, samples, neighbours -------------------------------------------------------------------------------

    def all_codes(self) -> Codes:
        """Return all cells that the space lists, each row once, in its own order."""

    def classes(self) -> Classes:
        """Return the different cells: one canonical row for each class of equal cells, in the order of their keys."""

    def sample(self, n: int, rng: Any, unique_classes: bool = False) -> Codes:
        """Draw `n` different cells, uniformly among those listed; with `unique_classes`, at most one of each class."""

    def sample_up_to(self, n: int, rng: Any) -> Codes:
        """Draw cells as :meth:`sample` does, but fewer where there are no more."""

    def neighbours(self, cell: Any) -> Codes:
        """Return the different cells one step away: canonical, in the order of their keys, without the cell itself."""

    def neighbourhoods(self, cells: Any) -> Neighbourhoods:
        """Return the neighbours of many cells: codes, keys, and how many each cell has."""

    def mutate(self, codes: Any, rng: Any) -> Codes:
        """Return a random neighbour of each cell."""

    # -- what the space knows of its cells ------------------------------------------------------------------------

    def log_size(self, codes: Codes) -> Floats | None:
        """Return the logarithm of the size of networks, (n,); None where the space says nothing about it."""

    def similarity(self) -> Floats:
        """Return how similar operations are to each other: a positive definite matrix with ones on its diagonal."""

    def channels(self, codes: Codes) -> Floats | None:
        """Return the channels at each operation in units of the output's, (n, places of operations); or None."""
