"""Search for the cell of a small convolutional network, trained on handwritten digits with PyTorch on one CPU core.

    pip install crlso torch scikit-learn
    python examples/digits.py                    # 30 evaluations per search, two methods, three seeds
    python examples/digits.py --seeds 1 --budget 10

The space is defined here: four nodes, any edges between them, and one of four operations on each edge. An evaluation
trains a network of the cell on 200 digits of 8x8 pixels and measures its accuracy on 1,000 others, the validation
split. A search sees only this value. The remaining 597 digits are the test split, on which the chosen cell is measured
after the search. Training is seeded, so that evaluating a cell again gives the same value.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import crlso

CHANNELS = 8
EPOCHS = 12
BATCH = 50
SPLIT_SEED = 0
TRAINING_SEEDS = (0, 1, 2)  # a value is the mean over three trainings


def load_splits() -> list[tuple[Tensor, Tensor]]:
    """Load images (n, 1, 8, 8) and labels (n,) for training, validation and test."""
    digits = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(digits.target))
    images = torch.tensor(digits.images[order, None] / 8.0 - 1.0, dtype=torch.float32)
    labels = torch.tensor(digits.target[order])
    return [(images[part], labels[part]) for part in (slice(0, 200), slice(200, 1200), slice(1200, None))]


def convolution(kernel: int, inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Make a block of ReLU, convolution and batch norm."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), layer, nn.BatchNorm2d(outputs))


OPERATIONS = {
    "skip_connect": lambda channels: nn.Identity(),
    "nor_conv_1x1": lambda channels: convolution(1, channels, channels),
    "nor_conv_3x3": lambda channels: convolution(3, channels, channels),
    "avg_pool_3x3": lambda channels: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


class CellModule(nn.Module):
    """A cell as a layer: each node is the sum of the outputs of its incoming edges; the last node is the output."""

    def __init__(self, cell: crlso.spaces.Cell, channels: int) -> None:
        super().__init__()
        (graph,) = cell.graphs
        self.last = len(graph.labels) - 1
        self.edges = [(source, target) for source, target, _, _ in graph.edges]
        self.operations = nn.ModuleList(OPERATIONS[name](channels) for _, _, name, _ in graph.edges)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x] + [torch.zeros_like(x) for _ in range(self.last)]
        # Edges are sorted by target, so a node is complete before it is read.
        for (source, target), operation in zip(self.edges, self.operations):
            nodes[target] = nodes[target] + operation(nodes[source])
        return nodes[self.last]


def network(cell: crlso.spaces.Cell) -> nn.Module:
    """Make a network: stem, cell, a convolution that halves the image, cell, classifier."""
    return nn.Sequential(
        nn.Conv2d(1, CHANNELS, 3, padding=1, bias=False),
        nn.BatchNorm2d(CHANNELS),
        CellModule(cell, CHANNELS),
        convolution(3, CHANNELS, 2 * CHANNELS, stride=2),
        CellModule(cell, 2 * CHANNELS),
        nn.BatchNorm2d(2 * CHANNELS),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * CHANNELS, 10),
    )


def train(model: nn.Module, images: Tensor, labels: Tensor, seed: int) -> None:
    """Train a model by stochastic gradient descent with a cosine learning-rate schedule."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = EPOCHS * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(labels), generator=generator).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the accuracy in percent."""
    model.eval()
    return 100.0 * (model(images).argmax(dim=1) == labels).double().mean().item()


class Digits:
    """Trains the networks of cells and caches their accuracies."""

    def __init__(self) -> None:
        self.splits = load_splits()
        self.measured: dict[crlso.spaces.Cell, tuple[float, float]] = {}
        self.seconds: list[float] = []

    def validation(self, cell: crlso.spaces.Cell) -> float:
        """Return the validation accuracy in percent, which a search maximises."""
        return self._measure(cell)[0]

    def test(self, cell: crlso.spaces.Cell) -> float:
        """Return the test accuracy in percent, looked up after a search."""
        return self._measure(cell)[1]

    def _measure(self, cell: crlso.spaces.Cell) -> tuple[float, float]:
        if cell not in self.measured:
            start = time.perf_counter()
            runs = [self._train_once(cell, seed) for seed in TRAINING_SEEDS]
            self.measured[cell] = tuple(statistics.mean(column) for column in zip(*runs))
            self.seconds.append(time.perf_counter() - start)
        return self.measured[cell]

    def _train_once(self, cell: crlso.spaces.Cell, seed: int) -> tuple[float, float]:
        torch.manual_seed(seed)  # the initial weights
        model = network(cell)
        training, validation, test = self.splits
        train(model, *training, seed)
        return accuracy(model, *validation), accuracy(model, *test)


def main() -> None:
    """Run both methods on the same seeds and compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=30, help="evaluations per search (default: 30)")
    parser.add_argument("--seeds", type=int, default=3, help="searches per method (default: 3)")
    parser.add_argument("--method", default="cr-lso-paper", help="compared with random search (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    crlso.set_num_threads(1)

    digits = Digits()
    space = crlso.spaces.CellSpace(nodes=4, operations=list(OPERATIONS), operations_on="edges", edges="free")
    benchmark = crlso.benchmarks.Function(space, digits.validation, "digits", digits.test, objective="validation")
    methods = (arguments.method, "random")
    validation: dict[str, list[float]] = {method: [] for method in methods}
    test: dict[str, list[float]] = {method: [] for method in methods}
    print("seed  method         validation    test  seconds  cell")
    for seed in range(arguments.seeds):
        for method in methods:
            start = time.perf_counter()
            study = crlso.search(benchmark, method=method, budget=arguments.budget, rng=seed, progress=False)
            best = study.best
            validation[method].append(best.value)
            test[method].append(best.test)
            tested, seconds = best.test, time.perf_counter() - start
            print(f"{seed:4}  {method:13} {best.value:11.2f} {tested:7.2f} {seconds:8.0f}  {best.cell}", flush=True)
    print(f"One evaluation took {statistics.median(digits.seconds):.1f} s (median of {len(digits.seconds)}).")
    report(arguments, validation, "validation, which the searches maximise")
    report(arguments, test, "test, of the chosen cells")


def report(arguments: argparse.Namespace, results: dict[str, list[float]], split: str) -> None:
    """Print mean accuracies, and which method is better if they differ by more than two standard errors."""
    ours, random = results.values()
    differences = [a - b for a, b in zip(ours, random)]
    n, difference = len(differences), statistics.mean(differences)
    error = statistics.stdev(differences) / n**0.5 if n > 1 else float("inf")
    leader = arguments.method if difference > 0 else "random"
    verdict = f"{leader} is better" if abs(difference) > 2 * error else "no clear difference"
    print(
        f"Mean accuracy on {split}: {arguments.method} {statistics.mean(ours):.2f}, "
        f"random {statistics.mean(random):.2f}: {verdict} (difference {difference:+.2f}, standard error {error:.2f}; "
        f"higher in {sum(d > 0 for d in differences)}, lower in {sum(d < 0 for d in differences)} of {n} seeds)."
    )


if __name__ == "__main__":
    main()
