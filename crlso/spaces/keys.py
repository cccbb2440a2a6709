"""Keys of rows of codes, and classes: the different cells of a space, each once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import crlso._core as _core
from crlso._base.types import Codes, Keys, Positions

__all__ = ["Classes", "first_of_each", "row_keys", "rows_of_keys"]


class Classes:
    """The different cells of a space: one row for each class of equal cells, in the order of their keys.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells, in the order of their keys.
    keys : ndarray of int64, shape (n,)
        Their keys, ascending.
    key_of : callable
        ``canonical_key`` of the space.

    Attributes
    ----------
    codes, keys : ndarray
        As above, read-only.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> classes = space.classes()
    >>> len(classes), classes.codes.shape
    (4930, (4930, 6))
    >>> classes.locate(space.canonicalise([0, 1, 0]))
    array([1727, 2446, 1727])
    """

    def __init__(self, codes: Codes, keys: Keys, key_of: Callable[[Any], Keys]) -> None:
        self.codes, self.keys, self._key_of = codes, keys, key_of
        for array in (codes, keys):
            array.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["codes"], state["keys"], state["_key_of"])  # type: ignore[misc]  # read-only again

    @classmethod
    def among(cls, codes: Codes, canonicalise: Callable[[Any], Codes], key_of: Callable[[Any], Keys]) -> Classes:
        """Make the classes that some cells belong to, each represented by its canonical cell."""
        keys, first = np.unique(key_of(codes), return_index=True)
        return cls(canonicalise(codes[first]), keys, key_of)

    def __len__(self) -> int:
        return len(self.keys)

    def locate(self, cells: Any) -> Positions:
        """Return the positions of the classes of cells, shape (n,); -1 for cells of no class.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts, n cells.
        """
        wanted = self._key_of(cells)
        found = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        positions: Positions = np.where(self.keys[found] == wanted, found, -1)
        return positions


def first_of_each(keys: Keys) -> Positions:
    """Return the position of the first of each group of equal keys, ascending: what stays when duplicates are dropped.

    Examples
    --------
    >>> first_of_each(np.array([7, 3, 7, 5, 3]))
    array([0, 1, 3])
    """
    return np.flatnonzero(_core.CellSet().update(keys))


def row_keys(rows: Codes, cardinalities: tuple[int, ...]) -> Keys:
    """Return one integer per row: the row as a number in mixed radix, or a hash where that exceeds 63 bits."""
    return _core.cell_keys(np.asarray(rows, dtype=np.uint8), cardinalities)


def rows_of_keys(keys: Keys, cardinalities: tuple[int, ...]) -> Codes:
    """Return the rows of codes that keys stand for, where keys are no hashes."""
    return (keys[:, None] // _radix_weights(cardinalities) % np.asarray(cardinalities)).astype(np.uint8)


@functools.lru_cache(maxsize=64)
def _radix_weights(cardinalities: tuple[int, ...]) -> Keys:
    """The weight of each code in a row that is read as one number, the first code the most significant."""
    return np.append(np.cumprod(cardinalities[:0:-1], dtype=np.int64)[::-1], np.int64(1))
