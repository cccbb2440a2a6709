"""The process in which allocations are refused, with the arguments LIBRARY PROGRAM WHOSE FIRST STEP LOG.

It writes a JSON line before and after each refusal, so that the parent knows which one it died of. Then the parent
finds the stack of the refused call in the file descriptor LOG.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from crlso import _core

REPETITIONS = 20  # of a run that left blocks behind: a leak leaves some each time, caches and free lists do not
SETTLE = 300  # most runs before the first refusal
COMPARE = 16  # after so many refusals the program runs to its end


class Refusal:
    """Runs a program with one allocation refused, and says what is wrong with how it ended."""

    def __init__(self, library: str, program: Callable[[], bytes], whose: str, log: int) -> None:
        self.allocator, self.program, self.log = ctypes.CDLL(library), program, log
        self.allocator.refuse_stop.restype = self.allocator.refuse_live.restype = ctypes.c_long
        if self.allocator.refuse_only(whose.encode(), log) != 0:
            raise ValueError(f"whose: expected a part of the path of a library, got {whose!r}")
        self.expected = program()
        gc.collect()
        gc.freeze()  # a collection looks at what the program makes from now on, and at nothing else
        self._settle()

    def count(self) -> int:
        """Return the number of allocations of one run."""
        self._run(0)
        return self._run(0)[1]

    def fault_of(self, number: int) -> str | None:
        """Return what is wrong when that allocation is refused, or None."""
        grown: list[int] = []
        stacks: set[str] = set()
        while len(grown) < REPETITIONS:
            before = self._live()
            fault, _ = self._run(number)
            if fault:
                return fault
            grown.append(self._live() - before)
            stacks.add("".join(self.stack()))
            if grown[-1] <= 0 or len(stacks) > 1:  # nothing is left, or what it leaves makes the numbers shift
                return None
        return f"leak: blocks left by each of the runs: {grown}"

    def fault_afterwards(self) -> str | None:
        """Return what is wrong with a whole run, or None."""
        fault, _ = self._run(0)
        return fault and f"a run afterwards: {fault}"

    def _settle(self) -> None:
        """Run the program until caches and free lists are full: some runs in a row leave nothing."""
        at_rest = 0
        for _ in range(SETTLE):
            before = self._live()
            self._run(0)
            at_rest = at_rest + 1 if self._live() <= before else 0
            if at_rest == 5:
                return

    def stack(self) -> list[str]:
        """Return who asked for what was refused last, innermost first."""
        return os.pread(self.log, 1 << 20, 0).decode(errors="replace").splitlines()

    def _run(self, number: int) -> tuple[str | None, int]:
        _core.pool_trim()  # so that buffers are allocated
        os.lseek(self.log, 0, os.SEEK_SET)
        os.ftruncate(self.log, 0)
        result, error = None, None
        self.allocator.refuse_start(ctypes.c_long(number))
        try:
            result = self.program()
        except BaseException as caught:
            error = caught
        calls = self.allocator.refuse_stop()
        if error is None:
            return None if result == self.expected else "another result, and no error", calls
        return None if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}", calls

    def _live(self) -> int:
        gc.collect()
        _core.pool_trim()
        return int(self.allocator.refuse_live())


def main() -> None:
    library, program, whose, *numbers = sys.argv[1:]
    first, step, log = map(int, numbers)
    faulthandler.enable()
    logging.disable()
    ignored: list[type[BaseException]] = []

    def ignore(unraisable: Any) -> None:
        ignored.append(unraisable.exc_type)

    sys.unraisablehook = ignore
    module, _, function = program.rpartition(".")
    refusal = Refusal(library, getattr(importlib.import_module(module), function)(), whose, log)
    total = refusal.count()
    print(json.dumps({"total": total}), flush=True)
    for number in range(first, total + 1, step):
        print(json.dumps({"number": number}), flush=True)
        fault, stack = refusal.fault_of(number), refusal.stack()
        if fault is None and number // step % COMPARE == 0:
            fault = refusal.fault_afterwards()
        strange = {kind.__name__ for kind in ignored if not issubclass(kind, MemoryError)}
        ignored.clear()
        if fault is None and strange:
            fault = f"ignored {', '.join(sorted(strange))}"
        print(json.dumps({"number": number, "fault": fault, "stack": stack}), flush=True)


if __name__ == "__main__":
    main()
