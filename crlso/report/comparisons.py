"""The parts of a report on a comparison."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from crlso._base.colours import SERIES
from crlso._base.displays import drawing, facts, note, safe
from crlso._base.tables import number
from crlso.comparison import Comparison, bootstrap_band, query_of_optimum
from crlso.comparison.curves import Curve, curve_of, share_curve, together, value_floor
from crlso.report.charts import Axis, Band, Line, chart, key
from crlso.report.page import section, sortable
from crlso.spaces import space_named

__all__ = ["comparison_parts"]

_COLUMNS = ("method", "queries", "searches", "value", "value, 95 % from", "to", "test", "regret", "at optimum (%)")


def comparison_parts(comparison: Comparison) -> tuple[str, str, list[str]]:
    """Return the title, the line below it, and the sections of a report on a comparison."""
    found = comparison.to_dict()
    documents = found.get("comparisons", [found])
    labels = list(dict.fromkeys(record["label"] for record in comparison.records))
    colours = dict(zip(labels, itertools.cycle(SERIES)))
    names = ", ".join(_name(document) for document in documents)
    seeds = len({record["seed"] for record in comparison.records})
    lead = (
        f"{len(labels)} methods, {seeds} seeds, {len(comparison.records)} searches, {len(comparison.failures)} failed"
    )
    sections = []
    for document in documents:
        key_of = (document["benchmark"], document["dataset"], document["objective"])
        records = [r for r in comparison.records if (r["benchmark"], r["dataset"], r["objective"]) == key_of]
        parts = [_charts(records, colours), _results(document), _remarks(document), _best(records)]
        sections.append(section(_name(document), *parts))
    sections += [section("Searches", _searches(comparison)), section("Environment", facts(_environment(comparison)))]
    return f"Comparison on {names}", lead, sections


def _name(document: dict[str, Any]) -> str:
    return " / ".join(part for part in (document["benchmark"], document["dataset"]) if part) or "unnamed benchmark"


# -- charts -----------------------------------------------------------------------------------------------------------


def _charts(records: list[dict[str, Any]], colours: dict[str, str]) -> str:
    done = [record for record in records if record["trajectory"]]
    if not done:
        return "<p>No search is complete.</p>"
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in done:
        groups.setdefault(record["label"], []).append(record)
    has_optimum = all(record["optimum"] is not None for record in done)
    charts = [_curves(groups, colours, is_regret=False)]
    charts += [_curves(groups, colours, is_regret=True), _optimum(groups, colours)] if has_optimum else []
    return key((colours[label], label) for label in groups) + f'<div class="pair">{"".join(charts)}</div>'


def _curves(groups: dict[str, list[dict[str, Any]]], colours: dict[str, str], is_regret: bool) -> str:
    """Means over searches with their bootstrap intervals, of values or regrets."""
    means: dict[str, Curve] = {}
    marks: list[Any] = []
    for label, records in groups.items():
        curves = [curve_of(r["trajectory"], r["budget"], r["optimum"] if is_regret else None) for r in records]
        queries, values = together(curves)
        if not len(queries):
            continue
        means[label] = Curve(queries, values.mean(axis=0))
        if len(curves) > 1:
            marks.append(Band(queries, *bootstrap_band(values), colours[label]))
    if not means:
        return ""
    marks += [Line(mean.queries, mean.values, colours[label], is_step=True) for label, mean in means.items()]
    first = next(iter(groups.values()))[0]
    shown = np.concatenate([mean.values for mean in means.values()])
    what = first["objective"] or "value"
    x = Axis("queries", 0.0, 1.02 * max(int(mean.queries[-1]) for mean in means.values()))
    if is_regret:
        positive = shown[shown > 0]
        least, most = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
        y = Axis(f"regret ({what}), logarithmic", least / 2, most * 1.3, is_log=True)
        title, about = "Mean regret by query", "Mean of optimum minus best value by query, for each method."
    else:
        floor = value_floor(list(means.values()))
        y = Axis.over(f"best {what}", shown if floor is None else shown[shown >= floor])
        title, about = "Mean best value by query", "Mean of the best value by query, for each method."
    return chart(title, about + " The numbers are in the table below.", x, y, marks)


def _optimum(groups: dict[str, list[dict[str, Any]]], colours: dict[str, str]) -> str:
    last = max(record["budget"] for records in groups.values() for record in records)
    lines = []
    for label, records in groups.items():
        shares = share_curve([query_of_optimum(record) for record in records], last)
        lines.append(Line(shares.queries, 100 * shares.values, colours[label], is_step=True))
    x, y = Axis("queries", 0.0, 1.02 * last), Axis("searches at the optimum (%)", -3.0, 103.0)
    return chart("Searches at the optimum by query", "Share of searches at the optimum, by method.", x, y, lines)


# -- tables -----------------------------------------------------------------------------------------------------------


def _results(document: dict[str, Any]) -> str:
    rows = []
    for row in document["results"]:
        low, high = row["value_ci"] or (None, None)
        share = None if row["at_optimum"] is None else f"{100 * row['at_optimum']:.0f}"
        numbers = [row["value_mean"], low, high, row["test_mean"], row["regret_mean"]]
        rows.append([row["method"], str(row["checkpoint"]), str(row["n"]), *map(_text, numbers), share or ""])
    return sortable(f"Results on {_name(document)}", _COLUMNS, rows, ["method"])


def _remarks(document: dict[str, Any]) -> str:
    """What else the table of the comparison says: p-values at the budget, and queries to the optimum."""
    lines = [
        f"{pair['a']} against {pair['b']}: p = {pair['p']:.2g}"
        for pair in document["paired"]
        if pair["checkpoint"] == document["budget"] and pair["p"] is not None
    ]
    if not lines:
        return ""
    head = f"Signed rank tests of the values at {document['budget']} queries, not corrected for their number:"
    return f"<details><summary>{safe(head)}</summary>{note(chr(10).join(lines))}</details>"


def _best(records: list[dict[str, Any]]) -> str:
    """The cell with the highest value, drawn if the record says its space."""
    known = [record for record in records if record.get("value") is not None]
    if not known:
        return ""
    best = max(known, key=lambda record: float(record["value"]))
    try:
        picture = drawing(space_named(best["space"]).cell(best["cell"]))
    except (KeyError, TypeError, ValueError):  # an older record, or a space that is none of crlso
        picture = ""
    text = (
        f"Best cell: {best['objective'] or 'value'} {number(best['value'])}, by {best['label']}, seed {best['seed']}: "
    )
    return f"<p>{safe(text)}{safe(best.get('cell'))}</p>{picture}"


def _searches(comparison: Comparison) -> str:
    header = ["benchmark", "method", "seed", "state", "value", "test", "optimum at query", "seconds", "cell", "error"]
    rows = []
    for record in comparison.records:
        where = " / ".join(str(part) for part in (record["benchmark"], record["dataset"]) if part)
        reached = query_of_optimum(record)
        rows.append(
            [
                where,
                record["label"],
                str(record["seed"]),
                record["state"],
                _text(record.get("value")),
                _text(record.get("test")),
                "" if reached is None else str(reached),
                f"{sum(record['seconds'].values()):.2f}",
                str(record.get("cell") or ""),
                str(record.get("error") or ""),
            ]
        )
    is_used = [i < 5 or any(row[i] for row in rows) for i in range(len(header))]
    header, *rows = [[text for text, used in zip(row, is_used) if used] for row in (header, *rows)]
    hint = '<p class="small screen">Click on a heading to sort.</p>'
    return hint + sortable("Searches", header, rows, ["benchmark", "method", "state", "cell", "error"])


def _environment(comparison: Comparison) -> list[tuple[str, str]]:
    versions = sorted({str(record.get("version")) for record in comparison.records})
    methods = {record["label"]: f"{record['method']} {record.get('options') or ''}" for record in comparison.records}
    return [("crlso", ", ".join(versions)), *((f"method {label}", text.strip()) for label, text in methods.items())]


def _text(value: Any) -> str:
    return "" if value is None else number(value)
