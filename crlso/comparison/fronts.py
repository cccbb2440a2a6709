"""Fronts of the searches of a comparison, on the scale of the front of a benchmark that knows all its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crlso._base.types import Floats
from crlso.history import Trial
from crlso.objectives import VALUE, Objective, front, hypervolume, points_of
from crlso.studies.goals import Goals, known_points
from crlso.studies.study import Study

__all__ = ["FrontScale", "scale_of", "volumes_of"]


@dataclass(frozen=True)
class FrontScale:
    """The scale of hypervolumes of a benchmark.

    Attributes
    ----------
    is_logarithm : tuple of bool
        Whether an objective counts by its logarithm: a measure other than the value that is positive for all cells.
    reference : tuple of float
        The reference point, to be maximised: the median of the value, and the worst number of each measure.
    best : float
        The hypervolume of the front of all cells.
    """

    is_logarithm: tuple[bool, ...]
    reference: tuple[float, ...]
    best: float

    def points(self, objectives: tuple[Objective, ...], numbers: Floats) -> Floats:
        """Return points to be maximised of numbers in the units of the objectives, shape (n, objectives)."""
        scaled = np.where(self.is_logarithm, np.log(np.where(self.is_logarithm, numbers, 1.0)), numbers)
        return scaled * np.array([objective.sign for objective in objectives])

    def volume(self, points: Floats) -> float:
        """Return the hypervolume of points on the scale."""
        return hypervolume(points, self.reference)


def scale_of(goals: Goals, benchmark: Any) -> FrontScale | None:
    """Return the scale of a search for several objectives; None with one, or if the benchmark does not know its front.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> from crlso.studies.goals import goals_of
    >>> bench = NASBench201("cifar10")
    >>> round(scale_of(goals_of(bench, ["value", "-latency:pixel3"]), bench).best, 1)
    5.4
    """
    if len(goals.objectives) < 2:
        return None
    try:
        numbers = known_points(goals, benchmark)
    except (TypeError, ValueError):
        return None
    lowest: Floats = numbers.min(axis=0)
    is_logarithm = [low > 0 and aim.name != VALUE for low, aim in zip(lowest.tolist(), goals.objectives)]
    plain = FrontScale(tuple(is_logarithm), (), 0.0)
    points = plain.points(goals.objectives, numbers)
    reference = [
        float(np.median(column)) if aim.name == VALUE else float(column.min())
        for column, aim in zip(points.T, goals.objectives)
    ]
    best = hypervolume(points, reference)
    return FrontScale(plain.is_logarithm, tuple(reference), best) if best > 0 else None


def volumes_of(study: Study, scale: FrontScale) -> list[dict[str, Any]]:
    """Return the hypervolume after each query that made it larger, as dicts of ``query`` and ``volume``."""
    aims = tuple(Objective.parse(text) for text in study.objectives)
    found: list[dict[str, Any]] = []
    best: Floats = np.zeros((0, len(aims)))
    volume, query = 0.0, 0
    for trial in study.trials:
        query += trial.asked and trial.state != "pending"
        if not study.history.is_feasible(trial):
            continue
        points = np.concatenate([best, scale.points(aims, _numbers(aims, trial))])
        larger = scale.volume(points)
        if larger > volume:
            volume, best = larger, points[front(points)]
            found.append({"query": query, "volume": volume})
    return found


def _numbers(aims: tuple[Objective, ...], trial: Trial) -> Floats:
    """The objectives of a trial in their units, shape (1, objectives)."""
    return points_of(aims, [trial]) * np.array([aim.sign for aim in aims])
