"""Every method asks for the recorded cells: a change that moves a choice by accident is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crlso
from crlso import _core

from . import recorded_searches as recorded

ROOT = Path(__file__).resolve().parents[1]


def test_the_file_holds_every_search():
    known = recorded.recorded()
    assert list(known) == [recorded.label(task) for task in recorded.searches()]
    assert all(len(keys) == len(set(keys)) == recorded.BUDGET for keys in known.values())


@pytest.mark.slow
@pytest.mark.skipif(_core.runtime_info()["isa"] == "baseline", reason="recorded with the kernels for AVX2")
def test_all_searches_ask_for_the_recorded_cells():
    path = os.pathsep.join([str(Path(crlso.__file__).parents[1]), str(ROOT)])
    command = [sys.executable, "-P", "-m", "tests.recorded_searches"] if sys.version_info >= (3, 11) else None
    command = command or [sys.executable, "-m", "tests.recorded_searches"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
