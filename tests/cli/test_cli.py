"""The program: exit codes, what goes to stdout and what to stderr, files."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crlso
import crlso.benchmarks
import crlso.methods
from crlso._version import __version__
from crlso.cli import main, program
from crlso.cli import options as program_options
from crlso.studies.study import Study

RANDOM = ["search", "--method", "random"]
KEYS = {"benchmark", "dataset", "method", "options", "seed", "budget", "n_queries", "best", "optimum", "trajectory"}
KEYS |= {"seconds", "diagnostics"}


def environment() -> dict[str, str]:
    """Lets a child process find the package under test, wherever it lies."""
    return {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crlso", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, **options)


def parse(text: str):
    def refuse(constant):
        raise AssertionError(f"{constant} in JSON")

    return json.loads(text, parse_constant=refuse)


# -- the document -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "ImageNet16-120"])
def test_json_is_the_only_thing_on_stdout(dataset, tmp_path):
    done = run(*RANDOM, "--dataset", dataset, "--budget", "40", "--seed", "5", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    document = parse(done.stdout)
    assert set(document) == KEYS | {"version", "objective"} and document["objective"] == "validation"
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


# -- options of the method ----------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """What the program searches, noted instead of done."""
    noted = []

    def search(benchmark, method, budget, rng, **options):
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
    assert calls == [("cr-lso-paper", 100, 0, options)]


def test_defaults_are_those_of_the_library(calls):
    assert main(["search"]) == 0
    parameters = inspect.signature(crlso.search).parameters
    assert [(*(parameters[name].default for name in ("method", "budget", "rng")), {})] == calls
    assert calls == [("cr-lso", 100, 0, {})]


# name, options, value, what the value is called, whether a test accuracy is told beside it
BENCHMARKS = [
    ("nasbench101", [], "test (oracle)", False),
    ("nasbench101", ["--objective", "simulated-validation"], "simulated validation (test + noise)", True),
    ("nasbench201", ["--dataset", "cifar100"], "validation", True),
    ("nasbench301", [], "validation (stand-in)", False),
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


# -- wrong usage --------------------------------------------------------------------------------------------------

WRONG = [
    (["search", "--benchmark", "nasbench101", "--dataset", "cifar100"], "--dataset: expected cifar10"),
    (["search", "--benchmark", "nasbench301", "--objective", "simulated-validation"], "nasbench101 only"),
    (["search", "--models", "nowhere"], "--models: expected with --benchmark nasbench301 only"),
    (["search", "--benchmark", "nasbench301", "--models", "nowhere"], "nowhere"),
    ([], "the following arguments are required: COMMAND"),
    (["find"], "invalid choice: 'find'"),
    (["search", "--nothing"], "unrecognized arguments: --nothing"),
    (["info", "now"], "unrecognized arguments: now"),
    ([*RANDOM, "--dataset", "mnist"], "expected one of cifar10, cifar100, ImageNet16-120, got 'mnist'"),
    ([*RANDOM, "--dataset", ""], "expected one of cifar10, cifar100, ImageNet16-120, got ''"),
    ([*RANDOM, "--benchmark", "nasbench"], "argument --benchmark: invalid choice: 'nasbench'"),
    (["search", "--method", "magic"], "argument --method: invalid choice: 'magic'"),
    ([*RANDOM, "--budget", "0"], "argument --budget: expected a whole number of at least 1, got '0'"),
    ([*RANDOM, "--budget", "-3"], "argument --budget: expected a whole number of at least 1, got '-3'"),
    ([*RANDOM, "--budget", "1.5"], "argument --budget: expected a whole number of at least 1, got '1.5'"),
    ([*RANDOM, "--budget", "nan"], "argument --budget: expected a whole number of at least 1, got 'nan'"),
    ([*RANDOM, "--budget", "4931"], "expected at most 4930 (the classes of the space), got 4931"),
    ([*RANDOM, "--budget", "9" * 40], "expected at most 4930 (the classes of the space)"),
    ([*RANDOM, "--seed", "-1"], "argument --seed: expected a whole number of at least 0, got '-1'"),
    ([*RANDOM, "--seed", "x"], "argument --seed: expected a whole number of at least 0, got 'x'"),
    ([*RANDOM, "--threads", "0"], "argument --threads: expected a whole number of at least 1, got '0'"),
    ([*RANDOM, "--threads", "100000"], "100000"),
    ([*RANDOM, "--threads", "9" * 40], "9" * 40),
    ([*RANDOM, "--no-gradient"], "--no-gradient: expected with --method cr-lso-paper only, got --method random"),
    ([*RANDOM, "--preset", "fast", "--no-convex"], "--no-convex, --preset: expected with --method cr-lso-paper only"),
    (["search", "--preset", "fast"], "--preset: expected with --method cr-lso-paper only, got --method cr-lso "),
    (["search", "--preset", "slow"], "argument --preset: invalid choice: 'slow'"),
    ([*RANDOM, "--out", "."], "--out: expected a file, got '.'"),
    ([*RANDOM, "--out", ""], "--out: expected a file, got ''"),
    ([*RANDOM, "--out", "no/such/folder/x.json"], "--out: expected a file in an existing folder"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a)[:50] or "nothing" for a, _ in WRONG])
def test_wrong_usage_exits_2_with_a_message_on_stderr(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_exit_codes_of_the_process():
    assert run(*RANDOM, "--budget", "0").returncode == 2
    assert run(*RANDOM, "--dataset", "mnist").returncode == 2
    assert run(*RANDOM, "--budget", "1").returncode == 0


# -- failures -----------------------------------------------------------------------------------------------------


def break_evaluation(monkeypatch, error, after=0):
    genuine = crlso.benchmarks.NASBench201.evaluate
    count = [0]

    def evaluate(self, cell):
        count[0] += 1
        if count[0] > after:
            raise error
        return genuine(self, cell)

    monkeypatch.setattr(crlso.benchmarks.NASBench201, "evaluate", evaluate)


def break_search(monkeypatch, error):
    def _next(self):
        raise error

    monkeypatch.setattr(crlso.methods.RandomSearch, "_next", _next)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("two\nlines"), "crlso: error: two lines (-v shows the traceback)\n"),
        (RuntimeError(), "crlso: error: RuntimeError (-v shows the traceback)\n"),
        (ValueError("inside"), "crlso: error: inside (-v shows the traceback)\n"),
        (KeyError("key"), "crlso: error: KeyError: 'key' (-v shows the traceback)\n"),
        (MemoryError(), "crlso: error: MemoryError (-v shows the traceback)\n"),
        (OSError(5, "Bad disk", "x"), "crlso: error: [Errno 5] Bad disk: 'x' (-v shows the traceback)\n"),
    ],
)
def test_a_failure_exits_1_with_one_line(error, line, capsys, monkeypatch):
    break_search(monkeypatch, error)
    assert main([*RANDOM, "--json"]) == 1
    assert capsys.readouterr() == ("", line)


def test_verbose_shows_the_traceback(capsys, monkeypatch):
    break_search(monkeypatch, RuntimeError("boom"))
    assert main([*RANDOM, "-v"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert err.endswith("crlso: error: boom\n")


def test_evaluations_that_fail_are_logged_to_stderr(capsys, monkeypatch):
    break_evaluation(monkeypatch, OSError("disk gone"), after=3)
    assert main([*RANDOM, "--budget", "5", "--json"]) == 0
    out, err = capsys.readouterr()
    assert parse(out)["n_queries"] == 5
    lines = err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("crlso: WARNING: query ") and line.endswith("OSError: disk gone") for line in lines)


def test_a_search_in_which_everything_fails_exits_1(capsys, monkeypatch):
    break_evaluation(monkeypatch, OSError("disk gone"))
    assert main([*RANDOM, "--budget", "50"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "got 10 failures in 10 queries; the last: OSError: disk gone" in err.splitlines()[-1]


@pytest.mark.parametrize("with_file", [False, True])
def test_an_interrupt_exits_130_with_one_line(capsys, monkeypatch, tmp_path, with_file):
    break_evaluation(monkeypatch, KeyboardInterrupt(), after=4)
    path = tmp_path / "partial.json"
    extra = ["--out", str(path)] if with_file else []
    assert main([*RANDOM, "--budget", "20", "--json", *extra]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "crlso: interrupted after 4 of 20 queries" + (f"; they are in {path}\n" if with_file else "\n")
    assert path.exists() == with_file
    if with_file:
        study = Study.load(path)
        assert (study.state, study.n_queries, len(study.trials)) == ("interrupted", 4, 5)


def test_a_real_interrupt():
    code = (
        "import os, signal, sys; from crlso.benchmarks import NASBench201; from crlso.cli import main\n"
        "NASBench201.evaluate = lambda self, cell: os.kill(os.getpid(), signal.SIGINT) or 1.0\n"
        "sys.exit(main(['search', '--method', 'random', '--budget', '4000']))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert done.stdout == ""
    assert re.fullmatch(r"crlso: interrupted after \d+ of 4000 queries\n", done.stderr)


@pytest.mark.parametrize("arguments", [["info"], [*RANDOM, "--json"]])
def test_a_reader_that_went_away(arguments):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "crlso", *arguments]
    done = subprocess.run(command, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_missing_stderr_is_no_problem():
    command = f'"{sys.executable}" -m crlso search --method random --budget 2 --json 2>&-'
    done = subprocess.run(command, shell=True, env=environment(), stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0
    assert parse(done.stdout)["n_queries"] == 2


def test_logging_is_left_as_it_was(capsys):
    import logging

    logger = logging.getLogger("crlso")
    before = (list(logger.handlers), logger.level, logger.propagate)
    assert main([*RANDOM, "--budget", "1", "-vv"]) == 0
    assert (logger.handlers, logger.level, logger.propagate) == before


# -- bars ---------------------------------------------------------------------------------------------------------


def test_bars_on_a_terminal_and_only_there():
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "crlso", *RANDOM, "--budget", "30", "--json"]
    child = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(main_end, 4096)
        except OSError:  # what Linux says when the child has closed its end
            break
        if not part:
            break
        seen += part
    out = child.communicate(timeout=120)[0]
    os.close(main_end)
    assert child.returncode == 0
    assert parse(out.decode())["n_queries"] == 30
    assert b"search" in seen
    assert b"30/30" in seen


# -- info, help, version ------------------------------------------------------------------------------------------


def test_info(capsys):
    assert main(["info"]) == 0
    out, err = capsys.readouterr()
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert rows["crlso"] == __version__
    assert rows["NumPy"] == np.__version__
    assert rows["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert rows["threads"] == str(crlso.get_num_threads())
    assert {"platform", "extension", "compiler", "blas", "blas kernel"} <= set(rows)
    assert err == ""


@pytest.mark.parametrize("flag", ["--version"])
def test_version(flag, capsys):
    assert main([flag]) == 0
    assert capsys.readouterr() == (f"crlso {__version__}\n", "")
    assert run(flag).stdout == f"crlso {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["info", "--help"]])
def test_help(arguments, capsys):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: crlso")
    assert err == ""


def test_help_does_not_wait_for_what_it_does_not_need():
    code = (
        "import sys; from crlso.cli import main; main(['search', '--help']); "
        "heavy = ('numpy', 'crlso._core', 'matplotlib', 'pandas', 'tqdm', 'crlso.models', 'crlso.studies.run'); "
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
