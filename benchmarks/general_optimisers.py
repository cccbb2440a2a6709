"""General optimisers under one interface, each as its documentation recommends for categorical parameters.

A space is for them one categorical parameter per edge, whose choices are the operations: what a practitioner would
write. ``ask()`` returns a cell, and ``tell(value)`` says what the cell asked for last is worth. They may ask for a cell
again, and for cells that compute the same as others.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import crlso
from crlso.comparison import parse_method
from crlso.methods import METHODS


class Own:
    """A method of crlso, for example ``"gp:initial=8"``."""

    def __init__(self, method: str, space: Any, seed: int, budget: int) -> None:
        name, options = parse_method(method)
        self._optimiser = METHODS[name](space, rng=seed, budget=budget, **options)

    def ask(self) -> Any:
        """Return the next cell."""
        self._trial = self._optimiser.ask()
        return self._trial.cell

    def tell(self, value: float) -> None:
        """Report the value of the cell asked for last."""
        self._optimiser.tell(self._trial, value)


class _Categorical:
    """What the others share: names of parameters, and the cell that their values stand for."""

    def __init__(self, space: Any) -> None:
        self.operations = list(space.operations)
        self.names = [f"edge_{a}_{b}" for a, b in space.edges]

    def cell(self, values: Mapping[str, str]) -> list[int]:
        """Return the codes of a cell: the positions of its operations, in the order of edges."""
        return [self.operations.index(values[name]) for name in self.names]


class Optuna(_Categorical):
    """A sampler of Optuna, for the directions of one or several values."""

    def __init__(self, space: Any, sampler: Any, directions: Sequence[str] = ("maximize",)) -> None:
        import optuna

        super().__init__(space)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(directions=list(directions), sampler=sampler)
        choices = optuna.distributions.CategoricalDistribution(self.operations)
        self._distributions = dict.fromkeys(self.names, choices)

    def ask(self) -> list[int]:
        """Return the next cell."""
        self._trial = self._study.ask(self._distributions)
        return self.cell(self._trial.params)

    def tell(self, value: float | Sequence[float]) -> None:
        """Report the value of the cell asked for last, or one for each direction."""
        self._study.tell(self._trial, value)


def tpe(space: Any, seed: int, budget: int) -> Optuna:
    """Optuna's default, tree-structured Parzen estimators of all parameters together."""
    import optuna

    return Optuna(space, optuna.samplers.TPESampler(multivariate=True, seed=seed))


def optuna_gp(space: Any, seed: int, budget: int) -> Optuna:
    """Optuna's Gaussian process, told that values have no noise."""
    import optuna

    return Optuna(space, optuna.samplers.GPSampler(deterministic_objective=True, seed=seed))


def optuna_front(method: str, space: Any, seed: int) -> Optuna:
    """Optuna for a value to be maximised and one to be minimised: ``"optuna-tpe"`` or ``"optuna-nsga2"``."""
    import optuna

    if method == "optuna-tpe":
        sampler: Any = optuna.samplers.TPESampler(multivariate=True, seed=seed)
    else:
        sampler = optuna.samplers.NSGAIISampler(population_size=20, seed=seed)
    return Optuna(space, sampler, ("maximize", "minimize"))


class SMAC(_Categorical):
    """SMAC3's facade for tuning hyperparameters, a random forest, which its documentation recommends for categories.

    The scenario is deterministic: no cell is evaluated again with another seed. It is planned for `budget` queries, a
    quarter of which are first cells; the forest is fitted again after eight more, as the facade has it.
    """

    def __init__(self, space: Any, seed: int, budget: int) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario
        from smac.runhistory import TrialValue

        super().__init__(space)
        logging.getLogger("smac").setLevel(logging.ERROR)
        self._value_of = TrialValue
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            ConfigurationSpace(dict.fromkeys(self.names, self.operations), seed=seed),
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=self._folder.name,
        )
        self._facade = Facade(
            scenario,
            lambda configuration, seed: 0.0,  # never called: cells are asked for
            logging_level=False,
        )

    def ask(self) -> list[int]:
        """Return the next cell."""
        self._trial = self._facade.ask()
        return self.cell(self._trial.config)

    def tell(self, value: float) -> None:
        """Report the value of the cell asked for last: SMAC3 minimises, and takes the logarithm of, the error."""
        self._facade.tell(self._trial, self._value_of(cost=100.0 - value), save=False)


class Ax(_Categorical):
    """The client of Ax with its default strategy: five first cells, then BoTorch's mixed optimisation.

    The client's own seed is not used: it would begin each draw with the same random numbers, so that a draw that gives
    a known cell could not be repeated. Seeding PyTorch and NumPy instead makes a search repeatable.
    """

    def __init__(self, space: Any, seed: int, budget: int) -> None:
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig
        from ax.utils.common.logger import set_ax_logger_levels
        from ax.utils.common.random import set_rng_seed

        super().__init__(space)
        set_ax_logger_levels(logging.ERROR)
        set_rng_seed(seed)
        self._client = Client()
        self._client.configure_experiment(
            parameters=[
                ChoiceParameterConfig(name=name, parameter_type="str", values=self.operations, is_ordered=False)
                for name in self.names
            ]
        )
        self._client.configure_optimization(objective="accuracy")
        self._client.configure_generation_strategy(initialization_random_seed=seed)

    def ask(self) -> list[int]:
        """Return the next cell."""
        ((self._trial, values),) = self._client.get_next_trials(max_trials=1).items()
        return self.cell(values)

    def tell(self, value: float) -> None:
        """Report the value of the cell asked for last."""
        self._client.complete_trial(self._trial, raw_data={"accuracy": value})


@dataclasses.dataclass(frozen=True)
class Peer:
    """A general optimiser and what it needs."""

    make: Callable[[Any, int, int], Any]
    package: str  # of which the version counts
    needs: Mapping[str, str]  # modules, and the packages that have them


PEERS = {
    "tpe": Peer(tpe, "optuna", {"optuna": "optuna"}),
    "optuna-gp": Peer(optuna_gp, "optuna", {"optuna": "optuna", "scipy": "scipy", "torch": "torch"}),
    "smac": Peer(SMAC, "smac", {"smac": "smac"}),
    "ax": Peer(Ax, "ax-platform", {"ax": "ax-platform"}),
}


def make(method: str, space: Any, seed: int, budget: int) -> Any:
    """Return an optimiser by name: one of :data:`PEERS`, or a method of crlso with options."""
    return PEERS[method].make(space, seed, budget) if method in PEERS else Own(method, space, seed, budget)


def version_of(method: str) -> str:
    """Return the version of the package that a method is from."""
    return importlib.metadata.version(PEERS[method].package) if method in PEERS else crlso.__version__


def prepare(method: str) -> None:
    """Import the modules of a method, let it use one thread, and silence the warnings of other packages."""
    crlso.set_num_threads(1)
    for module in PEERS[method].needs if method in PEERS else ():
        warnings.simplefilter("ignore")
        importlib.import_module(module)
