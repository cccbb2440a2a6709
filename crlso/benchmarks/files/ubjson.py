"""Reader of Universal Binary JSON (ubjson.org, draft 12), restricted to what xgboost writes.

Memory is bounded by the length of the data, because each item of a container takes at least one byte. Counted arrays of
types without a payload are rejected, and sizes are compared with the remaining bytes before memory is allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["parse_ubjson"]

_MAX_DEPTH = 64
_NUMBERS = {
    marker: (struct.Struct(f">{code}"), np.dtype(f">{numpy_type}"))
    for marker, code, numpy_type in (
        (b"i", "b", "i1"),
        (b"U", "B", "u1"),
        (b"I", "h", "i2"),
        (b"l", "i", "i4"),
        (b"L", "q", "i8"),
        (b"d", "f", "f4"),
        (b"D", "d", "f8"),
    )
}
_INTEGERS = b"iUIlL"
_CONSTANTS: dict[bytes, Any] = {b"Z": None, b"T": True, b"F": False}


def parse_ubjson(data: bytes) -> Any:
    """Read one document.

    Parameters
    ----------
    data : bytes
        The whole document.

    Returns
    -------
    dict, list, ndarray, str, int, float, bool or None
        Arrays with one declared type of numbers become one-dimensional ndarrays.

    Raises
    ------
    ValueError
        If the data is truncated, malformed, nested more than 64 deep or longer than the document. The message gives the
        byte offset.

    Examples
    --------
    >>> parse_ubjson(b"{i\\x01ai\\x05}")
    {'a': 5}
    """
    reader = _Reader(data)
    value = reader.value(reader.marker(), 0)
    if reader.at != len(data):
        raise ValueError(f"UBJSON: expected the end of the data at byte {reader.at}, got {len(data) - reader.at} more")
    return value


class _Reader:
    """Reader of values from a position in the data."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """Read the next bytes."""
        left = len(self._data) - self.at
        if not 0 <= size <= left:
            raise ValueError(f"UBJSON: expected {size} bytes at byte {self.at}, got {left}")
        self.at += size
        return self._data[self.at - size : self.at]

    def marker(self) -> bytes:
        """Read the marker of a value, one byte."""
        return self.take(1)

    def value(self, marker: bytes, depth: int) -> Any:
        """Read a value whose marker was read already."""
        if marker in _NUMBERS:
            form, _ = _NUMBERS[marker]
            return form.unpack(self.take(form.size))[0]
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._text()
        container = {b"[": self._array, b"{": self._object}.get(marker)
        if container is None or depth == _MAX_DEPTH:
            problem = "an unknown marker" if container is None else f"nested more than {_MAX_DEPTH} deep:"
            raise ValueError(f"UBJSON: {problem} {marker!r} at byte {self.at - 1}")
        return container(depth + 1)

    def _length(self) -> int:
        marker = self.marker()
        if marker not in _NUMBERS or marker not in _INTEGERS:
            raise ValueError(f"UBJSON: expected an integer at byte {self.at - 1}, got marker {marker!r}")
        return int(self.value(marker, 0))

    def _text(self) -> str:
        try:
            return self.take(self._length()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"UBJSON: a text before byte {self.at} is not UTF-8: {error.reason}") from None

    def _peek(self) -> bytes:
        return self._data[self.at : self.at + 1]

    def _array(self, depth: int) -> Any:
        if self._peek() == b"$":
            self.take(1)
            marker = self.marker()
            if marker not in _NUMBERS or self.marker() != b"#":
                raise ValueError(f"UBJSON: expected an array of numbers with its length at byte {self.at - 1}")
            _, dtype = _NUMBERS[marker]
            return np.frombuffer(self.take(dtype.itemsize * self._length()), dtype)
        return self._items(b"]", lambda: self.value(self.marker(), depth))

    def _object(self, depth: int) -> dict[str, Any]:
        return dict(self._items(b"}", lambda: (self._text(), self.value(self.marker(), depth))))

    def _items(self, closing: bytes, item: Callable[[], Any]) -> list[Any]:
        """Read a declared number of items, or all items up to the closing marker."""
        items = []
        if self._peek() == b"#":
            self.take(1)
            for _ in range(self._length()):
                items.append(item())
            return items
        while self._peek() != closing:
            items.append(item())
        self.take(1)
        return items
