"""The recorded searches: which cells each method asked for, and a command that records them anew.

``python -m tests.recorded_searches`` compares all of them with the file, ``--record`` writes it. A search is recorded
by the canonical keys of its cells, in the order in which they were asked for. All run with ``CRLSO_ISA=avx2``, as
models trained at the start of a search depend on the instruction set. The file was recorded on a processor with
AVX-512. On others, the methods in `TRAINED` go another way once they have trained: there, the cells before that are
compared, and the command says so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("data") / "recorded_searches.json"
METHODS = ("cr-lso", "cr-lso-paper", "gp", "evolution", "local", "random")
SPACES = ("cifar10", "cifar100", "ImageNet16-120", "nasbench101", "standin", "user")
SEEDS = (0, 1)
BUDGET = 30
TRAINED = ("cr-lso-paper",)
"""Methods that train models in every space; ``cr-lso`` does so in the user's space alone."""
UNTRAINED = 18
"""Number of cells that they ask for before."""


def benchmark(name: str) -> Any:
    """The benchmark of one of `SPACES`."""
    import crlso

    if name == "nasbench101":
        return crlso.benchmarks.NASBench101()
    if name == "standin":
        return crlso.benchmarks.NASBench301.standin()
    if name == "user":
        space = crlso.spaces.CellSpace(
            nodes=5, operations=["conv3x3", "conv1x1", "pool"], operations_on="nodes", edges="free", max_edges=7
        )
        return crlso.benchmarks.Function(space, _value, name="user")
    return crlso.benchmarks.NASBench201(name)


def _value(cell: Any) -> float:
    """A value with few ties: operations, edges, and a little that depends on where they are."""
    wanted = 3.0 * cell.operations.count("conv3x3") - cell.operations.count("pool")
    return 80.0 + wanted - 0.4 * len(cell.graphs[0].edges) + 0.01 * sum(i * code for i, code in enumerate(cell.codes))


def searches() -> Iterator[tuple[str, str, int]]:
    """Space, method and seed of each recorded search."""
    return ((space, method, seed) for space in SPACES for method in METHODS for seed in SEEDS)


def run(task: tuple[str, str, int]) -> list[int]:
    """The keys of the cells that a search asks for."""
    import crlso

    space, method, seed = task
    crlso.set_num_threads(1)
    bench = benchmark(space)
    study = crlso.search(bench, method, BUDGET, seed, progress=False)
    return [int(key) for key in bench.space.canonical_key([trial.cell for trial in study.trials])]


def label(task: tuple[str, str, int]) -> str:
    """The name of a search in the file."""
    return "/".join(map(str, task))


def recorded() -> dict[str, list[int]]:
    """What the file holds."""
    found: dict[str, list[int]] = json.loads(FILE.read_text(encoding="ascii"))
    return found


def compared(task: tuple[str, str, int], is_recorder: bool) -> int:
    """How many cells of a search must be the recorded ones, on a processor like the recorder's or on another."""
    return BUDGET if is_recorder or task[1] not in TRAINED else UNTRAINED


def main() -> int:
    """Command line."""
    from crlso import _core

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write them to the file instead of comparing")
    parser.add_argument("--only", default="", help="searches whose label has this text")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    is_recorder = _core.runtime_info()["isa"] == "avx512"
    os.environ["CRLSO_ISA"] = "avx2"
    os.environ["CRLSO_CACHE"] = ""
    tasks = [task for task in searches() if arguments.only in label(task)]
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        found = dict(zip(map(label, tasks), pool.map(run, tasks)))
    if arguments.record:
        kept = {**recorded(), **found} if arguments.only else found
        lines = (f"{json.dumps(name)}: {json.dumps(keys, separators=(',', ':'))}" for name, keys in kept.items())
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
        return 0
    known = recorded()
    numbers = {label(task): compared(task, is_recorder) for task in tasks}
    wrong = [name for name, n in numbers.items() if known.get(name, [])[:n] != found[name][:n]]
    if partly := [name for name, n in numbers.items() if n < BUDGET]:
        print(f"of {len(partly)} that train models, the first {UNTRAINED} cells: recorded on a processor with AVX-512")
    for name in wrong:
        same = sum(1 for a, b in zip(found[name], known.get(name, [])) if a == b)
        print(f"{name}: differs ({same} of {BUDGET} equal in place)")
    print(f"{len(found) - len(wrong)} passed, {len(wrong)} failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
