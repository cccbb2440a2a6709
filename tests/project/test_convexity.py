"""The benchmark of what convexity restricts: its fits and searches on tiny sizes, and its summary by hand."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from .test_benchmark_scripts import ROOT, run

_spec = importlib.util.spec_from_file_location("convexity_under_test", ROOT / "benchmarks" / "convexity.py")
convexity = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = convexity
_spec.loader.exec_module(convexity)


def row(seed, latent, variant, best, queries, value_of_moves=90.0, tau=0.5):
    numbers = {"proposals": 1.0, "moves": 5, "value_of_moves": value_of_moves, "best_move": 91.0, "top_moves": 0.5}
    position = {"convex_position": {"share": latent / 10}, "position_of_evaluated": 1.0}
    report = {"reconstruction": 0.9, "tau": tau, **position}
    which = {"dataset": "d", "latent": latent, "seed": seed, "variant": variant}
    return {**which, "best": best, "queries": queries, "report": report, **numbers}


def test_summary():
    rows = [
        *(row(0, 2, "full", 3.0, 10), row(1, 2, "full", 5.0, 20), row(0, 2, "no gradient", 2.0, 30, None, 0.1)),
        *(row(0, 4, "full", 4.0, 10), row(0, 4, "no gradient", 1.0, 40), row(0, 9, "full", 6.0, 5)),
    ]
    lines = convexity.summary(rows)
    assert [line["latents"] for line in lines[::3]] == [[2], [4], [9], [2, 4], [9]]
    assert [line["variant"] for line in lines[:3]] == list(convexity.VARIANTS)
    full, without, other = lines[:3]
    assert [line["runs"] for line in (full, without, other)] == [2, 1, 0]
    assert full["best"] == {"mean": 4.0, "sd": pytest.approx(2**0.5)} and full["best_full_minus_this"]["mean"] == 0.0
    assert without["best_full_minus_this"]["mean"] == 1.0 and without["queries_full_minus_this"]["mean"] == -20.0
    assert without["tau_full_minus_this"]["mean"] == pytest.approx(0.4)
    assert without["value_of_moves"] is without["value_of_moves_full_minus_this"] is other["best"] is None
    restricted = lines[10]
    assert (restricted["variant"], restricted["runs"]) == ("no gradient", 2)
    assert restricted["queries_full_minus_this"]["mean"] == -25.0 and restricted["best"]["mean"] == 1.5


@pytest.mark.slow
def test_fits():
    done = run("convexity", "fits", "--seeds", "1", "--latents", "2", "16")
    assert done.returncode == 0, done.stderr
    narrow, wide = json.loads(done.stdout)["runs"]
    assert narrow["report"]["convex_position"]["share"] < 0.1 and wide["report"]["convex_position"]["share"] == 1.0
    assert narrow["report"]["reconstruction"] < 0.1 and wide["report"]["reconstruction"] > 0.99
    assert narrow["convex_shuffled_r2"] < 0.2 and wide["convex_shuffled_r2"] > 0.9


@pytest.mark.slow
def test_searches_are_not_run_again(tmp_path):
    out = tmp_path / "runs.jsonl"
    command = ["convexity", "searches", "--seeds", "1", "--latents", "2", "--budget", "20", "--out", str(out)]
    done, again = run(*command), run(*command)
    assert done.returncode == again.returncode == 0, done.stderr
    assert done.stdout == again.stdout and done.stderr.count("'variant'") == 3 and "'variant'" not in again.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [job["variant"] for job in runs] == list(convexity.VARIANTS)
    assert runs[0]["report"] == runs[1]["report"] != runs[2]["report"]  # without the gradient the models are the same
    assert all(job["moves"] <= 8 and job["report"]["position_of_evaluated"] >= 0 for job in runs)
