"""Cell spaces: what cells there are, which of them are the same, and what is near."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.types import Codes, Floats, Keys
from crlso.random import Stream, seed_of
from crlso.spaces.base import PAPER_PRESETS, Preset, Shipped
from crlso.spaces.cell import Cell
from crlso.spaces.keys import Classes, first_of_each, row_keys
from crlso.spaces.layout import CellLayout, make_layout, register_layout
from crlso.spaces.neighbours import moves
from crlso.spaces.text import cell_text, parse_cell

__all__ = ["CellSpace"]

LARGEST_LISTED = 1_000_000  # rows of codes up to which a space can be listed
_SYMMETRIC_NODES = 7  # intermediate nodes up to which the symmetries of fixed edges are looked for


class CellSpace:
    """A space of cells of one's own: small directed acyclic graphs of operations.

    A cell is a row of codes, uint8. With ``operations_on="edges"`` a code is the operation of an edge; with "nodes" the
    operations of the intermediate nodes come first, and then, where edges are free, one code per possible edge. Edges
    are ordered by target and source. Where edges are free, code 0 is no edge (or an absent node) and operations count
    from 1.

    Cells are equal when they differ only in the order of intermediate nodes or, where edges are free, in what is on no
    path from an input to the output. :meth:`canonicalise` gives one row for all equal cells: what does nothing is left
    out and the other nodes stand first, in an order of their own.

    Parameters
    ----------
    nodes : int
        Nodes of a cell, inputs and output included, at most 16.
    operations : sequence of str
        Names of the operations.
    operations_on : {"edges", "nodes"}
        Where operations are; inputs and output have none.
    edges : "complete", "free" or sequence of (int, int)
        Every pair (source, target) with source < target is an edge, except into an input; or a cell has any of these
        edges; or it has the edges that are listed.
    max_edges : int, optional
        With free edges: the most that a cell can have (after what does nothing is left out).
    input_nodes : int
        How many of the nodes are inputs; they come first.

    Attributes
    ----------
    name : str
        Says all about the space; two spaces with equal arguments are equal.
    operations, edges : tuple
        As above; `edges` are all possible ones.

    Raises
    ------
    TypeError, ValueError
        For arguments that are none of the above.

    Examples
    --------
    >>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free", max_edges=4)
    >>> cell = space.cell("conv(0)+pool(0)+output(1,2)")
    >>> cell.codes
    (1, 2, 1, 1, 0, 0, 1, 1)
    >>> space.cells(space.canonicalise(space.codes("pool(0)+conv(0)+output(1,2)"))) == [cell]
    True
    >>> len(space)
    24
    """

    _members: Classes | None = None  # of a subset

    def __init__(
        self,
        nodes: int = 4,
        operations: Sequence[str] = ("conv_1x1", "conv_3x3", "skip_connect"),
        operations_on: str = "edges",
        edges: str | Sequence[tuple[int, int]] = "complete",
        max_edges: int | None = None,
        input_nodes: int = 1,
    ) -> None:
        layout = make_layout(nodes, operations, operations_on, edges, max_edges, input_nodes)
        self._layout = register_layout(layout)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> CellSpace:
        """Read a space from a TOML file whose keys are the arguments of the constructor.

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            For text that is no TOML, unknown keys and wrong values; the file is named.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        known = [name for name in inspect.signature(CellSpace.__init__).parameters if name != "self"]
        with open(path, "rb") as file:
            try:
                given = tomllib.load(file)
                unknown = sorted(set(given) - set(known))
                if unknown:
                    raise ValueError(f"expected the keys {', '.join(known)}, got {', '.join(unknown):.200}")
                return CellSpace(**given)
            except (ValueError, TypeError) as error:
                raise ValueError(f"space {os.fspath(path)!r}: {error}") from None
            except RecursionError:
                raise ValueError(f"space {os.fspath(path)!r}: expected TOML that is not nested as deep") from None

    # -- what the space is ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the space."""
        return self._layout.name

    @property
    def layout(self) -> CellLayout:
        """How cells are written as codes."""
        return self._layout

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operations."""
        return self._layout.operations

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Source and target of every possible edge of a graph."""
        return self._layout.edges

    @property
    def n_nodes(self) -> int:
        """Number of nodes, those of all graphs of a cell."""
        return self._layout.n_nodes * len(self._layout.graphs)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of values of each code."""
        return self._layout.cardinalities

    @property
    def n_rows(self) -> int:
        """Number of rows of codes, equal and impossible cells included."""
        return math.prod(self.cardinalities)

    @property
    def n_cells(self) -> int | None:
        """Number of different cells; None for a space that is too large to list."""
        if self._members is None and self.n_rows > LARGEST_LISTED:
            return None
        return len(self.all_codes())

    def __len__(self) -> int:
        number = self.n_cells
        if number is None:
            raise TypeError(f"a space of {self.n_rows:.3g} rows of codes is too large to count its cells")
        return number

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        layout, kind = self._layout, type(self).__name__
        where = "nodes" if layout.operations_on_nodes else "edges"
        what = f"{self.n_nodes} nodes, {len(layout.operations)} operations on {where}"
        return f"{kind}({what}{'' if self._members is None else f', {len(self._members.keys)} cells listed'})"

    def __eq__(self, other: object) -> bool:
        # Lists of cells are kept by space: a subclass may have another idea of which cells are equal.
        if not isinstance(other, CellSpace) or type(self) is not type(other):
            return False
        return self.name == other.name and self._members is other._members

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""
        return PAPER_PRESETS

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso for the space: none for a space of one's own."""
        return Shipped()

    def log_size(self, codes: Codes) -> Floats | None:
        """Logarithm of the size of networks of the cells, shape (n,); None: a space of one's own says nothing about it.

        A subclass can say it: searches compare cells by it, and begin with some large ones.
        """
        return None

    def similarity(self) -> Floats:
        """How similar operations are to each other: here only to themselves.

        Returns
        -------
        ndarray of float64, shape (operations, operations)
            Positive definite, with ones on its diagonal.
        """
        return np.eye(len(self.operations))

    # -- cells and codes ------------------------------------------------------------------------------------------

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, sequence of int or Cell
            The cell as text (as ``str(cell)`` gives it), its codes, or a Cell.

        Returns
        -------
        Cell

        Raises
        ------
        ValueError
            For text or codes that are no cell of the space, or a Cell of another space.
        TypeError
            For anything else.
        """
        if isinstance(x, Cell):
            if x.space != self.name:
                raise ValueError(f"cell: expected a Cell of {self.name}, got one of {x.space}")
            return x
        if isinstance(x, str):
            return Cell(self.name, parse_cell(self._layout, x))
        if isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, (bytes, bytearray, memoryview)):
            return Cell(self.name, tuple(x))
        raise TypeError(f"cell: expected text, {len(self.cardinalities)} codes or a Cell, got {type(x).__name__}")

    def codes(self, cells: Any) -> Codes:
        """Codes of cells.

        Parameters
        ----------
        cells : array_like or iterable
            Integers of shape (n, codes per cell), an iterable of anything that :meth:`cell` accepts, or one Cell or
            its text.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            The given array itself when it is already of this kind, else a new one.

        Raises
        ------
        TypeError, ValueError
            For arrays of another kind or shape, codes outside their ranges, and things that are no cells.
        """
        if isinstance(cells, (np.ndarray, np.generic)) and not isinstance(cells, str):
            return self._codes_from_array(np.asarray(cells))
        if isinstance(cells, (Cell, str)):
            cells = [cells]
        if not isinstance(cells, Iterable) or isinstance(cells, (bytes, bytearray, memoryview)):
            raise TypeError(f"cells: expected an array of codes or an iterable of cells, got {type(cells).__name__}")
        rows = [self.cell(cell).codes for cell in cells]
        return np.array(rows, dtype=np.uint8).reshape(len(rows), len(self.cardinalities))

    def _codes_from_array(self, array: npt.NDArray[Any]) -> Codes:
        if array.dtype.kind not in "iu":
            raise TypeError(f"cells: expected an array of integers, got dtype {array.dtype}")
        if array.ndim != 2 or array.shape[1] != len(self.cardinalities):
            raise ValueError(f"cells: expected shape (n, {len(self.cardinalities)}), got {array.shape}")
        wrong = (array < 0) | (array >= np.asarray(self.cardinalities))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"cells: expected codes from 0 to {self.cardinalities[column] - 1} in column {column}, "
                f"got {array[row, column]} in row {row}"
            )
        return array.astype(np.uint8, copy=False)

    def cells(self, codes: Any) -> list[Cell]:
        """Cells of anything that :meth:`codes` accepts."""
        return [Cell(self.name, tuple(row)) for row in self.codes(codes).tolist()]

    def one_hot(self, codes: Any) -> npt.NDArray[np.float32]:
        """Codes as indicators, shape (n, sum of the cardinalities)."""
        first = np.cumsum([0, *self.cardinalities[:-1]])
        rows = self.codes(codes).astype(np.int64) + first
        hot = np.zeros((len(rows), sum(self.cardinalities)), dtype=np.float32)
        np.put_along_axis(hot, rows, 1.0, axis=1)
        return hot

    # -- which cells are possible, and which are the same ---------------------------------------------------------

    def prune(self, codes: Any) -> Codes:
        """Cells without what is on no path from an input to the output; the nodes that stay move to the front.

        Where edges are not free, nothing is left out.
        """
        rows = self.codes(codes)
        return self._each_graph(rows, canonical=False) if self._layout.free else rows

    def _each_graph(self, rows: Codes, canonical: bool) -> Codes:
        layout = self._layout
        parts = [
            _core.cell_prune(
                np.ascontiguousarray(part),
                layout.n_nodes,
                layout.n_inputs,
                layout.has_output,
                layout.operations_on_nodes,
                canonical,
            )
            for part in layout.split(rows)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def valid(self, codes: Any) -> npt.NDArray[np.bool_]:
        """Whether rows of codes are cells of the space, shape (n,).

        With free edges the output must be reached from an input, with at most `max_edges` edges after pruning.
        """
        rows = self.codes(codes)
        good = np.ones(len(rows), dtype=bool)
        if self._layout.free:
            for part in self._layout.split(self.prune(rows)):
                good &= self._valid_graph(part)
        if self._members is not None:
            good[good] = np.isin(self.canonical_key(rows[good]), self._members.keys)
        return good

    def _valid_graph(self, rows: Codes) -> npt.NDArray[np.bool_]:
        layout = self._layout
        present = rows[:, list(layout.edge_columns)] > 0
        good = np.logical_or(present.any(axis=1), not layout.has_output)
        if layout.max_edges is not None:
            good &= present.sum(axis=1) <= layout.max_edges
        if layout.in_degree is not None:
            targets = np.array([target for _, target in layout.edges])
            for node in layout.intermediate:
                good &= present[:, targets == node].sum(axis=1) == layout.in_degree
        return good

    def canonicalise(self, codes: Any) -> Codes:
        """One row for all equal cells, shape (n, codes per cell)."""
        rows = self.codes(codes)
        if self._layout.free:
            return self._each_graph(rows, canonical=True)
        symmetries = _symmetries(self._layout)
        if len(symmetries) == 1:
            return rows
        variants = np.stack([rows[:, list(order)] for order in symmetries])
        least = np.stack([row_keys(variant, self.cardinalities) for variant in variants]).argmin(axis=0)
        chosen: Codes = variants[least, np.arange(len(rows))]
        return chosen

    def canonical_key(self, codes: Any) -> Keys:
        """One integer per cell, the same for equal cells, shape (n,).

        The canonical row as one number, or where that is too large, a 63-bit hash of it: among a million cells, two
        different ones share a hash with a probability of 6e-8. Never negative.
        """
        return row_keys(self.canonicalise(codes), self.cardinalities)

    # -- lists, samples, neighbours -------------------------------------------------------------------------------

    def all_codes(self) -> Codes:
        """All different cells, shape (cells, codes per cell), read-only.

        Raises
        ------
        ValueError
            For a space with more than a million rows of codes.
        """
        if self._members is not None:
            return self._members.codes
        if self.n_rows > LARGEST_LISTED:
            raise ValueError(
                f"space: expected one of at most {LARGEST_LISTED} rows of codes to list, got {self.n_rows:.3g}"
            )
        return _all_cells(self)

    def classes(self) -> Classes:
        """The different cells: one row for each class of equal cells, in the order of their keys.

        Returns
        -------
        Classes

        Raises
        ------
        ValueError
            For a space that is too large to list.
        """
        return _all_classes(self) if self._members is None else self._members

    def subset(self, cells: Any) -> CellSpace:
        """The same space with some of its cells alone, say those of a table.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that :meth:`codes` accepts.

        Returns
        -------
        CellSpace
            Lists, samples and neighbours are of these cells.
        """
        rows = self.codes(cells)
        if not len(rows):
            raise ValueError("cells: expected at least one, got none")
        good = self.valid(rows)
        if not good.all():
            wrong = cell_text(self._layout, tuple(rows[~good][0].tolist()))
            raise ValueError(f"cells: expected cells of the space, got {wrong!r:.200}")
        smaller = copy.copy(self)
        smaller._members = Classes.among(rows, self.canonicalise, self.canonical_key)
        return smaller

    def sample(self, n: int, rng: Any, unique_classes: bool = True) -> Codes:
        """Draw different cells at random.

        Of a space that can be listed, uniformly without replacement. Else rows are drawn until enough different cells
        came: operations uniformly, each free edge with probability 1/2 (or so that `max_edges` are expected, if that is
        less); rows that are no cells are dropped.

        Parameters
        ----------
        n : int
        rng : int, Generator or SeedSequence
            Source of randomness.
        unique_classes : bool
            For spaces that list equal cells apart; here cells are always different.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            In canonical form.

        Raises
        ------
        ValueError
            When `n` is negative or larger than the number of cells (that were found).
        """
        number = self.n_cells
        n = check_int("n", n, 0, number)
        generator = np.random.default_rng(rng)
        if number is not None:
            return self.all_codes()[generator.permutation(number)[:n]]
        found = self._draw_until(n, generator)
        if len(found) < n:
            raise ValueError(f"n: expected at most about {len(found)} (the different cells found), got {n}")
        return found

    def sample_up_to(self, n: int, rng: Any) -> Codes:
        """As :meth:`sample`, but fewer cells where the space has no more (or hardly any more can be found)."""
        n, number = check_int("n", n, 0), self.n_cells
        if number is not None:
            return self.sample(min(n, number), rng)
        return self._draw_until(n, np.random.default_rng(rng))

    def _draw_until(self, n: int, generator: np.random.Generator) -> Codes:
        found: Codes = np.zeros((0, len(self.cardinalities)), dtype=np.uint8)
        fruitless = 0
        while len(found) < n and fruitless < 50:
            rows = self._draw_rows(2 * (n - len(found)) + 100, generator)
            rows = self.canonicalise(rows[self.valid(rows)])
            joined = np.concatenate([found, rows])
            first = first_of_each(self.canonical_key(joined))
            fruitless = 0 if len(first) > len(found) else fruitless + 1
            found = joined[first]
        return found[:n]

    def _draw_rows(self, n: int, generator: np.random.Generator) -> Codes:
        """Random rows of codes; some may be no cells."""
        layout = self._layout
        graphs = []
        for _ in layout.graphs:
            rows = np.stack([generator.integers(0, k, n) for k in layout.graph_cardinalities], axis=1)
            if layout.free:
                columns = list(layout.edge_columns)
                operations = 1 + generator.integers(0, len(layout.operations), (n, len(columns)))
                values = 1 if layout.operations_on_nodes else operations
                rows[:, columns] = np.where(self._draw_edges(n, generator), values, 0)
            graphs.append(rows)
        return np.concatenate(graphs, axis=1).astype(np.uint8)

    def _draw_edges(self, n: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Which of the free edges of a graph are there."""
        layout = self._layout
        chance = generator.random((n, len(layout.edges)))
        if layout.in_degree is None:
            share = 0.5 if layout.max_edges is None else min(0.5, layout.max_edges / max(len(layout.edges), 1))
            chosen: npt.NDArray[np.bool_] = chance < share
            return chosen
        chosen = np.zeros((n, len(layout.edges)), dtype=bool)
        targets = np.array([target for _, target in layout.edges])
        for node in layout.intermediate:
            into = np.flatnonzero(targets == node)
            first = np.argsort(chance[:, into], axis=1)[:, : layout.in_degree]
            np.put_along_axis(chosen, into[first], True, axis=1)
        return chosen

    def neighbours(self, cell: Any) -> Codes:
        """All different cells one step away: another operation, an edge or a node more or less, or an edge moved.

        Parameters
        ----------
        cell : str, sequence or Cell
            Anything that :meth:`cell` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            In canonical form, in the order of their keys, the cell itself not among them.
        """
        row = self.prune([self.cell(cell)])
        rows = self.codes(moves(self._layout, row[0]))
        near = Classes.among(rows[self.valid(rows)], self.canonicalise, self.canonical_key)
        return near.codes[near.keys != self.canonical_key(row)[0]]

    def mutate(self, codes: Any, rng: Any) -> Codes:
        """A random neighbour of each cell, shape (n, codes per cell); a cell without any stays as it is."""
        rows = self.codes(codes).copy()
        draw = Stream(seed_of(rng)).uniform("mutate", 0, len(rows), "float64")
        for i, row in enumerate(rows):
            near = self.neighbours(row)
            if len(near):
                rows[i] = near[int(draw[i] * len(near))]
        return rows

    # -- for graph networks ---------------------------------------------------------------------------------------

    def from_logits(self, logits: npt.NDArray[Any]) -> Codes:
        """The most likely cells, pruned: the largest logit of each code.

        With a fixed number of edges into a node, the edges for which being there is most likely.

        Parameters
        ----------
        logits : ndarray, shape (n, sum of the cardinalities)

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Not every row need be a cell: see :meth:`valid`.
        """
        groups = self._layout.groups
        if len(groups) == 1:  # all codes have the same values: the usual case, and the quick one
            _, n_codes, k = groups[0]
            rows = self._likely(logits.reshape(len(logits), n_codes, k), 0).astype(np.uint8)
            return self.prune(rows) if self._layout.free else rows
        rows = np.zeros((len(logits), len(self.cardinalities)), dtype=np.uint8)
        first = 0
        for begin, end, k in groups:
            last = first + (end - begin) * k
            part = np.ascontiguousarray(logits[:, first:last]).reshape(len(logits), end - begin, k)
            rows[:, begin:end] = self._likely(part, begin)
            first = last
        return self.prune(rows) if self._layout.free else rows

    def _likely(self, logits: npt.NDArray[Any], begin: int) -> npt.NDArray[Any]:
        layout = self._layout
        if layout.in_degree is None:
            return _core.argmax_last(logits)
        best = 1 + _core.argmax_last(np.ascontiguousarray(logits[:, :, 1:]))
        margin = logits[:, :, 1:].max(axis=2) - logits[:, :, 0]
        keep = np.zeros(best.shape, dtype=bool)
        targets = np.tile([target for _, target in layout.edges], len(layout.graphs))
        graph = np.repeat(np.arange(len(layout.graphs)), len(layout.edges))
        for g, node in itertools.product(range(len(layout.graphs)), layout.intermediate):
            into = np.flatnonzero((targets == node) & (graph == g))
            top = np.argsort(-margin[:, into], axis=1, kind="stable")[:, : layout.in_degree]
            np.put_along_axis(keep, into[top], True, axis=1)
        chosen: npt.NDArray[Any] = np.where(keep, best, 0)
        return chosen


@functools.lru_cache(maxsize=8)
def _all_cells(space: CellSpace) -> Codes:
    grid = np.indices(space.cardinalities, dtype=np.uint8).reshape(len(space.cardinalities), -1).T
    return Classes.among(grid[space.valid(grid)], space.canonicalise, space.canonical_key).codes


@functools.lru_cache(maxsize=8)
def _all_classes(space: CellSpace) -> Classes:
    return Classes.among(space.all_codes(), space.canonicalise, space.canonical_key)


@functools.lru_cache(maxsize=64)
def _symmetries(layout: CellLayout) -> tuple[tuple[int, ...], ...]:
    """For fixed edges: the orders of codes that reordering intermediate nodes can bring about, the identity first."""
    same = tuple(range(len(layout.cardinalities)))
    if len(layout.intermediate) > _SYMMETRIC_NODES or len(layout.graphs) > 1:
        return (same,)
    orders = []
    numbers = {edge: number for number, edge in enumerate(layout.edges)}
    for permuted in itertools.permutations(layout.intermediate):
        to = {**{v: v for v in range(layout.n_nodes)}, **dict(zip(layout.intermediate, permuted))}
        moved = [(to[source], to[target]) for source, target in layout.edges]
        if all(edge in numbers for edge in moved):
            if layout.operations_on_nodes:
                orders.append(tuple(v - layout.n_inputs for v in permuted))
            else:
                orders.append(tuple(numbers[edge] for edge in moved))
    return tuple(dict.fromkeys([same, *orders]))
