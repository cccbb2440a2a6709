"""Locks on files that one process at a time may write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
import socket
import time
from collections.abc import Iterator

__all__ = ["holder", "locked"]

_log = logging.getLogger("crlso")

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_LARGEST_NOTE = 1000  # bytes
_PATIENCE = 0.05  # seconds, as `holder` has the lock for a moment


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of a file while a block runs: no other process and no other thread can hold it then.

    The lock is one of the operating system, on a hidden file beside the target, which is removed at the end. It ends
    with the process, however that ends: a file that is left behind locks nothing, and forked children do not hold it.
    Where the file system has no locks, a warning is logged.

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
    lock = _lock_file(path)
    descriptor = _acquired(lock, path)
    _drop_in_children()
    _held.add(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock)  # before the lock ends: nobody else's file is removed
        _held.discard(descriptor)
        os.close(descriptor)


_held: set[int] = set()  # descriptors of locked files


@functools.cache
def _drop_in_children() -> None:
    """Let forked children close their copies of descriptors, which would hold a lock longer than this process."""
    os.register_at_fork(after_in_child=_drop)


def _drop() -> None:
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


def holder(path: str | os.PathLike[str]) -> str | None:
    """Return who holds the lock of a file, as ``"process 12 on host"``; None if nobody does.

    Parameters
    ----------
    path : path-like
        The file; it need not exist. Symbolic links are followed.
    """
    try:
        descriptor = os.open(_lock_file(path), os.O_RDONLY)
    except OSError:  # there is none
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _note(descriptor)
    except OSError:  # the file system has no locks
        return None
    finally:
        os.close(descriptor)
    return None


def _lock_file(path: str | os.PathLike[str]) -> str:
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name[:200]}.lock")


def _note(descriptor: int) -> str:
    return os.pread(descriptor, _LARGEST_NOTE, 0).decode("utf-8", "replace") or "another process"


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
        for last in (False, True):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if last:
                    raise
                time.sleep(_PATIENCE)
    except BlockingIOError:
        raise BlockingIOError(
            f"{os.fspath(path)}: expected a file that no other run writes to, but {_note(descriptor)} does"
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
