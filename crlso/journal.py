"""The journal of a search: a file to which each event is appended when it happens.

A journal is a file of JSON lines. The first one says what the search is: method, options, seed, space, benchmark and
versions. Then comes a line for each event:

- ``asked``: the trial `number` has the cell ``codes``; ``note`` is what the method left with it, if anything;
- ``told`` and ``failed``: its result;
- ``observed``: a trial that was known already, with its cell and result;
- ``resumed``: a later run goes on, with this budget, version and environment;
- ``stopped``: a run ended, and how; with what was looked up for the best cells.

Each line has a checksum, is written at once and synced to disk. So a journal that a crash or a full disk ended lacks at
most its last line, and the trial of that line is evaluated again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crlso._base.checksums import with_checksum
from crlso._base.files import open_regular, replacing
from crlso._base.lines import LARGEST_FILE, Line, LineFile, read_lines
from crlso._base.locks import locked
from crlso._base.plain import plain, typed
from crlso.history import Event, History, Measurement, Trial

__all__ = ["Damage", "Entry", "Journal", "Recorder", "difference", "is_journal", "repair"]

_log = logging.getLogger("crlso.journal")

SCHEMA = 1
_START = b'{"crlso": "journal"'  # of the first line
_WRONG = (KeyError, TypeError, ValueError, OverflowError, RuntimeError)  # RuntimeError: more queries than the budget


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class Entry:
    """An event of a journal.

    Attributes
    ----------
    line : int
        Number of its line, counted from 1.
    kind : str
        ``"asked"``, ``"told"``, ``"failed"``, ``"observed"``, ``"resumed"`` or ``"stopped"``.
    document : dict
        The line.
    """

    line: int
    kind: str
    document: dict[str, Any]

    @property
    def number(self) -> int:
        """Number of the trial."""
        return int(typed(self.document, "number", int))

    @property
    def codes(self) -> list[int]:
        """Codes of the cell of the trial."""
        codes: list[int] = typed(self.document, "codes", list)
        if not all(type(code) is int and 0 <= code < 256 for code in codes):
            raise ValueError(f"codes: expected integers from 0 to 255, got {codes!r:.100}")
        return codes

    @property
    def key(self) -> int:
        """Canonical key of the cell of the trial."""
        return int(typed(self.document, "key", int))

    @property
    def measurement(self) -> Measurement | None:
        """The result, with the user attributes of the trial; None if the evaluation failed."""
        found = Measurement.from_dict(self.document)
        if found is None:
            return None
        notes = typed(self.document, "user_attrs", dict)
        return Measurement(found.value, found.objectives, found.constraints, found.cost, notes)

    @property
    def error(self) -> str | None:
        """Why the evaluation failed; None if it did not."""
        error: str | None = typed(self.document, "error", str, optional=True)
        return error


@dataclass(frozen=True)
class Damage:
    """A line of a journal that cannot be read.

    Attributes
    ----------
    line : int
        Its number, counted from 1.
    start : int
        Position of its first byte in the file.
    reason : str
        What is wrong with it.
    """

    line: int
    start: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, from byte {self.start}: {self.reason}"


@dataclass
class Journal:
    """The content of a journal.

    Attributes
    ----------
    path : path-like
        The file.
    head : dict or None
        The first line; None if the file is empty or its first line was not written whole.
    entries : list of Entry
        The events, in order.
    damage : list of Damage
        Lines that cannot be read, or that do not follow from those before.
    torn : Line or None
        The last line, if a crash kept it from being written whole.

    Examples
    --------
    >>> import crlso, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.jsonl")
    >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=2, journal=path)
    >>> journal = Journal.read(path)
    >>> journal.head["method"], [entry.kind for entry in journal.entries]
    ('random', ['asked', 'told', 'asked', 'told', 'stopped'])
    """

    path: str | os.PathLike[str]
    head: dict[str, Any] | None = None
    entries: list[Entry] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    torn: Line | None = None
    _states: list[str] = field(default_factory=list)  # the last event of each trial

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Journal:
        """Read a journal, damaged or not; :meth:`check` refuses a damaged one.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        Journal

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no journal, or one of a later version of crlso.
        """
        return cls.of(path, read_lines(path))

    @classmethod
    def of(cls, path: str | os.PathLike[str], lines: Sequence[Line]) -> Journal:
        """Return the journal of lines that were read, as :meth:`read` does.

        Parameters
        ----------
        path : path-like
            The file.
        lines : sequence of Line
            Its lines.

        Returns
        -------
        Journal

        Raises
        ------
        ValueError
            If the file is no journal of crlso.
        """
        journal = cls(path)
        if lines and not (lines[0].text.startswith(_START[: len(lines[0].text)]) or lines[0].has_checksum):
            raise ValueError(f"{os.fspath(path)}: expected a journal of crlso, got a file of something else")
        for line in lines:
            damage = line.damage if line.damage or line.has_checksum else "there is no checksum"
            if damage is not None and not line.has_end:
                journal.torn = line
            elif damage is not None:
                journal.damage.append(Damage(line.number, line.start, damage))
            else:
                journal._add(line)
        return journal

    def _add(self, line: Line) -> None:
        try:
            if self.head is None and not self.damage:
                self.head = _checked_head(line.document)
                return
            entry = Entry(line.number, typed(line.document, "event", str), line.document)
            _check_entry(entry)
            if not self.damage:  # otherwise, some events are missing
                _check_follows(entry, self._states)
            self.entries.append(entry)
        except _WRONG as error:
            self.damage.append(Damage(line.number, line.start, _text(error)))

    def check(self) -> None:
        """Raise ValueError if a line is damaged; the message names the line, its first byte and the remedy."""
        if self.damage:
            rest = f" ({len(self.damage) - 1} more)" if len(self.damage) > 1 else ""
            path = os.fspath(self.path)
            raise ValueError(
                f"{path}, {self.damage[0]}{rest}; `crlso journal check {path}` lists what is damaged, "
                f"`crlso journal repair {path}` keeps the rest"
            )

    @property
    def budget(self) -> int:
        """The budget of the last run."""
        runs = [entry.document for entry in self.entries if entry.kind == "resumed"]
        return int(typed(runs[-1] if runs else self.head, "budget", int))

    @property
    def stopped(self) -> dict[str, Any] | None:
        """The last line if it says how the last run ended; None if that was killed or is not over."""
        return self.entries[-1].document if self.entries and self.entries[-1].kind == "stopped" else None

    def history(self, make_cell: Callable[[list[int]], Any]) -> History:
        """Return the trials and events.

        Parameters
        ----------
        make_cell : callable
            ``make_cell(codes)`` returns a cell.

        Returns
        -------
        History
            All trials and events of the file, replayed in order.

        Raises
        ------
        ValueError
            If a line is damaged, or has no cell of the space. The message names the line.
        """
        self.check()
        history = History()
        for entry in self.entries:
            with self.reading(entry):
                if entry.kind == "asked":
                    history.ask(make_cell(entry.codes), entry.codes, entry.key)
                elif entry.kind == "told":
                    history.tell(history.trials[entry.number], _given(entry.measurement))
                elif entry.kind == "failed":
                    history.fail(history.trials[entry.number], entry.error or "failed")
                elif entry.kind == "observed":
                    cell = make_cell(entry.codes)
                    history.observe(cell, entry.codes, entry.key, entry.measurement, entry.error)
        return history

    @contextlib.contextmanager
    def reading(self, entry: Entry) -> Iterator[None]:
        """Let errors of a block name the line of an entry.

        Parameters
        ----------
        entry : Entry
            The entry that the block reads.

        Yields
        ------
        None
        """
        try:
            yield
        except _WRONG as error:
            raise ValueError(f"{os.fspath(self.path)}, line {entry.line}: {_text(error)}") from error


def is_journal(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as a journal does.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    bool
        True if the first bytes are those of a journal.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no regular file, or too large.
    """
    with open_regular(path, LARGEST_FILE) as file:
        return file.read(len(_START)) == _START


def _given(measurement: Measurement | None) -> Measurement:
    if measurement is None:
        raise ValueError("value: expected a number, got None")
    return measurement


def _text(error: BaseException) -> str:
    return f"expected an entry {error.args[0]!r}, got none" if isinstance(error, KeyError) else str(error)


def _checked_head(document: Any) -> dict[str, Any]:
    if typed(document, "crlso", str) != "journal":
        raise ValueError("expected the first line of a journal, got another")
    schema = typed(document, "schema", int)
    if schema > SCHEMA:
        raise ValueError(f"schema: expected at most {SCHEMA}, got {schema}: a later version of crlso wrote the journal")
    for name in ("benchmark", "dataset", "objective", "space"):
        typed(document, name, str, optional=True)
    for name, kind in (("method", str), ("seed", int), ("options", dict), ("fingerprint", dict)):
        typed(document, name, kind)
    for name, usual in (("objectives", ["value"]), ("constraints", {})):  # which older journals lack
        texts: Any = typed({name: usual, **document}, name, type(usual))
        if not all(isinstance(text, str) for text in (texts.values() if isinstance(texts, dict) else texts)):
            raise ValueError(f"{name}: expected texts, got {texts!r:.100}")
    _check_run(document)
    head: dict[str, Any] = document
    return head


def _check_run(document: Any) -> None:
    """Check what a line says of the run that it begins."""
    typed(document, "budget", int)
    typed(document, "version", str)
    texts = typed(document, "environment", dict)
    for name in texts:
        typed(texts, name, str)


def _check_entry(entry: Entry) -> None:
    """Check that an entry has what its kind needs."""
    if entry.kind == "resumed":
        _check_run(entry.document)
    elif entry.kind == "stopped":
        typed(entry.document, "state", str)
    elif entry.kind in ("asked", "told", "failed", "observed"):
        typed(entry.document, "cell", str)
        result = None if entry.kind == "asked" else entry.measurement
        if entry.kind != "observed" and (result is None) != (entry.kind != "told"):
            raise ValueError(
                f"value: expected {'a number' if result is None else 'None'}, got {result and result.value}"
            )
        _ = entry.number, entry.codes, entry.key, entry.kind == "asked" or entry.error
    else:
        raise ValueError(f"event: expected one of a search, got {entry.kind!r:.100}")


def _check_follows(entry: Entry, states: list[str]) -> None:
    """Check that an event can follow those before, which left the trials in `states`; and add it."""
    if entry.kind in ("resumed", "stopped"):
        return
    if entry.kind in ("asked", "observed"):
        if entry.number != len(states):
            raise ValueError(f"number: expected {len(states)}, got {entry.number}")
        states.append(entry.kind)
    else:
        if not 0 <= entry.number < len(states) or states[entry.number] != "asked":
            raise ValueError(f"number: expected a pending trial, got {entry.number}")
        states[entry.number] = entry.kind


class Recorder:
    """Writes the events of a search to its journal, see :meth:`opened`.

    Parameters
    ----------
    file : LineFile
        The open file.

    Attributes
    ----------
    journal : Journal
        What earlier runs wrote.
    """

    def __init__(self, file: LineFile) -> None:
        self._file = file
        self.journal = Journal.of(file.path, file.lines)
        self.journal.check()
        if self.journal.torn is not None:
            _log.warning("%s: cut an incomplete last line of %d bytes", file.path, len(self.journal.torn.text))
            file.cut(self.journal.torn)
        self._history = History()
        self._note: Callable[[], Any] = lambda: None
        self._head: dict[str, Any] | None = None  # the line to write before the first event of this run

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str | os.PathLike[str]) -> Iterator[Recorder]:
        """Open a journal, which is made if there is none, and keep other processes from writing until the block ends.

        An incomplete last line is cut, with a warning.

        Parameters
        ----------
        path : path-like
            The file.

        Yields
        ------
        Recorder

        Raises
        ------
        BlockingIOError
            If another run writes to the file; the message names its process and host.
        OSError
            If the file cannot be read and written.
        ValueError
            If the file is something else, or damaged; the message names the line and its first byte.
        """
        with LineFile.opened(path) as file:
            recorder = cls(file)
            try:
                yield recorder
            finally:
                recorder._history.on_event = None

    def begin(self, head: Mapping[str, Any]) -> None:
        """Say what the search is, in the first line, or that a later run goes on, before its first event.

        Parameters
        ----------
        head : mapping
            What :func:`difference` compares, with ``budget``, ``version`` and ``environment``.

        Raises
        ------
        OSError
            If the line cannot be written.
        """
        if self.journal.head is None:
            self._append({"crlso": "journal", "schema": SCHEMA, "time": _now(), **head})
        else:
            again = {name: head[name] for name in ("budget", "version", "environment")}
            self._head = {"event": "resumed", "time": _now(), **again}

    def follow(self, history: History, note: Callable[[], Any]) -> None:
        """Write each further event of a history.

        Parameters
        ----------
        history : History
            Holds the events of the journal so far; others are written now.
        note : callable
            Returns what the method left with its last proposal, as plain data, or None.
        """
        self._history, self._note = history, note
        self._file.mark = sum(entry.kind not in ("resumed", "stopped") for entry in self.journal.entries)
        history.on_event = self.record
        self.record()

    def record(self) -> None:
        """Write the events that are not written yet, one line and one sync each."""
        events = self._history.events
        while self._file.mark < len(events):
            event = events[self._file.mark]
            self._append(self._line(event), self._file.mark + 1)

    def stop(self, state: str, results: Mapping[str, Any]) -> None:
        """Write how the run ended, unless it wrote nothing and ended as the one before.

        Parameters
        ----------
        state : str
            As in a study.
        results : mapping
            What was looked up for the best cells.
        """
        self.record()
        last = self.journal.stopped
        if self._head is None or last is None or last["state"] != state:
            self._append({"event": "stopped", "time": _now(), "state": state, **results}, self._file.mark)

    def _append(self, document: dict[str, Any], mark: int = 0) -> None:
        if self._head is not None:
            self._file.append(self._head, self._file.mark)
            self._head = None
        self._file.append(plain(document), mark)

    def _line(self, event: Event) -> dict[str, Any]:
        """The line of an event."""
        trial = self._history.trials[event.number]
        line: dict[str, Any] = {"event": event.kind, "time": _now(), "number": event.number, **self._cell(trial)}
        if event.kind == "asked":
            note = self._note() if trial is self._history.trials[-1] else None  # the note is of the last proposal
            return line if note is None else {**line, "note": note}
        if event.kind == "failed" or trial.measurement is None:
            return {**line, "value": None, "error": trial.error}
        return {**line, **_result(trial.measurement), "user_attrs": trial.user_attrs, "error": None}

    def _cell(self, trial: Trial) -> dict[str, Any]:
        codes = getattr(trial.cell, "codes", None) or self._history.codes_of(trial)
        return {"cell": str(trial.cell), "codes": list(codes), "key": self._history.key_of(trial)}


def _result(measurement: Measurement) -> dict[str, Any]:
    return {name: getattr(measurement, name) for name in ("value", "objectives", "constraints", "cost")}


def _now() -> float:
    """Seconds since 1970, to the millisecond."""
    return round(time.time(), 3)


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return the first thing in which two searches differ, as ``"name: expected X, got Y"``.

    Parameters
    ----------
    before, now : mapping
        ``benchmark``, ``dataset``, ``objective``, ``objectives`` (by default the value alone), ``constraints`` (by
        default none), ``method``, ``options``, ``seed``, ``space``, and ``fingerprint``, a dict of ``space`` and of
        each option.

    Returns
    -------
    str or None
        None if they are the same search.

    Examples
    --------
    >>> same = {"method": "gp", "seed": 0, "options": {}, "fingerprint": {"space": "a1"}}
    >>> difference(same, {**same, "seed": 1})
    'seed: expected 0, got 1'
    """
    before, now = ({"objectives": ["value"], "constraints": {}, **head} for head in (before, now))
    for name in ("benchmark", "dataset", "objective", "objectives", "constraints", "method", "seed", "space"):
        if before.get(name) != now.get(name):
            return f"{name}: expected {before.get(name)!r:.200}, got {now.get(name)!r:.200}"
    for name in dict.fromkeys([*before["fingerprint"], *now["fingerprint"]]):
        old, new = before["fingerprint"].get(name), now["fingerprint"].get(name)
        if old == new:
            continue
        if name == "space":
            return f"space: expected the one of the journal, got another of the same name, {now.get('space')}"
        texts = [repr(side["options"].get(name, "none"))[:200] for side in (before, now)]
        other = " (another one)" if texts[0] == texts[1] else ""
        return f"{name}: expected {texts[0]}, got {texts[1]}{other}"
    return None


# -- repair -----------------------------------------------------------------------------------------------------------


def repair(path: str | os.PathLike[str]) -> tuple[Journal, str | None]:
    """Keep what can be read of a damaged journal; the damaged file stays beside it.

    A trial whose first line is damaged, but not that of its result, is kept. One whose result is damaged is evaluated
    again by the next run.

    Parameters
    ----------
    path : path-like
        The journal.

    Returns
    -------
    journal : Journal
        The damaged journal.
    copy : str or None
        Where the damaged file is kept; None if there was nothing to repair.

    Raises
    ------
    BlockingIOError
        If a run writes to the file.
    OSError
        If the file cannot be read or written.
    ValueError
        If the file is something else, or its first line is damaged, which says what the search is.
    """
    os.stat(path)  # a file that is missing gets no lock
    with locked(path):
        journal = Journal.read(path)
        if not journal.damage and journal.torn is None:
            return journal, None
        if journal.head is None:
            raise ValueError(
                f"{os.fspath(path)}: expected a first line that says what the search is, got a damaged one"
            )
        copy = _free_name(os.fspath(path))
        with open(path, "rb") as source, replacing(copy) as kept:
            shutil.copyfileobj(source, kept)
        with replacing(path) as file:
            for document in [journal.head, *_consistent(journal.entries)]:
                file.write(with_checksum(document))
    return journal, copy


def _free_name(path: str) -> str:
    names = itertools.chain([f"{path}.damaged"], (f"{path}.damaged.{n}" for n in itertools.count(2)))
    return next(name for name in names if not os.path.exists(name))


def _consistent(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return events that follow from each other, with new numbers of trials where some are missing."""
    begun = {entry.number for entry in entries if entry.kind in ("asked", "observed")}
    results = {entry.number: entry for entry in entries if entry.kind in ("told", "failed")}
    orphans = sorted(set(results) - begun)  # their results are there, but not that they were asked for
    numbers: dict[int, int] = {}
    states: list[str] = []
    found: list[dict[str, Any]] = []

    def add(entry: Entry) -> None:
        with contextlib.suppress(*_WRONG):  # it does not follow: one of two equal lines, for example
            document = entry.document
            if entry.kind in ("asked", "observed") and entry.number not in numbers:
                numbers[entry.number] = len(numbers)
            if entry.kind not in ("resumed", "stopped"):
                document = {**document, "number": numbers[entry.number]}
            _check_follows(Entry(entry.line, entry.kind, document), states)
            found.append(document)

    for entry in entries:
        limit = -1 if entry.kind in ("resumed", "stopped") else entry.number
        while orphans and orphans[0] <= limit:
            lost = results[orphans.pop(0)]
            cell = {name: lost.document.get(name) for name in ("time", "number", "cell", "codes", "key")}
            add(Entry(lost.line, "asked", {"event": "asked", **cell}))
        add(entry)
    return found
