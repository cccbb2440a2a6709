"""PyTorch modules of cells: sums and skipped nodes by hand, and the networks of the benchmarks by their parameters."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import crlso
from crlso.integrations.torch import Place, build
from crlso.spaces import DARTS, Cell, CellSpace, NASBench101, NASBench201, NASBenchMacro

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'crlso[torch]'")
from torch import nn  # noqa: E402

from examples import torch_networks  # noqa: E402


class Times(nn.Module):
    """Multiplies by a weight."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


SPACE = NASBench201()
FACTORS = {"skip_connect": 1.0, "nor_conv_1x1": 3.0, "nor_conv_3x3": 5.0, "avg_pool_3x3": 7.0}
OPERATIONS = {name: (lambda place, factor=factor: Times(factor)) for name, factor in FACTORS.items()}
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
X = torch.ones(2, 3, 4, 4)


def by_hand(cell: Cell) -> float:
    """What a cell of NAS-Bench-201 makes of 1, where operations are factors."""
    values = [1.0, 0.0, 0.0, 0.0]
    for (source, target), name in zip(EDGES, cell.operations):
        values[target] += values[source] * FACTORS.get(name, 0.0)
    return values[3]


def test_sums_of_products():
    for cell in SPACE.cells(SPACE.sample(60, rng=0)):
        module = build(cell, {**OPERATIONS, "none": None})
        assert module(X).shape == X.shape and torch.all(module(X) == by_hand(cell))


def test_what_is_on_no_path_has_no_parameters():
    cell = SPACE.cell("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|none~1|none~2|")
    module = build(cell, {**OPERATIONS, "none": None})
    assert list(module.parts) == ["edge_0_3"] and torch.all(module(X) == 1)
    nothing = build(SPACE.cell([0] * 6), {**OPERATIONS, "none": None})
    assert not list(nothing.parameters()) and torch.all(nothing(X) == 0) and nothing(X).shape == X.shape
    # An operation that passes nothing on need not be called none.
    assert list(build(SPACE.cell([3] * 6), {"nor_conv_3x3": OPERATIONS["nor_conv_3x3"]}).parts)
    assert not list(build(SPACE.cell([3] * 6), {"nor_conv_3x3": None}).parts)


def test_operations_on_nodes():
    space = CellSpace(nodes=5, operations=["double", "triple"], operations_on="nodes", edges="free")
    operations = {"double": lambda place: Times(2.0), "triple": lambda place: Times(3.0)}
    cell = space.cell("double(0)+triple(0,1)+double(1)+output(0,2)")  # node 3 leads nowhere
    places = []

    def connect(place: Place):
        places.append(place)
        return Times(10.0)

    assert torch.all(build(cell, operations)(X) == 1 + 3 * (1 + 2))
    module = build(cell, operations, connect=connect, output="concat")
    assert sorted(module.parts) == ["edge_0_1", "edge_0_2", "edge_0_4", "edge_1_2", "edge_2_4", "node_1", "node_2"]
    assert places[-1] == Place("edge_2_4", (2,), 4)
    found = module(X)
    assert found.shape == (2, 6, 4, 4)
    assert torch.all(found[:, :3] == 10) and torch.all(found[:, 3:] == 10 * 3 * (10 + 10 * 2 * 10))
    chosen = build(cell, operations, output=lambda arriving: arriving[2] - arriving[0])
    assert torch.all(chosen(X) == 3 * (1 + 2) - 1)


def test_chains():
    operations = {"identity": lambda place: Times(1.0), "mb3_k3": lambda place: Times(2.0)}
    operations["mb6_k5"] = lambda place: Times(1.0 + place.target)
    assert torch.all(build(NASBenchMacro().cell("01200000"), operations)(X) == 2 * 4)


def test_two_inputs_and_graphs():
    space = DARTS()
    (cell,) = space.cells(space.sample(1, rng=0))
    operations = {name: (lambda place: nn.Identity()) for name in space.operations}
    for graph in ("normal", "reduce"):
        module = build(cell, operations, graph=graph)
        assert module(X, X).shape == (2, 12, 4, 4) and len(module.parts) == 8
    with pytest.raises(TypeError, match="inputs: expected 2 tensors, got 1"):
        module(X)
    for wrong in (None, "normale"):
        with pytest.raises(ValueError, match="graph: expected"):
            build(cell, operations, graph=wrong)


def test_gradients_and_pickles():
    module = build(SPACE.cell([1, 2, 3, 4, 1, 2]), OPERATIONS)
    module(X).sum().backward()
    assert all(float(p.grad.abs()) > 0 for p in module.parameters())
    other = pickle.loads(pickle.dumps(module))
    assert torch.equal(other(X), module(X)) and other.cell == module.cell
    again = build(module.cell, OPERATIONS)
    again.load_state_dict({name: 2 * value for name, value in module.state_dict().items()})
    assert again.parts["edge_0_1"].factor == 2


# -- the networks of the benchmarks ------------------------------------------------------------------------------------


def counted(network) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_networks_of_nasbench201_have_its_parameters():
    for dataset, classes in (("cifar10", 10), ("ImageNet16-120", 120)):
        bench = crlso.benchmarks.NASBench201(dataset)
        cells = [cell for cell in SPACE.cells(SPACE.sample(30, rng=1)) if "none" not in cell.operations]
        assert len(cells) == 5
        for cell, expected in zip(cells, bench.parameters(cells)):
            assert counted(torch_networks.network201(cell, classes=classes)) == pytest.approx(expected, abs=1e-9)


def test_networks_of_nasbench101_have_its_parameters():
    bench, space = crlso.benchmarks.NASBench101(), NASBench101()
    cells = space.cells(space.sample(25, rng=0))
    even = 0
    for cell, expected in zip(cells, bench.parameters(cells)):
        matrix, _ = space.matrix(cell)
        final = sum(bool(row[-1]) for row in matrix[1:])
        found = counted(torch_networks.network101(cell))
        if final in (0, 1, 2, 4):  # these divide the channels evenly; else the order of vertices counts
            assert found == pytest.approx(expected, abs=1e-9)
            even += 1
        assert found == pytest.approx(expected, rel=0.02)
    assert even > 10


def test_networks_of_darts_have_its_parameters():
    bench, space = crlso.benchmarks.NASBench301.standin(), DARTS()
    cells = space.cells(space.sample(4, rng=0))
    for cell, expected in zip(cells, bench.measure("parameters", cells)):
        assert counted(torch_networks.NetworkDARTS(cell)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["network201", "network101", "NetworkDARTS"])
def test_networks_classify_and_learn(name):
    space = {"network201": SPACE, "network101": NASBench101(), "NetworkDARTS": DARTS()}[name]
    torch.manual_seed(0)
    for cell in space.cells(space.sample(3, rng=2)):
        network = getattr(torch_networks, name)(cell, 8)
        logits = network(torch.randn(2, 3, 16, 16))
        assert logits.shape == (2, 10) and torch.isfinite(logits).all()
        logits.sum().backward()


# -- wrong arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "operations", "options", "message"),
    [
        ("|a~0|", OPERATIONS, {}, "cell: expected a Cell, got str"),
        (SPACE.cell(3), [], {}, "operations: expected a mapping"),
        (SPACE.cell([3] * 6), {"none": None}, {}, "operations: expected a function for 'nor_conv_3x3', got none"),
        (SPACE.cell([3] * 6), {"nor_conv_3x3": lambda place: 3}, {}, "edge_0_1: expected a torch.nn.Module, got int"),
        (SPACE.cell([3] * 6), OPERATIONS, {"connect": lambda place: 1}, "connect: expected None"),
        (SPACE.cell([3] * 6), OPERATIONS, {"output": "mean"}, "output: expected"),
        (SPACE.cell([3] * 6), OPERATIONS, {"graph": "normal"}, "graph: expected"),
    ],
)
def test_wrong_arguments(cell, operations, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build(cell, operations, **options)


def test_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import crlso\nfrom crlso.integrations.torch import build\n"
        "try: build(crlso.spaces.NASBench201().cell(0), {})\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "build needs PyTorch: pip install 'crlso[torch]'\n"


def test_the_package_does_not_load_torch():
    code = "import sys, crlso.integrations; print('torch' in sys.modules, 'optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
