"""Curves of searches against the number of queries: best values, regrets, and shares of searches at the optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats
from crlso.comparison.result import LEVEL

__all__ = ["Curve", "curve_of", "share_curve", "together", "value_floor"]


class Curve(NamedTuple):
    """A step curve: from each query on, the value beside it."""

    queries: npt.NDArray[np.int64]
    values: Floats


def curve_of(trajectory: Sequence[Mapping[str, Any]], last: int, optimum: float | None = None) -> Curve:
    """Return the best values of a search up to the query `last`, or its regrets.

    Parameters
    ----------
    trajectory : sequence of mapping
        The improvements, see :attr:`Study.trajectory`; at least one.
    last : int
        The last query.
    optimum : float, optional
        Of the benchmark: the curve is then the regret, optimum minus value; 0 at the optimum.

    Returns
    -------
    Curve

    Examples
    --------
    >>> curve = curve_of([{"query": 1, "value": 5.0}, {"query": 4, "value": 7.0}], last=6, optimum=7.0)
    >>> curve.queries.tolist(), curve.values.tolist()
    ([1, 4, 6], [2.0, 0.0, 0.0])
    """
    queries = [entry["query"] for entry in trajectory]
    values = [entry["value"] for entry in trajectory]
    if last > queries[-1]:
        queries.append(last)
        values.append(values[-1])
    found = np.array(values, dtype=np.float64)
    if optimum is not None:
        found = optimum - found
        found[found <= LEVEL] = 0.0
    return Curve(np.array(queries, dtype=np.int64), found)


def together(curves: Sequence[Curve]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the queries (q,) at which all curves have a value, and the values (curves, q) there."""
    first, last = max(curve.queries[0] for curve in curves), min(curve.queries[-1] for curve in curves)
    queries = np.arange(first, last + 1, dtype=np.int64)
    rows = [curve.values[np.searchsorted(curve.queries, queries, side="right") - 1] for curve in curves]
    return queries, np.array(rows)


def share_curve(queries: Sequence[int | None], last: int) -> Curve:
    """Return the share of searches that have reached a goal by each query, from 0 to the query `last`.

    Parameters
    ----------
    queries : sequence of (int or None)
        The query at which each search reached it; None for never.
    last : int
        The last query.

    Examples
    --------
    >>> curve = share_curve([4, None, 2, 4], last=9)
    >>> curve.queries.tolist(), curve.values.tolist()
    ([0, 2, 4, 9], [0.0, 0.25, 0.75, 0.75])
    """
    reached = sorted(query for query in queries if query is not None and query <= last)
    marks = [0, *dict.fromkeys(reached), *([last] if not reached or reached[-1] < last else [])]
    shares = [sum(query <= mark for query in reached) / len(queries) for mark in marks]
    return Curve(np.array(marks, dtype=np.int64), np.array(shares))


def value_floor(curves: Sequence[Curve]) -> float | None:
    """Return the least value to show of curves that rise, so that the first queries do not span the picture.

    It is the lowest value that a curve has after a tenth of the queries. The random cells with which searches begin are
    far below all that follows, and methods differ in what follows.

    Returns
    -------
    float or None
        None if no curve rises from there.
    """
    last = max((int(curve.queries[-1]) for curve in curves if len(curve.queries)), default=0)
    shown = [curve.values[_position(curve, last / 10) :] for curve in curves if len(curve.queries)]
    least, most = (function([function(part) for part in shown]) for function in (np.min, np.max)) if shown else (0, 0)
    return float(least) if least < most else None


def _position(curve: Curve, query: float) -> int:
    """Position of the value that a curve has at a query, or of its first one if that comes later."""
    return max(0, int(np.searchsorted(curve.queries, query, side="right")) - 1)
