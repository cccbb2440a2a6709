"""Limits of a search besides its budget: a value that is good enough, and seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from crlso._base.checks import check_number
from crlso.history import Trial
from crlso.studies.study import Study

__all__ = ["Limits"]


class Limits:
    """When a search ends before its budget is spent. A search calls it as a callback.

    Parameters
    ----------
    target : float, optional
        The search ends with the first value of a feasible trial that is at least this.
    max_seconds : float, optional
        The search ends with the first result this many seconds from now, or later.

    Raises
    ------
    TypeError, ValueError
        If `target` is no finite number, or `max_seconds` no positive one.
    """

    def __init__(self, target: Any, max_seconds: Any) -> None:
        self._target = math.inf if target is None else check_number("target", target)
        seconds = math.inf if max_seconds is None else check_number("max_seconds", max_seconds, above=0.0)
        self._end = perf_counter() + seconds

    def __call__(self, study: Study, trial: Trial) -> None:
        """Stop the study if a limit was reached with this trial."""
        self.apply(study, [trial])

    def apply(self, study: Study, trials: Iterable[Trial]) -> None:
        """Stop the study if one of the trials has the target value, or the time is over."""
        good = (trial for trial in trials if study.history.is_feasible(trial))
        if perf_counter() >= self._end or any((trial.value or 0.0) >= self._target for trial in good):
            study.stop()
