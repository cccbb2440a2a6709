"""Modules against slow NumPy twins; the input-convex network stays convex; schedules and the training loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crlso import GraphBatch, Tensor, _core, nn, optim
from crlso.models.base import kendall_tau, train
from crlso.models.graph import CellEncoding, GraphTrunk
from crlso.random import Stream, seed_of
from crlso.spaces import NASBench201

from .twins.models import icnn_twin, jensen_gap, kendall_twin, leaky, message_passing_twin, slope_error, trunk_twin

ROUNDING = {"float64": 1e-12, "float32": 1e-5}


def values(net: nn.ICNN):
    """The network as a function of NumPy points."""
    dtype = net.input_weight.dtype
    return lambda z: net(np.ascontiguousarray(z, dtype)).numpy()


# -- the input-convex network ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("inputs", "width", "layers"), [(1, 1, 0), (2, 16, 1), (16, 128, 4), (64, 32, 3)])
def test_icnn_is_convex_from_the_start(inputs, width, layers, dtype):
    for seed in range(3):
        net = nn.ICNN(inputs, width, layers, Stream(seed), dtype=dtype)
        assert all(weight.numpy().min() >= 0 for weight in [*net.weights, net.output_weight])
        assert jensen_gap(values(net), inputs, np.random.default_rng(seed)) <= ROUNDING[dtype]


def test_icnn_without_the_constraint_is_not_convex():
    for seed in range(3):
        net = nn.ICNN(4, 32, 3, Stream(seed), convex=False, dtype="float64")
        assert min(weight.numpy().min() for weight in net.weights) < 0
        assert jensen_gap(values(net), 4, np.random.default_rng(seed)) > 1e-3


def wave(z: np.ndarray) -> np.ndarray:
    """Nothing convex."""
    return np.sin(2 * z).sum(axis=1)


def train_on_a_wave(net: nn.ICNN, after_step) -> list[float]:
    rng = np.random.default_rng(5)
    z = rng.normal(size=(64, 2))
    adam = optim.Adam(net.parameters(), betas=(0.9, 0.99))
    losses = []
    for _ in range(100):
        adam.zero_grad()
        loss = _core.mse(net(z), wave(z))
        loss.backward()
        adam.step(0.02)
        losses.append(loss.item())
        after_step()
    return losses


def test_icnn_is_convex_after_every_step():
    net = nn.ICNN(2, 16, 2, Stream(1), dtype="float64")
    constrained = [*net.weights, net.output_weight]
    rng = np.random.default_rng(2)
    gaps = []

    def check():
        assert all(weight.numpy().min() >= 0 for weight in constrained)
        gaps.append(jensen_gap(values(net), 2, rng, n=1000))

    losses = train_on_a_wave(net, check)
    assert max(gaps) <= ROUNDING["float64"] and len(gaps) == 100
    assert losses[-1] < 0.8 * losses[0]
    assert any((weight.numpy() == 0).any() for weight in constrained)  # the projection had something to do


def test_training_without_the_constraint_fails_the_same_check():
    net = nn.ICNN(2, 16, 2, Stream(1), convex=False, dtype="float64")
    losses = train_on_a_wave(net, lambda: None)
    assert jensen_gap(values(net), 2, np.random.default_rng(2), n=1000) > 1e-2
    convex = train_on_a_wave(nn.ICNN(2, 16, 2, Stream(1), dtype="float64"), lambda: None)
    assert losses[-1] < 0.5 * convex[-1]  # what is not convex can follow the wave


@pytest.mark.parametrize("convex", [True, False])
@pytest.mark.parametrize(("inputs", "width", "layers"), [(1, 1, 0), (3, 5, 1), (16, 24, 4)])
def test_icnn_against_its_formula(inputs, width, layers, convex):
    net = nn.ICNN(inputs, width, layers, Stream(3), convex=convex, dtype="float64")
    net.input_bias.numpy()[:] = np.linspace(-1, 1, width)
    net.output_bias.numpy()[:] = 0.7
    z = np.random.default_rng(0).normal(size=(9, inputs))
    expected = icnn_twin(net.state(), z)
    np.testing.assert_allclose(net(z).numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.evaluate(z)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("convex", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_icnn_outside_the_graph_agrees_with_autodiff(convex, dtype, tolerance):
    net = nn.ICNN(5, 33, 3, Stream(4), convex=convex, dtype=dtype)
    z = np.random.default_rng(1).normal(size=(40, 5)).astype(dtype)
    value, gradient = net.evaluate(z)
    expected = nn.grad(net, z)
    np.testing.assert_allclose(value, net(z).numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(gradient, expected, rtol=10 * tolerance, atol=10 * tolerance)
    assert np.abs(gradient).max() > 0.1
    steps = np.linspace(0, 2, 40)
    moved = net.descend(z, steps)
    np.testing.assert_allclose(moved, z - steps[:, None] * expected, rtol=20 * tolerance, atol=20 * tolerance)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_gradients_of_icnn_parameters():
    net = nn.ICNN(4, 12, 3, Stream(9), dtype="float64")
    rng = np.random.default_rng(3)
    z, y = rng.normal(size=(10, 4)), rng.normal(size=10)
    parameters = net.parameters()
    for parameter in parameters:
        if parameter.nonnegative:
            parameter.numpy()[...] += 1e-4  # differences may not leave the feasible set
    gradients = [g.numpy().copy() for g in _core.gradients(_core.mse(net(z), y), parameters)]
    for parameter, gradient in zip(parameters, gradients):
        assert slope_error(lambda: _core.mse(net(z), y).item(), [parameter], [gradient], rng) < 1e-6
        assert slope_error(lambda: _core.mse(net(z), y).item(), [parameter], [gradient * 1.01], rng) > 1e-5


@pytest.mark.parametrize("inputs", [2, 16, 64])
@pytest.mark.parametrize("width", [16, 128, 512])
def test_icnn_starts_at_unit_scale(inputs, width):
    net = nn.ICNN(inputs, width, 4, Stream(6))
    z = np.random.default_rng(0).normal(size=(400, inputs)).astype(np.float32)
    state = net.state()
    h = leaky(z @ state["input_weight"].T)
    scales = [np.sqrt((h**2).mean())]
    for i in range(4):
        h = leaky(h @ state[f"weights.{i}"].T) + leaky(z @ state[f"skips.{i}"].T)
        scales.append(np.sqrt((h**2).mean()))
    assert min(scales) > 0.6 and max(scales) < 2.0
    output = net(z).numpy()
    assert abs(output.mean()) < 1.5 and 0.05 < output.std() < 1.5


# -- message passing ------------------------------------------------------------------------------------------------


def random_graphs(rng: np.random.Generator, sizes: list[int], n_types: int):
    """A batch of random directed graphs and its edges (source, target, type)."""
    node_offsets = np.concatenate([[0], np.cumsum(sizes)])
    edge_offsets, sources, types, edges = [0], [], [], []
    for first, last in itertools.pairwise(node_offsets):
        for target in range(first, last):
            for source in rng.integers(first, last, size=rng.integers(0, 4)):
                sources.append(int(source))
                types.append(int(rng.integers(n_types)))
                edges.append((sources[-1], target, types[-1]))
            edge_offsets.append(len(sources))
    return GraphBatch(node_offsets, edge_offsets, np.array(sources), np.array(types), n_types), edges


def shake(module: nn.Module, rng: np.random.Generator) -> nn.Module:
    """Biases start at zero: give every parameter a value of its own."""
    for parameter in module.parameters():
        parameter.numpy()[...] += 0.3 * rng.normal(size=parameter.shape)
    return module


@pytest.mark.parametrize("sizes", [[4, 4, 4], [1], [3, 0, 5, 2, 7]])
def test_graph_layer_against_its_formula(sizes):
    rng = np.random.default_rng(sum(sizes))
    graph, edges = random_graphs(rng, sizes, 3)
    layer = shake(nn.GraphLayer(4, 6, 3, Stream(0), degree=2, dtype="float64"), rng)
    x = rng.normal(size=(sum(sizes), 4))
    expected = message_passing_twin(layer.state(), x, edges)
    np.testing.assert_allclose(layer(Tensor(x), graph).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_the_twin_of_message_passing_notices_a_difference():
    rng = np.random.default_rng(1)
    graph, edges = random_graphs(rng, [4, 5], 3)
    layer = shake(nn.GraphLayer(4, 6, 3, Stream(0), dtype="float64"), rng)
    x = rng.normal(size=(9, 4))
    got, state = layer(Tensor(x), graph).numpy(), layer.state()
    turned = message_passing_twin(state, x, [(target, source, kind) for source, target, kind in edges])
    swapped = message_passing_twin({**state, "target": state["source"], "source": state["target"]}, x, edges)
    for other in (turned, swapped):
        assert np.abs(got - other).max() > 0.1


def test_graph_layer_on_a_table_is_the_same():
    rng = np.random.default_rng(2)
    graph, edges = random_graphs(rng, [4, 2, 6], 3)
    layer = shake(nn.GraphLayer(4, 5, 3, Stream(1), dtype="float64"), rng)
    table = rng.normal(size=(7, 4))
    rows = rng.integers(0, 7, size=(12, 3))
    expected = message_passing_twin(layer.state(), table[rows].sum(axis=1), edges)
    np.testing.assert_allclose(layer.on_table(Tensor(table), rows, graph).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_one_hot_layer_against_its_formula():
    rng = np.random.default_rng(3)
    kinds, n_types = 3, 4
    _, edges = random_graphs(rng, [5, 4], n_types)
    edges = [edge for i, edge in enumerate(edges) if edge[1] not in [e[1] for e in edges[:i]]]  # one into each node
    layer = shake(nn.OneHotGraphLayer(kinds, 6, n_types, Stream(2), degree=2, dtype="float64"), rng)
    kind = rng.integers(0, kinds, size=9)
    table = layer.table()
    assert table.shape == (kinds + kinds**2 * n_types, 6)
    expected = message_passing_twin(layer.state(), np.eye(kinds)[kind], edges, one_hot=True)
    source, target, types = np.array(edges).T
    got = table.numpy()[kind]
    got[target] += table.numpy()[layer.message_rows(kind[target], kind[source], types)]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chosen", [None, np.array([[0, 1, 3], [2, 0, 0], [1, 1, 2]])], ids=["all", "some"])
def test_rows_of_a_one_hot_layer_are_numbered_in_order(chosen):
    layer = nn.OneHotGraphLayer(3, 2, 4, Stream(0), messages=chosen, zero_row=True)
    kinds = layer.message_kinds
    n = 36 if chosen is None else len(chosen)
    assert len(set(zip(*(part.tolist() for part in kinds), strict=True))) == n
    assert layer.message_rows(*kinds).tolist() == list(range(3, 3 + n)) and layer.zero_row == 3 + n
    table = layer.table().numpy()
    assert table.shape == (4 + n, 2) and not table[-1].any()


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_trunk_against_its_formula(layers):
    space, rng = NASBench201(), np.random.default_rng(layers)
    trunk = shake(GraphTrunk(space, 6, layers, Stream(3), dtype="float64"), rng)
    codes = space.sample(23, rng=layers)
    batch = CellEncoding(trunk, codes).batch(slice(None))
    nodes = trunk.nodes(batch).numpy()
    np.testing.assert_allclose(nodes, trunk_twin(trunk.state(), space, codes), rtol=1e-11, atol=1e-11)
    weight, bias = rng.normal(size=(3, 6)), rng.normal(size=3)
    expected = nodes.reshape(23, 4, 6).sum(axis=1) @ weight.T + bias
    np.testing.assert_allclose(trunk.pooled(batch, weight, bias).numpy(), expected, rtol=1e-11, atol=1e-11)


def test_batches_of_an_encoding_are_its_rows():
    space = NASBench201()
    trunk = GraphTrunk(space, 8, 3, Stream(3), dtype="float64")
    encoding = CellEncoding(trunk, space.all_codes())
    chosen = np.array([15624, 0, 77, 77])
    got = trunk.nodes(encoding.batch(chosen)).numpy()
    np.testing.assert_allclose(got, trunk_twin(trunk.state(), space, space.all_codes()[chosen]), rtol=1e-11, atol=1e-11)
    assert encoding.batch(chosen[:0]).rows.shape == (0, 4)


@pytest.mark.parametrize("width", [16, 64, 256])
def test_trunk_starts_at_unit_scale(width):
    space = NASBench201()
    trunk = GraphTrunk(space, width, 4, Stream(0))
    batch = CellEncoding(trunk, space.all_codes()).batch(slice(0, None, 25))
    x = trunk.first.table().gather_rows(batch.rows)
    scales = [np.sqrt((x.numpy() ** 2).mean())]
    for layer in trunk.layers:
        x = layer(x, batch.graph)
        scales.append(np.sqrt((x.numpy() ** 2).mean()))
    assert min(scales) > 0.5 and max(scales) < 2.0


# -- modules --------------------------------------------------------------------------------------------------------


def test_mlp_against_numpy():
    net = shake(nn.MLP([3, 7, 5, 2], Stream(1), dtype="float64"), np.random.default_rng(0))
    state = net.state()
    assert list(state) == [f"layers.{i}.{name}" for i in range(3) for name in ("weight", "bias")]
    x = np.random.default_rng(1).normal(size=(2, 4, 3))
    h = x
    for i in range(3):
        h = h @ state[f"layers.{i}.weight"].T + state[f"layers.{i}.bias"]
        h = leaky(h) if i < 2 else h
    np.testing.assert_allclose(net(x).numpy(), h, rtol=1e-12, atol=1e-12)


def test_initial_values_depend_on_the_name_alone():
    a, b = nn.Linear(5, 4, Stream(1).child("x")), nn.Linear(5, 4, Stream(1).child("x"))
    c, d = nn.Linear(5, 4, Stream(1).child("y")), nn.Linear(5, 4, Stream(2).child("x"))
    assert (a.weight.numpy() == b.weight.numpy()).all()
    assert not (a.weight.numpy() == c.weight.numpy()).any() and not (a.weight.numpy() == d.weight.numpy()).any()


class Pair(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 3, Stream(0))
        self.rest = [nn.Linear(3, 1, Stream(1), bias=False), Tensor([1.0, 2.0], requires_grad=True)]
        self.constant, self.name = Tensor([1.0]), "pair"
        self.again = self.first.weight


def test_parameters_have_the_names_of_attributes():
    pair = Pair()
    assert list(pair.named_parameters()) == ["first.weight", "first.bias", "rest.0.weight", "rest.1", "again"]
    expected = [pair.first.weight, pair.first.bias, pair.rest[0].weight, pair.rest[1]]
    assert [id(p) for p in pair.parameters()] == [id(p) for p in expected]  # the shared one once


def test_states_are_copies_and_come_back():
    net, other = nn.MLP([2, 3, 1], Stream(0)), nn.MLP([2, 3, 1], Stream(1))
    state = net.state()
    state["layers.0.weight"][:] = 7
    assert not (net.layers[0].weight.numpy() == 7).any()
    views = [parameter.numpy() for parameter in other.parameters()]
    other.load_state(net.state())
    for parameter, view, expected in zip(other.parameters(), views, net.parameters()):
        assert (parameter.numpy() == expected.numpy()).all() and np.shares_memory(parameter.numpy(), view)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("input_bias", None, "expected the parameters"),
        ("unknown", np.zeros(1), "expected the parameters"),
        ("input_bias", np.zeros(5), r"expected shape \(6,\) for input_bias, got \(5,\)"),
        ("input_bias", np.zeros((1, 6)), r"expected shape \(6,\) for input_bias"),
        ("input_bias", np.full(6, np.nan), "expected finite values for input_bias"),
        ("input_bias", np.full(6, np.inf), "expected finite values for input_bias"),
        ("input_bias", np.full(6, 1e300), "expected finite values for input_bias"),
        ("input_bias", np.full(6, 1j), "expected real numbers for input_bias"),
        ("input_bias", np.full(6, "1"), "expected real numbers for input_bias"),
        ("weights.0", np.full((6, 6), -1e-30), "expected no negative entry in weights.0, got -1e-30"),
        ("output_weight", np.full((1, 6), -1), "expected no negative entry in output_weight"),
    ],
)
def test_a_bad_state_changes_nothing(name, value, words):
    net = nn.ICNN(2, 6, 1, Stream(0))
    before = net.state()
    state = {key: array + 1 for key, array in before.items()}
    if value is None:
        del state[name]
    else:
        state[name] = value
    with pytest.raises(ValueError, match=words):
        net.load_state(state)
    for key, array in net.state().items():
        np.testing.assert_array_equal(array, before[key])


def test_any_source_of_randomness_does():
    """Values of a seed are those of the stream of that seed; a Generator gives each module other ones."""
    make: list[Callable[[Any], nn.Module]] = [
        lambda rng: nn.Linear(3, 2, rng=rng),
        lambda rng: nn.MLP([3, 4, 2], rng=rng),
        lambda rng: nn.ICNN(3, 4, 2, rng=rng),
        lambda rng: nn.GraphLayer(3, 4, 2, rng=rng),
        lambda rng: nn.OneHotGraphLayer(3, 4, 2, rng=rng),
    ]
    for module in make:
        expected = module(Stream(seed_of(5))).state()
        for rng in (5, np.int64(5), np.random.SeedSequence(5)):
            assert all((value == expected[name]).all() for name, value in module(rng).state().items())
        rng = np.random.default_rng(5)
        first, second, third = module(rng).state(), module(rng).state(), module(np.random.default_rng(5)).state()
        name = next(iter(expected))
        assert (first[name] == third[name]).all() and not (first[name] == second[name]).any()
        for bad, error in ((None, TypeError), (-1, ValueError), ("relu", TypeError)):
            with pytest.raises(error, match="rng: "):
                module(bad)


def test_float64_data_fits_a_float32_network():
    x, y = np.random.default_rng(0).normal(size=(6, 3)), np.zeros((6, 2))
    for net in (nn.Linear(3, 2, rng=0), nn.MLP([3, 4, 2], rng=0), nn.Sequential(nn.Linear(3, 2, rng=0), nn.relu)):
        out = net(x)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out.numpy(), net(x.astype(np.float32)).numpy())
        nn.mse(out, y).backward()
        assert all(p.grad is not None and p.grad.dtype == np.float32 for p in net.parameters())
    for first in (nn.relu, nn.Dropout(0.5, rng=0)):  # which alone would keep the data's own dtype
        assert nn.Sequential(first, nn.Linear(3, 2, rng=0))(x).dtype == np.float32
    icnn = nn.ICNN(3, 4, 2, rng=0)
    assert icnn(x).dtype == nn.grad(icnn, x).dtype == np.float32
    with pytest.raises(
        TypeError, match="linear: expected tensors of one dtype, got x of float64 and weight of float32"
    ):
        net(Tensor(x))


def test_dropout_in_training_and_after():
    dropout = nn.Dropout(0.25, rng=3)
    x = Tensor(np.ones((200, 50)), requires_grad=True)
    first, second = dropout(x), dropout(x)
    assert {*first.numpy().ravel().tolist()} == {0.0, 1 / 0.75}
    assert abs((first.numpy() == 0).mean() - 0.25) < 0.02 and (first.numpy() != second.numpy()).any()
    again = nn.Dropout(0.25, rng=3)
    assert (again(x).numpy() == first.numpy()).all() and (again(x).numpy() == second.numpy()).all()
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), first.numpy())  # of ones
    assert dropout.eval() is dropout and dropout(x) is x
    assert nn.Dropout(0.0, rng=0)(x) is x and not (dropout.train()(x).numpy() == 1).any()
    for p, error in ((1.0, ValueError), (-0.1, ValueError), (np.nan, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="p: expected"):
            nn.Dropout(p, rng=0)


def test_training_reaches_all_modules():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Sequential(nn.Dropout(0.5, rng=1)), nn.tanh)
    assert net.training and net.layers[1].layers[0].training
    assert net.eval() is net and not net.training and not net.layers[1].layers[0].training
    assert net.train().layers[1].layers[0].training
    assert list(net.named_parameters()) == ["layers.0.weight", "layers.0.bias"]


def test_sequential_is_one_after_the_other():
    one, two = nn.Linear(3, 4, rng=0, dtype="float64"), nn.Linear(4, 2, rng=1, dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 3))
    net = nn.Sequential(one, nn.tanh, two, lambda t: t.softmax())
    e = np.exp(np.tanh(x @ one.weight.numpy().T) @ two.weight.numpy().T)
    np.testing.assert_allclose(net(x).numpy(), e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    assert nn.Sequential()(x) is x
    assert len(net) == 4 and list(net) == [net[0], net[1], net[2], net[-1]] and net[0] is one
    np.testing.assert_array_equal(net[:2](x).numpy(), nn.tanh(one(x)).numpy())
    with pytest.raises(TypeError, match="layers: expected modules and functions, got int as number 1"):
        nn.Sequential(one, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Linear(3, 2, rng=0), "Linear(3, 2)"),
        (nn.Linear(3, 2, rng=0, activation="relu", bias=False), "Linear(3, 2, activation='relu', bias=False)"),
        (nn.ICNN(3, 8, 2, rng=0, convex=False), "ICNN(3, 8, 2, convex=False)"),
        (nn.GraphLayer(3, 8, 2, rng=0), "GraphLayer(3, 8, 2)"),
        (nn.OneHotGraphLayer(3, 8, 2, rng=0), "OneHotGraphLayer(3, 8, 2)"),
        (nn.MLP([3, 4], rng=0), "MLP(\n  (layers.0): Linear(3, 4)\n)"),
        (
            nn.Sequential(nn.Sequential(nn.Dropout(0.5, rng=0)), nn.relu),
            "Sequential(\n  (layers.0): Sequential(\n    (layers.0): Dropout(0.5)\n  )\n  (layers.1): relu\n)",
        ),
        (nn.Sequential(), "Sequential()"),
        (nn.Module(), "Module()"),
    ],
)
def test_modules_say_what_they_are(module, text):
    assert repr(module) == text


def test_own_modules_list_what_they_hold():
    assert repr(Pair()).splitlines() == [
        "Pair(",
        "  (first): Linear(2, 3)",
        "  (rest.0): Linear(3, 1, bias=False)",
        "  (rest.1): parameter of shape (2,)",
        "  (again): parameter of shape (3, 2)",
        ")",
    ]


GRAPH = GraphBatch([0, 2, 3], [0, 1, 2, 2], [1, 0], [0, 1], 2)
GRAPH_LAYER: Any = nn.GraphLayer(3, 4, 2, rng=0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Linear(2.5, 3, rng=0), TypeError, "inputs: expected an int, got float"),
        (lambda: nn.Linear(2, -3, rng=0), ValueError, "outputs: expected at least 0, got -3"),
        (
            lambda: nn.Linear(2, 3, rng=0, activation="gelu"),
            ValueError,
            "activation: expected one of none, .* got 'gelu'",
        ),
        (lambda: nn.Linear(2, 3), TypeError, "rng"),
        (lambda: nn.Linear(2, 3, rng=0, gain=np.nan), ValueError, "gain: expected a finite number"),
        (lambda: nn.Linear(2, 3, rng=0, dtype="float16"), TypeError, "dtype: expected 'float32' or 'float64'"),
        (lambda: nn.MLP([3], rng=0), ValueError, r"sizes: expected at least the widths .* got \[3\]"),
        (lambda: nn.ICNN(2, 0, 1, rng=0), ValueError, "width: expected at least 1, got 0"),
        (lambda: nn.GraphLayer(0, 4, 2, rng=0), ValueError, "inputs: expected at least 1, got 0"),
        (lambda: nn.OneHotGraphLayer(2, 0, 2, rng=0), ValueError, "outputs: expected at least 1, got 0"),
        (lambda: nn.OneHotGraphLayer(2, 3, 2, rng=0, messages=3), ValueError, r"messages: expected an array \(n, 3\)"),
        (lambda: nn.MLP({"a": 3, "b": 4}, rng=0), TypeError, "inputs: expected an int, got str"),
        (lambda: GRAPH_LAYER(np.ones((2, 3)), GRAPH), ValueError, r"x: expected 3 rows, one per node .* \(2, 3\)"),
        (lambda: GRAPH_LAYER(np.ones((3, 5)), GRAPH), ValueError, r"x: expected 3 as last dimension, .* \(3, 5\)"),
        (
            lambda: nn.GraphLayer(3, 4, 5, rng=0)(np.ones((3, 3)), GRAPH),
            ValueError,
            "graph: expected 5 edge types, .* 2",
        ),
        (lambda: GRAPH_LAYER(np.ones((3, 3)), None), TypeError, "graph: expected a GraphBatch, got NoneType"),
    ],
)
def test_bad_arguments_of_modules_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_saved_modules_come_back(tmp_path):
    def make(seed):
        return nn.Sequential(nn.Linear(3, 4, rng=seed), nn.relu, nn.ICNN(4, 3, 1, rng=seed + 1, dtype="float64"))

    net, other, path = make(0), make(10), tmp_path / "net"
    net.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
    other.load(path)
    for name, array in net.state().items():
        assert other.state()[name].tobytes() == array.tobytes()
    nn.Module().save(path)
    nn.Module().load(path)
    named = nn.Module()
    named.file = Tensor([3.0], requires_grad=True)  # a name that numpy.savez has for itself
    named.save(path)
    named.load(path)


def damaged(path: Path, damage: str) -> None:
    data = path.read_bytes()
    arrays = dict(np.load(path))
    if damage == "text":
        path.write_text("no archive")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "half":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "a byte":
        path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    elif damage == "a parameter less":
        np.savez(path.open("wb"), **{name: arrays[name] for name in list(arrays)[1:]})
    elif damage == "another archive":
        np.savez(path.open("wb"), weight=np.zeros(3))
    elif damage == "objects":
        np.savez(path.open("wb"), **{name: np.array([{}], object) for name in arrays})
    elif damage == "huge":
        np.savez_compressed(path.open("wb"), **{name: np.zeros(10**7, np.uint8) for name in arrays})
    elif damage == "NaN":
        np.savez(path.open("wb"), **{name: array * np.nan for name, array in arrays.items()})
    else:
        np.savez(path.open("wb"), **{name: array[:1] for name, array in arrays.items()})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("text", "path: expected a file that Module.save wrote, got .*: no npz archive"),
        ("empty", "path: .* no npz archive"),
        ("half", "path: .* no npz archive"),
        ("a byte", "path: expected a file that Module.save wrote"),
        ("a parameter less", r"path: .* expected the parameters \['bias', 'weight'\], got \['bias'\]"),
        ("another archive", "path: .* expected the parameters"),
        ("objects", "path: "),
        ("huge", "path: .* expected at most 48 bytes for weight"),
        ("NaN", "state: expected finite values"),
        ("shapes", "state: expected shape"),
    ],
)
def test_other_files_are_refused_and_change_nothing(tmp_path, damage, words):
    net = nn.Linear(3, 2, rng=0)
    before, path = net.state(), tmp_path / "net.npz"
    nn.Linear(3, 2, rng=1).save(path)
    damaged(path, damage)
    with pytest.raises(ValueError, match=words):
        net.load(path)
    assert all((value == before[name]).all() for name, value in net.state().items())
    with pytest.raises(OSError, match="missing"):
        net.load(tmp_path / "missing")


def test_no_grad_is_undone_by_an_exception():
    x = Tensor([2.0], requires_grad=True)
    with nn.no_grad():
        assert not (x * x).requires_grad
        with nn.no_grad():
            pass
        assert not (x * x).requires_grad
    with pytest.raises(ZeroDivisionError), nn.no_grad():
        raise ZeroDivisionError
    assert (x * x).requires_grad


def test_grad_of_rows():
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(nn.grad(lambda t: t.square().sum(axis=1), x), 2 * x, rtol=1e-14)
    with nn.no_grad():  # asked for, so given
        np.testing.assert_allclose(nn.grad(lambda t: (t * 3.0).exp(), x), 3 * np.exp(3 * x), rtol=1e-13)
    with pytest.raises(TypeError, match="f: expected a function that returns a Tensor, got float"):
        nn.grad(lambda t: 3.0, x)
    with pytest.raises(RuntimeError, match="does not depend on anything"):
        nn.grad(lambda t: Tensor([1.0]), x)


# -- training -------------------------------------------------------------------------------------------------------


def test_cosine_schedule():
    assert [optim.cosine(step, 4, 2.0) for step in (0, 2)] == [2.0, 1.0]
    assert optim.cosine(4, 4, 2.0) == optim.cosine(9, 4, 2.0) == 0.0
    rates = [optim.cosine(step, 10, 1.0) for step in range(11)]
    np.testing.assert_allclose(rates, [math.cos(math.pi * step / 20) ** 2 for step in range(11)], atol=1e-15)
    with pytest.raises(ValueError, match="total: expected at least 1 step, got 0"):
        optim.cosine(0, 0, 1.0)


def run(loss, n=10, epochs=3, batch_size=4, **options):
    parameter = Tensor([1.0, 2.0], requires_grad=True)
    steps: list[tuple[int, list[int]]] = []

    def noted(positions, step):
        steps.append((step, positions.tolist()))
        return loss(parameter, positions, step)

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": 0.1, **options}
    return parameter, steps, lambda: train([parameter], noted, n, Stream(0), **settings)


def test_training_visits_every_item_once_an_epoch():
    done = []
    parameter, steps, go = run(lambda p, positions, step: p.square().sum(), on_epoch=lambda *a: done.append(a))
    history = go()
    assert [step for step, _ in steps] == list(range(9))
    assert [len(positions) for _, positions in steps] == [4, 4, 2] * 3
    epochs = [[item for _, positions in steps[i : i + 3] for item in positions] for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs) and len({*map(tuple, epochs)}) == 3
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert history == sorted(history, reverse=True) and len(history) == 3 and parameter.grad is None


def test_the_loss_of_an_epoch_is_the_mean_over_its_items():
    _, _, go = run(lambda p, positions, step: p.sum() * 0.0 + float(positions.mean()), epochs=1)
    assert go() == [pytest.approx(4.5, rel=1e-6)]


def test_the_last_step_is_smallest():
    seen = []
    _, _, go = run(lambda p, positions, step: seen.append(p.numpy().copy()) or p.sum(), n=4, epochs=50)
    go()
    moves = np.abs(np.diff(np.array(seen), axis=0)).max(axis=1)
    np.testing.assert_allclose(moves, [optim.cosine(step, 50, 0.1) for step in range(49)], rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda p, positions, step: (p - 1.0).log().sum(), "loss of step 0 is -inf"),
        (lambda p, positions, step: (p * (-1.0 if step == 2 else 1.0)).log().sum(), "loss of step 2 is nan"),
        (lambda p, positions, step: (p * 1e30).square().sum(), "loss of step 0 is inf"),
        (lambda p, positions, step: (p - 1.0).square().log().sigmoid().sum() * 3e38, "gradients' norm"),
    ],
)
def test_a_loss_that_is_not_finite_ends_training(loss, words):
    parameter, steps, go = run(loss)
    with pytest.raises(RuntimeError, match=words):
        go()
    assert np.isfinite(parameter.numpy()).all()
    if steps[-1][0] == 0:
        assert parameter.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n": 0}, ValueError, "n: expected at least 1, got 0"),
        ({"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        ({"batch_size": -3}, ValueError, "batch_size: expected at least 1, got -3"),
        ({"batch_size": 2.0}, TypeError, "batch_size: expected an int, got float"),
        ({"epochs": -1}, ValueError, "epochs: expected at least 0, got -1"),
        ({"epochs": True}, TypeError, "epochs: expected an int, got bool"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate"),
        ({"betas": (0.9, 1.0)}, ValueError, "betas"),
        ({"max_norm": 0.0}, ValueError, "max_norm"),
    ],
)
def test_bad_training_options(options, error, words):
    _, _, go = run(lambda p, positions, step: p.sum(), **options)
    with pytest.raises(error, match=words):
        go()


# -- rank correlation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 5, 40, 10**6])
@pytest.mark.parametrize("n", [2, 3, 10, 257])
def test_kendall_tau_against_all_pairs(n, levels):
    rng = np.random.default_rng(n)
    checked = 0
    for _ in range(5):
        x = rng.integers(0, levels, n).astype(float)
        y = np.round(x + levels * rng.normal(size=n) / 3)
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert math.isnan(kendall_tau(x, y))
            continue
        assert kendall_tau(x, y) == pytest.approx(kendall_twin(x, y), abs=1e-12)
        assert kendall_tau(-x, y) == pytest.approx(-kendall_twin(x, y), abs=1e-12)
        checked += 1
    assert checked > 0
