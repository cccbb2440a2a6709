"""Gains in hypervolume: against the volumes of fronts with and without a point."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crlso.methods import CRLSO, GPSearch
from crlso.methods.bayesian import FrontGain, ValueGain
from crlso.objectives import Objective, front, hypervolume
from crlso.spaces import NASBench201

CODES = np.arange(30, dtype=np.uint8)[:, None]


def second(codes):
    return np.asarray(codes, dtype=np.float64)[:, 0] % 11


def mean_of(posterior):
    return posterior.mean


@pytest.mark.parametrize("seed", range(8))
def test_the_gain_is_the_volume_that_a_point_adds(seed):
    rng = np.random.default_rng(seed)
    told = rng.choice(30, 9, replace=False)
    scores = rng.integers(-3, 4, 9).astype(float)
    gain = FrontGain(mean_of, second, CODES)
    gain.update(CODES[told], scores[:, None], scores.min())
    points = np.stack([scores, second(CODES[told])], axis=1)
    reference = [scores.min(), second(CODES).min()]
    bounds = rng.normal(size=30) * 3
    found = gain([SimpleNamespace(mean=bounds)], CODES, np.zeros(30))
    for i, bound in enumerate(bounds):
        added = hypervolume([*points, (bound, second(CODES)[i])], reference) - hypervolume(points, reference)
        if added > 1e-12:
            assert found[i] == pytest.approx(added)
        else:  # how much it lacks to the highest score among those that are as good by the second objective
            beyond = points[points[:, 1] >= second(CODES)[i], 0]
            assert found[i] == pytest.approx(min(bound - max([*beyond, scores.min()]), 0.0))
    np.testing.assert_array_equal(gain([SimpleNamespace(mean=bounds[:4])], CODES[:4], np.zeros(4)), found[:4])
    shifted = gain([SimpleNamespace(mean=bounds + 0.5)], CODES, np.full(30, -0.5))  # a penalty lowers the bound
    np.testing.assert_allclose(shifted, found)


def test_fronts_come_first_where_cells_are_ranked():
    gain, codes = FrontGain(mean_of, second, CODES), CODES[:8]
    scores = np.array([3.0, 1.0, 2.0, 2.5, 0.0, -1.0, 1.0, -2.0])
    gain.update(codes, scores[:, None], scores.min())
    order = np.argsort(-gain.ranking(scores[:, None]), kind="stable")
    best = front(np.stack([scores, second(codes)], axis=1))
    assert set(order[: len(best)]) == set(best)
    assert order[0] == 0  # the highest score of the front


def test_a_value_alone_is_not_changed():
    posterior, gain = SimpleNamespace(mean=np.array([1.0, -2.0, 3.0])), ValueGain(mean_of)
    np.testing.assert_array_equal(gain([posterior], CODES[:2], np.array([0.0, -0.5])), [1.0, -2.5])
    np.testing.assert_array_equal(gain.ranking(np.array([[1.0], [-2.0]])), [1.0, -2.0])


def test_a_positive_objective_counts_by_its_logarithm():
    space = NASBench201()

    def size(codes):
        return 1.0 + np.asarray(codes, dtype=np.float64).sum(axis=1)

    both = [Objective("value"), Objective("size", is_minimised=True, known=size)]
    asked = []
    for factor in (1.0, 1000.0):  # in another unit

        def scaled(codes, factor=factor):
            return factor * size(codes)

        objectives = [both[0], Objective("size", is_minimised=True, known=scaled)]
        search = GPSearch(space, rng=0, budget=24, initial=8, batch=1, objectives=objectives)
        asked.append([])
        for _ in range(24):
            trial = search.ask()
            asked[-1].append(trial.cell)
            search.tell(trial, float(trial.cell.operations.count("nor_conv_3x3")))
    assert asked[0] == asked[1]


def test_the_value_as_the_only_objective_changes_nothing():
    asked = []
    for objectives in ((), [Objective("value")]):
        search = CRLSO(NASBench201(), rng=0, budget=14, objectives=objectives)
        asked.append([])
        for _ in range(14):
            trial = search.ask()
            asked[-1].append(trial.cell)
            search.tell(trial, float(sum(trial.cell.codes)))
    assert asked[0] == asked[1]
