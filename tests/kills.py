"""Kills a search with a journal and two workers at random moments: ``python -m tests.kills [KILLS] [SEED]``.

The processes of the search must end with it. Each time the same call goes on. No result that was in the journal may be
lost, changed or evaluated again, exactly the budget may be asked for, and the trials must be those of the search that
nothing interrupted. By default there are 50 kills of seed 0. Needs loky.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crlso.studies import Study
from tests.processes import environment, wait_for_end

SCRIPT = """
import os, sys, time
import crlso

table = crlso.benchmarks.NASBench201("cifar10")

def value(cell):
    with open(sys.argv[2], "a") as file:
        file.write(str(cell) + "\\n")
    time.sleep(0.01 + 0.002 * (sum(cell.codes) % 20))
    return table.evaluate(cell)

if __name__ == "__main__":
    bench = crlso.benchmarks.Function(table.space, value, name="slow table")
    crlso.search(
        bench, budget=int(sys.argv[3]), rng=0, workers=2, deterministic=True, journal=sys.argv[1], progress=False
    )
"""


def begin(folder: Path, name: str, budget: int) -> subprocess.Popen[bytes]:
    """Start the search of a journal, or go on with it."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), str(folder / f"{name}.jsonl"), str(folder / f"{name}.txt"), str(budget)],
        env=environment(),
        start_new_session=True,
    )


def results(path: Path) -> dict[str, float]:
    """The values that a journal has, by cell."""
    if not path.exists() or not path.stat().st_size:
        return {}
    return {str(trial.cell): trial.value for trial in Study.open(path).history.complete}


def evaluations(path: Path) -> list[str]:
    """The cells that were evaluated, one for each time."""
    return path.read_text().splitlines() if path.exists() else []


def events(path: Path) -> int:
    """How many lines a journal has."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_at_random(folder: Path, moments: random.Random, budget: int) -> bool:
    """Begin the search and kill it while it starts or after some events; return whether it still ran."""
    path = folder / "killed.jsonl"
    process = begin(folder, "killed", budget)
    is_starting = moments.random() < 0.2
    wanted = (
        0 if is_starting else events(path) + moments.randint(1, 10)
    )  # a cell that is asked for, a result, and so on
    while process.poll() is None and events(path) < wanted:
        time.sleep(0.002)
    time.sleep(moments.uniform(0.0, 1.0 if is_starting else 0.05))
    was_running = process.poll() is None
    process.kill()
    process.wait()
    wait_for_end(process.pid)
    return was_running


def check(kills: int, seed: int) -> dict[str, int]:
    """Kill a search so many times, let it end, and compare it with one that was not killed. Returns counts.

    Raises
    ------
    AssertionError
        If something was lost, changed, or evaluated again after its result was in the journal.
    """
    moments, budget = random.Random(seed), 20 + 6 * kills
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, log = folder / "killed.jsonl", folder / "killed.txt"
        for number in range(kills):
            before, evaluated = results(path), len(evaluations(log))
            assert kill_at_random(folder, moments, budget), f"the search was over before kill {number + 1}"
            after = results(path)
            assert before.items() <= after.items(), f"kill {number + 1}: lost {before.items() - after.items()}"
            assert not before.keys() & {*evaluations(log)[evaluated:]}, f"kill {number + 1}: known cells evaluated"
        done = len(results(path))
        assert begin(folder, "killed", budget).wait() == begin(folder, "whole", budget).wait() == 0
        killed, whole = Study.open(path), Study.open(folder / "whole.jsonl")
        assert killed.n_queries == len(results(path)) == budget and killed.state == "complete"
        trials = [[(str(trial.cell), trial.value) for trial in study.trials] for study in (killed, whole)]
        assert trials[0] == trials[1], "the search that was killed has other trials"
        again = len(evaluations(log)) - budget
    return {"kills": kills, "queries before the last kill": done, "queries": budget, "evaluated again": again}


def main() -> None:
    """Kill a search, and print the counts."""
    kills, seed = (int(argument) for argument in [*sys.argv[1:], *["50", "0"][len(sys.argv) - 1 :]])
    print(", ".join(f"{name} {count}" for name, count in check(kills, seed).items()))


if __name__ == "__main__":
    main()
