"""What repeats where: the same seeds with the kernels of other processors.

    python -m benchmarks.repeats --seeds 3 --out repeats.json

Each search runs in processes of their own, one per instruction set: ``CRLSO_ISA`` chooses the kernels of the extension,
and ``OPENBLAS_CORETYPE`` those of OpenBLAS that processors of that kind get. Only the instruction sets that this
processor has can be run. The table shows, for each method and space, in how many seeds the searches asked for the same
cells on all of them, the first query that differed, and the best values. The output file has the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from crlso._core import runtime_info

KERNELS = {"avx512": "SkylakeX", "avx2": "Haswell", "baseline": "Prescott"}
OWN = "a space of six nodes"
CASES = [
    *((method, "cifar100", budget) for method, budget in (("random", 100), ("evolution", 100), ("local", 100))),
    *((method, dataset, 100) for method in ("gp", "cr-lso") for dataset in ("cifar100", "ImageNet16-120")),
    ("cr-lso", OWN, 60),
    *(("cr-lso-paper", dataset, 300) for dataset in ("cifar100", "ImageNet16-120")),
]


def search(method: str, where: str, budget: int, seed: int) -> dict[str, Any]:
    """Run one search: its cells, its best value and its environment."""
    import crlso

    if where == OWN:
        space = crlso.spaces.CellSpace(
            6, ["conv", "pool", "skip"], operations_on="nodes", edges="free", identity=["skip"], max_edges=9
        )
        benchmark: Any = crlso.benchmarks.Function(space, value_of)
    else:
        benchmark = crlso.benchmarks.NASBench201(where)
    study = crlso.search(benchmark, method, budget=budget, rng=seed)
    cells = [str(trial.cell) for trial in study.trials]
    return {"cells": cells, "best": study.best.value, "environment": study.environment}


def value_of(cell: Any) -> float:
    """A value with many local optima, from the codes alone."""
    score = sum((i % 3 - 1.1) * code for i, code in enumerate(cell.codes))
    return score + 0.01 * (sum(code * (i * i % 11) for i, code in enumerate(cell.codes)) % 17)


def elsewhere(isa: str, *arguments: Any) -> dict[str, Any]:
    """Run one search in a process with the kernels of an instruction set."""
    variables = {**os.environ, "CRLSO_ISA": isa, "OPENBLAS_CORETYPE": KERNELS[isa], "CRLSO_CACHE": ""}
    variables.pop("OPENBLAS_L2_SIZE", None)
    command = [sys.executable, "-m", "benchmarks.repeats", "--one", json.dumps(arguments)]
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def first_difference(runs: dict[str, dict[str, Any]]) -> int | None:
    """The first query at which the searches ask for different cells, counted from 1; None if there is none."""
    for query, cells in enumerate(zip(*(run["cells"] for run in runs.values())), start=1):
        if len(set(cells)) > 1:
            return query
    return None


def main() -> None:
    """Run the searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=None, help="some of the methods")
    parser.add_argument("--out")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(search(*json.loads(arguments.one))))
        return
    here = str(runtime_info()["isa"])
    sets = list(KERNELS)[list(KERNELS).index(here) :]
    print(f"instruction sets: {', '.join(sets)}")
    records = []
    for method, where, budget in [case for case in CASES if not arguments.methods or case[0] in arguments.methods]:
        for seed in range(arguments.seeds):
            runs = {isa: elsewhere(isa, method, where, budget, seed) for isa in sets}
            record = {"method": method, "where": where, "budget": budget, "seed": seed}
            record |= {"first difference": first_difference(runs), "best": {isa: runs[isa]["best"] for isa in sets}}
            record["environments"] = {isa: runs[isa]["environment"] for isa in sets}
            records.append(record)
            best = ", ".join(f"{runs[isa]['best']:.3f}" for isa in sets)
            differs = record["first difference"] or "none"
            print(f"{method:13s} {where:16s} seed {seed}: first difference {differs}; best {best}", flush=True)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(records, file, indent=1)


if __name__ == "__main__":
    main()
