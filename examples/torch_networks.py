"""The networks of NAS-Bench-201, NAS-Bench-101 and DARTS in PyTorch, made of cells by ``crlso.integrations.torch``.

    pip install 'crlso[torch]'
    python examples/torch_networks.py

It prints the numbers of parameters of some networks beside those of the benchmarks, which are the same. Some of
NAS-Bench-101 differ by less than one percent: where the channels of the output cannot be divided evenly among vertices,
the first ones get one more, and crlso orders vertices in its own way. Copy the network that is nearest to yours, and
change it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

import crlso
from crlso.integrations.torch import Place, build
from crlso.spaces import Cell

CLASSES = 10


def parameters(module: nn.Module) -> int:
    """Return the number of parameters that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


class Head(nn.Sequential):
    """The mean over the image and a linear classifier."""

    def __init__(self, channels: int, classes: int = CLASSES) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


# -- NAS-Bench-201 -----------------------------------------------------------------------------------------------------


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Make a block of ReLU, convolution and batch norm."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), layer, nn.BatchNorm2d(outputs))


def cell201(cell: Cell, channels: int) -> nn.Module:
    """Make a cell: operations on edges, sums at nodes."""
    return build(
        cell,
        {
            "none": None,
            "skip_connect": lambda place: nn.Identity(),
            "nor_conv_1x1": lambda place: relu_conv_bn(channels, channels, 1),
            "nor_conv_3x3": lambda place: relu_conv_bn(channels, channels, 3),
            "avg_pool_3x3": lambda place: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
        },
    )


class Reduction201(nn.Module):
    """A residual block that halves the image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.long = nn.Sequential(relu_conv_bn(inputs, outputs, 3, stride=2), relu_conv_bn(outputs, outputs, 3))
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        return self.short(x) + self.long(x)


def network201(cell: Cell, channels: int = 16, cells: int = 5, classes: int = CLASSES) -> nn.Module:
    """Make the network of NAS-Bench-201: three stages of cells with residual blocks between them."""
    layers = [nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))]
    for stage in range(3):
        if stage:
            layers.append(Reduction201(channels, 2 * channels))
            channels *= 2
        layers += [cell201(cell, channels) for _ in range(cells)]
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), Head(channels, classes))


# -- NAS-Bench-101 -----------------------------------------------------------------------------------------------------


def conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Module:
    """Make a block of convolution, batch norm and ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class Truncate(nn.Module):
    """The first channels of what comes from a wider vertex."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Return them."""
        return x[:, : self.channels]


def vertex_channels(edges: Sequence[tuple[int, int]], last: int, outputs: int) -> dict[int, int]:
    """Return the channels of each vertex between input and output.

    Those that lead to the output share its channels; another has as many as the widest vertex that it leads to.
    """
    final = [source for source, target in edges if target == last and source > 0]
    share, rest = divmod(outputs, max(len(final), 1))
    channels = {vertex: share + (i < rest) for i, vertex in enumerate(sorted(final))}
    for vertex in sorted({source for source, _ in edges if source > 0} - set(final), reverse=True):
        channels[vertex] = max(channels[target] for source, target in edges if source == vertex)
    return channels


def output101(arriving: Mapping[int, Tensor]) -> Tensor:
    """Concatenate the vertices, and add the projected input where an edge leads from it to the output."""
    vertices = [tensor for source, tensor in arriving.items() if source > 0]
    if not vertices:
        return arriving[0]
    joined = torch.cat(vertices, dim=1)
    return joined + arriving[0] if 0 in arriving else joined


def cell101(cell: Cell, inputs: int, outputs: int) -> nn.Module:
    """Make a cell: operations on vertices, projections of the input, a concatenation at the output."""
    space = crlso.spaces.NASBench101()
    (pruned,) = space.cells(space.canonicalise([cell]))
    matrix, _ = space.matrix(pruned)
    last = len(matrix) - 1
    edges = [(source, target) for target in range(last + 1) for source in range(target) if matrix[source][target]]
    output = space.n_nodes - 1  # the last node of the space, whatever the size of the cell
    channels = {**vertex_channels(edges, last, outputs), output: outputs}

    def connect(place: Place) -> nn.Module:
        (source,) = place.sources
        if source == 0:
            return conv_bn_relu(inputs, channels[place.target], 1)
        return nn.Identity() if place.target == output else Truncate(channels[place.target])

    operations = {
        "conv3x3-bn-relu": lambda place: conv_bn_relu(channels[place.target], channels[place.target], 3),
        "conv1x1-bn-relu": lambda place: conv_bn_relu(channels[place.target], channels[place.target], 1),
        "maxpool3x3": lambda place: nn.MaxPool2d(3, stride=1, padding=1),
    }
    return build(pruned, operations, connect=connect, output=output101)


def network101(cell: Cell, channels: int = 128, cells: int = 3, classes: int = CLASSES) -> nn.Module:
    """Make the network of NAS-Bench-101: three stacks of cells with pooling between them."""
    layers: list[nn.Module] = [conv_bn_relu(3, channels, 3)]
    before = channels
    for stack in range(3):
        if stack:
            layers.append(nn.MaxPool2d(2))
            channels *= 2
        for _ in range(cells):
            layers.append(cell101(cell, before, channels))
            before = channels
    return nn.Sequential(*layers, Head(channels, classes))


# -- DARTS -------------------------------------------------------------------------------------------------------------


class FactorisedReduction(nn.Module):
    """ReLU, and two 1x1 convolutions of stride 2 that see every second pixel each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.second = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised pair."""
        x = torch.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], dim=1))


def depthwise(channels: int, kernel: int, stride: int, dilation: int = 1) -> nn.Module:
    """Make a block of ReLU, depthwise and pointwise convolution, and batch norm."""
    padding = dilation * (kernel // 2)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels, "bias": False}
    layers = [nn.Conv2d(channels, channels, kernel, **options), nn.Conv2d(channels, channels, 1, bias=False)]
    return nn.Sequential(nn.ReLU(), *layers, nn.BatchNorm2d(channels))


class CellDARTS(nn.Module):
    """A normal or a reduction cell with the 1x1 convolutions of its two inputs."""

    def __init__(
        self, cell: Cell, before: int, last: int, channels: int, reduces: bool, follows_reduction: bool
    ) -> None:
        super().__init__()
        first = FactorisedReduction(before, channels) if follows_reduction else relu_conv_bn(before, channels, 1)
        self.inputs = nn.ModuleList([first, relu_conv_bn(last, channels, 1)])

        def stride(place: Place) -> int:
            return 2 if reduces and place.sources[0] < 2 else 1

        def skip(place: Place) -> nn.Module:
            return nn.Identity() if stride(place) == 1 else FactorisedReduction(channels, channels)

        def separable(kernel: int):
            return lambda place: nn.Sequential(
                depthwise(channels, kernel, stride(place)), depthwise(channels, kernel, stride=1)
            )

        def dilated(kernel: int):
            return lambda place: depthwise(channels, kernel, stride(place), dilation=2)

        operations = {
            "max_pool_3x3": lambda place: nn.MaxPool2d(3, stride(place), padding=1),
            "avg_pool_3x3": lambda place: nn.AvgPool2d(3, stride(place), padding=1, count_include_pad=False),
            "skip_connect": skip,
            "sep_conv_3x3": separable(3),
            "sep_conv_5x5": separable(5),
            "dil_conv_3x3": dilated(3),
            "dil_conv_5x5": dilated(5),
        }
        self.cell = build(cell, operations, graph="reduce" if reduces else "normal")

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        """Return the four intermediate nodes, concatenated."""
        return self.cell(self.inputs[0](before), self.inputs[1](last))


class NetworkDARTS(nn.Module):
    """The network of DARTS for CIFAR-10, without an auxiliary head: the outputs of two cells go into the next."""

    def __init__(self, cell: Cell, channels: int = 32, layers: int = 8, classes: int = CLASSES) -> None:
        super().__init__()
        before = last = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, last, 3, padding=1, bias=False), nn.BatchNorm2d(last))
        self.cells = nn.ModuleList()
        follows_reduction = False
        for layer in range(layers):
            reduces = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduces else 1
            self.cells.append(CellDARTS(cell, before, last, channels, reduces, follows_reduction))
            before, last, follows_reduction = last, 4 * channels, reduces
        self.head = Head(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images (n, 3, height, width)."""
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.head(last)


def main() -> None:
    """Print the parameters of some networks beside those of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2, help="networks of each benchmark; default: %(default)s")
    arguments = parser.parse_args()
    benchmarks = crlso.benchmarks
    for bench, network in (
        (benchmarks.NASBench201("cifar10"), network201),
        (benchmarks.NASBench101(), network101),
        (benchmarks.NASBench301.standin(), NetworkDARTS),
    ):
        cells = bench.space.cells(bench.space.sample(arguments.cells, rng=0))
        for cell, expected in zip(cells, bench.measure("parameters", cells)):
            print(f"{bench.name:<20} {parameters(network(cell)) / 1e6:.6f} million; the benchmark has {expected:.6f}")


if __name__ == "__main__":
    main()
