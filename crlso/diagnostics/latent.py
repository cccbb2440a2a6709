"""Diagnostics of a latent space: reconstruction, geometry, and the quality of a surrogate in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_number, check_numbers
from crlso._base.displays import display, facts
from crlso._base.names import native_names
from crlso._base.plain import plain
from crlso._base.tables import text_table
from crlso._base.types import Codes, Floats
from crlso.diagnostics.hull import TESTS, ConvexPosition, convex_position
from crlso.models.base import kendall_tau
from crlso.models.surrogate import ConvexityCertificate
from crlso.random import Stream, seed_of

__all__ = ["LatentReport", "StepReport", "diagnose"]


def __dir__() -> list[str]:
    return __all__


STEPS = (0.125, 0.25, 0.5, 1.0, 2.0)
_BLOCK = 1 << 22  # number of distances held in memory at a time


@dataclasses.dataclass(frozen=True)
class StepReport:
    """Effect of steps of one length in the latent space, as means over the starts.

    Attributes
    ----------
    step : float
        Length in standard deviations: the root-mean-square length of normal noise with this standard deviation in every
        latent dimension.
    changed, changed_by_noise : float
        Share of gradient steps, and of random steps, after which a different cell is decoded.
    valid, valid_by_noise : float
        Share of gradient steps, and of random steps, after which the decoded codes are a cell of the space.
    change, change_by_noise : float or None
        Mean change of the score; None if there is no score or `n` is 0.
    gain, gain_error : float or None
        Mean of the paired differences ``change - change_by_noise``, and its standard error. The error is None for
        fewer than two starts.
    n : int
        Number of starts in the means of scores: those for which the decoded start and both steps are cells.
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
    """The result of :func:`diagnose`.

    Attributes
    ----------
    n_cells, latent : int
        Number of cells, and of latent dimensions.
    reconstruction : float
        Share of the cells that are recovered exactly by encoding and decoding.
    validity, validity_nearby : float
        Share of random latents that decode to a cell of the space. For `validity` latents are drawn from the prior,
        the standard normal distribution; for `validity_nearby` from a normal distribution with the mean and standard
        deviation of each dimension over the cells.
    effective_dimension : float
        ``(sum of l)^2 / sum of l^2`` for the eigenvalues l of the covariance of the latents. It is 1 if they lie on a
        line, the number of dimensions if all directions have equal variance, and 0 if all latents coincide.
    nearest_distance, edit_distance, random_distance : float or None
        Median distance of a latent to the nearest other latent, to that of a random neighbour of its cell (one edit
        away), and to that of a random other cell. The second is None if no cell has a neighbour.
    convex_position : ConvexPosition
        Share of the latents that lie outside the convex hull of those of all other cells. Where it is 1, convexity
        forbids a surrogate no values at the cells.
    tau : float or None
        Kendall's tau-b between the given values and the predictions of the surrogate. None if there are no values, or
        all values or all predictions are equal.
    convexity : ConvexityCertificate or None
        Certificate of the surrogate.
    steps : tuple of StepReport
        One report per step length; empty without a surrogate.
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
    convex_position: ConvexPosition
    tau: float | None = None
    convexity: ConvexityCertificate | None = None
    steps: tuple[StepReport, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for strict JSON, with the attributes as keys.

        Returns
        -------
        dict
            Reports within it are dicts too, arrays and tuples are lists, and numbers that are not finite are None.
        """
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
        position = self.convex_position
        low, high = position.interval
        text = f"{position.share:.1%} ({low:.1%} to {high:.1%}) of the latents, {position.tested} tested"
        rows.append(("in convex position", text))
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
        return display(facts(self._rows()))


@native_names
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
    """Measure the quality of a latent space, and of a surrogate in it.

    Each gradient step starts at the latent of a cell and moves against the gradient of the surrogate. It is compared
    with a random step from the same start, of the same length, in a direction uniform on the sphere. Both use
    coordinates in which every latent dimension has standard deviation 1 over the cells. Dimensions without variance
    stay fixed.

    Parameters
    ----------
    vae : GraphVAE
        A fitted model, or any object with ``space``, ``encode(cells)`` and ``decode(z)``.
    cells : array_like, optional
        The n cells to use, in any form that ``space.codes`` accepts, at least two of them different. By default
        `samples` random cells.
    surrogate : ICNNSurrogate, optional
        A fitted model of errors (lower is better) at latents of `vae`, or any object with ``evaluate(z)``.
    values : array_like, shape (n,), optional
        Values of the cells, such as accuracies (higher is better), for Kendall's tau and `starts`. Requires a
        surrogate.
    score : callable, optional
        ``score(codes)`` returns the scores of cells (m, codes per cell), shape (m,), higher is better. Use measured
        values if possible, as in ``NASBench201("cifar10").validation``. Requires a surrogate.
    steps : sequence of float
        Step lengths, in standard deviations.
    starts : int, optional
        Number of cells, those with the highest values, at which steps start; by default steps start at all cells. A
        search depends on steps near the best cells.
    samples : int
        Number of random latents. Also the number of random cells, and the largest number of cells for distances and
        (at most 300) for convex position.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of random cells, latents, neighbours and directions.

    Returns
    -------
    LatentReport
        Without a surrogate, `tau` and `convexity` are None, and `steps` is empty.

    Raises
    ------
    TypeError, ValueError
        If a model lacks one of these methods, there are fewer than two different cells, values, scores or steps are not
        finite or have the wrong shape, or an argument requires another that is missing.

    Notes
    -----
    A start is left out of the gain if one of its steps does not decode to a cell. If validity is low, the gain
    describes only the remaining starts. Long steps can overshoot the minimum. The effective dimension is the
    participation ratio of the eigenvalues.

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
        convex_position=convex_position(z[distinct], tests=min(TESTS, samples), rng=stream.child("hull").seed),
        tau=tau,
        convexity=certificate,
        steps=tuple(moves),
    )


def _judged(
    surrogate: Any, z: Floats, known: Floats | None, stream: Stream
) -> tuple[float | None, ConvexityCertificate | None]:
    """Kendall's tau and the convexity certificate of a surrogate; None where not available."""
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
    """Median distances of at most `most` different cells: to the nearest, to a neighbour, and to a random other."""
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
    """Distance of each of the given rows of z to the nearest other row."""
    squares = (z**2).sum(axis=1)
    distances = squares[rows, None] + squares - 2 * z[rows] @ z.T
    distances[np.arange(len(rows)), rows] = np.inf
    closest = distances.argmin(axis=1)
    found: Floats = np.linalg.norm(z[rows] - z[closest], axis=1)  # free of the rounding errors of the expanded square
    return found


def _steps(
    vae: Any, surrogate: Any, score: Any, z: Floats, spread: Floats, lengths: list[float], stream: Stream
) -> Iterator[StepReport]:
    live = np.sqrt((spread > 0).sum())  # a step of length 1 has the root-mean-square length of standard normal noise
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
    """Vectors scaled to length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


class _Decoded:
    """Decoded latents: their codes, whether these are cells, and their scores (NaN if not)."""

    def __init__(self, vae: Any, z: Floats, score: Any) -> None:
        self.codes: Codes = vae.decode(z)
        self.valid: npt.NDArray[np.bool_] = vae.space.valid(self.codes)
        self.scores = np.full(len(z), np.nan)
        if score is None or not self.valid.any():
            return
        self.scores[self.valid] = check_numbers("score", score(self.codes[self.valid]), int(self.valid.sum()))
