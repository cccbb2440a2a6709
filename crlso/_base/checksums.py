"""JSON texts that end with a checksum of the rest, so that damage does not pass for data."""

from __future__ import annotations

import re
import zlib
from typing import Any

from crlso._base.plain import json_text

__all__ = ["check_checksum", "has_checksum", "with_checksum"]

_CHECKSUM = re.compile(rb', "crc32": "([0-9a-f]{8})"}\s*\Z')


def with_checksum(document: dict[str, Any]) -> bytes:
    """Return an object that is not empty as one line of strict JSON, whose last entry is the CRC-32 of the rest.

    Examples
    --------
    >>> with_checksum({"value": 1})
    b'{"value": 1, "crc32": "d5ac4958"}\\n'
    """
    text = json_text(document).encode("utf-8")
    return text[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(text)


def has_checksum(text: bytes) -> bool:
    """Return whether a text ends with a checksum, right or wrong."""
    return _CHECKSUM.search(text) is not None


def check_checksum(text: bytes) -> None:
    """Raise ValueError if a text ends with a wrong checksum; files of older versions have none."""
    found = _CHECKSUM.search(text)
    if found is not None and zlib.crc32(text[: found.start()] + b"}") != int(found[1], 16):
        raise ValueError("the checksum is wrong: the file is damaged, or was changed without removing its crc32")
