"""The result of a comparison: statistics over seeds, intervals, and paired tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crlso._base.displays import columns, display, heading, note
from crlso._base.plain import json_text
from crlso._version import __version__
from crlso.comparison.checkpoints import checked_checkpoints
from crlso.comparison.latex import latex_table
from crlso.comparison.loading import load_records
from crlso.comparison.records import KEYS, Record
from crlso.comparison.statistics import bootstrap_interval, queries_for_share, signed_rank_test

__all__ = ["LEVEL", "Comparison", "query_of_optimum"]

LEVEL = 1e-9  # a value this close to the optimum counts as the optimum


@dataclass(repr=False)
class Comparison:
    """The result of :func:`compare`.

    Parameters
    ----------
    records : list of dict
        One record of plain data per search. A search is identified by ``label``, ``method``, ``options``,
        ``benchmark``, ``dataset``, ``objective``, ``seed``, ``budget``, ``version`` and ``fingerprint`` (None without
        a file). Its results are ``state`` ("complete" or "failed") and ``error``; ``cell``, ``index``, ``value`` and
        ``test`` of the best cell; ``trajectory``, a list of ``query``, best ``value`` and ``test`` of that cell;
        ``optimum``, the highest value of the benchmark, or None; ``n_queries``; ``seconds`` by phase; and ``sources``,
        the number of cells that each source proposed, or None; and ``space``, the name of the space of ``cell``. A
        search for more than the value also has ``objectives`` and ``constraints``, and with several objectives
        ``volumes``, a list of ``query`` and ``volume`` of the front, and ``best_volume``, that of the front of all
        cells; both are None if this is not known.
    checkpoints : tuple of int
        Numbers of queries after which methods are compared.

    Examples
    --------
    >>> record = {"benchmark": "mine", "dataset": None, "objective": "value", "label": "a", "seed": 0, "budget": 9}
    >>> record |= {"state": "complete", "optimum": 7.0, "trajectory": [
    ...     {"query": 1, "value": 5.0, "test": None}, {"query": 4, "value": 7.0, "test": 6.5}
    ... ]}
    >>> record |= {"n_queries": 9, "seconds": {"search": 0.9, "evaluation": 60.0}}
    >>> document = Comparison([record], (3, 9)).to_dict()
    >>> [(row["checkpoint"], row["value_mean"], row["test_mean"], row["regret_mean"]) for row in document["results"]]
    [(3, 5.0, None, 2.0), (9, 7.0, 6.5, 0.0)]
    >>> document["queries_to_optimum"], document["seconds_per_query"]
    ({'a': {'median': 4, 'q90': 4}}, {'a': 0.1})
    """

    records: list[Record]
    checkpoints: tuple[int, ...]

    @property
    def failures(self) -> list[Record]:
        """Records of the searches that failed."""
        return [record for record in self.records if record["state"] == "failed"]

    @property
    def problems(self) -> list[dict[str, Any]]:
        """The ``benchmark`` and ``dataset`` of each problem that was searched, as arguments of :meth:`plot`."""
        found = {(record["benchmark"], record["dataset"]): None for record in self.records}
        return [{"benchmark": benchmark, "dataset": dataset} for benchmark, dataset in found]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data.

        Returns
        -------
        dict
            For one benchmark, a document with the keys below; unknown numbers are None. For several benchmarks,
            ``comparisons``, a list of such documents, and ``version``.

            - ``benchmark``, ``dataset``, ``objective``, ``seeds`` (their number), ``budget``.
            - ``results``: a row per method and checkpoint. ``n`` is the number of searches that have a value by then.
              ``value``, ``test`` and ``regret`` each have ``_mean``, ``_median``, ``_sd`` (over seeds) and ``_ci``
              (bootstrap interval of the mean). ``at_optimum`` is the share of complete searches at the optimum.
              ``hypervolume_regret`` has the same four: the percentage of the hypervolume of the front of all cells that
              a search for several objectives lacks. Volumes are above the median value and the worst number of each
              measure; a measure that is positive counts by its logarithm.
            - ``queries_to_optimum``: by method, the numbers of queries after which half of the searches (``median``)
              and 90 % (``q90``) have reached the optimum.
            - ``seconds_per_query``: time of the method, without evaluations.
            - ``paired``: p-values of signed rank tests over equal seeds, of values, or of hypervolume regrets where
              these are known; not corrected for their number.
            - ``sources``: by method, the share of cells that each source proposed, or None.
            - ``failed``: number of failed searches.
            - ``version``: of crlso.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> found = crlso.compare(bench, ["random", "local"], seeds=2, budget=8, progress=False)
        >>> sorted(found.to_dict())[:3]
        ['benchmark', 'budget', 'dataset']
        """
        documents = [self._document(records) for records in self._groups().values()]
        if len(documents) == 1:
            return documents[0]
        return {"comparisons": documents, "version": __version__}

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
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> found = crlso.compare(bench, ["random", "local"], seeds=2, budget=8, progress=False)
        >>> found.to_json()[0]
        '{'
        """
        return json_text(self.to_dict(), indent)

    def table(self) -> list[dict[str, Any]]:
        """Return rows of ``results`` of all benchmarks, with ``benchmark`` and ``dataset``, for ``pandas.DataFrame``.

        Returns
        -------
        list of dict
            One row per benchmark, method and checkpoint.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> found = crlso.compare(bench, ["random", "local"], seeds=2, budget=8, progress=False)
        >>> [row["method"] for row in found.table()]
        ['random', 'local']
        """
        found = self.to_dict()
        return [
            {"benchmark": document["benchmark"], "dataset": document["dataset"], **row}
            for document in found.get("comparisons", [found])
            for row in document["results"]
        ]

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], budget: int | None = None, checkpoints: Sequence[int] | None = None
    ) -> Comparison:
        """Read the file that :func:`compare` wrote with `path`, or ``crlso compare --out``, also while it is written.

        Parameters
        ----------
        path : path-like
            The file. It is not changed.
        budget : int, optional
            Which searches to take from a file that has some of several budgets.
        checkpoints : sequence of int, optional
            Numbers of queries after which to compare; by default :data:`CHECKPOINTS`.

        Returns
        -------
        Comparison
            Of searches that were run again, by another version of crlso or because code changed, the last result
            counts; a warning is logged.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it has lines of something else, no search, or searches of several budgets and none is given.

        Examples
        --------
        >>> import crlso, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "runs.jsonl")
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> comparison = crlso.compare(bench, ["local", "random"], seeds=2, budget=10, path=path)
        >>> str(Comparison.load(path)) == str(comparison)
        True
        """
        records = load_records(path, budget)
        return cls(records, checked_checkpoints(checkpoints, records[0]["budget"]))

    def to_dataframe(self) -> Any:
        """Return :meth:`table` as a table of pandas; the ends of an interval are two columns.

        Returns
        -------
        pandas.DataFrame
            A row for each benchmark, method and checkpoint. Columns: ``benchmark``, ``dataset``, ``method``,
            ``checkpoint``, ``n``; ``value``, ``test`` and ``regret``, each with ``_mean``, ``_median``, ``_sd``,
            ``_ci_low`` and ``_ci_high``; and ``at_optimum``. Unknown numbers are NaN.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> frame = crlso.compare(bench, ["local", "random"], seeds=3, budget=10).to_dataframe()
        >>> frame[["method", "checkpoint", "n"]].values.tolist()
        [['local', 10, 3], ['random', 10, 3]]
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe needs pandas: pip install 'crlso[notebook]'") from error
        rows = []
        for row in self.table():
            flat: dict[str, Any] = {}
            for name, entry in row.items():
                ends = (None, None) if entry is None else entry
                flat |= dict(zip((f"{name}_low", f"{name}_high"), ends)) if name.endswith("_ci") else {name: entry}
            rows.append(flat)
        frame = pandas.DataFrame(rows)
        numbers = [name for name in frame if str(name).startswith(("value_", "test_", "regret_", "at_"))]
        return frame.astype(dict.fromkeys(numbers, "float64"))

    def to_latex(self, measure: str = "value", checkpoint: int | None = None, digits: int = 2) -> str:
        """Return a LaTeX table: a row for each method, a column for each benchmark, the best mean of each in bold.

        Parameters
        ----------
        measure : {"value", "test", "regret"}
            What to show: mean and standard deviation over the searches.
        checkpoint : int, optional
            Number of queries, one of the checkpoints; by default the budget.
        digits : int
            Number of decimals. Methods whose means are equal to the best one in these are all marked.

        Returns
        -------
        str
            A ``tabular`` with the rules of the package booktabs.

        Raises
        ------
        TypeError, ValueError
            If an argument is none of these, or the measure is unknown for all benchmarks.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> comparison = crlso.compare(bench, ["local", "random"], seeds=3, budget=30)
        >>> print(comparison.to_latex(digits=1))  # doctest: +ELLIPSIS
        % value: mean and standard deviation over searches, best mean in bold; needs the package booktabs
        \\begin{tabular}{lr}
        ...
        """
        found = self.to_dict()
        return latex_table(found.get("comparisons", [found]), measure, checkpoint, digits)

    def plot(
        self, ax: Any = None, regret: bool | float = False, benchmark: str | None = None, dataset: str | None = None
    ) -> Any:
        """Plot mean values or regrets against queries; see :func:`crlso.plotting.plot_comparison`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure by default.
        regret : bool or float
            Whether to plot regrets, or the value from which values are subtracted.
        benchmark, dataset : str, optional
            Which one, if there are several.

        Returns
        -------
        matplotlib.axes.Axes
            `ax`, or the axes of a new figure.

        Examples
        --------
        >>> import crlso
        >>> bench = crlso.benchmarks.NASBench201("cifar10")
        >>> found = crlso.compare(bench, ["random", "local"], seeds=2, budget=8, progress=False)
        >>> ax = found.plot()
        """
        from crlso.plotting import plot_comparison

        return plot_comparison(self, ax, regret, benchmark, dataset)

    def plot_optimum(self, ax: Any = None, benchmark: str | None = None, dataset: str | None = None) -> Any:
        """Plot the share of searches at the optimum by query; see :func:`crlso.plotting.plot_optimum`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.
        benchmark, dataset : str, optional
            Selects one benchmark of a comparison on several.

        Returns
        -------
        matplotlib.axes.Axes
            `ax`, or the axes of a new figure.

        Examples
        --------
        >>> import crlso
        >>> benchmark = crlso.benchmarks.NASBench201("cifar10")
        >>> ax = crlso.compare(benchmark, ["local", "random"], seeds=4, budget=20).plot_optimum()
        """
        from crlso.plotting import plot_optimum

        return plot_optimum(self, ax, benchmark, dataset)

    def _groups(self) -> dict[Any, list[Record]]:
        groups: dict[Any, list[Record]] = {}
        for record in self.records:
            groups.setdefault(tuple(record[key] for key in KEYS[:3]), []).append(record)
        return groups

    def _document(self, records: list[Record]) -> dict[str, Any]:
        methods: dict[str, list[Record]] = {record["label"]: [] for record in records}
        for record in records:
            if record["state"] == "complete":
                methods[record["label"]].append(record)
        rows = [
            {"method": label, "checkpoint": mark, **_statistics(done, mark)}
            for label, done in methods.items()
            for mark in self.checkpoints
        ]
        reached = {label: [query_of_optimum(record) for record in done] for label, done in methods.items()}
        first = records[0]
        return {
            **{key: first[key] for key in KEYS[:3]},
            "seeds": len({record["seed"] for record in records}),
            "budget": first["budget"],
            "results": rows,
            "queries_to_optimum": {
                label: {"median": queries_for_share(queries, 0.5), "q90": queries_for_share(queries, 0.9)}
                for label, queries in reached.items()
            },
            "seconds_per_query": {label: _seconds_per_query(done) for label, done in methods.items()},
            "paired": [
                {"a": a, "b": b, "checkpoint": mark, "p": _paired(methods[a], methods[b], mark)}
                for a, b in itertools.combinations(methods, 2)
                for mark in self.checkpoints
            ],
            "sources": {label: _shares_of_sources(done) for label, done in methods.items()},
            "failed": sum(record["state"] == "failed" for record in records),
            "version": __version__,
        }

    def _tables(self) -> list[tuple[str, list[list[str]], str]]:
        """Title, rows of text (header first) and note of the table of each benchmark."""
        found = self.to_dict()
        tables = []
        for document in found.get("comparisons", [found]):
            where = " / ".join(part for part in (document["benchmark"], document["dataset"]) if part) or "unknown"
            title = f"{where}: {document['seeds']} seeds, {document['budget']} queries, value = {document['objective']}"
            has_fronts = any(row["hypervolume_regret_mean"] is not None for row in document["results"])
            further = ["front regret %", "95 %"] if has_fronts else []
            rows = [["method", "queries", "value", "95 %", "test", "regret", "at optimum", *further]]
            for row in document["results"]:
                share = "" if row["at_optimum"] is None else f"{100 * row['at_optimum']:.0f} %"
                numbers = [_digits(row[key]) for key in ("value_mean", "test_mean", "regret_mean")]
                regret = [_digits(row["hypervolume_regret_mean"]), _interval(row["hypervolume_regret_ci"])]
                mark, interval = str(row["checkpoint"]), _interval(row["value_ci"])
                rows.append([row["method"], mark, numbers[0], interval, *numbers[1:], share, *regret[: len(further)]])
            tables.append((title, rows, _note(document)))
        return tables

    def __str__(self) -> str:
        texts = []
        for title, rows, remark in self._tables():
            widths = [max(map(len, column)) for column in zip(*rows)]
            lines = [
                "  ".join([row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:]))])
                for row in rows
            ]
            texts.append("\n".join([title, *(line.rstrip() for line in lines), remark]))
        return "\n\n".join(texts)

    def __repr__(self) -> str:
        methods = ", ".join(dict.fromkeys(record["label"] for record in self.records))
        return f"Comparison({methods}: {len(self.records)} searches, {len(self.failures)} failed)"

    def _repr_html_(self) -> str:
        parts = []
        for title, (header, *rows), remark in self._tables():
            parts += [heading(title), columns(header, rows), note(remark)]
        return display(*parts)


def _result_at(record: Record, mark: int) -> tuple[float, float | None] | None:
    """Best value after `mark` queries and the test accuracy of that cell; None if there is no value yet."""
    known = [(entry["value"], entry["test"]) for entry in record["trajectory"] if entry["query"] <= mark]
    return known[-1] if known else None


def _front_regret_at(record: Record, mark: int) -> float | None:
    """Percentage of the hypervolume that a search lacks after `mark` queries; None if it is not known."""
    best, volumes = record.get("best_volume"), record.get("volumes")
    if best is None or volumes is None:
        return None
    found = [entry["volume"] for entry in volumes if entry["query"] <= mark]
    return max(0.0, 100.0 * (1.0 - found[-1] / best)) if found else 100.0


def _statistics(done: list[Record], mark: int) -> dict[str, Any]:
    """Statistics of the complete searches of a method at a checkpoint."""
    states = [(record, _result_at(record, mark)) for record in done]
    known = [(record["optimum"], *state) for record, state in states if state is not None]
    values = [value for _, value, _ in known]
    tests = [test for _, _, test in known if test is not None]
    regrets = [max(0.0, best - value) for best, value, _ in known if best is not None]
    has_optimum = bool(done) and all(record["optimum"] is not None for record in done)
    reached = [query is not None and query <= mark for query in map(query_of_optimum, done)]
    lacks = [lack for record in done if (lack := _front_regret_at(record, mark)) is not None]
    return {
        "n": len(known),
        **_summary("value", values),
        **_summary("test", tests if len(tests) == len(known) else []),
        **_summary("regret", regrets if len(regrets) == len(known) else []),
        "at_optimum": sum(reached) / len(done) if has_optimum else None,
        **_summary("hypervolume_regret", lacks if len(lacks) == len(done) else []),
    }


def _summary(name: str, values: list[float]) -> dict[str, Any]:
    interval = bootstrap_interval(values)
    return {
        f"{name}_mean": float(np.mean(values)) if values else None,
        f"{name}_median": float(np.median(values)) if values else None,
        f"{name}_sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        f"{name}_ci": None if interval is None else list(interval),
    }


def query_of_optimum(record: Record) -> int | None:
    """Return the query at which a search found the optimum.

    Parameters
    ----------
    record : dict
        A record of :class:`Comparison`.

    Returns
    -------
    int or None
        Counted from 1; None if the search did not find the optimum, or the optimum is unknown.

    Examples
    --------
    >>> steps = [{"query": 1, "value": 5.0, "test": None}, {"query": 4, "value": 7.0, "test": None}]
    >>> query_of_optimum({"optimum": 7.0, "trajectory": steps})
    4
    """
    best = record["optimum"]
    return next(
        (entry["query"] for entry in record["trajectory"] if best is not None and entry["value"] >= best - LEVEL), None
    )


def _seconds_per_query(done: list[Record]) -> float | None:
    queries = sum(record["n_queries"] for record in done)
    seconds = sum(value for record in done for phase, value in record["seconds"].items() if phase != "evaluation")
    return seconds / queries if queries else None


def _shares_of_sources(done: list[Record]) -> dict[str, float] | None:
    """Share of the cells that each source proposed; None for a method without sources."""
    picks: dict[str, int] = {}
    for record in done:
        for source, n in (record.get("sources") or {}).items():
            picks[source] = picks.get(source, 0) + n
    total = sum(picks.values())
    return {source: n / total for source, n in sorted(picks.items())} if total else None


def _paired(a: list[Record], b: list[Record], mark: int) -> float | None:
    lacks = [{r["seed"]: lack for r in side if (lack := _front_regret_at(r, mark)) is not None} for side in (a, b)]
    sides = [{r["seed"]: state[0] for r in side if (state := _result_at(r, mark)) is not None} for side in (a, b)]
    sides = lacks if all(lacks) else sides
    both = sorted(set(sides[0]) & set(sides[1]))
    return signed_rank_test([sides[0][seed] for seed in both], [sides[1][seed] for seed in both])


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f"{_digits(ends[0])}-{_digits(ends[1])}"


def _reached(queries: dict[str, int | None]) -> str:
    half, most = ("-" if queries[key] is None else str(queries[key]) for key in ("median", "q90"))
    return f", at the optimum by query {half} (half of the searches) and {most} (90 %)"


def _note(document: dict[str, Any]) -> str:
    """Note below a table: time per query, queries to the optimum, p-values at the budget, and failures."""
    lines = []
    has_optimum = any(row["at_optimum"] is not None for row in document["results"])
    for label, seconds in document["seconds_per_query"].items():
        time = "" if seconds is None else f"{1000 * seconds:.2f} ms per query"
        lines.append(f"{label}: {time}{_reached(document['queries_to_optimum'][label]) if has_optimum else ''}")
        shares = document["sources"][label]
        if shares:
            lines.append(f"{label}: cells from " + ", ".join(f"{s} {100 * share:.0f} %" for s, share in shares.items()))
    for pair in document["paired"]:
        if pair["checkpoint"] == document["budget"] and pair["p"] is not None:
            lines.append(f"{pair['a']} against {pair['b']}: p = {pair['p']:.2g} (signed ranks at {document['budget']})")
    if document["failed"]:
        lines.append(f"{document['failed']} searches failed")
    return "\n".join(lines)
