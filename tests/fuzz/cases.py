"""What both harnesses share: seeded choices, and the judgement of a step.

A harness makes of each number a case: steps with a text that says what they do. A step may return or raise what it is
allowed to raise. All else is a fault: other exceptions, printed text, changed surroundings, and what a check finds.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import crlso

PACKAGE = Path(crlso.__file__).parent
PATIENCE = 2.0  # seconds until a case is interrupted as by Ctrl-C


class Fault(Exception):
    """What a case found out; the text says it."""


class Outcome(NamedTuple):
    """How a step went: a word for the statistics, and when that is "fault" a text, and what equal faults share."""

    word: str
    fault: str | None = None
    kind: str | None = None


Step = tuple[str, Callable[[], object]]


class Harness(NamedTuple):
    """A way to make cases: `steps` makes those of one case, and what they may raise is `allowed`."""

    steps: Callable[[Chance], Iterator[Step]]
    allowed: tuple[type[BaseException], ...]


class Chance:
    """Choices that depend on a seed and a number alone."""

    def __init__(self, seed: int, number: int) -> None:
        self.random = np.random.default_rng([seed, number])

    def coin(self, share: float = 0.5) -> bool:
        """Return True in this share of calls."""
        return bool(self.random.random() < share)

    def below(self, n: int) -> int:
        """Return an integer in [0, n)."""
        return int(self.random.integers(n))

    def of(self, items: Any) -> Any:
        """Return one of some items."""
        return items[self.below(len(items))]


def place(error: BaseException) -> str:
    """The last line of the project's own code in a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    frame = (own or frames)[-1:]
    return f"{Path(frame[0].filename).name}:{frame[0].lineno}, {frame[0].name}" if frame else "no line"


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise KeyboardInterrupt when the block takes longer: what cannot be interrupted is then found as a hang."""
    armed = True

    def interrupt(*_: object) -> None:
        if armed:
            raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _surroundings() -> dict[str, Any]:
    """What no call may change."""
    return {
        "the working folder": os.getcwd(),
        "numpy.geterr": np.geterr(),
        "numpy.random": np.random.get_state()[1].tolist()[:3],  # noqa: NPY002  (nobody may touch it)
        "threads": threading.active_count(),
        "the environment": hash(tuple(os.environ.items())),
        "SIGINT": signal.getsignal(signal.SIGINT),
    }


def _changed(before: dict[str, Any]) -> str | None:
    after = _surroundings()
    changed = [name for name in before if before[name] != after[name]]
    return f"changed: {', '.join(changed)}" if changed else None


class _Ignored:
    """Collects exceptions that Python could not raise, in __del__ and the like."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __call__(self, unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            self.errors.append(f"ignored {unraisable.exc_type.__name__}: {unraisable.exc_value}")


def judge(step: Callable[[], object], allowed: tuple[type[BaseException], ...]) -> Outcome:
    """Do a step; a fault is an exception of another kind, printed text, or a change of the surroundings."""
    before, printed, ignored = _surroundings(), io.StringIO(), _Ignored()
    sys.unraisablehook = ignored
    try:
        with contextlib.redirect_stdout(printed), interrupted_after(PATIENCE):
            step()
        outcome = Outcome("returned")
    except Fault as fault:
        outcome = Outcome("fault", str(fault), str(fault)[:60])
    except (KeyboardInterrupt, TimeoutError):
        outcome = Outcome("interrupted")
        time.sleep(0)
    except BaseException as error:
        good = isinstance(error, allowed) and not isinstance(error, (RecursionError, NotImplementedError))
        where = f"{type(error).__name__} in {place(error)}"
        outcome = Outcome(type(error).__name__) if good else Outcome("fault", f"{where}: {str(error)[:300]}", where)
    finally:
        sys.unraisablehook = sys.__unraisablehook__
    found = _changed(before) or (f"printed {printed.getvalue()[:100]!r}" if printed.getvalue() else None)
    found = found or (ignored.errors[0] if ignored.errors else None)
    return Outcome("fault", found, found[:60]) if found and outcome.word not in ("fault", "interrupted") else outcome
