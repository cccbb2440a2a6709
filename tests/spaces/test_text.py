"""Cells as text: written and read again, and text that is no cell."""

from __future__ import annotations

import numpy as np
import pytest

from .examples import COMPLETE, FIXED_NODES, FREE_EDGES, FREE_NODES, by_name, random_rows


@by_name
def test_text_and_codes_go_both_ways(space):
    rows = random_rows(space, 100)
    cells = space.cells(rows)
    np.testing.assert_array_equal(space.codes([str(cell) for cell in cells]), rows)
    np.testing.assert_array_equal(space.codes(cells), rows)


@pytest.mark.parametrize(
    ("space", "text", "words"),
    [
        (FREE_EDGES, "", "expected 3 nodes"),
        (FREE_EDGES, "|conv~0|+|conv~0|", "expected 3 nodes"),
        (FREE_EDGES, "|conv~1|+||+||", "expected a source of node 1"),
        (FREE_EDGES, "|conv~0|+||+|conv~0|conv~0|", "one edge from each source"),
        (FREE_EDGES, "|none~0|+||+||", "operations out of skip, conv, pool"),
        (FREE_EDGES, "conv~0+||+||", "expected .operation~source"),
        (FREE_NODES, "conv(0)+output(1", r"expected operation\(source"),
        (FREE_NODES, "conv(0)+pool(1)", "expected output"),
        (FREE_NODES, "conv(0)+output(5)", "expected a source of node 4"),
        (FREE_NODES, "conv(0)+output(x)", "expected a source of node 4"),
        (FREE_NODES, "conv(0)+" * 9 + "output(0)", "expected 4 nodes"),
        (FREE_NODES, "relu(0)+output(1)", "operations out of conv, pool"),
        (FIXED_NODES, "a(0)+b(0)+output(1)", "expected the edges of the space into node 3"),
        (COMPLETE, "|a~0|+|a~0|", "expected 3 edges, got 2"),
    ],
)
def test_text_that_is_no_cell(space, text, words):
    with pytest.raises(ValueError, match=words):
        space.cell(text)
