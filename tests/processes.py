"""The environment of child processes that tests start, and the instruction sets they may ask for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import crlso

SANITISED = "libasan" in os.environ.get("LD_PRELOAD", "")
"""Whether the extension is built with sanitisers, which take memory and reserve terabytes of addresses."""


def environment() -> dict[str, str]:
    """Environment in which a child process imports the package under test, wherever it lies."""
    return {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}


def instruction_sets() -> list[str]:
    """Names for ``CRLSO_ISA`` that this machine accepts, lowest first."""
    env = {name: value for name, value in environment().items() if name != "CRLSO_ISA"}
    code = "from crlso import _core; print(_core.runtime_info()['isa'])"
    best = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    known = ["baseline", "avx2", "avx512"]
    return known[: known.index(best.strip()) + 1]


def living(group: int) -> int:
    """Return how many processes of a process group are alive."""
    lines = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True).stdout.splitlines()
    return sum(line.split()[0] == str(group) and not line.split()[1].startswith("Z") for line in lines)


def wait_for_end(group: int) -> None:
    """Wait until all processes of a group have ended; AssertionError after a minute."""
    deadline = time.monotonic() + 60.0
    while living(group):
        assert time.monotonic() < deadline, f"{living(group)} processes of group {group} live on"
        time.sleep(0.05)
