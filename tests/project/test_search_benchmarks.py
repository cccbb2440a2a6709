"""The benchmarks of failed evaluations and of what repeats, at tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crlso

ROOT = Path(__file__).resolve().parents[2]


def run(tmp_path, module, *arguments):
    path = os.pathsep.join([str(Path(crlso.__file__).parents[1]), str(ROOT)])
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments, "--out", str(tmp_path / "out.json")]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads((tmp_path / "out.json").read_text())


@pytest.mark.slow
def test_failures(tmp_path):
    options = ["--seeds", "2", "--budget", "20", "--methods", "random", "gp", "--cases", "random", "operation"]
    text, records = run(tmp_path, "failures", *options)
    assert len(text.splitlines()) == 5 and len(records) == 8
    assert {record["case"] for record in records} == {"random 10 %", "operation"}
    for record in records:
        assert record["queries"] == 20 and 0 <= record["failures"] < 20 and record["regret"] >= 0


@pytest.mark.slow
def test_repeats(tmp_path):
    text, records = run(tmp_path, "repeats", "--seeds", "1", "--methods", "random")
    assert len(records) == 1 and records[0]["first difference"] is None
    assert "first difference none" in text
    for isa, environment in records[0]["environments"].items():
        assert environment["isa"] == isa


def test_the_first_difference_is_counted_from_one():
    from benchmarks.repeats import first_difference

    runs = {"avx2": {"cells": ["a", "b", "c"]}, "baseline": {"cells": ["a", "x", "c"]}}
    assert first_difference(runs) == 2
    assert first_difference({"avx2": runs["avx2"], "baseline": runs["avx2"]}) is None
