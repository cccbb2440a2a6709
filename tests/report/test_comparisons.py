"""Reports on comparisons: curves, results, searches, and what is unknown."""

from __future__ import annotations

import pytest

from crlso.benchmarks import NASBench201
from crlso.comparison import Comparison, compare
from crlso.report import html_report
from tests.comparison.test_result import RECORDS, record
from tests.report.pages import HOSTILE, read, section_of, table_of

MARKS = (1, 4, 10)


def full(records):
    return [
        {"options": {}, "version": "1", "index": None, "cell": "c", "value": 1.0, "test": None, **r} for r in records
    ]


def report_of(records):
    return read(html_report(Comparison(full(records), MARKS)))


def test_the_results_are_those_of_the_table():
    comparison = Comparison(full(RECORDS), MARKS)
    page = read(html_report(comparison))
    assert page.find("h1")[0].text == "Comparison on b"
    assert "2 methods, 3 seeds, 6 searches, 1 failed" in page.find("p", class_="lead")[0].text
    results, searches = (table_of(section_of(page, name)) for name in ("b", "Searches"))
    assert len(results) == 1 + len(comparison.table())
    for row, expected in zip(results[1:], comparison.table(), strict=True):
        assert row[:3] == [expected["method"], str(expected["checkpoint"]), str(expected["n"])]
        assert row[3] == f"{expected['value_mean']:.3f}"
    assert [row[2:4] for row in searches[1:]] == [[str(r["seed"]), r["state"]] for r in RECORDS]


def test_there_is_a_curve_for_each_method():
    part = section_of(report_of(RECORDS), "b")
    figures = {figure.find("figcaption")[0].text: figure for figure in part.find("figure")}
    assert list(figures) == ["Mean best value by query", "Mean regret by query", "Searches at the optimum by query"]
    for figure in figures.values():
        strokes = [path.attributes["stroke"] for path in figure.find("path") if "stroke" in path.attributes]
        assert len(strokes) == len(set(strokes)) == 2
    assert [item.text for item in part.find("li")] == ["a", "b"]


def test_without_an_optimum_there_is_no_regret():
    part = section_of(report_of([{**r, "optimum": None} for r in RECORDS]), "b")
    assert [figure.find("figcaption")[0].text for figure in part.find("figure")] == ["Mean best value by query"]


def test_the_best_cell_is_drawn_where_its_space_is_known():
    result = compare(NASBench201("cifar10"), ["random", "local"], 2, 6, progress=False)
    best = max(result.records, key=lambda r: r["value"])
    part = section_of(read(html_report(result)), "nasbench201 / cifar10")
    assert [title.text for title in part.find("title")] == [best["cell"]]
    assert f"by {best['label']}, seed {best['seed']}" in part.text
    assert not section_of(report_of([{**r, "space": "<x>"} for r in RECORDS]), "b").find("title")


def test_each_benchmark_has_its_section():
    page = report_of([*RECORDS, record("a", 0, [[1, 5.0, None]], dataset="d")])
    assert [heading.text for heading in page.find("h2")] == ["b", "b / d", "Searches", "Environment"]


@pytest.mark.parametrize(
    "records",
    [
        [record("a", 0, [], state="failed", error="boom")],
        [record("a", 0, [[1, 9.0, None]])],
        [record("a", 0, [[10, 5.0, None]]), record("a", 1, [[1, 5.0, None]], budget=4)],
    ],
)
def test_comparisons_with_little_to_show(records):
    assert report_of(records).find("h1")


def test_hostile_text_stays_text():
    names = dict.fromkeys(("benchmark", "dataset", "objective", "method", "label", "error", "cell"), HOSTILE)
    html = html_report(Comparison(full([{**record("a", seed, [[1, 5.0, None]]), **names} for seed in (0, 1)]), MARKS))
    html.encode("utf-8")
    page = read(html)
    assert len(page.find("script")) == 1 and not page.find("img") and "<img" not in html


def test_no_search_at_all():
    with pytest.raises(ValueError, match="results: expected a comparison with searches, got none"):
        html_report(Comparison([], (10,)))
