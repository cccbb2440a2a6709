"""Convex position: which points lie outside the convex hull of all others, each answer with a certificate.

The distance of a point to the hull of others is that of the origin to the hull of the differences, which Wolfe's
algorithm finds.

Source: P. Wolfe, Finding the nearest point in a polytope, Mathematical Programming 11, 1976.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int
from crlso._base.intervals import wilson_interval
from crlso._base.types import Floats
from crlso.random import Stream, seed_of

__all__ = ["ConvexPosition", "HullCertificate", "convex_position", "hull_certificate"]

TESTS = 300  # number of points that are tested by default
_ACCURACY = 0.99  # the bound of a distance is at least this share of the distance
_ROUNDING = 1e-9  # distances below, relative to the spread of the points, count as 0
_LEAST_WEIGHT = 1e-12
_BLOCK = 1 << 22  # number of products held in memory at a time


@dataclasses.dataclass(frozen=True, eq=False)
class HullCertificate:
    """What shows on which side of the hull of all other points a point lies.

    Attributes
    ----------
    point : int
        Position of the point.
    outside : bool
        Whether the point lies outside the hull.
    distance : float
        Lower bound of the distance to the hull: at least 99 % of it. 0 if the point does not lie outside.
    direction : ndarray of float64, shape (d,)
        Unit vector with ``(z[i] - z[point]) @ direction >= distance`` for all other i. If the point does not lie
        outside, this need not hold.
    members : ndarray of int64, shape (k,)
        Positions of at most d + 1 other points, whose hull has the point nearest to this one.
    weights : ndarray of float64, shape (k,)
        Positive numbers with sum 1. ``weights @ z[members]`` is the nearest point: it is the point itself, but for
        rounding, if that does not lie outside.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(12, 2))
    >>> hull_certificate(np.vstack([points, [9.0, 9.0]]), 12).outside
    True
    """

    point: int
    outside: bool
    distance: float
    direction: Floats
    members: npt.NDArray[np.int64]
    weights: Floats


@dataclasses.dataclass(frozen=True)
class ConvexPosition:
    """The share of points outside the convex hull of all others: those in convex position.

    If all points are, any values at them are those of a convex function, so that a constraint to convexity forbids
    none.

    Attributes
    ----------
    share : float
        Share of the tested points that lie outside the hull of all others.
    interval : tuple of float
        95 % interval (Wilson's score) of the share among all points. Its ends are equal if all were tested.
    tested, n : int
        Number of points tested, and of all points.
    distance : float
        Median distance of the tested points to the hull of all others; it is 0 for points that do not lie outside.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(12, 2))
    >>> 0 <= convex_position(points, tests=12).share <= 1
    True
    """

    share: float
    interval: tuple[float, float]
    tested: int
    n: int
    distance: float


def convex_position(z: npt.ArrayLike, *, tests: int = TESTS, rng: Any = 0) -> ConvexPosition:
    """Measure the share of points in convex position.

    Parameters
    ----------
    z : array_like of float, shape (n, d)
        At least two points. Equal points do not lie outside each other's hull.
    tests : int
        Number of points to test, drawn at random; each is compared with all others.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence
        Source of the draw.

    Returns
    -------
    ConvexPosition
        The share of the tested points, with its interval, and their median distance to the hull.

    Raises
    ------
    TypeError, ValueError
        If z is not finite, has another shape, or `tests` is less than 1.

    Notes
    -----
    No linear program is solved: a point counts as outside only if a direction separates it from all others, and
    rounding is far smaller than the gap. A gap below 1e-9 of the spread of the points does not count.

    Examples
    --------
    >>> angle = np.linspace(0, 6, 50)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> convex_position(circle).share
    1.0
    >>> convex_position(np.vstack([circle, 0.5 * circle])).share
    0.5
    """
    points = _checked_points(z)
    tested = min(check_int("tests", tests, 1), len(points))
    chosen = Stream(seed_of(rng)).permutation("convex position", 0, len(points))[:tested]
    distances = np.array([certificate.distance for certificate in _certificates(points, chosen)])
    outside = int((distances > 0).sum())
    share = outside / tested
    interval = (share, share) if tested == len(points) else wilson_interval(outside, tested)
    return ConvexPosition(share, interval, tested, len(points), float(np.median(distances)))


def hull_certificate(z: npt.ArrayLike, point: int) -> HullCertificate:
    """Return on which side of the convex hull of all other points a point lies, with what shows it.

    Parameters
    ----------
    z : array_like of float, shape (n, d)
        At least two points.
    point : int
        Position of the point in question.

    Returns
    -------
    HullCertificate
        The side, the distance, a direction that separates the point, and the nearest point of the hull.

    Raises
    ------
    TypeError, ValueError
        If z is not finite or has another shape, or there is no such point.

    Examples
    --------
    >>> found = hull_certificate([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.5, 0.5]], 3)
    >>> found.outside, found.weights @ [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]
    (False, array([0.5, 0.5]))
    """
    points = _checked_points(z)
    if check_int("point", point, 0) >= len(points):
        raise ValueError(f"point: expected less than {len(points)}, the number of points, got {point}")
    return _certificates(points, np.array([point]))[0]


def _checked_points(z: npt.ArrayLike) -> Floats:
    points = np.asarray(z)
    if points.dtype.kind not in "fiu":
        raise TypeError(f"z: expected real numbers, got {points.dtype}")
    if points.ndim != 2 or len(points) < 2 or points.shape[1] == 0:
        raise ValueError(f"z: expected shape (n, d) with n at least 2 and d at least 1, got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("z: expected finite numbers")
    floats: Floats = points.astype(np.float64)
    return floats


def _certificates(points: Floats, chosen: npt.NDArray[np.int64]) -> list[HullCertificate]:
    """One certificate for each chosen point; the products of a step are made for many of them at once."""
    centred, scale = _standardised(points)
    squares = (centred**2).sum(axis=1)
    found: dict[int, HullCertificate] = {}
    size = max(1, _BLOCK // len(points))
    for first in range(0, len(chosen), size):
        rows = chosen[first : first + size]
        distances = squares - 2.0 * centred[rows] @ centred.T
        distances[np.arange(len(rows)), rows] = np.inf
        starts = distances.argmin(axis=1)
        live = [_NearestPoint(centred, int(point), int(start)) for point, start in zip(rows, starts)]
        while live:
            products = np.array([search.nearest for search in live]) @ centred.T
            for search, row in zip(live, products):
                search.step(row)
            found |= {search.point: search.certificate(scale) for search in live if search.done}
            live = [search for search in live if not search.done]
    return [found[int(point)] for point in chosen]


def _standardised(points: Floats) -> tuple[Floats, float]:
    """Points around 0 with a root-mean-square length of 1, and the scale by which they were divided."""
    largest = float(np.abs(points).max())
    centred = points / (largest or 1.0)  # so that no square overflows
    centred -= centred.mean(axis=0)
    spread = float(np.sqrt((centred**2).sum(axis=1).mean())) or 1.0
    return centred / spread, largest * spread


class _NearestPoint:
    """Wolfe's algorithm for the point nearest to one of the points, in the hull of all others.

    The nearest point so far is a mean of the members with positive weights. A step adds the point that is farthest in
    its direction towards the origin; members that then have no positive weight are dropped.
    """

    def __init__(self, points: Floats, point: int, start: int) -> None:
        self.points, self.point, self.done = points, point, False
        self.members, self.weights = [start], np.ones(1)
        self.corners = (points[start] - points[point])[None]
        self.nearest, self.gap = self.corners[0], 0.0

    def step(self, products: Floats) -> None:
        """Go on from the products of the nearest point with all points."""
        products[self.point] = np.inf
        farthest = int(products.argmin())
        length = float(np.linalg.norm(self.nearest))
        offset = self.points[farthest] - self.points[self.point]
        self.gap = float(offset @ self.nearest) / length if length > 0 else 0.0
        if length <= _ROUNDING or self.gap >= _ACCURACY * length:
            self.done = True
            return
        self._add(farthest, offset)
        # No progress means that rounding has the last word.
        self.done = not np.linalg.norm(self.nearest) < length

    def _add(self, member: int, offset: Floats) -> None:
        self.members.append(member)
        self.corners = np.vstack([self.corners, offset])
        self.weights = np.append(self.weights, 0.0)
        while True:
            wanted = _weights_of_the_nearest(self.corners)
            falling = wanted <= _LEAST_WEIGHT
            if not falling.any():
                self.weights = wanted
                break
            ends = self.weights[falling] / (self.weights[falling] - wanted[falling] + np.finfo(float).tiny)
            self.weights = self.weights + min(1.0, float(ends.min())) * (wanted - self.weights)
            kept = self.weights > _LEAST_WEIGHT
            if kept.all():
                kept[int(np.flatnonzero(falling)[ends.argmin()])] = False
            self.members = [member for member, keep in zip(self.members, kept) if keep]
            self.corners, self.weights = self.corners[kept], self.weights[kept] / self.weights[kept].sum()
        self.nearest = self.weights @ self.corners

    def certificate(self, scale: float) -> HullCertificate:
        """Return the certificate; the gap is that of all points, so it holds whatever happened before."""
        length = float(np.linalg.norm(self.nearest))
        outside = length > _ROUNDING and self.gap > _ROUNDING
        return HullCertificate(
            point=self.point,
            outside=outside,
            distance=self.gap * scale if outside else 0.0,
            direction=self.nearest / length if length > 0 else np.zeros_like(self.nearest),
            members=np.array(self.members, dtype=np.int64),
            weights=self.weights,
        )


def _weights_of_the_nearest(corners: Floats) -> Floats:
    """Weights with sum 1, of any sign, of the point nearest to the origin in the affine hull of corners (k, d)."""
    edges = corners[1:] - corners[0]
    rest = np.linalg.lstsq(edges.T, -corners[0], rcond=None)[0]
    weights: Floats = np.append(1.0 - rest.sum(), rest)
    return weights
