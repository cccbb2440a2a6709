"""The recipes for Ray Tune and Syne Tune, with the real ones where they are installed: all trials, failed ones too."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import crlso

ROOT = Path(__file__).resolve().parents[2]
BENCH = crlso.benchmarks.NASBench201("cifar10")

pytestmark = pytest.mark.slow


def run(tmp_path: Path, script: str, module: str, package: str, budget: int) -> str:
    """Run a recipe in a folder of its own, and return what it prints; skip the test where its package is missing."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed: pip install '{package}'")
    folders = {"HOME": str(tmp_path), "SYNETUNE_FOLDER": str(tmp_path), "TMPDIR": "/tmp"}
    sources = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, str(ROOT / "examples" / script), "--budget", str(budget), "--workers", "2"]
    env = {**os.environ, **folders, "PYTHONPATH": sources}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def check(output: str, budget: int) -> None:
    best, counts = output.strip().splitlines()[-2:]
    value, cell = best.split()
    assert float(value) == pytest.approx(BENCH.evaluate(cell), abs=1e-3)
    numbers = list(map(int, re.findall(r"\d+", counts)))
    assert numbers[0] == budget and 0 < numbers[1] < budget and numbers[-1] in (numbers[1], budget)


def test_ray_tune(tmp_path):
    check(run(tmp_path, "with_ray_tune.py", "ray", "ray[tune]", 16), 16)


def test_syne_tune(tmp_path):
    check(run(tmp_path, "with_syne_tune.py", "syne_tune", "syne-tune", 16), 16)
