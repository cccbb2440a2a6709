"""NSGA-II: who survives, who has children, and that it leads to fronts."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import Measurement
from crlso.methods import NSGA2
from crlso.methods.nsga2 import crowding, survivors
from crlso.objectives import Objective, hypervolume
from crlso.spaces import DARTS, CellSpace

BOTH = ["value", "-latency:pixel3"]
SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")


def dominated_by(points, i):
    return sum((other >= points[i]).all() and (other > points[i]).any() for other in points)


@pytest.mark.parametrize("seed", range(5))
def test_fronts_survive_in_their_order(seed):
    points = np.random.default_rng(seed).integers(0, 5, (20, 2)).astype(float)
    left, fronts = list(range(20)), []
    while left:  # by definition: those that none of the rest dominates
        best = [i for i in left if not dominated_by(points[[*left]], left.index(i))]
        fronts.append(best)
        left = [i for i in left if i not in best]
    for n in (1, 7, 20):
        kept = set(survivors(points, n).tolist())
        assert len(kept) == n
        for best in fronts:
            assert set(best) <= kept or not kept - {i for done in fronts[: fronts.index(best) + 1] for i in done}


def test_crowding_by_hand():
    points = np.array([[0.0, 10.0], [2.0, 6.0], [3.0, 5.0], [10.0, 0.0]])
    np.testing.assert_allclose(crowding(points), [np.inf, 3 / 10 + 5 / 10, 8 / 10 + 6 / 10, np.inf])
    assert np.isinf(crowding(np.zeros((2, 2)))).all() and crowding(np.zeros((3, 2)))[1] == 0.0
    assert not np.isnan(crowding(np.array([[-np.inf, 0.0], [1.0, -np.inf], [2.0, -np.inf]]))).any()


def test_children_are_made_of_survivors():
    optimiser = NSGA2(SPACE, rng=0, population=4)
    for _ in range(12):
        trial = optimiser.ask()
        optimiser.tell(trial, float(trial.cell.operations.count("conv")))
    assert optimiser.diagnostics["random_cells"] == 4
    points = np.array([[trial.value] for trial in optimiser.trials])
    first = sorted(survivors(points[:4], 4).tolist())
    second = survivors(points[[*first, 4, 5, 6, 7]], 4)
    expected = sorted(np.array([*first, 4, 5, 6, 7])[second].tolist())
    assert [trial.number for trial in optimiser._parents(2)] == expected
    assert len({str(trial.cell) for trial in optimiser.trials}) == 12


def test_failed_and_pending_trials_have_no_children():
    optimiser = NSGA2(SPACE, rng=0, population=4)
    trials = [optimiser.ask() for _ in range(4)]
    optimiser.tell(trials[0], state="failed")
    optimiser.tell(trials[2], 1.0)
    assert [trial.number for trial in optimiser._parents(1)] == [2]
    optimiser.tell(trials[1], 2.0)
    optimiser.tell(trials[3], 3.0)
    assert [trial.number for trial in optimiser._parents(1)] == [1, 2, 3]


def test_objectives_are_told_or_known():
    both = [
        Objective("value"),
        Objective("ms", is_minimised=True),
        Objective("codes", known=lambda codes: codes.sum(axis=1)),
    ]
    optimiser = NSGA2(SPACE, rng=0, population=2, objectives=both)
    trial = optimiser.ask()
    optimiser.tell(trial, Measurement(91.0, {"ms": 3.0}))
    np.testing.assert_array_equal(optimiser._points([trial]), [[91.0, -3.0, sum(optimiser.history.codes_of(trial))]])


def test_all_classes_of_a_small_space_are_asked_for_once():
    study = crlso.search(crlso.benchmarks.Function(SPACE, lambda cell: 0.0), "nsga2", len(SPACE.classes()))
    assert study.state == "complete" and study.n_queries == len(SPACE.classes())


@pytest.mark.parametrize(("population", "error"), [(1, ValueError), (2.0, TypeError)])
def test_wrong_populations(population, error):
    with pytest.raises(error, match="population: expected"):
        NSGA2(SPACE, population=population)


def test_it_finds_more_than_random_search():
    bench = NASBench201("cifar10")
    volumes = {
        method: [
            crlso.search(bench, method, 100, seed, progress=False, objectives=BOTH).hypervolume([80.0, 30.0])
            for seed in range(6)
        ]
        for method in ("nsga2", "random")
    }
    assert np.mean(volumes["nsga2"]) > np.mean(volumes["random"])


def test_children_in_a_space_with_a_fixed_number_of_inputs():
    optimiser = NSGA2(DARTS(), rng=0, budget=60, population=10)
    for _ in range(60):
        trial = optimiser.ask()
        optimiser.tell(trial, float(trial.cell.operations.count("sep_conv_3x3")))
    assert optimiser.diagnostics["random_cells"] == 10
    values = [trial.value for trial in optimiser.trials]
    assert np.mean(values[-10:]) > np.mean(values[:10]) + 1.0
    assert hypervolume([[value] for value in values], [0.0]) == max(values)
