"""Candidates of a round in spaces that are too large to list, by the source that proposed them."""

from __future__ import annotations

from typing import Any

import numpy as np

from crlso._base.types import Codes, Floats
from crlso.models import GraphVAE, ICNNSurrogate
from crlso.random import Stream
from crlso.spaces.keys import first_of_each

__all__ = ["cell_pool", "latent_pool", "merged"]

_MUTATED, _EXPANDED = 10, 5  # best cells whose mutations, and whose neighbours, are candidates
_RADII = (0.125, 0.25, 0.5, 1.0, 2.0)  # of latent steps, in standard deviations
_CHANGED = 0.5  # the share of steps that should change the decoded cell
_STEPS = 4


def cell_pool(space: Any, best: Codes, n_random: int, stream: Stream) -> dict[str, Codes]:
    """Random cells, neighbours of the five best, and mutations of mutations of the ten best.

    Parameters
    ----------
    best : ndarray of uint8, shape (n, codes per cell)
        Evaluated cells, the best first.
    """
    once = space.mutate(np.repeat(best[:_MUTATED], 4, axis=0), rng=stream.child("once").seed)
    return {
        "random": space.sample_up_to(n_random, rng=stream.child("random").seed),
        "neighbours": np.concatenate([space.neighbours(row) for row in best[:_EXPANDED]]),
        "mutations": space.mutate(once, rng=stream.child("twice").seed),
    }


def latent_pool(
    vae: GraphVAE, told: Codes, scores: Floats, n: int, stream: Stream, *, gradient: bool, convex: bool
) -> dict[str, Codes]:
    """Cells decoded from latents near the ten best: moved at random, and down the gradient of a convex surrogate.

    Steps are as long as changes the decoded cell in about half of the cases. Without the gradient, twice as many are
    moved at random, so that what is chosen from is as much.

    Parameters
    ----------
    told : ndarray of uint8, shape (m, codes per cell)
        Evaluated cells.
    scores : ndarray of float64, shape (m,)
        Of their values, to be maximised.
    """
    z = vae.encode(told)
    spread = z.std(axis=0) + 1e-6
    best = np.argsort(-scores, kind="stable")[:_MUTATED]
    n_noisy = n if gradient else 2 * n
    starts = np.repeat(z[best], -(-n_noisy // len(best)), axis=0)[:n_noisy] / spread
    noise = stream.normal("latent noise", 0, starts.shape)
    decoder = vae.freeze_decoder()  # once for all of the round: decode() would pack the weights in every call
    here = decoder.decode(starts * spread)
    noisy = [decoder.decode((starts + radius * noise) * spread) for radius in _RADII]
    moved = [(cells != here).any(axis=1).mean() for cells in noisy]
    chosen = int(np.abs(np.array(moved) - _CHANGED).argmin())
    radius, pool = _RADII[chosen], {"latent noise": noisy[chosen]}
    if gradient:
        rng = stream.child("surrogate").seed
        surrogate = ICNNSurrogate(width=32, layers=2, convex=convex, epochs=60, learning_rate=1e-2, rng=rng)
        frozen = surrogate.fit(z / spread, -scores).freeze()
        points = starts + 0.5 * radius * noise
        length = radius * np.sqrt(starts.shape[1]) / _STEPS
        for _ in range(_STEPS):
            slope = frozen.evaluate(points)[1]
            points = points - length * slope / (np.linalg.norm(slope, axis=1, keepdims=True) + 1e-9)
        pool["latent gradient"] = decoder.decode(points * spread)
    return pool


def merged(space: Any, pool: dict[str, Codes]) -> tuple[Codes, list[str]]:
    """The different cells of all sources in canonical form, and the first source of each."""
    cells, sources = [], []
    for source, codes in pool.items():
        good = space.canonicalise(codes[space.valid(codes)])
        cells.append(good)
        sources += [source] * len(good)
    joined = np.concatenate(cells)
    first = first_of_each(space.canonical_key(joined))
    return joined[first], [sources[i] for i in first]
