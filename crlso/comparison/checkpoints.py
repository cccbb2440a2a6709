"""Numbers of queries after which methods are compared."""

from __future__ import annotations

from typing import Any

from crlso._base.checks import check_int

__all__ = ["CHECKPOINTS", "checked_checkpoints"]

CHECKPOINTS = (32, 64, 100, 128, 150, 300, 500, 1000, 2000, 5000)
"""Default numbers of queries after which methods are compared, up to the budget, which is always added."""


def checked_checkpoints(checkpoints: Any, budget: int) -> tuple[int, ...]:
    """Return the checkpoints below the budget and the budget itself, in ascending order.

    Raises
    ------
    TypeError, ValueError
        If a checkpoint is not an integer of at least 1.

    Examples
    --------
    >>> checked_checkpoints(None, 120)
    (32, 64, 100, 120)
    """
    marks = CHECKPOINTS if checkpoints is None else tuple(checkpoints)
    queries = [check_int("checkpoints", mark, 1) for mark in marks]
    return tuple(sorted({*(mark for mark in queries if mark < budget), int(budget)}))
