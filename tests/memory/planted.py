"""Programs with a fault each, which shows when memory is refused, and one that needs no memory that is refused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from crlso import _core
from tests.memory.programs import ROWS, Program


def _catching(then: Callable[[], bytes]) -> Program:
    def run() -> bytes:
        try:
            return _core.argmax_last(np.asarray(_core.Tensor(ROWS) * 2.0)).tobytes()
        except MemoryError:
            return then()

    return run


def right() -> Program:
    """No fault: the result is the same."""
    return _catching(lambda: np.asarray([3, 3, 3]).tobytes())


def swallows() -> Program:
    """It goes on with another result."""
    return _catching(lambda: b"")


def renames() -> Program:
    """It raises something else."""

    def fail() -> bytes:
        raise ValueError("rows: expected memory")

    return _catching(fail)


def crashes() -> Program:
    """It dies."""
    return _catching(lambda: ctypes.string_at(0))


def leaks() -> Program:
    """It keeps something each time."""
    kept: list[bytearray] = []

    def fail() -> bytes:
        kept.append(bytearray(1000))
        raise MemoryError

    return _catching(fail)
