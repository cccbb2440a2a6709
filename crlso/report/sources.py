"""Results of searches in files, whichever kind they are."""

from __future__ import annotations

import json
import os
from typing import Any

from crlso._base.files import read_bytes
from crlso._base.lines import LARGEST_FILE
from crlso.comparison import Comparison
from crlso.journal import is_journal
from crlso.studies import Study

__all__ = ["read_results"]


def read_results(path: str | os.PathLike[str], space: Any = None) -> Study | Comparison:
    """Read a journal, a saved study or the file of a comparison, as the file begins.

    Parameters
    ----------
    path : path-like
        A file that ``crlso.search(journal=...)``, ``Study.save`` or ``crlso.compare(path=...)`` wrote.
    space : object, optional
        The space of the cells, with ``cell(codes)``. Required for one that is not part of crlso and no
        :class:`crlso.spaces.CellSpace`.

    Returns
    -------
    Study or Comparison
        A Study for a journal or a saved study, a Comparison for any other file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is none of these, or damaged. The message names the file and the problem.

    Examples
    --------
    >>> import crlso, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.jsonl")
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=2, journal=path)
    >>> read_results(path).best == study.best
    True
    """
    if is_journal(path):
        return Study.open(path, space)
    try:
        document = json.loads(read_bytes(path, LARGEST_FILE))
    except (ValueError, RecursionError):  # several lines, or damaged: the reader of comparisons says where
        document = None
    is_study = isinstance(document, dict) and "trials" in document
    return Study.load(path, space) if is_study else Comparison.load(path)
