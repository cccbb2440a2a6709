"""Search with Ray Tune: a searcher that asks a method of crlso for the cell of each trial.

    pip install crlso 'ray[tune]'
    python examples/with_ray_tune.py --budget 20 --workers 2

Copy the class ``CellSearcher``. Ray runs the trials, on this machine or on a cluster; a trial gets its cell as text.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter, Searcher

import crlso


class CellSearcher(Searcher):
    """A searcher of Ray Tune that chooses cells by a method of crlso.

    Parameters
    ----------
    optimiser : crlso.methods.Optimiser
        The method, with its space.
    metric : str
        Name of the value in the results of trials.
    mode : {"max", "min"}
        Whether it is maximised or minimised.
    """

    def __init__(self, optimiser: crlso.methods.Optimiser, metric: str, mode: str = "max") -> None:
        super().__init__(metric=metric, mode=mode)
        self.optimiser = optimiser
        self.trials: dict[str, Any] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the cell of the next trial, or that there is none."""
        try:
            trial = self.optimiser.ask()
        except crlso.methods.BudgetSpent:
            return Searcher.FINISHED
        self.trials[trial_id] = trial
        return {"cell": str(trial.cell)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the value of a trial; one without a finite value has failed."""
        trial = self.trials.pop(trial_id)
        value = (result or {}).get(self.metric, math.nan)
        if error or not math.isfinite(value):
            self.optimiser.tell(trial, state="failed")
        else:
            self.optimiser.tell(trial, value if self.mode == "max" else -value)


def evaluate(config: dict[str, Any]) -> dict[str, float]:
    """Train a network of the cell, and return its validation accuracy in percent; here, look it up."""
    bench = crlso.benchmarks.NASBench201("cifar10")
    cell = bench.space.cell(config["cell"])
    if cell.operations.count("none") > 1:
        raise RuntimeError("a network that does not learn")  # such trials fail, and the search goes on
    return {"accuracy": bench.evaluate(cell)}


def main() -> None:
    """Run a search and print the best cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    ray.init(num_cpus=arguments.workers, include_dashboard=False)
    optimiser = crlso.CRLSO(crlso.spaces.NASBench201(), rng=0, budget=arguments.budget)
    searcher = ConcurrencyLimiter(CellSearcher(optimiser, "accuracy"), max_concurrent=arguments.workers)
    tuner = tune.Tuner(evaluate, tune_config=tune.TuneConfig(search_alg=searcher, num_samples=arguments.budget))
    results = tuner.fit()
    best = results.get_best_result("accuracy", "max")
    print(f"{best.metrics['accuracy']:.3f} {best.config['cell']}")
    print(f"{len(results)} trials, {results.num_errors} of which failed; the method knows {optimiser.n_told}")
    ray.shutdown()


if __name__ == "__main__":
    main()
