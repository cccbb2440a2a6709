"""Sources of candidates for spaces larger than the reservoir."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.types import Codes, Floats, Keys
from crlso.methods.base import Stepwise
from crlso.methods.bayesian.parts import Reservoir, Round
from crlso.models import FrozenDecoder, FrozenEncoder, GraphVAE, ICNNSurrogate
from crlso.random import Stream
from crlso.spaces.base import Space
from crlso.spaces.keys import first_of_each

__all__ = [
    "AcquisitionClimb",
    "BestOfReservoir",
    "LatentMoves",
    "LatentSteps",
    "Mutations",
    "Neighbours",
    "RandomCells",
    "latent_descent",
    "latent_steps",
]

Latents = npt.NDArray[np.float32]

POPULATION = 40  # number of cells kept from round to round
EXPANDED = 10  # number of these whose neighbours are computed
_MUTATED = 10  # number of best cells that are mutated, or whose latents are moved
_RADII = (0.125, 0.25, 0.5, 1.0, 2.0)  # lengths of latent steps, in standard deviations
_CHANGED = 0.5  # target share of steps that change the decoded cell
_DESCENT = 4  # number of gradient steps


class BestOfReservoir:
    """Source of the reservoir cells with the largest acquisition values."""

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return the best 40.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Canonical cells by the name ``"random"``, best first.
        """
        values = context.reservoir_values
        return {"random": context.reservoir.codes[_core.smallest(-values, min(POPULATION, len(values)))]}


class RandomCells:
    """Source of new random cells in each round.

    Parameters
    ----------
    n : int
        Number of cells per round.
    """

    def __init__(self, n: int) -> None:
        self.n = check_int("candidates", n, 1)

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return `n` cells, or fewer if the space has fewer.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Cells by the name ``"random"``.
        """
        return {"random": context.reservoir.space.sample_up_to(self.n, rng=context.stream.child("random").seed)}


class Neighbours:
    """Source of all neighbours of the best observed cells.

    Parameters
    ----------
    n : int
        Number of best cells.
    """

    def __init__(self, n: int = 5) -> None:
        self.n = n

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return the neighbours of the `n` best cells.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Cells by the name ``"neighbours"``.
        """
        return {"neighbours": context.reservoir.space.neighbourhoods(context.best[: self.n]).codes}


class Mutations:
    """Source of double mutations of the best observed cells: four of each of the ten best cells."""

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return up to 40 cells.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Cells by the name ``"mutations"``: four double mutations of each of the ten best.
        """
        space, stream = context.reservoir.space, context.stream
        once = space.mutate(np.repeat(context.best[:_MUTATED], 4, axis=0), rng=stream.child("once").seed)
        return {"mutations": space.mutate(once, rng=stream.child("twice").seed)}


@dataclasses.dataclass(frozen=True)
class LatentSteps:
    """Random steps from the latents of the best observed cells, which change about half of the decoded cells.

    Attributes
    ----------
    starts, noise : ndarray of float32, shape (n, d)
        Latents of the ten best cells, repeated, and standard normal noise, both in units of `spread`.
    spread : ndarray of float32, shape (d,)
        Standard deviation of each latent dimension over the observed cells.
    radius : float
        Scale of the steps, which are ``radius * noise``.
    decoder : FrozenDecoder
    codes : ndarray of uint8, shape (n, codes per cell)
        Codes decoded after the steps.
    """

    starts: Latents
    noise: Latents
    spread: Latents
    radius: float
    decoder: FrozenDecoder
    codes: Codes


def latent_steps(vae: GraphVAE, z: Latents, scores: Floats, n: int, stream: Stream) -> LatentSteps:
    """Make random steps from the latents of the best observed cells.

    Parameters
    ----------
    vae : GraphVAE
        A fitted model, whose decoder is used.
    z : ndarray, shape (m, d)
        Latents of the observed cells.
    scores : ndarray of float64, shape (m,)
        Scores of their values, to be maximised.
    n : int
        Number of steps.
    stream : Stream
        Source of the noise.

    Returns
    -------
    LatentSteps
        The steps, their radius, and the cells decoded after them.
    """
    spread = z.std(axis=0) + 1e-6
    best = z[np.argsort(-scores, kind="stable")[:_MUTATED]] / spread
    steps_of_each = -(-n // len(best))
    starts = np.repeat(best, steps_of_each, axis=0)[:n]
    noise = stream.normal("latent noise", 0, starts.shape)
    decoder = vae.freeze_decoder()  # once per round: decode() would pack the weights in every call
    here = np.repeat(decoder.decode(best * spread), steps_of_each, axis=0)[:n]
    ends = [(starts + radius * noise) * spread for radius in _RADII]
    stepped = decoder.decode(np.concatenate(ends)).reshape(len(_RADII), *here.shape)
    changed = (stepped != here).any(axis=2).mean(axis=1)
    chosen = int(np.abs(changed - _CHANGED).argmin())
    return LatentSteps(starts, noise, spread, _RADII[chosen], decoder, stepped[chosen])


def latent_descent(steps: LatentSteps, z: Latents, scores: Floats, surrogate: ICNNSurrogate) -> Codes:
    """Fit a surrogate to latents and negated scores, and descend it from points near the starts of random steps.

    Parameters
    ----------
    steps : LatentSteps
        The descent starts half a random step away from the starts, and is as long as one such step.
    z : ndarray of float32, shape (m, d)
        Latents of the observed cells.
    scores : ndarray of float64, shape (m,)
        Scores of their values, to be maximised.
    surrogate : ICNNSurrogate
        The model to fit.

    Returns
    -------
    ndarray of uint8, shape (n, codes per cell)
        Codes decoded at the end of the descent.
    """
    frozen = surrogate.fit(z / steps.spread, -scores).freeze()
    points = steps.starts + 0.5 * steps.radius * steps.noise
    length = steps.radius * np.sqrt(points.shape[1]) / _DESCENT
    for _ in range(_DESCENT):
        slope = frozen.evaluate(points)[1]
        points = points - length * slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-9)
    return steps.decoder.decode(points * steps.spread)


class _HasModel(Protocol):
    """An encoder with a graph VAE."""

    @property
    def vae(self) -> GraphVAE:
        """The graph VAE."""


class _Encoded(NamedTuple):
    """Latents of the cells that a search has observed, by a snapshot of the encoder."""

    vae: GraphVAE
    reservoir: Reservoir  # of the search
    encoder: FrozenEncoder
    codes: Codes
    latents: Latents


class LatentMoves:
    """Source of cells decoded from latents near the ten best, moved by random steps and by gradient steps.

    Gradient steps descend a convex surrogate fitted in each round.

    Parameters
    ----------
    encoder : object with a property ``vae``
        Provides the graph VAE, which may not change during a search.
    n : int
        Number of cells by random steps, and by gradient steps.
    """

    _encoded: _Encoded | None = None

    def __init__(self, encoder: _HasModel, n: int) -> None:
        self.encoder, self.n = encoder, check_int("candidates", n, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {"encoder": self.encoder, "n": self.n}  # snapshots cannot be pickled

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return cells by random steps and by gradient steps.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Decoded cells by the names ``"latent noise"`` and ``"latent gradient"``; some may be invalid.
        """
        z = self._latents(context)
        steps = latent_steps(self.encoder.vae, z, context.scores, self.n, context.stream)
        rng = context.stream.child("surrogate").seed
        surrogate = ICNNSurrogate(width=32, layers=2, epochs=60, learning_rate=1e-2, rng=rng)
        return {"latent noise": steps.codes, "latent gradient": latent_descent(steps, z, context.scores, surrogate)}

    def _latents(self, context: Round) -> Latents:
        """Latents of the observed cells: the encoder is packed once in a search, and later cells are encoded alone."""
        known, vae, codes = self._encoded, self.encoder.vae, context.codes
        if known is None or known.vae is not vae or known.reservoir is not context.reservoir:
            encoder = vae.freeze_encoder()
            known = _Encoded(vae, context.reservoir, encoder, codes[:0], encoder.encode(codes[:0]))
        n = len(known.codes)
        if not np.array_equal(codes[:n], known.codes):  # as when a step is repeated
            n = 0
        z = np.concatenate([known.latents[:n], known.encoder.encode(codes[n:])])
        self._encoded = known._replace(codes=codes, latents=z)
        return z


class _Cells(NamedTuple):
    """Canonical cells with their keys."""

    codes: Codes
    keys: Keys

    def chosen(self, rows: Any) -> _Cells:
        """Some of the cells, by positions, a mask or a slice."""
        return _Cells(self.codes[rows], self.keys[rows])

    @staticmethod
    def join(parts: Sequence[_Cells]) -> _Cells:
        """Cells one after the other."""
        return _Cells(*map(np.concatenate, zip(*parts)))


class AcquisitionClimb:
    """Source of cells found by a local search on the acquisition value.

    Each generation evaluates the acquisition value at all neighbours of the best cells. The search starts from the
    candidates of the other sources and from its own results in the previous round, so it must be the last source. No
    cell is expanded twice in a round.

    Parameters
    ----------
    generations : int
        Number of generations.
    """

    def __init__(self, generations: int) -> None:
        self.generations = generations
        self._promising: Stepwise[_Cells | None] = Stepwise(None)
        self._known: dict[int, _Cells] = {}

    def fingerprint(self) -> Any:
        """Return what identifies the source: its number of generations, whatever it has found.

        Returns
        -------
        int
            Number of generations.
        """
        return self.generations

    def propose(self, context: Round) -> dict[str, Codes]:
        """Return the 40 cells with the largest acquisition values.

        Parameters
        ----------
        context : Round
            What the search knows in this round.

        Returns
        -------
        dict of str to ndarray of uint8, shape (n, codes per cell)
            Canonical cells by the name ``"local search"``, best first; none was asked for or observed.
        """
        start, before = (
            _Cells(context.candidates.codes, context.candidates.keys),
            self._promising.before(context.stream),
        )
        found = self._climb(context, start if before is None else _Cells.join([before, start]))
        self._promising.put(context.stream, found)
        return {"local search": found.codes}

    def _climb(self, context: Round, cells: _Cells) -> _Cells:
        best, values = cells.chosen(slice(0)), np.zeros(0)
        met, expanded = best.keys, best.keys
        for generation in range(self.generations + 1):
            new = cells.chosen(first_of_each(cells.keys))
            new = new.chosen(~(context.seen_keys(new.keys) | _core.CellSet(met).has(new.keys)))
            if not len(new.keys):
                break
            met = np.concatenate([met, new.keys])
            values = np.concatenate([values, context.acquisition_values(new.codes)])
            order = np.argsort(-values, kind="stable")[:POPULATION]
            best, values = _Cells.join([best, new]).chosen(order), values[order]
            front = best.chosen(np.flatnonzero(~_core.CellSet(expanded).has(best.keys))[:EXPANDED])
            if generation == self.generations or not len(front.keys):
                break
            expanded = np.concatenate([expanded, front.keys])
            cells = self._neighbours(context.reservoir.space, front)
        return best

    def _neighbours(self, space: Space, front: _Cells) -> _Cells:
        """Neighbours of cells, cached because good cells are expanded in many rounds."""
        keys = front.keys.tolist()
        new = np.array([key not in self._known for key in keys])
        if new.any():
            near = space.neighbourhoods(front.codes[new])
            parts = (np.split(part, np.cumsum(near.counts)[:-1]) for part in (near.codes, near.keys))
            self._known.update(zip(front.keys[new].tolist(), map(_Cells, *parts)))
        return _Cells.join([self._known[key] for key in keys])
