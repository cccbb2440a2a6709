"""Optuna 5: a sampler that chooses cells by a method of crlso (``pip install 'crlso[optuna]'``).

A cell is one categorical parameter for each of its codes. :func:`suggest_cell` asks a trial for all of them, whatever
the sampler of its study is, so that one objective can be used with :class:`CRLSOSampler` and with any other sampler.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_int, check_numbers
from crlso._base.types import Codes, Floats
from crlso.history import Measurement
from crlso.methods import Optimiser
from crlso.methods.base import count_classes
from crlso.objectives import VALUE, Objective
from crlso.spaces import Cell, CellSpace
from crlso.studies.run import make_optimiser

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import BaseTrial, FrozenTrial, TrialState
else:
    try:
        from optuna.samplers import BaseSampler
    except ImportError:  # the constructor says so
        BaseSampler = object

__all__ = ["CRLSOSampler", "distributions", "suggest_cell"]

_log = logging.getLogger("crlso.integrations.optuna")
_VERSION = 5
_MOST_LEARNED = 4  # objectives that cr-lso takes
_NOT_TAKEN = "the objective did not take its cell"


def __dir__() -> list[str]:
    return __all__


def _need_optuna(what: str) -> Any:
    """Return the package; ImportError, which says how to install it, without it or with another version."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(f"{what} needs Optuna {_VERSION}: pip install 'crlso[optuna]'") from error
    if optuna.__version__.partition(".")[0] != str(_VERSION):
        raise ImportError(f"{what} needs Optuna {_VERSION}, got {optuna.__version__}: pip install 'crlso[optuna]'")
    return optuna


def _choices(space: CellSpace) -> dict[str, tuple[str, ...]]:
    """Return the names of what each code of a cell can be, by the name of its parameter, in the order of codes."""
    layout = space.layout
    operations = (*(["absent"] if layout.free else []), *layout.operations)
    found: dict[str, tuple[str, ...]] = {}
    for title in layout.graphs:
        prefix = f"{title}_" if title else ""
        if layout.operations_on_nodes:
            found.update({f"{prefix}node_{node}": operations for node in layout.intermediate})
        if layout.free or not layout.operations_on_nodes:
            of_edge = ("absent", "present") if layout.operations_on_nodes else operations
            found.update({f"{prefix}edge_{source}_{target}": of_edge for source, target in layout.edges})
    return found


def distributions(space: CellSpace) -> dict[str, CategoricalDistribution]:
    """Return the categorical parameters of the cells of a space, one for each code.

    Parameters
    ----------
    space : CellSpace
        Space of the cells.

    Returns
    -------
    dict of str to optuna.distributions.CategoricalDistribution
        By name, in the order of codes: ``node_1`` is the operation of a node, and ``edge_0_1`` that of the edge from
        node 0 to node 1. Where edges are free, one more choice is ``"absent"``; an edge without operations is
        ``"absent"`` or ``"present"``. Cells of two graphs have names such as ``normal_edge_0_2``.

    Raises
    ------
    ImportError
        If Optuna 5 is not installed.
    TypeError
        If `space` is no CellSpace.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> distributions(CellSpace(nodes=2, operations=["conv", "pool"]))
    {'edge_0_1': CategoricalDistribution(choices=('conv', 'pool'))}
    """
    _need_optuna("distributions")
    from optuna.distributions import CategoricalDistribution

    _check_space(space)
    return {name: CategoricalDistribution(choices) for name, choices in _choices(space).items()}


def _check_space(space: Any) -> None:
    if not isinstance(space, CellSpace):
        raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")


def suggest_cell(trial: BaseTrial, space: CellSpace) -> Cell:
    """Ask a trial for a cell.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
        What Optuna calls an objective with, or what ``study.ask()`` returns; of a finished trial, its cell.
    space : CellSpace
        Space of the cells.

    Returns
    -------
    Cell
        The cell whose codes are the suggested parameters.

    Raises
    ------
    optuna.TrialPruned
        If the parameters are no cell of the space, for example because no path leads from its input to its output.
        Samplers that know nothing of cells suggest such parameters; :class:`CRLSOSampler` does not.
    ImportError
        If Optuna 5 is not installed.
    TypeError
        If `space` is no CellSpace.

    Examples
    --------
    >>> def objective(trial):
    ...     return train(suggest_cell(trial, space))  # your own function, which returns the value
    """
    optuna = _need_optuna("suggest_cell")
    _check_space(space)
    codes = [choices.index(trial.suggest_categorical(name, choices)) for name, choices in _choices(space).items()]
    cell = space.cell(codes)
    if not space.valid([cell])[0]:
        raise optuna.TrialPruned(f"expected a cell of the space, got {cell!s:.200}")
    return cell


class _Fact(NamedTuple):
    """What trials tell of a class of equal cells."""

    codes: tuple[int, ...]
    result: Measurement | str | None  # why it failed; None while it runs

    def better(self, other: _Fact) -> _Fact:
        """Return which of two facts of one class counts: a result before a running trial before a failure."""
        return max(self, other, key=lambda fact: (isinstance(fact.result, Measurement), fact.result is None))


@dataclass(frozen=True)
class _Known:
    """Numbers of canonical cells that are known without an evaluation."""

    space: CellSpace
    function: Callable[[Codes], npt.ArrayLike]
    name: str

    def __call__(self, codes: Codes) -> Floats:
        cells = self.space.representative(codes)
        return check_numbers(self.name, self.function(cells), len(cells))


class CRLSOSampler(BaseSampler):
    """A sampler of Optuna that chooses the cell of each trial by a method of crlso.

    Objectives get the cell by :func:`suggest_cell`. Other parameters, for example a learning rate, are left to another
    sampler. All that the sampler knows it reads from the trials of the study, in the order of their numbers. So a study
    in a storage goes on where it was, several processes can share it, and running trials are taken into account. Equal
    cells are asked for once. When all cells of the space were asked for, ``study.optimize`` stops.

    ==============  =====================================================================================
    trial           what the method learns
    ==============  =====================================================================================
    complete        the value; the direction of the study says whether it is maximised or minimised
    failed          a failure, which lowers the chances of similar cells
    pruned          the last value that was reported; a failure if there is none
    infeasible      a failure: a trial of which a constraint is above 0 (``trial.set_constraint``)
    running         that the cell is not to be asked for again; its value is predicted
    ==============  =====================================================================================

    Workers that begin trials at the same moment may choose the same cell; only one of its results counts.

    Parameters
    ----------
    space : CellSpace
        Space of the cells. A bound of what is known of cells belongs here, see :meth:`CellSpace.where`; constraints of
        Optuna are for what an evaluation measures.
    method : str or subclass of Optimiser, optional
        Method of crlso, by default ``"cr-lso"``; ``"nsga2"`` for more than four objectives.
    seed : int
        Source of randomness. Equal seeds choose equal cells if trials are finished in the same order.
    known : mapping of int to callable, optional
        Objectives that are known without an evaluation, by their positions in what the objective function returns, from
        1. ``known[1](codes)`` returns the numbers of n cells, (n, codes per cell), shape (n,). The objective function
        returns them all the same.
    independent_sampler : optuna.samplers.BaseSampler, optional
        Sampler of the other parameters; by default a ``TPESampler`` with the same seed.
    **options
        Options of the method.

    Raises
    ------
    ImportError
        If Optuna 5 is not installed.
    TypeError, ValueError
        If an argument or an option is invalid.

    See Also
    --------
    crlso.search : Searches without Optuna, with journals and workers.

    Examples
    --------
    >>> import optuna
    >>> from crlso.benchmarks import NASBench201
    >>> bench = NASBench201("cifar10")
    >>> study = optuna.create_study(direction="maximize", sampler=CRLSOSampler(bench.space))
    >>> study.optimize(lambda trial: bench.evaluate(suggest_cell(trial, bench.space)), 30)
    >>> round(study.best_value, 3)
    91.607
    """

    def __init__(
        self,
        space: CellSpace,
        method: str | type[Optimiser] | None = None,
        *,
        seed: int = 0,
        known: Mapping[int, Callable[[Codes], npt.ArrayLike]] | None = None,
        independent_sampler: BaseSampler | None = None,
        **options: Any,
    ) -> None:
        optuna = _need_optuna("CRLSOSampler")
        self._distributions: dict[str, BaseDistribution] = dict(distributions(space))
        self._choices = _choices(space)
        self._space, self._method, self._seed, self._options = space, method, check_int("seed", seed, 0), options
        self._known = _checked_known(known)
        self._independent = independent_sampler or optuna.samplers.TPESampler(seed=self._seed)
        self._lock = threading.RLock()
        self._study: str | None = None  # the name of the study that is learned from
        self._directions: tuple[int, ...] = (1,)
        self._forget()
        if method is not None or options:  # refuse them now, not in the first trial
            self._new_optimiser()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    # -- what Optuna calls ----------------------------------------------------------------------------------------

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters of cells, see :func:`distributions`.

        Parameters
        ----------
        study : optuna.study.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial that is sampled for.

        Returns
        -------
        dict of str to optuna.distributions.CategoricalDistribution
            A parameter for each code, by name, in the order of codes; the same for all trials.
        """
        return dict(self._distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choose a cell for a trial, after learning from the others, and return its parameters.

        Parameters that ``enqueue_trial`` leaves open are drawn by the independent sampler.

        Parameters
        ----------
        study : optuna.study.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial that is sampled for.
        search_space : dict
            What :meth:`infer_relative_search_space` returned.

        Returns
        -------
        dict of str to str
            The choice for each code, by name; empty if ``enqueue_trial`` fixed some of the cell's parameters.

        Raises
        ------
        ValueError
            If only some parameters of the cell are asked for.
        """
        if set(search_space) != set(self._choices):
            raise ValueError(
                f"search_space: expected all {len(self._choices)} parameters of the cell, got {len(search_space)}; "
                "CellSpace.where makes a space with fewer cells"
            )
        if set(self._choices) & set(trial.system_attrs.get("fixed_params", {})):
            return {}
        with self._lock:
            self._learn(study, trial.number)
            codes = self._next_codes(trial.number)
        return {name: choices[code] for (name, choices), code in zip(self._choices.items(), codes)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Let the independent sampler choose a parameter that is none of the cell.

        Parameters
        ----------
        study : optuna.study.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial that is sampled for.
        param_name : str
            Name of the parameter.
        param_distribution : optuna.distributions.BaseDistribution
            What it can be.

        Returns
        -------
        object
            Value of the parameter, as the independent sampler returns it.
        """
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the independent sampler that a trial begins.

        Parameters
        ----------
        study : optuna.study.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial that is sampled for.
        """
        self._independent.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the independent sampler that a trial ends, and stop the study when no cell is left.

        Parameters
        ----------
        study : optuna.study.Study
            The study.
        trial : optuna.trial.FrozenTrial
            The trial that is sampled for.
        state : optuna.trial.TrialState
            How it ended.
        values : sequence of float, optional
            Its values.
        """
        self._independent.after_trial(study, trial, state, values)
        with self._lock:
            is_spent = self._optimiser is not None and self._optimiser.remaining == 0
        if is_spent:
            with contextlib.suppress(RuntimeError):  # which Optuna raises outside of study.optimize
                study.stop()

    def reseed_rng(self) -> None:
        """Reseed the independent sampler; the choice of cells needs no other seed, as the jobs share the sampler."""
        self._independent.reseed_rng()

    # -- what it knows --------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._optimiser: Optimiser | None = None
        self._trials: dict[int, Any] = {}  # trials of the optimiser, by the key of their class
        self._asked: dict[int, tuple[int, ...]] = {}  # cells that were chosen, by the number of Optuna's trial
        self._cells: dict[int, tuple[int, tuple[int, ...]] | None] = {}  # key and codes of trials with parameters

    def _new_optimiser(self) -> Optimiser:
        objectives = _objectives(self._space, self._directions, self._known)
        method = self._method or ("cr-lso" if len(objectives) <= _MOST_LEARNED else "nsga2")
        budget = count_classes(self._space) or sys.maxsize
        return make_optimiser(method, self._space, self._seed, budget, self._options, objectives)

    def _learn(self, study: Study, number: int) -> None:
        """Bring the optimiser up to the trials of a study other than the one with this number."""
        if study.study_name != self._study:
            self._forget()
            self._study = study.study_name
        directions = tuple(1 if direction.name == "MAXIMIZE" else -1 for direction in study.directions)
        if self._optimiser is None or directions != self._directions:
            self._directions = directions
            self._start_again()
        facts = self._facts([trial for trial in study.get_trials(deepcopy=False) if trial.number != number])
        if any(self._has_failed(key) and isinstance(fact.result, Measurement) for key, fact in facts.items()):
            self._start_again()  # a failed cell was evaluated again
        for key, fact in facts.items():
            self._tell(key, fact)

    def _start_again(self) -> None:
        self._optimiser, self._trials = self._new_optimiser(), {}

    def _has_failed(self, key: int) -> bool:
        return key in self._trials and self._trials[key].state == "failed"

    def _tell(self, key: int, fact: _Fact) -> None:
        assert self._optimiser is not None
        if key not in self._trials:
            self._trials[key] = self._optimiser.ask_again(np.array(fact.codes, dtype=np.uint8))[0]
        trial = self._trials[key]
        if trial.state != "pending" or fact.result is None:
            return
        if isinstance(fact.result, Measurement):
            self._optimiser.tell(trial, fact.result)
        else:
            self._optimiser.tell(trial, state="failed", error=fact.result)
            if fact.result == _NOT_TAKEN:
                _log.warning("%s %s, so that the trial counts as failed: see suggest_cell", _NOT_TAKEN, trial.cell)

    def _facts(self, trials: Sequence[FrozenTrial]) -> dict[int, _Fact]:
        """Return what trials tell of their cells, by the keys of classes, in the order of the trials."""
        facts: dict[int, _Fact] = {}
        for trial in trials:
            found = self._cell_of(trial)
            if found is not None:
                key, codes = found
                fact = _Fact(codes, self._result_of(trial))
                facts[key] = facts[key].better(fact) if key in facts else fact
        return facts

    def _cell_of(self, trial: FrozenTrial) -> tuple[int, tuple[int, ...]] | None:
        """Return the key and the codes of the cell of a trial; None for one without a cell of the space."""
        number, params = trial.number, trial.params
        if number in self._cells:
            return self._cells[number]
        if all(params.get(name) in choices for name, choices in self._choices.items()):
            codes = tuple(choices.index(params[name]) for name, choices in self._choices.items())
        elif number in self._asked:
            codes = self._asked[number]
        else:
            return None
        rows = self._space.codes([codes])
        is_cell = bool(self._space.valid(rows)[0])
        found = (int(self._space.canonical_key(rows)[0]), codes) if is_cell else None
        if trial.state.is_finished():
            self._cells[number] = found
        return found

    def _result_of(self, trial: FrozenTrial) -> Measurement | str | None:
        if not trial.state.is_finished():
            return None
        broken = [name for name, number in trial.constraints.items() if number > 0]
        if broken:
            return f"constraint {broken[0]} is violated"
        values = trial.values
        if values is None or not all(map(math.isfinite, values)) or len(values) != len(self._directions):
            return f"{trial.state.name.lower()} without a finite value"
        if not set(self._choices) <= set(trial.params):
            return _NOT_TAKEN
        others = {_name(i): value for i, value in enumerate(values) if i}
        return Measurement(self._directions[0] * values[0], others)

    def _next_codes(self, number: int) -> tuple[int, ...]:
        """Return the cell for Optuna's trial of this number."""
        assert self._optimiser is not None
        if self._optimiser.remaining == 0:
            _log.warning("all cells of the space were asked for; trial %d evaluates one of them again", number)
            drawn = self._space.sample(1, rng=number)
            return tuple(self._space.representative(drawn)[0].tolist())
        mine = self._optimiser.ask()
        codes = tuple(mine.cell.codes)
        self._trials[self._optimiser.history.key_of(mine)] = mine
        self._asked[number] = codes
        return codes


def _name(position: int) -> str:
    return f"objective_{position}"


def _checked_known(known: Any) -> dict[int, Callable[[Codes], npt.ArrayLike]]:
    if known is None:
        return {}
    if not isinstance(known, Mapping):
        raise TypeError(f"known: expected a mapping of positions to functions, got {type(known).__name__}")
    for position, function in known.items():
        check_int("known", position, 1)
        if not callable(function):
            raise TypeError(f"known[{position}]: expected a function of codes, got {type(function).__name__}")
    return dict(known)


def _objectives(
    space: CellSpace, directions: Sequence[int], known: Mapping[int, Callable[[Codes], npt.ArrayLike]]
) -> tuple[Objective, ...]:
    """Return the objectives of a study; the first one is the value, which is told with its sign."""
    beyond = [position for position in known if position >= len(directions)]
    if beyond and len(directions) > 1:
        raise ValueError(f"known: expected positions of the {len(directions)} objectives from 1, got {beyond[0]}")
    others = (
        Objective(_name(i), sign < 0, _Known(space, known[i], f"known[{i}]") if i in known else None)
        for i, sign in enumerate(directions)
        if i
    )
    return (Objective(VALUE), *others)
