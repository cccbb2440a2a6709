"""Protocols of the parts of a Bayesian search: encoder, surrogate, acquisition and source."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats, Keys, Positions, Progress
from crlso.models.gaussian_process import Features
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.features import CellFeatures
from crlso.spaces.keys import first_of_each

__all__ = ["Acquisition", "Candidates", "Encoder", "Posterior", "Reservoir", "Round", "Source", "Surrogate"]

REFERENCE = 2000  # number of random cells that represent a space too large to enumerate


@dataclasses.dataclass(frozen=True)
class Reservoir:
    """The cells drawn once, when a search begins, and ranked in every round.

    Attributes
    ----------
    space : Space
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells.
    is_complete : bool
        Whether these are all classes of the space, in the order of their canonical keys.
    is_listed : bool
        Whether the space can be enumerated.
    """

    space: Space
    codes: Codes
    is_complete: bool
    is_listed: bool

    @property
    def reference(self) -> Codes:
        """Cells that represent the space, for example to standardise features: all classes, or random cells."""
        return self.codes if self.is_complete else self.codes[:REFERENCE]

    @functools.cached_property
    def features(self) -> CellFeatures:
        """Features that the space gives, scaled over the reference; encoders share them."""
        return CellFeatures(self.space, self.reference)

    @functools.cached_property
    def keys(self) -> Keys:
        """Canonical keys of the cells, shape (n,)."""
        return self.space.canonical_key(self.codes)

    def locate(self, codes: Codes) -> Positions:
        """Return the positions of canonical cells (n, codes per cell) in a complete reservoir, shape (n,).

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.

        Returns
        -------
        ndarray of int64, shape (n,)
            Positions of the classes, in the order of `codes`.
        """
        return self.space.classes().locate(codes)


class Encoder(Protocol):
    """An encoder: maps cells to the features that a surrogate uses."""

    def prepare(self, reservoir: Reservoir, stream: Stream, report: Progress) -> None:
        """Prepare once for a search: train or load models, choose features. No value is known yet.

        Parameters
        ----------
        reservoir : Reservoir
            Cells that were drawn once.
        stream : crlso.random.Stream
            Source of randomness.
        report : callable
            ``report(phase, done, total)`` shows progress.
        """

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell).

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.
        """


class Posterior(Protocol):
    """A posterior: the predictions of a surrogate at m cells, as means and variances of shape (m,)."""

    mean: Floats
    variance: Floats

    @property
    def deviation(self) -> Floats:
        """Standard deviations, shape (m,)."""

    def observe(self, i: int) -> None:
        """Condition on a pending evaluation of cell `i`, which reduces the variance nearby.

        Parameters
        ----------
        i : int
            Position of the cell.
        """


class Surrogate(Protocol):
    """A surrogate: predicts scores of cells from the scores of observed cells.

    One whose posterior depends on the last fit alone says so by an attribute ``is_memoryless = True``. A search that
    goes on from a journal then need not repeat earlier fits.
    """

    def watch(self, x: Features) -> None:
        """Store, once, the features of the reservoir, whose posterior every round needs.

        Parameters
        ----------
        x : Features
            Features of n cells.
        """

    def fit(self, x: Features, y: Floats, keys: Keys) -> None:
        """Fit to n observed cells: their features, scores y (n,) and canonical keys (n,).

        Parameters
        ----------
        x : Features
            Features of n cells.
        y : ndarray of float64, shape (n,)
            Their scores.
        keys : ndarray of int64, shape (n,)
            Their canonical keys.
        """

    def posterior(self, x: Features | None = None) -> Posterior:
        """Return the posterior at the given cells, by default at the stored ones.

        Parameters
        ----------
        x : Features
            Features of n cells.
        """

    def summary(self) -> dict[str, Any]:
        """Return the parameters chosen by the last fit, for diagnostics."""


class Acquisition(Protocol):
    """An acquisition function: the cell with the largest acquisition value is evaluated next.

    One that is a function of the posterior alone can say so by ``is_memoryless = True``, see :class:`Surrogate`.
    """

    def __call__(self, posterior: Posterior) -> Floats:
        """Return the acquisition values at the m cells of a posterior, shape (m,)."""


class Candidates:
    """The candidates of a round: different cells, and the source that proposed each.

    Parameters
    ----------
    space : Space
        Space of the cells.
    width : int
        Codes per cell.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells, one per class.
    keys : ndarray of int64, shape (n,)
        Their canonical keys.
    sources : list of str
        Name of the first source that proposed each cell.
    """

    def __init__(self, space: Space, width: int) -> None:
        self._space = space
        self.codes: Codes = np.zeros((0, width), dtype=np.uint8)
        self.keys: Keys = np.zeros(0, dtype=np.int64)
        self.sources: list[str] = []

    def add(self, source: str, codes: Codes) -> None:
        """Add the proposals of a source; invalid rows and classes already present are dropped.

        Parameters
        ----------
        source : str
            Name of the source.
        codes : ndarray of uint8, shape (n, codes per cell)
            Canonical cells.
        """
        good = self._space.canonicalise(codes[self._space.valid(codes)])
        keys = np.concatenate([self.keys, self._space.canonical_key(good)])
        first = first_of_each(keys)
        self.sources += [source] * (len(first) - len(self.codes))
        self.codes, self.keys = np.concatenate([self.codes, good])[first], keys[first]

    def __len__(self) -> int:
        return len(self.codes)


@dataclasses.dataclass(frozen=True)
class Round:
    """The state of a round of the search, passed to sources.

    Attributes
    ----------
    reservoir : Reservoir
    stream : Stream
        Random stream of the round.
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical observed cells.
    scores : ndarray of float64, shape (n,)
        Normal scores of their values, to be maximised.
    candidates : Candidates
        Proposals of earlier sources in this round.
    reservoir_values : ndarray of float64, shape (r,)
        Acquisition values of the reservoir; minus infinity for seen classes.
    acquisition_values : callable
        ``acquisition_values(codes)`` returns those of any canonical cells, shape (m,).
    seen : callable
        ``seen(codes)`` returns whether the class of each cell was asked for or observed, shape (m,).
    seen_keys : callable
        ``seen_keys(keys)`` returns the same for canonical keys.
    """

    reservoir: Reservoir
    stream: Stream
    codes: Codes
    scores: Floats
    candidates: Candidates
    reservoir_values: Floats
    acquisition_values: Callable[[Codes], Floats]
    seen: Callable[[Codes], npt.NDArray[np.bool_]]
    seen_keys: Callable[[Keys], npt.NDArray[np.bool_]]

    @property
    def best(self) -> Codes:
        """Observed cells, best first."""
        return self.codes[np.argsort(-self.scores, kind="stable")]


class Source(Protocol):
    """A source: proposes candidates in each round, in spaces larger than the reservoir."""

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return rows of codes by the name under which diagnostics count them; invalid rows are dropped.

        Parameters
        ----------
        context : Round
            What the search knows in this round.
        """
