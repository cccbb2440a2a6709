"""Expected gains in hypervolume: against volumes counted by brute force, and samples of an independent twin."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from crlso.history import Measurement
from crlso.methods import METHODS
from crlso.methods.bayesian import FrontGain, VolumeGain
from crlso.methods.bayesian.volumes import boxes_beyond, expected_gains
from crlso.objectives import Objective, hypervolume
from crlso.spaces import NASBench201

LARGEST = 6


def cubes_below(points, k):
    """Whether points dominate each of the unit cubes between 0 and 6, by definition."""
    cubes = np.array([*itertools.product(range(LARGEST), repeat=k)]) + 0.5
    return (cubes[:, None] < np.asarray(points).reshape(1, -1, k)).all(axis=2).any(axis=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("k", "n"), [(1, 4), (2, 0), (2, 9), (3, 1), (3, 9), (4, 8)])
def test_boxes_cover_the_region_beyond_a_front_once(k, n, seed):
    points = np.random.default_rng(seed).integers(-1, LARGEST, (n, k)).astype(float)  # with many ties
    lows, highs = boxes_beyond(points, np.zeros(k))
    cubes = np.array([*itertools.product(range(LARGEST), repeat=k)]) + 0.5
    times = ((cubes[:, None] > lows) & (cubes[:, None] < highs)).all(axis=2).sum(axis=1)
    np.testing.assert_array_equal(times, ~cubes_below(points[(points > 0).all(axis=1)], k))
    assert (lows < highs).all()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_points_that_are_sure_add_their_volume(k):
    rng = np.random.default_rng(k)
    points, others = rng.integers(-1, LARGEST, (7, k)).astype(float), rng.integers(-1, LARGEST, (20, k)).astype(float)
    found = expected_gains(*boxes_beyond(points, np.zeros(k)), others, np.zeros((20, k)))
    before = cubes_below(points[(points > 0).all(axis=1)], k)
    for added, other in zip(found, others, strict=True):
        after = before | (cubes_below(other, k) if (other > 0).all() else False)
        assert added == pytest.approx(after.sum() - before.sum(), abs=1e-9)


def sampled(points, reference, mean, deviation, n=60_000):
    """The mean volume that random points add, and its standard error: by inclusion and exclusion over the points.

    The volume that a sample shares with the front is that of its meets with all non-empty sets of points, with signs.
    """
    rng = np.random.default_rng(7)
    draws = mean + deviation * rng.normal(size=(n, len(mean)))
    volumes = np.maximum(draws - reference, 0.0).prod(axis=1)
    for size in range(1, len(points) + 1):
        for some in itertools.combinations(points, size):
            meets = np.minimum(draws, np.min(some, axis=0))
            volumes += (-1) ** size * np.maximum(meets - reference, 0.0).prod(axis=1)
    return volumes.mean(), volumes.std() / np.sqrt(n)


@pytest.mark.parametrize(("k", "seed"), [(2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)])
def test_the_expectation_is_the_mean_of_samples(k, seed):
    rng = np.random.default_rng([k, seed])
    points, reference = rng.uniform(0.0, 2.0, (5, k)), np.full(k, -0.2)
    means, deviations = rng.uniform(-1.0, 2.5, (6, k)), rng.uniform(0.2, 1.0, (6, k))
    deviations[:2, 0] = 0.0  # an objective that is known
    found = expected_gains(*boxes_beyond(points, reference), means, deviations)
    for gain, mean, deviation in zip(found, means, deviations, strict=True):
        expected, error = sampled(points, reference, mean, deviation)
        assert abs(gain - expected) < 4 * error + 1e-6


def test_the_order_of_objectives_and_the_number_of_cells_do_not_matter():
    rng = np.random.default_rng(3)
    points, means, deviations = rng.normal(size=(12, 3)), rng.normal(size=(999, 3)), rng.uniform(0.1, 1.0, (999, 3))
    reference = points.min(axis=0)
    found = expected_gains(*boxes_beyond(points, reference), means, deviations)
    order = [2, 0, 1]
    turned = expected_gains(*boxes_beyond(points[:, order], reference[order]), means[:, order], deviations[:, order])
    np.testing.assert_allclose(turned, found, rtol=1e-6, atol=1e-7)
    few = expected_gains(*boxes_beyond(points, reference), means[:5], deviations[:5])
    np.testing.assert_array_equal(few, found[:5])


# -- the gain of a search ----------------------------------------------------------------------------------------------

CODES = np.arange(30, dtype=np.uint8)[:, None]


def second(codes):
    return np.asarray(codes, dtype=np.float64)[:, 0] % 11


def third(codes):
    return np.asarray(codes, dtype=np.float64)[:, 0] % 7


def mean_of(posterior):
    return posterior.mean


def test_with_two_objectives_it_is_the_gain_by_the_staircase():
    rng = np.random.default_rng(0)
    told, scores = rng.choice(30, 9, replace=False), rng.integers(-3, 4, (9, 1)).astype(float)
    objectives = [Objective("value"), Objective("second", known=second)]
    posterior = [SimpleNamespace(mean=rng.normal(size=30) * 3)]
    gains = [FrontGain(mean_of, second, CODES), VolumeGain(mean_of, objectives, CODES)]
    for gain in gains:
        gain.update(CODES[told], scores, scores.min(axis=0))
    first, general = (gain(posterior, CODES, np.zeros(30)) for gain in gains)
    np.testing.assert_allclose(general, first, atol=1e-12)
    np.testing.assert_array_equal(*(gain.ranking(scores) for gain in gains))


@pytest.mark.parametrize("seed", range(3))
def test_three_objectives_two_of_them_known(seed):
    rng = np.random.default_rng(seed)
    told, scores = rng.choice(30, 8, replace=False), rng.integers(-3, 4, (8, 1)).astype(float)
    objectives = [Objective("second", known=second), Objective("value"), Objective("third", True, third)]
    gain = VolumeGain(mean_of, objectives, CODES)
    gain.update(CODES[told], scores, scores.min(axis=0))
    points = np.stack([second(CODES[told]), scores[:, 0], -third(CODES[told])], axis=1)
    reference = [second(CODES).min(), scores.min(), -third(CODES).max()]
    bounds, penalty = rng.normal(size=30) * 3, np.log(rng.uniform(0.1, 1.0, 30))
    found = gain([SimpleNamespace(mean=bounds)], CODES, penalty)
    for i, bound in enumerate(bounds):
        point = (second(CODES)[i], bound, -third(CODES)[i])
        added = hypervolume([*points, point], reference) - hypervolume(points, reference)
        if added > 1e-12:
            assert found[i] == pytest.approx(added * np.exp(penalty[i]))
        else:
            assert found[i] <= penalty[i]
    np.testing.assert_array_equal(gain([SimpleNamespace(mean=bounds[:4])], CODES[:4], penalty[:4]), found[:4])


def test_what_a_cell_lacks_orders_those_that_add_nothing():
    gain = VolumeGain(mean_of, [Objective("value"), Objective("speed")], CODES)
    gain.update(CODES[:2], np.array([[3.0, 3.0], [0.0, 0.0]]), np.zeros(2))
    sure = [SimpleNamespace(mean=np.array(mean), deviation=np.zeros(3)) for mean in ([2.0, 1.0, 4.0], [2.5, 2.9, 1.0])]
    np.testing.assert_allclose(gain(sure, CODES[:3], np.zeros(3)), [-0.5, -0.1, 1.0])


def test_without_feasible_cells_all_volume_is_new():
    gain = VolumeGain(mean_of, [Objective("value"), Objective("second", known=second)], CODES)
    gain.update(CODES[:0], np.zeros((0, 1)), np.array([-1.0]))
    found = gain([SimpleNamespace(mean=np.array([1.0, 0.5]))], CODES[2:4], np.log([0.5, 1.0]))
    np.testing.assert_allclose(found, [0.5 * 2.0 * 2.0, 1.5 * 3.0])


@pytest.mark.parametrize("size", [1e59, 1e300])
def test_known_numbers_may_be_huge(size):
    aims = [Objective("value"), *(Objective(name, known=lambda c: (second(c) - 6) * size) for name in "abc")]
    plain = [Objective("value"), *(Objective(name, known=lambda c: second(c) - 6) for name in "abc")]
    found = []
    for objectives in (aims, plain):
        gain = VolumeGain(mean_of, objectives, CODES)
        gain.update(CODES[:3], np.array([[1.0], [0.0], [2.0]]), np.array([-1.0]))
        found.append(gain([SimpleNamespace(mean=np.linspace(-1.0, 3.0, 30))], CODES, np.zeros(30)))
    assert np.isfinite(found).all() and (found[0] > 0).any()
    shares = [np.maximum(gains, 0.0) / gains.max() for gains in found]
    np.testing.assert_allclose(*shares, rtol=1e-9, atol=1e-12)


def test_the_value_alone_under_a_constraint_is_its_improvement():
    gain = VolumeGain(mean_of, [Objective("value")], CODES)
    gain.update(CODES[:2], np.array([[1.0], [-1.0]]), np.array([-2.0]))
    found = gain([SimpleNamespace(mean=np.array([1.5, 0.5]))], CODES[:2], np.log([0.5, 0.5]))
    np.testing.assert_allclose(found, [0.25, -0.5 + np.log(0.5)])


@pytest.mark.parametrize("name", ["gp", "cr-lso"])
def test_wrong_objectives(name):
    value, names = Objective("value"), "abcd"
    for wrong in ([Objective("ms")], [value, *(Objective(letter, known=second) for letter in names)]):
        with pytest.raises(ValueError, match="objectives: expected 'value' and at most 3 other measures, got"):
            METHODS[name](NASBench201(), rng=0, budget=24, objectives=wrong)
    for wrong, error, message in (
        ([value, value], ValueError, "objectives: expected each measure once, got 'value' again"),
        (["value", "-"], ValueError, "objectives: expected names of measures, got '-'"),
        ("value", TypeError, "objectives: expected a sequence of names of measures, got str"),
        ([value, 3], TypeError, "objectives: expected names of measures, got int"),
    ):
        with pytest.raises(error, match=message):
            METHODS[name](NASBench201(), rng=0, budget=24, objectives=wrong)


def test_objectives_by_name():
    named, made = (
        METHODS["gp"](NASBench201(), rng=0, budget=20, initial=6, objectives=objectives)
        for objectives in (["value", "-ms"], [Objective("value"), Objective("ms", is_minimised=True)])
    )
    for _ in range(12):
        trials = [optimiser.ask() for optimiser in (named, made)]
        assert trials[0].cell == trials[1].cell
        for optimiser, trial in zip((named, made), trials, strict=True):
            numbers = [float(trial.cell.operations.count(name)) for name in ("nor_conv_3x3", "none")]
            optimiser.tell(trial, Measurement(numbers[0], {"ms": numbers[1]}))
