"""Locks on files: one holder at a time, none that is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from crlso._base.locks import locked
from tests.processes import environment

HOLD = "import sys; from crlso._base.locks import locked\nwith locked(sys.argv[1]): print('held', flush=True); input()"


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of a file."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "file")],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named(tmp_path, holder):
    with pytest.raises(BlockingIOError) as caught, locked(tmp_path / "file"):
        pass
    assert f"file: expected a file that no other run writes to, but process {holder.pid} on " in str(caught.value)
    assert socket.gethostname() in str(caught.value)
    with locked(tmp_path / "other"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".file.lock").exists()
    with locked(tmp_path / "file"):
        assert (tmp_path / ".file.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not list(tmp_path.iterdir())


def test_a_lock_is_for_one_thread_and_goes_through_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    message = f"process {os.getpid()} on"
    with locked(tmp_path / "file"), pytest.raises(BlockingIOError, match=message), locked(tmp_path / "link"):
        pass
    with locked(tmp_path / "link"):
        pass


def test_only_one_of_many_threads_at_a_time_holds_it(tmp_path):
    holders, most, entered = [], [], []

    def work():
        for _ in range(200):
            try:
                with locked(tmp_path / "file"):
                    holders.append(1)
                    most.append(len(holders))
                    entered.append(1)
                    holders.pop()
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and entered
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch, caplog):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / "file"):
        assert "the file system has no locks" in caplog.text


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing" / "file"):
        pass
