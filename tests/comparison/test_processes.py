"""Processes of comparisons: what they need, what is said when they lack it, and that they end with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crlso.benchmarks import Function
from crlso.comparison import compare
from crlso.comparison.processes import _interrupts_wait
from tests.processes import environment
from tests.twins.toys import SPACE, table


def run(*arguments, text=None):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
    )


WORK = """
import crlso
from crlso.methods import RandomSearch
from crlso.spaces import CellSpace

space = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")

def score(cell):
    return float(sum(cell.codes))

class Mine(RandomSearch):
    name = "mine"

"""
UNGUARDED = """
result = crlso.compare(crlso.benchmarks.Function(space, score), ["random", "local"], 3, 5, jobs=2, path={path!r})
print(len(result.records))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_gets_one_error(tmp_path):
    script, path = tmp_path / "script.py", tmp_path / "out.jsonl"
    script.write_text(WORK + UNGUARDED.format(path=str(path)))
    done = run(script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Traceback") == 1
    assert 'RuntimeError: jobs: expected a script whose work is behind `if __name__ == "__main__":`' in done.stderr
    assert not path.exists()  # nothing came of it
    guarded = UNGUARDED.format(path=str(path)).replace("\n", "\n    ")
    script.write_text(WORK + 'if __name__ == "__main__":\n' + guarded)
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


NOTEBOOK = {
    "function": "crlso.compare(crlso.benchmarks.Function(space, score), ['random', 'local'], 2, 5, jobs=2)",
    "method": "crlso.compare(crlso.benchmarks.NASBench201(), [Mine, 'random'], 2, 5, jobs=2)",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOTEBOOK)
def test_what_a_notebook_defines_gives_one_error(kind):
    # As in a notebook and in a shell, __main__ has no file that a process could import.
    done = run("-c", WORK + NOTEBOOK[kind])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.splitlines()[-1]
    assert "ValueError: jobs: expected benchmarks and methods that can be sent to other processes, got" in last
    assert "Put its functions and classes into a module" in last and "jobs=1" in last and "loky" in last
    done = run("-c", WORK + NOTEBOOK[kind].replace(", jobs=2", ""))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_program_from_standard_input_gets_one_error():
    source = "import crlso\ncrlso.compare(crlso.benchmarks.NASBench201(), ['random', 'local'], 2, 5, jobs=2)\n"
    command = [sys.executable, "-"]
    done = subprocess.run(command, env=environment(), input=source, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1
    assert "ValueError: jobs: expected a program in a file" in done.stderr.splitlines()[-1]


def test_what_cannot_be_pickled_gives_one_error(caplog):
    bench = Function(SPACE, lambda cell: 1.0, name="one")
    with pytest.raises(ValueError, match="jobs: expected benchmarks and methods that can be sent to other processes"):
        compare(bench, ["random", "local"], 2, 3, jobs=2)
    assert not caplog.records
    with ThreadPoolExecutor(2) as executor:
        assert not compare(bench, ["random", "local"], 2, 3, executor=executor).failures


@pytest.mark.slow
def test_a_process_that_ends_while_it_starts_gives_one_error(tmp_path):
    script = tmp_path / "script.py"
    guarded = "if __name__ == '__main__':\n    " + UNGUARDED.format(path=str(tmp_path / "out")).replace("\n", "\n    ")
    script.write_text(WORK + "import os\nif __name__ != '__main__': os._exit(3)\n" + guarded)
    done = run(script)
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1] == "RuntimeError: jobs: a process ended while it started, with exit code 3"


SLEEPING = """
import time
def sleep(cell):
    print("asleep", flush=True)
    time.sleep(1000)

if __name__ == "__main__":
    import signal
    for number in (signal.SIGHUP, signal.SIGTERM):  # nohup ignores one of them
        signal.signal(number, signal.SIG_DFL)
    {before}
    crlso.compare(crlso.benchmarks.Function(space, sleep), ["random", "local"], 3, 5, jobs=2)
"""
AS_THE_PROGRAM = "signal.signal(signal.SIGTERM, signal.default_int_handler)"


def living(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    lines = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat=,args="], capture_output=True, text=True).stdout
    return [
        line for line in lines.splitlines() if line.split()[0] == str(group) and not line.split()[2].startswith("Z")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "before"),
    [
        (signal.SIGTERM, "pass"),
        (signal.SIGHUP, "pass"),
        (signal.SIGKILL, "pass"),
        (signal.SIGTERM, AS_THE_PROGRAM),
    ],
    ids=["SIGTERM", "SIGHUP", "SIGKILL", "SIGTERM as in the program"],
)
def test_processes_end_with_their_parent(tmp_path, number, before):
    script = tmp_path / "script.py"
    script.write_text(WORK + SLEEPING.format(before=before))
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert [parent.stdout.readline() for _ in range(2)] == ["asleep\n"] * 2
        assert len(living(parent.pid)) >= 3
        os.kill(parent.pid, number)
        parent.wait(60)
        deadline = time.monotonic() + 60
        while living(parent.pid):
            assert time.monotonic() < deadline, living(parent.pid)
            time.sleep(0.05)
    finally:
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_its_processes(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        compare(table(), ["random", "local"], 20, 5, jobs=2, path=tmp_path / "out")


def test_processes_take_ctrl_c_when_they_are_ready_for_it():
    blocked = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    before, told = signal.getsignal(signal.SIGINT), []

    def interrupted_while_starting():
        with _interrupts_wait():
            signal.raise_signal(signal.SIGINT)
            told.append(subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True).stdout)

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_starting()
    assert told == ["True\n"]
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
