"""How the cells of a space are written as rows of codes, and as text."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from importlib import import_module

from crlso._base.types import Codes

__all__ = ["CellLayout", "Graph", "layout_of", "register_layout"]

MAX_NODES = 16  # per graph, inputs and output included
_NAME_PATTERN = re.compile(r"[^\s|~+(),;:=\[\]]+")


@dataclasses.dataclass(frozen=True)
class Graph:
    """One graph of a cell, to look at.

    Attributes
    ----------
    title : str
        Empty where a cell has one graph.
    labels : tuple of str
        Text of each node: ``in``, ``out``, a number, or an operation.
    edges : list of (int, int, str, int)
        Source, target, operation (empty where operations are on nodes) and number of the operation.
    """

    title: str
    labels: tuple[str, ...]
    edges: list[tuple[int, int, str, int]]


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
        Of the space.
    operations : tuple of str
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
        Makes text of a row of codes instead of the general form.
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
    to_text: Callable[[tuple[int, ...]], str] | None = None

    # -- counts ---------------------------------------------------------------------------------------------------

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

    # -- text -----------------------------------------------------------------------------------------------------

    def text(self, codes: tuple[int, ...]) -> str:
        """A cell as text, see :meth:`parse`."""
        if self.to_text is not None:
            return self.to_text(codes)
        write = self._node_text if self.operations_on_nodes else self._edge_text
        parts = [write(part) for part in self.split_row(codes)]
        return ";".join(f"{title}:{part}" if title else part for title, part in zip(self.graphs, parts))

    def _edge_text(self, codes: tuple[int, ...]) -> str:
        groups = []
        for node in range(self.n_inputs, self.n_nodes):
            terms = [
                f"{self.operations[code - self.free]}~{source}"
                for (source, target), code in zip(self.edges, codes)
                if target == node and not (self.free and code == 0)
            ]
            groups.append(f"|{'|'.join(terms)}|")
        return "+".join(groups)

    def _node_text(self, codes: tuple[int, ...]) -> str:
        nodes = []
        for node in range(self.n_inputs, self.n_nodes):
            sources = [
                str(source)
                for (source, target), column in zip(self.edges, self.edge_columns)
                if target == node and (column < 0 or codes[column])
            ]
            nodes.append(f"{self._node_name(node, codes)}({','.join(sources)})")
        while self.free and self.has_output and len(nodes) > 1 and nodes[-2] == "absent()":
            del nodes[-2]
        return "+".join(nodes)

    def _node_name(self, node: int, codes: tuple[int, ...]) -> str:
        if node not in self.intermediate:
            return "output" if self.has_output and node == self.n_nodes - 1 else "input"
        code = codes[node - self.n_inputs] - self.free
        return "absent" if code < 0 else self.operations[code]

    def parse(self, text: str) -> tuple[int, ...]:
        """Codes of a cell from its text.

        Raises
        ------
        ValueError
            For text that is no cell; what was expected is named, and the part that does not fit.
        """
        parts = text.split(";")
        if len(parts) != len(self.graphs):
            raise ValueError(
                f"cell string: expected {len(self.graphs)} graphs with ';' between them, got {text!r:.200}"
            )
        codes: list[int] = []
        for title, part in zip(self.graphs, parts):
            if title and not part.startswith(f"{title}:"):
                raise ValueError(f"cell string: expected a graph that begins with '{title}:', got {part!r:.200}")
            read = self._parse_nodes if self.operations_on_nodes else self._parse_edges
            codes += read(part[len(title) + 1 :] if title else part)
        return tuple(codes)

    def _parse_edges(self, text: str) -> list[int]:
        groups = text.split("+")
        if len(groups) != self.n_nodes - self.n_inputs:
            raise ValueError(
                f"cell string: expected {self.n_nodes - self.n_inputs} nodes |operation~source|...| with '+' between "
                f"them, got {text!r:.200}"
            )
        codes = [0] * len(self.edges)
        seen = set()
        for target, group in enumerate(groups, start=self.n_inputs):
            if len(group) < 2 or group[0] != "|" or group[-1] != "|":
                raise ValueError(f"cell string: expected |operation~source|...|, got {group!r:.100}")
            for term in group[1:-1].split("|") if len(group) > 2 else []:
                name, _, source = term.partition("~")
                edge = self._edge(source, target, term)
                codes[edge] = self._operation(name, term) + self.free
                if edge in seen:
                    raise ValueError(f"cell string: expected one edge from each source, got another: {term!r:.100}")
                seen.add(edge)
        if not self.free and len(seen) < len(self.edges):
            raise ValueError(f"cell string: expected {len(self.edges)} edges, got {len(seen)} in {text!r:.200}")
        return codes

    def _parse_nodes(self, text: str) -> list[int]:
        nodes = text.split("+")
        wanted = self.n_nodes - self.n_inputs
        if self.free and self.has_output and len(nodes) < wanted:
            nodes[-1:] = ["absent()"] * (wanted - len(nodes)) + nodes[-1:]
        if len(nodes) != wanted:
            raise ValueError(
                f"cell string: expected {wanted} nodes operation(source,...) with '+' between them, got {text!r:.200}"
            )
        codes = [0] * len(self.graph_cardinalities)
        for target, node in enumerate(nodes, start=self.n_inputs):
            name, bracket, rest = node.partition("(")
            if not bracket or not rest.endswith(")"):
                raise ValueError(f"cell string: expected operation(source,...), got {node!r:.100}")
            if target not in self.intermediate:
                if name != "output":
                    raise ValueError(f"cell string: expected output(source,...) as the last node, got {node!r:.100}")
            elif not (self.free and name == "absent"):
                codes[target - self.n_inputs] = self._operation(name, node) + self.free
            edges = [self._edge(source, target, node) for source in rest[:-1].split(",")] if len(rest) > 1 else []
            if not self.free and edges != [e for e, (_, end) in enumerate(self.edges) if end == target]:
                raise ValueError(f"cell string: expected the edges of the space into node {target}, got {node!r:.100}")
            for edge in edges if self.free else []:
                codes[self.edge_columns[edge]] = 1
        return codes

    def _operation(self, name: str, where: str) -> int:
        if name not in self.operations:
            raise ValueError(
                f"cell string: expected operations out of {', '.join(self.operations)}, got {where!r:.100}"
            )
        return self.operations.index(name)

    def _edge(self, source: str, target: int, where: str) -> int:
        number = int(source) if re.fullmatch(r"[0-9]{1,2}", source) else -1
        if (number, target) not in self.edges:
            raise ValueError(f"cell string: expected a source of node {target}, got {source!r:.20} in {where!r:.100}")
        return self.edges.index((number, target))

    # -- pictures -------------------------------------------------------------------------------------------------

    def drawn(self, codes: tuple[int, ...]) -> list[Graph]:
        """The graphs of a cell, to look at; edges that are not there are left out."""
        return [self._drawn_graph(title, part) for title, part in zip(self.graphs, self.split_row(codes))]

    def _drawn_graph(self, title: str, codes: tuple[int, ...]) -> Graph:
        edges = []
        for (source, target), column in zip(self.edges, self.edge_columns):
            code = 0 if column < 0 else codes[column] - self.free
            if code >= 0:
                edges.append((source, target, "" if self.operations_on_nodes else self.operations[code], code))
        return Graph(title, tuple(self._label(node, codes) for node in range(self.n_nodes)), edges)

    def _label(self, node: int, codes: tuple[int, ...]) -> str:
        if node < self.n_inputs:
            return "in" if self.n_inputs == 1 else f"in {node}"
        if self.has_output and node == self.n_nodes - 1:
            return "out"
        return self._node_name(node, codes) if self.operations_on_nodes else str(node)


def check_operation_name(name: object) -> str:
    """A name of an operation that cell strings can hold."""
    if not isinstance(name, str):
        raise TypeError(f"operations: expected names, got {type(name).__name__}")
    if not _NAME_PATTERN.fullmatch(name) or name in ("absent", "input", "output"):
        raise ValueError(
            "operations: expected names without spaces and without any of | ~ + ( ) , ; : = [ ], other than 'absent', "
            f"'input' and 'output', got {name!r:.100}"
        )
    return name


_LAYOUTS: dict[str, CellLayout] = {}
HOMES = {"nasbench101": "nasbench101", "nasbench201": "nasbench201", "darts": "darts"}


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
    """The layout of the cells of a space, by its name.

    The name of a user's space says all about it, so that its cells can be read anywhere.
    """
    if not isinstance(space, str):
        raise TypeError(f"space: expected a str, got {type(space).__name__}")
    if space not in _LAYOUTS:
        if space in HOMES:
            import_module(f"crlso.spaces.{HOMES[space]}")
        else:
            from crlso.spaces.space import layout_from_name

            register_layout(layout_from_name(space))
    return _LAYOUTS[space]
