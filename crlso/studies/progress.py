"""Progress of searches: bars in terminals and notebooks, or calls of a function."""

from __future__ import annotations

import os
import sys
import warnings
from types import TracebackType
from typing import Any

from crlso._base.tables import number
from crlso._base.types import Progress
from crlso.history import History

__all__ = ["Listener", "in_notebook", "listener"]


class Listener:
    """A context manager that passes progress to a callable, or discards it."""

    def __init__(self, report: Progress | None = None) -> None:
        self.report = report
        self._history: History | None = None

    def watch(self, history: History) -> None:
        """Show the best value and the number of failures of a history beside the progress of its search."""
        self._history = history

    def _results(self, phase: str) -> str:
        """The best value and the number of failures as text; empty for other phases than the search itself."""
        if phase != "search" or self._history is None:
            return ""
        feasible = self._history.feasible
        failed = sum(trial.state == "failed" for trial in self._history.trials)
        parts = [f"best {number(self._history.best.value)}"] if feasible else []
        return ", ".join(parts + ([f"{failed} failed"] if failed else []))

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Bars(Listener):
    """Progress bars of tqdm, one per phase, in the order in which phases begin."""

    def __init__(self) -> None:
        super().__init__(self._show)
        self._bars: dict[str, Any] = {}

    def _show(self, phase: str, done: int, total: int) -> None:
        bar = self._bars.get(phase)
        if bar is None or done < bar.n:  # the phase begins, for the first time or again
            bar = self._bars[phase] = _new_bar(phase, total)
        bar.total = total
        bar.set_postfix_str(self._results(phase), refresh=False)
        bar.update(done - bar.n)
        if done == total:
            bar.close()  # now, so that it keeps the time of its phase

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self._bars.values():
            bar.close()


class Lines(Listener):
    """A line of text for each tenth of a phase, where tqdm is not installed."""

    def __init__(self) -> None:
        super().__init__(self._show)
        self._shown: dict[str, int] = {}

    def _show(self, phase: str, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if self._shown.get(phase, -1) != tenth:
            self._shown[phase] = tenth
            results = self._results(phase)
            stream = sys.stdout if in_notebook() else sys.stderr
            stream.write(f"{phase} {done}/{total}" + (f", {results}" if results else "") + "\n")
            stream.flush()


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return hasattr(shell, "kernel")


def _has_tqdm() -> bool:
    try:
        import tqdm  # noqa: F401
    except ImportError:
        return False
    return True


def _new_bar(phase: str, total: int) -> Any:
    label = f"{phase:<12}"
    if not in_notebook():
        from tqdm import tqdm

        # tqdm shows no bar on a terminal of unknown size unless it is given one.
        options = {"dynamic_ncols": True} if _terminal_width() else {"ncols": 80, "nrows": 24}
        return _without_thread(tqdm)(total=total, desc=label, file=sys.stderr, miniters=1, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a notebook without ipywidgets, which gets a bar of text
        from tqdm.auto import tqdm as notebook_tqdm
    # Notebooks show what goes to stderr in red.
    return _without_thread(notebook_tqdm)(total=total, desc=label, file=sys.stdout, miniters=1, dynamic_ncols=True)


def _without_thread(bar: Any) -> Any:
    """A class of bars that starts no thread: it would outlive the search, and be lost in processes that are forked."""
    return type(bar.__name__, (bar,), {"monitor_interval": 0})


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
        True: bars, on stderr or in the notebook. False: no output. None: bars if stderr is a terminal, and in
        notebooks. A callable is called as ``progress(phase, done, total)``.

    Returns
    -------
    Listener

    Raises
    ------
    TypeError
        If `progress` is none of these.
    """
    if progress is None:
        progress = in_notebook() or (sys.stderr is not None and sys.stderr.isatty())
    if progress is True:
        return Bars() if _has_tqdm() else Lines()
    if progress is False:
        return Listener()
    if not callable(progress):
        raise TypeError(f"progress: expected None, a bool or a callable, got {type(progress).__name__}")
    return Listener(progress)
