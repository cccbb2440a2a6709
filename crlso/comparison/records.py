"""Records of searches, and the file that keeps them, from which a later run resumes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

from crlso._base.lines import Line, LineFile, read_lines

__all__ = ["GOALS", "KEYS", "Record", "Results", "key_of", "read_records"]

_log = logging.getLogger("crlso.compare")

Record = dict[str, Any]
KEYS = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version", "fingerprint")
"""Keys of a record that identify its search, beside those in `GOALS`."""
GOALS = ("objectives", "constraints")
"""Keys of a record of a search that is for more than the value; others do not have them."""

_START = b'{"benchmark": '  # of every line


def key_of(record: Record) -> str:
    """Return the identity of a search as text: records of the same search have equal keys."""
    return json.dumps([record.get(key) for key in (*KEYS, *GOALS)], sort_keys=True)


class Results:
    """Records of finished searches, kept in memory and optionally in a file of JSON lines.

    Each line ends with a checksum of the rest. A damaged line is logged and its search counts as not done; other lines
    are not touched. An incomplete last line is removed. Lines of older versions have no checksum.

    Parameters
    ----------
    file : LineFile, optional
        The file; without one, records are kept in memory only.
    """

    def __init__(self, file: LineFile | None = None) -> None:
        self._file = file
        self.records: dict[str, Record] = {}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str | os.PathLike[str] | None) -> Iterator[Results]:
        """Read the file, and keep other runs from writing to it until the end of the block.

        Parameters
        ----------
        path : path-like or None
            The file; None keeps records in memory only.

        Raises
        ------
        BlockingIOError
            If another run writes to the file.
        OSError
            If the file cannot be read or written.
        ValueError
            If it is no regular file, is too large, or has lines of something else. The message names the line.
        """
        if path is None:
            yield cls()
            return
        with LineFile.opened(path) as file:
            results = cls(file)
            results._read(file)
            yield results

    def _read(self, file: LineFile) -> None:
        self.records, damaged = _records_of(file.path, file.lines)
        for line in damaged:
            if line.has_end:
                text = "%s, line %d: damaged, its search runs again (%s)"
                _log.warning(text, file.path, line.number, _damage(line))
            else:
                _log.warning("%s: dropped an incomplete last line of %d bytes", file.path, len(line.text))
                file.cut(line)

    def add(self, record: Record) -> None:
        """Add a record, write it to the file, and sync that to disk."""
        self.records[key_of(record)] = record
        if self._file is not None:
            self._file.append(record)

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
            _log.warning(text, self._file and self._file.path, count, part)


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """Read the records of a file that :func:`crlso.compare` wrote or is writing; the last one of each search.

    Damaged lines are logged and left out, and an incomplete last line is left out. The file is not changed.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no regular file, is too large, or has lines of something else. The message names the line.
    """
    records, damaged = _records_of(path, read_lines(path))
    for line in damaged:
        if line.has_end:
            _log.warning("%s, line %d: damaged, and left out (%s)", os.fspath(path), line.number, _damage(line))
    return list(records.values())


def _records_of(path: str | os.PathLike[str], lines: Iterable[Line]) -> tuple[dict[str, Record], list[Line]]:
    """The records of lines by their keys, and the lines that are damaged."""
    records: dict[str, Record] = {}
    damaged: list[Line] = []
    for line in lines:
        damage = _damage(line)
        if damage is not None and _was_record(line):
            damaged.append(line)
        elif damage is not None or not _is_record(line.document):
            reason = damage or "got other JSON"
            raise ValueError(f"{os.fspath(path)}, line {line.number}: expected a result of crlso.compare: {reason}")
        else:
            records[key_of(line.document)] = line.document
    return records, damaged


def _differences(before: Any, now: dict[str, str]) -> list[str]:
    """Return how two fingerprints differ, as texts."""
    if not isinstance(before, dict):
        return ["from an older version, without fingerprints, of the same name"] * len(now)
    parts = [part for part in now if before.get(part) != now[part]] or ["kind of fingerprint"]
    return [f"with another {part} of the same name" for part in parts]


def _damage(line: Line) -> str | None:
    """Return what is wrong with a line, if anything. Lines of older versions have neither fingerprint nor checksum."""
    if isinstance(line.document, dict) and "fingerprint" in line.document and not line.has_checksum:
        return "there is no checksum"
    return line.damage


def _was_record(line: Line) -> bool:
    """Return whether a line that cannot be read begins or ends as one of ours."""
    return line.text.startswith(_START[: len(line.text)]) or line.has_checksum


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and {*KEYS, "state", "trajectory", "optimum", "n_queries", "seconds"} <= {*record, "fingerprint"}
        and record["state"] in ("complete", "failed")
        and isinstance(record["trajectory"], list)
        and all(isinstance(entry, dict) and set(entry) == {"query", "value", "test"} for entry in record["trajectory"])
        and isinstance(record["seconds"], dict)
    )
