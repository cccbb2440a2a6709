"""Fuzz target: the reader of NAS-Bench-101's files, on bytes.

With atheris installed: python -m tests.fuzz.tfrecord -max_total_time=300 CORPUS
"""

from __future__ import annotations

import io
import sys

from crlso.benchmarks.files import tfrecord as _tfrecord

from ..twins import tfrecord_writer as writer


def check(data: bytes, epochs: int = 108) -> str:
    """Read a file of these bytes: 'read' or 'refused'; anything but a ValueError escapes."""
    cells = _tfrecord._Cells(epochs)
    try:
        for offset, payload in _tfrecord._frames(io.BytesIO(data)):
            cells.add(offset, payload)
        records = cells.records()
    except (ValueError, RecursionError):  # what read_tfrecord turns into a ValueError with the offset
        return "refused"
    assert ((records.codes <= 3).all()) and ((records.validation >= 0) & (records.validation <= 100)).all()
    return "read"


def target(data: bytes) -> None:
    """The bytes as a file, as the payload of a frame, and as the metrics of a record."""
    check(data)
    check(writer.frame(data))
    check(writer.frame(writer.payload("00" * 16, 108, "0100", "input,output", data)))


if __name__ == "__main__":
    import importlib

    import atheris

    with atheris.instrument_imports():
        importlib.reload(_tfrecord)
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
