"""What methods and models may ask of a space: the protocol, and what a space can say about itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats, Keys
from crlso.spaces.cell import Cell
from crlso.spaces.keys import Classes
from crlso.spaces.layout import CellLayout

__all__ = ["PAPER_PRESETS", "Preset", "Shipped", "Space"]


@dataclasses.dataclass(frozen=True)
class Preset:
    """Sizes and lengths of training for the published method, ``cr-lso-paper``.

    Attributes
    ----------
    width, latent, epochs, learning_rate, betas, kl_weight, batch_size
        Of the graph VAE; `epochs` of the predictor are 200 in all presets.
    surrogate_width : int
        Width of the surrogate.
    predictor_rate : float
        Learning rate of the predictor.
    noise : float, optional
        Standard deviation of the noise that a search adds to latents; None: such that half of the moves by noise alone
        decode to another cell.
    labels, queries : int
        Size of the random sample, and the budget for which it is meant.
    cells : int
        Cells of a large space that the VAE is trained on.
    pretrained : bool
        Whether training goes on from the VAE of the space that comes with crlso, which has seen no accuracy.
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
    """Names of the assets that come with crlso for a space; nothing of them has seen an accuracy.

    Attributes
    ----------
    encoder : str, optional
        A graph VAE.
    shaped_encoders : tuple of str
        Graph VAEs whose latents also tell the side information of the space.
    class_latents : str, optional
        Latents of all classes, by several such encoders: (encoders, classes, d).
    """

    encoder: str | None = None
    shaped_encoders: tuple[str, ...] = ()
    class_latents: str | None = None


@runtime_checkable
class Space(Protocol):
    """A space of cells, as search methods and models use it; :class:`crlso.spaces.CellSpace` is one.

    Cells are rows of codes, uint8. Equal cells share a canonical key and form a class; :meth:`classes` lists each
    class once, and a class is one query of a search.
    """

    @property
    def name(self) -> str:
        """Name of the space."""

    @property
    def layout(self) -> CellLayout:
        """How cells are written as codes."""

    @property
    def n_cells(self) -> int | None:
        """Number of cells that the space lists, ``len(all_codes())``; None when it is too large to list."""

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""

    @property
    def shipped(self) -> Shipped:
        """What comes with crlso for the space."""

    def cell(self, x: Any) -> Cell:
        """Make a Cell of text, codes or a Cell."""

    def cells(self, codes: Any) -> list[Cell]:
        """Make Cells of rows of codes."""

    def codes(self, cells: Any) -> Codes:
        """Rows of codes of cells, checked."""

    def all_codes(self) -> Codes:
        """All cells that the space lists, in its own order."""

    def classes(self) -> Classes:
        """The different cells: one row for each class of equal cells."""

    def canonicalise(self, codes: Any) -> Codes:
        """The canonical cell of each cell's class."""

    def canonical_key(self, codes: Any) -> Keys:
        """One integer per cell, the same for equal cells and for no other."""

    def valid(self, codes: Any) -> npt.NDArray[np.bool_]:
        """Whether rows of codes are cells of the space."""

    def sample(self, n: int, rng: Any) -> Codes:
        """Draw different cells at random."""

    def sample_up_to(self, n: int, rng: Any) -> Codes:
        """Draw cells as :meth:`sample`, but fewer where there are no more."""

    def neighbours(self, cell: Any) -> Codes:
        """All cells one step away."""

    def mutate(self, codes: Any, rng: Any) -> Codes:
        """A random neighbour of each cell."""

    def from_logits(self, logits: npt.NDArray[Any]) -> Codes:
        """The most likely cells."""

    def log_size(self, codes: Codes) -> Floats | None:
        """Logarithm of the size of networks of the cells; None where the space says nothing about it."""

    def similarity(self) -> Floats:
        """How similar operations are to each other: a positive definite matrix with ones on its diagonal."""
