"""`python -m tests.instructions` must notice a kernel that became slower, and say what it cannot do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDED = {"gcc 12": {"reference": 1000, "adam": 500, "scatter_add": 2000}}


@pytest.fixture
def guards(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import tests.instructions.__main__ as module

    return module


def test_recorded_counts_are_of_the_programs(guards):
    programs = {path.stem for path in (ROOT / "tests/instructions").glob("*.c")}
    recorded = json.loads(guards.RECORD.read_text())
    assert len(programs) >= 3 and recorded
    assert all(set(counts) == programs | {guards.REFERENCE} for counts in recorded.values())


@pytest.mark.parametrize(
    ("adam", "passed", "said"),
    [
        (500, True, "+0.0%"),
        (600, True, "+20.0%"),
        (601, False, "FAILED adam: 601 instructions, +20.2%; allowed are +20%"),
        (401, True, "-19.8%"),
        (399, True, "that is better: record it"),
    ],
)
def test_limits_with_a_recorded_compiler(guards, adam, passed, said):
    found, lines = guards.compare({**RECORDED["gcc 12"], "adam": adam}, RECORDED, "gcc 12")
    assert found is passed
    assert said in lines[0]
    assert lines[1] == "scatter_add: 2,000 instructions, +0.0%"


@pytest.mark.parametrize(("adam", "passed"), [(1000, True), (1399, True), (1401, False)])
def test_another_compiler_is_held_to_ratios(guards, adam, passed):
    """Its reference loop takes twice the instructions, so twice those of the kernels are the same."""
    counts = {"reference": 2000, "adam": adam, "scatter_add": 4000}
    found, lines = guards.compare(counts, RECORDED, "clang 14")
    assert found is passed and "no counts recorded with clang 14" in lines[0]


def test_a_kernel_without_a_record_fails(guards):
    found, lines = guards.compare({**RECORDED["gcc 12"], "new": 1}, RECORDED, "gcc 12")
    assert not found and "FAILED new: not recorded yet" in lines[-1]


@pytest.mark.parametrize(("ci", "code", "word"), [("true", 1, "FAILED"), ("", 0, "skipped")])
def test_without_valgrind(ci, code, word, tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path), "CI": ci}
    command = [sys.executable, "-m", "tests.instructions"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert done.stdout.startswith(f"{word}: instructions were not counted, valgrind is not installed")


@pytest.mark.slow
def test_a_slowed_kernel_is_caught(guards, tmp_path):
    """A copy of the source, in which the step of Adam divides twice; `.ci/run` counts the source itself."""
    if reason := guards.obstacle():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    kernels = tmp_path / "csrc/core/kernels.inc"
    text, line = kernels.read_text(), "v[i] = beta2 * v[i] + rest2 * gradient * gradient;"
    assert text.count(line) == 1
    slow = "for (volatile int again = 0; again < 1; again++)\n            v[i] = v[i] / (1 + epsilon);\n        "
    kernels.write_text(text.replace(f"REAL second = {line}", f"{slow}REAL second = {line}"))
    recorded, name = json.loads(guards.RECORD.read_text()), guards.compiler_name()
    passed, lines = guards.compare(guards.measure(tmp_path, only="adam"), recorded, name)
    assert not passed and lines[-1].startswith("FAILED adam")
