"""A search with a journal: killed anywhere and called again, it is the one that was not interrupted."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso._base.lines import read_lines
from crlso._base.locks import locked
from crlso.benchmarks import Function
from crlso.history import Measurement
from crlso.journal import Journal
from crlso.methods import METHODS, Optimiser, RandomSearch
from crlso.models import GraphVAE, Predictor
from crlso.spaces import CellSpace
from crlso.studies import Study, search

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
PACKAGE = Path(crlso.__file__).parent


def value_of(cell):
    return 80.0 + 3.0 * cell.operations.count("conv") - len(cell.graphs[0].edges) + 0.01 * sum(cell.codes)


class Counted(Function):
    """A benchmark that counts evaluations; some fail, and one has everything that a measurement can have."""

    def __init__(self):
        super().__init__(SPACE, self._value, name="counted")
        self.asked = []

    def _value(self, cell):
        self.asked.append(cell)
        if sum(cell.codes) % 5 == 2:
            raise ValueError("ünlucky\n" + str(cell))
        if sum(cell.codes) % 5 == 3:
            return Measurement(value_of(cell), {"speed": 2.5}, {"size": 3.0}, 1.25, {"host": "near", "list": [1, None]})
        return value_of(cell)


@functools.cache
def encoder():
    return GraphVAE(SPACE, width=8, latent=4, epochs=1, rng=0).fit(SPACE.all_codes())


def small_presets(monkeypatch):
    presets = {**SPACE.presets, "fast": dataclasses.replace(SPACE.presets["fast"], width=8, epochs=1)}
    monkeypatch.setattr(CellSpace, "presets", presets)
    monkeypatch.setattr("crlso.methods.paper.Predictor", functools.partial(Predictor, epochs=2))


RUNS = {
    "random": ("random", {}),
    "evolution": ("evolution", {"population": 3, "tournament": 2}),
    "local": ("local", {}),
    "steepest": ("local", {"improvement": "steepest"}),
    "nsga2": ("nsga2", {"population": 3}),
    "gp": ("gp", {"initial": 3, "batch": 4}),
    "cr-lso": ("cr-lso", {"initial": 3}),
    "cr-lso of a large space": ("cr-lso", {"initial": 3, "candidates": 6, "reservoir": 20}),
    "cr-lso-paper": ("cr-lso-paper", {"labels": 5}),
}
BUDGET = 12
SHORT = 12  # a seed whose first two evaluations are a success and a failure


def run(name, path, budget=BUDGET, benchmark=None, rng=1, **more):
    method, options = RUNS[name]
    if method == "cr-lso":
        options = {**options, "encoder": encoder()}
    return search(benchmark or Counted(), method, budget, rng, progress=False, journal=path, **options, **more)


def outcome(study):
    document = study.to_dict()
    del document["seconds"]
    return document, study.history.to_dict()


def cut(content, n, extra):
    """The first `n` lines of a journal, and a part of the next one."""
    lines = content.splitlines(keepends=True)
    return b"".join(lines[:n]) + lines[n][: len(lines[n]) // 2 if extra else 0]


def _cuts(name, tmp_path, step):
    path = tmp_path / "run.jsonl"
    expected = outcome(run(name, None))
    assert outcome(run(name, path)) == expected
    content, wholes = path.read_bytes(), len(path.read_bytes().splitlines())
    assert wholes == 2 + 2 * BUDGET
    for n in range(0, wholes, step):
        path.write_bytes(cut(content, n, extra=n % 2))
        benchmark = Counted()
        before = content.splitlines()[:n]
        done = sum(b'"event": "told"' in line or b'"event": "failed"' in line for line in before)
        assert outcome(run(name, path, benchmark=benchmark)) == expected, n
        assert len(benchmark.asked) == BUDGET - done
        assert outcome(run(name, path, benchmark=benchmark)) == expected  # there is nothing left to evaluate
        assert len(benchmark.asked) == BUDGET - done


@pytest.mark.parametrize("name", ["random", "local", "gp"])
def test_a_search_goes_on_from_any_line(name, tmp_path):
    _cuts(name, tmp_path, step=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_search_goes_on_from_every_line(name, tmp_path, monkeypatch):
    if "paper" in name:
        small_presets(monkeypatch)
    _cuts(name, tmp_path, step=1)


def test_all_methods_go_on():
    assert set(METHODS) == {method for method, _ in RUNS.values()}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gp", "cr-lso"])
def test_a_search_of_nasbench201_goes_on(method, tmp_path):
    """Where ties and last digits matter: thousands of cells, of which the highest acquisition value decides."""
    path, benchmark = tmp_path / "run.jsonl", crlso.benchmarks.NASBench201("ImageNet16-120")
    expected = search(benchmark, method, 70, 5, progress=False, journal=path)
    content = path.read_bytes()
    for n in (1, 40, 41, 75, 100, 133):
        path.write_bytes(cut(content, n, extra=False))
        study = search(benchmark, method, 70, 5, progress=False, journal=path)
        assert outcome(study) == outcome(expected)
        assert study.history == expected.history


# -- what the file says -----------------------------------------------------------------------------------------------


def test_a_journal_can_be_opened_without_the_benchmark(tmp_path):
    path = tmp_path / "run.jsonl"
    study = run("local", path)
    opened = Study.open(path)
    assert opened.history == study.history
    assert [trial.to_dict() for trial in opened.trials] == [trial.to_dict() for trial in study.trials]
    for name in ("benchmark", "dataset", "objective", "method", "seed", "budget", "options", "state", "environment"):
        assert getattr(opened, name) == getattr(study, name), name
    assert (opened.seconds, opened.optimum, str(opened.best.cell)) == (
        study.seconds,
        study.optimum,
        str(study.best.cell),
    )
    opened.save(tmp_path / "saved.json")
    assert Study.load(tmp_path / "saved.json").history == study.history


def test_what_was_looked_up_at_the_end_is_there(tmp_path):
    benchmark = crlso.benchmarks.NASBench201("cifar10")
    study = search(benchmark, "random", 5, journal=tmp_path / "run.jsonl")
    opened = Study.open(tmp_path / "run.jsonl")
    assert opened.to_dict()["best"] == study.to_dict()["best"] and opened.best.test is not None
    assert opened.optimum == study.optimum


def test_the_state_of_a_journal(tmp_path):
    path = tmp_path / "run.jsonl"
    run("random", path)
    path.write_bytes(cut(path.read_bytes(), 6, extra=True))
    before = path.read_bytes()
    opened = Study.open(path)
    assert (opened.state, opened.n_queries, len(opened.history.pending)) == ("interrupted", 2, 1)
    with locked(path):
        assert Study.open(path).state == "running"
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["run.jsonl"]
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="expected a journal, got a file without a whole line"):
        Study.open(path)


def test_a_callback_that_stops_and_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    first = run("random", path, callbacks=[lambda study, trial: study.stop() if trial.number == 2 else None])
    assert (first.state, Study.open(path).state, first.n_queries) == ("stopped", "stopped", 3)
    assert outcome(run("random", path)) == outcome(run("random", None))
    kinds = [entry.kind for entry in Journal.read(path).entries]
    assert kinds[:8] == ["asked", "told", "asked", "told", "asked", "told", "stopped", "resumed"] or "failed" in kinds
    assert kinds.count("stopped") == 2 and kinds.count("resumed") == 1


# -- another search, another budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "local"}, "is of another search: method: expected 'gp', got 'local'"),
        ({"rng": 2}, "is of another search: seed: expected 1, got 2"),
        ({"beta": 3.0}, "is of another search: beta: expected 1.0, got 3.0"),
        ({"initial": 4}, "is of another search: initial: expected 'none', got 4"),
        ({"kernel": crlso.models.Kernel(((0.1,), (0.2,)))}, "is of another search: kernel: expected"),
        ({"benchmark": Function(SPACE, value_of, name="other")}, "benchmark: expected 'counted', got 'other'"),
        ({"budget": 3}, "budget: expected at least 4, that of the journal, got 3"),
        ({"budget": 1.5}, "budget: expected an int, got float"),
        ({"budget": 10**6}, "budget: expected at most"),
    ],
)
def test_another_search_is_refused(tmp_path, change, message):
    path, kernel = tmp_path / "run.jsonl", crlso.models.Kernel(((0.1,), (0.3,)))
    given = {"benchmark": Counted(), "method": "gp", "budget": 4, "rng": 1, "beta": 1.0, "kernel": kernel}
    search(**given, journal=path)
    before = path.read_bytes()
    changed = {**given, **change}
    if change.get("method") == "local":
        del changed["beta"], changed["kernel"]
    with pytest.raises((ValueError, TypeError), match=message):
        search(**changed, journal=path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.jsonl"]
    given["kernel"] = crlso.models.Kernel(((0.1,), (0.3,)))  # an equal one
    assert search(**given, journal=path).n_queries == 4


def test_another_space_of_the_same_name_is_refused(tmp_path):
    few = SPACE.subset(SPACE.classes().codes[:20])
    search(Function(few, value_of, name="f"), "random", 3, journal=tmp_path / "run.jsonl")
    with pytest.raises(ValueError, match="space: expected the one of the journal, got another"):
        search(
            Function(SPACE.subset(SPACE.classes().codes[:21]), value_of, name="f"),
            "random",
            3,
            journal=tmp_path / "run.jsonl",
        )


@pytest.mark.parametrize("name", ["random", "gp", "local"])
def test_a_larger_budget(tmp_path, name):
    path, benchmark = tmp_path / "run.jsonl", Counted()
    run(name, path, budget=6, benchmark=benchmark)
    for budget in (9, 13):
        study = run(name, path, budget=budget, benchmark=benchmark)
        assert (study.budget, study.n_queries, len(benchmark.asked)) == (budget, budget, budget)
        assert Study.open(path).budget == budget
    assert run(name, path, budget=None, benchmark=benchmark).budget == 13
    # Killed after the budget was raised, and called again.
    content = path.read_bytes()
    kinds = ["began", *(entry.kind for entry in Journal.read(path).entries)]
    assert kinds.count("resumed") == 2
    for n in range(len(kinds) - kinds[::-1].index("resumed"), len(kinds)):
        path.write_bytes(cut(content, n, extra=False))
        assert outcome(run(name, path, budget=13)) == outcome(study), n


def test_arguments_that_are_refused_leave_no_file(tmp_path):
    for wrong in ({"method": "magic"}, {"budget": 0}, {"beta": 1}):
        with pytest.raises((ValueError, TypeError)):
            search(Counted(), **{"method": "random", **wrong}, journal=tmp_path / "run.jsonl")
    with pytest.raises(FileNotFoundError, match="journal: expected a file in an existing folder"):
        run("random", tmp_path / "none" / "run.jsonl")
    with pytest.raises(IsADirectoryError):
        run("random", tmp_path)
    assert not list(tmp_path.iterdir())


# -- a method that proposes other cells -------------------------------------------------------------------------------


class InOrder(Optimiser):
    """Proposes the classes of a space in order, or in the reverse order."""

    name, is_reversed = "in-order", False

    def _next(self):
        codes = self.space.classes().codes
        fresh = codes[~self.seen(codes)]
        return fresh[-1 if self.is_reversed else 0]


class Reversed(InOrder):
    is_reversed = True


def test_a_method_that_proposes_other_cells_takes_those_of_the_journal(tmp_path, caplog):
    path, benchmark = tmp_path / "run.jsonl", Counted()
    first = search(benchmark, InOrder, 5, journal=path)
    again = search(benchmark, Reversed, 8, journal=path)
    assert [t.to_dict() for t in again.trials[:5]] == [t.to_dict() for t in first.trials]
    expected = SPACE.classes().codes[[0, 1, 2, 3, 4, -1, -2, -3]]
    assert [int(k) for k in SPACE.canonical_key(expected)] == [again.history.key_of(trial) for trial in again.trials]
    assert len(benchmark.asked) == 8
    warnings = [record.getMessage() for record in caplog.records if "proposes other cells" in record.getMessage()]
    assert len(warnings) == 1
    assert "proposes other cells than the journal has in 5 queries, first in query 1;" in warnings[0]


def test_another_version_is_named_once(tmp_path, caplog, monkeypatch):
    path = tmp_path / "run.jsonl"
    run("gp", path)
    content = path.read_bytes()
    path.write_bytes(cut(content, 15, extra=False))
    monkeypatch.setattr("crlso.studies.resume.__version__", "9.9")
    run("gp", path)
    assert [r.getMessage() for r in caplog.records if "9.9" in r.getMessage()] == [
        f"{path}: the search may ask for other cells than where it was begun (it was begun with version "
        f"{crlso.__version__} and not 9.9)"
    ]


# -- interrupts, locks, disks -----------------------------------------------------------------------------------------


def test_what_was_interrupted_is_evaluated_first(tmp_path):
    path = tmp_path / "run.jsonl"

    class Slow(Counted):
        def _value(self, cell):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super()._value(cell)

    benchmark = Slow()
    with pytest.raises(KeyboardInterrupt) as caught:
        run("gp", path, benchmark=benchmark)
    assert f"the same call goes on from {path}" in str(caught.value)
    study = caught.value.study
    assert (study.n_queries, [t.number for t in study.history.pending], Study.open(path).state) == (
        3,
        [3],
        "interrupted",
    )
    benchmark = Counted()
    assert outcome(run("gp", path, benchmark=benchmark)) == outcome(run("gp", None))
    assert benchmark.asked[0] == study.trials[3].cell and len(benchmark.asked) == BUDGET - 3


@pytest.mark.slow
def test_an_interrupt_at_any_line_of_the_journal_loses_nothing(tmp_path):
    """Ctrl-C at each line of the code that writes, in turn; the search is called again until it is over."""
    files = {str(PACKAGE / "journal.py"), str(PACKAGE / "_base" / "lines.py")}
    expected, places = outcome(run("random", None, budget=3)), []

    def tracer(frame, event, argument):
        return tracer if frame.f_code.co_filename in files else None

    def counting(position):
        count = 0

        def line(frame, event, argument):
            nonlocal count
            if event == "line":
                count += 1
                if count == position:
                    places.append((frame.f_code.co_name, frame.f_lineno))
                    raise KeyboardInterrupt
            return line

        return lambda frame, event, argument: line if frame.f_code.co_filename in files else None

    for position in range(1, 2000):
        path, benchmark = tmp_path / f"{position}.jsonl", Counted()
        before = len(places)
        sys.settrace(counting(position))
        study = None
        try:
            study = run("random", path, budget=3, benchmark=benchmark)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if study is None:  # not inside the except: errors of evaluations would have the interrupt as their context
            study = run("random", path, budget=3, benchmark=benchmark)
        assert outcome(study) == expected, places[-1]
        assert len(benchmark.asked) <= 4
        assert Study.open(path).history == study.history, places[-1]
        if len(places) == before:
            break
    assert len(places) > 300


def test_another_process_that_writes_is_named(tmp_path):
    with locked(tmp_path / "run.jsonl"), pytest.raises(BlockingIOError, match=f"process {os.getpid()} on "):
        run("random", tmp_path / "run.jsonl")


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    """At every write in turn; some bytes still fit, as on a real disk."""
    write, expected = os.pwrite, outcome(run("random", None, budget=4))
    for room in range(1, 11):
        path, benchmark, left = tmp_path / f"{room}.jsonl", Counted(), [room]

        def full(descriptor, data, position, left=left):
            if left[0] <= 0:
                if left[0] == 0:
                    left[0] = -1
                    return write(descriptor, data[:30], position)
                raise OSError(errno.ENOSPC, "No space left on device")
            left[0] -= 1
            return write(descriptor, data, position)

        monkeypatch.setattr(os, "pwrite", full)
        if room < 10:  # the note in the lock, the first line, and two for each of four queries
            with pytest.raises(OSError, match="No space left") as caught:
                run("random", path, budget=4, benchmark=benchmark)
            told = getattr(caught.value, "study", None)
            assert (0 if told is None else told.n_queries) == (room - 1) // 2
        else:
            assert outcome(run("random", path, budget=4, benchmark=benchmark)) == expected
        monkeypatch.setattr(os, "pwrite", write)
        assert all(line.has_end and line.damage is None for line in read_lines(path)) if path.exists() else room == 1
        study = run("random", path, budget=4, benchmark=benchmark)
        assert outcome(study) == expected
        assert len(benchmark.asked) == 4 + (room in (3, 5, 7, 9))  # the result that could not be written


def test_a_disk_that_fails_to_sync_ends_the_search(tmp_path, monkeypatch):
    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        run("random", tmp_path / "run.jsonl")


def test_something_else_that_writes_is_noticed(tmp_path):
    path = tmp_path / "run.jsonl"

    def intrude(study, trial):
        with path.open("ab") as file:
            file.write(b"hello\n")

    with pytest.raises(RuntimeError, match="expected a file that no other run writes to"):
        run("random", path, callbacks=[intrude])
    assert b"hello" in path.read_bytes()


# -- damage -----------------------------------------------------------------------------------------------------------


def _damaged(tmp_path, step):
    """Flip bytes of a short journal, and cut it: the same search, or an error that names the line."""
    path = tmp_path / "run.jsonl"
    expected = outcome(run("random", path, budget=2, rng=SHORT))
    content = path.read_bytes()
    tried = same = 0
    for i in range(0, len(content), step):
        for changed in (*(content[:i] + bytes([content[i] ^ bit]) + content[i + 1 :] for bit in (1, 128)), content[:i]):
            path.write_bytes(changed)
            tried += 1
            try:
                study = run("random", path, budget=2, rng=SHORT)
            except ValueError as error:
                message = str(error)
            else:
                message = None
                assert outcome(study) == expected, (i, changed[i : i + 10])
            same += message is None
            if message is not None:
                assert f"{path}, line " in message or "expected a journal of crlso" in message
                assert path.read_bytes() == changed
    assert same >= len(range(0, len(content), step)) - 100 and tried > same
    return tried


def test_damage_is_seen(tmp_path):
    assert _damaged(tmp_path, step=53) > 60


@pytest.mark.slow
def test_all_damage_is_seen(tmp_path):
    assert _damaged(tmp_path, step=1) > 3000


def test_damage_in_the_middle_names_line_and_byte(tmp_path):
    path = tmp_path / "run.jsonl"
    run("random", path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"\x00" * len(lines[3][:-1]) + b"\n", *lines[4:]]))
    start = sum(map(len, lines[:3]))
    for read in (lambda: run("random", path), lambda: Study.open(path)):
        with pytest.raises(ValueError, match=rf"run.jsonl, line 4, from byte {start}: .*crlso journal repair"):
            read()


def test_a_torn_line_is_cut_with_a_warning(tmp_path, caplog):
    path = tmp_path / "run.jsonl"
    run("random", path)
    path.write_bytes(path.read_bytes()[:-7])
    run("random", path)
    assert [r.getMessage() for r in caplog.records if "incomplete" in r.getMessage()] == [
        f"{path}: cut an incomplete last line of {len(lines_of(path)[-1]) - 7} bytes"
    ] or "cut an incomplete last line" in caplog.text


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_another_file_is_not_touched(tmp_path):
    for content in (b"hello", b"cell,value\n1,2\n", b'{"a": 1}\n', b"\x00" * 50):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match="file"):
            run("random", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == content


def test_a_later_schema_is_refused(tmp_path, caplog):
    from crlso._base.checksums import with_checksum

    path = tmp_path / "run.jsonl"
    run("random", path)
    lines = lines_of(path)
    head = json.loads(lines[0])
    del head["crc32"]
    path.write_bytes(with_checksum({**head, "schema": 2}) + b"".join(lines[1:]))
    with pytest.raises(
        ValueError, match="schema: expected at most 1, got 2: a later version of crlso wrote the journal"
    ):
        run("random", path)


def test_a_space_and_a_method_of_ones_own(tmp_path):
    class Mine(RandomSearch):
        name = "mine"

        def __init__(self, space, *, rng=0, budget=None, weights=None):
            super().__init__(space, rng=rng, budget=budget)

    path, options = tmp_path / "run.jsonl", {"weights": np.arange(5000.0)}
    study = search(Counted(), Mine, 5, journal=path, **options)
    assert search(Counted(), Mine, 5, journal=path, **options).history == study.history
    assert Study.open(path).options == {"weights": "a ndarray too long to show"}
    assert Study.open(path, SPACE).history == study.history
    with pytest.raises(ValueError, match=r"weights: expected .* \(another one\)"):
        search(Counted(), Mine, 5, journal=path, weights=np.arange(5001.0))


def test_a_study_as_an_option_counts_by_its_results(tmp_path):
    def prior():
        return search(Counted(), "random", 8, rng=9)

    given = {"method": "cr-lso", "budget": 5, "encoder": encoder(), "journal": tmp_path / "run.jsonl"}
    search(Counted(), **given, prior=[prior()])
    assert search(Counted(), **given, prior=[prior()]).n_queries == 5
    with pytest.raises(ValueError, match="prior: expected"):
        search(Counted(), **given, prior=[search(Counted(), "random", 8, rng=8)])


def test_trials_in_flight_are_evaluated_first_in_their_order(tmp_path):
    """As a search with several workers leaves them, whose results came out of order."""
    from crlso.journal import Recorder

    path = tmp_path / "run.jsonl"
    run("gp", path, budget=5)
    head = Journal.read(path).head
    path.unlink()
    optimiser = METHODS["gp"](SPACE, rng=1, budget=BUDGET, initial=3, batch=4)
    with Recorder.opened(path) as recorder:
        recorder.begin(
            {name: head[name] for name in head if name not in ("crlso", "schema", "time")} | {"budget": BUDGET}
        )
        recorder.follow(optimiser.history, lambda: optimiser.note)
        trials = [optimiser.ask() for _ in range(6)]
        for number in (4, 1, 2):
            optimiser.tell(trials[number], value_of(trials[number].cell))
        trials.append(optimiser.ask())
    in_flight = [trial.cell for trial in optimiser.pending]
    assert [trial.number for trial in optimiser.pending] == [0, 3, 5, 6]
    benchmark = Function(SPACE, value_of, name="counted")
    evaluated = []
    benchmark.evaluate = lambda cell: (evaluated.append(cell), value_of(cell))[1]
    study = run("gp", path, benchmark=benchmark)
    assert evaluated[:4] == in_flight and len(evaluated) == BUDGET - 3
    for trial in optimiser.pending:
        optimiser.tell(trial, value_of(trial.cell))
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    assert study.history == optimiser.history
