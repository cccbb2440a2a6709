"""Files that are replaced whole or not at all, and what reading a broken archive raises."""

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
"""What reading an archive that is broken, or somebody else's, raises besides errors of the system."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing such that readers see its old content or its new one, never a part.

    What is written goes to a file of its own beside the target, which is synced to the disk and takes the target's
    place when the block ends without an exception. A link is followed, and a file that is there keeps its mode. What is
    no regular file (a terminal, a pipe) is written to as it is.

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
        When it cannot be written; an existing file is then as it was.
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
    """Write a text file in UTF-8, whole or not at all, see :func:`replacing`."""
    with replacing(path) as stream:
        stream.write(text.encode("utf-8"))


def write_npz(path: str | os.PathLike[str], arrays: dict[str, Any], compress: bool = False) -> None:
    """Write arrays to an npz archive, whole or not at all, see :func:`replacing`."""
    save = np.savez_compressed if compress else np.savez
    with replacing(path) as stream:
        save(stream, **arrays)
