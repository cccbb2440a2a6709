"""The harnesses of random calls and of damaged files find each planted fault, and repeat a case."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import crlso
from crlso import _core
from tests.fuzz import planted
from tests.fuzz.calls import MODULES, all_finite, has_nan, make_steps, targets
from tests.fuzz.cases import Chance, Fault, judge
from tests.fuzz.mutations import KINDS
from tests.fuzz.parent import ROOT, run
from tests.processes import environment

pytestmark = pytest.mark.thread_unsafe(reason="a harness replaces standard output and signals")
MODULE = planted.__name__
FOUND = {
    "crashes": "SIGSEGV",
    "sleeps": "standstill",
    "forgets": "KeyError",
    "undefined": "the result has NaN",
    "changes": "an array that was an argument has changed",
    "prints": "printed",
    "leaves": "changed: the environment",
}


def cases_of(name: str) -> list[int]:
    """The first cases that call a planted function, whatever the choices that the harness makes before and after."""
    steps = make_steps(targets([MODULE]))
    beginning = f"{MODULE}.{name}("
    return [number for number in range(100) if next(steps(Chance(0, number)))[0].startswith(beginning)][:5]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_a_planted_fault_is_found_and_nothing_else(name):
    for case in cases_of(name):  # not each of them gives arguments that show the fault
        found = run("calls", 300.0, 0, first=case, last=case + 1, planted=MODULE, standstill=15.0)
        if found.faults:
            break
    ((kind, (number, steps)),) = found.faults.items()
    assert kind.startswith(FOUND[name])
    assert number == case
    assert f"{MODULE}.{name}(" in steps[-2]


@pytest.mark.slow
def test_a_function_without_a_fault_has_none():
    cases = cases_of("right")
    found = [run("calls", 300.0, 0, first=case, last=case + 1, planted=MODULE) for case in cases]
    assert len(found) == 5
    assert not any(one.faults for one in found)
    assert all(one.words["returned"] + one.words["TypeError"] == 1 for one in found)


@pytest.mark.slow
def test_the_command_says_how_to_repeat_a_fault():
    found = run("mutations", 600.0, 5, last=40, planted=MODULE)
    (case, _), *others = found.faults.values()
    assert not others
    command = [sys.executable, "-m", "tests.fuzz", "mutations", "600", "--seed", "5", "--module", MODULE]
    done = subprocess.run(
        [*command, "--case", str(case)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "-> IndexError in planted.py" in done.stdout
    assert f"again: python -m tests.fuzz mutations --seed 5 --case {case} --module {MODULE}\n" in done.stdout
    assert "1 cases, 1 kinds of fault" in done.stdout


def test_a_case_depends_on_its_seed_and_number_alone():
    steps = make_steps(targets(["crlso.random", "crlso.optim"]))
    texts = [[text for text, _ in steps(Chance(seed, number))] for seed, number in [(0, 3), (0, 3), (0, 4), (1, 3)]]
    assert texts[0] == texts[1]
    assert texts[0] not in texts[2:]


def test_everything_public_is_called():
    names = {name for name, _ in targets(MODULES)}
    assert {"crlso.search", "crlso.Tensor", "crlso._core.cholesky", "crlso.spaces.CellSpace"} < names
    assert {f"crlso._core.{name}" for name in _core.OPERATIONS} < names
    public = {f"crlso.{name}" for name in crlso.__all__ if callable(getattr(crlso, name))}
    assert public - names == {"crlso.EvaluationError"}


@pytest.mark.parametrize("error", [KeyError, AttributeError, SystemError, RecursionError, AssertionError])
def test_an_error_of_another_kind_is_a_fault(error):
    def step():
        raise error("text")

    assert judge(step, (ValueError, RuntimeError)).word == "fault"
    assert judge(step, (error,)).word == ("fault" if error is RecursionError else error.__name__)


def test_what_a_step_finds_is_a_fault():
    def step():
        raise Fault("found")

    assert judge(step, (Exception,)).fault == "found"
    assert judge(lambda: 3, ()).fault is None


def test_numbers_are_looked_at_wherever_they_are():
    assert all_finite([1, {"a": (2.0, np.ones(3))}, "nan", None, crlso.Tensor([3.0])])
    for value in (np.nan, [np.inf], {"a": np.array([np.nan])}, crlso.Tensor([np.nan]), 1e300):
        assert not all_finite(value)
    assert has_nan((1, np.array([1.0, np.nan])))
    assert has_nan(crlso.Tensor([np.nan]))
    assert not has_nan((1.0, np.inf, "nan", None))


@pytest.mark.parametrize("name", KINDS)
def test_sound_files_are_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for sample in KINDS[name].samples():
        (tmp_path / "file").write_bytes(sample)
        KINDS[name].check(tmp_path / "file")
