"""Search with Syne Tune: a searcher that asks a method of crlso for the cell of each trial.

    pip install crlso syne-tune
    python examples/with_syne_tune.py --budget 20 --workers 2

Copy the class ``CellSearcher``. Syne Tune runs the trials, in its backends on this machine or elsewhere; a trial gets
one categorical parameter for each code of its cell.
"""

from __future__ import annotations

import argparse
from typing import Any

from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend import PythonBackend
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.searchers.single_objective_searcher import SingleObjectiveBaseSearcher
from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler

import crlso


def config_space(space: crlso.spaces.CellSpace) -> dict[str, Any]:
    """Return one parameter for each code of a cell, by its position."""
    return {f"code_{i}": choice(list(range(k))) for i, k in enumerate(space.cardinalities)}


class CellSearcher(SingleObjectiveBaseSearcher):
    """A searcher of Syne Tune that chooses cells by a method of crlso.

    Syne Tune gives its searchers values to be minimised, and numbers trials in the order of their cells.

    Parameters
    ----------
    optimiser : crlso.methods.Optimiser
        The method, with its space.
    """

    def __init__(self, optimiser: crlso.methods.Optimiser) -> None:
        super().__init__(config_space(optimiser.space), random_seed=0)
        self.optimiser = optimiser

    def suggest(self, **kwargs: Any) -> dict[str, Any] | None:
        """Return the cell of the next trial; None if there is none, which ends the search."""
        try:
            trial = self.optimiser.ask()
        except crlso.methods.BudgetSpent:
            return None
        return dict(zip(self.config_space, trial.cell.codes))

    def on_trial_complete(self, trial_id: int, config: dict[str, Any], metric: float) -> None:
        """Tell the value of a trial."""
        self.optimiser.tell(self.optimiser.trials[int(trial_id)], -metric)

    def on_trial_error(self, trial_id: int) -> None:
        """Tell that a trial has failed."""
        self.optimiser.tell(self.optimiser.trials[int(trial_id)], state="failed")


def evaluate(**config: int) -> None:
    """Train a network of the cell, and report its validation accuracy in percent; here, look it up."""
    from syne_tune import Reporter  # what Syne Tune runs is this function alone, in a process of its own

    import crlso

    bench = crlso.benchmarks.NASBench201("cifar10")
    cell = bench.space.cell([config[f"code_{i}"] for i in range(len(bench.space.cardinalities))])
    if cell.operations.count("none") > 1:
        raise RuntimeError("a network that does not learn")  # such trials fail, and the search goes on
    Reporter()(accuracy=bench.evaluate(cell))


def main() -> None:
    """Run a search and print the best cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    optimiser = crlso.CRLSO(crlso.spaces.NASBench201(), rng=0, budget=arguments.budget)
    searcher = CellSearcher(optimiser)
    scheduler = SingleObjectiveScheduler(
        searcher.config_space, metric="accuracy", do_minimize=False, searcher=searcher, random_seed=0
    )
    tuner = Tuner(
        trial_backend=PythonBackend(evaluate, searcher.config_space),
        scheduler=scheduler,
        stop_criterion=StoppingCriterion(max_num_trials_finished=arguments.budget),
        n_workers=arguments.workers,
        sleep_time=0.2,
        max_failures=arguments.budget,
    )
    tuner.run()
    best = optimiser.best
    failed = sum(trial.state == "failed" for trial in optimiser.trials)
    print(f"{best.value:.3f} {best.cell}")
    print(f"{optimiser.n_told} trials, {failed} of which failed")


if __name__ == "__main__":
    main()
