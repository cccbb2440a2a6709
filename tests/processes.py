"""The environment of child processes that tests start."""

from __future__ import annotations

import os
from pathlib import Path

import crlso


def environment() -> dict[str, str]:
    """Environment in which a child process imports the package under test, wherever it lies."""
    return {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}
