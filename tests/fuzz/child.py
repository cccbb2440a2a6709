"""The process in which cases run, with the arguments HARNESS SEED FIRST LAST JOURNAL [PLANTED].

It writes a JSON line to the file descriptor JOURNAL before and after each step, so that the parent knows what was going
on when the process died or stood still.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import resource
import sys
from typing import Any

from tests.fuzz.cases import Chance, Harness, judge
from tests.processes import SANITISED

MEMORY = 4 << 30


def harness(name: str, planted: str | None) -> Harness:
    """The harness of that name; `planted` is a module to call instead of those of crlso."""
    module = importlib.import_module(f"tests.fuzz.{name}")
    made: Harness = module.harness(planted)
    return made


def main() -> None:
    name, *numbers = sys.argv[1:6]
    seed, first, last, journal = map(int, numbers)
    faulthandler.enable()
    if not SANITISED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cases = harness(name, sys.argv[6] if len(sys.argv) > 6 else None)

    def write(**entry: Any) -> None:
        os.write(journal, json.dumps(entry).encode() + b"\n")

    for number in range(first, last):
        steps = cases.steps(Chance(seed, number))
        while True:
            write(case=number, doing="making the next step")
            made: list[Any] = []
            outcome = judge(lambda steps=steps, made=made: made.append(next(steps, None)), ())
            step = made[0] if made else None
            if step is not None:
                write(case=number, doing=step[0])
                outcome = judge(step[1], cases.allowed)
            if step is not None or outcome.fault:
                write(case=number, word=outcome.word, fault=outcome.fault, kind=outcome.kind)
            if step is None or outcome.word in ("fault", "interrupted"):
                break
