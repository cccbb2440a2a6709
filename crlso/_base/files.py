"""Atomic writing of files, and the errors raised by broken archives."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["BROKEN", "replacing", "write_npz", "write_text"]

BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions, besides OSError, that reading a broken or foreign archive can raise."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for atomic writing: readers see its old content or its new one, never a part.

    Output goes to a temporary file beside the target. When the block ends without an exception, that file is synced
    to disk and replaces the target. Symbolic links are followed, and an existing file keeps its mode. A target that
    is not a regular file, such as a terminal or a pipe, is written to directly.

    Parameters
    ----------
    path : path-like
        The target.

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        If the file cannot be written. An existing file is then unchanged.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:  # raises for a directory
            yield stream
        return
    name = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.part")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as stream:
            if target.exists():
                os.chmod(name, target.stat().st_mode & 0o7777)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file atomically, see :func:`replacing`."""
    with replacing(path) as stream:
        stream.write(text.encode("utf-8"))


def write_npz(path: str | os.PathLike[str], arrays: dict[str, Any], compress: bool = False) -> None:
    """Write arrays to an npz archive atomically, see :func:`replacing`."""
    save = np.savez_compressed if compress else np.savez
    with replacing(path) as stream:
        save(stream, **arrays)
