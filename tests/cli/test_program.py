"""The program: exit codes, what goes to stdout and what to stderr, help and version."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import crlso
import crlso.benchmarks
import crlso.methods
from crlso._version import __version__
from crlso.cli import main
from crlso.methods import RandomSearch
from crlso.studies.study import Study
from tests.cli.shell import RANDOM, parse, run
from tests.processes import environment

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
    (
        ["search", "--method", "magic"],
        "--method: expected one of cr-lso, cr-lso-paper, evolution, gp, local, nsga2, random",
    ),
    ([*RANDOM, "--constraint", "parameters"], "--constraint: expected a bound such as 'parameters<=1.0'"),
    ([*RANDOM, "--constraint", "parameters<=x"], "expected a finite number after <= or >=, got 'x'"),
    ([*RANDOM, "--constraint", "flops<=0"], "constraints: expected a cell that satisfies them, got none of 4930"),
    ([*RANDOM, "--objective", "value", "--objective=-latncy:pixel3"], "the nearest is 'latency:pixel3'"),
    ([*RANDOM, "--objective", "test"], "objectives: expected no test accuracy"),
    ([*RANDOM, "--objective", "simulated-validation"], "expected with --benchmark nasbench101 only"),
    (["compare", "--objective", "value", "--objective=-flop"], "the nearest is 'flops'"),
    ([*RANDOM, "--method", "local", "--constraint", "value>=90"], "known without a query for the method local"),
    (["info", "--benchmark", "nasbench201", "--dataset", "mnist"], "dataset: expected one of cifar10"),
    (["search", "--method", "random:x=1", "--budget", "3"], "options of method 'random': expected none, got x"),
    (["search", "--method", "evolution:population=0", "--budget", "3"], "population: expected at least 1, got 0"),
    (["search", "--method", "evolution:population"], "method: expected options as name:option=value"),
    (["search", "--method", "evolution:seed=3"], "search: expected rng=, got seed="),
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
    ([*RANDOM, "--workers", "0"], "argument --workers: expected a whole number of at least 1, got '0'"),
    ([*RANDOM, "--timeout", "3"], "timeout: expected workers or an executor too"),
    ([*RANDOM, "--workers", "1", "--timeout", "0"], "timeout: expected a positive number, got 0"),
    ([*RANDOM, "--target", "nan"], "target: expected a finite number, got nan"),
    ([*RANDOM, "--max-seconds", "-1"], "max_seconds: expected a positive number, got -1"),
    ([*RANDOM, "--out", "."], "--out: expected a file, got '.'"),
    ([*RANDOM, "--out", ""], "--out: expected a file, got ''"),
    ([*RANDOM, "--out", "no/such/folder/x.json"], "no/such/folder does not exist"),
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
    assert "got only failures in 50 queries; the last: OSError: disk gone" in err.splitlines()[-1]


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_real_signal_ends_and_saves_the_search(tmp_path, name):
    code = (
        "import os, signal, sys; from crlso.benchmarks import NASBench201; from crlso.cli import main\n"
        f"NASBench201.evaluate = lambda self, cell: os.kill(os.getpid(), signal.{name}) or 1.0\n"
        "sys.exit(main(['search', '--method', 'random', '--budget', '4000', '--out', 's.json']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 130
    assert done.stdout == ""
    assert re.fullmatch(r"crlso: interrupted after \d+ of 4000 queries; they are in s.json\n", done.stderr)
    assert Study.load(tmp_path / "s.json").state == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["| true", "> /dev/full", ">&-"])
def test_the_study_is_saved_whatever_becomes_of_the_output(tmp_path, ending):
    path = tmp_path / "s.json"
    command = f'"{sys.executable}" -m crlso search --method random --budget 5 --out "{path}" {ending}'
    subprocess.run(command, shell=True, env=environment(), stderr=subprocess.PIPE, timeout=120, check=False)
    assert Study.load(path).n_queries == 5


def test_a_method_that_dies_leaves_what_was_found(capsys, monkeypatch, tmp_path):
    def dies(self):
        if len(self.trials) == 3:
            raise RuntimeError("no idea")
        return original(self)

    original = RandomSearch._next
    monkeypatch.setattr(RandomSearch, "_next", dies)
    assert main([*RANDOM, "--budget", "9", "--out", str(tmp_path / "s.json")]) == 1
    err = capsys.readouterr().err
    assert "3 of 9 queries are in" in err and "error: no idea" in err
    study = Study.load(tmp_path / "s.json")
    assert (study.state, study.n_queries) == ("failed", 3)


@pytest.mark.slow
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
