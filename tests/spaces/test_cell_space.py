"""Spaces of one's own: codes, text, validity, canonical form, neighbours and samples, against plain brute force."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest

from crlso import _core
from crlso.spaces import Cell, CellSpace, NASBench101, NASBench201
from crlso.spaces.layout import layout_from_name, layout_of

FREE_EDGES = CellSpace(nodes=4, operations=["skip", "conv", "pool"], edges="free")
FREE_NODES = CellSpace(nodes=5, operations=["conv", "pool"], operations_on="nodes", edges="free", max_edges=6)
TWO_INPUTS = CellSpace(nodes=5, operations=["conv", "pool"], edges="free", input_nodes=2, max_edges=4)
FIXED_NODES = CellSpace(
    nodes=4, operations=["a", "b", "c"], operations_on="nodes", edges=[(0, 1), (0, 2), (1, 3), (2, 3)]
)
FIXED_EDGES = CellSpace(nodes=4, operations=["a", "b"], edges=[(0, 1), (0, 2), (1, 3), (2, 3)])
COMPLETE = CellSpace(nodes=3, operations=["a", "b", "c"])
SPACES = [FREE_EDGES, FREE_NODES, TWO_INPUTS, FIXED_NODES, FIXED_EDGES, COMPLETE, NASBench101(), NASBench201()]
by_name = pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{type(space).__name__}-{space.name[:40]}")
free_ones = pytest.mark.parametrize("space", [FREE_EDGES, FREE_NODES, TWO_INPUTS, NASBench101()], ids=repr)


def random_rows(space: CellSpace, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(0, k, n) for k in space.cardinalities], axis=1)
    if space.layout.free:  # half of the edges away: else hardly any cell falls apart
        columns = list(space.layout.edge_columns)
        rows[:, columns] *= rng.random((n, len(columns))) < 0.5
    return rows.astype(np.uint8)


# -- a twin by brute force ------------------------------------------------------------------------------------------


def matrix_of(space: CellSpace, row: np.ndarray) -> tuple[list[int], np.ndarray]:
    layout = space.layout
    operations = [0] * layout.n_nodes
    if layout.operations_on_nodes:
        for node, code in zip(layout.intermediate, row):
            operations[node] = int(code)
    matrix = np.zeros((layout.n_nodes, layout.n_nodes), int)
    for (source, target), column in zip(layout.edges, layout.edge_columns):
        matrix[source, target] = row[column]
    return operations, matrix


def paths(matrix: np.ndarray, start: int, end: int) -> list[list[int]]:
    if start == end:
        return [[end]]
    return [[start, *rest] for node in np.flatnonzero(matrix[start]) for rest in paths(matrix, node, end)]


def pruned(space: CellSpace, row: np.ndarray) -> tuple[list[int], np.ndarray, list[int]] | None:
    """Operations, matrix and the nodes that are on a path; None for a cell without one."""
    layout = space.layout
    operations, matrix = matrix_of(space, row)
    if layout.operations_on_nodes:
        for node in layout.intermediate:
            if operations[node] == 0:
                matrix[node, :] = matrix[:, node] = 0
    last = layout.n_nodes - 1
    on_path = {node for start in range(layout.n_inputs) for path in paths(matrix, start, last) for node in path}
    if not on_path:
        return None
    alive = [node for node in layout.intermediate if node in on_path]
    for node in layout.intermediate:
        if node not in alive:
            matrix[node, :] = matrix[:, node] = 0
            operations[node] = 0
    return operations, matrix, alive


def smallest_row(space: CellSpace, row: np.ndarray) -> tuple[int, ...]:
    """Canonical form: all orders of the live nodes, the smallest sequence of operation and incoming edges."""
    layout = space.layout
    found = pruned(space, row)
    if found is None:
        return (0,) * len(row)
    operations, matrix, alive = found
    inputs, last = list(range(layout.n_inputs)), layout.n_nodes - 1
    best = None
    for order in itertools.permutations(alive):
        nodes = [*inputs, *order]
        if np.tril(matrix[np.ix_(nodes, nodes)]).any():
            continue
        sequence = []
        for position in range(len(inputs), len(nodes)):
            node = nodes[position]
            sequence += [operations[node], *(matrix[other, node] for other in nodes[:position])]
        sequence += [matrix[other, last] for other in nodes]
        if best is None or sequence < best[0]:
            best = sequence, nodes
    _, nodes = best
    place = {node: position for position, node in enumerate(nodes)} | {last: last}
    moved = np.zeros_like(matrix)
    for source, target in np.argwhere(matrix):
        moved[place[source], place[target]] = matrix[source, target]
    codes = []
    if layout.operations_on_nodes:
        codes = [operations[nodes[p]] if p < len(nodes) else 0 for p in layout.intermediate]
    return (*codes, *(int(moved[edge]) for edge in layout.edges))


@free_ones
def test_canonical_form_is_that_of_brute_force(space):
    rows = random_rows(space, 150)
    canonical = space.canonicalise(rows)
    assert [tuple(row) for row in canonical.tolist()] == [smallest_row(space, row) for row in rows]
    np.testing.assert_array_equal(space.canonicalise(canonical), canonical)
    np.testing.assert_array_equal(space.canonicalise(space.prune(rows)), canonical)


@free_ones
def test_validity_is_that_of_brute_force(space):
    rows = random_rows(space, 300, seed=1)
    expected = []
    for row in rows:
        found = pruned(space, row)
        most = space.layout.max_edges
        expected.append(found is not None and (most is None or (found[1] > 0).sum() <= most))
    assert space.valid(rows).tolist() == expected
    assert 0 < sum(expected) < len(rows)


def test_very_symmetric_cells_take_no_time():
    """14 alike nodes side by side: 14! orders."""
    space = CellSpace(nodes=16, operations=["conv"], operations_on="nodes", edges="free")
    row = np.zeros((1, len(space.cardinalities)), np.uint8)
    for column, (source, target) in enumerate(space.edges, start=14):
        row[0, column] = source == 0 or target == 15
    row[0, :14] = 1
    np.testing.assert_array_equal(space.canonicalise(row), row)


def test_symmetries_of_fixed_edges():
    """Two branches side by side can be exchanged: 9 pairs of operations are 6 cells, 16 quadruples are 10."""
    assert len(FIXED_NODES) == 6 and len(FIXED_EDGES) == 10
    assert len(COMPLETE) == 27
    rows = random_rows(FIXED_EDGES, 40)
    exchanged = rows[:, [1, 0, 3, 2]]
    np.testing.assert_array_equal(FIXED_EDGES.canonical_key(rows), FIXED_EDGES.canonical_key(exchanged))


def test_listed_cells_are_all_classes_once():
    rows = np.array(list(itertools.product(*map(range, FREE_EDGES.cardinalities))), np.uint8)
    classes = {smallest_row(FREE_EDGES, row) for row in rows} - {(0,) * 6}
    assert {tuple(row) for row in FREE_EDGES.all_codes().tolist()} == classes
    assert len(FREE_EDGES) == len(classes)


# -- codes, text, names ---------------------------------------------------------------------------------------------


@by_name
def test_text_and_codes_go_both_ways(space):
    rows = random_rows(space, 100)
    cells = space.cells(rows)
    np.testing.assert_array_equal(space.codes([str(cell) for cell in cells]), rows)
    np.testing.assert_array_equal(space.codes(cells), rows)
    assert pickle.loads(pickle.dumps(cells[0])) == cells[0]
    hot = space.one_hot(rows).reshape(len(rows), -1)
    assert hot.shape == (100, sum(space.cardinalities)) and (hot.sum(axis=1) == len(space.cardinalities)).all()


def test_a_space_is_known_by_its_name_in_another_process():
    cell = FREE_NODES.cell("conv(0)+pool(0,1)+output(2)")
    code = (
        "import pickle, sys; cell = pickle.loads(sys.stdin.buffer.read()); "
        "from crlso.spaces import Cell; assert Cell(cell.space, cell.codes) == cell; print(cell)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(cell), capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(cell)


@pytest.mark.parametrize("space", SPACES[:6], ids=lambda space: space.name)
def test_names_give_the_layout_back(space):
    assert layout_from_name(space.name) == layout_of(space.name) == space.layout
    assert CellSpace(nodes=3, operations=("a", "b", "c")) == COMPLETE and hash(COMPLETE) == hash(
        CellSpace(3, "a b c".split())
    )


@pytest.mark.parametrize(
    "name",
    [
        "cells[]",
        "cells[nodes=4;inputs=1;on=edges;edges=free;max=None;ops=a,a]",
        "cells[nodes=99;inputs=1;on=edges;edges=free;max=None;ops=a]",
        "cells[nodes=4;inputs=1;on=edges;edges=0-9;max=None;ops=a]",
        "cells[nodes=4;inputs=1;on=edges;edges=0-1.x;max=None;ops=a]",
        "cells[nodes=04;inputs=1;on=edges;edges=free;max=None;ops=a]",
        "x" * 10000,
    ],
)
def test_names_of_no_space_are_refused(name):
    with pytest.raises(ValueError, match="space: expected"):
        Cell(name, (0,))


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


@by_name
@pytest.mark.parametrize(
    "bad", [None, 1.5, b"abc", {1: 2}, object(), [None], ["a", "b"], (0,), [0] * 99, [-1] * 6, [250] * 26]
)
def test_things_that_are_no_cells(space, bad):
    with pytest.raises((TypeError, ValueError, IndexError)):
        space.cell(bad)
    with pytest.raises((TypeError, ValueError, IndexError)):
        space.codes([bad])


@by_name
def test_arrays_that_are_no_codes(space):
    n = len(space.cardinalities)
    for bad in (
        np.zeros((2, n + 1), int),
        np.full((1, n), 99),
        np.full((1, n), -1),
        np.zeros((2, n)),
        np.zeros((1, n, 1), int),
    ):
        with pytest.raises((TypeError, ValueError), match="cells: expected"):
            space.codes(bad)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"nodes": 1}, ValueError, "nodes: expected 2 to 16, got 1"),
        ({"nodes": 17}, ValueError, "nodes"),
        ({"nodes": 4.0}, TypeError, "nodes: expected an int"),
        ({"input_nodes": 4}, ValueError, "input_nodes: expected fewer"),
        ({"operations": []}, ValueError, "operations: expected 1 to 200"),
        ({"operations": "conv"}, TypeError, "operations: expected a sequence"),
        ({"operations": ["a", "a"]}, ValueError, "different names"),
        ({"operations": ["a|b"]}, ValueError, "operations: expected names without"),
        ({"operations": [1]}, TypeError, "operations: expected names"),
        ({"operations": ["output"]}, ValueError, "operations"),
        ({"operations_on": "both"}, ValueError, "operations_on: expected"),
        ({"edges": "some"}, ValueError, "edges: expected 'complete'"),
        ({"edges": [(1, 0)]}, ValueError, "source < target"),
        ({"edges": []}, ValueError, "edges"),
        ({"edges": 3}, TypeError, "edges"),
        ({"edges": [(0, 1, 2)]}, TypeError, "edges"),
        ({"max_edges": 3}, ValueError, "None without edges='free'"),
        ({"max_edges": 0, "edges": "free"}, ValueError, "max_edges"),
        ({"max_edges": "3", "edges": "free"}, TypeError, "max_edges"),
        ({"nodes": 2, "operations_on": "nodes"}, ValueError, "room for an operation"),
    ],
)
def test_spaces_that_cannot_be(arguments, error, words):
    with pytest.raises(error, match=words):
        CellSpace(**{"nodes": 4, "operations": ["a", "b"], **arguments})


def test_toml(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text('nodes = 4\noperations = ["a", "b"]\nedges = [[0, 1], [1, 2], [2, 3]]\noperations_on = "nodes"\n')
    assert CellSpace.from_toml(path).edges == ((0, 1), (1, 2), (2, 3))
    wrong = ["nodes = [", "knots = 4", "nodes = 'four'", 'edges = "some"', "edges = [[0.5, 1]]", "edges = [[inf, 1]]"]
    for text in [*wrong, "edges = " + "[" * 100_000]:
        path.write_text(text)
        with pytest.raises(ValueError, match=r"spec\.toml"):
            CellSpace.from_toml(path)
    with pytest.raises(OSError, match="missing"):
        CellSpace.from_toml(tmp_path / "missing.toml")


# -- samples, neighbours, subsets -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("space", [*SPACES[:6], NASBench101()], ids=lambda space: space.name)
def test_neighbours_are_different_valid_cells_and_reach_the_whole_space(space):
    rows = space.sample(10 if space.n_cells is None or space.n_cells > 10 else space.n_cells, rng=0)
    for row in rows:
        near = space.neighbours(row)
        keys = space.canonical_key(near)
        assert space.valid(near).all() and len(set(keys.tolist())) == len(near) > 0
        assert space.canonical_key(row[None])[0] not in keys
        np.testing.assert_array_equal(space.canonicalise(near), near)
    if space.n_cells is not None and space.n_cells < 1000:
        reached, front = set(), [rows[0]]
        while front:
            row = front.pop()
            key = int(space.canonical_key(row[None])[0])
            if key not in reached:
                reached.add(key)
                front += list(space.neighbours(row))
        assert len(reached) == space.n_cells


def test_neighbours_by_hand():
    """conv(0)+output(1): another operation, the edge past it, or a node more: side by side, before or after."""
    near = {str(cell) for cell in FREE_NODES.cells(FREE_NODES.neighbours("conv(0)+output(1)"))}
    assert {
        "pool(0)+output(1)",
        "conv(0)+output(0,1)",
        "conv(0)+pool(0)+output(1,2)",
        "conv(0)+conv(1)+output(1,2)",
    } <= near
    assert "conv(0)+conv(1)+output(2)" not in near  # two edges changed and one taken away
    assert all(text.count("(") <= 3 for text in near)


def test_mutants_are_neighbours():
    rows = FREE_NODES.sample(30, rng=0)
    mutants = FREE_NODES.mutate(rows, rng=1)
    for row, mutant in zip(rows, mutants):
        assert mutant.tolist() in FREE_NODES.neighbours(row).tolist()
    np.testing.assert_array_equal(mutants, FREE_NODES.mutate(rows, rng=1))
    assert (mutants != FREE_NODES.mutate(rows, rng=2)).any()


def test_a_subset_knows_its_cells_alone():
    chosen = FREE_EDGES.sample(40, rng=0)
    part = FREE_EDGES.subset(chosen)
    assert len(part) == 40 and part != FREE_EDGES and part.name == FREE_EDGES.name
    assert part.valid(chosen).all() and not part.valid(FREE_EDGES.all_codes()).all()
    keys = set(part.canonical_key(chosen).tolist())
    assert set(part.canonical_key(part.sample(40, rng=1)).tolist()) == keys
    assert all(set(part.canonical_key(part.neighbours(row)).tolist()) <= keys for row in chosen)
    with pytest.raises(ValueError, match="at least one"):
        FREE_EDGES.subset([])
    with pytest.raises(ValueError, match="expected cells of the space"):
        FREE_EDGES.subset(np.zeros((1, 6), np.uint8))


# -- the core's door ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((np.zeros((1, 6), np.uint8), 17, 1, True, False, True), ValueError),
        ((np.zeros((1, 6), np.uint8), 4, 0, True, False, True), ValueError),
        ((np.zeros((1, 6), np.uint8), 1, 1, True, False, True), ValueError),
        ((np.zeros((1, 6), np.uint8), -4, 1, True, False, True), ValueError),
        ((np.zeros((1, 7), np.uint8), 4, 1, True, False, True), ValueError),
        ((np.zeros((1, 6), np.uint8), 2**62, 1, True, False, True), ValueError),
        ((np.zeros((1, 6)), 4, 1, True, False, True), TypeError),
        ((np.zeros(6, np.uint8), 4, 1, True, False, True), ValueError),
        ((None, 4, 1, True, False, True), TypeError),
    ],
)
def test_bad_arguments_of_cell_prune(arguments, error):
    with pytest.raises(error):
        _core.cell_prune(*arguments)


def test_from_logits_takes_the_likely_cell():
    rows = FREE_NODES.sample(50, rng=0)
    logits = FREE_NODES.one_hot(rows) * 5.0
    np.testing.assert_array_equal(FREE_NODES.canonicalise(FREE_NODES.from_logits(logits)), rows)


# -- NAS-Bench-101 --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("name", "n"), [("nasbench201", 6), ("nasbench101", 26), ("darts", 28)])
def test_cells_of_the_benchmarks_are_known_by_name_in_a_new_process(name, n):
    code = f"from crlso.spaces.cell import Cell; print(Cell({name!r}, (0,) * {n}).space)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == name
