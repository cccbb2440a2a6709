"""Progress of searches: bars on stderr, or calls of a function."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from crlso._base.types import Progress

__all__ = ["Listener", "listener"]


class Listener:
    """A context manager that passes progress to a callable, or discards it."""

    def __init__(self, report: Progress | None = None) -> None:
        self.report = report

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Bars(Listener):
    """Progress bars on stderr, one per phase, in the order in which phases begin."""

    def __init__(self) -> None:
        super().__init__(self._show)
        self._bars: dict[str, Any] = {}

    def _show(self, phase: str, done: int, total: int) -> None:
        from tqdm import tqdm

        bar = self._bars.get(phase)
        if bar is None:
            width = _terminal_width()
            # tqdm shows no bar on a terminal of unknown size unless it is given one.
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
    """Width of the terminal on stderr in columns; 0 if there is no terminal or its size is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 0


def listener(progress: Any) -> Listener:
    """Make the listener for the argument `progress` of a search.

    Parameters
    ----------
    progress : bool or callable, optional
        True: bars on stderr. False: no output. None: bars if stderr is a terminal. A callable is called as
        ``progress(phase, done, total)``.

    Returns
    -------
    Listener

    Raises
    ------
    TypeError
        If `progress` is none of these.
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
