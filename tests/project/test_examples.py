"""The scripts in examples/ do what they say; those that need other packages run where these are installed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crlso
from tests.processes import environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    """Run an example; what it prints."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=600).stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_says_how_to_run_it(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text is not None and "pip install" in text and f" examples/{path.name}" in text


def test_the_front_of_a_device_takes_ten_lines():
    tree = ast.parse((EXAMPLES / "device_front.py").read_text(encoding="utf-8"))
    begin = tree.body[0].end_lineno
    code = (EXAMPLES / "device_front.py").read_text(encoding="utf-8").splitlines()[begin:]
    assert sum(bool(line.strip()) for line in code) <= 10


@pytest.mark.slow
def test_the_front_of_a_device():
    rows = re.findall(r"^ *([\d.]+) % +([\d.]+) % test +([\d.]+) ms  (\S+)$", run("device_front.py"), re.MULTILINE)
    assert len(rows) > 5
    bench = crlso.benchmarks.NASBench201("cifar10")
    cells = [cell for *_, cell in rows]
    values, tests, latencies = np.array([row[:3] for row in rows], dtype=float).T
    np.testing.assert_allclose(values, bench.validation(cells), atol=0.006)
    np.testing.assert_allclose(tests, bench.test(cells), atol=0.006)
    np.testing.assert_allclose(latencies, bench.measure("latency:pixel3", cells), atol=0.006)
    assert (np.diff(values) < 0).all() and (np.diff(latencies) < 0).all()  # a front, the most accurate first
    assert (bench.measure("parameters", cells) <= 1.0).all()


@pytest.mark.slow
def test_latencies_of_pytorch():
    pytest.importorskip("torch")
    shown = run("latency_torch.py", "--budget", "12", "--repeats", "3")
    assert re.search(r"20 networks measured twice differ by \d+ % \(median\)", shown)
    rows = re.findall(r"^ *([\d.]+) % +([\d.]+) ms +([\d.]+) ms  (\S+)$", shown, re.MULTILINE)
    assert rows
    values, predicted, measured = np.array([row[:3] for row in rows], dtype=float).T
    known = crlso.benchmarks.NASBench201("cifar10").validation([cell for *_, cell in rows])
    np.testing.assert_allclose(values, known, atol=0.006)
    assert (np.diff(values) < 0).all() and (np.diff(predicted) <= 0).all() and (measured > 0).all()
