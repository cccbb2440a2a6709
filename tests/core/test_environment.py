"""Variables of the environment that the extension reads when it is loaded: a wrong value is an error, never ignored."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ..processes import environment, instruction_sets

INFO = "from crlso import _core; info = _core.runtime_info(); print(info['isa'], info['threads'])"


def load(**variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in environment().items() if not name.startswith("CRLSO_")}
    return subprocess.run(
        [sys.executable, "-c", INFO], env=env | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_an_instruction_set_is_read_in_any_case():
    for isa in instruction_sets():
        for text in (isa, isa.upper(), isa.capitalize()):
            assert load(CRLSO_ISA=text).stdout.split()[0] == isa
    assert load(CRLSO_ISA="").stdout.split()[0] == instruction_sets()[-1]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CRLSO_ISA", "xyz", "CRLSO_ISA: expected baseline, avx2 or avx512, got 'xyz'"),
        ("CRLSO_ISA", "avx2 ", "CRLSO_ISA: expected baseline, avx2 or avx512, got 'avx2 '"),
        ("CRLSO_NUM_THREADS", "two", "CRLSO_NUM_THREADS: expected a number from 1 to 256, got 'two'"),
        ("CRLSO_NUM_THREADS", "0", "CRLSO_NUM_THREADS: expected a number from 1 to 256, got '0'"),
        ("CRLSO_NUM_THREADS", "99999999999999999999", "CRLSO_NUM_THREADS: expected a number from 1 to 256"),
    ],
)
def test_a_wrong_value_is_an_error_of_the_import(name, value, message):
    done = load(**{name: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ValueError: {message}")
