"""The folder of the cache, and the digests that name its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crlso._base import cache
from crlso._base.cache import cache_folder, digest


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CRLSO_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("CRLSO_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "crlso"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / ".cache" / "crlso"
    monkeypatch.setenv("CRLSO_CACHE", "")
    assert cache_folder() is None
    assert not any(tmp_path.iterdir())


def test_without_a_home_there_is_no_folder(monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.delenv("CRLSO_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None


def test_digests_tell_apart_what_differs(monkeypatch):
    rows = np.arange(6, dtype=np.uint8)
    parts = [
        (),
        (1,),
        ("1",),
        (1, 2),
        (12,),
        (rows,),
        (rows.reshape(2, 3),),
        (rows.astype(np.int8),),
        (rows[::-1],),
        (None, rows),
        (rows, None),
    ]
    found = [digest(*part) for part in parts]
    assert len(set(found)) == len(parts)
    assert found == [digest(*part) for part in parts] and digest(np.arange(6, dtype=np.uint8)) == found[5]
    monkeypatch.setattr(cache, "_arithmetic", lambda: {"isa": "another"})
    assert digest() != found[0]
    monkeypatch.undo()
    monkeypatch.setattr(cache, "_code", lambda: "another")
    assert digest() != found[0]


def test_the_arithmetic_says_nothing_of_threads():
    known = cache._arithmetic()
    assert {"isa", "blas_kernel", "numpy", "version"} <= set(known) and "threads" not in known
