"""Results of comparisons: statistics by hand, what is unknown, tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function
from crlso.comparison import Comparison, compare, signed_rank_test
from tests.twins.toys import SPACE, table

ROW = {"method", "checkpoint", "n", "at_optimum"} | {
    f"{what}_{how}"
    for what in ("value", "test", "regret", "hypervolume_regret")
    for how in ("mean", "median", "sd", "ci")
}


def record(label, seed, trajectory, **more):
    return {
        "benchmark": "b",
        "dataset": None,
        "objective": "value",
        "method": label,
        "label": label,
        "seed": seed,
        "budget": 10,
        "state": "complete",
        "trajectory": [dict(zip(("query", "value", "test"), step)) for step in trajectory],
        "optimum": 9.0,
        "n_queries": 10,
        "seconds": {"training": 0.3, "search": 0.2, "evaluation": 100.0},
        **more,
    }


RECORDS = [
    record("a", 0, [[1, 5.0, 4.0], [4, 9.0, 8.0]]),
    record("a", 1, [[2, 7.0, 7.5]]),
    record("a", 2, [[1, 6.0, 6.0], [9, 9.0, 8.5]]),
    record("b", 0, [[1, 6.0, 5.0]]),
    record("b", 1, [[1, 1.0, 1.0], [3, 8.0, 7.0]]),
    record("b", 2, [], state="failed"),
]


def test_hypervolume_regrets_by_hand():
    def fronts(label, seed, *volumes):
        entries = [{"query": query, "volume": volume} for query, volume in volumes]
        return record(label, seed, [[1, 5.0, 4.0]], volumes=entries, best_volume=8.0)

    records = [
        *(fronts("a", seed, (2, 2.0), (5, 6.0 + seed)) for seed in range(3)),
        *(fronts("b", seed, (1, 4.0)) for seed in range(3)),
        record("c", 0, [[1, 5.0, 4.0]], volumes=None, best_volume=None),
    ]
    comparison = Comparison(records, (1, 10))
    document = comparison.to_dict()
    rows = {(row["method"], row["checkpoint"]): row for row in document["results"]}
    assert [rows["a", mark]["hypervolume_regret_mean"] for mark in (1, 10)] == [100.0, 12.5]
    assert rows["a", 10]["hypervolume_regret_median"] == rows["a", 10]["hypervolume_regret_sd"] == 12.5
    low, high = rows["a", 10]["hypervolume_regret_ci"]
    assert 0.0 <= low < 12.5 < high <= 25.0
    assert rows["b", 1]["hypervolume_regret_ci"] == [50.0, 50.0] and rows["c", 10]["hypervolume_regret_mean"] is None
    paired = {(pair["a"], pair["b"], pair["checkpoint"]): pair["p"] for pair in document["paired"]}
    assert paired["a", "b", 10] == signed_rank_test([25.0, 12.5, 0.0], [50.0] * 3) < 1.0  # values do not differ
    assert paired["a", "c", 10] == 1.0
    assert "front regret %" in str(comparison) and "12.500" in str(comparison)
    assert "front regret %" not in str(Comparison(RECORDS, (1, 10)))


def test_statistics_by_hand():
    document = Comparison(RECORDS, (1, 4, 10)).to_dict()
    rows = {(row["method"], row["checkpoint"]): row for row in document["results"]}
    assert list(rows) == [("a", 1), ("a", 4), ("a", 10), ("b", 1), ("b", 4), ("b", 10)]
    assert all(set(row) == ROW for row in rows.values())
    first = rows["a", 1]  # seed 1 has found nothing yet
    assert (first["n"], first["value_mean"], first["test_mean"], first["regret_mean"]) == (2, 5.5, 5.0, 3.5)
    middle = rows["a", 4]
    assert (middle["n"], middle["value_median"], middle["test_median"], middle["regret_median"]) == (3, 7.0, 7.5, 2.0)
    assert middle["value_mean"] == pytest.approx(22 / 3)
    assert middle["value_sd"] == pytest.approx(np.sqrt(((9 - 22 / 3) ** 2 + (7 - 22 / 3) ** 2 + (6 - 22 / 3) ** 2) / 2))
    assert 6.0 <= middle["value_ci"][0] < 22 / 3 < middle["value_ci"][1] <= 9.0
    assert middle["regret_ci"] == pytest.approx([9 - middle["value_ci"][1], 9 - middle["value_ci"][0]])
    assert [rows["a", mark]["at_optimum"] for mark in (1, 4, 10)] == pytest.approx([0, 1 / 3, 2 / 3])
    assert [rows["b", mark]["at_optimum"] for mark in (1, 4, 10)] == [0.0, 0.0, 0.0]
    assert document["queries_to_optimum"] == {"a": {"median": 9, "q90": None}, "b": {"median": None, "q90": None}}
    assert document["seconds_per_query"] == pytest.approx({"a": 0.05, "b": 0.05})
    # Seeds 0 and 1 have both: differences 3 and -1 at the end, so no sum of ranks is out of the ordinary.
    assert document["paired"][-1] == {"a": "a", "b": "b", "checkpoint": 10, "p": 1.0}
    assert (document["seeds"], document["failed"]) == (3, 1)


def test_what_does_not_exist_is_null():
    records = [record("a", 0, [[1, 5.0, None]], optimum=None), record("b", 1, [[3, 5.0, 2.0]], optimum=None)]
    document = json.loads(Comparison(records, (2, 10)).to_json())
    empty = next(row for row in document["results"] if (row["method"], row["checkpoint"]) == ("b", 2))
    assert {key for key, value in empty.items() if value is None} == ROW - {"method", "checkpoint", "n"}
    full = document["results"][1]
    assert [full[key] for key in ("value_mean", "value_sd", "value_ci", "test_mean", "at_optimum")] == [
        5.0,
        *[None] * 4,
    ]
    assert [pair["p"] for pair in document["paired"]] == [None, None]
    assert "optimum by" not in str(Comparison(records, (2, 10)))


def test_shares_of_sources():
    records = [record("a", 0, [[1, 5.0, 4.0]], sources={"noise": 3, "gradient": 1})]
    records += [record("a", 1, [[1, 5.0, 4.0]], sources={"noise": 4}), record("b", 0, [[1, 5.0, 4.0]])]
    comparison = Comparison(records, (10,))
    assert comparison.to_dict()["sources"] == {"a": {"gradient": 0.125, "noise": 0.875}, "b": None}
    assert "a: cells from gradient 12 %, noise 88 %" in str(comparison)
    bench = crlso.benchmarks.NASBench301.standin()
    (row,) = compare(bench, "gp:candidates=30", seeds=1, budget=19).records
    assert sum(row["sources"].values()) == 3  # 16 cells come before the first choice


def test_several_benchmarks_and_tables():
    result = compare([table("one"), table("two", with_test=False)], {"r": "random", "l": ("local", {})}, [3, 8], 10)
    document = result.to_dict()
    assert set(document) == {"comparisons", "version"}
    assert [part["benchmark"] for part in document["comparisons"]] == ["one", "two"]
    assert all(row["test_mean"] is None for row in document["comparisons"][1]["results"])
    assert len(result.table()) == 4
    assert {row["method"] for row in result.table()} == {"r", "l"}
    text, html = str(result), result._repr_html_()
    for part in ("one: 2 seeds, 10 queries", "two: 2 seeds", "r against l: p = "):
        assert part in text and part in html
    assert html.count("<table>") == html.count("</table>") == 2
    assert repr(result) == "Comparison(r, l: 8 searches, 0 failed)"


def test_a_benchmark_of_a_function_has_no_optimum():
    bench = Function(SPACE, lambda cell: float(sum(cell.codes)), name="sum")
    document = compare(bench, "random", 3, 5).to_dict()
    assert document["results"][0]["at_optimum"] is None
    assert document["results"][0]["regret_mean"] is None
    assert document["queries_to_optimum"] == {"random": {"median": None, "q90": None}}
