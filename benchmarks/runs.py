"""Runs of a benchmark that are kept in a file, so that a later call continues where an earlier one ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

Job = tuple[Any, ...]
Row = dict[str, Any]


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Log errors of crlso only, until the end of the block."""
    log = logging.getLogger("crlso")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def rows_of(
    run: Callable[[Any], Row],
    wanted: Sequence[Job],
    keys: Sequence[str],
    *,
    jobs: int = 1,
    path: Path | None = None,
    text: Callable[[Row], str],
) -> list[Row]:
    """Run what is not in the file, add it there, and return the rows of all that is wanted.

    Parameters
    ----------
    run : callable
        Makes the row of a job, a dict that JSON can hold.
    wanted : sequence of tuple
        The jobs: their values of `keys`.
    keys : sequence of str
        By which a row names its job.
    jobs : int
        Number of processes; 1 runs all in this one.
    path : Path, optional
        File of JSON lines, one per row. An incomplete last line is removed.
    text : callable
        Makes the line on stderr that tells of a new row.
    """
    known = {tuple(row[key] for key in keys): row for row in _read(path)}
    with contextlib.ExitStack() as stack:
        for row in _finished(run, [job for job in wanted if job not in known], jobs, stack):
            known[tuple(row[key] for key in keys)] = row
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            print(text(row), file=sys.stderr, flush=True)
    return [known[job] for job in wanted]


def _read(path: Path | None) -> list[Row]:
    if path is None or not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    os.truncate(path, len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _finished(run: Callable[[Any], Row], todo: Iterable[Job], jobs: int, stack: contextlib.ExitStack) -> Iterator[Row]:
    """Yield rows as they come."""
    if jobs == 1:
        return map(run, todo)
    pool = stack.enter_context(ProcessPoolExecutor(jobs))
    return (future.result() for future in as_completed([pool.submit(run, job) for job in todo]))
