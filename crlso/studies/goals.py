"""What a search is asked for: its objectives and constraints, checked against the measures of its benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crlso._base.fingerprint import Named
from crlso._base.types import Codes, Floats
from crlso.benchmarks.measures import Measure, check_measure, measures_of
from crlso.history import Measurement
from crlso.objectives import VALUE, Bounds, Objective, front, objectives_of

__all__ = ["Goals", "goals_of", "known_front", "known_points"]

_VALUE_ALONE = (Objective(VALUE),)


@dataclass(frozen=True)
class Goals:
    """What a search is asked for.

    Attributes
    ----------
    benchmark : object
        Its space has the cells that satisfy the constraints that are known without a query, and ``evaluate`` returns a
        measurement of all that the search is asked for.
    objectives : tuple of Objective
    constraints : dict of str to str
        Bounds of measures as text, and functions by their names.
    bounds : dict of str to Bounds
        Those of measures that evaluations return.
    """

    benchmark: Any
    objectives: tuple[Objective, ...] = _VALUE_ALONE
    constraints: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, Bounds] = field(default_factory=dict)

    def completed(self, cell: Any, found: Measurement) -> Measurement:
        """Return a result of a cell that is known already, with the numbers that are known without a query.

        Raises
        ------
        ValueError
            If it still lacks an objective or a number that a constraint bounds.
        """
        return self.benchmark.completed(cell, found) if isinstance(self.benchmark, _Measured) else found


def _check_benchmark(benchmark: Any) -> None:
    """Raise TypeError unless `benchmark` is an object with ``space`` and ``evaluate(cell)``; say how to make one."""
    if isinstance(benchmark, type):
        raise TypeError(f"benchmark: expected an object, got the class {benchmark.__name__} itself")
    if not hasattr(benchmark, "space") or not callable(getattr(benchmark, "evaluate", None)):
        name = getattr(benchmark, "__name__", "") if callable(benchmark) else ""
        function = name if name.isidentifier() else "evaluate"
        raise TypeError(
            "benchmark: expected an object with `space` and `evaluate(cell)`, got "
            f"{type(benchmark).__name__}; make one of a function: crlso.benchmarks.Function(space, {function}), where "
            "space is, for example, crlso.spaces.NASBench201() or a crlso.spaces.CellSpace"
        )


def goals_of(
    benchmark: Any, objectives: Sequence[str] | None = None, constraints: Mapping[str, Any] | None = None
) -> Goals:
    """Check what a search is asked for, and apply it to the benchmark.

    Parameters
    ----------
    benchmark : object
        An object with ``space`` and ``evaluate(cell)``.
    objectives : sequence of str, optional
        ``"value"`` and names of measures, with a minus before those to minimise.
    constraints : mapping, optional
        Bounds by the names of measures, see :meth:`Bounds.parse`; or functions of a cell, which return whether the cell
        satisfies the constraint, by any name.

    Raises
    ------
    TypeError, ValueError
        If `benchmark` is no such object, a name is unknown, a bound is wrong, a known measure is NaN for a cell, or no
        cell satisfies the constraints.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> goals = goals_of(NASBench201("cifar10"), ["value", "-latency:pixel3"], {"parameters": 0.3})
    >>> goals.constraints, goals.benchmark.space
    ({'parameters': '<= 0.3'}, NASBench201(4 nodes, 5 operations on edges, 871 cells listed))
    """
    _check_benchmark(benchmark)
    if objectives is None and not constraints:
        return Goals(benchmark)
    measures = measures_of(benchmark)
    wanted = _objectives(objectives, measures, benchmark.space)
    rules = _rules(constraints, measures, benchmark.space)
    space, known = benchmark.space, tuple(rule for rule in rules if rule.is_known)
    if known:
        if not callable(getattr(space, "where", None)):
            raise TypeError(f"constraints: expected a space with the method where, got {type(space).__name__}")
        space = space.where(_Condition(space, known))
    for objective in wanted:
        if objective.known is not None:  # an early check: later ones might come after hours
            objective.known(space.canonicalise(space.sample_up_to(_CHECKED, rng=0)))
    texts = {rule.name: str(rule) for rule in rules}
    bounds = {rule.name: rule.bounds for rule in rules if isinstance(rule, _Bounded) and not rule.is_known}
    return Goals(_Measured(benchmark, space, wanted, rules), wanted, texts, bounds)


_CHECKED = 20_000  # cells whose known measures are checked before a search


def _objectives(given: Any, measures: Mapping[str, Measure], space: Any) -> tuple[Objective, ...]:
    if given is None:
        return _VALUE_ALONE
    parsed = objectives_of(given)
    names = [objective.name for objective in parsed]
    for objective in parsed:
        measure = check_measure("objectives", objective.name, measures)
        if objective.name == VALUE and objective.is_minimised:
            raise ValueError("objectives: expected 'value', which is maximised, got '-value'")
        if measure.is_known:
            parsed[names.index(objective.name)] = Objective(
                objective.name, objective.is_minimised, _Known(space, measure)
            )
    if VALUE not in names:
        raise ValueError(f"objectives: expected 'value' among them, got {', '.join(map(str, parsed)) or 'none'}")
    return tuple(parsed)


@dataclass(frozen=True)
class _Known:
    """Numbers of canonical cells that are known without a query: those of the cells that a search would ask for."""

    space: Any
    measure: Measure

    def __call__(self, codes: Codes) -> Floats:
        return _numbers(self.measure, self.space, self.space.representative(codes))


def _numbers(measure: Measure, space: Any, cells: Codes) -> Floats:
    """Return the numbers of cells, checked to be known."""
    numbers = measure(cells)
    if np.isnan(numbers).any():
        cell = space.cells(cells[np.isnan(numbers)][:1])[0]
        raise ValueError(f"{measure.name}: expected a number for each cell, got NaN for {cell!s:.200}")
    return numbers


@dataclass(frozen=True)
class _Bounded:
    """A constraint by bounds of a measure."""

    measure: Measure
    bounds: Bounds

    @property
    def name(self) -> str:
        return self.measure.name

    @property
    def is_known(self) -> bool:
        return self.measure.is_known

    def excess(self, space: Any, cells: Codes) -> Floats:
        return self.bounds.excess(_numbers(self.measure, space, cells))

    def fingerprint(self) -> Any:
        return Named((self.name, str(self.bounds), self.measure.known))

    def __str__(self) -> str:
        return str(self.bounds)


@dataclass(frozen=True)
class _Satisfied:
    """A constraint by a function of a cell, which returns whether the cell satisfies it."""

    name: str
    function: Callable[[Any], Any]
    is_known = True

    def excess(self, space: Any, cells: Codes) -> Floats:
        return np.array([0.0 if self._holds(cell) else 1.0 for cell in space.cells(cells)])

    def _holds(self, cell: Any) -> bool:
        found = self.function(cell)
        if not isinstance(found, (bool, np.bool_)):
            kind = type(found).__name__
            raise TypeError(f"constraints[{self.name!r:.60}]: expected a function that returns a bool, got {kind}")
        return bool(found)

    def fingerprint(self) -> Any:
        return Named((self.name, self.function))

    def __str__(self) -> str:
        return f"a function {getattr(self.function, '__name__', type(self.function).__name__)}"


def _rules(given: Any, measures: Mapping[str, Measure], space: Any) -> tuple[_Bounded | _Satisfied, ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise TypeError(f"constraints: expected a mapping of measures to bounds, got {type(given).__name__}")
    rules: list[_Bounded | _Satisfied] = []
    for name, entry in given.items():
        if not isinstance(name, str):
            raise TypeError(f"constraints: expected names of measures, got {type(name).__name__}")
        if callable(entry):
            rules.append(_Satisfied(name, entry))
            continue
        rules.append(_Bounded(check_measure("constraints", name, measures), Bounds.parse(name, entry)))
    return tuple(rules)


@dataclass(frozen=True)
class _Condition:
    """The constraints that are known without a query together, as a condition of :meth:`CellSpace.where`."""

    space: Any
    rules: tuple[_Bounded | _Satisfied, ...]

    def __call__(self, codes: Codes) -> Floats:
        excess = np.zeros(len(codes))
        for rule in self.rules:
            excess += rule.excess(self.space, codes)
        return excess


class _Measured:
    """A benchmark whose evaluations return a measurement of all that a search is asked for.

    Parameters
    ----------
    benchmark : object
    space : Space
        The cells that satisfy the constraints that are known without a query.
    objectives, rules
        What is measured.
    """

    def __init__(
        self, benchmark: Any, space: Any, objectives: tuple[Objective, ...], rules: tuple[_Bounded | _Satisfied, ...]
    ) -> None:
        self.benchmark, self.space = benchmark, space
        self.name, self.dataset, self.objective = (
            getattr(benchmark, label, None) for label in ("name", "dataset", "objective")
        )
        self.test = getattr(benchmark, "test", None)
        self._measures = measures_of(benchmark)
        self._objectives = [objective.name for objective in objectives if objective.name != VALUE]
        self._bounded = [rule.name for rule in rules if isinstance(rule, _Bounded)]
        self._queried = [rule.name for rule in rules if not rule.is_known and rule.name != VALUE]
        self._bounds_queries = any(not rule.is_known for rule in rules)

    def evaluate(self, cell: Any) -> Measurement:
        """Return the value, the objectives and the numbers that constraints bound; see :meth:`completed`."""
        return self.completed(cell, Measurement.of(self.benchmark.evaluate(cell)))

    def completed(self, cell: Any, found: Measurement) -> Measurement:
        """Return a measurement of a cell with the numbers that are known without a query.

        Raises
        ------
        ValueError
            If it still lacks an objective or a number that a constraint bounds.
        """
        objectives = {**found.objectives, **self._known(self._objectives, cell)}
        constraints = {**found.constraints, **self._known(self._bounded, cell)}
        whole = Measurement(found.value, objectives, constraints, found.cost, found.user_attrs)
        for names, numbers in ((self._queried, constraints), (self._objectives, objectives)):
            for name in names:
                number = whole.number(name)
                if number is None:
                    raise ValueError(f"{name}: expected a number, got none from the evaluation")
                objectives.pop(name, None)  # each number is where it is asked for
                numbers[name] = number
        return Measurement(found.value, objectives, constraints, found.cost, found.user_attrs)

    def _known(self, names: Sequence[str], cell: Any) -> dict[str, float]:
        codes = self.space.codes([cell])
        measures = [self._measures[name] for name in names]
        return {measure.name: float(measure(codes)[0]) for measure in measures if measure.is_known}

    def optimal_value(self) -> float | None:
        """Return the highest value of the cells that satisfy the constraints; None if it is unknown."""
        if self._bounds_queries:
            return None
        if self.space is self.benchmark.space:
            known = getattr(self.benchmark, "optimal_value", None)
            return known() if callable(known) else None
        values = getattr(self.benchmark, "values", None)
        if not callable(values) or self.space.n_cells is None:
            return None
        found = float(values(self.space.representative(self.space.classes().codes)).max())
        return found if math.isfinite(found) else None


def known_front(benchmark: Any, objectives: Sequence[str], constraints: Mapping[str, Any] | None = None) -> Floats:
    """Return the front of a benchmark that knows the value of each of its cells.

    Parameters
    ----------
    benchmark : object
        With ``values(cells)`` and a space that can be listed, such as :class:`NASBench201` and :class:`Tabular`.
    objectives : sequence of str
        As for :func:`crlso.search`; their measures are known without a query.
    constraints : mapping, optional
        As for :func:`crlso.search`; their measures are known without a query.

    Returns
    -------
    ndarray of float64, shape (m, objectives)
        In the units of the objectives, in descending order of the first one.

    Raises
    ------
    TypeError, ValueError
        If the benchmark does not know the objectives of its cells, or as for :func:`crlso.search`.

    Examples
    --------
    >>> from crlso.benchmarks import NASBench201
    >>> known_front(NASBench201("cifar10"), ["value", "-latency:pixel3"]).shape
    (24, 2)
    """
    goals = goals_of(benchmark, objectives, constraints)
    numbers = known_points(goals, benchmark)
    signs = np.array([objective.sign for objective in goals.objectives])
    best: Floats = numbers[front(numbers * signs)]
    return best


def known_points(goals: Goals, benchmark: Any) -> Floats:
    """Return the objectives of all cells that satisfy the constraints, of a benchmark that knows the value of each.

    Parameters
    ----------
    goals : Goals
    benchmark : object
        That for which the goals were made.

    Returns
    -------
    ndarray of float64, shape (n, objectives)
        In the units of the objectives.

    Raises
    ------
    TypeError, ValueError
        If the benchmark does not know the objectives of its cells, or whether they satisfy the constraints.
    """
    if goals.bounds:
        raise ValueError(f"constraints: expected measures that are known, got {', '.join(goals.bounds):.100}")
    values, space = getattr(benchmark, "values", None), goals.benchmark.space
    if not callable(values) or space.n_cells is None:
        raise TypeError(f"benchmark: expected one that knows the value of all cells, got {benchmark!r:.200}")
    cells = space.representative(space.classes().codes)
    measures = measures_of(benchmark)
    columns = [
        values(cells) if objective.name == VALUE else measures[objective.name](cells) for objective in goals.objectives
    ]
    return np.stack(columns, axis=1)
