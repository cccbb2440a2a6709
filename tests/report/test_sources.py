"""Files of results of every kind, and files of something else; reports as files."""

from __future__ import annotations

import pytest

import crlso
from crlso.comparison import Comparison, compare
from crlso.report import html_report, read_results, write_report
from crlso.studies import Study
from tests.twins.toys import table


@pytest.fixture
def files(tmp_path):
    study = crlso.search(table(), "random", 5, journal=tmp_path / "journal.jsonl", progress=False)
    study.save(tmp_path / "study.json")
    compare(table(), ["random"], 1, 5, path=tmp_path / "one.jsonl")
    compare(table(), ["random", "local"], 2, 5, path=tmp_path / "runs.jsonl")
    return tmp_path


def test_each_kind_of_file_is_read_as_what_it_is(files):
    for name, kind in (
        ("journal.jsonl", Study),
        ("study.json", Study),
        ("one.jsonl", Comparison),
        ("runs.jsonl", Comparison),
    ):
        results = read_results(files / name)
        assert type(results) is kind
        assert html_report(files / name) == html_report(results)


def test_a_killed_search_can_be_reported(files):
    path = files / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    assert "2 of 5 queries, interrupted" in html_report(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"[" * 9999, b'{"trials": []}', b"\x00\xff", b"null"])
def test_files_of_something_else(tmp_path, content):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.jsonl"):
        read_results(path)


def test_a_report_replaces_a_file_whole_or_not_at_all(files):
    out = files / "report.html"
    write_report(files / "study.json", out)
    before = out.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>") and before.endswith(b"</html>\n")
    with pytest.raises(TypeError, match="results: expected a Study, a Comparison or the file of one, got int"):
        write_report(3, out)
    with pytest.raises(FileNotFoundError):
        write_report(files / "study.json", files / "missing" / "report.html")
    assert out.read_bytes() == before
