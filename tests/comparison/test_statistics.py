"""Statistics against numbers from textbooks and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from crlso.comparison import statistics as _statistics
from crlso.comparison import wilson_interval
from crlso.comparison.statistics import bootstrap_band, bootstrap_interval, queries_for_share, signed_rank_test


def by_enumeration(differences):
    """The two-sided p-value of the signed rank test: all signs, one by one."""
    d = np.array([x for x in differences if x != 0])
    sizes = np.abs(d)
    ranks = np.array([(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes])
    total = ranks.sum()
    seen = abs(ranks[d > 0].sum() - total / 2)
    sums = [sum(r for r, sign in zip(ranks, signs) if sign) for signs in itertools.product((0, 1), repeat=len(d))]
    return np.mean([abs(s - total / 2) >= seen - 1e-9 for s in sums])


def test_a_band_has_the_interval_of_each_column():
    values = np.random.default_rng(0).normal(size=(7, 5))
    band = np.transpose(bootstrap_band(values, seed=3))
    np.testing.assert_allclose(band, [bootstrap_interval(column, seed=3) for column in values.T], rtol=1e-12)


# Largest smaller rank sum that is significant at 5 % (two-sided), from the tables of Wilcoxon's test.
@pytest.mark.parametrize(
    ("n", "critical"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89)]
)
def test_critical_values_of_the_tables(n, critical):
    def p(smaller):
        ranks, left = np.arange(1.0, n + 1), smaller
        signs = np.ones(n)
        for i in reversed(range(n)):  # greedily: every sum up to n (n + 1) / 2 can be had
            if ranks[i] <= left:
                signs[i], left = -1, left - ranks[i]
        assert left == 0
        return signed_rank_test(signs * ranks, np.zeros(n))

    assert p(critical) <= 0.05 < p(critical + 1)


def test_darwins_plants():
    # Darwin's crossed and self-fertilised plants (Fisher 1935), differences in eighths of an inch: the smaller rank
    # sum is 24, p = 0.0413 exactly.
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    p = signed_rank_test(differences, np.zeros(15))
    assert p == pytest.approx(by_enumeration(differences), abs=1e-12)
    assert p == pytest.approx(0.0413, abs=5e-5)


@pytest.mark.parametrize("seed", range(6))
def test_exact_with_ties_and_zeros(seed):
    rng = np.random.default_rng(seed)
    differences = rng.integers(-3, 5, 11).astype(float)
    assert signed_rank_test(differences, np.zeros(11)) == pytest.approx(by_enumeration(differences), abs=1e-12)


def test_the_normal_approximation_is_near(monkeypatch):
    differences = np.round(np.random.default_rng(0).normal(0.15, 1.0, 150), 1)
    exact = signed_rank_test(differences, np.zeros(150))
    monkeypatch.setattr(_statistics, "EXACT", 10)
    assert signed_rank_test(differences, np.zeros(150)) == pytest.approx(exact, rel=0.05)


def test_level_under_the_null():
    rng = np.random.default_rng(1)
    p = np.array([signed_rank_test(*rng.normal(size=(2, 30))) for _ in range(2000)])
    assert abs((p <= 0.05).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2000)


def test_signs_do_not_matter_and_float_noise_does_not_break_ties():
    a, b = np.array([91.57, 91.6, 91.2, 90.1]), np.array([91.53, 91.56, 91.24, 90.14])
    assert signed_rank_test(a, b) == signed_rank_test(b, a) == 1.0
    assert signed_rank_test([1, 1], [1, 1]) == 1.0
    assert signed_rank_test([], []) is None
    with pytest.raises(ValueError, match=r"b: expected shape \(2,\)"):
        signed_rank_test([1, 2], [1, 2, 3])


def test_bootstrap_interval():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(values, seed=1) != (low, high)
    assert bootstrap_interval([1.0]) is None
    assert bootstrap_interval([]) is None


@pytest.mark.parametrize(
    ("queries", "half", "most"),
    [
        ([], None, None),
        ([7], 7, 7),
        ([None, 3], 3, None),
        ([5, 1, 3, None], 3, None),
        (list(range(1, 11)), 5, 9),
        ([*range(1, 9), None, None], 5, None),
        ([*range(1, 10), None], 5, 9),
    ],
)
def test_queries_for_share(queries, half, most):
    assert (queries_for_share(queries, 0.5), queries_for_share(queries, 0.9)) == (half, most)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 7), (93, 100), (1, 1)])
def test_ends_of_wilsons_interval_are_their_standard_errors_away(successes, n):
    low, high = wilson_interval(successes, n)
    share = successes / n
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / n), abs=1e-9)


def test_wilsons_interval_refuses_what_is_no_share():
    with pytest.raises(ValueError, match=r"n: expected"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match=r"successes: expected"):
        wilson_interval(4, 3)
    with pytest.raises(TypeError, match=r"successes: expected"):
        wilson_interval(0.5, 3)
