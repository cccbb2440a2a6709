"""The benchmark modules that need no other framework: each runs on tiny sizes and prints one JSON document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crlso

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CASES = {
    "train_epoch": "--against= --cells 300 --width 16 --rounds 1",
    "threads": "--threads 1 2 --cells 300 --width 16 --rounds 1",
    "surrogate_step": "--against= --latents 3 --rounds 1",
    "decode": "--against= --latents 3 --rounds 1",
    "encode": "--against= --cells 3 --rounds 1",
    "op_overhead": "--against= --repeat 2 --rounds 1",
    "memory": "--cells 1100 --width 16 --epochs 2",
    "scaling": "--cells 64 128 --widths 8 16 --of 64",
    "startup": "--rounds 1",
    "large_spaces": "--rounds 1 --queries 1 --cells 2",
    "predictors": "--labels 30 --seeds 0 --cells 300",
    "hardware": "--quick --kinds front bound learned-front learned-bound --methods gp nsga2 optuna-tpe",
    "peers": "--quick --methods cr-lso tpe",
}


def run(module: str, *arguments: str, without: str = "none") -> subprocess.CompletedProcess[str]:
    # The benchmarks are of the source tree, the package under test may be an installed one: that comes first.
    path = os.pathsep.join([str(Path(crlso.__file__).parents[1]), str(ROOT)])
    hide = f"import sys; sys.modules[{without!r}] = None"  # as if it were not installed
    start = f"import runpy; runpy.run_module('benchmarks.{module}', run_name='__main__')"
    command = [sys.executable, "-c", f"{hide}; {start}"]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def document(module: str, *arguments: str) -> dict:
    done = run(module, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", CASES)
def test_document(module):
    found = document(module, *CASES[module].split())
    assert {"versions", "cpu", "blas"} <= set(found)
    assert found["versions"]["crlso"] == crlso.__version__


def test_every_module_is_tested():
    # These have tests of their own.
    own = {"convexity", "designs", "failures", "priors", "repeats", "suite", "suite_statistics", "workers"}
    helpers = {"__init__", "general_optimisers", "model", "runs", "timing", "twins", *own}
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("with_")}
    assert modules - helpers - {"paper_protocol"} == set(CASES)  # which the commands of docs/results/protocol.md run


def test_document_of_an_epoch():
    found = document("train_epoch", *CASES["train_epoch"].split())
    assert set(found["seconds"]) == {"crlso"} and found["ratios"] == {} and found["skipped"] == []
    assert 0 < found["seconds"]["crlso"] < 60
    assert found["gemm_fraction"] > 0
    assert found["fma_peak_fraction"] is None or 0 < found["fma_peak_fraction"] < 1


def test_document_of_predictors():
    found = document("predictors", *CASES["predictors"].split(), "--predictors", "LatentGP", "gp")
    records = {(record["predictor"], record["ranked by"]): record for record in found["records"]}
    assert set(records) == {(name, by) for name in ("LatentGP", "gp") for by in ("validation", "test")}
    assert all(0.4 < record["tau"] < record["spearman"] < 1 for record in records.values())
    assert all(0 <= record["regret"] < 5 for record in records.values())


def test_measures_of_predictors():
    import numpy as np

    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.predictors import mean_ranks, measures
    finally:
        sys.path.remove(str(ROOT))
    assert mean_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    found = measures(np.array([4.0, 2.0, 3.0, 1.0]), np.array([0.7, 0.5, 0.9, 0.1]))
    # Of six pairs, one is in the wrong order; the best predicted cell has 0.7 of 0.9.
    assert found == pytest.approx({"tau": 4 / 6, "spearman": 0.8, "regret": 0.2})


def test_trees_are_skipped_without_scikit_learn():
    arguments = [*CASES["predictors"].split(), "--predictors", "trees", "gp", "--json"]
    done = run("predictors", *arguments, without="sklearn")
    assert json.loads(done.stdout)["skipped"] == ["trees"]
    assert "pip install scikit-learn" in done.stderr


def test_table_of_an_epoch():
    done = run("train_epoch", *CASES["train_epoch"].split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("crlso") and "s/epoch" in done.stdout


def test_a_training_allocates_in_its_first_step_and_for_its_smaller_last_batch():
    asked = document("memory", *CASES["memory"].split())["system_allocations"]
    assert 0 < asked["first_step"] == asked["full_batches"]
    assert asked["first_epoch"] == asked["training"]


def test_threads_agree():
    assert document("threads", *CASES["threads"].split())["bit_identical"] is True


def test_unknown_program():
    done = run("train_epoch", "--against", "numpy")
    assert done.returncode == 2 and "--against: expected names out of pytorch" in done.stderr


def test_what_is_not_installed_is_skipped_and_named():
    done = run("decode", "--against", "jax", "--latents", "3", "--rounds", "1", "--json", without="jax")
    assert done.returncode == 0
    assert json.loads(done.stdout)["skipped"] == ["jax"]
    assert "jax: skipped, jax is not installed" in done.stderr


def test_held_to_an_instruction_set():
    if crlso._core.runtime_info()["isa"] == "baseline":
        pytest.skip("needs a processor with AVX2")
    found = document("decode", "--against=", "--latents", "3", "--rounds", "1", "--isa", "avx2")
    assert found["cpu"].endswith(", avx2") and found["blas"].endswith("Haswell")


def test_fitted_exponent():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.timing import fitted_exponent
    finally:
        sys.path.remove(str(ROOT))
    assert fitted_exponent([1, 10, 100], [3, 300, 30000]) == pytest.approx(2)
