"""Files are replaced whole or not at all, whoever else writes them; readers take regular files of bounded size."""

from __future__ import annotations

import os
import socket
import stat
import threading

import numpy as np
import pytest

import crlso
from crlso._base.files import read_bytes, read_text, replacing, write_npz, write_text
from crlso.benchmarks import Tabular
from crlso.benchmarks.files.natsbench import read_folder
from crlso.benchmarks.files.tfrecord import load_tfrecord, read_tfrecord
from crlso.models import GraphVAE, ICNNSurrogate, Predictor
from crlso.spaces import CellSpace
from tests.twins.toys import SPACE, table


def test_a_file_is_replaced_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "study.json"
    write_text(path, "old")
    write_text(path, "new ü")
    assert path.read_text(encoding="utf-8") == "new ü"
    assert [p.name for p in tmp_path.iterdir()] == ["study.json"]


def test_an_error_leaves_the_old_content(tmp_path):
    path = tmp_path / "study.json"
    path.write_text("old")

    def fail():
        with replacing(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_mode_is_kept_links_are_followed_and_new_files_follow_the_umask(tmp_path):
    path, link = tmp_path / "private", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    write_text(link, "new")
    assert link.is_symlink() and path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_text(tmp_path / "fresh", "")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o666 & ~mask


def test_what_is_no_regular_file_is_written_to_and_folders_are_refused(tmp_path):
    write_text(os.devnull, "x")
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "x")
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "missing" / "file", "x")


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "model.npz"
    errors = []

    def write(number):
        try:
            for _ in range(30):
                write_npz(path, {"x": np.full(2000, number)})
                with np.load(path) as archive:
                    assert len(set(archive["x"].tolist())) == 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(list(tmp_path.iterdir())) == 1


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "a pipe"), ("/dev/zero", "a device"), ("/dev/full", "a device")):
        with pytest.raises(ValueError, match=f"{path}: expected a regular file, got {kind}"):
            read_bytes(path, 10)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="socket"):
            read_bytes(tmp_path / "socket", 10)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 10)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "missing", 10)


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(ValueError, match="file: expected a file of at most 4 bytes, got 5"):
        read_bytes(path, 4)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_file_without_a_size_is_read_up_to_the_limit_too():
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(ValueError, match="expected a file of at most 10 bytes, got more"):
        read_bytes("/proc/self/status", 10)


def test_text_loses_its_byte_order_mark_and_must_be_utf_8(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa\xc3\xbc\r\n")
    assert read_text(path, 100) == "aü\r\n"
    path.write_bytes(b"a\xff")
    assert read_text(path, 100, errors="surrogateescape") == "a\udcff"
    with pytest.raises(ValueError, match=r"file: expected text in UTF-8, got other bytes \(byte 1"):
        read_text(path, 100)


# What reads files: a name, and what to call with a path.
READERS = {
    "study": crlso.Study.load,
    "results": lambda path: crlso.compare(table(), "random", 1, 2, path=path),
    "predictor": lambda path: Predictor.load(path, SPACE),
    "vae": lambda path: GraphVAE.load(path, SPACE),
    "surrogate": ICNNSurrogate.load,
    "space": CellSpace.from_toml,
    "table": lambda path: Tabular.from_csv(path, SPACE),
    "tfrecord": read_tfrecord,
    "cache": lambda path: load_tfrecord(__file__, 108, path),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_pipes_and_devices(tmp_path, reader):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/full", "/dev/zero"):
        with pytest.raises(ValueError, match="expected a regular file"):
            READERS[reader](path)
    assert [name.name for name in tmp_path.iterdir()] == ["pipe"]


def test_the_reader_of_official_results_refuses_pipes(tmp_path):
    os.mkfifo(tmp_path / "meta.pickle.pbz2")
    with pytest.raises(ValueError, match="expected a regular file, got a pipe"):
        read_folder(tmp_path, allow_missing=True)


def test_every_reader_of_text_takes_a_byte_order_mark(tmp_path):
    path = tmp_path / "file"
    crlso.search(table(), "random", 3).save(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert crlso.Study.load(path, SPACE).n_queries == 3
    path.write_bytes(b"\xef\xbb\xbfnodes = 3\n")
    assert CellSpace.from_toml(path).n_nodes == 3
