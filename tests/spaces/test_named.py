"""Spaces by their names."""

from __future__ import annotations

import pytest

from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201, space_named

SPACES = [
    NASBench101(),
    NASBench201(),
    DARTS(),
    CellSpace(3, ["conv", "pool"]),
    CellSpace(4, ["a", "b"], operations_on="nodes", edges="free", max_edges=4, input_nodes=2),
    CellSpace(4, ["a", "skip", "none"], edges=[(0, 2), (0, 1), (1, 3)], zero=["none"], identity=["skip"]),
    CellSpace(3, ["a"], edges=[(0, 1), (0, 2), (1, 2)]),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name[:60])
def test_the_name_of_a_cell_leads_to_its_space(space):
    cell = space.cells(space.sample(1, rng=0))[0]
    found = space_named(cell.space)
    assert found.layout == space.layout and type(found) is type(space)
    assert found.cell(str(cell)) == cell


def test_names_of_no_space():
    for name, kind in (("nothing", ValueError), (3, TypeError), (None, TypeError)):
        with pytest.raises(kind, match="space: expected"):
            space_named(name)
