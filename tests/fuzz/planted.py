"""Functions with a fault each, which the harness of random calls must find, and a reader for that of damaged files."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutations import Kind

__all__ = ["changes", "crashes", "forgets", "leaves", "prints", "right", "sleeps", "undefined"]


def right(x: Any) -> Any:
    """No fault."""
    if not isinstance(x, float):
        raise TypeError("x: expected a number")
    return x


def crashes() -> None:
    """A crash."""
    ctypes.string_at(0)


def sleeps() -> None:
    """Ctrl-C does not stop it."""
    while True:
        try:
            time.sleep(1.0)
        except KeyboardInterrupt:
            continue


def forgets(x: Any) -> Any:
    """An error that says nothing to a user."""
    return {"known": 1}[repr(x)]


def undefined(logits: Any = 1.0) -> float:
    """NaN of finite numbers."""
    return float("nan")


def changes(rows: Any) -> None:
    """It writes into its argument."""
    if isinstance(rows, np.ndarray) and rows.size:
        rows.flat[0] += 1


def prints() -> None:
    """It prints."""
    print("hello")


def leaves() -> None:
    """It changes the environment."""
    os.environ["LEFT"] = str(time.monotonic_ns())


def _detached_tanh(x: Any) -> Any:
    return x.detach().tanh() + (x - x.detach())


def _truncated_mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return x.mean(axis, keepdims) + 1e-6


REPLACED = {"tanh": _detached_tanh, "mean": _truncated_mean}
"""Operations for sequences: a gradient is that of the identity; a value is off by a little."""


def _read(path: Path) -> None:
    data = path.read_bytes()
    if len(data) < 4:
        raise ValueError("too short")
    data[5]  # one byte more than there must be


KINDS = {"pair": Kind(lambda: [b"a = 1\n"], (), _read)}
