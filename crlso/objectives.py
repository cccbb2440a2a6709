"""What a search is for: objectives, bounds of constraints, fronts of cells that no other dominates, hypervolumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.bounds import Bounds
from crlso._base.types import Codes, Floats, Positions
from crlso.history import Trial

__all__ = ["VALUE", "Bounds", "Objective", "bounds_of", "front", "hypervolume", "objectives_of", "points_of"]

VALUE = "value"


def __dir__() -> list[str]:
    return sorted(__all__)


@dataclass(frozen=True)
class Objective:
    """An objective of a search: a measure of cells that is maximised or minimised.

    Parameters
    ----------
    name : str
        Name of the measure; ``"value"`` is what ``evaluate`` returns.
    is_minimised : bool
        Whether small numbers are good ones.
    known : callable, optional
        ``known(codes)`` returns the numbers of canonical cells (n, codes per cell) without a query, shape (n,). By
        default, evaluations return the number, see :class:`crlso.history.Measurement`.

    Examples
    --------
    >>> Objective.parse("-latency:pixel3")
    Objective(name='latency:pixel3', is_minimised=True)
    >>> str(Objective("value"))
    'value'
    """

    name: str
    is_minimised: bool = False
    known: Callable[[Codes], Floats] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: Any) -> Objective:
        """Return the objective that a text names: the name of a measure, with a minus before it to minimise it.

        Parameters
        ----------
        text : str
            Name of a measure, perhaps after a minus.

        Returns
        -------
        Objective

        Raises
        ------
        TypeError, ValueError
            If it is no text, or an empty one.

        Examples
        --------
        >>> Objective.parse("-latency").is_minimised
        True
        """
        if not isinstance(text, str):
            raise TypeError(f"objectives: expected names of measures, got {type(text).__name__}")
        name = text.strip().removeprefix("-").strip()
        if not name:
            raise ValueError(f"objectives: expected names of measures, got {text!r}")
        return cls(name, text.strip().startswith("-"))

    @property
    def sign(self) -> int:
        """1 if the measure is maximised, -1 if it is minimised."""
        return -1 if self.is_minimised else 1

    def of(self, trial: Trial) -> float | None:
        """Return the number of a trial, in the unit of the measure; None if the trial has none.

        Parameters
        ----------
        trial : Trial
            Any trial.

        Returns
        -------
        float, optional
            What the evaluation returned under the name of the measure.

        Examples
        --------
        >>> from crlso.history import Measurement
        >>> Objective("latency").of(Trial(0, "a cell", Measurement(93.5, {"latency": 4.0})))
        4.0
        """
        return None if trial.measurement is None else trial.measurement.number(self.name)

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_minimised else self.name


def objectives_of(given: Sequence[Objective | str]) -> list[Objective]:
    """Return objectives, of which some may be named.

    Parameters
    ----------
    given : sequence of Objective or str
        Names have a minus before those to minimise.

    Returns
    -------
    list of Objective
        One for each that was given, in the same order.

    Raises
    ------
    TypeError, ValueError
        If they are something else, or one is there twice.

    Examples
    --------
    >>> [str(objective) for objective in objectives_of(["value", Objective("ms", is_minimised=True)])]
    ['value', '-ms']
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"objectives: expected a sequence of names of measures, got {type(given).__name__}")
    found = [each if isinstance(each, Objective) else Objective.parse(each) for each in given]
    names = [objective.name for objective in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"objectives: expected each measure once, got {name!r} again")
    return found


def bounds_of(constraints: Mapping[str, Any]) -> dict[str, Bounds]:
    """Return bounds by the names of measures.

    Parameters
    ----------
    constraints : mapping
        :class:`Bounds`, or what :meth:`Bounds.parse` reads, by name.

    Returns
    -------
    dict of str to Bounds
        Bounds of each measure, in the order of `constraints`.

    Raises
    ------
    TypeError, ValueError
        If they are something else.

    Examples
    --------
    >>> bounds_of({"ms": 5, "value": ">= 90"})
    {'ms': Bounds(least=-inf, most=5.0), 'value': Bounds(least=90.0, most=inf)}
    """
    if not isinstance(constraints, Mapping):
        raise TypeError(f"constraints: expected a mapping of measures to bounds, got {type(constraints).__name__}")
    for name in constraints:
        if not isinstance(name, str):
            raise TypeError(f"constraints: expected names of measures, got {type(name).__name__}")
    return {
        name: given if isinstance(given, Bounds) else Bounds.parse(name, given) for name, given in constraints.items()
    }


def points_of(objectives: Sequence[Objective], trials: Sequence[Trial]) -> Floats:
    """Return the objectives of trials as numbers to be maximised, shape (trials, objectives); NaN where unknown.

    Parameters
    ----------
    objectives : sequence of Objective
        k objectives.
    trials : sequence of Trial
        n trials.

    Returns
    -------
    ndarray of float64, shape (n, k)
        One row for each trial, one column for each objective; numbers that are minimised are negated.

    Examples
    --------
    >>> from crlso.history import Measurement
    >>> trials = [Trial(0, "a cell", Measurement(93.5, {"latency": 4.0})), Trial(1, "another")]
    >>> points_of([Objective("value"), Objective("latency", True)], trials)
    array([[93.5, -4. ],
           [ nan,  nan]])
    """
    rows = [[_or_nan(objective.of(trial)) * objective.sign for objective in objectives] for trial in trials]
    return np.array(rows, dtype=np.float64).reshape(len(trials), len(objectives))


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def front(points: npt.ArrayLike) -> Positions:
    """Return the positions of the points that no other point dominates.

    A point dominates another one if it is not worse in any objective, and better in one.

    Parameters
    ----------
    points : array_like, shape (n, k)
        Objectives, to be maximised.

    Returns
    -------
    ndarray of int64, shape (m,)
        In descending order of the first objective. The first of equal points stands for all.

    Examples
    --------
    >>> front([[90.0, -3.0], [93.0, -5.0], [92.0, -6.0], [91.0, -4.0], [93.0, -5.0]])
    array([1, 3, 0])
    """
    numbers = np.asarray(points, dtype=np.float64)
    order: Positions = np.lexsort(-numbers.T[::-1]) if len(numbers) else np.zeros(0, dtype=np.int64)
    found: list[int] = []
    while len(order):  # the first of those that are left is dominated by none of them
        found.append(int(order[0]))
        order = order[(numbers[order] > numbers[order[0]]).any(axis=1)]
    return np.array(found, dtype=np.int64)


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the volume between a reference point and the points that are better than it in all objectives.

    Parameters
    ----------
    points : array_like, shape (n, k)
        Objectives, to be maximised.
    reference : array_like, shape (k,)
        The worst number of each objective that counts.

    Returns
    -------
    float
        Exact, at a cost that grows by a factor of the points of the front for each objective beyond the second.

    Examples
    --------
    >>> hypervolume([[3.0, 1.0], [1.0, 2.0], [0.5, 0.5]], [0.0, 0.0])
    4.0
    """
    above = np.asarray(points, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    above = above[(above > 0).all(axis=1)]
    return _volume(above[front(above)]) if len(above) else 0.0


def _volume(above: Floats) -> float:
    """The volume between 0 and positive points (n, k)."""
    if above.shape[1] == 1:
        return float(above.max())
    if above.shape[1] == 2:  # from the widest point to the highest, without those that are no higher
        above = above[np.argsort(-above[:, 0], kind="stable")]
        highest = np.maximum.accumulate(above[:, 1])
        above = above[above[:, 1] > np.append(0.0, highest[:-1])]
        return float(above[:, 0] @ np.diff(above[:, 1], prepend=0.0))
    above = above[np.argsort(-above[:, -1], kind="stable")]
    heights = above[:, -1] - np.append(above[1:, -1], 0.0)
    return float(sum(height * _volume(above[: i + 1, :-1]) for i, height in enumerate(heights)))
