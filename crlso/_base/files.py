"""Bounded reading and atomic writing of files, and the errors raised by broken archives."""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

__all__ = ["BROKEN", "check_folder", "open_regular", "read_bytes", "read_text", "replacing", "write_npz", "write_text"]

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

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: str | os.PathLike[str], limit: int) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading.

    Pipes and devices, of which some never answer and others never end, are refused without reading from them.

    Parameters
    ----------
    path : path-like
        The file. Symbolic links are followed.
    limit : int
        Largest size in bytes.

    Returns
    -------
    binary file
        Close it, or use it in a ``with`` statement.

    Raises
    ------
    OSError
        If the file cannot be opened. For a folder it is an IsADirectoryError.
    ValueError
        If it is a pipe, a device or a socket, or has more than `limit` bytes.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0)  # without it, opening a pipe waits for a writer
    stream = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115
    try:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise ValueError(f"{os.fspath(path)}: expected a regular file, got {kind}")
        if status.st_size > limit:
            raise ValueError(_too_large(path, limit, str(status.st_size)))
    except BaseException:
        stream.close()
        raise
    return stream


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, see :func:`open_regular`."""
    content = b""
    with open_regular(path, limit) as stream:
        size = os.fstat(stream.fileno()).st_size
        while len(content) <= limit:  # read(n) takes n bytes of memory at once, so n is not the limit
            part = stream.read(max(size + 1 - len(content), 1 << 16))
            if not part:
                break
            content = content + part if content else part
    if len(content) > limit:  # it grew, or is one of the files of the system that have no size
        raise ValueError(_too_large(path, limit, "more"))
    return content


def read_text(path: str | os.PathLike[str], limit: int, errors: str = "strict") -> str:
    """Return the text of a regular UTF-8 file of at most `limit` bytes, without a byte order mark.

    Parameters
    ----------
    path, limit
        As for :func:`open_regular`.
    errors : str
        What becomes of bytes that are not UTF-8, as in ``bytes.decode``.

    Raises
    ------
    OSError
        As in :func:`open_regular`.
    ValueError
        As in :func:`open_regular`, or if the file is not UTF-8.
    """
    content = read_bytes(path, limit)
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        where = f"byte {error.start}: {error.reason}"
        raise ValueError(f"{os.fspath(path)}: expected text in UTF-8, got other bytes ({where})") from None


def _too_large(path: str | os.PathLike[str], limit: int, size: str) -> str:
    return f"{os.fspath(path)}: expected a file of at most {limit} bytes, got {size}"


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
    check_folder("path", path)
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


def check_folder(name: str, path: str | os.PathLike[str]) -> None:
    """Check that the folder of a file that will be written exists.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    path : path-like
        The file; links are followed.

    Raises
    ------
    FileNotFoundError
        If there is no such folder; the message names it.
    """
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        given = os.fspath(path)
        raise FileNotFoundError(
            f"{name}: expected a file in an existing folder, got {given!r}; {folder} does not exist"
        )
