"""Search for cells that are accurate and fast on this processor, by latencies of PyTorch that are measured here.

    pip install crlso torch
    python examples/latency_torch.py              # seconds, on one core
    python examples/latency_torch.py --cells 5    # networks as long as those of the benchmark

Accuracies are those of NAS-Bench-201 on CIFAR-10; latencies are those of its networks for one image, on this machine.
A search wants to know them for all cells, and to measure 4,930 networks would take longer than the search. So each
operation is measured alone, in each of the three stages, and the latency of a cell is predicted as the sum. That the
sum ranks networks as they are measured is checked before the search, and the cells that were found are measured at
the end.

**These numbers are noisy.** Other programs, the clock of the processor and its temperature change them. Each is the
smallest of several rounds, as other programs can only add to it; a round measures every network once, so that a slow
second hits all of them. The script prints by how much two measurements of the same network differ. Smaller differences
between cells mean nothing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

import crlso
from crlso.spaces import Cell

CHANNELS = (16, 32, 64)  # of the three stages
SIDES = (32, 16, 8)  # of their images, in pixels


def convolution(kernel: int, inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Make a block of ReLU, convolution and batch norm."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), layer, nn.BatchNorm2d(outputs))


OPERATIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "skip_connect": lambda channels: nn.Identity(),
    "nor_conv_1x1": lambda channels: convolution(1, channels, channels),
    "nor_conv_3x3": lambda channels: convolution(3, channels, channels),
    "avg_pool_3x3": lambda channels: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


class CellModule(nn.Module):
    """A cell as a layer: each node is the sum of the outputs of its incoming edges; the last node is the output."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        (graph,) = cell.graphs
        edges = [(source, target, name) for source, target, name, _ in graph.edges if name != "none"]
        self.last = len(graph.labels) - 1
        self.edges = [(source, target) for source, target, _ in edges]
        self.operations = nn.ModuleList(OPERATIONS[name](channels) for _, _, name in edges)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the cell; zeros where nothing reaches it."""
        nodes: list[Tensor | None] = [x] + [None] * self.last
        for (source, target), operation in zip(self.edges, self.operations):  # sorted by target
            value = nodes[source]
            if value is not None:
                out, before = operation(value), nodes[target]
                nodes[target] = out if before is None else before + out
        return torch.zeros_like(x) if nodes[-1] is None else nodes[-1]


class Reduction(nn.Module):
    """A residual block that halves the image and doubles the channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.long = nn.Sequential(convolution(3, inputs, 2 * inputs, 2), convolution(3, 2 * inputs, 2 * inputs))
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, 2 * inputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both paths."""
        return self.long(x) + self.short(x)


def network(cell: Cell, cells: int) -> nn.Module:
    """Make the network of NAS-Bench-201 with `cells` cells in each of its three stages."""
    stem = nn.Sequential(nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS[0]))
    layers: list[nn.Module] = [stem]
    for stage, channels in enumerate(CHANNELS):
        if stage > 0:
            layers.append(Reduction(CHANNELS[stage - 1]))
        layers += [CellModule(cell, channels) for _ in range(cells)]
    head = [nn.BatchNorm2d(CHANNELS[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], 10)]
    return nn.Sequential(*layers, *head)


@torch.inference_mode()
def milliseconds(modules: list[nn.Module], inputs: list[Tensor], repeats: int) -> list[float]:
    """Measure each module on its input: the smallest of several rounds, in each of which every module has its turn."""
    smallest = [math.inf] * len(modules)
    for module in modules:
        module.eval()
    for _ in range(repeats):
        for i, (module, x) in enumerate(zip(modules, inputs)):
            begin = time.perf_counter()
            module(x)
            smallest[i] = min(smallest[i], 1000 * (time.perf_counter() - begin))
    return smallest


def measured(cells: list[Cell], arguments: argparse.Namespace) -> np.ndarray:
    """Measure the networks of cells, shape (n,), in milliseconds."""
    modules = [network(cell, arguments.cells) for cell in cells]
    return np.array(milliseconds(modules, [torch.zeros(1, 3, 32, 32)] * len(cells), arguments.repeats))


def predictor(space: crlso.spaces.CellSpace, arguments: argparse.Namespace) -> Callable[[Cell], float]:
    """Measure each operation in each stage; the predicted latency of a cell in milliseconds."""
    names = [name for name in OPERATIONS for _ in CHANNELS]
    modules = [OPERATIONS[name](channels) for name in OPERATIONS for channels in CHANNELS]
    inputs = [torch.zeros(1, c, side, side) for _ in OPERATIONS for c, side in zip(CHANNELS, SIDES)]
    cost = dict.fromkeys(space.operations, 0.0)
    for name, spent in zip(names, milliseconds(modules, inputs, 4 * arguments.repeats)):
        cost[name] += arguments.cells * spent
    nothing = space.cell("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    rest = float(measured([nothing], arguments)[0])  # what is not in cells
    print(f"one image: {rest:.2f} ms and for each edge", {name: round(spent, 2) for name, spent in cost.items()})
    return lambda cell: rest + sum(cost[name] for name in cell.operations)


def check(space: crlso.spaces.CellSpace, latency: Callable[[Cell], float], arguments: argparse.Namespace) -> None:
    """Print how noisy the measurements are, and how well they are predicted."""
    cells = space.cells(space.sample(20, rng=0, unique_classes=True))
    first, second = measured(cells, arguments), measured(cells, arguments)
    predicted = np.array([latency(cell) for cell in cells])
    noise = 100 * np.abs(first / second - 1)
    error = 100 * np.abs(predicted / first - 1)
    print(f"20 networks measured twice differ by {np.median(noise):.0f} % (median) and {noise.max():.0f} % (largest)")
    print(f"predictions are wrong by {np.median(error):.0f} % (median)", end="; ")
    print(f"tau between measurements {tau(first, second):.2f}, of predictions {tau(predicted, first):.2f}")


def tau(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau: the share of pairs that are in the same order, minus that of the others."""
    upper = np.triu_indices(len(x), 1)
    return float(np.mean(np.sign(x[:, None] - x)[upper] * np.sign(y[:, None] - y)[upper]))


def main() -> None:
    """Measure operations, search, and measure what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=60, help="queries of the search (default: 60)")
    parser.add_argument("--cells", type=int, default=1, help="cells in each stage, 5 in the benchmark (default: 1)")
    parser.add_argument("--repeats", type=int, default=30, help="rounds of measurements (default: 30)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    table = crlso.benchmarks.NASBench201("cifar10")
    latency = predictor(table.space, arguments)
    check(table.space, latency, arguments)
    bench = crlso.benchmarks.Function(table.space, table.evaluate, "this processor", measures={"latency": latency})
    study = crlso.search(bench, budget=arguments.budget, objectives=["value", "-latency"], progress=False)
    print("validation  predicted  measured  cell")
    for trial, spent in zip(study.front, measured([trial.cell for trial in study.front], arguments)):
        predicted = trial.measurement.objectives["latency"]
        print(f"{trial.value:8.2f} % {predicted:7.2f} ms {spent:6.2f} ms  {trial.cell}")


if __name__ == "__main__":
    main()
