"""The command `crlso compare`: JSON, tables, and wrong usage."""

from __future__ import annotations

import json
import os
import resource

import numpy as np
import pytest

import crlso
from crlso import cli
from crlso.cli import compare as cli_compare
from crlso.comparison.run import DEFAULT_METHODS, FRONT_METHODS
from crlso.methods import METHODS
from tests.cli.shell import run
from tests.comparison.test_result import ROW

KEYS = {"benchmark", "dataset", "objective", "seeds", "budget", "results", "queries_to_optimum", "seconds_per_query"}


def test_the_command_prints_json(capsys):
    arguments = ["compare", "--benchmark", "nasbench201", "--dataset", "cifar10", "--methods", "local,random"]
    assert cli.main([*arguments, "--seeds", "3", "--budget", "70", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == KEYS | {"paired", "sources", "failed", "version"}
    assert (document["benchmark"], document["dataset"]) == ("nasbench201", "cifar10")
    assert (document["seeds"], document["budget"], document["version"]) == (3, 70, crlso.__version__)
    assert [(row["method"], row["checkpoint"]) for row in document["results"]] == [
        (method, mark) for method in ("local", "random") for mark in (32, 64, 70)
    ]
    assert all(set(row) == ROW for row in document["results"])
    assert [set(pair) for pair in document["paired"]] == [{"a", "b", "checkpoint", "p"}] * 3
    assert set(document["seconds_per_query"]) == set(document["queries_to_optimum"]) == {"local", "random"}


def test_the_command_prints_tables(capsys):
    assert cli.main(["compare", "--dataset", "cifar10,cifar100", "--seeds", "2", "--budget", "8"]) == 0
    out = capsys.readouterr().out
    rows = [line.split()[0] for line in out.splitlines() if " 8  " in line]
    assert rows == 2 * cli_compare.METHODS.split(",") == 2 * ["cr-lso", "gp", "evolution", "local", "random"]
    assert ",".join(DEFAULT_METHODS) == cli_compare.METHODS
    assert ",".join(FRONT_METHODS) == cli_compare.FRONT_METHODS
    assert "nasbench201 / cifar10: 2 seeds, 8 queries" in out
    assert "nasbench201 / cifar100: 2 seeds, 8 queries" in out


def test_the_command_compares_fronts(capsys):
    goals = ["--objective", "value", "--objective=-latency:pixel3", "--constraint", "parameters<=1.0"]
    arguments = ["compare", "--methods", "nsga2,random", "--seeds", "2", "--budget", "6", *goals]
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(0 < row["hypervolume_regret_mean"] < 100 for row in document["results"])
    assert cli.main(arguments) == 0
    assert "front regret %" in capsys.readouterr().out
    for wrong, message in (
        (["--objective", "value", "--objective=-latncy"], "expected a measure of the benchmark, got 'latncy'"),
        (["--constraint", "parameters"], "--constraint: expected a bound such as"),
        (["--constraint", "parameters<=0"], "expected a cell that satisfies them, got none"),
        (["--objective", "value", "--objective=-flops", "--methods", "local"], "'value' alone for the method local"),
    ):
        assert cli.main(["compare", "--seeds", "1", "--budget", "5", *wrong]) == 2
        assert message in capsys.readouterr().err


def test_the_command_takes_the_sources_of_a_search(capsys):
    arguments = ["compare", "--benchmark", "nasbench101", "--objective", "simulated-validation", "--json"]
    assert cli.main([*arguments, "--methods", "random", "--seeds", "2", "--budget", "5"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["objective"].startswith("simulated validation")
    assert document["results"][0]["value_mean"] != document["results"][0]["test_mean"]
    searches = []
    for seed in ("0", "1"):
        assert cli.main(["search", *arguments[1:], "--method", "random", "--seed", seed, "--budget", "5"]) == 0
        searches.append(json.loads(capsys.readouterr().out)["best"]["value"])
    assert document["results"][0]["value_mean"] == pytest.approx(np.mean(searches), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "x"], "--models: expected with --benchmark nasbench301 only"),
        (["--methods", "magic"], f"--methods: expected one of {', '.join(METHODS)}, got 'magic'"),
        (["--methods", ""], "--methods: expected one of"),
        (["--methods", "local,local"], "methods: expected different methods"),
        (["--methods", "local:x=1"], "options of method 'local'"),
        (["--dataset", "mnist"], "dataset"),
        (["--budget", "5000"], "budget: expected at most 4930"),
        (["--seeds", "0"], "--seeds"),
        (["--jobs", "no"], "--jobs"),
        (["--out", "/nowhere/at/all"], "got '/nowhere/at/all'; /nowhere/at does not exist"),
    ],
)
def test_wrong_usage(capsys, arguments, message):
    assert cli.main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


COMPARE = ["compare", "--methods", "random", "--seeds", "30", "--budget", "50", "--out"]


def test_the_file_of_results_must_be_a_regular_one(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/full", "/dev/zero", str(tmp_path / "pipe")):
        assert cli.main([*COMPARE, path]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith(f"crlso: error: {path}: expected a regular file, got a")
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.slow
def test_a_full_disk_is_a_failure_and_no_wrong_usage(tmp_path):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    path = tmp_path / "runs.jsonl"
    done = run(*COMPARE, str(path), preexec_fn=limited)
    assert (done.returncode, done.stdout) == (1, "")
    assert "File too large" in done.stderr and "--help" not in done.stderr
    # What was written before stays, and a run with more room goes on from it.
    complete = path.read_bytes()[: path.read_bytes().rfind(b"\n") + 1]
    assert 0 < complete.count(b"\n") < 30
    done = run(*COMPARE, str(path))
    assert done.returncode == 0 and path.read_bytes().startswith(complete)
    assert [json.loads(line)["seed"] for line in path.read_bytes().splitlines()] == [*range(30)]


def test_an_edited_table_is_run_again(tmp_path, capsys):
    table, space, out = (str(tmp_path / name) for name in ("mine.csv", "mine.toml", "out.jsonl"))
    (tmp_path / "mine.toml").write_text('nodes = 3\noperations = ["conv", "pool"]\n')
    arguments = ["compare", "--table", table, "--space", space, "--methods", "random", "--seeds", "1", "--budget", "1"]
    for value in ("1.5", "2.5"):
        (tmp_path / "mine.csv").write_text(f"cell,value\n|conv~0|+|pool~0|conv~1|,{value}\n")
        assert cli.main([*arguments, "--json", "--out", out]) == 0
        assert json.loads(capsys.readouterr().out)["results"][0]["value_mean"] == float(value)
