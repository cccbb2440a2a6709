"""The harness that refuses allocations finds each planted fault; a training step has none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.memory import __main__ as memory
from tests.processes import SANITISED

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="replaces the allocator of glibc"),
    pytest.mark.skipif(SANITISED, reason="sanitisers have an allocator of their own"),
]
PLANTED = "tests.memory.planted"
FOUND = {
    "swallows": "another result, and no error",
    "renames": "ValueError: rows: expected memory",
    "crashes": "the process died: SIGSEGV",
    "leaks": "leak: blocks left by each of the runs: [",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return memory.build(tmp_path_factory.mktemp("memory"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("whose", ["all", "core"])
def test_a_planted_fault_is_found(library, name, whose):
    found = memory.run(library, memory.Plan(name, whose, module=PLANTED))
    assert found.refused == found.total > 3
    assert {fault.text[: len(FOUND[name])] for fault in found.faults} == {FOUND[name]}
    assert any("crlso/_core" in line for line in found.faults[0].stack) or name == "swallows"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["training_step", "other_calls"])
def test_each_refused_allocation_is_a_memory_error(library, name):
    found = memory.run(library, memory.Plan(name))
    assert found.refused == found.total > 200
    assert found.faults == []


def test_a_program_that_can_do_without_memory_has_no_fault(library):
    found = memory.run(library, memory.Plan("right", "core", module=PLANTED))
    assert found.refused == found.total > 3
    assert found.faults == found.foreign == []


def test_whose_fault_it_is():
    core, numpy, evaluation = (
        "x/crlso/_core.so ?",
        "x/numpy/_core/_multiarray_umath.so ?",
        "python _PyEval_EvalFrameDefault",
    )
    for text, stack, is_foreign in [
        ("SystemError: x", (numpy, evaluation, core), True),
        ("SystemError: x", (numpy, core, evaluation), False),
        ("leak: x", (evaluation, core), True),
        ("leak: x", (core, evaluation), False),
        ("the process died: SIGSEGV", (numpy, evaluation), True),
        ("the process died: SIGSEGV", (numpy, evaluation, core), False),
        ("another result, and no error", (numpy, evaluation), False),
        ("SystemError: x", (), False),
    ]:
        assert memory.Fault(1, text, stack).is_foreign is is_foreign
