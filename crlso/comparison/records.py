"""Records of searches, and the file that keeps them, from which a later run resumes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crlso._base.checksums import check_checksum, has_checksum, with_checksum
from crlso._base.files import open_regular, read_bytes
from crlso._base.locks import locked

__all__ = ["KEYS", "Record", "Results", "key_of"]

_log = logging.getLogger("crlso.compare")

LARGEST_FILE = 1 << 30  # bytes
Record = dict[str, Any]
KEYS = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version", "fingerprint")
"""Keys of a record that identify its search."""

_START = b'{"benchmark": '  # of every line
_BOM = b"\xef\xbb\xbf"


def key_of(record: Record) -> str:
    """Return the identity of a search as text: records of the same search have equal keys."""
    return json.dumps([record.get(key) for key in KEYS], sort_keys=True)


class Results:
    """Records of finished searches, kept in memory and optionally in a file of JSON lines.

    Each line ends with a checksum of the rest. A damaged line is logged and its search counts as not done; other lines
    are not touched. An incomplete last line is removed. Lines of older versions have no checksum.

    Parameters
    ----------
    path : path-like or None
        The file; None keeps records in memory only.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else Path(path)
        self._ends = True  # whether the file ends with a newline
        self.records: dict[str, Record] = {}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str | os.PathLike[str] | None) -> Iterator[Results]:
        """Read the file, and keep other runs from writing to it until the end of the block.

        Raises
        ------
        BlockingIOError
            If another run writes to the file.
        OSError
            If the file cannot be read or written.
        ValueError
            If it is no regular file, is too large, or has lines of something else. The message names the line.
        """
        results = cls(path)
        if results._path is None:
            yield results
            return
        with contextlib.suppress(FileNotFoundError), open_regular(results._path, LARGEST_FILE):
            pass  # what is no file, or too large a one, gets no lock either
        with locked(results._path):
            results._path.touch()  # fails early if the file cannot be written
            results._read(results._path)
            yield results

    def _read(self, path: Path) -> None:
        content = read_bytes(path, LARGEST_FILE)
        *lines, last = content.removeprefix(_BOM).split(b"\n")
        damaged: dict[int, str] = {}
        for number, line in enumerate([*lines, last], start=1):
            try:
                record = _parsed(line) if line.strip() else None
            except (ValueError, RecursionError) as error:
                record, damaged[number] = None, str(error)
            if (number in damaged and not _was_record(line)) or not (record is None or _is_record(record)):
                reason = damaged.get(number, "got other JSON")
                raise ValueError(f"{path}, line {number}: expected a result of crlso.compare: {reason}")
            if record is not None:
                self.records[key_of(record)] = record
        self._ends = not last
        if damaged.pop(len(lines) + 1, None) is not None:
            _log.warning("%s: dropped an incomplete last line of %d bytes", path, len(last))
            os.truncate(path, len(content) - len(last))
            self._ends = True
        for number, reason in damaged.items():
            _log.warning("%s, line %d: damaged, its search runs again (%s)", path, number, reason)

    def add(self, record: Record) -> None:
        """Add a record, write it to the file, and sync that to disk."""
        self.records[key_of(record)] = record
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write((b"" if self._ends else b"\n") + with_checksum(record))
                file.flush()
                os.fsync(file.fileno())
            self._ends = True

    def has(self, head: Record) -> bool:
        """Return whether the record of a search is present and complete; `head` has its values of KEYS."""
        record = self.records.get(key_of(head))
        return record is not None and record["state"] == "complete"

    def log_differences(self, heads: Iterable[Record]) -> None:
        """Log how many searches have results in the file of another space, benchmark or method of the same name."""
        known: dict[str, list[Any]] = {}
        for record in self.records.values():
            known.setdefault(key_of({**record, "fingerprint": None}), []).append(record.get("fingerprint"))
        counts: dict[str, int] = {}
        for head in heads:
            found, now = known.get(key_of({**head, "fingerprint": None}), []), head["fingerprint"]
            if found and now not in found:
                part = min((_differences(before, now) for before in found), key=len)[0]
                counts[part] = counts.get(part, 0) + 1
        for part, count in counts.items():
            text = "%s: %d of the searches are in the file %s; those results are kept, and not used"
            _log.warning(text, self._path, count, part)


def _differences(before: Any, now: dict[str, str]) -> list[str]:
    """Return how two fingerprints differ, as texts."""
    if not isinstance(before, dict):
        return ["from an older version, without fingerprints, of the same name"] * len(now)
    parts = [part for part in now if before.get(part) != now[part]] or ["kind of fingerprint"]
    return [f"with another {part} of the same name" for part in parts]


def _parsed(line: bytes) -> Any:
    """Return the JSON of a line without its checksum; ValueError if it is damaged."""
    check_checksum(line)
    record = json.loads(line)
    if isinstance(record, dict) and "fingerprint" in record and not has_checksum(line):
        raise ValueError("there is no checksum")
    if isinstance(record, dict):
        record.pop("crc32", None)
    return record


def _was_record(line: bytes) -> bool:
    """Return whether a line that cannot be read begins or ends as one of ours."""
    return line.startswith(_START[: len(line)]) or has_checksum(line)


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and {*KEYS, "state", "trajectory", "optimum", "n_queries", "seconds"} <= {*record, "fingerprint"}
        and record["state"] in ("complete", "failed")
        and isinstance(record["trajectory"], list)
        and all(isinstance(entry, dict) and set(entry) == {"query", "value", "test"} for entry in record["trajectory"])
        and isinstance(record["seconds"], dict)
    )
