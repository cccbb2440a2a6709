"""Genotypes of the DARTS space: the usual text, read and written, and rows of codes.

A cell pair is a row of 28 codes: 14 for the normal cell's possible edges, 14 for the reduction cell's, each by target
and then source (nodes 0 and 1 are the inputs, 2 to 5 the intermediate nodes). A code is 0 for no edge, else 1 + the
index of the operation in `OPERATIONS`. A pair is valid when each intermediate node has exactly two edges.

Source of the text form: H. Liu, K. Simonyan, Y. Yang, *DARTS: Differentiable Architecture Search*, ICLR 2019.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from crlso._base.checks import is_int
from crlso._base.types import Codes

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
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_MAX_TEXT = 4096  # characters; the usual text has about 600
_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]{0,39}) | (?P<number>[0-9]{1,9})(?![0-9A-Za-z_])
            | (?P<quoted>'[A-Za-z0-9_]{0,40}'|"[A-Za-z0-9_]{0,40}") | (?P<sign>[][(),=]) | (?P<end>\Z))""",
    re.ASCII | re.VERBOSE,
)


def parse_genotype(source: Any) -> Codes:
    """Read one genotype as a row of codes.

    Parameters
    ----------
    source : str, mapping, object or sequence
        The usual text ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...],
        reduce_concat=[2, 3, 4, 5])``; a mapping or an object (a namedtuple for instance) with these four fields; or the
        compact form, two cells of eight pairs (source, index of the operation), as text or as sequences. The two edges
        of a node may stand in either order. Text is parsed, never evaluated.

    Returns
    -------
    ndarray of uint8, shape (28,)
        Codes: see the top of this module.

    Raises
    ------
    TypeError
        For another kind of object.
    ValueError
        For text that is no genotype (the message has the position and what was expected there), an operation that is
        not one of the seven (``none`` is not), a source that is no earlier node, two edges from one source into one
        node, another number of edges than two into a node, or other outputs than the nodes 2 to 5.

    Examples
    --------
    >>> cell = "[(0, 3), (1, 3), (0, 3), (1, 3), (0, 3), (1, 2), (0, 2), (2, 5)]"
    >>> parse_genotype(f"[{cell}, {cell}]")[:14].tolist()
    [4, 4, 4, 4, 0, 4, 3, 0, 0, 3, 0, 6, 0, 0]
    >>> parse_genotype("Genotype(normal=None)")
    Traceback (most recent call last):
    ...
    ValueError: genotype: expected a list of edges at character 16, got 'None)'
    """
    if isinstance(source, str):
        cells = _Reader(source).genotype()
    elif isinstance(source, Mapping):
        cells = _from_fields({name: source[name] for name in _FIELDS if name in source})
    elif hasattr(source, "normal") and hasattr(source, "reduce"):
        cells = _from_fields({name: getattr(source, name) for name in _FIELDS if hasattr(source, name)})
    elif isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
        cells = _from_compact(source)
    else:
        raise TypeError(
            "genotype: expected text, a mapping or an object with the fields "
            f"{', '.join(_FIELDS)}, or two cells of pairs, got {type(source).__name__}"
        )
    codes = np.zeros(N_CODES, dtype=np.uint8)
    for first, name in zip((0, len(EDGES)), _CELLS, strict=True):
        _fill(codes[first : first + len(EDGES)], name, cells[name])
    return codes


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
        raise TypeError(f"genotype: expected an integer as {what}, got {value!r:.60}")
    return operator.index(value)


def _items(value: object, what: str, longest: int) -> list[Any]:
    """The items of a short sequence; text, generators and long sequences are refused."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"genotype: expected a sequence as {what}, got {type(value).__name__}")
    if len(value) > longest:
        raise ValueError(f"genotype: expected at most {longest} items in {what}, got {len(value)}")
    return list(value)


def _pairs_of(value: object, cell: str) -> Iterator[list[Any]]:
    for i, pair in enumerate(_items(value, f"cell {cell!r}", 2 * len(_NODES))):
        both = _items(pair, f"edge {i} of cell {cell!r}", 2)
        if len(both) != 2:
            raise ValueError(f"genotype: expected a pair as edge {i} of cell {cell!r}, got {len(both)} items")
        yield both


def _from_fields(fields: Mapping[str, Any]) -> dict[str, Pairs]:
    """The cells of an object that has the fields of a genotype."""
    if missing := [name for name in _FIELDS if name not in fields]:
        raise ValueError(f"genotype: expected the fields {', '.join(_FIELDS)}, got none called {missing[0]!r}")
    cells: dict[str, Pairs] = {}
    for cell in _CELLS:
        pairs: Pairs = []
        for operation, source in _pairs_of(fields[cell], cell):
            if not isinstance(operation, str):
                raise TypeError(f"genotype: expected the name of an operation in cell {cell!r}, got {operation!r:.60}")
            pairs.append((operation, _integer(source, f"a source in cell {cell!r}")))
        cells[cell] = pairs
        outputs = _items(fields[f"{cell}_concat"], f"{cell}_concat", len(_NODES))
        _check_outputs(cell, [_integer(node, f"a node of {cell}_concat") for node in outputs])
    return cells


def _from_compact(source: Sequence[Any]) -> dict[str, Pairs]:
    """The cells of a sequence of two cells of pairs (source, index of the operation)."""
    if len(source) != len(_CELLS):
        raise ValueError(f"genotype: expected two cells, got {len(source)}")
    cells: dict[str, Pairs] = {}
    for name, value in zip(_CELLS, source, strict=True):
        numbers = [(_integer(a, "a source"), _integer(b, "an operation")) for a, b in _pairs_of(value, name)]
        cells[name] = [(_operation(index), node) for node, index in numbers]
    return cells


def _operation(index: int) -> str:
    if not 0 <= index < len(OPERATIONS):
        raise ValueError(f"genotype: expected the index of an operation, 0 to {len(OPERATIONS) - 1}, got {index}")
    return OPERATIONS[index]


class _Reader:
    """A parser of the text forms. Their grammar has a fixed depth, so that no text makes the calls nest deeper."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_TEXT:
            raise ValueError(f"genotype: expected a text of at most {_MAX_TEXT} characters, got {len(text)}")
        self._text = text
        self._after = 0
        self._advance()

    def genotype(self) -> dict[str, Pairs]:
        cells = self._named() if self._kind == "name" else self._compact()
        if self._kind != "end":
            self._fail("the end of the text")
        return cells

    def _advance(self) -> None:
        """Go to the next token; a character that begins no token becomes one of the kind "other"."""
        match = _TOKEN.match(self._text, self._after)
        if match is None:
            self._at = len(self._text) - len(self._text[self._after :].lstrip())
            self._kind, self._token = "other", self._text[self._at : self._at + 1]
            return
        self._kind = match.lastgroup or "end"
        self._at, self._after = match.span(self._kind)
        self._token = match.group(self._kind)

    def _fail(self, expected: str) -> NoReturn:
        found = "the end of the text" if self._kind == "end" else repr(self._text[self._at : self._at + 30])
        raise ValueError(f"genotype: expected {expected} at character {self._at}, got {found}")

    def _take(self, kind: str, expected: str) -> str:
        if self._kind != kind:
            self._fail(expected)
        token = self._token
        self._advance()
        return token

    def _sign(self, sign: str) -> None:
        if self._kind != "sign" or self._token != sign:
            self._fail(repr(sign))
        self._advance()

    def _next_is(self, sign: str) -> bool:
        return self._kind == "sign" and self._token == sign

    def _open(self, expected: str) -> str:
        """Take an opening bracket and return the one that closes it."""
        if not (self._next_is("(") or self._next_is("[")):
            self._fail(expected)
        closing = ")" if self._token == "(" else "]"
        self._advance()
        return closing

    def _listed(self, closing: str) -> Iterator[None]:
        """Yield once for each item up to the closing bracket; a comma may follow the last."""
        while not self._next_is(closing):
            yield
            if not self._next_is(closing):
                self._sign(",")
        self._advance()

    def _number(self, expected: str) -> int:
        return int(self._take("number", expected))

    def _named(self) -> dict[str, Pairs]:
        if self._token != "Genotype":
            self._fail("'Genotype('")
        self._advance()
        self._sign("(")
        cells: dict[str, Pairs] = {}
        outputs: dict[str, list[int]] = {}
        for _ in self._listed(")"):
            if self._token not in _FIELDS or self._token in cells or self._token in outputs:
                self._fail(f"one of the fields {', '.join(_FIELDS)}, each once,")
            field = self._take("name", "a field")
            self._sign("=")
            if field in _CELLS:
                cells[field] = self._edges(named=True)
            else:
                outputs[field] = self._outputs()
        if missing := [name for name in _FIELDS if name not in cells and name not in outputs]:
            raise ValueError(f"genotype: expected the fields {', '.join(_FIELDS)}, got none called {missing[0]!r}")
        for cell in _CELLS:
            _check_outputs(cell, outputs[f"{cell}_concat"])
        return cells

    def _compact(self) -> dict[str, Pairs]:
        closing = self._open("'Genotype(' or a bracket")
        cells = [self._edges(named=False) for _ in self._listed(closing)]
        if len(cells) != len(_CELLS):
            raise ValueError(f"genotype: expected two cells, got {len(cells)}")
        return dict(zip(_CELLS, cells, strict=True))

    def _edges(self, named: bool) -> Pairs:
        example = "('sep_conv_3x3', 0)" if named else "(0, 3)"
        pairs: Pairs = []
        for _ in self._listed(self._open("a list of edges")):
            closing = self._open(f"an edge such as {example}")
            first = self._take("quoted" if named else "number", f"an edge such as {example}")
            self._sign(",")
            second = self._number(f"an edge such as {example}")
            self._sign(closing)
            pairs.append((first[1:-1], second) if named else (_operation(second), int(first)))
        return pairs

    def _outputs(self) -> list[int]:
        if self._kind == "name" and self._token == "range":
            self._advance()
            self._sign("(")
            first = self._number("a node")
            self._sign(",")
            last = self._number("a node")
            self._sign(")")
            return list(range(first, min(last, first + len(_NODES) + 1)))
        expected = "range(2, 6) or [2, 3, 4, 5]"
        return [self._number(expected) for _ in self._listed(self._open(expected))]
