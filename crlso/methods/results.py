"""Results that are known already: of a study, a journal, a table of cells, or pairs of a cell and its value."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from crlso._base.checks import check_numbers
from crlso._base.checksums import check_checksum
from crlso._base.files import read_text
from crlso._base.types import Codes, Keys
from crlso.benchmarks import Tabular
from crlso.history import History, Measurement, Trial
from crlso.journal import Journal, is_journal
from crlso.spaces.base import Space
from crlso.spaces.cell import Cell

__all__ = ["EXPECTED", "Results", "read_results"]

_log = logging.getLogger("crlso.search")

LARGEST_FILE = 1 << 28  # bytes
EXPECTED = "a study, a path to a journal, a saved study or a CSV file, a Tabular, or a list of (cell, value)"

Outcome: TypeAlias = Measurement | str
"""The result of an evaluation, or the text of its error."""


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """Results of cells.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, codes per cell)
        Canonical cells, one per class.
    keys : ndarray of int64, shape (n,)
        Their canonical keys.
    outcomes : list of Measurement or str
        The result of each; the text of the error if the evaluation failed. Results of equal cells are one, with the
        mean of their values.
    """

    codes: Codes
    keys: Keys
    outcomes: list[Outcome]


def read_results(name: str, space: Space, given: Any) -> Results:
    """Read results.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    space : Space
        Space of the cells. Cells that are not listed, if it lists only some, are left out with a warning.
    given : object
        A study or another object with ``trials``, a path to a journal, to a file of ``Study.save`` or to a CSV file
        that ``Tabular.from_csv`` reads, a Tabular, or a list of pairs of a cell and its value, or what evaluations
        return instead: a mapping or a Measurement.

    Returns
    -------
    Results
        In the order given.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or holds no result of a cell of the space.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
    >>> pairs = [("|conv~0|+|conv~0|pool~1|", 91.0), ("|conv~0|+|conv~0|pool~1|", 92.0)]
    >>> [outcome.value for outcome in read_results("known", space, pairs).outcomes]
    [91.5]
    """
    if isinstance(given, (str, os.PathLike)):
        given = _from_file(name, space, given)
    outcomes: Sequence[Outcome]
    if isinstance(given, Tabular):
        if given.space.layout != space.layout:
            raise ValueError(f"{name}: expected cells of {space!r}, got a table of {given.space!r}")
        codes = given.space.all_codes()
        outcomes = _of_table(given, codes)
    else:
        cells, outcomes = _pairs(name, given)
        codes = np.asarray(space.codes([_cell(name, space, cell) for cell in cells]))
    good = space.valid(codes) if len(codes) else np.zeros(0, dtype=bool)
    if not good.any():
        raise ValueError(f"{name}: expected at least one cell of the space with a value, got {len(good)} cells")
    if not good.all():
        _log.warning("%s: %d of %d cells are not in the space and were left out", name, (~good).sum(), len(good))
    return _by_class(space, codes[good], [outcome for outcome, is_good in zip(outcomes, good) if is_good])


def _by_class(space: Space, codes: Codes, outcomes: Sequence[Outcome]) -> Results:
    found: dict[int, list[int]] = {}
    keys = space.canonical_key(codes)
    for i, key in enumerate(keys.tolist()):
        found.setdefault(key, []).append(i)
    first = [positions[0] for positions in found.values()]
    joined = [_mean([outcomes[i] for i in positions]) for positions in found.values()]
    return Results(space.canonicalise(codes[first]), keys[first], joined)


def _of_table(table: Tabular, codes: Codes) -> list[Outcome]:
    """The values of the cells of a table, and their measures where these are known."""
    names = [name for name, measure in table.measures.items() if measure.is_known]
    columns = [table.measure(name, codes).tolist() for name in names]
    rows = zip(*columns) if columns else [()] * len(codes)
    return [
        Measurement(value, {name: number for name, number in zip(names, row) if not math.isnan(number)})
        for value, row in zip(table.values(codes).tolist(), rows)
    ]


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a class, of those of its cells; failures do not count if there are values."""
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    if len(measured) > 1:
        value = sum(found.value / len(measured) for found in measured)
        objectives, constraints = (
            [getattr(found, kind) for found in measured] for kind in ("objectives", "constraints")
        )
        return Measurement(value, _means(objectives), _means(constraints))
    return (measured or outcomes)[0]


def _means(numbers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number that all measurements have."""
    shared = [name for name in numbers[0] if all(name in other for other in numbers)]
    return {name: sum(own[name] / len(numbers) for own in numbers) for name in shared}


def _pairs(name: str, given: Any) -> tuple[list[Any], list[Outcome]]:
    """Cells and outcomes of an object with trials, or of pairs."""
    trials: Any = getattr(given, "trials", None)
    if trials is not None:
        finished = [trial for trial in trials if isinstance(trial, Trial) and trial.state != "pending"]
        return [trial.cell for trial in finished], [_outcome(trial) for trial in finished]
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: expected {EXPECTED}, got {type(given).__name__}")
    pairs = list(given)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name}: expected {EXPECTED}; got a list of {type(pair).__name__}")
    values = [Measurement.of(value) if isinstance(value, Mapping) else value for _, value in pairs]
    numbers = [value.value if isinstance(value, Measurement) else value for value in values]
    checked = check_numbers(f"values of {name}", numbers, len(pairs)).tolist()
    measured = [value if isinstance(value, Measurement) else Measurement(x) for value, x in zip(values, checked)]
    return [cell for cell, _ in pairs], [*measured]


def _outcome(trial: Trial) -> Outcome:
    if trial.measurement is None:
        return trial.error or "failed"
    return dataclasses.replace(trial.measurement, user_attrs=trial.user_attrs)


def _cell(name: str, space: Space, cell: Any) -> Any:
    try:
        return space.cell(cell)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def _from_file(name: str, space: Space, path: str | os.PathLike[str]) -> Any:
    """Read a journal or a saved study as its history, or a CSV file as a Tabular."""

    def make_cell(home: Any, codes: Any) -> Any:
        return space.cell(codes if home is None else Cell(home, codes))  # None if cells are no cells of a space

    if is_journal(path):
        journal = Journal.read(path)
        journal.check()
        head: dict[str, Any] = journal.head or {}
        return journal.history(lambda codes: make_cell(head.get("space"), codes))
    text = read_text(path, LARGEST_FILE)
    if not text.lstrip().startswith("{"):
        return Tabular.from_csv(path, space)  # type: ignore[arg-type]  # which checks the space
    try:
        document = json.loads(text)
        check_checksum(text.encode("utf-8"))
        home = document["space"]
        return History.from_dict(document, lambda codes: make_cell(home, codes))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"{name}: expected a file of Study.save, got {os.fspath(path)!r}: {error}") from error
