"""Writes files of the kind of nasbench_full.tfrecord, with a CRC-32C and a protobuf encoder of its own."""

from __future__ import annotations

import base64
import functools
import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from .nasbench101 import EDGES, OPERATIONS, module_hash

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def crc32c(data: bytes) -> int:
    """CRC-32C, a byte at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The checksum as a frame has it."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(payload: bytes) -> bytes:
    """A payload in its frame."""
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def varint(number: int) -> bytes:
    """A number of protobuf."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def metrics(evaluations: Iterable[Sequence[float]], parameters: int, total_time: float) -> bytes:
    """ModelMetrics; an evaluation is (epoch, seconds, train, validation, test)."""
    out = b""
    for values in evaluations:
        body = b"".join(varint(i << 3 | 1) + struct.pack("<d", value) for i, value in enumerate(values, start=1))
        out += varint(1 << 3 | 2) + varint(len(body)) + body
    return out + varint(2 << 3) + varint(parameters) + varint(3 << 3 | 1) + struct.pack("<d", total_time)


def graph_texts(codes: Sequence[int]) -> tuple[str, str]:
    """Adjacency bits and operations of a pruned cell."""
    vertices = [0, *(v for v in range(1, 6) if codes[v - 1]), 6]
    present = {edge for edge, bit in zip(EDGES, codes[5:]) if bit}
    bits = "".join(str(int((a, b) in present)) for a in vertices for b in vertices)
    return bits, ",".join(["input", *(OPERATIONS[codes[v - 1] - 1] for v in vertices[1:-1]), "output"])


def payload(name: str, epochs: int, bits: str, operations: str, message: bytes) -> bytes:
    """The JSON of one record."""
    return json.dumps([name, epochs, bits, operations, base64.encodebytes(message).decode()]).encode()


_name = functools.cache(module_hash)  # a cell has many records


def record(codes: Sequence[int], epochs: int, validation: float, test: float, seconds: float, parameters: int) -> bytes:
    """The frame of one training, with made-up values before its end."""
    evaluations = [(0.0, 0.0, 0.1, 0.1, 0.1), (epochs / 2, seconds / 2, 0.5, 0.4, 0.3)]
    evaluations.append((float(epochs), seconds, 1.0, validation, test))
    message = metrics(evaluations, parameters, 1.5 * seconds)
    return frame(payload(_name(codes), epochs, *graph_texts(codes), message))


def write(path: Path, frames: Iterable[bytes]) -> Path:
    """A file of frames."""
    with open(path, "wb") as file:
        for one in frames:
            file.write(one)
    return path
