"""Damages files: byte by byte, and by their structure, so that the damage gets past the first check."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import numpy as np

from crlso._base.checksums import with_checksum
from tests.fuzz.cases import Chance

ODD_NUMBERS = (-1, 0, 1, 2**31, 2**63, 2**64, 10**400, 1e308, -1e308, 0.5)
ODD_JSON = (*ODD_NUMBERS, None, True, "", "a", "\0", "é" * 300, [], {}, [[]], [None])
ODD_CELLS = ("", "nan", "inf", "-1", "1e999", "0x1", '"', "\0", "a,b", "1 2", "é", "9" * 400, "\r", "None")


def damaged_bytes(chance: Chance, data: bytes, other: bytes) -> bytes:
    """One to three changes: bits, bytes, lengths, ends, pieces left out, doubled or taken from another sample."""
    out = bytearray(data)
    for _ in range(1 + chance.below(3)):
        at, size, kind = chance.below(len(out) + 1), 1 + chance.below(16), chance.below(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.below(8)
        elif kind == 1:
            out[at : at + size] = chance.random.bytes(size)
        elif kind == 2:
            out[at : at + 8] = bytes([255] * 8) if size % 2 else bytes(8)
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            del out[at : at + size]
        elif kind == 5:
            out[at:at] = out[at : at + size] * size
        elif other:
            start = chance.below(len(other))
            out[at : at + size] = other[start : start + size]
    return bytes(out)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: its container and its key."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, (dict, list)):
            continue
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def damaged_document(chance: Chance, document: Any) -> Any:
    """Change one to three places of a document of plain data, in place."""
    for _ in range(1 + chance.below(3)):
        places = _places(document)
        if not places:
            return chance.of(ODD_JSON)
        holder, key = chance.of(places)
        kind = chance.below(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif kind == 2:
            other, word = chance.of(places)
            try:
                holder[key] = json.loads(json.dumps(other[word]))
            except LookupError:  # an earlier change has removed it
                holder[key] = None
        elif kind == 3 and isinstance(holder[key], (int, float)):
            number = holder[key]
            near = number + 0.5 if abs(number) < 2**1000 else number + 1
            holder[key] = chance.of((-number, number * 1000, near, str(number)))
        else:
            holder[key] = json.loads(json.dumps(chance.of(ODD_JSON)))
    return document


def damaged_json(chance: Chance, data: bytes) -> bytes:
    """Damage JSON, or one of some lines of JSON, as a document."""
    lines = data.decode().splitlines()
    at = chance.below(len(lines))
    if chance.coin(0.05):
        lines[at] = "[" * 100_000
    else:
        document = json.loads(lines[at])
        if isinstance(document, dict):
            document.pop("crc32", None)  # as in files of versions without one: with a checksum, all damage is refused
        document = damaged_document(chance, document)
        text = json.dumps(document, ensure_ascii=chance.coin())
        lines[at] = text.replace("1e+308", "1e999") if chance.coin(0.1) else text
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def damaged_signed_lines(chance: Chance, data: bytes) -> bytes:
    """Damage some lines of JSON as documents, remove or repeat some, and give each its checksum."""
    documents = [json.loads(line) for line in data.splitlines()]
    for document in documents:
        document.pop("crc32", None)
    for _ in range(1 + chance.below(2)):
        at = chance.below(len(documents))
        if chance.coin(0.2):
            del documents[at]
        elif chance.coin(0.2):
            documents.insert(chance.below(len(documents)), json.loads(json.dumps(documents[at])))
        else:
            documents[at] = damaged_document(chance, documents[at])
        documents = [document for document in documents if isinstance(document, dict) and document] or [{"a": 1}]
    return b"".join(map(with_checksum, documents))


def _odd_array(chance: Chance, array: Any) -> Any:
    kind = chance.below(8)
    if array.ndim == 0:
        return np.array(chance.of(("", "text", 3, -1.0, "{}", "[]", '"meta"')))
    if kind == 0:
        return array.astype(chance.of(("float16", "float64", "int8", "complex64", "U4", ">f4", "bool")))
    if kind == 1:
        return array.reshape(-1)[: chance.below(array.size + 1)]
    if kind == 2:
        return array[None]
    if kind == 3:
        return np.full_like(array, chance.of((np.nan, np.inf, -1, 1e30))) if array.dtype.kind == "f" else array[:0]
    if kind == 4:
        return np.array([{"an": "object"}], dtype=object)
    if kind == 5:
        return np.array(chance.of(("", "text", 3, -1.0)))
    if kind == 6 and array.size and array.dtype.kind == "f":
        changed = np.array(array)
        changed.flat[chance.below(array.size)] = chance.of((np.nan, -np.inf, -1.0, 1e38))
        return changed
    return -array if array.dtype.kind == "f" else array[::-1]


def _member(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def _lying(member: bytes) -> bytes:
    """An array whose head promises a billion times as much as there is."""
    return member.replace(b"'shape': (", b"'shape': (1000000000, ", 1)


def damaged_npz(chance: Chance, data: bytes) -> bytes:
    """Damage an archive of arrays: members left out, renamed, doubled, replaced, and the text that describes them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at, kind = chance.below(len(members)), chance.below(7)
    name, content = members[at]
    described = [i for i, (word, _) in enumerate(members) if word == "meta.npy"]
    if kind == 0:
        del members[at]
    elif kind == 1:
        members[at] = chance.of(("other.npy", "../out.npy", "", name.upper(), f"a/{name}", "é\0.npy")), content
    elif kind == 2:
        members.append(members[at])
    elif kind == 3:
        members[at] = name, damaged_bytes(chance, content, b"")
    elif kind == 4:
        members[at] = name, _lying(content)
    elif kind == 5 and described:
        text = str(np.load(io.BytesIO(members[described[0]][1])))
        document = damaged_document(chance, json.loads(text))
        members[described[0]] = "meta.npy", _member(np.array(json.dumps(document)))
    else:
        members[at] = name, _member(_odd_array(chance, np.load(io.BytesIO(content), allow_pickle=False)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if chance.coin() else zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(name or "x", content)
    return out.getvalue()


def damaged_table(chance: Chance, data: bytes) -> bytes:
    """Damage a table with commas: cells, columns, lines, quotes and ends of lines."""
    lines = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(1 + chance.below(3)):
        row = chance.of(lines)
        column, kind = chance.below(len(row)), chance.below(6)
        if kind == 0:
            row[column] = chance.of(ODD_CELLS)
        elif kind == 1:
            for line in lines:
                del line[column : column + 1]
        elif kind == 2:
            lines.insert(chance.below(len(lines)), list(chance.of(lines)))
        elif kind == 3:
            row.insert(column, chance.of(ODD_CELLS))
        elif kind == 4:
            row[column] = f'"{row[column]}'
        else:
            row.clear()
            row.append("")
    end = chance.of(("\n", "\r\n", "\r", "\n\n"))
    head = chance.of((b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"))
    return head + end.join(",".join(line) for line in lines).encode("utf-8", "surrogatepass")


def damaged_text(chance: Chance, data: bytes) -> bytes:
    """Damage text by its words: some left out, doubled, swapped or replaced."""
    words = re.findall(r"\w+|\s+|[^\w\s]", data.decode())
    for _ in range(1 + chance.below(3)):
        if not words:
            break
        at, kind = chance.below(len(words)), chance.below(4)
        if kind == 0:
            del words[at]
        elif kind == 1:
            words.insert(at, chance.of(words))
        elif kind == 2:
            words[at] = chance.of((*ODD_CELLS, "(", ")", "[", "]", "-", "1e9", "99999999999999999999", "True"))
        else:
            words[at:at] = words[at : at + 5] * (1 + chance.below(50))
    return "".join(words).encode("utf-8", "surrogatepass")
