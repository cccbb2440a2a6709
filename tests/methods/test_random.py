"""Random search: every class once, uniformly, and the same again with its seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import crlso
from crlso.methods import RandomSearch
from tests.twins.toys import PairSpace


def ask_all(rng, n=6):
    optimiser = RandomSearch(PairSpace(), rng=rng, budget=n)
    return [optimiser.ask().cell for _ in range(n)]


def test_random_search_visits_every_class_once():
    assert sorted(ask_all(0)) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def test_random_search_repeats_with_its_seed():
    assert ask_all(5) == ask_all(5)
    assert len({tuple(ask_all(seed)) for seed in range(20)}) > 10


def test_a_smaller_budget_is_the_beginning_of_a_larger_one():
    assert ask_all(5, 3) == ask_all(5, 6)[:3]


@pytest.mark.slow
def test_random_search_is_uniform_over_classes():
    # 3,000 draws over 6 classes: 500 each, standard deviation sqrt(3000 / 6 * 5 / 6) = 20.4. Uniform over cells
    # would be 333 for (0, 0) and 667 for (0, 1).
    runs = [ask_all(seed, 2) for seed in range(3000)]
    for place in range(2):
        counts = Counter(run[place] for run in runs)
        assert set(counts) == set(ask_all(0))
        assert all(abs(count - 500) < 5 * 20.4 for count in counts.values())


def test_random_search_on_the_whole_benchmark_space():
    space = crlso.spaces.NASBench201()
    optimiser = RandomSearch(space, rng=0)
    assert optimiser.budget == 4930
    codes = space.codes([optimiser.ask().cell for _ in range(600)])
    assert len(np.unique(space.canonical_key(codes))) == 600
    assert (space.canonicalise(codes) == codes).all()
