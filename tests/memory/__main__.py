"""Refuses each allocation of small programs in turn: ``python -m tests.memory [PROGRAM ...] [--every N]``.

The n-th allocation of a program fails, for every n. The program must then raise MemoryError, or give the result that it
always gives (some caches can do without); it may not crash, raise anything else, or leave memory behind. ``all`` counts
every allocation of the process, also those of Python and NumPy; ``core`` those that the extension itself asks of the
system. Needs Linux with glibc and a C compiler.

Python and NumPy do not always survive a refusal themselves. A crash, SystemError or leak counts as theirs, not as a
fault, when neither the extension nor a function that it called asked for the memory; another result is always a fault.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.processes import environment

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("refuse.c")
DIED = "the process died"
WHOSE = {"all": "", "core": "crlso/_core"}


class Fault(NamedTuple):
    """What went wrong."""

    number: int  # of the allocation that was refused
    text: str
    stack: tuple[str, ...]  # who asked for it: a line of library and function for each call, innermost first

    @property
    def is_foreign(self) -> bool:
        """Whether it is a fault of Python or NumPy."""
        if self.text.startswith(("another result", "a run afterwards")):
            return False
        called = itertools.takewhile(lambda line: not line.endswith(" _PyEval_EvalFrameDefault"), self.stack)
        asking = self.stack if self.text.startswith(DIED) else called
        return bool(self.stack) and not any("crlso/_core" in line for line in asking)


class Found(NamedTuple):
    """How the refusals of one program ended."""

    total: int  # allocations of one run
    refused: int
    faults: list[Fault]
    foreign: list[Fault]  # those of Python and NumPy


class Plan(NamedTuple):
    """A program, whose allocations are refused, and of how many one."""

    program: str
    whose: str = "all"
    every: int = 1
    module: str = "tests.memory.programs"


PLANS = (
    Plan("training_step"),
    Plan("other_calls"),
    Plan("random_search"),
    Plan("default_search", whose="core"),
    Plan("default_search", every=199),
)


def build(folder: Path) -> Path:
    """Compile the allocator."""
    library = folder / "refuse.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*compiler, *flags, str(SOURCE), "-o", str(library)], check=True)
    return library


def run(library: Path, plan: Plan, first: int = 1) -> Found:
    """Refuse the allocations of a program, from the first of these numbers on."""
    faults: list[Fault] = []
    total = refused = 0
    with tempfile.TemporaryFile() as log:
        while True:
            child = _start(library, plan, first, log.fileno())
            number = 0
            for entry in map(json.loads, child.stdout):
                total, number = entry.get("total", total), entry.get("number", 0)
                refused += "fault" in entry
                if entry.get("fault"):
                    faults.append(Fault(number, entry["fault"], tuple(entry["stack"])))
            if child.wait() == 0:
                break
            if number == 0:
                raise RuntimeError(f"{plan.program} does not run")
            code = child.returncode
            what = f"{DIED}: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"
            stack = os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace").splitlines()
            faults.append(Fault(number, what, tuple(stack)))
            refused, first = refused + 1, number + plan.every
    ours = [fault for fault in faults if not fault.is_foreign]
    return Found(total, refused, ours, [fault for fault in faults if fault.is_foreign])


def _start(library: Path, plan: Plan, first: int, log: int) -> subprocess.Popen[str]:
    env = {
        **environment(),
        "LD_PRELOAD": str(library),
        "PYTHONMALLOC": "malloc",
        "CRLSO_NUM_THREADS": "1",  # threads would make the numbers of allocations change
        "CRLSO_CACHE": "",
        "PYTHONHASHSEED": "0",
    }
    code = f"import sys; sys.path.append({str(ROOT)!r}); from tests.memory.child import main; main()"
    arguments = [str(library), f"{plan.module}.{plan.program}", WHOSE[plan.whose], *map(str, (first, plan.every, log))]
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, pass_fds=[log]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.memory", description="Refuses allocations in turn.")
    names = sorted({plan.program for plan in PLANS})
    parser.add_argument("programs", nargs="*", help=f"of {', '.join(names)}; by default all")
    parser.add_argument("--every", type=int, help="refuse one allocation of so many, in each program")
    given = parser.parse_args()
    if unknown := [name for name in given.programs if name not in names]:
        parser.error(f"programs: expected some of {', '.join(names)}, got {unknown[0]}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="crlso-memory-") as folder:
        library = build(Path(folder))
        for plan in PLANS:
            if given.programs and plan.program not in given.programs:
                continue
            start = time.monotonic()
            found = run(library, plan if given.every is None else plan._replace(every=given.every))
            for fault in found.faults:
                print(
                    f"{plan.program}, allocation {fault.number} of {plan.whose}: {fault.text}",
                    *fault.stack,
                    sep="\n    ",
                )
            print(
                f"{plan.program}: {found.refused} of {found.total} allocations ({plan.whose}) refused in "
                f"{time.monotonic() - start:.0f} s, {len(found.faults)} faults; of Python and NumPy "
                f"{len(found.foreign)}",
                flush=True,
            )
            bad += len(found.faults) + (found.refused == 0)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
