"""What a search leaves behind: its trials, its best cell and how it got there."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crlso._base.files import write_text
from crlso._base.plain import plain
from crlso._base.tables import drawing, html_table, number, text_table
from crlso._version import __version__
from crlso.history import Trial

__all__ = ["Study"]

STUDY_STATES = ("running", "complete", "interrupted", "failed")


@dataclass(repr=False)
class Study:
    """The record of one search.

    The best trial is the one with the highest value, the first of equals. Test accuracies are reported beside it and
    play no part in the choice. Where the value is a test accuracy itself, `objective` says so, and none is reported
    beside it as if it were another measurement.

    Parameters
    ----------
    benchmark : str or None
        Name of the benchmark.
    dataset : str or None
        Its dataset.
    method : str
        Name of the search method.
    seed : int
        Seed of the search: the same method, options and seed repeat it.
    budget : int
        Queries that were allowed.
    trials : list of Trial
        In the order they were asked for.
    seconds : dict of str to float
        Wall-clock time by phase.
    diagnostics : dict
        What the method reports about itself.
    state : {"running", "complete", "interrupted", "failed"}
        How the search ended.
    version : str
        Version of crlso that ran it.
    objective : str or None
        What the value of a trial is, as the benchmark says: ``"validation"``, ``"test (oracle)"``, ``"validation
        (stand-in)"``, ``"simulated validation (test + noise)"``, ``"value"``; None when it does not say.

    Examples
    --------
    >>> study = Study("mine", None, "random", seed=0, budget=3)
    >>> study.trials = [Trial(i, f"cell {i}", value, "complete") for i, value in enumerate([90.0, 92.0, 91.0])]
    >>> study.best.cell, study.n_queries, study.trajectory
    ('cell 1', 3, [[1, 90.0, None], [2, 92.0, None]])
    """

    benchmark: str | None
    dataset: str | None
    method: str
    seed: int
    budget: int
    trials: list[Trial] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    state: str = "complete"
    version: str = __version__
    objective: str | None = None

    def __post_init__(self) -> None:
        if self.state not in STUDY_STATES:
            raise ValueError(f"state: expected one of {', '.join(STUDY_STATES)}, got {self.state!r:.100}")

    @property
    def n_queries(self) -> int:
        """Number of evaluations that came back, failed ones included."""
        return sum(trial.state != "pending" for trial in self.trials)

    @property
    def improvements(self) -> list[tuple[int, Trial]]:
        """``(query, trial)`` of each trial that was better than all before it; queries are counted from 1."""
        found: list[tuple[int, Trial]] = []
        best = -math.inf
        for query, trial in enumerate((trial for trial in self.trials if trial.state != "pending"), start=1):
            if trial.value is not None and trial.value > best:
                best = trial.value
                found.append((query, trial))
        return found

    @property
    def best(self) -> Trial:
        """The complete trial with the highest value, the first of equals.

        Raises
        ------
        ValueError
            When no trial is complete.
        """
        improvements = self.improvements
        if not improvements:
            raise ValueError(f"study: expected a complete trial, got none among {len(self.trials)}")
        return improvements[-1][1]

    @property
    def trajectory(self) -> list[list[Any]]:
        """``[query, best value so far, test accuracy of that cell or None]``, one entry per improvement."""
        return [[query, trial.value, trial.user_attrs.get("test")] for query, trial in self.improvements]

    def trials_dataframe(self) -> Any:
        """All trials as a table.

        Returns
        -------
        pandas.DataFrame
            One row per trial: number, cell (text), value, state, and a column per key of ``user_attrs``.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("trials_dataframe needs pandas: pip install 'crlso[notebook]'") from error
        columns = ["number", "cell", "value", "state"]
        own = dict.fromkeys(key for trial in self.trials for key in trial.user_attrs)
        columns += [key for key in own if key not in columns]
        rows = [
            {
                **trial.user_attrs,
                "number": trial.number,
                "cell": str(trial.cell),
                "value": trial.value,
                "state": trial.state,
            }
            for trial in self.trials
        ]
        frame = pandas.DataFrame(rows, columns=columns)
        frame["value"] = frame["value"].astype("float64")
        return frame

    def plot_trajectory(self, ax: Any = None, regret: bool | float = False) -> Any:
        """Draw the best value against the number of queries; see :func:`crlso.plotting.plot_trajectory`."""
        from crlso.plotting import plot_trajectory

        return plot_trajectory(self, ax=ax, regret=regret)

    def to_dict(self) -> dict[str, Any]:
        """The study as one document of plain data.

        Returns
        -------
        dict
            ``benchmark``, ``dataset``, ``method``, ``seed``, ``budget``, ``n_queries``, ``best`` (``cell``,
            ``index``, ``val``, which is the value, ``test``), ``trajectory`` (lists of query, best value, its test),
            ``seconds`` by phase, ``diagnostics``, ``version``, ``objective``. None for what is unknown; no NaN and no
            infinity.
        """
        best = self.improvements[-1][1] if self.improvements else None
        attrs = {} if best is None else best.user_attrs
        document = {
            "benchmark": self.benchmark,
            "dataset": self.dataset,
            "method": self.method,
            "seed": self.seed,
            "budget": self.budget,
            "n_queries": self.n_queries,
            "best": {
                "cell": None if best is None else str(best.cell),
                "index": attrs.get("index"),
                "val": None if best is None else best.value,
                "test": attrs.get("test"),
            },
            "trajectory": self.trajectory,
            "seconds": self.seconds,
            "diagnostics": self.diagnostics,
            "version": self.version,
            "objective": self.objective,
        }
        found: dict[str, Any] = plain(document)
        return found

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as strict JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the study to a file, all of it or nothing.

        The file is the document of :meth:`to_dict` with ``space``, ``state`` and ``trials`` added.

        Parameters
        ----------
        path : path-like
            Where to; an existing file is replaced.

        Raises
        ------
        OSError
            When it cannot be written; an existing file is then as it was.
        """
        space = next((s for s in (getattr(t.cell, "space", None) for t in self.trials) if isinstance(s, str)), None)
        document = {**self.to_dict(), "space": space, "state": self.state}
        document["trials"] = [trial.to_dict() for trial in self.trials]
        write_text(path, json.dumps(document, allow_nan=False, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: Any = None) -> Study:
        """Read a study that :meth:`save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        space : optional
            The space of the cells, an object with ``cell(codes)``; needed for spaces that are not part of crlso.

        Returns
        -------
        Study

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            When it is no such file; the message names the file and what is wrong.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
            return cls._from_document(document, space)
        except KeyError as error:
            raise ValueError(f"{path}: expected a file of Study.save, got one without {error.args[0]!r}") from None
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ValueError(f"{path}: expected a file of Study.save: {error}") from error

    @classmethod
    def _from_document(cls, document: Any, space: Any) -> Study:
        if not isinstance(document, dict):
            raise ValueError(f"expected a JSON object, got {type(document).__name__}")
        entries = document["trials"]
        if space is not None:
            make_cell = space.cell
        else:
            make_cell = _cell_maker(document["space"]) if entries else None
        trials = [
            Trial(
                _typed(entry, "number", int),
                make_cell(entry["codes"]),
                _typed(entry, "value", float, None),
                _typed(entry, "state", str),
                _typed(entry, "user_attrs", dict),
            )
            for entry in entries
        ]
        return cls(
            benchmark=_typed(document, "benchmark", str, None),
            dataset=_typed(document, "dataset", str, None),
            method=_typed(document, "method", str),
            seed=_typed(document, "seed", int),
            budget=_typed(document, "budget", int),
            trials=trials,
            seconds=_typed(document, "seconds", dict),
            diagnostics=_typed(document, "diagnostics", dict),
            state=_typed(document, "state", str),
            version=_typed(document, "version", str),
            objective=_typed(document, "objective", str, None) if "objective" in document else None,
        )

    def _summary(self) -> list[tuple[str, str]]:
        """Rows of the tables: name and text."""
        where = " / ".join(part for part in (self.benchmark, self.dataset) if part) or "unknown"
        rows = [("benchmark", where), ("method", f"{self.method} (seed {self.seed})")]
        if self.improvements:
            best = self.best
            rows.append(("best cell", str(best.cell)))
            rows += [("index", str(best.user_attrs["index"]))] if best.user_attrs.get("index") is not None else []
            rows.append((self.objective or "value", number(best.value)))
            rows += [("test", number(best.user_attrs["test"]))] if best.user_attrs.get("test") is not None else []
        failed = sum(trial.state == "failed" for trial in self.trials)
        queries = f"{self.n_queries} of {self.budget}" + (f", {failed} failed" if failed else "")
        rows.append(("queries", queries + (f" ({self.state})" if self.state != "complete" else "")))
        phases = ", ".join(f"{name} {value:.1f}" for name, value in self.seconds.items())
        rows.append(("seconds", f"{sum(self.seconds.values()):.1f}" + (f" ({phases})" if phases else "")))
        return rows

    def __str__(self) -> str:
        return text_table(self._summary())

    def __repr__(self) -> str:
        where = "/".join(part for part in (self.benchmark, self.dataset) if part) or "unknown benchmark"
        text = f"{where}, {self.method}, seed {self.seed}: {self.n_queries} of {self.budget} queries"
        if self.improvements:
            best = self.best
            test = best.user_attrs.get("test")
            what = "" if self.objective in (None, "validation") else f"{self.objective} "
            text += f", best {what}{number(best.value)}" + (f" (test {number(test)})" if test is not None else "")
            text += f" {best.cell}"
        return f"Study({text}{'' if self.state == 'complete' else ', ' + self.state})"

    def _repr_html_(self) -> str:
        return html_table(self._summary()) + (drawing(self.best.cell) if self.improvements else "")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_REQUIRED = object()


def _typed(entry: dict[str, Any], key: str, kind: type, default: Any = _REQUIRED) -> Any:
    """``entry[key]``, checked to be of a kind, or None where `default` is None."""
    value: Any = entry[key]
    if value is None and default is None:
        return None
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise ValueError(f"{key}: expected {kind.__name__}, got {value!r:.100}")
    return kind(value)


def _cell_maker(space: Any) -> Any:
    """What makes a cell out of codes, for the spaces of crlso."""
    import crlso.spaces as spaces

    def make_cell(codes: Any) -> Any:
        try:
            return spaces.Cell(space, codes)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{error} (give `space` for a space of your own)") from None

    return make_cell
