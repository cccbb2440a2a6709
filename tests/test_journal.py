"""The journal of a search: what is checked, and what a repair keeps."""

from __future__ import annotations

import json

import pytest

from crlso._base.checksums import with_checksum
from crlso.benchmarks import Function
from crlso.journal import difference, repair
from crlso.spaces import CellSpace
from crlso.studies import Study, search

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")


def value_of(cell):
    if sum(cell.codes) % 5 == 2:
        raise ValueError("unlucky")
    return 3.0 * cell.operations.count("conv") + 0.01 * sum(cell.codes)


def run(path, budget=8, calls=None):
    def counted(cell):
        if calls is not None:
            calls.append(cell)
        return value_of(cell)

    return search(Function(SPACE, counted, name="f"), "gp", budget, 1, journal=path, initial=3)


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "run.jsonl"
    run(path)
    return path


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def damage(path, *numbers):
    """Damage lines, counted from 1."""
    lines = lines_of(path)
    for number in numbers:
        lines[number - 1] = lines[number - 1].replace(b": ", b"; ", 1)
    path.write_bytes(b"".join(lines))


def rewritten(line, **changes):
    document = json.loads(line)
    del document["crc32"]
    return with_checksum({**document, **changes})


def values(path):
    return {
        str(trial.cell): (trial.value, trial.error) for trial in Study.open(path).trials if trial.state != "pending"
    }


def test_every_line_has_what_is_needed(journal):
    first, *rest = (json.loads(line) for line in lines_of(journal))
    assert (first["crlso"], first["schema"], first["method"], first["seed"], first["budget"]) == (
        "journal",
        1,
        "gp",
        1,
        8,
    )
    assert first["options"] == {"initial": 3} and set(first["fingerprint"]) == {"space", "initial"}
    assert [line["event"] for line in rest[::2]] == ["asked"] * 8 + ["stopped"]
    assert {line["event"] for line in rest[1::2]} == {"told", "failed"}
    assert [line["number"] for line in rest[:-1]] == sorted(2 * [*range(8)])
    assert [("note" in line) for line in rest[:-1:2]] == [False] * 3 + [True, False, False, False, True]
    assert all(line["time"] > 1.7e9 for line in rest)
    assert sorted(line["time"] for line in rest) == [line["time"] for line in rest]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": 5}, "line 4: number: expected 1, got 5"),
        ({"number": "1"}, "line 4: number: expected int, got '1'"),
        ({"event": "thought"}, "line 4: event: expected one of a search, got 'thought'"),
        ({"event": "told"}, "line 4: expected an entry 'value', got none"),
        (
            {"event": "failed", "value": None, "error": "x", "number": 0},
            "line 4: number: expected a pending trial, got 0",
        ),
        ({"key": 7}, "line 4: key: expected [0-9]+ for this cell, got 7"),
        ({"codes": [0, 99, 0, 0, 0, 0]}, "line 4: "),
        ({"codes": [0]}, "line 4: "),
        ({"codes": 5}, "line 4: codes: expected list, got 5"),
        ({"codes": [0.5]}, "line 4: codes: expected integers from 0 to 255"),
        ({"note": {"cells": 3, "model": None}}, "line 4: "),
        ({"note": {"cells": [[77]], "model": None}}, "line 4: "),
    ],
)
def test_a_line_that_does_not_fit_is_named(journal, change, message):
    lines = lines_of(journal)
    lines[3] = rewritten(lines[3], **change)
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=message.replace("line 4", "line 4(, from byte [0-9]+)?")):
        run(journal)


def test_wrong_results_are_named(journal):
    content = lines_of(journal)
    told = next(i for i, line in enumerate(content) if b'"told"' in line)
    for change in ({"value": None}, {"value": "good"}, {"objectives": 3}, {"user_attrs": [1]}, {"value": True}):
        lines = [*content[:told], rewritten(content[told], **change), *content[told + 1 :]]
        journal.write_bytes(b"".join(lines))
        for read in (run, Study.open):
            with pytest.raises(ValueError, match=f"line {told + 1}, from byte [0-9]+: "):
                read(journal)


def test_a_repair_of_what_is_whole_does_nothing(journal):
    before = journal.read_bytes()
    assert repair(journal)[1] is None and journal.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        repair(journal.with_name("nothing"))
    assert [file.name for file in journal.parent.iterdir()] == ["run.jsonl"]


def test_a_trial_whose_first_line_is_damaged_is_kept(journal):
    before, content, document = journal.read_bytes(), values(journal), Study.open(journal).history.to_dict()
    damage(journal, 4, 10)  # asked for trials 1 and 4; the second with a note
    damaged = journal.read_bytes()
    found, copy = repair(journal)
    assert [d.line for d in found.damage] == [4, 10]
    assert copy == f"{journal}.damaged" and (journal.parent / "run.jsonl.damaged").read_bytes() == damaged
    assert values(journal) == content and Study.open(journal).history.to_dict() == document
    calls = []
    study = run(journal, 10, calls)
    assert len(calls) == 2
    journal.write_bytes(before)
    assert run(journal, 10).history == study.history


def test_a_trial_whose_result_is_damaged_is_evaluated_again(journal):
    content = values(journal)
    damage(journal, 5)
    repair(journal)
    assert len(values(journal)) == 7 and len(Study.open(journal).history.pending) == 1
    calls = []
    run(journal, None, calls)
    assert len(calls) == 1 and values(journal) == content


def test_a_trial_of_which_nothing_is_left(journal):
    content = values(journal)
    damage(journal, 6, 7)
    repair(journal)
    kept = values(journal)
    assert len(kept) == 7 and kept.items() < content.items()
    assert [trial.number for trial in Study.open(journal).trials] == [*range(7)]
    calls = []
    assert run(journal, None, calls).n_queries == 8
    assert len(calls) == 1 and kept.items() < values(journal).items()
    damage(journal, 3)
    assert repair(journal)[1] == f"{journal}.damaged.2"


def test_every_line_can_be_lost(journal):
    content, all_values = journal.read_bytes(), values(journal)
    for number in range(2, 2 + 2 * 8):
        journal.write_bytes(content)
        damage(journal, number)
        with pytest.raises(ValueError, match=f"line {number}, from byte"):
            run(journal)
        repair(journal)
        calls = []
        assert run(journal, None, calls).n_queries == 8
        assert len(calls) == (number % 2), number  # a result was lost
        if not calls:
            assert values(journal) == all_values


def test_the_first_line_cannot_be_repaired(journal):
    damage(journal, 1)
    before = journal.read_bytes()
    with pytest.raises(ValueError, match="expected a first line that says what the search is, got a damaged one"):
        repair(journal)
    assert journal.read_bytes() == before


def test_two_copies_of_a_line(journal):
    lines, content = lines_of(journal), values(journal)
    journal.write_bytes(b"".join([*lines[:6], lines[5], *lines[6:9], lines[8], *lines[9:]]))
    with pytest.raises(ValueError, match="line 7, from byte"):
        run(journal)
    repair(journal)
    assert values(journal) == content


def test_difference():
    same = {
        "method": "gp",
        "seed": 0,
        "space": "s",
        "options": {"beta": 1.0},
        "fingerprint": {"space": "a", "beta": "b"},
    }
    assert difference(same, same) is None
    changed = {**same, "options": {}, "fingerprint": {"space": "a"}}
    assert difference(same, changed) == "beta: expected 1.0, got 'none'"
    assert difference(changed, same) == "beta: expected 'none', got 1.0"
