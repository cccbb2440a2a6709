"""Cells as text, written and read."""

from __future__ import annotations

import ast
import re

from crlso.spaces.layout import CellLayout

__all__ = ["bare_text", "cell_text", "general_text", "node_name", "parse_cell"]

_REPR = re.compile(r"""Cell\(('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\)""")  # one literal: nothing else is read


def bare_text(text: str) -> str:
    """Return the text of a cell without what files and printing put around it.

    That is a byte order mark, white space at the ends, and the ``Cell('...')`` of a cell's repr.

    Examples
    --------
    >>> bare_text("Cell('conv(0)+output(1)')\\n")
    'conv(0)+output(1)'
    """
    bare = text.lstrip("\ufeff").strip()
    match = _REPR.fullmatch(bare)
    if match is None:
        return bare
    try:
        return str(ast.literal_eval(match[1])).strip()
    except (ValueError, SyntaxError):  # an escape that is none
        return bare


def cell_text(layout: CellLayout, codes: tuple[int, ...]) -> str:
    """Write a cell as text: in the form of its space where it has one of its own, else in the general form."""
    return general_text(layout, codes) if layout.to_text is None else layout.to_text(codes)


def general_text(layout: CellLayout, codes: tuple[int, ...]) -> str:
    """Write a cell in the general form, which :func:`parse_cell` reads.

    With operations on edges, ``|conv~0|+|pool~0|conv~1|`` has a group per node and ``operation~source`` for each edge.
    With operations on nodes, ``conv(0)+pool(0,1)+output(2)`` has ``operation(sources)`` per node, without the absent
    nodes before the output. Several graphs have their titles before them, and ``;`` between them.
    """
    write = _write_nodes if layout.operations_on_nodes else _write_edges
    parts = [write(layout, part) for part in layout.split_row(codes)]
    return ";".join(f"{title}:{part}" if title else part for title, part in zip(layout.graphs, parts))


def parse_cell(layout: CellLayout, text: str) -> tuple[int, ...]:
    """Read the codes of a cell from its text in the general form.

    Raises
    ------
    ValueError
        For text that is no cell; the message names what was expected and the part that does not fit.
    """
    parts = text.split(";")
    if len(parts) != len(layout.graphs):
        raise ValueError(f"cell string: expected {len(layout.graphs)} graphs with ';' between them, got {text!r:.200}")
    codes: list[int] = []
    for title, part in zip(layout.graphs, parts):
        if title and not part.startswith(f"{title}:"):
            raise ValueError(f"cell string: expected a graph that begins with '{title}:', got {part!r:.200}")
        read = _read_nodes if layout.operations_on_nodes else _read_edges
        codes += read(layout, part[len(title) + 1 :] if title else part)
    return tuple(codes)


def node_name(layout: CellLayout, node: int, codes: tuple[int, ...]) -> str:
    """Name a node of a graph with operations on nodes: its operation, ``absent``, ``input`` or ``output``."""
    if node not in layout.intermediate:
        return "output" if layout.has_output and node == layout.n_nodes - 1 else "input"
    code = codes[node - layout.n_inputs] - layout.free
    return "absent" if code < 0 else layout.operations[code]


# -- operations on edges ------------------------------------------------------------------------------------------


def _write_edges(layout: CellLayout, codes: tuple[int, ...]) -> str:
    groups = []
    for node in range(layout.n_inputs, layout.n_nodes):
        terms = [
            f"{layout.operations[code - layout.free]}~{source}"
            for (source, target), code in zip(layout.edges, codes)
            if target == node and not (layout.free and code == 0)
        ]
        groups.append(f"|{'|'.join(terms)}|")
    return "+".join(groups)


def _read_edges(layout: CellLayout, text: str) -> list[int]:
    groups = text.split("+")
    wanted = layout.n_nodes - layout.n_inputs
    if len(groups) != wanted:
        raise ValueError(
            f"cell string: expected {wanted} nodes |operation~source|...| with '+' between them, got {text!r:.200}"
        )
    codes = [0] * len(layout.edges)
    seen = set()
    for target, group in enumerate(groups, start=layout.n_inputs):
        if len(group) < 2 or group[0] != "|" or group[-1] != "|":
            raise ValueError(f"cell string: expected |operation~source|...|, got {group!r:.100}")
        for term in group[1:-1].split("|") if len(group) > 2 else []:
            name, _, source = term.partition("~")
            edge = _edge(layout, source, target, term)
            codes[edge] = _operation(layout, name, term) + layout.free
            if edge in seen:
                raise ValueError(f"cell string: expected one edge from each source, got another: {term!r:.100}")
            seen.add(edge)
    if not layout.free and len(seen) < len(layout.edges):
        raise ValueError(f"cell string: expected {len(layout.edges)} edges, got {len(seen)} in {text!r:.200}")
    return codes


# -- operations on nodes ------------------------------------------------------------------------------------------


def _write_nodes(layout: CellLayout, codes: tuple[int, ...]) -> str:
    nodes = []
    for node in range(layout.n_inputs, layout.n_nodes):
        sources = [
            str(source)
            for (source, target), column in zip(layout.edges, layout.edge_columns)
            if target == node and (column < 0 or codes[column])
        ]
        nodes.append(f"{node_name(layout, node, codes)}({','.join(sources)})")
    while layout.free and layout.has_output and len(nodes) > 1 and nodes[-2] == "absent()":
        del nodes[-2]
    return "+".join(nodes)


def _read_nodes(layout: CellLayout, text: str) -> list[int]:
    nodes = text.split("+")
    wanted = layout.n_nodes - layout.n_inputs
    if layout.free and layout.has_output and len(nodes) < wanted:
        nodes[-1:] = ["absent()"] * (wanted - len(nodes)) + nodes[-1:]
    if len(nodes) != wanted:
        raise ValueError(
            f"cell string: expected {wanted} nodes operation(source,...) with '+' between them, got {text!r:.200}"
        )
    codes = [0] * len(layout.graph_cardinalities)
    for target, node in enumerate(nodes, start=layout.n_inputs):
        name, bracket, rest = node.partition("(")
        if not bracket or not rest.endswith(")"):
            raise ValueError(f"cell string: expected operation(source,...), got {node!r:.100}")
        if target not in layout.intermediate:
            if name != "output":
                raise ValueError(f"cell string: expected output(source,...) as the last node, got {node!r:.100}")
        elif not (layout.free and name == "absent"):
            codes[target - layout.n_inputs] = _operation(layout, name, node) + layout.free
        sources = rest[:-1].split(",") if len(rest) > 1 else []
        edges = [_edge(layout, source, target, node) for source in sources]
        if not layout.free and edges != [e for e, (_, end) in enumerate(layout.edges) if end == target]:
            raise ValueError(f"cell string: expected the edges of the space into node {target}, got {node!r:.100}")
        for edge in edges if layout.free else []:
            codes[layout.edge_columns[edge]] = 1
    return codes


# -- parts of both ------------------------------------------------------------------------------------------------


def _operation(layout: CellLayout, name: str, where: str) -> int:
    """Index of an operation by its name."""
    if name not in layout.operations:
        raise ValueError(f"cell string: expected operations out of {', '.join(layout.operations)}, got {where!r:.100}")
    return layout.operations.index(name)


def _edge(layout: CellLayout, source: str, target: int, where: str) -> int:
    """Index of the edge from a source, as it is written, to a target."""
    number = int(source) if re.fullmatch(r"[0-9]{1,2}", source) else -1
    if (number, target) not in layout.edges:
        raise ValueError(f"cell string: expected a source of node {target}, got {source!r:.20} in {where!r:.100}")
    return layout.edges.index((number, target))
