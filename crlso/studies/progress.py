"""Progress of searches: bars on stderr, or a callable of the user's."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from crlso._base.types import Progress

__all__ = ["Listener", "listener"]


class Listener:
    """Passes progress on to a callable, or to nobody; a context manager."""

    def __init__(self, report: Progress | None = None) -> None:
        self.report = report

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Bars(Listener):
    """One progress bar on stderr per phase, in the order the phases begin."""

    def __init__(self) -> None:
        super().__init__(self._show)
        self._bars: dict[str, Any] = {}

    def _show(self, phase: str, done: int, total: int) -> None:
        from tqdm import tqdm

        bar = self._bars.get(phase)
        if bar is None:
            width = _terminal_width()
            # A terminal that does not tell its size has, for tqdm, no room for a bar.
            options = {"dynamic_ncols": True} if width else {"ncols": 80, "nrows": 24}
            bar = self._bars[phase] = tqdm(total=total, desc=f"{phase:<12}", file=sys.stderr, **options)
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.refresh()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()


def _terminal_width() -> int:
    """Columns of the terminal that stderr is, 0 when there is none or it does not tell."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0


def listener(progress: Any) -> Listener:
    """Make what the argument `progress` of a search stands for.

    Parameters
    ----------
    progress : bool or callable, optional
        True or False: bars on stderr, or none; None: bars when stderr is a terminal; a callable is called as
        ``progress(phase, done, total)``.

    Raises
    ------
    TypeError
        For anything else.
    """
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if progress is True:
        return Bars()
    if progress is False:
        return Listener()
    if not callable(progress):
        raise TypeError(f"progress: expected None, a bool or a callable, got {type(progress).__name__}")
    return Listener(progress)
