"""Convex position: shapes whose hulls are known, certificates checked by hand, and linear programs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crlso.diagnostics import convex_position, hull_certificate


def check(z, found):
    """Assert that a certificate shows what it says, by nothing but products and sums."""
    z = np.asarray(z, dtype=np.float64)
    spread = np.sqrt(((z - z.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert found.point not in found.members and len(found.members) <= z.shape[1] + 1
    assert (found.weights > 0).all() and found.weights.sum() == pytest.approx(1.0)
    nearest = np.linalg.norm(found.weights @ z[found.members] - z[found.point])
    if found.outside:
        others = np.delete(z - z[found.point], found.point, axis=0)
        assert np.linalg.norm(found.direction) == pytest.approx(1.0)
        assert (others @ found.direction).min() >= found.distance - 1e-12 * spread > 0
        assert 0.99 * nearest - 1e-9 * spread <= found.distance <= nearest + 1e-9 * spread
    else:
        assert found.distance == 0.0 and nearest <= 1e-8 * spread


def test_a_square_and_what_lies_in_it():
    z = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [0.5, 0.0], [0.25, 0.3]])
    certificates = [hull_certificate(z, point) for point in range(len(z))]
    for found in certificates:
        check(z, found)
    assert [found.outside for found in certificates] == [True] * 4 + [False] * 3
    assert certificates[1].distance == pytest.approx(1 / np.sqrt(5), rel=0.01)  # to the line y = 2 x - 1
    measured = convex_position(z)
    assert measured.share == 4 / 7 and measured.interval == (4 / 7, 4 / 7)
    assert (measured.tested, measured.n) == (7, 7) and 0 < measured.distance < 1


def test_corners_of_a_cube_and_all_else_of_a_grid():
    z = np.array(list(itertools.product(range(3), repeat=4)), dtype=float)  # many points on faces, edges and lines
    for point, row in enumerate(z):
        found = hull_certificate(z, point)
        check(z, found)
        assert found.outside == (row != 1).all()
    assert convex_position(z).share == 16 / 81


def test_points_on_a_sphere_are_in_convex_position_and_their_means_are_not():
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(60, 5))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    assert convex_position(sphere).share == 1.0
    inside = rng.dirichlet(np.ones(60), 40) @ sphere
    assert convex_position(np.vstack([sphere, inside])).share == 0.6
    assert convex_position(np.vstack([sphere, sphere[:10]])).share == pytest.approx(50 / 70)  # twins hide each other


def test_neither_unit_nor_place_nor_missing_dimensions_matter():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(120, 6))
    share = convex_position(z).share
    assert 0.1 < share < 0.95
    lifted = np.column_stack([z, np.full(120, 3.0), z[:, 0] - z[:, 1]])
    for other in (z * 1e-30, z * 1e200, z + 1e3, lifted, z @ rng.normal(size=(6, 6))):
        assert convex_position(other).share == share
    distance = convex_position(z[:100] * [1, 1, 1, 1, 1, 9]).distance
    assert convex_position(z[:100] * [5, 5, 5, 5, 5, 45]).distance == pytest.approx(5 * distance, rel=1e-6)


def test_points_that_coincide():
    assert convex_position(np.ones((5, 3))).share == 0.0
    assert convex_position([[0.0], [1.0]]).share == 1.0
    assert convex_position(np.arange(9.0)[:, None]).share == 2 / 9
    check(np.ones((5, 3)), hull_certificate(np.ones((5, 3)), 2))


@pytest.mark.parametrize("d", [1, 2, 3, 5, 9, 20])
def test_distances_are_those_of_a_slow_solver(d):
    z = np.random.default_rng(d).normal(size=(30, d))
    for point in range(0, 30, 10):
        found = hull_certificate(z, point)
        check(z, found)
        corners = np.delete(z, point, axis=0) - z[point]
        weights = np.full(29, 1 / 29)
        step = 1 / np.linalg.norm(corners, 2) ** 2
        for _ in range(3000):  # projected gradients
            weights = _onto_the_simplex(weights - step * corners @ (weights @ corners))
        distance = np.linalg.norm(weights @ corners)
        assert found.outside == (distance > 5e-3)
        if found.outside:
            assert 0.99 * distance - 5e-3 <= found.distance <= distance + 1e-9


def _onto_the_simplex(v):
    u = np.sort(v)[::-1]
    excess = (np.cumsum(u) - 1) / np.arange(1, len(v) + 1)
    return np.maximum(v - excess[np.flatnonzero(u > excess)[-1]], 0)


@pytest.mark.parametrize(("n", "d"), [(60, 2), (300, 4), (500, 8), (500, 12), (200, 30)])
def test_linear_programs_agree(n, d):
    optimize = pytest.importorskip("scipy.optimize")
    z = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32).astype(np.float64)
    for point in range(0, n, n // 20):
        others = np.delete(z, point, axis=0)
        program = optimize.linprog(
            np.zeros(n - 1),
            A_eq=np.vstack([others.T, np.ones(n - 1)]),
            b_eq=np.append(z[point], 1.0),
            bounds=(0, None),
            method="highs",
        )
        found = hull_certificate(z, point)
        check(z, found)
        assert program.status in (0, 2) and found.outside == (program.status == 2)


def test_the_interval_is_wilsons():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(400, 4))
    some, every = convex_position(z, tests=50, rng=1), convex_position(z, tests=400)
    assert some == convex_position(z, tests=50, rng=1)
    assert len({convex_position(z, tests=50, rng=seed).share for seed in range(5)}) > 1
    assert (some.tested, some.n, every.tested) == (50, 400, 400)
    low, high = some.interval
    for end in (low, high):  # the ends are the shares from which that found is 1.96 standard errors away
        assert abs(some.share - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 50), rel=1e-6)
    assert low < some.share < high and every.interval == (every.share, every.share)
    assert low <= every.share <= high
    sphere = rng.normal(size=(200, 40))
    assert convex_position(sphere, tests=50).interval == pytest.approx((50 / (50 + 1.959964**2), 1.0))


def test_blocks_do_not_matter(monkeypatch):
    z = np.random.default_rng(4).normal(size=(150, 5))
    measured = convex_position(z)
    monkeypatch.setattr("crlso.diagnostics.hull._BLOCK", 1000)
    assert convex_position(z).share == measured.share


def test_convexity_forbids_nothing_at_points_in_convex_position():
    # The convex function of which a certificate's direction is the slope: 1 at the point, at most 0 at all others.
    z = np.random.default_rng(5).normal(size=(40, 30))
    for point in range(40):
        found = hull_certificate(z, point)
        values = np.maximum(0, 1 - (z - z[point]) @ found.direction / found.distance)
        assert values[point] == 1 and np.delete(values, point).max() < 1e-9


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"z": [[1.0, 2.0]]},
            ValueError,
            r"z: expected shape \(n, d\) with n at least 2 and d at least 1, got \(1, 2\)",
        ),
        ({"z": np.ones(4)}, ValueError, r"z: expected shape .*, got \(4,\)"),
        ({"z": np.ones((4, 0))}, ValueError, r"z: expected shape .*, got \(4, 0\)"),
        ({"z": [[np.nan], [1.0]]}, ValueError, "z: expected finite numbers"),
        ({"z": [["a"], ["b"]]}, TypeError, "z: expected real numbers, got <U1"),
        ({"tests": 0}, ValueError, "tests: expected at least 1, got 0"),
        ({"tests": 2.5}, TypeError, "tests: expected an int, got float"),
        ({"rng": None}, TypeError, "rng"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        convex_position(**{"z": np.eye(3), **arguments})


def test_a_point_that_does_not_exist():
    with pytest.raises(ValueError, match="point: expected less than 3, the number of points, got 3"):
        hull_certificate(np.eye(3), 3)
    with pytest.raises(ValueError, match="point: expected at least 0, got -1"):
        hull_certificate(np.eye(3), -1)
