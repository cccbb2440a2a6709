"""Genotypes of the DARTS space: the usual text, read and written, and rows of codes.

A cell pair is a row of 28 codes: 14 for the normal cell's possible edges, 14 for the reduction cell's, each by target
and then source (nodes 0 and 1 are the inputs, 2 to 5 the intermediate nodes). A code is 0 for no edge, else 1 + the
index of the operation in `OPERATIONS`. A pair is valid when each intermediate node has exactly two edges.

Source of the text form: H. Liu, K. Simonyan, Y. Yang, *DARTS: Differentiable Architecture Search*, ICLR 2019.
"""

from __future__ import annotations

import operator
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import is_int
from crlso._base.types import Codes
from crlso.spaces.genotype_text import FIELDS, read_genotype

__all__ = ["EDGES", "N_CODES", "OPERATIONS", "check_codes", "format_genotype", "parse_genotype"]


Pairs = list[tuple[str, int]]

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_NODES = range(2, 6)
EDGES = tuple((source, target) for target in _NODES for source in range(target))
_FIRST_SLOT = {target: EDGES.index((0, target)) for target in _NODES}
N_CODES = 2 * len(EDGES)

_CELLS = ("normal", "reduce")
_CONFIGURATION = "optimized_hyperparamater_config"  # so spelt in the result files of NAS-Bench-301
_PREFIX = "NetworkSelectorDatasetInfo:darts:"


def parse_genotype(source: Any) -> Codes:
    """Read one genotype as a row of codes.

    Parameters
    ----------
    source : str, mapping, object or sequence
        One of these forms, or its text, which is parsed and never evaluated:

        - ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=..., reduce_concat=...)``, or
          a mapping or an object (a namedtuple for instance) with these four fields. In text, ``BEST =`` or the
          beginning of a line of a log may come before it.
        - Two cells, normal and reduction, of eight pairs: (operation, source), or (source, index of the operation).
        - A configuration of NAS-Bench-301, whose keys are those of its result files (``inputs_node_normal_3``, with or
          without ``NetworkSelectorDatasetInfo:darts:`` before it), or the content of such a file.

        A cell is a list of eight edges, or of two for each node. The two edges of a node may stand in either order.

    Returns
    -------
    ndarray of uint8, shape (28,)
        Codes: see the top of this module.

    Raises
    ------
    TypeError
        For another kind of object.
    ValueError
        For text that is no genotype (the message has the position and what was expected there), an edge that is no
        pair, an operation that is not one of the seven (``none`` is not), a source that is no earlier node, two edges
        from one source into one node, another number of edges than two into a node, or other outputs than the nodes 2
        to 5.

    Examples
    --------
    >>> cell = "[(0, 3), (1, 3), (0, 3), (1, 3), (0, 3), (1, 2), (0, 2), (2, 5)]"
    >>> parse_genotype(f"[{cell}, {cell}]")[:14].tolist()
    [4, 4, 4, 4, 0, 4, 3, 0, 0, 3, 0, 6, 0, 0]
    >>> parse_genotype("Genotype(normal=[('sep_conv_3x3' 0)])")
    Traceback (most recent call last):
    ...
    ValueError: genotype: expected ',' at character 33, got '0)])'
    """
    cells = _cells_of_text(source) if isinstance(source, str) else _cells_of(source)
    codes = np.zeros(N_CODES, dtype=np.uint8)
    for first, name in zip((0, len(EDGES)), _CELLS, strict=True):
        _fill(codes[first : first + len(EDGES)], name, cells[name])
    return codes


def _cells_of_text(text: str) -> dict[str, Pairs]:
    try:
        return _cells_of(read_genotype(text))
    except TypeError as error:  # the value of a text is wrong, not its type
        raise ValueError(str(error)) from None


def _cells_of(source: Any) -> dict[str, Pairs]:
    if hasattr(source, "get_dictionary"):  # a Configuration of an old ConfigSpace
        source = source.get_dictionary()
    if isinstance(source, Mapping):
        return _from_mapping(source)
    if hasattr(source, "normal") and hasattr(source, "reduce"):
        return _from_fields({name: getattr(source, name) for name in FIELDS if hasattr(source, name)})
    if _is_list(source):
        return _from_cells(source)
    raise TypeError(
        "genotype: expected text, a mapping or an object with the fields "
        f"{', '.join(FIELDS)}, or two cells of pairs, got {type(source).__name__}"
    )


def format_genotype(codes: npt.ArrayLike) -> str:
    """Write one genotype as the usual text.

    Parameters
    ----------
    codes : array_like of int, shape (28,)
        A valid row of codes.

    Returns
    -------
    str
        Edges by target and source; :func:`parse_genotype` reads the same codes from it.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_codes`.
    """
    row = check_codes(np.asarray(codes)[None])[0]
    texts = []
    for first, name in zip((0, len(EDGES)), _CELLS, strict=True):
        cell = row[first : first + len(EDGES)]
        pairs = [(OPERATIONS[code - 1], source) for code, (source, _) in zip(cell.tolist(), EDGES, strict=True) if code]
        texts.append(f"{name}={pairs}, {name}_concat=range(2, 6)")
    return f"Genotype({', '.join(texts)})"


def check_codes(codes: npt.ArrayLike) -> Codes:
    """Check rows of codes and return them as uint8.

    Parameters
    ----------
    codes : array_like of int, shape (n, 28)

    Returns
    -------
    ndarray of uint8, shape (n, 28)

    Raises
    ------
    TypeError
        For values that are not integers.
    ValueError
        For another shape, a code outside 0 to 7, or a node without exactly two edges; the message names the row.
    """
    array = np.asarray(codes)
    if array.ndim != 2 or array.shape[1] != N_CODES:
        raise ValueError(f"codes: expected shape (n, {N_CODES}), got {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"codes: expected integers, got {array.dtype}")
    wrong = ((array < 0) | (array > len(OPERATIONS))).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"codes: expected values from 0 to {len(OPERATIONS)}, got {array[row].tolist()} in row {row}")
    degrees = np.add.reduceat(array > 0, [c + first for c in (0, len(EDGES)) for first in _FIRST_SLOT.values()], axis=1)
    wrong = (degrees != 2).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        cell, node = divmod(int((degrees[row] != 2).argmax()), len(_NODES))
        raise ValueError(
            f"codes: expected two edges into each node, got {degrees[row, len(_NODES) * cell + node]} into node "
            f"{node + 2} of cell {_CELLS[cell]!r} in row {row}"
        )
    return array.astype(np.uint8)


def _fill(codes: Codes, cell: str, pairs: Pairs) -> None:
    """Write the edges of one cell into its 14 codes."""
    if len(pairs) != 2 * len(_NODES):
        raise ValueError(f"genotype: expected {2 * len(_NODES)} edges in cell {cell!r}, got {len(pairs)}")
    for i, (operation, source) in enumerate(pairs):
        target = 2 + i // 2
        where = f"for edge {i} of cell {cell!r} (into node {target})"
        if operation not in OPERATIONS:
            raise ValueError(f"genotype: expected one of {', '.join(OPERATIONS)}, got {operation!r:.60} {where}")
        if not 0 <= source < target:
            raise ValueError(f"genotype: expected a source from 0 to {target - 1}, got {source} {where}")
        slot = _FIRST_SLOT[target] + source
        if codes[slot]:
            raise ValueError(f"genotype: expected two different sources, got node {source} twice {where}")
        codes[slot] = 1 + OPERATIONS.index(operation)


def _check_outputs(cell: str, nodes: Sequence[int]) -> None:
    if list(nodes) != list(_NODES):
        raise ValueError(f"genotype: expected range(2, 6) or [2, 3, 4, 5] as {cell}_concat, got {nodes!r:.60}")


def _integer(value: Any, what: str) -> int:
    if not is_int(value):
        raise TypeError(f"genotype: expected an integer as {what}, got {_shown(value)}")
    return operator.index(value)


def _shown(value: object) -> str:
    return reprlib.repr(value)[:60]  # repr would fail for a list that is nested too deep


def _is_list(value: object) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes, bytearray))


def _items(value: Any, what: str, longest: int) -> list[Any]:
    """The items of a short sequence; text, generators and long sequences are refused."""
    if not _is_list(value):
        raise TypeError(f"genotype: expected a sequence as {what}, got {type(value).__name__}")
    if len(value) > longest:
        raise ValueError(f"genotype: expected at most {longest} items in {what}, got {len(value)}")
    return list(value)


def _pairs_of(value: object, cell: str) -> Iterator[list[Any]]:
    """The two items of each edge of a cell: of a list of edges, or of a list of two edges for each node."""
    items = _items(value, f"cell {cell!r}", 2 * len(_NODES))
    if items and all(_is_list(item) and 0 < len(item) <= len(items) and all(map(_is_list, item)) for item in items):
        if len(items) != len(_NODES) or any(len(item) != 2 for item in items):
            raise ValueError(f"genotype: expected two edges for each of {len(_NODES)} nodes in cell {cell!r}")
        items = [edge for item in items for edge in item]
    for i, item in enumerate(items):
        pair = _items(item, f"edge {i} of cell {cell!r}", 3)
        if len(pair) == 3:
            raise ValueError(
                f"genotype: expected pairs (operation, source) in cell {cell!r}, got {_shown(item)}: leave out the "
                "weight of (operation, source, weight), or the node of (operation, node, source), with two edges for "
                "each node in order"
            )
        if len(pair) != 2:
            raise ValueError(f"genotype: expected a pair as edge {i} of cell {cell!r}, got {len(pair)} items")
        yield pair


def _from_mapping(source: Mapping[str, Any]) -> dict[str, Pairs]:
    """The cells of a mapping: the fields of a genotype, or a configuration or a result of NAS-Bench-301."""
    source = source.get(_CONFIGURATION, source)
    if not isinstance(source, Mapping):
        raise TypeError(f"genotype: expected a mapping as {_CONFIGURATION}, got {type(source).__name__}")
    values = {str(key).removeprefix(_PREFIX): value for key, value in source.items()}
    return _from_configuration(values) if any(key.startswith("edge_") for key in values) else _from_fields(values)


def _from_fields(fields: Mapping[str, Any]) -> dict[str, Pairs]:
    """The cells of an object that has the fields of a genotype."""
    if missing := [name for name in FIELDS if name not in fields]:
        raise ValueError(f"genotype: expected the fields {', '.join(FIELDS)}, got none called {missing[0]!r}")
    cells: dict[str, Pairs] = {}
    for cell in _CELLS:
        cells[cell] = [_named(pair, cell) for pair in _pairs_of(fields[cell], cell)]
        outputs = _items(fields[f"{cell}_concat"], f"{cell}_concat", len(_NODES))
        _check_outputs(cell, [_integer(node, f"a node of {cell}_concat") for node in outputs])
    return cells


def _from_cells(source: Sequence[Any]) -> dict[str, Pairs]:
    """The cells of a sequence of two, of pairs (operation, source) or (source, index of the operation)."""
    if len(source) != len(_CELLS):
        raise ValueError(f"genotype: expected two cells, got {len(source)}")
    cells: dict[str, Pairs] = {}
    for name, value in zip(_CELLS, source, strict=True):
        pairs = list(_pairs_of(value, name))
        by_name = any(isinstance(item, str) for pair in pairs for item in pair)
        cells[name] = [_named(pair, name) if by_name else _numbered(pair) for pair in pairs]
    return cells


def _named(pair: Sequence[Any], cell: str) -> tuple[str, int]:
    """An edge written as (operation, source)."""
    operation, source = pair
    if not isinstance(operation, str):
        raise TypeError(f"genotype: expected the name of an operation in cell {cell!r}, got {_shown(operation)}")
    return operation, _integer(source, f"a source in cell {cell!r}")


def _numbered(pair: Sequence[Any]) -> tuple[str, int]:
    """An edge written as (source, index of the operation)."""
    source, index = _integer(pair[0], "a source"), _integer(pair[1], "an operation")
    if not 0 <= index < len(OPERATIONS):
        raise ValueError(f"genotype: expected the index of an operation, 0 to {len(OPERATIONS) - 1}, got {index}")
    return OPERATIONS[index], source


def _from_configuration(values: Mapping[str, Any]) -> dict[str, Pairs]:
    """The cells of a configuration of NAS-Bench-301: operations by edge, and the sources of the nodes 3 to 5."""
    edges = {key: value for key, value in values.items() if key.startswith("edge_") and value is not None}
    cells: dict[str, Pairs] = {}
    for cell in _CELLS:
        cells[cell] = []
        for node in _NODES:
            key = f"inputs_node_{cell}_{node}"
            sources = "0_1" if node == _NODES[0] else values.get(key)
            if not isinstance(sources, str) or not re.fullmatch("[0-4]_[0-4]", sources):
                raise ValueError(f"genotype: expected two sources such as '0_1' as {key}, got {_shown(sources)}")
            for source in map(int, sources.split("_")):
                edge = f"edge_{cell}_{EDGES.index((source, node)) if source < node else ''}"
                if edge not in edges:
                    raise ValueError(f"genotype: expected {edge!r} for the source {source} of node {node}, got none")
                cells[cell].append(_named((edges.pop(edge), source), cell))
    if edges:
        raise ValueError(
            f"genotype: expected edges from the sources of each node, got another: {next(iter(edges)):.60}"
        )
    return cells
