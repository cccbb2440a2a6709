"""Search with the processes of an MPI job, through mpi4py: one of them searches, the others evaluate.

    pip install mpi4py mpich
    mpiexec -n 3 python -m mpi4py.futures examples/mpi_workers.py --workers 2

Each evaluation sleeps for a moment, as if it trained a network. If one process of an MPI job dies, all end: with
``--journal run.jsonl`` the next job goes on where this one was.
"""

from __future__ import annotations

import argparse
import time

import crlso

BENCHMARK = crlso.benchmarks.NASBench201("cifar10")


def accuracy(cell: crlso.spaces.Cell) -> float:
    """Train a network of the cell, and return its validation accuracy in percent; here, look it up."""
    time.sleep(0.05)
    return BENCHMARK.evaluate(cell)


def main() -> None:
    from mpi4py.futures import MPIPoolExecutor

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="one less than the processes; default: %(default)s")
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--method", default="cr-lso")
    parser.add_argument("--journal")
    arguments = parser.parse_args()
    with MPIPoolExecutor() as executor:
        study = crlso.search(
            crlso.benchmarks.Function(BENCHMARK.space, accuracy, name="mpi"),
            arguments.method,
            arguments.budget,
            workers=arguments.workers,
            executor=executor,
            journal=arguments.journal,
        )
    print(study)


if __name__ == "__main__":
    main()
