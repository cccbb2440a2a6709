"""Constraints on measures that evaluations return: learned probabilities, and Deb's rules of comparison."""

from __future__ import annotations

import copy
import math
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201, NASBench301
from crlso.history import Measurement
from crlso.methods import CRLSO, METHODS, NSGA2, Evolution, GPSearch, RandomSearch
from crlso.methods.bayesian import LearnedConstraint, ProcessSurrogate
from crlso.methods.bayesian.constraints import threshold
from crlso.methods.nsga2 import survivors
from crlso.models import Features, Kernel
from crlso.models.gaussian_process import normal_scores
from crlso.objectives import Bounds, Objective
from crlso.spaces import CellSpace
from crlso.spaces import NASBench201 as Space201

SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
TABLE = NASBench201("cifar10")


def measured(cell):
    return {"value": TABLE.evaluate(cell), "ms": float(TABLE.latency([cell], "pixel3")[0])}


QUERIED = Function(TABLE.space, measured, name="queried", measures={"ms": None})


# -- what is learned ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_bound_is_between_the_scores_of_the_numbers_on_its_sides(seed):
    numbers = np.random.default_rng(seed).integers(0, 8, 12).astype(float)
    scores = normal_scores(numbers)
    for bound in (-1.0, 0.0, 2.5, 4.0, 7.0, 9.0):
        for is_included in (False, True):
            below = numbers <= bound if is_included else numbers < bound
            limit = threshold(numbers, bound, is_included)
            assert (scores[below] < limit).all() and (scores[~below] > limit).all()
    assert threshold(numbers, math.inf, True) == math.inf and threshold(numbers, -math.inf, False) == -math.inf
    assert all(math.isfinite(threshold(np.full(n, 3.0), bound, True)) for n in (1, 4) for bound in (2.0, 3.0))


class Fixed:
    """A surrogate whose posterior is given."""

    def __init__(self, mean, deviation):
        self.mean, self.deviation = np.asarray(mean), np.asarray(deviation)

    def fit(self, x, y, keys):
        self.y = y

    def posterior(self, x=None):
        return SimpleNamespace(mean=self.mean, deviation=self.deviation)


@pytest.mark.parametrize("bounds", [Bounds(most=4.0), Bounds(least=2.0), Bounds(2.0, 4.0), Bounds(4.0, 4.0)])
def test_the_penalty_is_the_logarithm_of_the_probability(bounds):
    numbers = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    mean, deviation = np.array([-1.0, 0.0, 0.3, 1.0, 3.0]), np.array([1.0, 0.5, 0.1, 2.0, 0.4])
    learned = LearnedConstraint(bounds, Fixed(mean, deviation))
    learned.fit(None, numbers, np.arange(6))
    np.testing.assert_array_equal(learned.surrogate.y, normal_scores(numbers))
    least, most = threshold(numbers, bounds.least, False), threshold(numbers, bounds.most, True)
    between = [NormalDist(m, s).cdf(most) - NormalDist(m, s).cdf(least) for m, s in zip(mean, deviation, strict=True)]
    np.testing.assert_allclose(np.exp(learned.penalty()), between, rtol=1e-5, atol=3e-7)


def test_cells_that_are_surely_beyond_a_bound_are_still_ordered():
    learned = LearnedConstraint(Bounds(2.0, 4.0), Fixed([9.0, 8.0, -9.0], [0.1, 0.1, 0.0]))
    learned.fit(None, np.array([1.0, 3.0, 5.0]), np.arange(3))
    penalty = learned.penalty()
    assert np.isfinite(penalty).all() and penalty[1] > penalty[0] > penalty[2]


def test_a_real_process_learns_a_bound():
    x = Features((np.linspace(0.0, 1.0, 21)[:, None],))
    learned = LearnedConstraint(Bounds(most=0.5), ProcessSurrogate(Kernel(((4.0, 16.0),))))
    learned.surrogate.watch(x)
    told = np.arange(0, 21, 4)
    learned.fit(x[told], np.linspace(0.0, 1.0, 21)[told], told)
    probability = np.exp(learned.penalty())
    assert (probability[:8] > 0.8).all() and (probability[14:] < 0.2).all()
    np.testing.assert_allclose(learned.penalty(x), learned.penalty(), atol=1e-9)
    assert set(learned.summary()) == {"weights", "noise"}


# -- Deb's rules -------------------------------------------------------------------------------------------------------


def test_survivors_satisfy_constraints_first():
    points = np.array([[9.0, 9.0], [1.0, 2.0], [2.0, 1.0], [8.0, 8.0], [0.0, 0.0]])
    violations = np.array([0.5, 0.0, 0.0, 0.1, 0.0])
    assert survivors(points, 5, violations).tolist()[2:] == [4, 3, 0]
    assert set(survivors(points, 2, violations).tolist()) == {1, 2}
    assert set(survivors(points, 3, np.array([0.2, 0.3, 0.3, 0.2, 0.4]))[:2].tolist()) == {0, 3}


def told(optimiser, n, numbers=lambda cell: float(len(cell.graphs[0].edges))):
    for _ in range(n):
        trial = optimiser.ask()
        value = trial.cell.operations.count("conv") + 0.01 * sum(i * code for i, code in enumerate(trial.cell.codes))
        optimiser.tell(trial, Measurement(value, {"size": numbers(trial.cell)}))
    return optimiser


def test_parents_are_better_by_being_closer_to_the_bounds():
    optimiser = told(Evolution(SPACE, rng=0, population=4, tournament=4, constraints={"size": "<= 3"}), 12)
    space, history = optimiser.space, optimiser.history
    for trial in optimiser.trials[4:]:
        before = optimiser.trials[max(trial.number - 4, 0) : trial.number]
        order = sorted(before, key=lambda t: (max(t.measurement.number("size") - 3.0, 0.0), -t.value))
        near = [set(space.canonical_key(space.neighbours(t.cell.codes)).tolist()) for t in order]
        seen = {history.key_of(t) for t in optimiser.trials[: trial.number]}
        parent = next(keys - seen for keys in near if keys - seen)
        assert history.key_of(trial) in parent


@pytest.mark.parametrize("factory", [RandomSearch, Evolution, NSGA2, GPSearch, CRLSO])
def test_the_best_cell_is_feasible(factory):
    optimiser = told(factory(SPACE, rng=0, budget=14, constraints={"size": "<= 4", "value": ">= 1"}), 14)
    good = [t for t in optimiser.trials if t.measurement.number("size") <= 4 and t.value >= 1]
    assert optimiser.history.feasible == good and len(good) < 14
    assert optimiser.best.value == max(trial.value for trial in good)


# -- searches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [pytest.param("cr-lso", marks=pytest.mark.slow), "gp"])
def test_a_bound_is_learned(method):
    bound = float(np.quantile(TABLE.latency(TABLE.space.classes().codes, "pixel3"), 0.1))
    counts = {
        name: crlso.search(QUERIED, name, 40, 1, progress=False, constraints={"ms": bound}).n_infeasible
        for name in (method, "random")
    }
    assert counts[method] < counts["random"] - 5


def test_a_bound_that_no_cell_satisfies_is_approached():
    study = crlso.search(QUERIED, "gp", 40, 0, progress=False, constraints={"ms": -1.0}, initial=8)
    assert study.n_infeasible == 40 and study.trajectory == [] and study.front == []
    ms = [trial.measurement.constraints["ms"] for trial in study.trials]
    assert np.mean(ms[-10:]) < 0.5 * np.mean(ms[:8])
    with pytest.raises(ValueError, match="best: expected a complete trial that satisfies the constraints, got none"):
        _ = study.best


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gp", "cr-lso"])
def test_a_bound_in_a_large_space(method):
    bench = NASBench301.standin()

    def both(cell):
        return {"value": bench.evaluate(cell), "size": float(bench.parameters([cell])[0])}

    queried = Function(bench.space, both, name="queried", measures={"size": None})
    options = {"initial": 8, "candidates": 200}
    constrained, free = (
        crlso.search(queried, method, 20, 0, progress=False, constraints={"size": bound}, **options)
        for bound in (0.9, 99.0)
    )
    sizes = [
        np.mean([trial.measurement.constraints["size"] for trial in study.trials[12:]]) for study in (constrained, free)
    ]
    assert sizes[0] < sizes[1] - 0.05


@pytest.mark.parametrize("unit", [1e-3, 1e6])
def test_the_unit_of_a_measure_does_not_matter(unit):
    asked = [
        [
            trial.cell
            for trial in told(
                GPSearch(Space201(), rng=0, budget=20, constraints={"size": 4.0 * u}),
                20,
                lambda cell, u=u: u * len(cell.operations[0]),
            ).trials
        ]
        for u in (1.0, unit)
    ]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("method", ["gp", "cr-lso"])
def test_pending_cells_and_copies(method):
    first = METHODS[method](Space201(), rng=0, budget=30, constraints={"size": 3.0})
    told(first, 12, lambda cell: float(cell.operations.count("none")))
    second = copy.deepcopy(first)
    asked = [[optimiser.ask().cell for _ in range(5)] for optimiser in (first, second)]
    assert asked[0] == asked[1] and len(set(asked[0])) == 5


@pytest.mark.parametrize("name", ["random", "evolution", "nsga2", "gp", "cr-lso"])
def test_wrong_constraints_and_measurements(name):
    for constraints, error, message in (
        ({"ms": math.nan}, ValueError, r"constraints\['ms'\]: expected a finite number, got nan"),
        ({"ms": ">= 2, <= 1"}, ValueError, "expected bounds that a number can satisfy"),
        ({3: 1.0}, TypeError, "constraints: expected names of measures, got int"),
        ([("ms", 1.0)], TypeError, "constraints: expected a mapping of measures to bounds, got list"),
    ):
        with pytest.raises(error, match=message):
            METHODS[name](Space201(), budget=5, constraints=constraints)
    optimiser = METHODS[name](Space201(), budget=5, constraints={"ms": 1.0})
    trial = optimiser.ask()
    for wrong in (90.0, Measurement(90.0, {"other": 1.0})):
        with pytest.raises(ValueError, match="value: expected a measurement with 'ms', got none"):
            optimiser.tell(trial, wrong)
    assert optimiser.pending == [trial]
    optimiser.tell(trial, Measurement(90.0, constraints={"ms": 0.5}))
    assert optimiser.best is trial


def test_an_objective_that_is_not_told_is_refused():
    optimiser = NSGA2(Space201(), budget=5, objectives=[Objective("value"), Objective("ms", is_minimised=True)])
    with pytest.raises(ValueError, match="value: expected a measurement with 'ms', got none"):
        optimiser.tell(optimiser.ask(), 90.0)
