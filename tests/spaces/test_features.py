"""Features of cells against brute force."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import crlso
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
from crlso.spaces.features import CellFeatures, standardised

SMALL = CellSpace(4, ["conv", "pool", "skip"], operations_on="nodes", edges="free", max_edges=5, identity=["skip"])
ON_EDGES = CellSpace(3, ["none", "a", "b", "skip"], operations_on="edges", zero=["none"], identity=["skip"])


def brute_sequences(cell, space) -> Counter:
    """Sequences of operations of all ways from input to output, by the drawn graph."""
    (graph,) = cell.graphs
    last, found = len(graph.labels) - 1, Counter()

    def walk(node, sequence):
        if node == last:
            found[sequence] += 1
        for source, target, name, _ in graph.edges:
            if source == node and name != "none":
                label = name or (graph.labels[target] if target != last else "")
                step = () if label in ("", "skip", "skip_connect") else (label,)
                walk(target, sequence + step)

    walk(0, ())
    return found


@pytest.mark.parametrize("space", [SMALL, ON_EDGES, NASBench201(), NASBench101()])
def test_path_features_are_those_of_a_walk(space):
    codes = space.canonicalise(space.sample(60, rng=0))
    features = CellFeatures(space, codes, columns=10_000)
    counted = [brute_sequences(cell, space) for cell in space.cells(codes)]
    rows = features.paths(codes)
    for i, j in itertools.combinations(range(0, 60, 4) if len(codes) == 60 else range(len(codes)), 2):
        names = set(counted[i]) | set(counted[j])
        expected = sum((counted[i][s] ** 0.5 - counted[j][s] ** 0.5) ** 2 for s in names)
        assert ((rows[i] - rows[j]) ** 2).sum() == pytest.approx(expected)


def test_operations_of_nasbench201_and_size():
    space = NASBench201()
    codes = np.array([[3, 3, 3, 3, 3, 3], [2, 3, 3, 3, 3, 0], [0, 0, 0, 0, 0, 0]], dtype=np.uint8)
    features = CellFeatures(space, space.all_codes())
    rows = features.operations(codes)
    half = ((rows[:, None] - rows[None]) ** 2).sum(axis=2) / 2
    np.testing.assert_allclose(half, [[0, 1.5, 6], [1.5, 0, 5], [6, 5, 0]], atol=1e-12)
    np.testing.assert_array_equal(features.live_operations(codes)[:, 2:4], [[0, 6], [1, 2], [0, 0]])  # two are dead
    size = features.size(space.all_codes())
    assert size.mean() == pytest.approx(0) and size.std() == pytest.approx(1)
    raw = np.log(np.array([6.3, 2.65, 0.3]))
    np.testing.assert_allclose(
        np.diff(features.size(codes)) / np.diff(raw), 1 / np.std(space.log_size(space.all_codes()))
    )


def test_size_of_nasbench101_goes_with_the_parameters():
    benchmark = crlso.benchmarks.NASBench101()
    codes = benchmark.space.sample(500, rng=1)
    size = CellFeatures(benchmark.space, codes).size(codes)
    assert np.corrcoef(size, np.log(benchmark.parameters(codes)))[0, 1] > 0.9


def test_other_spaces_have_no_size():
    for space in (SMALL, DARTS()):
        assert CellFeatures(space, space.sample(20, rng=0)).size(space.sample(5, rng=1)) is None


def test_standardised():
    values = standardised(np.array([3.0, 1.0, 8.0]))
    assert (
        values.mean() == pytest.approx(0)
        and values.std() == pytest.approx(1)
        and values.argsort().tolist() == [1, 0, 2]
    )
    np.testing.assert_array_equal(standardised(np.full(3, 7.0)), 0)


def test_features_need_a_space():
    with pytest.raises(TypeError, match="space: expected a CellSpace, got str"):
        CellFeatures("space", np.zeros((1, 6), np.uint8))
