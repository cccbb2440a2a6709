"""Comparisons read from their files: the records that count, labels, tables, and files of something else."""

from __future__ import annotations

import json
import logging

import pytest

import crlso
from crlso._base.checksums import with_checksum
from crlso.comparison import Comparison, compare
from crlso.methods import METHODS
from crlso.methods.naming import method_text, parse_method
from crlso.report import html_report
from tests.comparison.test_result import record
from tests.twins.toys import table


def written(path, *records):
    full = [{"options": {}, "version": "1", "fingerprint": None, **r} for r in records]
    order = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version", "fingerprint")
    path.write_bytes(b"".join(with_checksum({key: r[key] for key in order} | r) for r in full))
    return path


def test_a_loaded_comparison_is_the_one_that_was_run(tmp_path):
    path = tmp_path / "runs.jsonl"
    methods = {"walk": ("local", {}), "small": ("evolution", {"population": 5, "tournament": 2}), "r": "random"}
    found = compare([table("one"), table("two")], methods, [3, 8], 10, path=path)
    loaded = Comparison.load(path)
    assert loaded.to_dict() == found.to_dict() and str(loaded) == str(found)
    assert (
        loaded.problems
        == found.problems
        == [
            {"benchmark": "one", "dataset": None},
            {"benchmark": "two", "dataset": None},
        ]
    )
    assert [record["label"] for record in loaded.records[:3]] == ["walk", "small", "r"]
    assert Comparison.load(path, checkpoints=[4]).checkpoints == (4, 10)
    before = path.read_bytes()
    assert len(Comparison.load(path).records) == 12 and path.read_bytes() == before


def test_files_without_labels_have_the_text_of_the_method(tmp_path):
    """Files of older versions, and labels that two methods share."""
    old = [{**record("evolution", seed, [[1, 5.0, None]]), "options": {"population": 5}} for seed in (0, 1)]
    for entry in old:
        del entry["label"]
    shared = [{**record(name, 0, [[1, 5.0, None]]), "label": "mine"} for name in ("local", "random")]
    loaded = Comparison.load(written(tmp_path / "runs.jsonl", *old, *shared))
    assert [r["label"] for r in loaded.records] == ["evolution:population=5"] * 2 + ["local", "random"]


def test_the_last_result_of_a_search_counts(tmp_path, caplog):
    first = record("a", 0, [], state="failed", error="boom", version="1")
    again, newer = record("a", 0, [[1, 5.0, None]], version="1"), record("a", 0, [[1, 6.0, None]], version="2")
    other = {
        **record("a", 0, [[1, 7.0, None]], version="2", fingerprint={"method": "b"}),
        "label": "b",
    }  # another class of the same name
    with caplog.at_level(logging.WARNING, "crlso.compare"):
        assert len(Comparison.load(written(tmp_path / "one.jsonl", first, again)).records) == 1
        assert caplog.messages == []
        loaded = Comparison.load(written(tmp_path / "two.jsonl", first, again, newer, other))
    assert [r["trajectory"][0]["value"] for r in loaded.records] == [6.0, 7.0]
    assert len(caplog.messages) == 1 and "1 searches were run again by another version" in caplog.messages[0]


def test_searches_of_several_budgets(tmp_path):
    path = written(tmp_path / "runs.jsonl", *(record("a", 0, [[1, 5.0, None]], budget=b) for b in (10, 40)))
    with pytest.raises(ValueError, match=r"runs.jsonl: expected searches of one budget, chosen by budget, got 10, 40"):
        Comparison.load(path)
    loaded = Comparison.load(path, budget=40)
    assert len(loaded.records) == 1 and loaded.checkpoints == (32, 40)
    with pytest.raises(ValueError, match="budget: expected one of 10, 40, got 20"):
        Comparison.load(path, budget=20)


def test_damaged_lines_are_left_out_with_a_warning(tmp_path, caplog):
    path = written(tmp_path / "runs.jsonl", *(record("a", seed, [[1, 5.0, None]]) for seed in range(3)))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"5.0", b"9.0") + lines[2][:-20])
    with caplog.at_level(logging.WARNING, "crlso.compare"):
        assert [r["seed"] for r in Comparison.load(path).records] == [0]
    assert len(caplog.messages) == 1 and "line 2: damaged, and left out" in caplog.messages[0]


@pytest.mark.parametrize("content", [b"", b"\n", b"hello\n", b'{"a": 1}\n', b"[]\n", b"\xff\xfe\n", b"null"])
def test_files_of_something_else(tmp_path, content):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"runs\.jsonl"):
        Comparison.load(path)
    with pytest.raises(OSError, match="missing"):
        Comparison.load(tmp_path / "missing.jsonl")


@pytest.mark.parametrize("text", ["random", "evolution:population=10:tournament=3", "cr-lso-paper:gradient=false"])
def test_method_text_is_what_parse_method_reads(text):
    assert method_text(*parse_method(text)) == text


def test_options_keep_their_types_in_text():
    for value in (1, 1.5, True, None, "fast", "1", "true", [1, 2]):
        assert parse_method(method_text("random", {"a": value})) == ("random", {"a": value})
    assert "random" in METHODS


# -- tables -----------------------------------------------------------------------------------------------------------

RUNS = [
    record("gp", 0, [[1, 91.004, 90.0]]),
    record("gp", 1, [[1, 91.0, 92.0]]),
    record("ev_ol", 0, [[1, 91.0, 93.0]]),
    record("ev_ol", 1, [[1, 91.004, 95.0]]),
    record("random", 0, [[1, 80.0, 70.0], [9, 90.0, 80.0]]),
    record("gp", 0, [[1, 5.0, None]], dataset="d&e", optimum=9.0),
]


def test_latex_by_hand():
    lines = Comparison(RUNS, (5, 10)).to_latex().splitlines()
    assert lines[0].startswith("% value: mean and standard deviation")
    assert lines[1:] == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Method & b & b / d\&e \\",
        r"\midrule",
        r"gp & $\mathbf{91.00} \pm 0.00$ & $\mathbf{5.00}$ \\",
        r"ev\_ol & $\mathbf{91.00} \pm 0.00$ & -- \\",
        r"random & $90.00$ & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_other_measures_and_checkpoints():
    comparison = Comparison([{**r, "optimum": 100.0} for r in RUNS[:5]], (5, 10))
    best = {
        measure: [line.split(" & ")[0] for line in comparison.to_latex(measure, 5, 0).splitlines() if "mathbf" in line]
        for measure in ("value", "test", "regret")
    }
    assert best == {"value": ["gp", r"ev\_ol"], "test": [r"ev\_ol"], "regret": ["gp", r"ev\_ol"]}
    assert "$20$" in comparison.to_latex("regret", 5, 0)  # of random, before its last query


def test_latex_escapes_names():
    hostile = r"a\b_{c}%$&#~^" + "\n"
    line = Comparison([record(hostile, 0, [[1, 1.0, None]])], (10,)).to_latex().splitlines()[5]
    assert line.startswith(r"a\textbackslash{}b\_\{c\}\%\$\&\#\textasciitilde{}\textasciicircum{} & ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "speed"}, "measure: expected"),
        ({"checkpoint": 7}, "checkpoint: expected one of 5, 10, got 7"),
        ({"digits": -1}, "digits: expected"),
    ],
)
def test_wrong_arguments_of_latex(arguments, message):
    with pytest.raises(ValueError, match=message):
        Comparison(RUNS, (5, 10)).to_latex(**arguments)
    with pytest.raises(ValueError, match="measure: expected one that is known, got 'test'"):
        Comparison(RUNS[5:], (5, 10)).to_latex("test")


def test_a_data_frame_has_the_numbers_of_the_table():
    pytest.importorskip("pandas")
    comparison = Comparison(RUNS, (5, 10))
    frame = comparison.to_dataframe()
    assert len(frame) == len(comparison.table()) == 8
    assert not [name for name in frame if name.endswith("_ci")]
    for row, expected in zip(frame.to_dict("records"), comparison.table(), strict=True):
        assert (row["method"], row["checkpoint"], row["n"]) == tuple(expected[k] for k in ("method", "checkpoint", "n"))
        assert row["value_mean"] == pytest.approx(expected["value_mean"])
        ends = expected["value_ci"]
        assert (row["value_ci_low"] != row["value_ci_low"]) if ends is None else row["value_ci_low"] == ends[0]
    assert all(str(frame[name].dtype) == "float64" for name in ("test_mean", "test_sd", "regret_ci_high", "at_optimum"))


def test_what_notebooks_show_is_escaped():
    html = Comparison([record("<script>", 0, [[1, 1.0, None]])], (10,))._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html and html.startswith('<div class="crlso">')
    assert json.loads(crlso.Comparison(RUNS, (5,)).to_json())


WRONG = [0, -1, 1.5, "x", True, None, [], {}, [1], {"a": "b"}, float("nan"), float("inf"), 10**400]
SHOWN = ("benchmark", "label", "method", "seed", "budget", "n_queries", "optimum", "trajectory", "seconds", "value")
MORE = ("test", "cell", "error", "space", "sources", "options")
IN_A_STEP = ("query", "step value", "step test")


@pytest.mark.parametrize("name", [*SHOWN, *MORE, *IN_A_STEP])
def test_a_line_with_a_wrong_entry_is_an_error_or_can_be_shown(tmp_path, name):
    """Lines of older versions have no checksum, and anybody can write one."""
    good = {**record("a", 0, [[1, 5.0, None], [3, 6.0, 7.0]]), "options": {}, "version": "1"}
    order = ("benchmark", "dataset", "objective", "method", "options", "seed", "budget", "version")
    path, n_errors = tmp_path / "runs.jsonl", 0
    for value in WRONG:
        bad = json.loads(json.dumps({key: good[key] for key in order} | good))
        if name in IN_A_STEP:
            bad["trajectory"][1][name.rpartition(" ")[2]] = value
        else:
            bad[name] = value
        path.write_text(json.dumps(bad) + "\n", encoding="utf-8")
        try:
            comparison = Comparison.load(path)
        except ValueError as error:
            n_errors += str(path) in str(error)
            continue
        assert str(comparison) and comparison._repr_html_() and comparison.to_json() and comparison.table()
        assert html_report(comparison)
    assert n_errors >= (0 if name == "options" else 5)
