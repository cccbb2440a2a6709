"""Trials and studies: choice by validation alone, the document, files."""

from __future__ import annotations

import json
import os
import platform
import random
from html.parser import HTMLParser

import numpy as np
import pytest

import crlso
from crlso._base import files
from crlso.benchmarks import NASBench201 as NASBench201Benchmark
from crlso.benchmarks import Tabular
from crlso.history import History, Measurement
from crlso.methods import METHODS
from crlso.spaces import DARTS, NASBench101, NASBench201
from crlso.studies.study import Study

KEYS = """benchmark dataset objective objectives constraints method options seed budget n_queries n_infeasible best
    front optimum trajectory seconds diagnostics version environment""".split()


def make_study(values, tests=None, **changes) -> Study:
    """A study of cells 0, 1, ... of NAS-Bench-201; None stands for a failed evaluation, "pending" for a pending one."""
    space = NASBench201()
    history = History()
    for i, value in enumerate(values):
        trial = history.ask(space.cell(i), space.cell(i).codes, key=i)
        if value is None:
            history.fail(trial, "<b>boom</b>")
        elif value != "pending":
            history.tell(trial, Measurement(value, user_attrs={"host": "a"}))
            trial.test, trial.index = (None, None) if tests is None or tests[i] is None else (tests[i], i)
    fields = {"benchmark": "nasbench201", "dataset": "cifar10", "method": "random", "seed": 3}
    fields |= {"budget": len(values) or 1, "history": history, "seconds": {"search": 0.5}, **changes}
    return Study(**fields)


def test_best_is_the_highest_validation_whatever_the_test():
    study = make_study([90.0, 92.0, 91.0], tests=[99.0, 1.0, 100.0])
    assert study.best is study.trials[1]
    assert study.to_dict()["best"] == {"cell": str(NASBench201().cell(1)), "index": 1, "value": 92.0, "test": 1.0}


def test_best_is_the_first_of_equals():
    assert make_study([90.0, 92.0, 92.0]).best.number == 1


def test_best_of_negative_values():
    assert make_study([-3.0, -1.0, -2.0]).best.number == 1


@pytest.mark.parametrize("values", [[], [None, None], ["pending"]])
def test_a_study_without_a_complete_trial(values):
    study = make_study(values)
    with pytest.raises(ValueError, match="expected a complete trial, got none"):
        _ = study.best
    document = study.to_dict()
    assert document["best"] == {"cell": None, "index": None, "value": None, "test": None}
    assert document["trajectory"] == []
    assert "Study(" in repr(study)
    assert study._repr_html_()


def test_trajectory_against_a_running_maximum():
    rng = random.Random(0)
    for _ in range(200):
        values = [rng.choice([None, "pending", *range(10)]) for _ in range(rng.randrange(1, 30))]
        tests = [i / 2 for i in range(len(values))]
        study = make_study([float(v) if isinstance(v, int) else v for v in values], tests=tests)
        told = [(i, v) for i, v in enumerate(values) if v != "pending"]
        running = np.maximum.accumulate([-1 if v is None else v for _, v in told]) if told else np.array([])
        expected = []
        for query, (i, value) in enumerate(told, start=1):
            if value == running[query - 1] and (query == 1 or running[query - 2] < value):
                expected.append({"query": query, "value": float(value), "test": i / 2})
        assert study.trajectory == expected
        assert study.n_queries == len(told)


def test_the_document_has_its_keys_in_order_and_is_strict():
    diagnostics = {
        "tau": np.float32(0.5),
        "nan": float("nan"),
        "inf": np.inf,
        "array": np.array([[1, 2]], dtype=np.uint8),
        "flag": np.bool_(True),
        7: {"nested": (np.int64(3), float("inf"))},
        "path": os,
    }
    study = make_study([90.0, 91.0], tests=[89.0, None], diagnostics=diagnostics, seconds={"search": np.float64(0.25)})

    def refuse(constant):
        raise AssertionError(f"{constant} in JSON")

    document = json.loads(study.to_json(), parse_constant=refuse)
    assert document == study.to_dict()
    assert list(document) == KEYS
    assert [list(entry.values()) for entry in document["trajectory"]] == [[1, 90.0, 89.0], [2, 91.0, None]]
    assert document["seconds"] == {"search": 0.25}
    found = document["diagnostics"]
    assert found.pop("path").startswith("<module 'os'")
    assert found == {"tau": 0.5, "nan": None, "inf": None, "array": [[1, 2]], "flag": True, "7": {"nested": [3, None]}}
    assert found["flag"] is True


def test_the_document_names_what_is_unknown_as_null():
    document = Study(None, None, "random", 0, 5).to_dict()
    assert document["benchmark"] is None
    assert document["dataset"] is None
    assert document["n_queries"] == 0


@pytest.mark.parametrize("state", ["complete", "interrupted", "failed"])
def test_a_saved_study_is_loaded_as_it_was(tmp_path, state):
    values = [90.0, None, 91.123456789012345, "pending", 1 / 3]
    study = make_study(values, tests=[1.5, None, 0.1, None, None], state=state, diagnostics={"a": [1, {"b": None}]})
    path = tmp_path / "study.json"
    study.save(path)
    loaded = Study.load(path)
    assert loaded == study
    assert loaded.trials[2].cell == NASBench201().cell(2)
    assert os.listdir(tmp_path) == ["study.json"]
    assert list(json.loads(path.read_text()))[: len(KEYS)] == KEYS


def test_an_empty_study_is_loaded_as_it_was(tmp_path):
    study = make_study([])
    study.save(tmp_path / "s")
    assert Study.load(tmp_path / "s") == study


class OwnCell:
    space = "mine"

    def __init__(self, codes):
        self.codes = tuple(codes)

    def __eq__(self, other):
        return self.codes == other.codes

    __hash__ = None


class OwnSpace:
    def cell(self, codes):
        return OwnCell(codes)


def test_a_study_of_an_own_space_is_loaded_with_that_space(tmp_path):
    history = History()
    history.tell(history.ask(OwnCell([np.uint8(1), np.uint8(2)]), [1, 2], key=12), Measurement(5.0))
    study = Study("b", None, "random", 0, 1, history=history)
    study.save(tmp_path / "s")
    with pytest.raises(ValueError, match="give `space` for a space of your own"):
        Study.load(tmp_path / "s")
    assert Study.load(tmp_path / "s", space=OwnSpace()) == study


def change(document, *keys, value):
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda d: "", "Expecting value"),
        (lambda d: "{", "Expecting property name"),
        (lambda d: "[" * 100_000, "expected a file of Study.save"),
        (lambda d: "[1]", "expected a JSON object, got list"),
        (lambda d: "\udcff", "text in UTF-8"),
        (lambda d: json.dumps({k: v for k, v in d.items() if k != "trials"}), "got one without 'trials'"),
        (lambda d: json.dumps({k: v for k, v in d.items() if k != "seed"}), "got one without 'seed'"),
        (lambda d: change(d, "seed", value="0"), "seed: expected int, got '0'"),
        (lambda d: change(d, "seed", value=True), "seed: expected int, got True"),
        (lambda d: change(d, "method", value=None), "method: expected str, got None"),
        (lambda d: change(d, "state", value="odd"), "state: expected one of running"),
        (lambda d: change(d, "space", value="elsewhere"), "space: expected one of"),
        (lambda d: change(d, "space", value=None), "space: expected a str"),
        (lambda d: change(d, "trials", value=7), "expected a file of Study.save"),
        (lambda d: change(d, "trials", 0, value=7), "expected a file of Study.save"),
        (lambda d: change(d, "trials", 0, "codes", value=[9] * 6), "codes: expected 6 integers from 0 to 4"),
        (lambda d: change(d, "trials", 0, "value", value=None), "state: expected 'pending' with these values"),
        (lambda d: change(d, "trials", 0, "value", value="90"), "value: expected float, got '90'"),
        (lambda d: change(d, "trials", 0, "value", value=float("nan")), "NaN is not JSON"),
        (lambda d: change(d, "trials", 0, "state", value="lost"), "state: expected 'complete' with these values"),
        (lambda d: change(d, "trials", 0, "number", value=3), "number: expected 0, got 3"),
        (lambda d: change(d, "trials", 0, "error", value="x"), "error: expected None for a trial with a measurement"),
        (
            lambda d: change(d, "trials", value=[d["trials"][0], {**d["trials"][0], "number": 1}]),
            "cell: expected a class",
        ),
        (lambda d: change(d, "events", 0, value=["asked"]), "expected a file of Study.save"),
        (lambda d: change(d, "trials", 0, "key", value=2**64), "expected a file of Study.save"),
        (lambda d: change(d, "seconds", value=[]), "seconds: expected dict"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(tmp_path, break_it, message):
    path = tmp_path / "study.json"
    make_study([90.0]).save(path)
    text = break_it(json.loads(path.read_text()))
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"study\.json: expected (a file of Study\.save|text in UTF-8)") as caught:
        Study.load(path)
    assert message in str(caught.value)


def test_damage_of_one_byte_never_loads_as_another_study(tmp_path):
    path, random_ = tmp_path / "study.json", random.Random(0)
    make_study([90.0, 91.25, None, 89.5], tests=[88.0, 87.0, None, 86.0]).save(path)
    whole, content = Study.load(path).to_dict(), path.read_bytes()
    errors = []
    for position in (*range(0, len(content), 5), *range(len(content) - 25, len(content))):
        damaged = bytearray(content)
        damaged[position] ^= 1 << random_.randrange(8)
        path.write_bytes(damaged)
        try:
            assert Study.load(path).to_dict() == whole  # the checksum itself is damaged, or a space at the end
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) > len(content) / 5 - 10
    assert all("study.json: expected" in error for error in errors)


def test_a_study_of_a_version_without_checksums_loads(tmp_path):
    path = tmp_path / "study.json"
    study = make_study([90.0, 91.25])
    study.save(path)
    document = json.loads(path.read_text())
    del document["crc32"]
    path.write_text(json.dumps(document, indent=2))
    assert Study.load(path).to_dict() == study.to_dict()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Study.load(tmp_path / "none")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "study.json"
    make_study([90.0]).save(path)
    before = path.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_study([91.0]).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["study.json"]


def test_save_follows_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    study = make_study([90.0])
    study.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert Study.load(tmp_path / "real.json") == study


def test_save_does_not_replace_what_is_no_regular_file(tmp_path):
    make_study([90.0]).save("/dev/null")
    assert not os.path.isfile("/dev/null")
    with pytest.raises(IsADirectoryError):
        make_study([90.0]).save(tmp_path)


def test_dataframe():
    pandas = pytest.importorskip("pandas")
    study = make_study([90.0, None, "pending"], tests=[89.0, None, None])
    frame = study.trials_dataframe()
    assert list(frame.columns) == ["number", "cell", "value", "test", "state", "asked", "error", "host"]
    assert frame["number"].tolist() == [0, 1, 2]
    assert frame["cell"].tolist() == [str(NASBench201().cell(i)) for i in range(3)]
    assert frame["value"].dtype == np.float64
    assert frame["value"].isna().tolist() == [False, True, True]
    assert frame["state"].tolist() == ["complete", "failed", "pending"]
    assert pandas.isna(frame["test"][1])
    assert make_study([]).trials_dataframe().shape == (0, 7)


NAMES = ("value", "number", "state", "cell", "test", "asked", "error", "user_attrs_x", "user_attrs_value", "index", "x")


def test_user_attributes_have_columns_of_their_own():
    """Whatever their names: none hides a column of the table, nor another attribute."""
    study = make_study([90.0, None, 91.0])
    for i, trial in enumerate(study.trials):
        trial.user_attrs = {name: f"{name} {i}" for name in NAMES}
    frame = study.trials_dataframe()
    assert frame["value"].tolist()[::2] == [90.0, 91.0] and frame["state"].tolist() == [
        "complete",
        "failed",
        "complete",
    ]
    columns = [*[f"user_attrs_{name}" for name in NAMES[:-2]], "index", "x"]
    assert list(frame.columns) == ["number", "cell", "value", "test", "state", "asked", "error", *columns]
    for name, column in zip(NAMES, columns):
        assert frame[column].tolist() == [f"{name} {i}" for i in range(3)]
    assert "index 0" in study.trials[0]._repr_html_() and "value 0" in study.trials[0]._repr_html_()


def test_integers_stay_integers_in_the_table():
    study = make_study([90.0, None, 91.0, 92.0])
    for trial, note in zip(study.trials, (431, None, np.int64(7), 2**62)):
        trial.user_attrs = {} if note is None else {"index": note, "huge": 2**70, "share": 0.5, "flag": True}
    frame = study.trials_dataframe()
    assert frame["index"].dropna().tolist() == [431, 7, 2**62] and frame["index"].isna().tolist() == [0, 1, 0, 0]
    assert frame["huge"].dropna().tolist() == [2**70] * 3 and frame["share"].dtype == np.float64
    lines = frame[["index", "flag"]].to_csv(index=False).splitlines()
    assert lines == ["index,flag", "431,True", ",", "7,True", f"{2**62},True"]


@pytest.mark.parametrize("space", [NASBench201(), NASBench101(), DARTS()], ids=lambda space: space.name)
def test_the_table_of_a_study_is_a_benchmark(space, tmp_path):
    pytest.importorskip("pandas")
    history = History()
    cells = space.cells(space.canonicalise(space.sample(8, rng=0)))
    for i, cell in enumerate(cells):
        trial = history.ask(cell, cell.codes, key=i)
        if i in (2, 5):
            history.fail(trial, 'a "quoted" text,\nof\r two lines\r\n')
        elif i != 7:
            notes = {"value": -1, "state": "failed", "cell": "no cell", "test": 0, "note": 'x,"y"\n'}
            history.tell(trial, Measurement(90 + i / 7, user_attrs=notes if i % 2 else {}))
            trial.test = 80 + i / 3 if i < 2 else None
    study = Study("b", None, "random", 0, 8, history=history)
    study.trials_dataframe().to_csv(tmp_path / "t.csv")
    study.trials_dataframe().to_csv(tmp_path / "excel.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    complete = history.complete
    for table in (tmp_path / "t.csv", tmp_path / "excel.csv", study.trials_dataframe().to_csv()):
        bench = Tabular.from_csv(table, space)
        assert len(bench) == len(complete) == 5
        assert [bench.evaluate(trial.cell) for trial in complete] == [trial.value for trial in complete]
        tests = [np.nan if trial.test is None else trial.test for trial in complete]
        np.testing.assert_array_equal(bench.test([trial.cell for trial in complete]), tests)


def test_whatever_a_user_notes_is_saved_and_loaded(tmp_path):
    """Names of our own, text of any kind, and bytes that are no text, as in the names of files."""
    study = make_study([90.0, None, 91.0], dataset="\u6570\u636e\u2028 set", diagnostics={"value": "\r\n\0"})
    study.trials[1].error = "FileNotFoundError: '/data/\udcff.npz'"
    study.trials[2].user_attrs = {name: [name, 1.5, None, {"\ud800": True}] for name in (*NAMES, "", "\n")}
    study.save(tmp_path / "s.json")
    assert Study.load(tmp_path / "s.json") == study
    json.loads(study.to_json().encode())
    plain = make_study([90.0], dataset="\u6570\u636e")
    assert "\u6570\u636e" in plain.to_json()


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_representations():
    study = make_study([90.0, None, 92.5], tests=[89.0, None, 91.25], dataset="<i>set</i>")
    text = repr(study)
    for part in ("random", "seed 3", "3 of 3 queries", "best 92.500 (test 91.250)", str(NASBench201().cell(2))):
        assert part in text
    assert "interrupted" in repr(make_study([90.0], state="interrupted"))
    assert "queries    3 of 3, 1 failed" in str(study)
    for html in (study._repr_html_(), study.trials[1]._repr_html_(), study.trials[2]._repr_html_()):
        parser = Balanced()
        parser.feed(html)
        parser.close()
        assert parser.open == []
        assert {"table", "svg"} <= set(parser.seen)
        assert not {"i", "b", "script"} & set(parser.seen)


def test_state_of_a_study_is_checked():
    with pytest.raises(ValueError, match="one of running, complete, stopped, interrupted, failed, got 'x'"):
        Study(None, None, "random", 0, 1, state="x")


@pytest.mark.parametrize(
    ("objective", "label", "said"),
    [
        ("validation", "validation", "best 90.000"),
        ("test (oracle)", "test (oracle)", "best test (oracle) 90.000"),
        (None, "value", "best 90.000"),
    ],
)
def test_every_output_says_what_the_value_is(objective, label, said, tmp_path):
    study = make_study([90.0], objective=objective)
    assert f"\n{label}  " in str(study) and f">{label}</th>" in study._repr_html_() and said in repr(study)
    study.save(tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text())
    assert document["objective"] == objective == Study.load(tmp_path / "s.json").objective


def test_a_study_records_what_its_numbers_depend_on(tmp_path):
    info = crlso._core.runtime_info()
    study = crlso.search(NASBench201Benchmark("cifar100"), "random", budget=3)
    expected = {name: info[name] for name in ("isa", "blas", "blas_kernel", "compiler")}
    expected |= {"numpy": np.__version__, "python": platform.python_version(), "machine": platform.machine()}
    study.save(tmp_path / "s.json")
    assert study.environment == expected == Study.load(tmp_path / "s.json").environment


def test_a_study_of_a_version_without_environment_loads(tmp_path):
    make_study([90.0]).save(tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text())
    del document["environment"], document["crc32"]
    (tmp_path / "s.json").write_text(json.dumps(document))
    assert Study.load(tmp_path / "s.json").environment == {}


@pytest.mark.parametrize("method", ["evolution", "gp"])
def test_a_saved_study_says_all_that_repeats_it(tmp_path, method):
    bench = NASBench201Benchmark("cifar100")
    options = {"evolution": {"population": 5, "tournament": 2}, "gp": {"beta": 1.0, "initial": 6}}[method]
    study = crlso.search(bench, method, 15, 4, **options)
    study.save(tmp_path / "s.json")
    loaded = Study.load(tmp_path / "s.json")
    assert loaded.options == options and loaded.optimum == bench.evaluate(bench.optimum())
    again = crlso.search(bench, loaded.method, loaded.budget, loaded.seed, **loaded.options)
    assert [trial.cell for trial in again.trials] == [trial.cell for trial in study.trials]


@pytest.mark.parametrize("method", ["evolution", "gp", "local", "random"])
def test_the_events_of_a_history_replayed_repeat_its_search(method):
    def optimiser():
        return METHODS[method](NASBench201(), rng=7, budget=40)

    bench, rng = NASBench201Benchmark("cifar10"), random.Random(3)
    first = optimiser()
    first.observe(NASBench201().cell(9930), 91.0)
    while first.remaining or first.pending:  # several pending, told in any order, some of them failing
        if first.remaining and (len(first.pending) < 3 or rng.random() < 0.3):
            first.ask()
        else:
            trial = rng.choice(first.pending)
            if rng.random() < 0.2:
                first.tell(trial, state="failed", error="boom")
            else:
                first.tell(trial, bench.evaluate(trial.cell))
    second = optimiser()
    for kind, number in first.history.events:
        known = first.trials[number]
        if kind == "asked":
            second.ask()
        elif kind == "observed":
            second.observe(known.cell, known.value)
        elif kind == "failed":
            second.tell(second.trials[number], state="failed", error=known.error)
        else:
            second.tell(second.trials[number], known.value)
    assert second.history == first.history and len(first.history.events) == 81
