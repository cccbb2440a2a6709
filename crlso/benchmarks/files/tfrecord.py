"""Reader of the official NAS-Bench-101 files, nasbench_only108.tfrecord and nasbench_full.tfrecord.

A file is a sequence of frames: length (u64, little-endian), masked CRC-32C of those 8 bytes, payload, masked CRC-32C
of the payload. A payload describes one training of one cell; each cell was trained three times for 108 epochs. It is
the JSON text of ``[module hash, epochs, adjacency bits by row, operations joined by commas, metrics]``. The metrics are
a protobuf message in base64.

Sources: ``model_metrics.proto`` of google-research/nasbench; ``lib/io/record_writer.h`` of TensorFlow.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import is_int
from crlso._base.files import open_regular, write_npz
from crlso.benchmarks.files.archive import read_arrays
from crlso.spaces.nasbench101 import LAYOUT

__all__ = ["Records", "load_tfrecord", "read_tfrecord"]

_log = logging.getLogger(__name__)

EPOCHS = (4, 12, 36, 108)
_MAX_FILE, _MAX_CACHE = 8 << 30, 1 << 28  # bytes; nasbench_full.tfrecord has 2.0e9, its cache 3e7
_MAX_PAYLOAD = 1 << 16  # bytes; official payloads have a few hundred
_MASK_DELTA = 0xA282EAD8

_VERTICES, _EDGES, _MAX_EDGES = LAYOUT.n_nodes, LAYOUT.edges, LAYOUT.max_edges or 0
_OPERATIONS = {name: code for code, name in enumerate(LAYOUT.operations, start=1)}
_N_CODES = len(LAYOUT.cardinalities)
_REPEATS = 3

# Numbers of the fields of ModelMetrics, then of its EvaluationData. Models are evaluated before, halfway through and
# after the training.
_EVALUATION, _PARAMETERS = 1, 2
_SECONDS, _VALIDATION, _TEST = 2, 4, 5
_FINAL = 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Records:
    """Content of a file: one row for each of its n cells, in the order of their first records.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 26)
        Pruned cells: operations of vertices 1 to 5 (0: absent), then edges by target and source.
    validation, test : ndarray of float64, shape (n,)
        Accuracies after training in percent, means over the trainings.
    parameters : ndarray of int64, shape (n,)
        Numbers of trainable parameters.
    seconds : ndarray of float64, shape (n,)
        Times of training in seconds, means over the trainings.
    repeats : ndarray of int64, shape (n,)
        Numbers of trainings.
    """

    codes: npt.NDArray[np.uint8]
    validation: npt.NDArray[np.float64]
    test: npt.NDArray[np.float64]
    parameters: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.int64]


# ---- frames ----


def _masked_crc(data: bytes) -> bytes:
    crc = _core.crc32c(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + _MASK_DELTA) & 0xFFFFFFFF).to_bytes(4, "little")


def _frames(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the payload of each frame; ValueError gives the offset of a broken one."""
    offset = 0
    while head := file.read(12):
        if len(head) < 12:
            raise ValueError(f"byte {offset}: expected a frame's head of 12 bytes, got {len(head)} (truncated file)")
        if _masked_crc(head[:8]) != head[8:]:
            raise ValueError(f"byte {offset}: the checksum of a frame's length is wrong (damaged, or not a TFRecord)")
        length = int.from_bytes(head[:8], "little")
        if length > _MAX_PAYLOAD:
            raise ValueError(f"byte {offset}: expected a payload of at most {_MAX_PAYLOAD} bytes, got {length}")
        body = file.read(length + 4)
        if len(body) < length + 4:
            raise ValueError(
                f"byte {offset + 12}: expected {length} bytes and a checksum, got {len(body)} bytes (truncated file)"
            )
        payload = body[:length]
        if _masked_crc(payload) != body[length:]:
            raise ValueError(f"byte {offset + 12}: the checksum of a frame's payload is wrong (damaged file)")
        yield offset, payload
        offset += length + 16


# ---- payloads ----


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    if position < len(data) and data[position] < 128:  # the usual case
        return data[position], position + 1
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise ValueError("metrics: a number that does not end")


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    """Return the number, the wire type and the value (int or bytes) of each field of a protobuf message."""
    found: list[tuple[int, int, Any]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == _FIXED64:
            size = 8
        elif kind == _BYTES:
            size, position = _varint(data, position)
        elif kind == _FIXED32:
            size = 4
        elif kind == _VARINT:
            value, position = _varint(data, position)
            found.append((tag >> 3, kind, value))
            continue
        else:
            raise ValueError(f"metrics: expected wire types 0, 1, 2 and 5, got {kind}")
        if size > len(data) - position:
            raise ValueError(f"metrics: expected a field of {size} bytes, got {len(data) - position}")
        found.append((tag >> 3, kind, data[position : position + size]))
        position += size
    return found


def _metrics(message: bytes) -> tuple[int, float, float, float]:
    """Return the number of parameters, and at the end of training validation and test accuracy and time.

    Accuracies are fractions, and the time is in seconds.
    """
    evaluations, parameters = [], 0
    for number, kind, value in _fields(message):
        if number == _EVALUATION and kind == _BYTES:
            evaluations.append(value)
        elif number == _PARAMETERS and kind == _VARINT:
            parameters = value
    if len(evaluations) <= _FINAL:
        raise ValueError(f"metrics: expected {_FINAL + 1} evaluations, got {len(evaluations)}")
    if not 0 < parameters < 1 << 31:
        raise ValueError(f"metrics: expected a number of parameters from 1 to 2**31 - 1, got {parameters}")
    final = {
        number: struct.unpack("<d", value)[0]
        for number, kind, value in _fields(evaluations[_FINAL])
        if kind == _FIXED64
    }
    validation, test, seconds = (final.get(number, math.nan) for number in (_VALIDATION, _TEST, _SECONDS))
    if not (0 <= validation <= 1 and 0 <= test <= 1):
        raise ValueError(f"metrics: expected accuracies from 0 to 1, got validation {validation}, test {test}")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"metrics: expected a training time of 0 seconds or more, got {seconds}")
    return parameters, validation, test, seconds


def _codes(bits: str, names: str) -> bytes:
    """Return the 26 codes of a graph without the vertices that are on no path from input to output."""
    operations = names.split(",")
    n = len(operations)
    if not 2 <= n <= _VERTICES or len(bits) != n * n or bits.strip("01"):
        raise ValueError(f"cell: expected the bits of an n x n matrix and n = 2 to 7 operations, got {len(bits)}, {n}")
    if operations[0] != "input" or operations[-1] != "output" or not _OPERATIONS.keys() >= set(operations[1:-1]):
        raise ValueError(f"cell: expected input, {', '.join(_OPERATIONS)} and output, got {names!r:.100}")
    edges = [divmod(i, n) for i, bit in enumerate(bits) if bit == "1"]
    if any(source >= target for source, target in edges):
        raise ValueError("cell: expected edges from lower to higher vertices only")
    forward, backward = {0}, {n - 1}
    for source, target in edges:  # in ascending order of sources
        if source in forward:
            forward.add(target)
    for source, target in reversed(edges):
        if target in backward:
            backward.add(source)
    live = sorted(forward & backward)
    if n - 1 not in live:
        raise ValueError("cell: expected a path from input to output")
    index = {vertex: i for i, vertex in enumerate(live[:-1])} | {n - 1: _VERTICES - 1}
    kept = {(index[source], index[target]) for source, target in edges if source in index and target in index}
    if len(kept) > _MAX_EDGES:
        raise ValueError(f"cell: expected at most {_MAX_EDGES} edges, got {len(kept)}")
    inner = [_OPERATIONS[operations[vertex]] for vertex in live[1:-1]]
    return bytes([*inner, *[0] * (_VERTICES - 2 - len(inner)), *(edge in kept for edge in _EDGES)])


class _Cells:
    """Sums over the records of each cell, by module hash.

    Columns are arrays instead of lists, because a file has 423,624 cells.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.rows: dict[bytes, int] = {}
        self.codes = bytearray()
        self.first_offset, self.parameters, self.repeats = array("q"), array("q"), array("q")
        self.validation, self.test, self.seconds = array("d"), array("d"), array("d")

    def add(self, offset: int, payload: bytes) -> None:
        """Add one record; records of other epochs are ignored."""
        record = json.loads(payload.decode("utf-8"))
        if not isinstance(record, list) or [type(part) for part in record] != [str, int, str, str, str]:
            raise ValueError("expected a list of module hash, epochs, adjacency, operations and metrics")
        name, epochs, bits, operations, metrics = record
        if epochs != self.epochs:
            return
        digest = bytes.fromhex(name)
        parameters, *values = _metrics(base64.b64decode(metrics.replace("\n", ""), validate=True))
        row = self.rows.get(digest)
        if row is None:
            row = self._new_row(digest, _codes(bits, operations), offset, parameters)
        if parameters != self.parameters[row]:
            raise ValueError(f"expected {self.parameters[row]} parameters as in an earlier record, got {parameters}")
        for column, value in zip((self.validation, self.test, self.seconds), values):
            column[row] += value
        self.repeats[row] += 1

    def _new_row(self, digest: bytes, codes: bytes, offset: int, parameters: int) -> int:
        row = self.rows[digest] = len(self.rows)
        self.codes += codes
        self.first_offset.append(offset)
        self.parameters.append(parameters)
        self.repeats.append(0)
        for column in (self.validation, self.test, self.seconds):
            column.append(0.0)
        return row

    def records(self) -> Records:
        """Return the means; ValueError gives the offset of a record whose hash is not that of its graph."""
        codes = np.frombuffer(bytes(self.codes), np.uint8).reshape(-1, _N_CODES)
        for offset, claimed, true in zip(self.first_offset, self.rows, _core.nb101_hash(codes)):
            if claimed != true.tobytes():
                raise ValueError(f"byte {offset}: the module hash is not that of the record's cell")
        repeats = np.array(self.repeats)
        validation, test, seconds = (np.array(sums) / repeats for sums in (self.validation, self.test, self.seconds))
        return Records(codes, 100 * validation, 100 * test, np.array(self.parameters), seconds, repeats)


def read_tfrecord(path: str | os.PathLike[str], epochs: int = 108) -> Records:
    """Read an official file, record by record.

    Parameters
    ----------
    path : path-like
        ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``.
    epochs : {108, 36, 12, 4}
        Length of the trainings to read; ``nasbench_only108.tfrecord`` has only those of 108 epochs.

    Returns
    -------
    Records
        A warning is logged if there are not three records of each cell; means are over the existing records.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is truncated, damaged or of another kind (the message gives the byte offset), or has no records of
        `epochs`.
    """
    check_epochs(epochs)
    cells = _Cells(epochs)
    n_records = 0
    with open_regular(path, _MAX_FILE) as file:
        try:
            for offset, payload in _frames(file):
                try:
                    cells.add(offset, payload)
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"byte {offset + 12}: {error}") from error
                n_records += 1
            if not cells.rows:
                raise ValueError(f"expected records of {epochs} epochs, got none among {n_records} records")
            records = cells.records()
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r}: {error}") from error
    odd = int((records.repeats != _REPEATS).sum())
    if odd:
        _log.warning("%s: %d of %d cells do not have %d records", os.fspath(path), odd, len(records.codes), _REPEATS)
    return records


def check_epochs(epochs: object) -> None:
    """Raise ValueError unless the benchmark has trainings of this length."""
    if not is_int(epochs) or epochs not in EPOCHS:
        raise ValueError(f"epochs: expected one of {', '.join(map(str, EPOCHS))}, got {epochs!r:.100}")


# ---- cache ----

_KIND = "crlso.nasbench101.records"


def load_tfrecord(
    path: str | os.PathLike[str], epochs: int = 108, cache: str | os.PathLike[str] | None = None
) -> Records:
    """Read an official file like :func:`read_tfrecord`, but only once: its records are stored in a cache.

    Parameters
    ----------
    path, epochs
        As for :func:`read_tfrecord`.
    cache : path-like, optional
        An npz file that stores the records; by default `path` with ``.<epochs>.npz`` appended. It is written again if
        the size or the modification time of `path`, or `epochs`, has changed.

    Returns
    -------
    Records

    Raises
    ------
    OSError
        If the official file cannot be read. If the cache cannot be written, only a warning is logged.
    ValueError
        As in :func:`read_tfrecord`, or if `cache` is damaged or another kind of file, which is not overwritten.
    """
    check_epochs(epochs)
    target = Path(f"{os.fspath(path)}.{epochs}.npz") if cache is None else Path(cache)
    status = os.stat(path)
    meta = {"kind": _KIND, "format": 1, "size": status.st_size, "mtime_ns": status.st_mtime_ns, "epochs": int(epochs)}
    if target.exists():
        records = _read_cache(target, meta)
        if records is not None:
            return records
    records = read_tfrecord(path, epochs)
    try:
        write_npz(target, {"meta": np.array(json.dumps(meta)), **vars(records)})
    except OSError as error:
        _log.warning("cache %s could not be written: %s", target, error)
    return records


def _read_cache(target: Path, meta: dict[str, Any]) -> Records | None:
    """Return the records of a cache, or None if the official file or `epochs` has changed."""
    try:
        arrays = read_arrays(target, _MAX_CACHE)
        found = json.loads(str(arrays["meta"]))
        if not isinstance(found, dict) or found.get("kind") != _KIND:
            raise ValueError("another kind of file")
        if found != meta:
            return None
        records = Records(**{field.name: arrays[field.name] for field in fields(Records)})
    except (ValueError, LookupError, OSError, RecursionError) as error:
        raise ValueError(f"cache: expected a cache of crlso or no file at {str(target)!r}: {error}") from error
    _check_cached(target, records)
    return records


def _check_cached(target: Path, records: Records) -> None:
    n = len(records.codes) if records.codes.ndim else 0
    kinds = {"codes": (np.uint8, (n, _N_CODES)), "parameters": (np.int64, (n,)), "repeats": (np.int64, (n,))}
    for name, array_ in vars(records).items():
        dtype, shape = kinds.get(name, (np.float64, (n,)))
        if array_.dtype != dtype or array_.shape != shape or not np.isfinite(array_).all():
            raise ValueError(f"cache: expected {name} of shape {shape} in {str(target)!r}, got another array")
        if (array_ < 0).any() or (name in ("validation", "test") and (array_ > 100).any()):
            raise ValueError(f"cache: expected {name} in its range in {str(target)!r}, got other numbers")
