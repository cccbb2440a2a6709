"""The recorded searches: which cells each method asked for, and a command that records them anew.

``python -m tests.recorded_searches`` compares all of them with the file, ``--record`` writes it. A search is recorded
by the canonical keys of its cells, in the order in which they were asked for. All run with ``CRLSO_ISA=avx2``, as
models trained at the start of a search depend on the instruction set; what other processors without it ask for may
differ for the methods in `TRAINED`.
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


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write them to the file instead of comparing")
    parser.add_argument("--only", default="", help="searches whose label has this text")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
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
    wrong = [name for name, keys in found.items() if known.get(name) != keys]
    for name in wrong:
        same = sum(1 for a, b in zip(found[name], known.get(name, [])) if a == b)
        print(f"{name}: differs ({same} of {BUDGET} equal in place)")
    print(f"{len(found) - len(wrong)} passed, {len(wrong)} failed")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
