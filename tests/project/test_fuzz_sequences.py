"""Random sequences of operations: a few hundred are right, every operation is drawn, and planted faults are found."""

from __future__ import annotations

import pytest

from crlso import _core
from tests.fuzz import planted
from tests.fuzz.cases import Chance, judge
from tests.fuzz.sequences import Call, draw, harness

pytestmark = pytest.mark.thread_unsafe(reason="a harness replaces standard output and signals")


def faults(number_of_cases: int, module: str | None = None, seed: int = 0) -> list[str]:
    sequences = harness(module)
    found = []
    for number in range(number_of_cases):
        for text, run in sequences.steps(Chance(seed, number)):
            outcome = judge(run, sequences.allowed)
            if outcome.word != "returned":
                found.append(f"{outcome.fault or outcome.word} in case {number}: {text}")
    return found


def test_some_sequences_are_right():
    assert faults(60) == []


@pytest.mark.slow
def test_many_sequences_are_right():
    assert faults(1000, seed=1) == []


def test_a_planted_fault_is_found():
    found = faults(40, planted.__name__)
    assert [text for text in found if text.startswith("the value of mean, number ")]
    assert [text for text in found if text.startswith("a derivative is ") and "tanh(" in text]


def test_every_operation_is_drawn():
    drawn = {node.op for number in range(400) for node in draw(Chance(0, number)) if isinstance(node, Call)}
    assert drawn == {*_core.OPERATIONS, "index"}
