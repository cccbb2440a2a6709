"""Archives of arrays are read as NumPy wrote them, and refused when they promise more than they hold."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from crlso.benchmarks.files.archive import read_arrays

LIMIT = 10_000


def member(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(save, tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b/c": np.array("text"), "empty": np.zeros((0, 3), np.uint8)}
    save(tmp_path / "file.npz", **arrays)
    found = read_arrays(tmp_path / "file.npz", LIMIT)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert (found[name] == array).all()


SOUND = member(np.arange(3.0))
DAMAGED = {
    "lying": [("a.npy", SOUND.replace(b"(3,)", b"(30000000000,)"))],
    "negative": [("a.npy", SOUND.replace(b"(3,)", b"(-3,)"))],
    "short": [("a.npy", SOUND[:-1])],
    "long": [("a.npy", SOUND + b"\0")],
    "object": [("a.npy", member(np.array([{}, None])))],
    "no array": [("a.npy", b"text")],
    "half a header": [("a.npy", SOUND.replace(b"}", b" "))],
    "twice": [("a.npy", SOUND), ("a.npy", member(np.zeros(3)))],
    "large": [("a.npy", member(np.zeros(LIMIT)))],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives_are_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "file.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in DAMAGED[name]:
            archive.writestr(file, content)
    with pytest.raises(ValueError):  # noqa: PT011  (NumPy and zipfile word it)
        read_arrays(tmp_path / "file.npz", LIMIT)


@pytest.mark.parametrize("content", [b"", b"text", SOUND])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "file.npz").write_bytes(content)
    with pytest.raises(ValueError, match="BadZipFile"):
        read_arrays(tmp_path / "file.npz", LIMIT)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "missing.npz", LIMIT)
