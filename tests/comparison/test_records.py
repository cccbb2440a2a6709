"""The file of records with which a run resumes, executors, processes and failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest

import crlso
from crlso._base.checksums import with_checksum
from crlso.benchmarks import Function, NASBench201, Tabular
from crlso.comparison import compare
from crlso.comparison.records import Results
from crlso.methods import RandomSearch
from crlso.models import GraphVAE
from crlso.spaces import CellSpace
from tests.processes import environment
from tests.twins.toys import SPACE, table


def plain(comparison):
    """The document without times."""
    document = comparison.to_dict()
    return [
        {key: value for key, value in part.items() if key != "seconds_per_query"}
        for part in document.get("comparisons", [document])
    ]


class Failing(RandomSearch):
    name = "failing"

    def _next(self):
        if self.stream.integers("fails", 0, 1, 3)[0] == 0:
            raise RuntimeError("no idea")
        return super()._next()


def counted(calls):
    class Counted(RandomSearch):
        name = "counted"

        def __init__(self, space, *, rng=0, budget=None, extra=0):
            super().__init__(space, rng=rng, budget=budget)
            self.rng = rng

        def _next(self):
            if not self.trials:
                calls.append(self.rng)
            return super()._next()

    return Counted


def test_what_is_written_is_found_again(tmp_path):
    """With names of any kind, after an editor left blank lines and a byte order mark."""
    path, calls = tmp_path / "results.jsonl", []
    named = table()
    named.name, named.dataset = "a,'b'\"\u6570\u2028", "\r\n/data/\udcff"
    first = compare(named, {"label \udcfe": counted(calls)}, 2, 5, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(calls) == 2
    path.write_bytes(b"\xef\xbb\xbf\n" + lines[0] + b"\r\n  \n\n" + lines[1] + b"\n\t\n")
    again = compare(named, {"label \udcfe": counted(calls)}, 2, 5, path=path)
    assert len(calls) == 2 and plain(again) == plain(first)


def test_a_run_goes_on_where_a_file_ends(tmp_path):
    path, calls = tmp_path / "results.jsonl", []
    method = counted(calls)
    whole = compare(table(), [method], 5, 10, path=path)
    content = path.read_bytes()
    assert calls == [0, 1, 2, 3, 4]
    compare(table(), [method], 5, 10, path=path)
    assert calls == [0, 1, 2, 3, 4] and path.read_bytes() == content
    # The run was killed while it wrote the fourth line.
    lines = content.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    calls.clear()
    again = compare(table(), [method], 5, 10, path=path)
    assert calls == [3, 4]
    assert plain(again) == plain(whole)
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [0, 1, 2, 3, 4]


def test_other_options_budgets_versions_and_benchmarks_are_other_searches(tmp_path):
    path, calls = tmp_path / "results.jsonl", []
    method = counted(calls)
    for arguments in (
        (table(), {"x": method}, 1, 10),
        (table(), {"x": (method, {"extra": 1})}, 1, 10),
        (table(), {"x": method}, 1, 11),
        (table("other"), {"x": method}, 1, 10),
        (table(), {"x": method}, [1], 10),
    ):
        compare(*arguments, path=path)
    assert len(calls) == 5
    compare(table(), {"another label": method}, 1, 10, path=path)
    assert len(calls) == 5
    rewrite(path, lambda record: record.update(version="0.0.0"))
    compare(table(), {"x": method}, 1, 10, path=path)
    assert len(calls) == 6


def rewrite(path, change):
    """Change every record of a file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        record.pop("crc32")
        change(record)
    path.write_bytes(b"".join(with_checksum(record) for record in records))


SCORES = [
    "def score(c): return 1.0",
    "def score(c): return 2.0",
    "def score(c): return offset() + 1.0\ndef offset(): return 2.0",
    "def score(c): return offset() + 1.0\ndef offset(): return 3.0",
    "LIMITS = {'low': 5.0}\ndef score(c): return LIMITS['low']",
    "LIMITS = {'low': 6.0}\ndef score(c): return LIMITS['low']",
]
OTHER = CellSpace(nodes=4, operations=["left", "right"], edges="free")


def defined(source):
    scope = {"__name__": "__main__"}
    exec(source, scope)
    return scope["score"]


def test_each_function_of_one_name_has_its_own_results(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    for number, source in enumerate(SCORES):
        for space in (SPACE, OTHER):
            bench = Function(space, defined(source))
            assert bench.name == "score"
            before = path.read_bytes() if path.exists() else b""
            n_lines = before.count(b"\n") + 2
            for _ in range(2):  # the second time nothing is run
                for record in compare(bench, ["random"], seeds=2, budget=3, path=path).records:
                    assert record["value"] == number + 1.0
                    assert str(space.cell(record["cell"])) == record["cell"]
                assert path.read_bytes().startswith(before) and path.read_bytes().count(b"\n") == n_lines
    for part in ("space", "benchmark"):
        assert f"2 of the searches are in the file with another {part} of the same name; those results" in caplog.text


def test_an_edited_table_has_its_own_results(tmp_path):
    path, file = tmp_path / "results.jsonl", tmp_path / "mine.csv"
    cells = [str(cell) for cell in SPACE.cells(SPACE.all_codes())]
    for value in (1.0, 2.0, 1.0):
        file.write_text("cell,value\n" + "".join(f'"{cell}",{value}\n' for cell in cells))
        result = compare(Tabular.from_csv(file, SPACE), "random", 2, 3, path=path)
        assert {record["value"] for record in result.records} == {value}
    assert path.read_bytes().count(b"\n") == 4


def test_other_noise_of_the_same_benchmark_has_its_own_results(tmp_path):
    path, table_ = tmp_path / "results.jsonl", crlso.benchmarks.NASBench101()
    first, second = (
        compare(table_.simulated_validation(0, sd=sd), "random", 1, 5, path=path).records[0] for sd in (0.0, 5.0)
    )
    assert first["value"] == first["test"] and second["value"] != second["test"]


@pytest.mark.slow
def test_another_encoder_of_equal_text_has_its_own_results(tmp_path):
    path, codes = tmp_path / "results.jsonl", SPACE.all_codes()
    models = [GraphVAE(SPACE, width=8, latent=4, epochs=epochs, rng=0).fit(codes) for epochs in (1, 3)]
    models[1].epochs = 1
    assert repr(models[0]) == repr(models[1])
    for number, model in enumerate(models, start=1):
        for _ in range(2):
            compare(table(), {"mine": ("cr-lso", {"encoder": model})}, 1, 12, path=path)
            assert path.read_bytes().count(b"\n") == number


def test_what_cannot_be_identified_is_refused_with_a_file(tmp_path):
    path = tmp_path / "results.jsonl"
    unnamed = Function(SPACE, lambda cell: 1.0)
    assert not compare(unnamed, "random", 1, 3).failures
    with pytest.raises(ValueError, match=r"path: expected a benchmark that a later run can identify, got a lambda"):
        compare(unnamed, "random", 1, 3, path=path)
    assert not path.exists()
    for value in (1.0, 2.0, 1.0):
        named = Function(SPACE, lambda cell, value=value: value, name="mine")
        assert compare(named, "random", 1, 3, path=path).records[0]["value"] == value
    assert path.read_bytes().count(b"\n") == 2
    options = {"mine": (Optioned, {"extra": lambda: 1})}
    with pytest.raises(ValueError, match="path: expected methods and options that a later run can identify"):
        compare(table(), options, 1, 3, path=path)


class Optioned(RandomSearch):
    name = "optioned"

    def __init__(self, space, *, rng=0, budget=None, extra=None):
        super().__init__(space, rng=rng, budget=budget)


def test_results_of_versions_without_fingerprints_are_kept_and_not_used(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 2, 3, path=path)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        del record["crc32"], record["fingerprint"]
        record["value"] = -1.0
    old = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(old)
    assert all(record["value"] > 0 for record in compare(table(), "random", 2, 3, path=path).records)
    assert path.read_text().startswith(old)
    assert "2 of the searches are in the file from an older version, without fingerprints" in caplog.text


# -- the file ---------------------------------------------------------------------------------------------------------


def test_every_damage_of_one_byte_is_seen(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    whole = compare(table(), "random", 3, 3, path=path)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    start = len(lines[0])
    random = np.random.default_rng(0)
    end = start + len(lines[1]) - 1
    for position in (*range(start, end, 9), *range(end - 22, end)):  # every ninth byte, and all of the checksum
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        caplog.clear()
        with Results.opened(path) as results:
            assert len(results.records) == 2
        assert "results.jsonl, line 2: damaged, its search runs again" in caplog.text
        assert path.read_bytes() == damaged
    # Its search, alone, is run again.
    again = compare(table(), "random", 3, 3, path=path)
    assert path.read_bytes().startswith(damaged) and path.read_bytes().count(b"\n") == content.count(b"\n") + 1
    assert plain(again) == plain(whole)


@pytest.mark.parametrize("cut", [1, 12, 40, -5])
def test_a_torn_middle_line_is_named_and_run_again(tmp_path, caplog, cut):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 4, 3, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    # A version without checks wrote behind a torn line.
    torn = b"".join([lines[0], lines[1][:cut], lines[2], lines[3]])
    path.write_bytes(torn)
    assert not compare(table(), "random", 4, 3, path=path).failures
    assert "line 2: damaged, its search runs again" in caplog.text
    assert path.read_bytes().startswith(torn)
    assert path.read_bytes().count(b"\n") == 3 + 2


def test_a_last_line_without_its_newline_is_kept(tmp_path):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 1, 3, path=path)
    content = path.read_bytes()
    path.write_bytes(content.rstrip(b"\n"))
    compare(table(), "random", 2, 3, path=path)
    assert path.read_bytes().startswith(content)
    assert [json.loads(line)["seed"] for line in path.read_bytes().splitlines()] == [0, 1]


def test_blank_lines_and_a_byte_order_mark_do_not_matter(tmp_path):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 2, 3, path=path)
    content = b"\xef\xbb\xbf\n" + path.read_bytes().replace(b"\n", b"\r\n\r\n") + b"  \n"
    path.write_bytes(content)
    compare(table(), "random", 2, 3, path=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["hello", "hello\n", "cell,value\n", '{"space": 1}', "\0" * 9])
def test_a_file_of_something_else_is_not_changed(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"notes\.txt, line 1: expected a result of crlso\.compare"):
        compare(table(), "random", 1, 5, path=path)
    assert path.read_text() == content


def test_a_second_run_on_one_file_is_told_who_writes_to_it(tmp_path):
    path, told = tmp_path / "results.jsonl", []

    def score(cell):
        with pytest.raises(BlockingIOError) as caught:
            compare(table(), "random", 1, 3, path=path)
        told.append(str(caught.value))
        return 1.0

    assert not compare(Function(SPACE, score), "random", 1, 3, path=path).failures
    assert len(told) == 3 and f"process {os.getpid()} on " in told[0] and str(path) in told[0]
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.slow
def test_three_programs_on_one_file_run_everything_once(tmp_path):
    path = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "crlso", "compare", "--methods", "local,random", "--seeds", "20"]
    command += ["--budget", "100", "--out", str(path)]
    running = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(*process.communicate(timeout=300), process.returncode) for process in running]
    keys = [json.loads(line)["seed"] for line in path.read_text().splitlines()]
    assert sorted(keys) == sorted([*range(20)] * 2)
    assert any(code == 0 for _, _, code in ends)
    for _, err, code in ends:
        assert code == 0 or (code == 1 and "expected a file that no other run writes to, but process" in err)


@pytest.mark.parametrize("line", ["{}", "[1]", "no json", '{"state": "complete"}'])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "results.jsonl"
    compare(table(), "random", 1, 5, path=path)
    content = path.read_text() + line + "\n"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: expected a result of crlso\.compare"):
        compare(table(), "random", 1, 5, path=path)
    assert path.read_text() == content


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    path = tmp_path / "results.jsonl"
    arguments = [sys.executable, "-m", "crlso", "compare", "--methods", "local,random", "--seeds", "60", "--json"]
    arguments += ["--budget", "150", "--out", str(path)]
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 2000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    before = path.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]
    assert 0 < kept.count(b"\n") < 120
    done = subprocess.run(arguments, env=environment(), capture_output=True, check=True, timeout=120)
    assert path.read_bytes().startswith(kept)
    assert path.read_bytes().count(b"\n") == 120
    fresh = plain(compare(NASBench201("cifar10"), ["local", "random"], 60, 150))[0]
    found = json.loads(done.stdout)
    assert {key: value for key, value in found.items() if key != "seconds_per_query"} == fresh


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(tmp_path):
    benches = [NASBench201("cifar10"), table()]
    one = compare(benches, ["evolution", "local"], 3, 15, path=tmp_path / "one")
    two = compare(benches, ["evolution", "local"], 3, 15, jobs=2, path=tmp_path / "two")
    with ThreadPoolExecutor(2) as pool:
        three = compare(benches, ["evolution", "local"], 3, 15, executor=pool)
    assert plain(one) == plain(two) == plain(three)


def test_a_failing_search_leaves_the_others_alone(tmp_path, caplog):
    path = tmp_path / "results.jsonl"
    result = compare(table(), [Failing, "random"], 12, 8, path=path)
    failures = result.failures
    assert 0 < len(failures) < 12
    assert {failure["error"] for failure in failures} == {"RuntimeError: no idea"}
    document = result.to_dict()
    assert [row["n"] for row in document["results"]] == [12 - len(failures), 12]
    assert document["failed"] == len(failures)
    assert f"{len(failures)} searches failed" in str(result)
    assert "no idea" in caplog.text
    # Failed searches are tried again, the others are not.
    compare(table(), [Failing, "random"], 12, 8, path=path)
    assert len(path.read_text().splitlines()) == 24 + len(failures)


def test_a_future_that_fails_and_an_executor_that_ends():
    class Odd(Executor):
        def __init__(self, ends):
            self.count, self.ends = 0, ends

        def submit(self, function, /, *arguments, **options):
            self.count += 1
            if self.count > self.ends:
                raise RuntimeError("shut down")
            future = Future()
            if self.count % 2:
                future.set_exception(OSError("worker lost"))
            else:
                future.set_result(function(*arguments))
            return future

    result = compare(table(), "random", 6, 5, executor=Odd(100))
    assert [record["state"] for record in result.records] == ["failed", "complete"] * 3
    assert result.records[0]["error"] == "OSError: worker lost"
    with pytest.raises(RuntimeError, match="shut down"):
        compare(table(), "random", 6, 5, executor=Odd(4))


SCRIPT = """
import json, os, sys
import crlso
from crlso.methods import RandomSearch

class Deadly(RandomSearch):
    name = "deadly"

    def __init__(self, space, *, rng=0, budget=None):
        super().__init__(space, rng=rng, budget=budget)
        self.seed = rng

    def _next(self):
        if self.seed == 2:
            os._exit(3)
        return super()._next()

if __name__ == "__main__":
    result = crlso.compare(crlso.benchmarks.NASBench201("cifar10"), [Deadly], 6, 10, jobs=2, path=sys.argv[1])
    print(json.dumps([record["state"] for record in result.records]))
"""


@pytest.mark.slow
def test_a_process_that_dies_takes_its_own_search_alone(tmp_path):
    script = tmp_path / "deadly.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "out")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout) == ["complete", "complete", "failed", *["complete"] * 3], done.stderr
    states = {
        json.loads(line)["seed"]: json.loads(line)["state"] for line in (tmp_path / "out").read_text().splitlines()
    }
    assert states == {seed: "failed" if seed == 2 else "complete" for seed in range(6)}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished(tmp_path, jobs):
    path = tmp_path / "results.jsonl"
    arguments = [sys.executable, "-m", "crlso", "compare", "--methods", "local", "--seeds", "5000", "--budget", "150"]
    arguments += ["--jobs", jobs, "--out", str(path)]
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 2000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err == "crlso: interrupted\n"
    assert all(json.loads(line)["state"] == "complete" for line in path.read_text().splitlines())


class Noisy(Function):
    """The sum of the codes and a number for each cell and seed."""

    def __init__(self, seed=None):
        super().__init__(SPACE, self.noisy, name="noisy")
        self.seed = seed

    def noisy(self, cell):
        return sum(cell.codes) + np.random.default_rng([self.seed, *cell.codes]).uniform()

    def for_seed(self, seed):
        return Noisy(seed)

    def optimum(self):
        return max(SPACE.cells(SPACE.all_codes()), key=self.noisy)


@pytest.mark.slow
def test_processes_give_each_seed_its_noise():
    bench = crlso.benchmarks.NASBench101().simulated_validation(5)
    records = compare(bench, "random", [0, 3], 4, jobs=2).records
    for record in records:
        here = crlso.search(bench.for_seed(record["seed"]), "random", 4, record["seed"])
        assert (record["state"], record["trajectory"]) == ("complete", here.trajectory)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [0, 2])
def test_each_seed_has_noise_of_its_own_and_all_methods_the_same(tmp_path, threads):
    path, n = tmp_path / "results.jsonl", len(SPACE)
    with ThreadPoolExecutor(threads) if threads else nullcontext() as executor:
        result = compare(Noisy(), ["random", "local"], [0, 3], n, executor=executor, path=path)
    best = {seed: Noisy(seed).evaluate(Noisy(seed).optimum()) for seed in (0, 3)}
    assert best[0] != best[3]
    # All cells are asked for, so that each search ends at the best of its seed's noise.
    assert [(r["seed"], r["value"], r["optimum"]) for r in result.records] == [
        (seed, best[seed], best[seed]) for seed in (0, 0, 3, 3)
    ]
    for record in result.records:
        assert (
            record["trajectory"] == crlso.search(Noisy(record["seed"]), record["method"], n, record["seed"]).trajectory
        )
    content = path.read_bytes()
    assert plain(compare(Noisy(), ["random", "local"], [0, 3], n, path=path)) == plain(result)
    assert path.read_bytes() == content


def test_a_benchmark_that_is_no_benchmark_of_ours_need_not_know_of_seeds():
    class Bare:
        space, name = SPACE, "bare"

        def evaluate(self, cell):
            return float(sum(cell.codes))

    assert compare(Bare(), "random", 2, 5).to_dict()["failed"] == 0
