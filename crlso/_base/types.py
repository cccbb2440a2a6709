"""Types that several packages use, once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Codes", "EpochProgress", "Floats", "Keys", "Positions", "Progress"]

Floats: TypeAlias = npt.NDArray[np.float64]
"""Real numbers in double precision."""

Codes: TypeAlias = npt.NDArray[np.uint8]
"""Rows of codes, one for each cell."""

Keys: TypeAlias = npt.NDArray[np.int64]
"""Canonical keys of cells."""

Positions: TypeAlias = npt.NDArray[np.int64]
"""Positions in an array."""

Progress: TypeAlias = Callable[[str, int, int], object]
"""Called as ``progress(phase, done, total)``."""

EpochProgress: TypeAlias = Callable[[int, int], object]
"""Called as ``on_epoch(done, epochs)``."""
