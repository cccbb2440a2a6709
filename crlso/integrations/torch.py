"""PyTorch: the module of a cell, made of a module for each of its operations (``pip install 'crlso[torch]'``).

``examples/torch_networks.py`` has the networks of NAS-Bench-101, NAS-Bench-201 and DARTS, made of such modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from crlso._base.checks import check_choice
from crlso.spaces import Cell
from crlso.spaces.layout import CellLayout, layout_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
else:
    try:
        from torch.nn import Module
    except ImportError:  # build says so
        Module = object

__all__ = ["CellModule", "Place", "build"]

Make: TypeAlias = "Callable[[Place], Module]"
Merge: TypeAlias = "str | Callable[[dict[int, Tensor]], Tensor]"


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class Place:
    """Where in a cell an operation is.

    Parameters
    ----------
    name : str
        Name of the place, as of its module: ``"edge_0_1"`` or ``"node_2"``.
    sources : tuple of int
        Nodes whose outputs arrive there: one for an edge; of a node, all from which an edge leads to it.
    target : int
        The node to which the edge leads, or the node itself.

    Examples
    --------
    >>> Place("edge_0_2", (0,), 2).target
    2
    """

    name: str
    sources: tuple[int, ...]
    target: int


class _Step(NamedTuple):
    """How the value of a node is made: from which nodes, each through a module or as it is, and its own module."""

    target: int
    arriving: tuple[tuple[int, str | None], ...]
    own: str | None


class CellModule(Module):
    """The module of a cell, which :func:`build` makes.

    It is called with a tensor for each input of the cell, and returns the output of the cell. Its parts are in
    ``parts``, a ``torch.nn.ModuleDict``, by the names of their places.

    Parameters
    ----------
    cell : Cell
        The cell that it is of.
    steps : sequence
        How the value of each node is made, as :func:`build` writes it.
    parts : mapping of str to torch.nn.Module
        Modules by the names of their places.
    output : "sum", "concat" or callable
        As for :func:`build`.

    Examples
    --------
    >>> import torch
    >>> from crlso.spaces import NASBench201
    >>> cell = NASBench201().cell("|skip_connect~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    >>> module = build(cell, {"none": None, "skip_connect": lambda place: torch.nn.Identity()})
    >>> list(module.parts), module(torch.zeros(8, 16, 32, 32)).shape
    (['edge_0_1', 'edge_1_3'], torch.Size([8, 16, 32, 32]))
    """

    def __init__(self, cell: Cell, steps: Any, parts: Mapping[str, Module], output: Merge) -> None:
        from torch.nn import ModuleDict

        super().__init__()
        self.cell, self.output = cell, output
        *self._steps, self._last = (_Step(*step) for step in steps)
        self.parts = ModuleDict(parts)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the output of the cell for its inputs.

        Parameters
        ----------
        *inputs : torch.Tensor
            One tensor for each input of the cell, of shapes that the operations take.

        Returns
        -------
        torch.Tensor
            Zeros of the shape of the first input if nothing reaches the output.

        Raises
        ------
        TypeError
            If the number of inputs is another one.
        """
        n_inputs = layout_of(self.cell.space).n_inputs
        if len(inputs) != n_inputs:
            raise TypeError(f"inputs: expected {n_inputs} tensors, got {len(inputs)}")
        values = dict(enumerate(inputs))
        for step in self._steps:
            merged = _sum(self._arriving(step, values))
            values[step.target] = merged if step.own is None else self.parts[step.own](merged)
        arriving = self._arriving(self._last, values)
        if not arriving:
            return inputs[0] * 0.0
        return _MERGES[self.output](arriving) if isinstance(self.output, str) else self.output(arriving)

    def _arriving(self, step: _Step, values: Mapping[int, Tensor]) -> dict[int, Tensor]:
        return {
            source: values[source] if name is None else self.parts[name](values[source])
            for source, name in step.arriving
        }


def _sum(arriving: Mapping[int, Tensor]) -> Tensor:
    first, *others = arriving.values()
    for other in others:
        first = first + other
    return first


def _concat(arriving: Mapping[int, Tensor]) -> Tensor:
    import torch

    return torch.cat(list(arriving.values()), dim=1)


_MERGES: dict[str, Callable[[Mapping[int, Any]], Any]] = {"sum": _sum, "concat": _concat}


def build(
    cell: Cell,
    operations: Mapping[str, Make | None],
    *,
    graph: str | None = None,
    connect: Make | None = None,
    output: Merge | None = None,
) -> CellModule:
    """Make the PyTorch module of a cell.

    The value of a node is the sum of what arrives at it. Where operations are on edges, each edge applies its operation
    to the value of its source; where they are on nodes, a node applies its operation to the sum. What is on no path
    from an input to the output is skipped, and has no parameters.

    Parameters
    ----------
    cell : Cell
        A cell of any space.
    operations : mapping of str to callable or None
        For the name of each operation of the cell, a function that makes its module: ``make(place)`` gets the
        :class:`Place`, from which it can tell, for example, the stride or the channels. None: the operation passes
        nothing on.
    graph : str, optional
        Which graph of the cell, for spaces whose cells have several: ``"normal"`` or ``"reduce"`` of DARTS.
    connect : callable, optional
        Where operations are on nodes: ``connect(place)`` makes a module for each edge, such as a projection. By default
        edges pass values on as they are.
    output : "sum", "concat" or callable, optional
        How the output is made of what arrives at it. A function gets a dict of tensors by the nodes that they come
        from. By default ``"sum"``; in spaces without an output node, whose output is all intermediate nodes,
        ``"concat"`` along the channels, which are dimension 1.

    Returns
    -------
    CellModule

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    TypeError, ValueError
        If `cell` is no Cell, an operation of the cell is missing, or an argument is none of the above.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from crlso.spaces import NASBench201
    >>> operations = {
    ...     "none": None,
    ...     "skip_connect": lambda place: nn.Identity(),
    ...     "nor_conv_1x1": lambda place: nn.Conv2d(16, 16, 1),
    ...     "nor_conv_3x3": lambda place: nn.Conv2d(16, 16, 3, padding=1),
    ...     "avg_pool_3x3": lambda place: nn.AvgPool2d(3, stride=1, padding=1),
    ... }
    >>> module = build(NASBench201().cell(6111), operations)
    >>> module(torch.zeros(8, 16, 32, 32)).shape
    torch.Size([8, 16, 32, 32])
    """
    if Module is object:
        raise ImportError("build needs PyTorch: pip install 'crlso[torch]'")
    if not isinstance(cell, Cell):
        raise TypeError(f"cell: expected a Cell, got {type(cell).__name__}")
    layout = layout_of(cell.space)
    names = _operations_of(layout, cell, graph)
    on_edges = not layout.operations_on_nodes
    if connect is not None and on_edges:
        raise ValueError("connect: expected None, as the operations of the space are on edges")
    if output is None:
        output = "sum" if layout.has_output else "concat"
    if not callable(output):
        check_choice("output", output, _MERGES)
    edges = _live_edges(layout, names, operations)
    parts: dict[str, Module] = {}
    steps = []
    for node in [*layout.intermediate, *([layout.n_nodes - 1] if layout.has_output else [])]:
        sources = tuple(source for source, target in edges if target == node)
        if not sources and node in layout.intermediate:
            continue
        arriving = []
        for source in sources:
            place = Place(f"edge_{source}_{node}", (source,), node)
            make = operations[names[source, node]] if on_edges else connect
            arriving.append((source, _add(parts, place, make)))
        own = None
        if not on_edges and node in layout.intermediate:
            own = _add(parts, Place(f"node_{node}", sources, node), operations[names[node]])
        steps.append(_Step(node, tuple(arriving), own))
    if not layout.has_output:
        steps.append(_Step(layout.n_nodes, tuple((step.target, None) for step in steps), None))
    return CellModule(cell, steps, parts, output)


def _add(parts: dict[str, Module], place: Place, make: Make | None) -> str | None:
    """Make the module of a place and return its name; None where values pass as they are."""
    if make is None:
        return None
    module = make(place)
    if not isinstance(module, Module):
        raise TypeError(f"{place.name}: expected a torch.nn.Module, got {type(module).__name__}")
    parts[place.name] = module
    return place.name


def _operations_of(layout: CellLayout, cell: Cell, graph: str | None) -> dict[Any, str]:
    """Return the operation of each edge (source, target) or node of a graph; of edges without one, an empty name."""
    title = (
        layout.graphs[0] if graph is None and len(layout.graphs) == 1 else check_choice("graph", graph, layout.graphs)
    )
    codes = layout.split_row(cell.codes)[layout.graphs.index(title)]
    places: Any = layout.intermediate if layout.operations_on_nodes else layout.edges
    names = {place: name for place, name in zip(places, layout.operation_names(codes)) if name is not None}
    if not layout.operations_on_nodes:
        return names
    there = {edge: "" for edge, column in zip(layout.edges, layout.edge_columns) if column < 0 or codes[column]}
    return {**names, **there}


def _live_edges(
    layout: CellLayout, names: Mapping[Any, str], operations: Mapping[str, Make | None]
) -> list[tuple[int, int]]:
    """Return the edges on a path from an input to the output, in the order of their targets and sources."""
    if not isinstance(operations, Mapping):
        raise TypeError(f"operations: expected a mapping of names to functions, got {type(operations).__name__}")
    missing = [name for name in names.values() if name and name not in operations]
    if missing:
        raise ValueError(f"operations: expected a function for {missing[0]!r}, got {', '.join(operations):.200}")

    def passes(place: Any) -> bool:
        return place in names and (names[place] == "" or operations[names[place]] is not None)

    edges = [edge for edge in layout.edges if passes(edge)]
    if layout.operations_on_nodes:
        open_ = {*range(layout.n_inputs), *filter(passes, layout.intermediate), layout.n_nodes - 1}
        edges = [edge for edge in edges if set(edge) <= open_]
    reached = set(range(layout.n_inputs))
    for source, target in edges:  # by target: sources come before
        reached |= {target} if source in reached else set()
    used = {layout.n_nodes - 1} if layout.has_output else set(layout.intermediate)
    for source, target in sorted(edges, key=lambda edge: -edge[0]):
        used |= {source} if target in used else set()
    return [(source, target) for source, target in edges if source in reached and target in used]
