"""The NAS-Bench-101 space: the forms of cells that the benchmark's own API takes."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.spaces import NASBench101


def test_nasbench101_takes_the_forms_of_the_benchmark():
    space = NASBench101()
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    cell = space.cell((matrix, ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]))
    small, operations = space.matrix(cell)
    assert small.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]] and operations == ["input", "conv3x3-bn-relu", "output"]
    assert str(space.cells(space.canonicalise([cell]))[0]) == "conv3x3-bn-relu(0)+output(1)"
    for bad in (
        ([[0, 1], [1, 0]], ["input", "output"]),
        ([[0, 2], [0, 0]], ["input", "output"]),
        ([[0, 1, 0]], ["input", "output"]),
        ([[0, 1], [0]], ["input", "output"]),
        ([[0.0, 1.0], [0.0, 0.0]], ["input", "output"]),
        ([[0, 1], [0, 0]], ["output", "input"]),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "relu", "output"]),
        ([[0, 1], [0, 0]], "io"),
        (np.zeros((8, 8), int), ["input", *["maxpool3x3"] * 6, "output"]),
    ):
        with pytest.raises(ValueError, match="cell: expected"):
            space.cell(bad)
    with pytest.raises(ValueError, match="reached from the input"):
        space.matrix(np.zeros(26, int))
