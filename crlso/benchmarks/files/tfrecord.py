"""Reader of the official NAS-Bench-101 files, nasbench_only108.tfrecord and nasbench_full.tfrecord.

A file is a sequence of frames: length (u64, little-endian), masked CRC-32C of those 8 bytes, payload, masked CRC-32C
of the payload. A payload is JSON, ``[module hash, epochs, adjacency bits row by row, operations joined by commas,
metrics]``; the metrics are a protobuf message in base64 (``model_metrics.proto`` of google-research/nasbench). Each
payload is one training of one cell; the cells were trained three times for 108 epochs.
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
from crlso._base.files import BROKEN, write_npz
from crlso.spaces.nasbench101 import LAYOUT

__all__ = ["Records", "load_tfrecord", "read_tfrecord"]

_log = logging.getLogger(__name__)

EPOCHS = (4, 12, 36, 108)
_MAX_PAYLOAD = 1 << 16  # bytes; real payloads are a few hundred
_MASK_DELTA = 0xA282EAD8

_VERTICES, _EDGES, _MAX_EDGES = LAYOUT.n_nodes, LAYOUT.edges, LAYOUT.max_edges or 0
_OPERATIONS = {name: code for code, name in enumerate(LAYOUT.operations, start=1)}
_N_CODES = len(LAYOUT.cardinalities)
_REPEATS = 3

# Fields of ModelMetrics and of its EvaluationData; evaluations are made before, halfway through and after training.
_EVALUATION, _PARAMETERS = 1, 2
_SECONDS, _VALIDATION, _TEST = 2, 4, 5
_FINAL = 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Records:
    """What a file says about its n cells; one row per cell, in the order of their first records.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 26)
        Pruned cells: operations of vertices 1 to 5 (0: absent), then edges by target and source.
    validation, test : ndarray of float64, shape (n,)
        Accuracies after training, percent, mean over the repeats.
    parameters : ndarray of int64, shape (n,)
        Trainable parameters.
    seconds : ndarray of float64, shape (n,)
        Time of the training, mean over the repeats.
    repeats : ndarray of int64, shape (n,)
        How many trainings the means are over.
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
    """Offset and payload of each frame; ValueError with the offset for a broken one."""
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


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    if at < len(data) and data[at] < 128:  # as most are
        return data[at], at + 1
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("metrics: a number that does not end")


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    """Number, wire type and value (int or bytes) of each field of a protobuf message."""
    found: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _FIXED64:
            size = 8
        elif kind == _BYTES:
            size, at = _varint(data, at)
        elif kind == _FIXED32:
            size = 4
        elif kind == _VARINT:
            value, at = _varint(data, at)
            found.append((tag >> 3, kind, value))
            continue
        else:
            raise ValueError(f"metrics: expected wire types 0, 1, 2 and 5, got {kind}")
        if size > len(data) - at:
            raise ValueError(f"metrics: a field of {size} bytes, of which there are {len(data) - at}")
        found.append((tag >> 3, kind, data[at : at + size]))
        at += size
    return found


def _metrics(message: bytes) -> tuple[int, float, float, float]:
    """Parameters; validation and test accuracy (fractions) and training time (seconds) at the end of training."""
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
    """The 26 codes of a graph, without the vertices that are on no path from input to output."""
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
    for source, target in edges:  # ascending sources
        if source in forward:
            forward.add(target)
    for source, target in reversed(edges):
        if target in backward:
            backward.add(source)
    live = sorted(forward & backward)
    if n - 1 not in live:
        raise ValueError("cell: expected a path from input to output")
    place = {vertex: i for i, vertex in enumerate(live[:-1])} | {n - 1: _VERTICES - 1}
    kept = {(place[source], place[target]) for source, target in edges if source in place and target in place}
    if len(kept) > _MAX_EDGES:
        raise ValueError(f"cell: expected at most {_MAX_EDGES} edges, got {len(kept)}")
    inner = [_OPERATIONS[operations[vertex]] for vertex in live[1:-1]]
    return bytes([*inner, *[0] * (_VERTICES - 2 - len(inner)), *(edge in kept for edge in _EDGES)])


class _Cells:
    """Sums over the records of each cell, by module hash; columns are arrays, as there are 423,624 cells."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.rows: dict[bytes, int] = {}
        self.codes = bytearray()
        self.first_offset, self.parameters, self.repeats = array("q"), array("q"), array("q")
        self.validation, self.test, self.seconds = array("d"), array("d"), array("d")

    def add(self, offset: int, payload: bytes) -> None:
        """Take one record; those of other epochs are skipped."""
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
        """The means; ValueError with the offset when a cell's hash is not that of its graph."""
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
        Which trainings to take; ``nasbench_only108.tfrecord`` has those of 108 epochs alone.

    Returns
    -------
    Records
        Cells with another number of records than three are counted in a log message; their means are over what there
        is.

    Raises
    ------
    ValueError
        For a file that is truncated, damaged or no such file, with the offset of the byte, and for one without
        records of `epochs`.
    """
    check_epochs(epochs)
    cells = _Cells(epochs)
    n_records = 0
    with open(path, "rb", buffering=1 << 18) as file:
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
        _log.warning("%s: %d of %d cells have not %d records", os.fspath(path), odd, len(records.codes), _REPEATS)
    return records


def check_epochs(epochs: object) -> None:
    """Refuse lengths of training that the benchmark does not have."""
    if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs not in EPOCHS:
        raise ValueError(f"epochs: expected one of {', '.join(map(str, EPOCHS))}, got {epochs!r:.100}")


# ---- cache ----

_KIND = "crlso.nasbench101.records"


def load_tfrecord(
    path: str | os.PathLike[str], epochs: int = 108, cache: str | os.PathLike[str] | None = None
) -> Records:
    """As `read_tfrecord`, but a file is converted only once.

    Parameters
    ----------
    path, epochs
        As for `read_tfrecord`.
    cache : path-like, optional
        Where the arrays are kept, an npz file; by default beside `path`, its name with ``.<epochs>.npz`` added.
        It is made again when `path` has another size or time of change than it had, or `epochs` differs.

    Returns
    -------
    Records

    Raises
    ------
    ValueError
        As `read_tfrecord`; also when `cache` is a file that is no such cache or is damaged: it is left alone.
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
    """The records of a cache, or None when it belongs to another state of the source."""
    try:
        with np.load(target, allow_pickle=False) as archive:
            found = json.loads(str(archive["meta"]))
            if not isinstance(found, dict) or found.get("kind") != _KIND:
                raise ValueError("another kind of file")
            if found != meta:
                return None
            records = Records(**{field.name: archive[field.name] for field in fields(Records)})
    except (*BROKEN, AttributeError, OSError, RecursionError) as error:
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
