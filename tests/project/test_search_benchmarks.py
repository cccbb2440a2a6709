"""The benchmarks of failed evaluations and of what repeats, at tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_numbers_of_priors_by_hand():
    from benchmarks import priors

    def records(source, *queries):
        names = {"target": "cifar10", "source": source, "kind": "" if source == "none" else "search"}
        return [{**names, "seed": seed, "queries": each} for seed, each in enumerate(queries)]

    found = priors.summaries(records("none", 20, 40, 60) + records("cifar100", 16, 30, None))
    without, given = found
    assert "difference" not in without and (without["median"], without["mean"]) == (40, 40)
    assert [given[f"@{n}"] for n in (16, 24, 32, 64)] == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert (given["median"], given["mean"]) == (30, pytest.approx(146 / 3))
    assert given["difference"] == pytest.approx((-4 - 10 + 40) / 3) and given["without"] == 40
    assert given["error"] == pytest.approx(np.sqrt((38**2 + 56**2 + 94**2) / 9 / 2 / 3))  # of deviations in thirds
    assert "+22%" in priors.text_of(found)


@pytest.mark.slow
def test_priors(tmp_path):
    path = os.pathsep.join([str(Path(crlso.__file__).parents[1]), str(ROOT)])
    out = tmp_path / "priors.jsonl"
    options = ["--seeds", "1", "--targets", "cifar10", "--sources", "cifar100", "--kinds", "random 100", "--jobs", "1"]
    command = [sys.executable, "-m", "benchmarks.priors", *options, "--json", "--out", str(out)]
    found = []
    for _ in range(2):  # the second run finds both searches in the file
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))
        assert len(out.read_text(encoding="utf-8").splitlines()) == 2
    assert found[0] == found[1]
    assert [(row["source"], row["seeds"]) for row in found[0]] == [("none", 1), ("cifar100", 1)]


@pytest.mark.slow
def test_workers():
    path = os.pathsep.join([str(Path(crlso.__file__).parents[1]), str(ROOT)])
    options = "--method random --workers 3 --budget 12 --seeds 2 --mean 0.02 --jobs 1 --json"
    command = [sys.executable, "-m", "benchmarks.workers", *options.split()]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    wall = found["wall"][0]
    assert wall["queries"] == 12 and wall["ratio"] == wall["seconds"] / wall["ideal"] > 0.9
    assert {n: len(each["queries"]) for n, each in found["at_optimum"].items()} == {"1": 2, "3": 2}


def test_queries_in_flight_of_the_benchmark_of_workers():
    from benchmarks import workers

    sequential = workers.query_of_optimum(("random", 4930, 1, 0))
    in_flight = workers.query_of_optimum(("random", 4930, 8, 0))
    study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 4930)
    assert sequential == study.trajectory[-1]["query"]
    assert sequential - 8 < in_flight < sequential + 8 and in_flight != sequential
    assert workers.query_of_optimum(("random", sequential - 1, 1, 0)) is None
    assert np.mean(workers.durations(0, 10_000)) == pytest.approx(1, abs=0.02)
