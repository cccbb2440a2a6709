"""Search with the workers of a Dask cluster: here on this machine, with another cluster on SLURM or Kubernetes.

    pip install distributed
    python examples/dask_cluster.py --budget 40

Each evaluation sleeps for a moment, as if it trained a network. Run it again with ``--journal run.jsonl`` after killing
it: it goes on where it was.
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
    from dask.distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--method", default="cr-lso")
    parser.add_argument("--journal")
    arguments = parser.parse_args()
    benchmark = crlso.benchmarks.Function(BENCHMARK.space, accuracy, name="dask")
    with (
        LocalCluster(n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        study = crlso.search(
            benchmark,
            arguments.method,
            arguments.budget,
            workers=arguments.workers,
            executor=client.get_executor(pure=False),  # otherwise, equal calls would be one
            journal=arguments.journal,
        )
    print(study)


if __name__ == "__main__":
    main()
