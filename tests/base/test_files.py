"""Files are replaced whole or not at all, whoever else writes them."""

from __future__ import annotations

import os
import stat
import threading

import numpy as np
import pytest

from crlso._base.files import replacing, write_npz, write_text


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
