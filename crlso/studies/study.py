"""The study of a search: its trials, its best cell, and its trajectory."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crlso._base.checks import check_number, is_int
from crlso._base.checksums import check_checksum, with_checksum
from crlso._base.displays import display, drawing, facts
from crlso._base.files import read_text, replacing
from crlso._base.locks import holder
from crlso._base.plain import json_text, plain, typed
from crlso._base.tables import number, text_table
from crlso._version import __version__
from crlso.history import History, Trial, Trials
from crlso.journal import Journal
from crlso.objectives import VALUE, Objective, bounds_of, front, hypervolume, points_of

__all__ = ["Study"]

_HEAD = ("benchmark", "dataset", "objective", "objectives", "constraints", "method", "options", "seed", "budget")
_TAIL = ("optimum", "trajectory", "seconds", "diagnostics", "version", "environment")
LARGEST_FILE = 1 << 28  # bytes
_COLUMNS = ("number", "cell", "value", "test", "state", "asked", "error")  # of the table of trials
_OWN = "user_attrs_"
_MOST_CELLS = 6  # of a front that notebooks draw
STUDY_STATES = ("running", "complete", "stopped", "interrupted", "failed")


@dataclass(repr=False)
class Study:
    """The record of one search.

    The best trial has the highest value; the first one wins ties. Test accuracies are reported but never used to
    choose. If the value itself is a test accuracy, `objective` says so and no separate test accuracy is reported.

    Parameters
    ----------
    benchmark : str or None
        Name of the benchmark.
    dataset : str or None
        Dataset of the benchmark.
    method : str
        Name of the search method.
    seed : int
        Seed of the search.
    budget : int
        Number of queries allowed.
    options : dict
        Options of the method: ``crlso.search(benchmark, study.method, study.budget, study.seed, **study.options)``
        repeats the search. A saved study keeps an option that JSON cannot represent as text.
    history : History
        Trials and events.
    seconds : dict of str to float
        Wall-clock time by phase.
    diagnostics : dict
        Information that the method reports, such as counts of proposals.
    state : {"running", "complete", "stopped", "interrupted", "failed"}
        How the search ended: when the budget was spent, by :meth:`stop` or a callback, by Ctrl-C, or by an error.
    version : str
        Version of crlso that ran the search.
    environment : dict of str to str
        What the numbers may depend on besides the seed: ``isa`` (instruction set), ``blas``, ``blas_kernel``,
        ``compiler``, ``numpy``, ``python`` and ``machine``. Empty if unknown.
    objective : str or None
        What the value of a trial is, according to the benchmark: ``"validation"``, ``"test (oracle)"``, ``"validation
        (stand-in)"``, ``"simulated validation (test + noise)"`` or ``"value"``; None if unknown.
    optimum : float or None
        The highest value of the benchmark, from which regret is computed; None if unknown.
    objectives : sequence of str
        What the search was for: ``"value"``, and measures with a minus before those that were minimised.
    constraints : dict of str to str
        Bounds of measures, such as ``"<= 1.0"``, by name. Trials that do not satisfy those of measures that evaluations
        return are not feasible: they are neither best nor in the front.

    Raises
    ------
    ValueError
        If `state` is not one of the five.

    Examples
    --------
    >>> from crlso.history import Measurement
    >>> study = Study("mine", None, "random", seed=0, budget=3)
    >>> for i, value in enumerate([90.0, 92.0, 91.0]):
    ...     study.history.tell(study.history.ask(f"cell {i}", codes=[i], key=i), Measurement(value))
    >>> study.best.cell, study.n_queries, study.trajectory[-1]
    ('cell 1', 3, {'query': 2, 'value': 92.0, 'test': None})
    """

    benchmark: str | None
    dataset: str | None
    method: str
    seed: int
    budget: int
    options: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    seconds: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    state: str = "complete"
    version: str = __version__
    environment: dict[str, str] = field(default_factory=dict)
    objective: str | None = None
    optimum: float | None = None
    objectives: Sequence[str] = (VALUE,)
    constraints: dict[str, str] = field(default_factory=dict)
    _stopping: bool = field(default=False, init=False, compare=False)

    def __post_init__(self) -> None:
        if self.state not in STUDY_STATES:
            raise ValueError(f"state: expected one of {', '.join(STUDY_STATES)}, got {self.state!r:.100}")
        self.objectives = tuple(map(str, self._aims))
        limits = {name: text for name, text in self.constraints.items() if str(text).startswith(("<=", ">="))}
        self.history.bounds = bounds_of(limits)  # without functions of a cell, which all trials satisfy

    @property
    def _aims(self) -> list[Objective]:
        return [Objective.parse(text) for text in self.objectives]

    @property
    def trials(self) -> Trials:
        """Trials in the order in which they were asked for or observed."""
        return self.history.trials

    @property
    def n_queries(self) -> int:
        """Number of finished queries, failed ones included."""
        return self.history.n_queries

    @property
    def n_infeasible(self) -> int:
        """Number of complete trials that do not satisfy the constraints."""
        return len(self.history.complete) - len(self.history.feasible)

    @property
    def best(self) -> Trial:
        """The feasible trial with the highest value, the first in case of ties; ValueError if there is none."""
        return self.history.best

    @property
    def trajectory(self) -> list[dict[str, Any]]:
        """Improvements as dicts: ``query``, ``value`` (best so far) and ``test`` of that cell, or None."""
        return self.history.trajectory

    @property
    def front(self) -> Trials:
        """Feasible trials that no other dominates in the objectives, in descending order of the first objective.

        With one objective, it is the best trial.
        """
        aims = self._aims
        trials = [trial for trial in self.history.feasible if all(aim.of(trial) is not None for aim in aims)]
        return Trials(trials[i] for i in front(points_of(aims, trials)))

    @property
    def chosen(self) -> list[Trial]:
        """Trials that improved the best value or are in the front: those whose test accuracies are looked up."""
        found = {trial.number: trial for trial in (*(trial for _, trial in self.history.improvements), *self.front)}
        return [found[number] for number in sorted(found)]

    def hypervolume(self, reference: Mapping[str, float] | Sequence[float]) -> float:
        """Return the volume of objectives between a reference point and the front.

        Parameters
        ----------
        reference : mapping or sequence
            The worst number of each objective that counts, in its own unit: by the name of the measure, or in the order
            of :attr:`objectives`.

        Returns
        -------
        float
            In the product of the units of the objectives; 0 if no trial is better than the reference in all of them.

        Raises
        ------
        TypeError, ValueError
            If there is not one finite number for each objective.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> study = crlso.search(bench, "random", budget=30, objectives=["value", "-latency:pixel3"])
        >>> study.hypervolume({"value": 80.0, "latency:pixel3": 30.0}) > study.hypervolume([80.0, 20.0])
        True
        """
        names = [aim.name for aim in self._aims]
        given = reference if isinstance(reference, Mapping) else dict(zip(names, reference))
        if set(given) != set(names) or len(reference) != len(names):
            raise ValueError(f"reference: expected a number for each of {', '.join(names)}, got {reference!r:.100}")
        worst = [aim.sign * check_number(f"reference[{aim.name!r}]", given[aim.name]) for aim in self._aims]
        return hypervolume(points_of(self._aims, self.front), worst)

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopping

    def stop(self) -> None:
        """End the search after the query that is running; a callback or another thread calls this.

        :func:`crlso.search` then returns the study as usual, with the state ``"stopped"``. A study whose search is over
        does not change.

        Examples
        --------
        >>> import crlso
        >>> def good_enough(study, trial):
        ...     if study.best.value > 90:
        ...         study.stop()
        >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
        >>> study = crlso.search(benchmark, "random", callbacks=[good_enough])
        >>> study.state, study.best.value > 90, study.n_queries < 100
        ('stopped', True, True)
        """
        self._stopping = True

    def trials_dataframe(self) -> Any:
        """Return all trials as a table.

        Returns
        -------
        pandas.DataFrame
            One row per trial, with columns ``number``, ``cell`` (text), ``value``, ``test``, ``state``, ``asked`` and
            ``error``, a column for each further objective and for each measure with a bound, in its own unit, and a
            column for each key of ``user_attrs``. A key that is the name of one of these columns, or
            begins with ``user_attrs_``, has ``user_attrs_`` before it. Integers stay integers where some trials have
            none. :meth:`crlso.benchmarks.Tabular.from_csv` reads ``trials_dataframe().to_csv(path)``.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> study.trials_dataframe().shape[0]
        10
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("trials_dataframe needs pandas: pip install 'crlso[notebook]'") from error
        rows = [_row(trial) for trial in self.trials]
        names = dict.fromkeys((*_COLUMNS, *(name for row in rows for name in row)))
        frame = pandas.DataFrame(rows, columns=list(names))
        frame["value"] = frame["value"].astype("float64")
        for name in names:
            known = [row[name] for row in rows if row.get(name) is not None]
            if len(known) < len(rows) and known and all(map(is_int, known)):  # pandas would make floats of them
                with contextlib.suppress(OverflowError):
                    frame[name] = pandas.array([row.get(name) for row in rows], dtype="Int64")
        return frame

    def plot_trajectory(self, ax: Any = None, regret: bool | float = False) -> Any:
        """Plot the best value against the number of queries; see :func:`crlso.plotting.plot_trajectory`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        regret : bool or float
            Whether to plot regrets, or the value from which values are subtracted.

        Returns
        -------
        matplotlib.axes.Axes
            `ax`, or the axes of a new figure.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> ax = study.plot_trajectory()
        """
        from crlso.plotting import plot_trajectory

        return plot_trajectory(self, ax=ax, regret=regret)

    def plot_front(self, ax: Any = None, known: Any = None) -> Any:
        """Plot the trials and the front of two objectives; see :func:`crlso.plotting.plot_front`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        known : object, optional
            A benchmark, or points of shape (n, 2), whose front is drawn too, see :func:`crlso.plotting.plot_front`.

        Returns
        -------
        matplotlib.axes.Axes
            `ax`, or the axes of a new figure.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> study = crlso.search(bench, "nsga2", 20, objectives=["value", "-parameters"], progress=False)
        >>> ax = study.plot_front()
        """
        from crlso.plotting import plot_front

        return plot_front(self, ax=ax, known=known)

    def to_dict(self) -> dict[str, Any]:
        """Return the study as a document of plain data.

        Returns
        -------
        dict
            ``benchmark``, ``dataset``, ``objective``, ``objectives``, ``constraints``, ``method``, ``options``,
            ``seed``, ``budget``, ``n_queries``, ``n_infeasible``, ``best`` (``cell``, ``index``, ``value``, ``test``),
            ``front`` (the same and ``objectives`` of each cell), ``optimum``, ``trajectory`` (``query``, ``value``,
            ``test`` of each improvement), ``seconds`` by phase, ``diagnostics``, ``version``, ``environment``. Unknown
            values are None; there is no NaN or infinity.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> study.to_dict()["budget"]
        10
        """
        nothing = dict.fromkeys(("cell", "index", "value", "test"))
        document = {
            **{name: getattr(self, name) for name in (*_HEAD, "n_queries", "n_infeasible")},
            "best": self.best.result() if self.trajectory else nothing,
            "front": [{**trial.result(), "objectives": self._further(trial)} for trial in self.front],
            **{name: getattr(self, name) for name in _TAIL},
        }
        found: dict[str, Any] = plain(document)
        return found

    def _further(self, trial: Trial) -> dict[str, float | None]:
        """The objectives of a trial beside the value, in their units."""
        return {aim.name: aim.of(trial) for aim in self._aims if aim.name != VALUE}

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as strict JSON.

        Parameters
        ----------
        indent : int, optional
            Spaces per level; one line by default.

        Returns
        -------
        str
            One JSON object, without NaN or infinity.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> study.to_json()[0]
        '{'
        """
        return json_text(self.to_dict(), indent)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the study to a JSON file atomically.

        The file is the document of :meth:`to_dict` with ``space``, ``state``, ``trials`` and ``events`` added, and with
        a checksum at its end, ``crc32``, by which :meth:`load` sees damage.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced.

        Raises
        ------
        OSError
            If the file cannot be written. An existing file is then unchanged.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "study.json"
        >>> study.save(path)
        >>> Study.load(path).best.value == study.best.value
        True
        """
        space = next((s for s in (getattr(t.cell, "space", None) for t in self.trials) if isinstance(s, str)), None)
        document = {**self.to_dict(), "space": space, "state": self.state, **self.history.to_dict()}
        with replacing(path) as stream:
            stream.write(with_checksum(document))

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: Any = None) -> Study:
        """Read a study written by :meth:`save`.

        Parameters
        ----------
        path : path-like
            The file.
        space : object, optional
            The space of the cells, with ``cell(codes)``. Required for a space that is not part of crlso.

        Returns
        -------
        Study

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is not a saved study, is damaged, or has more than 256 MiB. The message names the file and the
            problem.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "study.json"
        >>> study.save(path)
        >>> Study.load(path).n_queries
        10
        """
        text = read_text(path, LARGEST_FILE)
        try:
            document = json.loads(text, parse_constant=_refuse)
            study = cls._from_document(document, space)
            check_checksum(text.encode("utf-8"))
            return study
        except KeyError as error:
            raise ValueError(f"{path}: expected a file of Study.save, got one without {error.args[0]!r}") from None
        except (ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path}: expected a file of Study.save: {error}") from error

    @classmethod
    def open(cls, path: str | os.PathLike[str], space: Any = None) -> Study:
        """Read the journal of a search, whether it is over, was killed or is running in another process.

        Parameters
        ----------
        path : path-like
            A file that :func:`crlso.search` wrote, see its argument `journal`. It is not changed.
        space : object, optional
            The space of the cells, with ``cell(codes)``. Required for a space that is not part of crlso.

        Returns
        -------
        Study
            Test accuracies are those that the last run looked up at its end; there are no diagnostics.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is not a journal, or is damaged. The message names the line and its first byte.

        Examples
        --------
        >>> import crlso, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "run.jsonl")
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", budget=5, journal=path)
        >>> Study.open(path).best == study.best
        True
        """
        journal = Journal.read(path)
        journal.check()
        head, stopped = journal.head, journal.stopped
        if head is None:
            raise ValueError(f"{os.fspath(path)}: expected a journal, got a file without a whole line")
        if stopped is None:
            state = "interrupted" if holder(path) is None else "running"
        else:
            state = stopped["state"]
        study = cls(
            benchmark=head.get("benchmark"),
            dataset=head.get("dataset"),
            objective=head.get("objective"),
            objectives=head.get("objectives", (VALUE,)),
            constraints=head.get("constraints", {}),
            method=head["method"],
            options=head["options"],
            seed=head["seed"],
            budget=journal.budget,
            history=journal.history(_cell_maker(head.get("space")) if space is None else space.cell),
            state=state,
            version=head["version"],
            environment=head["environment"],
        )
        study._take_results(journal)
        return study

    def _take_results(self, journal: Journal) -> None:
        """Take over what the last run that ended looked up."""
        for entry in reversed(journal.entries):
            if entry.kind != "stopped":
                continue
            with journal.reading(entry):
                self.seconds = _seconds(entry.document)
                self.optimum = typed(entry.document, "optimum", float, optional=True)
                for found in typed(entry.document, "results", list):
                    number = typed(found, "number", int)
                    if not 0 <= number < len(self.trials):
                        raise ValueError(f"number: expected one of {len(self.trials)} trials, got {number}")
                    trial = self.trials[number]
                    trial.index = typed(found, "index", int, optional=True)
                    trial.test = typed(found, "test", float, optional=True)
            return

    def fingerprint(self) -> Any:
        """Return what identifies the study where it is an option of another search: its results.

        Returns
        -------
        object
            Plain data.

        Examples
        --------
        >>> import crlso
        >>> study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "random", 10, 0, progress=False)
        >>> study.fingerprint() == study.fingerprint()
        True
        """
        return [(trial.cell, trial.value) for trial in self.history.complete]

    @classmethod
    def _from_document(cls, document: Any, space: Any) -> Study:
        if not isinstance(document, dict):
            raise ValueError(f"expected a JSON object, got {type(document).__name__}")
        if space is not None:
            make_cell = space.cell
        else:
            make_cell = _cell_maker(document["space"]) if document["trials"] else None
        return cls(
            benchmark=typed(document, "benchmark", str, optional=True),
            dataset=typed(document, "dataset", str, optional=True),
            method=typed(document, "method", str),
            seed=typed(document, "seed", int),
            budget=typed(document, "budget", int),
            options=typed(document, "options", dict),
            history=History.from_dict(document, make_cell),
            seconds=_seconds(document),
            diagnostics=typed(document, "diagnostics", dict),
            state=typed(document, "state", str),
            version=typed(document, "version", str),
            environment=typed({"environment": {}, **document}, "environment", dict),  # older files have none
            objective=typed(document, "objective", str, optional=True),
            objectives=typed({"objectives": [VALUE], **document}, "objectives", list),  # older files have none
            constraints=typed({"constraints": {}, **document}, "constraints", dict),
            optimum=typed(document, "optimum", float, optional=True),
        )

    def summary(self) -> list[tuple[str, str]]:
        """Return what ``str`` shows as rows: names and texts.

        Returns
        -------
        list of (str, str)
            A pair for each row, in the order shown.

        Examples
        --------
        >>> Study("mine", None, "random", seed=0, budget=3).summary()[0]
        ('benchmark', 'mine')
        """
        where = " / ".join(part for part in (self.benchmark, self.dataset) if part) or "unknown"
        rows = [("benchmark", where), ("method", f"{self.method} (seed {self.seed})")]
        if self.trajectory:
            best = self.best
            rows.append(("best cell", str(best.cell)))
            rows += [("index", str(best.index))] if best.index is not None else []
            rows.append((self.objective or "value", number(best.value)))
            rows += [("test", number(best.test))] if best.test is not None else []
        if len(self.objectives) > 1:
            rows.append(("front", f"{len(self.front)} cells by {', '.join(self.objectives)}"))
        if self.constraints:
            rows.append(("constraints", "; ".join(f"{name} {text}" for name, text in self.constraints.items())))
        failed = sum(trial.state == "failed" for trial in self.trials)
        counts = {"failed": failed, "not feasible": self.n_infeasible}
        queries = ", ".join([f"{self.n_queries} of {self.budget}", *(f"{n} {what}" for what, n in counts.items() if n)])
        rows.append(("queries", queries + (f" ({self.state})" if self.state != "complete" else "")))
        phases = ", ".join(f"{name} {value:.1f}" for name, value in self.seconds.items())
        rows.append(("seconds", f"{sum(self.seconds.values()):.1f}" + (f" ({phases})" if phases else "")))
        return rows

    def __str__(self) -> str:
        return text_table(self.summary())

    def __repr__(self) -> str:
        where = "/".join(part for part in (self.benchmark, self.dataset) if part) or "unknown benchmark"
        text = f"{where}, {self.method}, seed {self.seed}: {self.n_queries} of {self.budget} queries"
        if self.trajectory:
            best = self.best
            test = best.test
            what = "" if self.objective in (None, "validation") else f"{self.objective} "
            text += f", best {what}{number(best.value)}" + (f" (test {number(test)})" if test is not None else "")
            text += f" {best.cell}"
        return f"Study({text}{'' if self.state == 'complete' else ', ' + self.state})"

    def _repr_html_(self) -> str:
        cells = self.front[:_MOST_CELLS] if self.trajectory else []
        return display(facts(self.summary()), *(drawing(trial.cell) for trial in cells))


def _row(trial: Trial) -> dict[str, Any]:
    """The row of a trial in a table, with its user attributes under names that no column has."""
    document = trial.to_dict()
    row = {name: document[name] for name in _COLUMNS}
    row |= {name: x for kind in ("constraints", "objectives") for name, x in document[kind].items() if name not in row}
    if row["error"] is not None:
        row["error"] = row["error"].replace("\r", "\n")  # which writers of CSV files do not quote
    for key, value in trial.user_attrs.items():
        taken = key in row or str(key).startswith(_OWN)
        row[f"{_OWN}{key}" if taken else key] = value
    return row


def _seconds(document: Any) -> dict[str, float]:
    """Read the seconds by phase."""
    seconds = typed(document, "seconds", dict)
    return {phase: typed(seconds, phase, float) for phase in seconds}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _cell_maker(space: Any) -> Any:
    """Return a function that makes cells of a space of crlso from their codes."""
    import crlso.spaces as spaces

    def make_cell(codes: Any) -> Any:
        try:
            return spaces.Cell(space, codes)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{error} (give `space` for a space of your own)") from None

    return make_cell
