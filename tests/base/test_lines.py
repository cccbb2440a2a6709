"""Files of lines that grow: what is read, what is written when something else happens."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crlso._base.checksums import with_checksum
from crlso._base.lines import LineFile, read_lines
from tests.processes import environment


def documents(path):
    return [line.document for line in read_lines(path)]


def test_lines_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "file"
    with LineFile.opened(path) as file:
        assert (file.lines, file.mark) == ([], 0)
        file.append({"a": "ü\n"}, mark=3)
        assert file.mark == 3 and path.read_bytes() == with_checksum({"a": "ü\n"})
        file.append({"a": [1, None]})
    with LineFile.opened(path) as file:
        assert [line.document for line in file.lines] == documents(path) == [{"a": "ü\n"}, {"a": [1, None]}]
    assert [(line.number, line.start, line.has_end) for line in read_lines(path)] == [
        (1, 0, True),
        (2, len(with_checksum({"a": "ü\n"})), True),
    ]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n", b"\t", b"\xef\xbb\xbf\n\n \r\n", b""])
@pytest.mark.parametrize("after", [b"", b"\n", b"\n\t", b"\r\n", b" "])
def test_what_editors_add_does_no_harm(tmp_path, before, after):
    path, line = tmp_path / "file", with_checksum({"a": 1})
    start = line[:-1] if before != b"\t" else b"\n" + line[:-1]
    path.write_bytes(before + start + after)
    with LineFile.opened(path) as file:
        file.append({"a": 2})
    assert documents(path) == [{"a": 1}, {"a": 2}]


def test_a_line_that_cannot_be_written_is_removed(tmp_path, monkeypatch):
    path, write = tmp_path / "file", os.pwrite
    with LineFile.opened(path) as file:
        file.append({"a": 1}, mark=1)
        before = path.read_bytes()

        def interrupted(descriptor, data, position):
            write(descriptor, data, position)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "pwrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            file.append({"a": 2}, mark=2)
        assert path.read_bytes() != before and file.mark == 1
        monkeypatch.setattr(os, "pwrite", write)
        file.append({"a": 3}, mark=2)
    assert documents(path) == [{"a": 1}, {"a": 3}]


def test_a_new_file_without_lines_is_removed(tmp_path):
    with LineFile.opened(tmp_path / "file"):
        pass
    (tmp_path / "old").touch()
    with LineFile.opened(tmp_path / "old"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


def test_lines_are_synced_before_the_file_is_closed(tmp_path, monkeypatch):
    events, sync, close = [], os.fsync, os.close
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("sync"), sync(descriptor))[1])
    monkeypatch.setattr(os, "close", lambda descriptor: (events.append("close"), close(descriptor))[1])
    with LineFile.opened(tmp_path / "file") as file:
        events.clear()
        file.append({"a": 1})
    assert events[:2] == ["sync", "close"]


FORK = """
import os, sys, time
from crlso._base.lines import LineFile
with LineFile.opened(sys.argv[1]) as file:
    file.append({"a": 1})
    if os.fork() == 0:
        os.write(1, b"child\\n")
        time.sleep(60)
    os.write(1, b"parent\\n")
    os._exit(1)
"""


def test_a_child_that_lives_longer_has_no_lock(tmp_path):
    path = tmp_path / "file"
    with subprocess.Popen(
        [sys.executable, "-c", FORK, str(path)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert {process.stdout.readline() for _ in range(2)} == {"child\n", "parent\n"}
        process.wait()
        try:
            with LineFile.opened(path) as file:
                file.append({"a": 2})
        finally:
            os.killpg(process.pid, 9)
    assert documents(path) == [{"a": 1}, {"a": 2}]
