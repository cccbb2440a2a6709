"""Runs cases in child processes for a time, and collects faults: crashes and standstills too."""

from __future__ import annotations

import collections
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
STANDSTILL = 60.0  # seconds without a word from the child, which interrupts each step after two
START = 300.0  # the same before its first word, when it imports


@dataclass
class Found:
    """What a run of a harness found."""

    words: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: dict[str, tuple[int, list[str]]] = field(default_factory=dict)  # by kind: case and steps
    cases: int = 0

    def add(self, fault: str, kind: str, case: int, steps: list[str]) -> None:
        """Keep the first case of each kind of fault."""
        if kind not in self.faults:
            self.faults[kind] = case, [*steps, f"-> {fault}"]
        self.words["fault"] += 1


class Child:
    """A process that runs cases from a number on."""

    def __init__(self, arguments: list[str], folder: str, log: IO[bytes]) -> None:
        reader, writer = os.pipe()
        environment = {
            **os.environ,
            "MPLBACKEND": "agg",
            "CRLSO_NUM_THREADS": "2",
            "CRLSO_CACHE": str(Path(folder, "kept")),  # not that of the user
        }
        # The source tree comes last on the path: crlso is taken from there only if it is not installed.
        code = f"import sys; sys.path.append({str(ROOT)!r}); from tests.fuzz.child import main; main()"
        command = [sys.executable, "-c", code, *arguments[:4], str(writer), *arguments[4:]]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writer]
        )
        os.close(writer)
        self.reader, self.rest = reader, b""

    def entries(self, until: float, standstill: float) -> Iterator[dict[str, Any] | None]:
        """What the child writes, until the time is over; None when it stands still."""
        last, standstill, usual = time.monotonic(), START, standstill
        while True:
            now = time.monotonic()
            if now > until:
                return
            if now > last + standstill:
                yield None
                return
            if select.select([self.reader], [], [], 0.5)[0]:
                data = os.read(self.reader, 1 << 16)
                if not data:
                    return
                last, standstill = time.monotonic(), usual
                *lines, self.rest = (self.rest + data).split(b"\n")
                yield from map(json.loads, lines)

    def end(self) -> int:
        """Kill the process and return its exit code as it was."""
        code = self.process.poll()
        self.process.kill()
        self.process.wait()
        os.close(self.reader)
        return self.process.returncode if code is None else code


def run(
    name: str,
    seconds: float,
    seed: int,
    *,
    first: int = 0,
    last: int = sys.maxsize,
    planted: str | None = None,
    standstill: float = STANDSTILL,
) -> Found:
    """Run the cases of a harness from `first` to `last`, which is not among them, as long as the time lasts."""
    found = Found()
    end = time.monotonic() + seconds
    while first < last and time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
            arguments = [name, str(seed), str(first), str(last), *([planted] if planted else [])]
            first = _follow(Child(arguments, folder, log), first, end, standstill, found, log)
    return found


def _follow(child: Child, first: int, end: float, standstill: float, found: Found, log: IO[bytes]) -> int:
    """Read what a child says until it ends, and return the number of the case to go on with."""
    steps: list[str] = []
    number, standing, over = first, False, True
    for entry in child.entries(end, standstill):
        if entry is None:
            standing = True
            break
        if entry["case"] != number:
            number, steps = entry["case"], []
        if "doing" in entry:
            steps.append(entry["doing"])
        else:
            found.words[entry["word"]] += entry["fault"] is None
            if entry["fault"]:
                found.add(entry["fault"], entry["kind"], number, [*steps])
    else:
        over = time.monotonic() > end
    if not over and not standing:
        try:
            child.process.wait(10)
        except subprocess.TimeoutExpired:
            standing = True
    code = child.end()
    found.cases = number + 1
    if standing:
        found.add("does not return, and Ctrl-C does not stop it", f"standstill {_function(steps)}", number, steps)
    elif not over and code != 0:
        log.seek(0)
        text = log.read().decode("utf-8", "replace")[-3000:]
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        found.add(f"the process died: {what}\n{text}", f"{what} {_function(steps)}", number, steps)
    elif not over:
        return sys.maxsize  # all cases are done
    return number + 1


def _function(steps: list[str]) -> str:
    """What the last step called."""
    return steps[-1].partition("(")[0] if steps else "at the start"
