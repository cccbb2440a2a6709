"""Samples are different cells, and as random as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.random import Stream
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
from crlso.spaces.sampling import draw_cells, random_rows

from .examples import FREE_EDGES, FREE_NODES, SPACES, TWO_INPUTS

UNLISTED = CellSpace(7, ["a", "b"], operations_on="nodes", edges="free", max_edges=8)
N = 20_000


@pytest.mark.parametrize("space", [*SPACES[:6], NASBench101()], ids=lambda space: space.name)
def test_samples_are_different_cells(space):
    n = 20 if space.n_cells is None or space.n_cells > 20 else space.n_cells
    rows = space.sample(n, rng=3)
    assert rows.shape == (n, len(space.cardinalities)) and space.valid(rows).all()
    assert len(np.unique(space.canonical_key(rows))) == n
    np.testing.assert_array_equal(space.canonicalise(rows), rows)
    np.testing.assert_array_equal(rows, space.sample(n, rng=3))
    assert (space.sample(n, rng=4) != rows).any()
    for bad in (-1, 10**9 if space.n_cells else -2):
        with pytest.raises(ValueError, match="n: expected"):
            space.sample(bad, rng=0)
    with pytest.raises(TypeError, match="n: expected an int"):
        space.sample(1.5, rng=0)


@pytest.mark.parametrize("space", [*SPACES[:6], NASBench201()], ids=lambda space: space.name)
def test_a_sample_of_all_is_the_list_in_another_order(space):
    n = space.n_cells
    rows = space.sample(n, rng=0)
    assert n == len(space) == len(space.all_codes()) and (rows != space.all_codes()).any()
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(space.all_codes(), axis=0))
    classes = space.sample(len(space.classes()), rng=1, unique_classes=True)
    np.testing.assert_array_equal(np.sort(space.canonical_key(classes)), space.classes().keys)
    np.testing.assert_array_equal(space.sample_up_to(n + 5, rng=0), rows)


def test_listed_cells_are_equally_likely():
    """Of 100 cells that are drawn ten at a time, none more often than chance allows (five standard deviations)."""
    space = FREE_EDGES.subset(FREE_EDGES.all_codes()[:100])
    drawn = np.concatenate([space.sample(10, rng=seed) for seed in range(1000)])
    counts = np.bincount(space.classes().locate(drawn), minlength=100)
    assert np.abs(counts - 100).max() < 5 * np.sqrt(1000 * 0.1 * 0.9)


def test_the_first_cells_of_a_larger_sample_are_the_smaller_one():
    for space in (NASBench201(), FREE_NODES):
        np.testing.assert_array_equal(space.sample(20, rng=5)[:7], space.sample(7, rng=5))


@pytest.mark.parametrize("space", [UNLISTED, DARTS(), TWO_INPUTS], ids=lambda space: space.name)
def test_drawn_cells_are_different_canonical_cells(space):
    rows = draw_cells(space, 60, Stream(1))
    assert len(rows) == 60 == len(np.unique(space.canonical_key(rows))) and space.valid(rows).all()
    np.testing.assert_array_equal(space.canonicalise(rows), rows)
    np.testing.assert_array_equal(draw_cells(space, 60, Stream(1)), rows)
    assert (draw_cells(space, 60, Stream(2)) != rows).any()


@pytest.mark.slow
def test_drawing_ends_when_there_are_no_more():
    assert len(draw_cells(FREE_NODES, 10_000, Stream(0))) == len(FREE_NODES)


def share(found, probability):
    """Frequencies are within five standard deviations of their probability."""
    assert np.abs(np.asarray(found) - probability).max() <= 5 * np.sqrt(probability * (1 - probability) / N)


def test_rows_are_as_random_as_they_should_be():
    rows = random_rows(UNLISTED.layout, N, Stream(0), 0)
    for code in range(3):
        share((rows[:, :5] == code).mean(axis=0), 1 / 3)
    share(rows[:, 5:].mean(axis=0), 8 / 21)
    rows = random_rows(FREE_EDGES.layout, N, Stream(0), 0)
    share((rows > 0).mean(axis=0), 1 / 2)
    for code in range(1, 4):
        share((rows == code).mean(axis=0), 1 / 6)
    rows = random_rows(NASBench201().layout, N, Stream(0), 0)
    for code in range(5):
        share((rows == code).mean(axis=0), 1 / 5)


def test_sources_of_a_fixed_number_of_edges_are_uniform():
    rows = random_rows(DARTS().layout, N, Stream(0), 0).reshape(2 * N, 14)
    for target, first in zip(range(2, 6), (0, 2, 5, 9)):
        into = rows[:, first : first + target] > 0
        assert (into.sum(axis=1) == 2).all()
        share(into.mean(axis=0), 2 / target)
    share([(rows[rows > 0] == code).mean() for code in range(1, 8)], 1 / 7)


def test_draws_and_graphs_are_independent():
    first, second = (random_rows(DARTS().layout, N, Stream(0), draw) for draw in (0, 1))
    assert abs((first == second).mean() - (first[:, :14] == first[:, 14:]).mean()) < 0.01
    assert (first == second).mean() < 0.6


@pytest.mark.parametrize("space", [NASBench201(), UNLISTED], ids=lambda space: space.name)
def test_samples_that_cannot_be(space):
    for bad, error in ((1.5, TypeError), (True, TypeError), ("3", TypeError), (-1, ValueError)):
        for method in (space.sample, space.sample_up_to):
            with pytest.raises(error, match="n: expected"):
                method(bad, rng=0)
    for bad in (None, 1.5, "0"):
        with pytest.raises(TypeError, match="rng: "):
            space.sample(3, rng=bad)
