"""The NAS-Bench-101 space: the forms of cells that the benchmark's own API takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crlso import _core
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
        ([[0.0, 0.5], [0.0, 0.0]], ["input", "output"]),
        ([[0.0, np.nan], [0.0, 0.0]], ["input", "output"]),
        ([["0", "1"], ["0", "0"]], ["input", "output"]),
        (None, ["input", "output"]),
        ([[0, 1], [0, 0]], ["input", "maxpool3x3", "output"]),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "none", "output"]),
        {"module_adjacency": [[0, 1], [0, 0]]},
        ([[0, 1], [0, 0]], ["output", "input"]),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "relu", "output"]),
        (np.zeros((8, 8), int), ["input", *["maxpool3x3"] * 6, "output"]),
    ):
        with pytest.raises(ValueError, match="cell: expected"):
            space.cell(bad)
    for operations in ("io", np.array([1, 2]), [b"input", b"output"], None):
        with pytest.raises(TypeError, match="cell: expected a sequence of names as operations, got"):
            space.cell(([[0, 1], [0, 0]], operations))
    for ask in (space.matrix, space.module_hash):
        with pytest.raises(ValueError, match="reached from the input"):
            ask(np.zeros(26, int))


# With an isolated vertex, as NASLib pads cells; the hash is that of the benchmark's own class.
PADDED = ([[0, 1, 0, 0], [0, 0, 0, 1], [0] * 4, [0] * 4], ["input", "conv3x3-bn-relu", "none", "output"])
HASH = "b49ac8c578b4561d79ac7087988f1c61"


def test_every_form_of_a_cell_is_the_same_cell():
    space = NASBench101()
    matrix, operations = PADDED
    cell = space.cell("conv3x3-bn-relu(0)+output(1)")
    adjacency = {"module_adjacency": np.array(matrix), "module_operations": operations, "trainable_parameters": 8}
    forms = [
        PADDED,
        [matrix, operations],
        (matrix, np.array(operations)),
        (matrix, np.array(operations, dtype=object)),
        (np.array(matrix, float), tuple(operations)),
        (np.array(matrix, np.float32), operations),
        (np.array(matrix, bool), operations),
        adjacency,
        {"matrix": matrix, "ops": operations},
        SimpleNamespace(matrix=np.array(matrix), ops=operations),
        HASH,
        HASH.upper() + "\n",
        np.str_(HASH),
        np.array(HASH),
        repr(cell),
    ]
    for form in forms:
        assert space.cell(form) == cell, form
        assert space.module_hash(form) == HASH
    assert (space.codes(forms) == space.codes([cell])).all()
    assert (space.codes(np.array([HASH, str(cell)])) == space.codes([cell])).all()


def test_vertices_on_no_path_may_have_any_operation():
    space = NASBench101()
    matrix = np.zeros((7, 7), int)
    matrix[0, [1, 2, 4]] = matrix[1, 6] = matrix[3, 6] = matrix[2, 5] = matrix[4, 6] = 1
    operations = ["input", "maxpool3x3", "none", "?", "conv1x1-bn-relu", "none", "output"]
    cell = space.cell((matrix, operations))
    assert str(cell) == "maxpool3x3(0)+conv1x1-bn-relu(0)+output(1,2)"
    matrix[5, 6] = 1  # now the second and the fifth vertex are on a path
    with pytest.raises(ValueError, match="between 'input' and 'output', got 'none'"):
        space.cell((matrix, operations))


def test_cells_are_found_by_their_hash():
    space = NASBench101()
    codes = space.all_codes()[np.random.default_rng(0).integers(len(space), size=300)]
    hashes = [row.tobytes().hex() for row in _core.nb101_hash(codes)]
    np.testing.assert_array_equal(space.codes(hashes), codes)
    assert [space.module_hash(row) for row in codes[:20]] == hashes[:20]
    for wrong in (HASH[:-1] + "2", "0" * 32, "f" * 32):
        with pytest.raises(ValueError, match=f"the module hash of a cell of the benchmark, got '{wrong}'"):
            space.cell(wrong)
    with pytest.raises(ValueError, match="cell string"):
        space.cell(HASH[:-1])


def plain_networks(codes):
    """The channels and the weights of networks, node after node in NumPy."""
    layout = NASBench101().layout
    last = layout.n_nodes - 1
    edges = np.zeros((len(codes), layout.n_nodes, layout.n_nodes), dtype=bool)
    sources, targets = np.array(layout.edges).T
    edges[:, sources, targets] = codes[:, list(layout.edge_columns)] > 0
    into_output, channels = edges[:, 1:last, last], np.zeros((len(codes), last - 1))
    weights, kernels = edges[:, 0, last] + 1e-3, np.array([0.0, 9.0, 1.0, 0.0])
    for node in reversed(layout.intermediate):
        share = into_output[:, node - 1] / np.maximum(into_output.sum(axis=1), 1)
        beyond = (edges[:, node, node + 1 : last] * channels[:, node:]).max(axis=1, initial=0.0)
        channels[:, node - 1] = np.maximum(share, beyond)
    for node in reversed(layout.intermediate):
        weights = weights + kernels[codes[:, node - 1]] * channels[:, node - 1] ** 2
        weights = weights + edges[:, 0, node] * channels[:, node - 1]
    return channels, weights


def test_channels_and_weights_are_those_of_a_plain_twin():
    space, rng = NASBench101(), np.random.default_rng(0)
    unpruned = rng.integers(0, np.array(space.cardinalities), (20_000, 26)).astype(np.uint8)
    for codes in (space.all_codes(), unpruned, unpruned[::-3], unpruned[:0]):
        channels, weights = plain_networks(codes)
        np.testing.assert_array_equal(space.channels(codes), channels)
        np.testing.assert_array_equal(space.log_size(codes), np.log(weights))


@pytest.mark.parametrize(("column", "value"), [(0, 4), (4, 255), (5, 2), (25, 9)])
def test_channels_of_other_codes_are_refused(column, value):
    codes = np.zeros((3, 26), dtype=np.uint8)
    codes[2, column] = value
    with pytest.raises(ValueError, match=r"codes: expected operations 0 to 3 and edges 0 or 1, got others in cell 2"):
        _core.nb101_channels(codes)
    with pytest.raises(ValueError, match=r"codes: expected shape \(n, 26\)"):
        _core.nb101_channels(codes[:, :25])
    for ask in (NASBench101().channels, NASBench101().log_size):
        with pytest.raises(
            ValueError, match=f"cells: expected codes from 0 to . in column {column}, got {value} in row 2"
        ):
            ask(codes)
        with pytest.raises(ValueError, match=r"cells: expected shape \(n, 26\)"):
            ask(codes[:, :25])
        np.testing.assert_array_equal(ask(codes[:2].astype(np.int64)), ask(codes[:2]))
