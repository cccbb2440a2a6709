"""OpenBLAS with kernels that are too old for the processor: said once, and in `crlso info`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crlso
from crlso import _core
from crlso._base.blas import slow_core

MODELS = """
import os
from crlso import _core
assert _core.runtime_info()["blas_kernel"] in ("Prescott", "Katmai"), _core.runtime_info()
if {forget}:
    del os.environ["OPENBLAS_CORETYPE"]  # read by now: the library is as if it had chosen this core by itself
from crlso.models import ICNNSurrogate
for seed in range(2):
    ICNNSurrogate(width=4, rng=seed).initialise(3)
"""


def child(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS_", "CRLSO_ISA"))}
    environment |= {"PYTHONPATH": str(Path(crlso.__file__).parents[1]), **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize("kernel", ["Prescott", "katmai", "Core2", "Penryn", "Dunnington", "Nehalem", "Barcelona"])
def test_old_cores_are_slow_where_there_is_avx2(kernel):
    assert slow_core(kernel, "avx2") and slow_core(kernel, "avx512")
    assert not slow_core(kernel, "baseline")


@pytest.mark.parametrize("kernel", ["Haswell", "Zen", "SkylakeX", "Cooperlake", "a core to come", "neoversen1"])
def test_other_cores_are_not(kernel):
    assert not slow_core(kernel, "avx512")


@pytest.fixture
def avx2():
    if _core.runtime_info()["isa"] == "baseline":
        pytest.skip("needs a processor with AVX2")


@pytest.mark.usefixtures("avx2")
def test_warned_once_and_only_when_a_model_is_made():
    done = child("-c", MODELS.format(forget=True), OPENBLAS_CORETYPE="Prescott")
    assert done.stdout == ""
    assert done.stderr.count("without AVX2") == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("avx2")
def test_silent_when_the_environment_asked_for_it():
    assert child("-c", MODELS.format(forget=False), OPENBLAS_CORETYPE="Prescott").stderr == ""


def test_silent_with_what_openblas_chooses_itself():
    code = "from crlso.models import ICNNSurrogate; ICNNSurrogate(width=4).initialise(3)"
    assert child("-c", code).stderr == ""


@pytest.mark.usefixtures("avx2")
@pytest.mark.parametrize(("core", "marked"), [("Prescott", True), ("Haswell", False)])
def test_info_says_so(core, marked):
    lines = child("-m", "crlso", "info", OPENBLAS_CORETYPE=core).stdout.splitlines()
    (row,) = [line for line in lines if line.startswith("blas kernel")]
    assert ("slow: without AVX2" in row) == marked
