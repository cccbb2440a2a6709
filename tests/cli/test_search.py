"""The command `crlso search`: the document, the table, files, options and tables of cells."""

from __future__ import annotations

import inspect
import os
import re

import numpy as np
import pytest

import crlso
import crlso.benchmarks
from crlso._version import __version__
from crlso.cli import main, program
from crlso.cli import options as program_options
from crlso.studies.study import Study
from tests.cli.shell import RANDOM, parse, run

KEYS = {"benchmark", "dataset", "method", "options", "seed", "budget", "n_queries", "best", "optimum", "trajectory"}


KEYS |= {"seconds", "diagnostics", "objectives", "constraints", "front", "n_infeasible"}


NO_GOALS = {"objectives": None, "constraints": None}


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ImageNet16-120"])
def test_json_is_the_only_thing_on_stdout(dataset, tmp_path):
    done = run(*RANDOM, "--dataset", dataset, "--budget", "40", "--seed", "5", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    document = parse(done.stdout)
    assert set(document) == KEYS | {"version", "environment", "objective"} and document["objective"] == "validation"
    assert {key: document[key] for key in ("benchmark", "dataset", "method", "seed", "budget", "n_queries")} == {
        "benchmark": "nasbench201",
        "dataset": dataset,
        "method": "random",
        "seed": 5,
        "budget": 40,
        "n_queries": 40,
    }
    assert document["version"] == __version__
    assert set(document["seconds"]) == {"search", "evaluation"}
    assert all(isinstance(value, float) and value >= 0 for value in document["seconds"].values())

    benchmark = crlso.benchmarks.NASBench201(dataset)
    best = document["best"]
    assert set(best) == {"cell", "index", "value", "test"}
    assert benchmark.space.index([best["cell"]]).tolist() == [best["index"]]
    assert best["value"] == benchmark.evaluate(best["cell"])
    assert best["test"] == benchmark.test([best["cell"]])[0]
    trajectory = np.array([[entry[key] for key in ("query", "value", "test")] for entry in document["trajectory"]])
    assert trajectory.shape[1] == 3
    assert trajectory[0, 0] == 1
    assert (np.diff(trajectory[:, :2], axis=0) > 0).all()
    assert trajectory[-1, 1:].tolist() == [best["value"], best["test"]]


def without_seconds(document):
    return {key: value for key, value in document.items() if key != "seconds"}


def test_the_program_the_function_and_main_agree(capsys):
    arguments = [*RANDOM, "--dataset", "cifar100", "--budget", "12", "--seed", "3", "--json"]
    assert main(arguments) == 0
    here = parse(capsys.readouterr().out)
    study = crlso.search(crlso.benchmarks.NASBench201("cifar100"), method="random", budget=12, rng=3)
    assert without_seconds(here) == without_seconds(study.to_dict())
    assert without_seconds(parse(run(*arguments).stdout)) == without_seconds(here)


def test_the_table(capsys):
    assert main([*RANDOM, "--budget", "7"]) == 0
    out, err = capsys.readouterr()
    study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), method="random", budget=7, rng=0)
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert rows.pop("seconds").endswith(")")
    assert rows == {
        "benchmark": "nasbench201 / cifar10",
        "method": "random (seed 0)",
        "best cell": str(study.best.cell),
        "index": str(study.best.index),
        "validation": f"{study.best.value:.3f}",
        "test": f"{study.best.test:.3f}",
        "queries": "7 of 7",
    }
    assert err == ""


def test_out_holds_the_document_and_the_trials(capsys, tmp_path):
    path = tmp_path / "study.json"
    path.write_text("old")
    assert main([*RANDOM, "--budget", "9", "--json", "--out", str(path)]) == 0
    document = parse(capsys.readouterr().out)
    written = parse(path.read_text(encoding="utf-8"))
    assert {key: written[key] for key in document} == document
    study = Study.load(path)
    assert study.to_dict() == document
    assert len(study.trials) == 9
    assert os.listdir(tmp_path) == ["study.json"]


def test_a_file_that_cannot_be_written_in_the_end_does_not_lose_the_result(capsys, tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crlso.studies.study.os.fsync", full)
    assert main([*RANDOM, "--budget", "3", "--json", "--out", str(tmp_path / "s")]) == 1
    out, err = capsys.readouterr()
    assert parse(out)["n_queries"] == 3
    assert "No space left on device" in err
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_threads_are_set(capsys):
    before = crlso.get_num_threads()
    try:
        assert main([*RANDOM, "--budget", "2", "--threads", "2"]) == 0
        assert crlso.get_num_threads() == 2
    finally:
        crlso.set_num_threads(before)


@pytest.mark.slow
def test_workers_and_limits(tmp_path):
    pytest.importorskip("loky")
    command = [*RANDOM, "--seed", "3", "--json", "--budget", "20"]
    done = run(*command, "--workers", "2", "--timeout", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, here = parse(done.stdout), parse(run(*command).stdout)
    assert whole["n_queries"] == 20 and whole["best"] == here["best"]
    stopped = parse(run(*command, "--target", str(here["trajectory"][0]["value"])).stdout)
    assert stopped["n_queries"] == 1
    assert parse(run(*command, "--max-seconds", "1e-9").stdout)["n_queries"] == 0


@pytest.fixture
def calls(monkeypatch):
    """What the program searches, noted instead of done."""
    noted = []

    def search(benchmark, method, budget, rng, *, journal, known, workers, timeout, target, max_seconds, **options):
        assert journal is known is workers is timeout is target is max_seconds is None
        noted.append((method, budget, rng, options))
        return Study("nasbench201", benchmark.dataset, method, rng, budget)

    with monkeypatch.context() as patch:
        patch.setattr("crlso.studies.run.search", search)
        yield noted


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ([], {}),
        (["--no-gradient"], {"gradient": False}),
        (["--no-convex"], {"convex": False}),
        (["--no-regulariser"], {"regulariser": False}),
        (["--preset", "fast"], {"preset": "fast"}),
        (
            ["--preset", "paper", "--no-gradient", "--no-convex", "--no-regulariser"],
            {"preset": "paper", "gradient": False, "convex": False, "regulariser": False},
        ),
    ],
)
def test_flags_become_options(flags, options, calls):
    assert main(["search", "--method", "cr-lso-paper", *flags]) == 0
    assert calls == [("cr-lso-paper", None, 0, {**NO_GOALS, **options})]


def test_defaults_are_those_of_the_library(calls):
    assert main(["search"]) == 0
    parameters = inspect.signature(crlso.search).parameters
    assert [(*(parameters[name].default for name in ("method", "budget", "rng")), NO_GOALS)] == calls
    assert calls == [("cr-lso", None, 0, NO_GOALS)]


@pytest.mark.parametrize(
    ("flags", "goals"),
    [
        (["--objective", "value"], {}),
        (["--objective", "value", "--objective=-flops"], {"objectives": ["value", "-flops"]}),
        (["--constraint", "flops<=30"], {"constraints": {"flops": "<=30"}}),
        (["--constraint", "flops <= 30", "--constraint", "flops>=2"], {"constraints": {"flops": "<= 30,>=2"}}),
    ],
)
def test_objectives_and_bounds_become_arguments(flags, goals, calls):
    assert main(["search", *flags]) == 0
    assert calls == [("cr-lso", None, 0, {**NO_GOALS, **goals})]


def test_a_simulated_validation_can_be_one_of_two_objectives(capsys):
    both = ["--objective", "simulated-validation", "--objective=-parameters"]
    assert main([*RANDOM, "--benchmark", "nasbench101", *both, "--budget", "5", "--json"]) == 0
    document = parse(capsys.readouterr().out)
    assert document["objectives"] == ["value", "-parameters"]
    assert document["objective"] == "simulated validation (test + noise)"
    assert all(set(found["objectives"]) == {"parameters"} for found in document["front"])


def test_further_columns_of_a_table_are_objectives_and_constraints(capsys, tmp_path):
    (tmp_path / "space.toml").write_text('nodes = 3\noperations = ["conv", "pool"]\nedges = "free"\n')
    rows = [
        "cell,value,ms,note",
        "|conv~0|+|pool~1|,91.5,3,a",
        "|pool~0|+|conv~1|,92.5,5,b",
        "|pool~0|+|pool~1|,90,4,c",
    ]
    (tmp_path / "cells.csv").write_text("\n".join(rows))
    source = ["--table", str(tmp_path / "cells.csv"), "--space", str(tmp_path / "space.toml")]
    assert main(["info", *source]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split() for line in out] == [
        ["value", "-", "by", "evaluation"],
        ["ms", "-", "known", "without", "a", "query"],
    ]
    assert main([*RANDOM, *source, "--objective", "value", "--objective=-ms", "--budget", "3", "--json"]) == 0
    front = parse(capsys.readouterr().out)["front"]
    assert [(found["value"], found["objectives"]) for found in front] == [(92.5, {"ms": 5.0}), (91.5, {"ms": 3.0})]
    assert main([*RANDOM, *source, "--constraint", "ms<=4", "--json"]) == 0
    document = parse(capsys.readouterr().out)
    assert (document["best"]["value"], document["budget"], document["optimum"]) == (91.5, 2, 91.5)


def test_options_of_a_method_are_written_behind_its_name(capsys):
    assert main(["search", "--method", "evolution:population=10:tournament=3", "--budget", "15", "--json"]) == 0
    document = parse(capsys.readouterr().out)
    assert (document["method"], document["options"]) == ("evolution", {"population": 10, "tournament": 3})


def test_the_default_budget_takes_all_of_a_small_space(capsys, tmp_path):
    (tmp_path / "space.toml").write_text('nodes = 3\noperations = ["conv", "pool"]\nedges = "free"\n')
    (tmp_path / "cells.csv").write_text("cell,value\n|conv~0|+|pool~1|,91.5\n|pool~0|+|conv~1|,92.5\n")
    source = ["--table", str(tmp_path / "cells.csv"), "--space", str(tmp_path / "space.toml")]
    for command in (["search", "--method", "random"], ["compare", "--methods", "random", "--seeds", "2"]):
        assert main([*command, *source, "--json"]) == 0
        out, err = capsys.readouterr()
        assert '"budget": 2' in out
        assert "WARNING: budget: 2 queries instead of 100" in err
        assert main([*command, *source, "--budget", "100"]) == 2
        assert "budget: expected at most 2 (the classes of the space), got 100" in capsys.readouterr().err


# name, options, value, what the value is called, whether a test accuracy is told beside it
BENCHMARKS = [
    ("nasbench101", [], "test (oracle)", False),
    ("nasbench101", ["--objective", "simulated-validation"], "simulated validation (test + noise)", True),
    ("nasbench201", ["--dataset", "cifar100"], "validation", True),
    ("nasbench301", [], "validation (stand-in)", False),
    ("nasbenchmacro", [], "test (oracle)", False),
]


@pytest.mark.parametrize(("name", "options", "objective", "has_test"), BENCHMARKS)
def test_every_benchmark_says_what_its_values_are(capsys, name, options, objective, has_test):
    command = [*RANDOM[:1], "--method", "random", "--benchmark", name, *options, "--budget", "5"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert f"\n{objective}  " in table and ("\ntest  " in table) == has_test
    assert main([*command, "--json"]) == 0
    document = parse(capsys.readouterr().out)
    assert document["benchmark"].startswith(name) and document["objective"] == objective
    assert (document["best"]["test"] is not None) == has_test
    assert ("standin" in document["benchmark"]) == (name == "nasbench301")
    assert name in program_options.BENCHMARKS


SPEC = 'nodes = 4\noperations = ["conv", "pool"]\noperations_on = "nodes"\nedges = "free"\n'


@pytest.fixture
def table(tmp_path):
    space = crlso.spaces.CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
    cells = space.cells(space.all_codes())
    lines = [f'"{cell}",{90 + i % 7},{80 + i}' for i, cell in enumerate(cells)]
    (tmp_path / "cells.csv").write_text("\n".join(["cell,value,test", *lines]) + "\n")
    (tmp_path / "spec.toml").write_text(SPEC)
    return ["--table", str(tmp_path / "cells.csv"), "--space", str(tmp_path / "spec.toml")]


@pytest.mark.parametrize("method", ["random", "cr-lso", pytest.param("cr-lso-paper", marks=pytest.mark.slow)])
def test_a_table_of_ones_own(capsys, table, method):
    assert main(["search", *table, "--method", method, "--budget", "40", "--json"]) == 0
    document = parse(capsys.readouterr().out)
    assert document["benchmark"] == "cells" and document["objective"] == "value" and document["dataset"] is None
    assert document["best"]["value"] == 96.0 and document["best"]["test"] is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table[:2], "--table, --space: expected both or neither"),
        (lambda table: [*table, "--benchmark", "nasbench201"], "--table: expected without --benchmark"),
        (lambda table: [*table, "--dataset", "cifar10"], "--table: expected without --benchmark and --dataset"),
        (lambda table: [*table, "--budget", "99"], "budget: expected at most 43"),
        (lambda table: [table[0], table[3], *table[2:]], "line 1: expected"),
        (lambda table: [*table[:3], table[1]], "space '"),
        (lambda table: [*table[:3], "missing.toml"], "missing.toml"),
    ],
)
def test_tables_that_cannot_be_searched(capsys, table, change, words):
    assert main(["search", "--method", "random", *change(table)]) == program.USAGE
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_priors_are_files_of_other_tasks(tmp_path):
    other = crlso.search(crlso.benchmarks.NASBench201("cifar100"), "random", budget=20)
    other.save(tmp_path / "other.json")
    rows = "\n".join(f"{trial.cell},{trial.value}" for trial in other.trials)
    (tmp_path / "other.csv").write_text(f"cell,value\n{rows}\n", encoding="utf-8")
    files = ("--prior", "other.json", "--prior", "other.csv")
    done = run("search", *files, "--budget", "9", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    document = parse(done.stdout)
    assert document["options"] == {"prior": ["other.json", "other.csv"]}
    again = crlso.search(crlso.benchmarks.NASBench201("cifar10"), budget=9, prior=[other, other])
    assert document["best"]["cell"] == str(again.best.cell)
    wrong = run("search", "--prior", "none.json", "--budget", "9", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "") and "none.json" in wrong.stderr
    wrong = run("search", "--prior", "other.csv", "--method", "gp", "--budget", "9", cwd=tmp_path)
    assert wrong.returncode == 2 and "--prior: expected with --method cr-lso only, got --method gp" in wrong.stderr
