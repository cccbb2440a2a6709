"""Trials: what was asked for, and what its evaluation gave."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from crlso._base.plain import plain
from crlso._base.tables import drawing, html_table, number

__all__ = ["TRIAL_STATES", "Trial"]

TRIAL_STATES = ("pending", "complete", "failed")


@dataclass
class Trial:
    """One query: a cell and what its evaluation gave.

    Parameters
    ----------
    number : int
        Position in the order in which trials were asked for, from 0.
    cell : Cell
        What is evaluated.
    value : float, optional
        The value to maximise, e.g. validation accuracy in percent; None unless the trial is complete.
    state : {"pending", "complete", "failed"}
        Whether the value is awaited, known, or could not be had.
    user_attrs : dict
        Notes. A search writes ``"error"`` (text, of a failed trial) and, after it has chosen, ``"index"`` (official
        index) and ``"test"`` (test accuracy) of the cells that were the best at their time.

    Examples
    --------
    >>> Trial(0, "a cell", 93.5, "complete")
    Trial(number=0, cell='a cell', value=93.5, state='complete', user_attrs={})
    """

    number: int
    cell: Any
    value: float | None = None
    state: str = "pending"
    user_attrs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in TRIAL_STATES:
            raise ValueError(f"state: expected one of {', '.join(TRIAL_STATES)}, got {self.state!r:.100}")
        known = self.value is not None and math.isfinite(self.value)
        if self.value is not None and not known:
            raise ValueError(f"value: expected a finite number or None, got {self.value!r:.100}")
        if known != (self.state == "complete"):
            raise ValueError(f"value: expected a number exactly when complete, got {self.value!r} when {self.state}")

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain data that strict JSON can hold."""
        codes = getattr(self.cell, "codes", None)
        return {
            "number": self.number,
            "cell": str(self.cell),
            "codes": None if codes is None else plain(codes),
            "value": plain(self.value),
            "state": self.state,
            "user_attrs": plain(self.user_attrs),
        }

    def _repr_html_(self) -> str:
        rows = [("trial", str(self.number)), ("state", self.state), ("value", number(self.value))]
        rows += [(str(key), number(value)) for key, value in self.user_attrs.items()]
        return html_table([*rows, ("cell", str(self.cell))]) + drawing(self.cell)
