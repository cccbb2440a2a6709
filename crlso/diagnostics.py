"""How good a latent space is: what comes back from it, how it is laid out, and what its surrogate is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_number, check_numbers
from crlso._base.plain import plain
from crlso._base.tables import html_table, text_table
from crlso._base.types import Codes, Floats
from crlso.models.base import kendall_tau
from crlso.models.surrogate import ConvexityCertificate
from crlso.random import Stream, seed_of

__all__ = ["LatentReport", "StepReport", "diagnose"]

STEPS = (0.125, 0.25, 0.5, 1.0, 2.0)
_BLOCK = 1 << 22  # distances that are held at a time


@dataclasses.dataclass(frozen=True)
class StepReport:
    """What steps of one length lead to; means over the starts.

    Attributes
    ----------
    step : float
        Length in standard deviations: as long as normal noise with this standard deviation in every latent dimension.
    changed, changed_by_noise : float
        Share of steps down the gradient, and of random ones, after which another cell is decoded than before.
    valid, valid_by_noise : float
        Share of them after which a cell of the space is decoded.
    change, change_by_noise : float or None
        Mean change of the score; None without a score, and when no start was left.
    gain, gain_error : float or None
        Mean difference of the two, start by start, and its standard error; the latter None for fewer than two starts.
    n : int
        Starts that these means are over: those where all three cells are cells of the space.
    """

    step: float
    changed: float
    changed_by_noise: float
    valid: float
    valid_by_noise: float
    change: float | None = None
    change_by_noise: float | None = None
    gain: float | None = None
    gain_error: float | None = None
    n: int = 0


@dataclasses.dataclass(frozen=True, repr=False)
class LatentReport:
    """What :func:`diagnose` found.

    Attributes
    ----------
    n_cells, latent : int
        Cells that were looked at, and latent dimensions.
    reconstruction : float
        Share of the cells that come back exactly when they are encoded and decoded.
    validity, validity_nearby : float
        Share of random latents that decode to a cell of the space: standard normal ones, from which the prior says that
        latents come, and normal ones with the mean and standard deviation that each dimension has over the cells.
    effective_dimension : float
        ``(sum of l)^2 / sum of l^2`` of the eigenvalues l of the latents' covariance: 1 when they lie on a line, the
        number of dimensions when all directions have equal variance, 0 when all latents are one point.
    nearest_distance, edit_distance, random_distance : float or None
        Median distance of a latent to the nearest one of another cell, to that of a random neighbour of its cell (one
        edit away), and to that of a random other cell. None for the second where no cell has a neighbour.
    tau : float or None
        Kendall's tau-b between given values and those that the surrogate predicts; None without them, and when all
        values or all predictions are equal.
    convexity : ConvexityCertificate or None
        Of the surrogate.
    steps : tuple of StepReport
        Empty without a surrogate.
    """

    n_cells: int
    latent: int
    reconstruction: float
    validity: float
    validity_nearby: float
    effective_dimension: float
    nearest_distance: float
    edit_distance: float | None
    random_distance: float
    tau: float | None = None
    convexity: ConvexityCertificate | None = None
    steps: tuple[StepReport, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that strict JSON can hold, under the names above."""
        document: dict[str, Any] = plain(dataclasses.asdict(self))
        return document

    def _rows(self) -> list[tuple[str, str]]:
        edit = "" if self.edit_distance is None else f", one edit {self.edit_distance:.3g}"
        rows = [
            ("cells", f"{self.n_cells}, {self.latent} latent dimensions"),
            ("reconstruction", f"{self.reconstruction:.2%}"),
            ("valid random latents", f"{self.validity:.1%} of the prior's, {self.validity_nearby:.1%} nearby"),
            ("effective dimension", f"{self.effective_dimension:.1f}"),
            ("median distances", f"nearest {self.nearest_distance:.3g}{edit}, random cell {self.random_distance:.3g}"),
        ]
        if self.tau is not None:
            rows.append(("surrogate's tau", f"{self.tau:.3f}"))
        if self.convexity is not None:
            gap = f"largest Jensen gap {self.convexity.largest_jensen_gap:.1e}"
            rows.append(("surrogate", f"{'convex' if self.convexity.convex else 'not convex'} ({gap})"))
        for step in self.steps:
            text = f"changes {step.changed:.0%} of the cells (noise {step.changed_by_noise:.0%})"
            if step.gain is not None:
                error = "" if step.gain_error is None else f" ± {step.gain_error:.2g}"
                text += f", gains {step.gain:+.3g}{error} over noise"
            rows.append((f"step {step.step:g}", text))
        return rows

    def __str__(self) -> str:
        return text_table(self._rows())

    def __repr__(self) -> str:
        text = f"{self.n_cells} cells, reconstruction {self.reconstruction:.2%}, validity {self.validity:.1%}"
        text += f", effective dimension {self.effective_dimension:.1f} of {self.latent}"
        return f"LatentReport({text}{'' if self.tau is None else f', tau {self.tau:.3f}'})"

    def _repr_html_(self) -> str:
        return html_table(self._rows())


def diagnose(
    vae: Any,
    cells: Any = None,
    *,
    surrogate: Any = None,
    values: npt.ArrayLike | None = None,
    score: Callable[[Codes], npt.ArrayLike] | None = None,
    steps: Sequence[float] = STEPS,
    starts: int | None = None,
    samples: int = 2000,
    rng: Any = 0,
) -> LatentReport:
    """Look at a latent space, and at a surrogate in it.

    A step down the gradient starts at the latent of a cell and goes once against the gradient there, in coordinates in
    which every latent dimension has standard deviation 1 over the cells. The random step that it is compared with has
    the same start and the same length in these coordinates, in a direction that is uniform on the sphere. Dimensions
    without any variance are left alone by both.

    Parameters
    ----------
    vae : GraphVAE
        A fitted model, or anything with its ``space``, ``encode(cells)`` and ``decode(z)``.
    cells : array_like, optional
        Anything that ``space.codes`` takes, n cells, at least two different ones; `samples` random ones by default.
    surrogate : ICNNSurrogate, optional
        A fitted model of errors (the lower, the better) at latents of `vae`, or anything with its ``evaluate(z)``.
    values : array_like, shape (n,), optional
        Of the cells, the higher, the better (accuracies, say); for Kendall's tau and `starts`, with a surrogate only.
    score : callable, optional
        ``score(codes)``: what the cells (m, codes per cell) are worth, shape (m,), the higher, the better, as far as
        possible measured and not predicted: ``NASBench201("cifar10").validation``. With a surrogate only.
    steps : sequence of float
        Lengths of steps, in standard deviations.
    starts : int, optional
        Steps start at so many of the cells with the highest values; at all cells by default. What a search asks is
        what steps are worth near the best.
    samples : int
        Random latents; also random cells, and the most cells whose distances are looked at.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Random cells, latents, neighbours and directions.

    Returns
    -------
    LatentReport

    Raises
    ------
    TypeError, ValueError
        For a model without the methods above, fewer than two different cells, values, scores and steps that are no
        finite numbers or of another number, and arguments that need others which were not given.

    Notes
    -----
    Where a step leads to no cell of the space, the start has no part in the gain: where validity is low, the gain
    speaks of the others alone. Long steps may pass the minimum. The effective dimension is the participation ratio of
    the eigenvalues.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> from crlso.models import GraphVAE
    >>> bench = NASBench201("cifar10")
    >>> cells = bench.space.all_codes()[::10]
    >>> errors = 1 - bench.validation(cells) / 100
    >>> vae = GraphVAE(bench.space, width=32, epochs=40, rng=0).fit(cells, errors)
    >>> report = diagnose(vae, cells, surrogate=vae.surrogate_, values=-errors, score=bench.validation, starts=100)
    >>> report.tau > 0.5, report.convexity.convex, len(report.steps)
    (True, True, 5)
    """
    _check_model(vae)
    check_int("samples", samples, 2)
    stream = Stream(seed_of(rng)).child("diagnose")
    space = vae.space
    codes = space.sample_up_to(samples, rng=stream.child("cells").seed) if cells is None else space.codes(cells)
    known = _checked_values(values, None if cells is None else len(codes), surrogate)
    lengths = _checked_steps(steps, surrogate, score)
    first = _checked_starts(starts, known, len(codes))
    distinct = np.unique(codes, axis=0, return_index=True)[1]
    if len(distinct) < 2:
        raise ValueError(f"cells: expected at least two different ones, got {len(distinct)}")

    z = np.asarray(vae.encode(codes), dtype=np.float64)
    decoded = vae.decode(z)
    mean, spread = z.mean(axis=0), z.std(axis=0)
    prior = stream.normal("latents", 0, (samples, z.shape[1]), "float64")
    nearest, edit, random = _distances(vae, codes[distinct], z[distinct], samples, stream)
    tau, certificate = (None, None) if surrogate is None else _judged(surrogate, z, known, stream)
    moves = () if surrogate is None else _steps(vae, surrogate, score, z[first], spread, lengths, stream)
    return LatentReport(
        n_cells=len(codes),
        latent=z.shape[1],
        reconstruction=float((decoded == codes).all(axis=1).mean()),
        validity=float(space.valid(vae.decode(prior)).mean()),
        validity_nearby=float(space.valid(vae.decode(mean + prior * spread)).mean()),
        effective_dimension=_participation_ratio(z),
        nearest_distance=nearest,
        edit_distance=edit,
        random_distance=random,
        tau=tau,
        convexity=certificate,
        steps=tuple(moves),
    )


def _judged(
    surrogate: Any, z: Floats, known: Floats | None, stream: Stream
) -> tuple[float | None, ConvexityCertificate | None]:
    """Kendall's tau and the certificate of a surrogate, where there are values and where it has one."""
    certify = getattr(surrogate, "certify_convexity", None)
    certificate = None if certify is None else certify(z, rng=stream.child("convexity").seed)
    if known is None:
        return None, certificate
    tau = kendall_tau(-np.asarray(surrogate.evaluate(z)[0], np.float64), known)
    return tau if np.isfinite(tau) else None, certificate


# -- arguments ----------------------------------------------------------------------------------------------------


def _check_model(vae: Any) -> None:
    for name in ("encode", "decode", "space"):
        if not hasattr(vae, name):
            raise TypeError(f"vae: expected a GraphVAE, or an object with `{name}`, got {type(vae).__name__}")


def _checked_values(values: Any, n: int | None, surrogate: Any) -> Floats | None:
    if surrogate is not None and not callable(getattr(surrogate, "evaluate", None)):
        raise TypeError(f"surrogate: expected an object with `evaluate(z)`, got {type(surrogate).__name__}")
    if values is None:
        return None
    if n is None or surrogate is None:
        raise ValueError(f"values: expected together with {'cells' if n is None else 'a surrogate'}")
    return check_numbers("values", values, n)


def _checked_steps(steps: Any, surrogate: Any, score: Any) -> list[float]:
    if score is not None and not callable(score):
        raise TypeError(f"score: expected a function of codes, got {type(score).__name__}")
    if score is not None and surrogate is None:
        raise ValueError("score: expected together with a surrogate")
    lengths = [check_number("steps", step) for step in steps]
    if any(length <= 0 for length in lengths):
        raise ValueError(f"steps: expected positive lengths, got {min(lengths)}")
    return lengths


def _checked_starts(starts: Any, values: Floats | None, n: int) -> Any:
    """Positions of the cells where steps start."""
    if starts is None:
        return slice(None)
    check_int("starts", starts, 1)
    if values is None:
        raise ValueError("starts: expected together with values")
    if starts > n:
        raise ValueError(f"starts: expected at most {n}, the number of cells, got {starts}")
    return np.argsort(-values, kind="stable")[:starts]


# -- measures -----------------------------------------------------------------------------------------------------


def _participation_ratio(z: Floats) -> float:
    covariance = np.atleast_2d(np.cov(z, rowvar=False))
    squares = float((covariance**2).sum())  # the sum of the squared eigenvalues
    return float(np.trace(covariance) ** 2 / squares) if squares else 0.0


def _distances(vae: Any, codes: Codes, z: Floats, most: int, stream: Stream) -> tuple[float, float | None, float]:
    """Median distances of different cells, of at most so many: to the nearest, to a neighbour, to any other."""
    n = len(z)
    chosen = stream.permutation("distances", 0, n)[:most]
    nearest = np.concatenate([_nearest(z, part) for part in np.array_split(chosen, -(-len(chosen) * n // _BLOCK))])
    others = (chosen + 1 + stream.integers("others", 0, len(chosen), n - 1)) % n
    random = np.linalg.norm(z[others] - z[chosen], axis=1)
    edited = vae.space.mutate(codes[chosen], rng=stream.child("edits").seed)
    moved = (edited != codes[chosen]).any(axis=1)
    edit = None
    if moved.any():
        beside = np.asarray(vae.encode(edited[moved]), dtype=np.float64)
        edit = float(np.median(np.linalg.norm(beside - z[chosen[moved]], axis=1)))
    return float(np.median(nearest)), edit, float(np.median(random))


def _nearest(z: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Distance of each of the rows to the nearest other one."""
    squares = (z**2).sum(axis=1)
    distances = squares[rows, None] + squares - 2 * z[rows] @ z.T
    distances[np.arange(len(rows)), rows] = np.inf
    closest = distances.argmin(axis=1)
    found: Floats = np.linalg.norm(z[rows] - z[closest], axis=1)  # without the rounding of the expanded square
    return found


def _steps(
    vae: Any, surrogate: Any, score: Any, z: Floats, spread: Floats, lengths: list[float], stream: Stream
) -> Iterator[StepReport]:
    live = np.sqrt((spread > 0).sum())  # a step of length 1 is as long as standard normal noise
    downhill = -_unit(np.asarray(surrogate.evaluate(z)[1], dtype=np.float64) * spread)
    anywhere = _unit(stream.normal("directions", 0, z.shape, "float64") * (spread > 0))
    here = _Decoded(vae, z, score)
    for length in lengths:
        down, noise = (_Decoded(vae, z + length * live * way * spread, score) for way in (downhill, anywhere))
        found: dict[str, Any] = {"step": length}
        for suffix, there in (("", down), ("_by_noise", noise)):
            found["changed" + suffix] = float((there.codes != here.codes).any(axis=1).mean())
            found["valid" + suffix] = float(there.valid.mean())
        kept = here.valid & down.valid & noise.valid
        if score is not None and kept.any():
            changes = [(there.scores - here.scores)[kept] for there in (down, noise)]
            difference = changes[0] - changes[1]
            error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else None
            names = ("change", "change_by_noise", "gain")
            found |= dict(zip(names, (float(part.mean()) for part in (*changes, difference))))
            found |= {"gain_error": error, "n": int(kept.sum())}
        yield StepReport(**found)


def _unit(vectors: Floats) -> Floats:
    """Vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


class _Decoded:
    """What latents decode to: codes, whether they are cells, and their scores (NaN where they are none)."""

    def __init__(self, vae: Any, z: Floats, score: Any) -> None:
        self.codes: Codes = vae.decode(z)
        self.valid: npt.NDArray[np.bool_] = vae.space.valid(self.codes)
        self.scores = np.full(len(z), np.nan)
        if score is None or not self.valid.any():
            return
        self.scores[self.valid] = check_numbers("score", score(self.codes[self.valid]), int(self.valid.sum()))
