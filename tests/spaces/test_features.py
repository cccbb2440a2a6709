"""Features of cells against brute force."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import crlso
from crlso import _core
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
from crlso.spaces.features import CellFeatures, _paths, count_known, graph_descriptors, standardised
from tests.spaces.examples import SPACES, random_rows
from tests.twins import features as twin

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


def ways(graph, layout) -> list[list[tuple[int, int, str]]]:
    """All ways from an input to the output of a drawn graph, as edges with what is met on them."""
    last, found = len(graph.labels) - 1, []
    ends = {last} if layout.has_output else set(range(layout.n_inputs, last + 1))

    def walk(node, way):
        if node in ends:
            found.append(way)
        for source, target, name, _ in graph.edges:
            if source == node and name not in layout.zero:
                met = name if name or target == last else graph.labels[target]
                walk(target, [*way, (source, target, met)])

    for start in range(layout.n_inputs):
        walk(start, [])
    return found


def walked(graph, layout) -> dict[str, float]:
    """The descriptors of a drawn graph, from all ways through it."""
    found = ways(graph, layout)
    lengths = [sum(met not in ("", *layout.identity) for *_, met in way) for way in found]
    edges = {edge for way in found for edge in way}
    last = len(graph.labels) - 1
    inner = {target for _, target, _ in edges} - ({last} if layout.has_output else set())
    on_nodes = layout.operations_on_nodes
    operations = [graph.labels[node] for node in inner] if on_nodes else [met for *_, met in edges]
    described = {
        "longest path": max(lengths, default=0),
        "shortest path": min(lengths, default=0),
        "path without operations": float(0 in lengths),
        "edges out of inputs": sum(source < layout.n_inputs for source, *_ in edges),
        "edges into output": sum(t == last for _, t, _ in edges) if layout.has_output else len(inner),
        "nodes": len(inner),
        "edges": len(edges),
        "log paths": np.log(1 + len(found)),
    }
    for name in layout.operations:
        described[f"count of {name}"] = operations.count(name)
        described[f"most {name} on a path"] = max(([met for *_, met in way].count(name) for way in found), default=0)
    return described


@pytest.mark.parametrize("space", [*SPACES, SMALL, ON_EDGES, DARTS()], ids=repr)
def test_descriptors_are_those_of_all_ways(space):
    codes = space.canonicalise(space.sample_up_to(60, rng=0))
    described = graph_descriptors(space, codes)
    for i, cell in enumerate(space.cells(codes)):
        expected = {}
        for graph in cell.graphs:
            for name, value in walked(graph, space.layout).items():
                expected[f"{graph.title} {name}".strip()] = value
        for name, value in expected.items():
            assert described[name][i] == pytest.approx(value), (str(cell), name)
    others = set(described) - set(expected)
    assert all(name == "log size" or name.startswith("channels of") for name in others)


@pytest.mark.parametrize("space", [*SPACES, SMALL, ON_EDGES, DARTS()], ids=lambda space: space.name[:40])
def test_features_are_those_of_a_twin_to_the_bit(space):
    codes = np.concatenate([space.canonicalise(space.sample_up_to(50, rng=2)), random_rows(space, 50)])
    columns = list(graph_descriptors(space, codes).values())
    for got, expected in zip(columns, twin.describe(space.layout, codes)):
        np.testing.assert_array_equal(got, expected)
    features = CellFeatures(space, codes, columns=10_000)
    np.testing.assert_array_equal(features.live_operations(codes), twin.live_operations(space.layout, codes))
    paths = _paths(space.layout)
    numbers, is_open = _core.cell_sequences(codes, space.layout.form, features._paths)
    expected, expected_open = twin.sequences(space.layout, codes, paths)
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(is_open, expected_open)
    known = np.unique(expected[expected_open])
    np.testing.assert_array_equal(features.paths(codes), np.sqrt(count_known(expected, known, expected_open)))
    assert features.paths(codes[:0]).shape == (0, len(known))


def test_spaces_without_edges_that_pass_have_no_paths():
    space = CellSpace(3, ["none", "zero"], operations_on="edges", zero=["none", "zero"])
    features = CellFeatures(space, space.all_codes())
    np.testing.assert_array_equal(features.paths(space.all_codes()), np.zeros((len(space), 1)))


FORM = SMALL.layout.form
PATHS = (np.array([0, 1]), np.array([0]))


@pytest.mark.parametrize(
    ("form", "paths", "error", "words"),
    [
        (FORM[:11], PATHS, TypeError, "form: expected a tuple of 12"),
        (None, PATHS, TypeError, "form: expected a tuple of 12"),
        ((0, *FORM[1:]), PATHS, ValueError, "form: expected graphs"),
        ((*FORM[:2], 17, *FORM[3:]), PATHS, ValueError, "form: expected graphs of at most 16 nodes"),
        ((*FORM[:3], 0, *FORM[4:]), PATHS, ValueError, "form: expected graphs"),
        ((*FORM[:4], 256, *FORM[5:]), PATHS, ValueError, "1 to 255 operations"),
        ((1, 1, *FORM[2:]), PATHS, ValueError, "form: expected at least 2 codes of a graph"),
        ((*FORM[:8], FORM[8][::-1], *FORM[9:]), PATHS, ValueError, "edges: expected pairs"),
        ((*FORM[:8], FORM[8] + 1, *FORM[9:]), PATHS, ValueError, "edges: expected pairs"),
        ((*FORM[:8], FORM[8][:, ::-1], *FORM[9:]), PATHS, ValueError, "edges: expected pairs"),
        ((*FORM[:9], FORM[9] + 3, *FORM[10:]), PATHS, ValueError, "columns: expected -1 or a code below"),
        ((*FORM[:9], FORM[9][1:], *FORM[10:]), PATHS, ValueError, "form: expected edges"),
        ((*FORM[:10], np.array([3]), FORM[11]), PATHS, ValueError, "dead: expected indices of 3 operations, got 3"),
        (FORM, (PATHS[0], np.array([6])), ValueError, "paths: expected ascending offsets"),
        (FORM, (np.array([0, 2, 1]), PATHS[1]), ValueError, "paths: expected ascending offsets"),
        (FORM, (np.array([1, 1]), PATHS[1]), ValueError, "paths: expected ascending offsets"),
        (FORM, (np.array([], int), PATHS[1]), ValueError, "paths: expected at least one offset"),
        (FORM, None, TypeError, "paths: expected a tuple"),
    ],
)
def test_the_core_checks_forms_and_paths(form, paths, error, words):
    with pytest.raises(error, match=words):
        _core.cell_sequences(SMALL.all_codes(), form, paths)


def test_descriptors_of_a_cell_without_a_path():
    space = NASBench201()
    described = graph_descriptors(space, np.zeros((1, 6), np.uint8))
    assert all(value == 0 for name, value in described.items() if name != "log size")


def test_operations_of_nasbench101_are_weighted_by_their_channels():
    space = NASBench101()
    # 1 and 2 share the output's channels; 3 leads to 1 alone, and has as many. The edge from the input does not count.
    cell = "conv3x3-bn-relu(0)+maxpool3x3(1)+conv3x3-bn-relu(1)+output(0,2,3)"
    described = graph_descriptors(space, space.codes(cell))
    names = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
    assert [described[f"channels of {name}"][0] for name in names] == [1.0, 0.0, 0.5]
    assert CellSpace().channels(CellSpace().all_codes()) is None


def test_descriptors_are_scaled_by_the_reference():
    space = NASBench101()
    reference, others = space.sample(400, rng=0), space.sample(50, rng=1)
    features = CellFeatures(space, reference)
    rows = features.descriptors(reference)
    assert ((rows[:, None] - rows[None]) ** 2).sum(axis=2).mean() == pytest.approx(1.0)
    np.testing.assert_allclose(rows.std(axis=0), rows.std())
    raw = np.stack(list(graph_descriptors(space, others).values()), axis=1)
    moved = features.descriptors(others)
    assert moved.shape == raw.shape
    for a, b in zip(moved.T, raw.T):
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(1.0)
    chain = CellSpace(3, ["a", "b"], operations_on="nodes", edges=[(0, 1), (1, 2)])
    assert CellFeatures(chain, chain.all_codes()).descriptors(chain.all_codes()).shape == (2, 4)  # the others are equal


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
