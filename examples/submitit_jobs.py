"""Search with jobs of a SLURM queue, through submitit: an adapter makes futures of its jobs.

    pip install submitit
    python examples/submitit_jobs.py --budget 4                              # jobs are processes of this machine
    python examples/submitit_jobs.py --cluster slurm --journal run.jsonl     # jobs are on the queue

Each evaluation sleeps for a moment, as if it trained a network. The search needs one core: run it on the login node or
in a small job, and call it again when that ends. With ``--journal`` it goes on where it was.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import crlso

BENCHMARK = crlso.benchmarks.NASBench201("cifar10")


class Jobs:
    """An executor for :func:`crlso.search` of jobs of submitit, which it looks at now and then.

    Parameters
    ----------
    executor : submitit.Executor
    seconds : float
        Time between two looks at a job.
    """

    def __init__(self, executor: Any, seconds: float = 10.0) -> None:
        self.executor, self.seconds = executor, seconds

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Submit a job, and return a future of its result; a job that was killed or cancelled is an exception."""
        job: Any = self.executor.submit(function, *arguments)
        future: Future[Any] = Future()
        threading.Thread(target=self._follow, args=(job, future), daemon=True).start()
        return future

    def _follow(self, job: Any, future: Future[Any]) -> None:
        try:
            while not job.done():
                time.sleep(self.seconds)
            result = job.result()
        except BaseException as error:  # whatever it is, the search must not wait for ever
            future.set_exception(error)
        else:
            future.set_result(result)


def accuracy(cell: crlso.spaces.Cell) -> float:
    """Train a network of the cell, and return its validation accuracy in percent; here, look it up."""
    time.sleep(0.05)
    return BENCHMARK.evaluate(cell)


def main() -> None:
    import submitit

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", default="local", help="local, slurm or debug; default: %(default)s")
    parser.add_argument("--folder", default="jobs", help="folder of jobs and their logs; default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="jobs at a time; default: %(default)s")
    parser.add_argument("--budget", type=int, default=8)
    parser.add_argument("--method", default="cr-lso")
    parser.add_argument("--journal")
    arguments = parser.parse_args()
    executor = submitit.AutoExecutor(folder=arguments.folder, cluster=arguments.cluster)
    executor.update_parameters(timeout_min=60)  # and, on a queue: slurm_partition, gpus_per_node, mem_gb
    study = crlso.search(
        crlso.benchmarks.Function(BENCHMARK.space, accuracy, name="submitit"),
        arguments.method,
        arguments.budget,
        workers=arguments.workers,
        executor=Jobs(executor, seconds=0.2 if arguments.cluster == "local" else 10.0),
        journal=arguments.journal,
    )
    print(study)


if __name__ == "__main__":
    main()
