"""Lists of trials that notebooks show as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crlso._base.displays import columns, display, note
from crlso._base.tables import number

__all__ = ["Trials"]

_MOST_ROWS = 60  # that notebooks show


class Trials(list[Any]):
    """A list of trials, which notebooks show as a table.

    Parameters
    ----------
    iterable : iterable of Trial
        The trials.

    Examples
    --------
    >>> from crlso.history import Trial
    >>> trials = Trials([Trial(0, "a cell", 93.5), Trial(1, "another", 91.0)])
    >>> len(trials[:1]), trials == list(trials)
    (1, True)
    """

    def __getitem__(self, position: Any) -> Any:
        """Return a trial, or the trials of a slice."""
        found = super().__getitem__(position)
        return Trials(found) if isinstance(position, slice) else found

    def _repr_html_(self) -> str:
        shown = self if len(self) <= _MOST_ROWS else [*self[: _MOST_ROWS // 2], *self[-(_MOST_ROWS // 2) :]]
        measures = [trial.measurement for trial in shown if trial.measurement is not None]
        further = list(dict.fromkeys(name for m in measures for name in (*m.objectives, *m.constraints)))
        rows = [[t.number, t.state, *map(_shown, (t.value, *_further(t, further), t.test)), t.cell] for t in shown]
        table = columns(["trial", "state", "value", *further, "test", "cell"], rows, texts=("state", "cell"))
        cut = f", {len(self) - len(shown)} of them not shown" if len(shown) < len(self) else ""
        return display(table, note(f"{len(self)} trials{cut}"))


def _further(trial: Any, names: Iterable[str]) -> list[float | None]:
    """Objectives and bounded measures of a trial by their names."""
    measured = trial.measurement
    known = {} if measured is None else {**measured.constraints, **measured.objectives}
    return [known.get(name) for name in names]


def _shown(value: float | None) -> str:
    return "" if value is None else number(value)
