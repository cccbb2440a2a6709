"""Spaces: canonical form, validity, lists, subsets and codes, against brute force."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso import _core
from crlso.benchmarks import Function, Tabular
from crlso.benchmarks import NASBench201 as NASBench201Benchmark
from crlso.spaces import CellSpace

from ..processes import environment
from ..twins.cells import pruned, smallest_row
from .examples import COMPLETE, FIXED_EDGES, FIXED_NODES, FREE_EDGES, FREE_NODES, by_name, free_ones, random_rows

ROOT = Path(__file__).resolve().parents[2]


@free_ones
def test_canonical_form_is_that_of_brute_force(space):
    rows = random_rows(space, 150)
    canonical = space.canonicalise(rows)
    assert [tuple(row) for row in canonical.tolist()] == [smallest_row(space, row) for row in rows]
    np.testing.assert_array_equal(space.canonicalise(canonical), canonical)
    np.testing.assert_array_equal(space.canonicalise(space.prune(rows)), canonical)


def layered_rows(space: CellSpace, n: int) -> np.ndarray:
    """Cells of two layers with regular edges, and one edge and one operation at random: nearly symmetric."""
    rng = np.random.default_rng(0)
    layout = space.layout
    inner = list(layout.intermediate)
    last = layout.n_nodes - 1
    rows = np.zeros((n, len(space.cardinalities)), np.uint8)
    for row in rows:
        first = inner[: rng.integers(1, len(inner))]
        second = inner[len(first) :]
        step, width, codes = rng.integers(1, 4), rng.integers(1, 3), rng.integers(1, 3, 3)
        edges = dict.fromkeys([(0, node) for node in first] + [(node, last) for node in second], 1)
        for j, node in enumerate(second):
            for d in range(width):
                edges[first[(step * j + d) % len(first)], node] = codes[d]
        edges[inner[rng.integers(len(inner))], last] = codes[2]
        for column, edge in zip(layout.edge_columns, layout.edges):
            row[column] = min(edges.get(edge, 0), space.cardinalities[column] - 1)
        if layout.operations_on_nodes:
            row[: len(inner)] = [codes[0] if node in first else codes[1] for node in inner]
            row[rng.integers(len(inner))] = codes[2]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"operations_on": "nodes"}, {"input_nodes": 2}], ids=str)
def test_canonical_form_of_nearly_symmetric_cells_is_that_of_brute_force(options):
    space = CellSpace(nodes=8, operations=["a", "b"], edges="free", **options)
    rows = layered_rows(space, 150)
    assert [tuple(row) for row in space.canonicalise(rows).tolist()] == [smallest_row(space, row) for row in rows]


ORDERS = """
    import numpy as np
    from crlso.spaces import CellSpace
    from tests.spaces.test_space import layered_rows

    def relabelled(space, row, order):
        place = {node: 1 + position for position, node in enumerate(order)} | {0: 0, 15: 15}
        codes = {edge: row[column] for column, edge in zip(space.layout.edge_columns, space.layout.edges)}
        moved = {(place[s], place[t]): code for (s, t), code in codes.items()}
        assert all(s < t for (s, t), code in moved.items() if code)
        other = row.copy()
        for column, edge in zip(space.layout.edge_columns, space.layout.edges):
            other[column] = moved.get(edge, 0)
        if space.layout.operations_on_nodes:
            other[:14] = [row[node - 1] for node in order]
        return other

    def random_order(space, row, rng):  # each node after those it needs
        needs = {node: set() for node in range(1, 15)}
        for column, (s, t) in zip(space.layout.edge_columns, space.layout.edges):
            if row[column] and s > 0 and t < 15:
                needs[t].add(s)
        order = []
        while len(order) < 14:
            ready = [node for node in needs if node not in order and needs[node] <= set(order)]
            order.append(int(rng.choice(ready)))
        return order

    rng = np.random.default_rng(1)
    branches = CellSpace(nodes=16, operations=[f"op{i}" for i in range(14)], edges="free")
    rows = np.zeros((5, len(branches.cardinalities)), np.uint8)
    for row in rows:  # 14 branches that differ in their last edges alone: 14! orders
        codes = 1 + rng.permutation(14)
        for column, (s, t) in zip(branches.layout.edge_columns, branches.layout.edges):
            row[column] = 1 if s == 0 and t < 15 else codes[s - 1] if t == 15 and s > 0 else 0
    nodes = CellSpace(nodes=16, operations=["a", "b"], operations_on="nodes", edges="free")
    edges = CellSpace(nodes=16, operations=["a", "b"], edges="free")
    for space, cells in ((branches, rows), (nodes, layered_rows(nodes, 100)), (edges, layered_rows(edges, 100))):
        pruned = space.prune(cells)
        for row, canonical in zip(pruned, space.canonicalise(cells)):
            other = relabelled(space, row, random_order(space, row, rng))
            assert (space.canonicalise(other[None])[0] == canonical).all()
    print("done")
"""


@pytest.mark.slow
def test_large_symmetric_cells_have_one_canonical_form_each():
    """16 nodes; in a process of its own, because trying all orders would take years."""
    env = environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), environment()["PYTHONPATH"]])}
    command = [sys.executable, "-c", textwrap.dedent(ORDERS)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "done\n", done.stderr


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


def test_from_logits_takes_the_likely_cell():
    rows = FREE_NODES.sample(50, rng=0)
    logits = FREE_NODES.one_hot(rows) * 5.0
    np.testing.assert_array_equal(FREE_NODES.canonicalise(FREE_NODES.from_logits(logits)), rows)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"n_nodes": 17}, ValueError, "layout: expected at least one input, and room for the output, among at most 16"),
        ({"n_inputs": 0}, ValueError, "layout: expected at least one input"),
        ({"n_nodes": 1}, ValueError, "layout: expected at least one input"),
        ({"n_nodes": -4}, ValueError, "n_nodes: expected"),
        ({"n_nodes": 2**62}, ValueError, "n_nodes: expected"),
        ({"n_nodes": "4"}, TypeError, "n_nodes: expected"),
        ({"n_graphs": 0}, ValueError, "layout: expected 1 to 8 graphs"),
        ({"n_graphs": 9}, ValueError, "layout: expected 1 to 8 graphs"),
        ({"n_operations": 255}, ValueError, "at most 254 operations"),
        ({"max_edges": "x"}, TypeError, "max_edges: expected"),
        ({"in_degree": -1}, ValueError, "in_degree: expected"),
        ({"codes": np.zeros((1, 7), np.uint8)}, ValueError, "codes: expected shape"),
        ({"codes": np.zeros((1, 6))}, TypeError, "codes: expected a uint8 array"),
        ({"codes": np.zeros(6, np.uint8)}, ValueError, "codes: expected shape"),
        ({"codes": None}, TypeError, "codes: expected a uint8 array"),
    ],
)
@pytest.mark.parametrize("function", ["cell_prune", "cell_valid", "cell_neighbours"])
def test_bad_arguments_of_functions_of_free_cells(function, change, error, words):
    given = {
        "codes": np.zeros((1, 6), np.uint8),
        "n_graphs": 1,
        "n_nodes": 4,
        "n_inputs": 1,
        "has_output": True,
        "operations_on_nodes": False,
        "n_operations": 3,
        "max_edges": None,
        "in_degree": None,
    }
    codes, *layout = {**given, **change}.values()
    with pytest.raises(error, match=words):
        getattr(_core, function)(codes, tuple(layout), *([] if function == "cell_valid" else [True]))


def test_a_layout_is_a_tuple_of_eight():
    for wrong in (None, (), (1,) * 7, [1] * 8):
        with pytest.raises(TypeError, match="layout: expected a tuple of 8"):
            _core.cell_valid(np.zeros((1, 6), np.uint8), wrong)


@by_name
def test_one_hot_is_that_of_a_loop(space):
    rows = random_rows(space, 20)
    hot = space.one_hot(rows)
    expected = [[code == value for code, k in zip(row, space.cardinalities) for value in range(k)] for row in rows]
    assert hot.dtype == np.float32
    np.testing.assert_array_equal(hot, np.array(expected, np.float32))


def test_a_given_member_stands_for_its_class():
    """Of NAS-Bench-201, cells of one class have different latencies: what was not given is not asked for."""
    bench = NASBench201Benchmark("cifar10")
    codes = bench.space.all_codes()
    fast = codes[bench.latency(codes, "raspi4") < 15]
    part = bench.space.subset(fast)
    assert len(part) == len(np.unique(bench.space.canonical_key(fast))) == len(part.classes())
    given = set(map(tuple, fast.tolist()))
    assert set(map(tuple, part.all_codes().tolist())) <= given
    for method in ("random", "cr-lso", "gp", "evolution", "local"):
        study = crlso.search(Function(part, bench.evaluate, name="fast"), method, 40, 0)
        assert {trial.cell.codes for trial in study.trials} <= given
    with pytest.raises(ValueError, match="cells: expected cells of the subset"):
        part.representative(codes)


def test_a_table_asks_for_its_own_rows():
    bench = NASBench201Benchmark("cifar10")
    rows = bench.space.all_codes()[::37]
    table = Tabular(bench.space, rows, bench.validation(rows))
    study = crlso.search(table, "random", 50, 0)
    given = set(map(tuple, rows.tolist()))
    assert all(trial.cell.codes in given for trial in study.trials)
    assert table.optimum().codes in given and table.evaluate(table.optimum()) == table.optimal_value()
