"""How the cells of a space are written as rows of codes, and the layouts of users' spaces."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_choice, check_int, is_int
from crlso._base.types import Codes

__all__ = ["CellLayout", "layout_from_name", "layout_of", "make_layout", "register_layout"]

MAX_NODES = 16  # per graph, inputs and output included
_OPERATION = re.compile(r"[^\s|~+(),;:=\[\]]+")
_RESERVED = ("absent", "input", "output")  # words of the text of cells
_SPACE = re.compile(
    r"cells\[nodes=(\d{1,2});inputs=(\d{1,2});on=(\w+);edges=([\w.-]+);max=(\w+);ops=([^;\]]+)"
    r"(?:;zero=([^;\]]+))?(?:;identity=([^;\]]+))?\]"
)


@dataclasses.dataclass(frozen=True)
class CellLayout:
    """What all cells of a space have in common.

    A cell is one graph, or several side by side (a normal and a reduction cell). The nodes of a graph are the inputs,
    then the intermediate nodes, then the output if there is one. A row of codes has, graph by graph, the operations of
    the intermediate nodes where operations are on nodes, then the edges, by target and source, where operations are on
    edges or edges are free. Where edges are free, code 0 is no edge, or an absent node, and operations count from 1.

    Parameters
    ----------
    name : str
        Name of the space.
    operations : tuple of str
    zero, identity : tuple of str
        Operations that pass nothing on, and those that pass on what they get.
    n_nodes, n_inputs : int
        Nodes of a graph and how many of them are inputs.
    edges : tuple of (int, int)
        Source and target of every edge that a graph has, or can have.
    free : bool
        Whether a cell has some of the edges, or always all.
    operations_on_nodes : bool
    has_output : bool
        False: the output is all intermediate nodes.
    max_edges, in_degree : int, optional
        The most edges of a graph; the number of edges into every intermediate node.
    graphs : tuple of str
        Titles of the graphs.
    to_text : callable, optional
        Writes a row of codes in a form of its own, instead of the general one.
    """

    name: str
    operations: tuple[str, ...]
    n_nodes: int
    n_inputs: int
    edges: tuple[tuple[int, int], ...]
    free: bool = False
    operations_on_nodes: bool = False
    has_output: bool = True
    max_edges: int | None = None
    in_degree: int | None = None
    graphs: tuple[str, ...] = ("",)
    zero: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    to_text: Callable[[tuple[int, ...]], str] | None = None

    @functools.cached_property
    def intermediate(self) -> range:
        """The intermediate nodes of a graph."""
        return range(self.n_inputs, self.n_nodes - self.has_output)

    @functools.cached_property
    def graph_cardinalities(self) -> tuple[int, ...]:
        """Number of values of each code of one graph."""
        operation = len(self.operations) + self.free
        nodes = (operation,) * len(self.intermediate) if self.operations_on_nodes else ()
        if not self.operations_on_nodes:
            return (operation,) * len(self.edges)
        return nodes + (2,) * len(self.edges) if self.free else nodes

    @functools.cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of values of each code."""
        return self.graph_cardinalities * len(self.graphs)

    @functools.cached_property
    def largest_codes(self) -> npt.NDArray[np.uint8]:
        """Largest value of each code."""
        return (np.array(self.cardinalities) - 1).astype(np.uint8)

    @functools.cached_property
    def groups(self) -> tuple[tuple[int, int, int], ...]:
        """Runs of codes with equally many values: (first, end, number of values)."""
        runs: list[tuple[int, int, int]] = []
        for column, k in enumerate(self.cardinalities):
            if runs and runs[-1][2] == k:
                runs[-1] = (runs[-1][0], column + 1, k)
            else:
                runs.append((column, column + 1, k))
        return tuple(runs)

    @functools.cached_property
    def of_core(self) -> tuple[int, int, int, bool, bool, int, int | None, int | None]:
        """The layout as functions of the core take it, where edges are free."""
        sizes = (len(self.graphs), self.n_nodes, self.n_inputs, self.has_output, self.operations_on_nodes)
        return (*sizes, len(self.operations), self.max_edges, self.in_degree)

    @functools.cached_property
    def form(self) -> tuple[Any, ...]:
        """The layout as functions of the core take it that compute features, for edges of any kind."""
        sizes = (len(self.graphs), len(self.graph_cardinalities), self.n_nodes, self.n_inputs, len(self.operations))
        edges = np.array(self.edges, dtype=np.int64).reshape(-1, 2)
        kinds = (self.has_output, self.operations_on_nodes, self.free)
        roles = (np.array(sorted(role), dtype=np.int64) for role in (self.dead_operations, self.identities))
        return (*sizes, *kinds, edges, np.array(self.edge_columns, dtype=np.int64), *roles)

    @functools.cached_property
    def edge_columns(self) -> tuple[int, ...]:
        """The code of each edge of the first graph; -1 where edges have none."""
        first = len(self.intermediate) if self.operations_on_nodes else 0
        if self.operations_on_nodes and not self.free:
            return (-1,) * len(self.edges)
        return tuple(range(first, first + len(self.edges)))

    def split(self, rows: Codes) -> list[Codes]:
        """Rows of codes, shape (..., codes), cut into graphs."""
        length = len(self.graph_cardinalities)
        return [rows[..., i * length : (i + 1) * length] for i in range(len(self.graphs))]

    def split_row(self, codes: tuple[int, ...]) -> list[tuple[int, ...]]:
        """A row of codes cut into graphs."""
        length = len(self.graph_cardinalities)
        return [codes[i * length : (i + 1) * length] for i in range(len(self.graphs))]

    def operation_names(self, codes: tuple[int, ...]) -> list[str | None]:
        """The operation on each edge, or on each intermediate node, of one graph; None where there is none."""
        n = len(self.intermediate if self.operations_on_nodes else self.edges)
        return [None if code < self.free else self.operations[code - self.free] for code in codes[:n]]

    # -- what operations do ---------------------------------------------------------------------------------------

    @functools.cached_property
    def dead_operations(self) -> frozenset[int]:
        """Indices of the operations that pass nothing on."""
        return frozenset(map(self.operations.index, self.zero))

    @functools.cached_property
    def identities(self) -> frozenset[int]:
        """Indices of the operations that pass on what they get."""
        return frozenset(map(self.operations.index, self.identity))


# -- layouts by name ----------------------------------------------------------------------------------------------

_LAYOUTS: dict[str, CellLayout] = {}


def register_layout(layout: CellLayout) -> CellLayout:
    """Make cells of a space known by its name.

    Raises
    ------
    ValueError
        When the name is taken by another layout.
    """
    if _LAYOUTS.setdefault(layout.name, layout) != layout:
        raise ValueError(f"space: expected a new name, got {layout.name!r}, which has a layout already")
    return layout


def layout_of(space: object) -> CellLayout:
    """Return the layout of the cells of a space, by its name.

    The name of a user's space says all about it, so that its cells can be read in any process.

    Raises
    ------
    TypeError, ValueError
        For another kind of object, and for a name of no space.
    """
    if not isinstance(space, str):
        raise TypeError(f"space: expected a str, got {type(space).__name__}")
    if space not in _LAYOUTS:
        register_layout(layout_from_name(space))
    return _LAYOUTS[space]


def layout_from_name(name: str) -> CellLayout:
    """Make the layout of a user's space from its name.

    Raises
    ------
    ValueError
        For a name that crlso would not write.
    """
    match = _SPACE.fullmatch(name)
    if match is None:
        known = ", ".join(known for known in _LAYOUTS if not _SPACE.fullmatch(known))
        raise ValueError(f"space: expected one of {known} or the name of a CellSpace, got {name!r:.200}")
    nodes, inputs, on, edges, most, operations, zero, identity = match.groups()
    try:
        pairs = edges if edges.isalpha() else [tuple(map(int, pair.split("-"))) for pair in edges.split(".")]
        max_edges = None if most == "None" else int(most)
        roles = [() if names is None else names.split(",") for names in (zero, identity)]
        layout = make_layout(int(nodes), operations.split(","), on, pairs, max_edges, int(inputs), *roles)
    except (TypeError, ValueError) as error:
        raise ValueError(f"space: expected the name of a space of cells, got {name!r:.200}: {error}") from None
    if layout.name != name:
        raise ValueError(f"space: expected the name of a space of cells as crlso writes it, got {name!r:.200}")
    return layout


# -- layouts of users' spaces -------------------------------------------------------------------------------------


def make_layout(
    nodes: Any,
    operations: Any,
    operations_on: Any,
    edges: Any,
    max_edges: Any,
    input_nodes: Any,
    zero: Any = (),
    identity: Any = (),
) -> CellLayout:
    """Make the layout of a user's space from the arguments of :class:`crlso.spaces.CellSpace`, checked.

    Raises
    ------
    TypeError, ValueError
        For arguments of which no space can be made.
    """
    n_nodes = check_int("nodes", nodes, 2, MAX_NODES)
    n_inputs = check_int("input_nodes", input_nodes, 1, MAX_NODES)
    if n_inputs >= n_nodes:
        raise ValueError(f"input_nodes: expected fewer than the {n_nodes} nodes, got {n_inputs}")
    names = _checked_operations(operations)
    check_choice("operations_on", operations_on, ("edges", "nodes"))
    pairs = _checked_edges(edges, n_nodes, n_inputs)
    free = isinstance(edges, str) and edges == "free"
    if max_edges is not None:
        max_edges = check_int("max_edges", max_edges, 1)
        if not free:
            raise ValueError(f"max_edges: expected None without edges='free', got {max_edges}")
    zeros, identities = (_checked_roles(*role, names) for role in (("zero", zero), ("identity", identity)))
    if both := set(zeros) & set(identities):
        raise ValueError(f"identity: expected other operations than those of zero, got {', '.join(sorted(both))}")
    roles = "".join(f";{role}={','.join(of)}" for role, of in (("zero", zeros), ("identity", identities)) if of)
    kind = edges if isinstance(edges, str) else ".".join(f"{source}-{target}" for source, target in pairs)
    graph = f"nodes={n_nodes};inputs={n_inputs};on={operations_on};edges={kind};max={max_edges}"
    layout = CellLayout(
        name=f"cells[{graph};ops={','.join(names)}{roles}]",
        operations=names,
        n_nodes=n_nodes,
        n_inputs=n_inputs,
        edges=pairs,
        free=free,
        operations_on_nodes=operations_on == "nodes",
        max_edges=max_edges,
        zero=zeros,
        identity=identities,
    )
    if not layout.cardinalities:
        raise ValueError(f"nodes: expected room for an operation, got {n_nodes} nodes with {n_inputs} inputs")
    return layout


def _checked_operations(operations: Any) -> tuple[str, ...]:
    """Different names that the text of cells can hold."""
    if isinstance(operations, str) or not isinstance(operations, Iterable):
        raise TypeError(f"operations: expected a sequence of names, got {type(operations).__name__}")
    names = tuple(operations)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"operations: expected names, got {type(name).__name__}")
        if not _OPERATION.fullmatch(name) or name in _RESERVED:
            raise ValueError(
                "operations: expected names without spaces and without any of | ~ + ( ) , ; : = [ ], other than "
                f"'absent', 'input' and 'output', got {name!r:.100}"
            )
    if not 1 <= len(names) <= 200 or len(set(names)) != len(names):
        raise ValueError(f"operations: expected 1 to 200 different names, got {', '.join(names):.200}")
    return names


def _checked_roles(role: str, given: Any, operations: tuple[str, ...]) -> tuple[str, ...]:
    """Operations that have a role, in the order of the operations."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{role}: expected a sequence of operations, got {type(given).__name__}")
    names = [check_choice(role, name, operations) for name in given]
    return tuple(name for name in operations if name in names)


def _checked_edges(edges: Any, nodes: int, inputs: int) -> tuple[tuple[int, int], ...]:
    possible = tuple((source, target) for target in range(inputs, nodes) for source in range(target))
    if isinstance(edges, str):
        if edges not in ("complete", "free"):
            raise ValueError(f"edges: expected 'complete', 'free' or pairs of nodes, got {edges!r:.100}")
        return possible
    try:
        pairs = {(source, target) for source, target in edges}
    except (TypeError, ValueError):
        pairs = {(None, None)}
    if not all(is_int(node) for pair in pairs for node in pair):
        raise TypeError(f"edges: expected 'complete', 'free' or pairs of nodes, got {edges!r:.100}")
    wrong = sorted(pairs - set(possible))
    if wrong or not pairs:
        raise ValueError(
            f"edges: expected pairs (source, target) with source < target from {inputs} to {nodes - 1}, "
            f"got {wrong[0] if wrong else 'none'}"
        )
    return tuple(pair for pair in possible if pair in pairs)
