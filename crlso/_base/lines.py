"""Files of JSON lines that grow at their end: each line has a checksum, and one process at a time writes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crlso._base.checksums import check_checksum, has_checksum, with_checksum
from crlso._base.files import check_folder, open_regular, read_bytes
from crlso._base.locks import locked

__all__ = ["LARGEST_FILE", "Line", "LineFile", "read_lines"]

LARGEST_FILE = 1 << 30  # bytes
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """A line of a file.

    Attributes
    ----------
    number : int
        Counted from 1.
    start : int
        Position of its first byte.
    text : bytes
        The line without its end.
    document : object
        Its JSON without the checksum; None if it is damaged.
    damage : str or None
        What is wrong with it.
    has_checksum : bool
        Whether it ends with a checksum, right or wrong.
    has_end : bool
        Whether a newline follows: the last line of a process that was killed may have none.
    """

    number: int
    start: int
    text: bytes
    document: Any
    damage: str | None
    has_checksum: bool
    has_end: bool


def read_lines(path: str | os.PathLike[str]) -> list[Line]:
    """Read the lines of a file, without blank ones and without a byte order mark.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no regular file, or too large.
    """
    content = read_bytes(path, LARGEST_FILE)
    start = len(_BOM) if content.startswith(_BOM) else 0
    lines: list[Line] = []
    for number, text in enumerate(content[start:].split(b"\n"), start=1):
        if text.strip():
            lines.append(_line(number, start, text, start + len(text) < len(content)))
        start += len(text) + 1
    return lines


def _line(number: int, start: int, text: bytes, has_end: bool) -> Line:
    document, damage = None, None
    try:
        check_checksum(text)
        document = json.loads(text)
        if isinstance(document, dict):
            document.pop("crc32", None)
    except (ValueError, RecursionError) as error:
        document, damage = None, str(error)
    return Line(number, start, text, document, damage, has_checksum(text), has_end)


class LineFile:
    """A file of lines that this process alone writes to, see :meth:`opened`.

    Attributes
    ----------
    path : Path
    lines : list of Line
        What the file held when it was opened.
    mark : int
        A number of the caller's, by which it knows how far it got: that given with the last line that was appended.
    """

    def __init__(self, path: Path, descriptor: int, mark: int = 0) -> None:
        self.path, self.lines = path, read_lines(path)
        self._descriptor = descriptor
        self._syncer = _Syncer(descriptor)
        size = os.fstat(descriptor).st_size
        self._end = size, mark
        self._has_end = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        self._tried = b""

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str | os.PathLike[str]) -> Iterator[LineFile]:
        """Open a file, which is made if there is none, and keep other processes from writing until the block ends.

        Raises
        ------
        BlockingIOError
            If another process or thread writes to the file; the message names process and host.
        OSError
            If the file cannot be read and written.
        ValueError
            If it is no regular file, or too large.
        """
        check_folder("path", path)
        with contextlib.suppress(FileNotFoundError), open_regular(path, LARGEST_FILE):
            pass  # what is no file, or too large a one, gets no lock either
        target = Path(os.path.realpath(path))
        with locked(path):
            is_new = not target.exists()
            descriptor = os.open(target, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                if is_new:
                    _sync_folder(target.parent)
                file = cls(Path(path), descriptor)
                try:
                    yield file
                finally:
                    file._syncer.stop()
                file._syncer.check()
            finally:
                if is_new and os.fstat(descriptor).st_size == 0:  # nothing came of it
                    with contextlib.suppress(OSError):
                        target.unlink()
                os.close(descriptor)

    @property
    def mark(self) -> int:
        """The mark of the last line that was appended."""
        return self._end[1]

    @mark.setter
    def mark(self, mark: int) -> None:
        self._end = self._end[0], mark

    def cut(self, line: Line) -> None:
        """Remove a line, which is the last one, from the file."""
        os.ftruncate(self._descriptor, line.start)
        self._end, self._has_end = (line.start, self.mark), True
        self.lines = [other for other in self.lines if other.start < line.start]

    def append(self, document: dict[str, Any], mark: int = 0) -> None:
        """Append a line with one write, and have it synced to disk.

        When the call returns, the line survives the end of this process, however that ends. A thread syncs it, so that
        it survives a power failure some milliseconds later, and at the latest when the file is closed. A line that was
        not written whole, because the disk was full or the call was interrupted, is removed at once or by the next
        call.

        Raises
        ------
        OSError
            If the line cannot be written; the file is then what it was. If an earlier line could not be synced.
        RuntimeError
            If something else was written to the file, which a lock prevents where the file system has locks.
        """
        size = self._end[0]
        self._syncer.check()
        self._remove_rest(size)
        self._tried = (b"" if self._has_end else b"\n") + with_checksum(document)
        try:
            written = os.pwrite(self._descriptor, self._tried, size)
            while written < len(self._tried):  # raises, with the reason
                written += os.pwrite(self._descriptor, self._tried[written:], size + written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise
        self._end, self._has_end = (size + len(self._tried), mark), True
        self._syncer.sync()

    def _remove_rest(self, size: int) -> None:
        """Remove what an interrupted call wrote behind the last whole line."""
        rest = os.fstat(self._descriptor).st_size - size
        if rest == 0:
            return
        if rest < 0 or not self._tried.startswith(os.pread(self._descriptor, rest, size)):
            raise RuntimeError(f"{self.path}: expected a file that no other run writes to, got {rest:+d} bytes")
        os.ftruncate(self._descriptor, size)


class _Syncer:
    """A thread that syncs a file to disk, which can take longer than a search needs to choose a cell.

    A sync begins after each request; requests that come while one runs share the next one. There is no lock that an
    interrupt could leave locked.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()  # True to sync, False to end
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def sync(self) -> None:
        """Have what was written until now synced."""
        self._requests.put(True)
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="crlso sync", daemon=True)
            thread.start()
            self._thread = thread  # not before it runs: an interrupt can come in between

    def check(self) -> None:
        """Raise the error of an earlier sync, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def stop(self) -> None:
        """End the thread when all is synced."""
        self._requests.put(False)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            requests = {self._requests.get()}
            while not self._requests.empty():
                requests.add(self._requests.get())
            is_over = False in requests
            if True in requests:
                try:
                    os.fsync(self._descriptor)
                except OSError as error:
                    self._error = error


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a new file in it is found after a power failure."""
    with contextlib.suppress(OSError):  # some systems cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
