"""Reports as files and as text."""

from __future__ import annotations

import os
from typing import Any

from crlso._base.checks import check_members
from crlso._base.files import check_folder, write_text
from crlso.comparison import Comparison
from crlso.report.comparisons import comparison_parts
from crlso.report.page import page
from crlso.report.sources import read_results
from crlso.report.studies import study_parts

__all__ = ["html_report", "write_report"]


def html_report(results: Any, *, model: Any = None, space: Any = None) -> str:
    """Return a report on a search or a comparison as one HTML page.

    The page needs no network and no other file, and it runs no script but its own. It has a light and a dark theme, can
    be printed, and is readable on a phone. All text in it, such as errors and user attributes, is escaped.

    Parameters
    ----------
    results : Study, Comparison or path-like
        Or the file of one: a journal, also of a search that is running, a saved study, or the file of a comparison.
    model : object, optional
        For the latent map of a search, with ``encode(cells)``, such as :class:`crlso.models.GraphVAE`. By default, the
        encoder that comes with crlso for the space; where there is none, one-hot codes of the cells are shown.
    space : Space, optional
        The space of the cells, if a file does not say it.

    Returns
    -------
    str
        For a search: summary, best cell or front, values by query, latent map, all trials, environment. For a
        comparison: curves with 95 % bootstrap intervals, results and tests, all searches, versions.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or a comparison has no search.
    TypeError
        If `results` or `model` is something else.

    Examples
    --------
    >>> import crlso
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=5)
    >>> html_report(study).startswith("<!DOCTYPE html>")
    True
    """
    if isinstance(results, (str, os.PathLike)):
        results = read_results(results, space)
    if isinstance(results, Comparison):
        if not results.records:
            raise ValueError("results: expected a comparison with searches, got none")
        return page(*comparison_parts(results))
    check_members("results", results, ("trials", "history", "summary"), "a Study, a Comparison or the file of one")
    return page(*study_parts(results, model, space))


def write_report(results: Any, path: str | os.PathLike[str], *, model: Any = None, space: Any = None) -> None:
    """Write a report on a search or a comparison to a file; see :func:`html_report`.

    Parameters
    ----------
    results : Study, Comparison or path-like
        As for :func:`html_report`.
    path : path-like
        The file, such as ``report.html``; an existing one is replaced, whole or not at all.
    model : object, optional
        Encoder of the latent map, as for :func:`html_report`.
    space : Space, optional
        The space of the cells, if a file does not say it.

    Raises
    ------
    OSError, TypeError, ValueError
        As for :func:`html_report`, or if the file cannot be written.

    Examples
    --------
    >>> import crlso, os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=5)
    >>> write_report(study, os.path.join(folder, "report.html"))
    >>> os.listdir(folder)
    ['report.html']
    """
    check_folder("path", path)
    write_text(path, html_report(results, model=model, space=space))
