"""Progress of a search: bars in terminals and notebooks, lines without tqdm, or calls of a function."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from crlso.studies import progress, search
from tests.twins.toys import ALL, PairBenchmark, Timed


def test_progress_to_a_callable():
    calls = []
    search(PairBenchmark(), method="random", budget=3, progress=lambda *arguments: calls.append(arguments))
    assert calls == [("search", 0, 3), ("search", 1, 3), ("search", 2, 3), ("search", 3, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_bars_go_to_stderr(capsys, progress, shown):
    search(PairBenchmark(), method=Timed, budget=2, progress=progress, script=ALL)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("search" in err and "training" in err and "2/2" in err) == shown
    assert bool(err) == shown


class Fragile(PairBenchmark):
    def evaluate(self, cell):
        if cell[0] == 1:
            raise MemoryError
        return super().evaluate(cell)


def test_bars_leave_no_thread_behind():
    """In a process of its own: once there is such a thread, it stays."""
    code = (
        "import threading, crlso; "
        "crlso.search(crlso.benchmarks.NASBench201('cifar10'), 'random', budget=3, progress=True); "
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n" and "3/3" in done.stderr


def test_bars_show_the_best_value_and_the_failures(capsys):
    search(Fragile(), method="random", budget=6, progress=True)
    last = capsys.readouterr().err.split("\r")[-1]
    assert "search" in last and "6/6" in last and "best 22.000, 2 failed" in last


def test_the_bar_of_a_search_is_there_before_the_first_evaluation_ends(capsys):
    class Slow(PairBenchmark):
        def evaluate(self, cell):
            self.shown = capsys.readouterr().err
            raise KeyboardInterrupt

    benchmark = Slow()
    with pytest.raises(KeyboardInterrupt):
        search(benchmark, method="random", budget=6, progress=True)
    assert "search" in benchmark.shown and "0/6" in benchmark.shown


def test_the_bar_of_a_phase_ends_with_it(monkeypatch):
    events = []

    class Bar:
        def __init__(self, phase, total):
            self.phase, self.n = phase, 0
            events.append(f"{phase} begins")

        def set_postfix_str(self, text, refresh):
            pass

        def update(self, n):
            self.n += n

        def close(self):
            events.append(f"{self.phase} ends")

    monkeypatch.setattr(progress, "_new_bar", Bar)
    with progress.Bars() as bars:
        for phase, done in (("training", 1), ("training", 2), ("search", 0), ("training", 1), ("training", 2)):
            bars.report(phase, done, 2)
        events.append("the end")
    again = ["training begins", "training ends"]
    assert events[:6] == [*again, "search begins", *again, "the end"]
    assert "search ends" in events[6:]


def test_a_search_without_a_result_has_no_best(capsys):
    class Broken(PairBenchmark):
        def evaluate(self, cell):
            raise MemoryError

    with pytest.raises(RuntimeError):
        search(Broken(), method="random", budget=2, progress=True)
    shown = capsys.readouterr().err
    assert "2 failed" in shown and "best" not in shown


def test_lines_stand_in_for_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    search(Fragile(), method="random", budget=6, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 7 and lines[0] == "search 0/6" and lines[-1] == "search 6/6, best 22.000, 2 failed"


def test_a_long_phase_has_a_line_for_each_tenth(capsys):
    with progress.Lines() as lines:
        for done in range(1, 1001):
            lines.report("training", done, 1000)
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in shown] == ["1/1000", *(f"{n}00/1000" for n in range(1, 10)), "1000/1000"]


@pytest.fixture
def kernel(monkeypatch):
    """A process that looks like the kernel of a notebook without widgets."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    return shell


@pytest.mark.filterwarnings("error")
def test_a_notebook_shows_bars_that_are_not_red(capsys, kernel):
    assert isinstance(progress.listener(None), progress.Bars)
    search(Fragile(), method="random", budget=6)
    out, err = capsys.readouterr()
    assert err == "" and "best 22.000, 2 failed" in out


def test_a_notebook_without_tqdm_shows_lines(capsys, kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    search(PairBenchmark(), method="random", budget=6)
    out, err = capsys.readouterr()
    assert err == "" and out.endswith("search 6/6, best 22.000\n")


def test_ipython_in_a_terminal_is_no_notebook(kernel):
    del kernel.kernel
    assert not progress.in_notebook()
    assert not isinstance(progress.listener(None), progress.Bars)
