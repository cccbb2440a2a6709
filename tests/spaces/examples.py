"""Spaces for the tests of this folder: each kind of edges and operations, and those of the benchmarks."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import CellSpace, NASBench101, NASBench201, NASBenchMacro

FREE_EDGES = CellSpace(nodes=4, operations=["skip", "conv", "pool"], edges="free")
FREE_NODES = CellSpace(nodes=5, operations=["conv", "pool"], operations_on="nodes", edges="free", max_edges=6)
TWO_INPUTS = CellSpace(nodes=5, operations=["conv", "pool"], edges="free", input_nodes=2, max_edges=4)
FIXED_NODES = CellSpace(
    nodes=4, operations=["a", "b", "c"], operations_on="nodes", edges=[(0, 1), (0, 2), (1, 3), (2, 3)]
)
FIXED_EDGES = CellSpace(nodes=4, operations=["a", "b"], edges=[(0, 1), (0, 2), (1, 3), (2, 3)])
COMPLETE = CellSpace(nodes=3, operations=["a", "b", "c"])
SPACES = [FREE_EDGES, FREE_NODES, TWO_INPUTS, FIXED_NODES, FIXED_EDGES, COMPLETE]
SPACES += [NASBench101(), NASBench201(), NASBenchMacro()]
by_name = pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{type(space).__name__}-{space.name[:40]}")
free_ones = pytest.mark.parametrize("space", [FREE_EDGES, FREE_NODES, TWO_INPUTS, NASBench101()], ids=repr)


def random_rows(space: CellSpace, n: int, seed: int = 0) -> np.ndarray:
    """Rows of codes, some of which are no cells."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(0, k, n) for k in space.cardinalities], axis=1)
    if space.layout.free:  # half of the edges away: else hardly any cell falls apart
        columns = list(space.layout.edge_columns)
        rows[:, columns] *= rng.random((n, len(columns))) < 0.5
    return rows.astype(np.uint8)
