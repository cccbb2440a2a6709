"""Samples are different cells, and as random as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import NASBench101

from .examples import SPACES


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
