"""Locks on files that one process at a time may write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator

__all__ = ["locked"]

_log = logging.getLogger("crlso")

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_LARGEST_NOTE = 1000  # bytes


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of a file while a block runs: no other process and no other thread can hold it then.

    The lock is one of the operating system, on a hidden file beside the target, which is removed at the end. It ends
    with the process, however that ends: a file that is left behind locks nothing. Where the file system has no locks, a
    warning is logged.

    Parameters
    ----------
    path : path-like
        The file; it need not exist. Symbolic links are followed.

    Raises
    ------
    BlockingIOError
        If another process or thread has the lock. The message names process and host.
    OSError
        If the hidden file cannot be written.
    """
    folder, name = os.path.split(os.path.realpath(path))
    lock = os.path.join(folder, f".{name[:200]}.lock")
    descriptor = _acquired(lock, path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock)  # before the lock ends: nobody else's file is removed
        os.close(descriptor)


def _acquired(lock: str, path: str | os.PathLike[str]) -> int:
    """Return the descriptor of the hidden file, locked, with a note in it of who has the lock."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path)
            if _is(lock, descriptor):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # a holder that ended in between has removed it


def _lock(descriptor: int, path: str | os.PathLike[str]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _LARGEST_NOTE, 0).decode("utf-8", "replace") or "another process"
        raise BlockingIOError(
            f"{os.fspath(path)}: expected a file that no other run writes to, but {holder} does"
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        _log.warning("%s: the file system has no locks, so that other runs can write to the file too", path)


def _is(lock: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(lock), os.fstat(descriptor))
    except FileNotFoundError:
        return False
