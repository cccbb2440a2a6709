"""Type aliases shared by several packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Codes", "EpochProgress", "Floats", "Keys", "Positions", "Progress"]

Floats: TypeAlias = npt.NDArray[np.float64]
"""Array of float64."""

Codes: TypeAlias = npt.NDArray[np.uint8]
"""Rows of codes (uint8), one per cell."""

Keys: TypeAlias = npt.NDArray[np.int64]
"""Canonical keys of cells (int64)."""

Positions: TypeAlias = npt.NDArray[np.int64]
"""Positions in an array (int64)."""

Progress: TypeAlias = Callable[[str, int, int], object]
"""Callback, called as ``progress(phase, done, total)``."""

EpochProgress: TypeAlias = Callable[[int, int], object]
"""Callback, called as ``on_epoch(done, epochs)``."""
