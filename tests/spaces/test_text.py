"""Cells as text: written and read again, and text that is no cell."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import DARTS, CellSpace, NASBench201

from .examples import COMPLETE, FIXED_NODES, FREE_EDGES, FREE_NODES, SPACES, by_name, random_rows


@by_name
def test_text_and_codes_go_both_ways(space):
    rows = random_rows(space, 100)
    cells = space.cells(rows)
    np.testing.assert_array_equal(space.codes([str(cell) for cell in cells]), rows)
    np.testing.assert_array_equal(space.codes(cells), rows)


@pytest.mark.parametrize("space", [*SPACES, DARTS()], ids=lambda space: space.name[:40])
def test_what_is_written_is_read_again(space):
    """The text of cells and their repr, as files and tables hold them."""
    cells = space.cells(space.sample_up_to(20, rng=0))
    for cell in cells:
        text = str(cell)
        for written in (text, f"{text}\n", f" {text}\r\n", f"\ufeff{text}", np.str_(text), np.array(text), repr(cell)):
            assert space.cell(written) == cell, written
        assert space.cell(f"{cell!r}\n") == space.cell(np.array(cell, dtype=object)) == cell
    rows = space.codes(cells)
    texts = [str(cell) for cell in cells]
    variable = [np.array(texts, dtype=np.dtypes.StringDType())] if hasattr(np.dtypes, "StringDType") else []
    for many in (
        np.array(texts),
        np.array(texts, dtype=object),
        np.array([f"{text}\n" for text in texts]),
        np.array(cells, dtype=object),
        np.array([str(cell) if i % 2 else cell for i, cell in enumerate(cells)], dtype=object),
        *variable,
    ):
        np.testing.assert_array_equal(space.codes(many), rows)
        assert space.cells(many) == cells
    np.testing.assert_array_equal(space.codes(np.array(texts[0])), rows[:1])
    np.testing.assert_array_equal(space.codes(rows.astype(object)), rows)


@pytest.mark.parametrize("space", [*SPACES, DARTS()], ids=lambda space: space.name[:40])
@pytest.mark.parametrize(
    "wrong", ["", "\n", "Cell('", "Cell('a' 'b')", "Cell('a'.b, '')", "Cell('Cell(1)')", "Cell('\\x')"]
)
def test_text_that_is_no_cell_of_any_space(space, wrong):
    for call in (space.cell, space.codes, lambda text: space.codes(np.array([text]))):
        with pytest.raises(ValueError, match="expected"):
            call(wrong)


def test_arrays_of_names():
    made = CellSpace(4, np.array(["conv", "skip"]), "edges", "free", identity=np.array(["skip"]))
    assert made == CellSpace(4, ["conv", "skip"], "edges", "free", identity=["skip"])
    names = ["none", "skip_connect", "none", "nor_conv_1x1", "none", "avg_pool_3x3"]
    space = NASBench201()
    assert space.cell(np.array(names)) == space.cell(names)
    np.testing.assert_array_equal(space.codes(np.array([names, names])), space.codes([names, names]))


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
