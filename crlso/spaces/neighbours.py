"""Neighbours of many cells at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Keys

__all__ = ["Neighbourhoods", "changed_codes"]

Counts = npt.NDArray[np.int64]


class Neighbourhoods(NamedTuple):
    """The neighbours of some cells, those of one cell after those of the other.

    Attributes
    ----------
    codes : ndarray of uint8, shape (m, codes per cell)
        Canonical cells; those of one cell are different, in the order of their keys.
    keys : ndarray of int64, shape (m,)
        Their canonical keys.
    counts : ndarray of int64, shape (n,)
        How many neighbours each cell has.
    """

    codes: Codes
    keys: Keys
    counts: Counts


def changed_codes(rows: Codes, cardinalities: tuple[int, ...]) -> tuple[Codes, Counts]:
    """Return the rows that differ from each of n rows in one code, (m, codes per cell), and how many it has, (n,)."""
    columns = np.repeat(np.arange(len(cardinalities)), np.asarray(cardinalities) - 1)
    values = np.concatenate([np.arange(k - 1) for k in cardinalities])
    changed = np.repeat(rows[:, None], len(values), axis=1)
    changed[:, np.arange(len(values)), columns] = values + (values >= rows[:, columns])
    return changed.reshape(-1, len(cardinalities)), np.full(len(rows), len(values))
