"""The journal on the command line: a killed search goes on, full disks, and the commands that check and repair."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time

import pytest

from crlso import cli
from crlso._base.locks import locked
from crlso.studies import Study
from tests.cli.shell import parse, run
from tests.processes import environment

RANDOM = ["search", "--method", "random", "--budget", "8", "--seed", "3", "--json", "--journal"]


def without_seconds(text):
    document = parse(text)
    del document["seconds"]
    return document


def test_a_search_goes_on(tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    assert cli.main([*RANDOM, str(path)]) == 0
    expected = without_seconds(capsys.readouterr().out)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:8]) + lines[8][:20])
    assert cli.main([*RANDOM, str(path)]) == 0
    out, err = capsys.readouterr()
    assert without_seconds(out) == expected and "cut an incomplete last line" in err
    assert cli.main([*RANDOM[:3], "--budget", "10", "--seed", "3", "--json", "--journal", str(path)]) == 0
    assert without_seconds(capsys.readouterr().out)["n_queries"] == 10
    assert cli.main([*RANDOM[:3], "--seed", "3", "--json", "--journal", str(path)]) == 0  # the budget of the journal
    assert without_seconds(capsys.readouterr().out)["n_queries"] == 10


@pytest.mark.slow
def test_a_search_that_is_killed_six_times_is_the_one_that_is_not(tmp_path):
    command = ["search", "--dataset", "cifar10", "--budget", "120", "--seed", "3", "--json"]
    expected = without_seconds(run(*command).stdout)
    path, moments, kills = tmp_path / "part.jsonl", random.Random(0), 0
    while kills < 6:
        process = subprocess.Popen(
            [sys.executable, "-m", "crlso", *command, "--journal", str(path)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        size = path.stat().st_size if path.exists() else 0
        while process.poll() is None and (not path.exists() or path.stat().st_size == size):
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.15))
        assert process.poll() is None, "the search was over before it was killed"
        process.kill()
        process.wait()
        kills += 1
        assert Study.open(path).state == "interrupted"
    n = Study.open(path).n_queries
    done = run(*command, "--journal", str(path))
    assert 5 < n < 120 and done.returncode == 0
    assert without_seconds(done.stdout) == expected
    asked = [json.loads(line)["key"] for line in path.read_bytes().splitlines() if b'"event": "asked"' in line]
    assert len(asked) == len(set(asked)) == 120


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (["--method", "local"], 2, "is of another search: method: expected 'random', got 'local'"),
        (["--seed", "4"], 2, "is of another search: seed: expected 3, got 4"),
        (["--dataset", "cifar100"], 2, "is of another search: dataset: expected 'cifar10', got 'cifar100'"),
        (["--budget", "7"], 2, "budget: expected at least 8, that of the journal, got 7"),
    ],
)
def test_another_search_is_refused(tmp_path, capsys, change, code, message):
    path = tmp_path / "run.jsonl"
    assert cli.main([*RANDOM, str(path)]) == 0
    before = path.read_bytes()
    capsys.readouterr()
    assert cli.main([*RANDOM, str(path), *change]) == code
    out, err = capsys.readouterr()
    assert out == "" and message in err and path.read_bytes() == before


def test_files_that_cannot_be_written(tmp_path, capsys):
    assert cli.main([*RANDOM, str(tmp_path)]) == 2
    assert cli.main([*RANDOM, "/nowhere/run.jsonl"]) == 2
    assert "journal: expected a file in an existing folder" in capsys.readouterr().err
    with locked(tmp_path / "run.jsonl"):
        assert cli.main([*RANDOM, str(tmp_path / "run.jsonl")]) == 1
    assert f"process {os.getpid()} on " in capsys.readouterr().err
    for path in ("/dev/full", "/dev/zero"):
        assert cli.main([*RANDOM, path]) == 2
        assert f"{path}: expected a regular file, got a device" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="needs a folder that nobody can write to, /sys of Linux")
def test_a_folder_that_cannot_be_written_is_refused_before_any_evaluation(capsys):
    assert cli.main([*RANDOM, "/sys/kernel/run.jsonl"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Permission denied: '/sys/kernel/.run.jsonl.lock'" in err


@pytest.mark.slow
def test_a_full_disk_is_a_failure_from_which_the_search_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    command = ["search", "--method", "random", "--budget", "60", "--json"]
    expected = without_seconds(run(*command).stdout)
    for limit in (200, 3_000, 9_001, 20_000):

        def limited(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = run(*command, "--journal", str(path), "--out", str(tmp_path / "out.json"), preexec_fn=limited)
        assert (done.returncode, done.stdout) == (1, "")
        assert "File too large" in done.stderr and "--help" not in done.stderr
        assert not path.exists() or path.read_bytes().endswith(b"\n")
    done = run(*command, "--journal", str(path))
    assert without_seconds(done.stdout) == expected


def test_check_and_repair(tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    assert cli.main([*RANDOM, str(path)]) == 0
    capsys.readouterr()
    assert cli.main(["journal", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: random on nasbench201 / cifar10, seed 3: 8 of 8 queries\n"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b"told", b"tolt"), *lines[3:-1], lines[-1][:-5]]))
    assert cli.main(["journal", "check", str(path)]) == 1
    out, err = capsys.readouterr()
    start = len(lines[0]) + len(lines[1])
    assert f"line 3, from byte {start}: the checksum is wrong" in out
    assert f"line 18: incomplete, {len(lines[-1]) - 5} bytes, which the next run cuts" in out
    assert f"damaged; crlso journal repair {path} keeps what can be read" in err
    assert cli.main(["journal", "repair", str(path)]) == 0
    out = capsys.readouterr().out
    assert "removed line 3, from byte" in out and f"the damaged file is {path}.damaged" in out
    assert cli.main(["journal", "check", str(path)]) == 0
    assert "7 of 8 queries" in capsys.readouterr().out
    assert cli.main(["journal", "repair", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: nothing to repair\n"
    assert cli.main([*RANDOM, str(path)]) == 0
    for arguments in (["check", str(tmp_path / "none")], ["repair", str(tmp_path / "none")], ["repair", "/dev/null"]):
        assert cli.main(["journal", *arguments]) == 1
    assert cli.main(["journal"]) == 2
