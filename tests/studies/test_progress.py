"""Progress of a search: bars on stderr, or calls of a function."""

from __future__ import annotations

import pytest

from crlso.studies import search
from tests.twins.toys import ALL, PairBenchmark, Timed


def test_progress_to_a_callable():
    calls = []
    search(PairBenchmark(), method="random", budget=3, progress=lambda *arguments: calls.append(arguments))
    assert calls == [("search", 1, 3), ("search", 2, 3), ("search", 3, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_bars_go_to_stderr(capsys, progress, shown):
    search(PairBenchmark(), method=Timed, budget=2, progress=progress, script=ALL)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("search" in err and "training" in err and "2/2" in err) == shown
    assert bool(err) == shown
