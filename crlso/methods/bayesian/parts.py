"""The parts that a Bayesian search is composed of: protocols of encoder, surrogate, acquisition and source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats, Keys, Positions, Progress
from crlso.models.gaussian_process import Features
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each

__all__ = ["Acquisition", "Candidates", "Encoder", "Posterior", "Reservoir", "Round", "Source", "Surrogate"]

REFERENCE = 2000  # random cells that stand for a space that is too large to list


@dataclasses.dataclass(frozen=True)
class Reservoir:
    """Cells that are drawn once, when a search begins, and ranked in every round.

    Attributes
    ----------
    space : Space
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells.
    is_complete : bool
        Whether they are all classes of the space, in the order of their keys.
    is_listed : bool
        Whether the space can be listed.
    """

    space: Space
    codes: Codes
    is_complete: bool
    is_listed: bool

    @property
    def reference(self) -> Codes:
        """Cells that stand for the space, e.g. to standardise features: all classes, or some random cells."""
        return self.codes if self.is_complete else self.codes[:REFERENCE]

    def locate(self, codes: Codes) -> Positions:
        """Positions of cells in a complete reservoir, shape (n,)."""
        return self.space.classes().locate(codes)


class Encoder(Protocol):
    """Describes cells by the features that a surrogate compares."""

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Get ready for a search, once: train models, load assets, choose features. No value is known yet."""

    def encode(self, codes: Codes) -> Features:
        """Features of canonical cells."""


class Posterior(Protocol):
    """What a surrogate predicts at m cells."""

    mean: Floats
    variance: Floats

    @property
    def deviation(self) -> Floats:
        """Standard deviations, shape (m,)."""

    def observe(self, i: int) -> None:
        """Condition on cell `i` being evaluated."""


class Surrogate(Protocol):
    """Predicts scores of cells from those of the observed ones."""

    def watch(self, x: Features) -> None:
        """Take note, once, of the cells whose posterior every round asks for: the reservoir."""

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit to observed cells: their features, scores y (n,) and canonical keys (n,)."""

    def posterior(self, x: Features | None = None) -> Posterior:
        """The posterior at some cells; by default at the watched ones."""

    def summary(self) -> dict[str, Any]:
        """What the last fit chose, for diagnostics."""


class Acquisition(Protocol):
    """Says how much each cell promises: the cell with the largest acquisition value is evaluated next."""

    def __call__(self, posterior: Posterior) -> Floats:
        """Acquisition values at the cells of a posterior, shape (m,)."""


class Candidates:
    """The different cells that the sources of a round proposed, and the source of each.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        In canonical form, each class once.
    sources : list of str
        The first source of each.
    """

    def __init__(self, space: Space, width: int) -> None:
        self._space = space
        self.codes: Codes = np.zeros((0, width), dtype=np.uint8)
        self.sources: list[str] = []

    def add(self, source: str, codes: Codes) -> None:
        """Add what a source proposed; rows that are no cells and known classes are dropped."""
        good = self._space.canonicalise(codes[self._space.valid(codes)])
        joined = np.concatenate([self.codes, good])
        first = first_of_each(self._space.canonical_key(joined))
        self.sources += [source] * (len(first) - len(self.codes))
        self.codes = joined[first]

    def __len__(self) -> int:
        return len(self.codes)


@dataclasses.dataclass(frozen=True)
class Round:
    """What sources know of a round of the search.

    Attributes
    ----------
    reservoir : Reservoir
    stream : Stream
        Randomness of this round.
    codes : ndarray of uint8, shape (n, codes per cell)
        Observed cells.
    scores : ndarray of float64, shape (n,)
        Of their values, to be maximised.
    candidates : Candidates
        What earlier sources of this round proposed.
    reservoir_values : ndarray of float64, shape (r,)
        Acquisition values of the reservoir; minus infinity where a class was seen.
    acquisition_values : callable
        ``acquisition_values(codes)`` of any canonical cells, shape (m,).
    seen : callable
        ``seen(codes)``: whether the class of each cell was asked for or observed, shape (m,).
    """

    reservoir: Reservoir
    stream: Stream
    codes: Codes
    scores: Floats
    candidates: Candidates
    reservoir_values: Floats
    acquisition_values: Callable[[Codes], Floats]
    seen: Callable[[Codes], npt.NDArray[np.bool_]]

    @property
    def best(self) -> Codes:
        """Observed cells, the best first."""
        return self.codes[np.argsort(-self.scores, kind="stable")]


class Source(Protocol):
    """Proposes cells to choose from in a round, in spaces larger than the reservoir."""

    def propose(self, context: Round) -> dict[str, Codes]:
        """Rows of codes by the name that diagnostics count them under; rows that are no cells are dropped."""
