"""Objectives, bounds, fronts and hypervolumes: against definitions, and numbers by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from crlso.history import Measurement, Trial
from crlso.objectives import Bounds, Objective, front, hypervolume, points_of


def test_an_objective_reads_its_sign_and_its_number():
    speed, value = Objective.parse(" - speed "), Objective.parse("value")
    assert (speed.name, speed.is_minimised, str(speed), speed.sign) == ("speed", True, "-speed", -1)
    assert (str(value), value.sign) == ("value", 1)
    trials = [Trial(0, "a", Measurement(90.0, {"speed": 3.0})), Trial(1, "b", 91.0), Trial(2, "c")]
    assert [speed.of(trial) for trial in trials] == [3.0, None, None]
    np.testing.assert_array_equal(
        points_of([value, speed], trials), [[90.0, -3.0], [91.0, math.nan], [math.nan, math.nan]]
    )


@pytest.mark.parametrize(("text", "error"), [("", ValueError), ("-", ValueError), (3, TypeError), (None, TypeError)])
def test_wrong_objectives(text, error):
    with pytest.raises(error, match="objectives: expected names of measures, got"):
        Objective.parse(text)


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        (1, -math.inf, 1.0),
        ("<= 2", -math.inf, 2.0),
        (">=-2.5", -2.5, math.inf),
        (">= 1, <= 2", 1.0, 2.0),
        ("<=3,<=2,>=2", 2.0, 2.0),
    ],
)
def test_bounds(given, least, most):
    bounds = Bounds.parse("m", given)
    assert (bounds.least, bounds.most) == (least, most)
    assert Bounds.parse("m", str(bounds)) == bounds


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (math.nan, ValueError, r"constraints\['m'\]: expected a finite number, got nan"),
        (math.inf, ValueError, "expected a finite number, got inf"),
        ("< 3", ValueError, "expected bounds such as '<= 1.0' or '>= 0.5, <= 1.0', got '< 3'"),
        ("", ValueError, "expected bounds such as"),
        ("<= x", ValueError, "expected a finite number after <= or >=, got 'x'"),
        ("<= nan", ValueError, "expected a finite number after <= or >=, got 'nan'"),
        (">= 2, <= 1", ValueError, "expected bounds that a number can satisfy, got '>= 2, <= 1'"),
        (None, TypeError, "expected a number, got NoneType"),
        (True, TypeError, "expected a number, got bool"),
        ([1.0, 2.0], TypeError, "expected a number, got list"),
    ],
)
def test_wrong_bounds(given, error, message):
    with pytest.raises(error, match=message):
        Bounds.parse("m", given)


def test_excess_is_zero_within_the_bounds_alone():
    numbers = np.array([-1.0, 0.0, 0.5, 2.0, 3.0])
    np.testing.assert_array_equal(Bounds(0.0, 2.0).excess(numbers), [1.0, 0.0, 0.0, 0.0, 0.5])
    np.testing.assert_array_equal(Bounds().excess(numbers), np.zeros(5))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_front_is_what_no_other_dominates(k, seed):
    points = np.random.default_rng(seed).integers(0, 6, (40, k)).astype(float)  # with many ties

    def dominates(a, b):
        return (a >= b).all() and (a > b).any()

    best = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    first = [i for i in best if not any((points[j] == points[i]).all() for j in best if j < i)]
    found = front(points)
    assert sorted(found.tolist()) == first
    assert (np.diff(points[found, 0]) <= 0).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_hypervolume_is_that_of_the_unit_cubes_below_the_points(k, seed):
    points = np.random.default_rng(seed).integers(-1, 5, (7, k))
    cubes = itertools.product(range(5), repeat=k)  # by their lowest corners, from the reference point at 0
    inside = sum(any((np.array(cube) < point).all() for point in points) for cube in cubes)
    assert hypervolume(points, np.zeros(k)) == inside


def test_nothing_is_dominated_by_no_points():
    assert front(np.zeros((0, 2))).tolist() == []
    assert hypervolume(np.zeros((0, 2)), [0.0, 0.0]) == 0.0
    assert hypervolume([[1.0, -1.0]], [0.0, 0.0]) == 0.0
