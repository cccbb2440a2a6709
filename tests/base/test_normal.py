"""The normal distribution: against the complementary error function, and integrals by a fine sum."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from crlso._base.normal import expected_excess, log_normal_cdf


def test_the_distribution_function_in_all_of_its_range():
    z = np.linspace(-37.0, 8.0, 2001)
    expected = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z])
    np.testing.assert_allclose(np.exp(log_normal_cdf(z)), expected, rtol=2e-7)


def test_logarithms_far_below_what_a_float_can_hold():
    z = np.array([-50.0, -1e3, -1e6])
    asymptotic = -0.5 * z * z - np.log(-z * math.sqrt(2.0 * math.pi)) + np.log1p(-1.0 / (z * z))
    np.testing.assert_allclose(log_normal_cdf(z), asymptotic, rtol=1e-7)
    assert (np.diff(log_normal_cdf(np.linspace(-100.0, 5.0, 500))) > 0).all()


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (2.0, 0.3), (-1.0, 2.5)])
def test_the_expected_excess_is_an_integral(mean, deviation):
    thresholds = np.array([-4.0, -1.0, 0.0, 0.5, 3.0])
    x = mean + deviation * np.linspace(-10.0, 10.0, 400_001)
    density = np.array(NormalDist(mean, deviation).pdf(mean)) * np.exp(-0.5 * ((x - mean) / deviation) ** 2)
    integrals = [(np.maximum(x - t, 0.0) * density).sum() * (x[1] - x[0]) for t in thresholds]
    found = expected_excess(np.array([mean]), np.array([deviation]), thresholds)
    np.testing.assert_allclose(found[0], integrals, atol=3e-7 * deviation)


def test_without_deviation_it_is_the_excess():
    found = expected_excess(np.array([1.0, -2.0]), np.zeros(2), np.array([-3.0, 0.0, math.inf]))
    np.testing.assert_array_equal(found, [[4.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert (expected_excess(np.array([0.0]), np.array([1.0]), np.array([60.0, math.inf])) >= 0).all()
