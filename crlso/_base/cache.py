"""The folder of files that can be made anew at any time, and digests that name them."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

import crlso._core as _core
from crlso._base.environment import environment

__all__ = ["cache_folder", "digest"]

_PACKAGE = Path(__file__).resolve().parents[1]


def cache_folder() -> Path | None:
    """Return the folder of the cache, which may not exist yet; None if there is to be none.

    It is ``$CRLSO_CACHE``, where an empty text turns the cache off; by default ``$XDG_CACHE_HOME/crlso``, or
    ``~/.cache/crlso``.
    """
    named = os.environ.get("CRLSO_CACHE")
    if named is not None:
        return Path(named).expanduser() if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "crlso"
    except RuntimeError:  # the user has no home
        return None


def digest(*parts: Any) -> str:
    """Return a digest of what a computation depends on: these parts, the code of crlso, and the machine's arithmetic.

    Parameters
    ----------
    *parts : ndarray, or object whose ``repr`` identifies it

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> digest(1, np.zeros(2)) == digest(1, np.zeros(2)) != digest(1, np.zeros(3))
    True
    """
    found = hashlib.blake2b(digest_size=16)
    for part in (_code(), _arithmetic(), *parts):
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype.str}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).tobytes())
        else:
            found.update(repr(part).encode())
        found.update(b"\0")
    return found.hexdigest()


@functools.cache
def _code() -> str:
    """A digest of the package as it is installed, so that a cache never outlives the code that filled it."""
    found = hashlib.blake2b(digest_size=16)
    for path in sorted([*_PACKAGE.rglob("*.py"), Path(_core.__file__)]):
        found.update(path.read_bytes())
    return found.hexdigest()


def _arithmetic() -> dict[str, str]:
    """What the last bits of results depend on; the number of threads is no part of it."""
    return {**environment(), "version": _core.runtime_info()["version"], "system": platform.system()}
