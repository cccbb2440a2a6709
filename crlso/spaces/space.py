"""Spaces of cells: which cells there are, which of them are equal, and which are neighbours."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.files import read_text
from crlso._base.names import native_names
from crlso._base.types import Codes, Keys
from crlso.random import Stream, seed_of
from crlso.spaces.base import PAPER_PRESETS, Preset, Shipped
from crlso.spaces.cell import Cell
from crlso.spaces.coded import CodedSpace, checked_cost
from crlso.spaces.keys import Classes, first_of_each, row_keys
from crlso.spaces.layout import CellLayout, make_layout, register_layout
from crlso.spaces.neighbours import Neighbourhoods, changed_codes
from crlso.spaces.sampling import Condition, draw_cells, draw_near, find_cells
from crlso.spaces.text import cell_text

__all__ = ["CellSpace"]

LARGEST_FILE = 1 << 20  # bytes
LARGEST_LISTED = 1_000_000  # rows of codes up to which a space can be listed
_SYMMETRIC_NODES = 7  # intermediate nodes up to which the symmetries of fixed edges are looked for


class CellSpace(CodedSpace):
    """A space of your own: its cells are small directed acyclic graphs of operations.

    A cell is a row of codes, uint8. With ``operations_on="edges"`` a code is the operation of an edge; with "nodes" the
    operations of the intermediate nodes come first, and then, where edges are free, one code per possible edge. Edges
    are ordered by target and source. Where edges are free, code 0 is no edge (or an absent node) and operations count
    from 1.

    Cells are equal when they differ only in the order of intermediate nodes or, where edges are free, in nodes and
    edges that are on no path from an input to the output. :meth:`canonicalise` returns one row for all equal cells:
    what is on no path is removed, and the other nodes come first, in a fixed order.

    A subclass may override :meth:`canonicalise` to make more cells equal, or fewer; lists, samples and neighbours
    follow.

    Parameters
    ----------
    nodes : int
        Nodes of a cell, inputs and output included, at most 16.
    operations : sequence of str
        Names of the operations.
    operations_on : {"edges", "nodes"}
        Where operations are; inputs and output have none.
    edges : "complete", "free" or sequence of (int, int)
        "complete": every pair (source, target) with source < target is an edge, except into an input. "free": a cell
        has any of these edges. A sequence: a cell has exactly the edges that are listed.
    max_edges : int, optional
        With free edges: the largest number of edges of a cell after pruning.
    input_nodes : int
        How many of the nodes are inputs; they come first.
    zero, identity : sequence of str
        Operations that pass nothing on, and those that pass on exactly what they get. Searches compare cells by them:
        an edge with the former is on no path, the latter do not count on one. Nothing is guessed from names: a skip
        that carries a projection, for example, is no identity.
    cost : mapping of str to float, or callable, optional
        What a network costs, such as parameters or FLOPs, see :meth:`log_size`. A mapping has the cost of each
        operation, at least 0; operations of `zero` and `identity` may be left out. A function ``cost(cells)`` returns
        a positive number for each cell of a list. Spaces with other costs are not equal, but have the same name.

    Attributes
    ----------
    name : str
        Name that holds all arguments but `cost`: spaces of one class with equal arguments are equal.
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

    _conditions: tuple[Condition, ...] = ()  # of a part that is too large to list
    _starts: Codes  # and some of its cells
    _members: Classes | None = None  # the classes of a subset
    _listed: Codes  # and the cell that was given for each
    _lists_classes = True  # whether all_codes() has one row of each class

    def __init__(
        self,
        nodes: int = 4,
        operations: Sequence[str] = ("conv_1x1", "conv_3x3", "skip_connect"),
        operations_on: str = "edges",
        edges: str | Sequence[tuple[int, int]] = "complete",
        max_edges: int | None = None,
        input_nodes: int = 1,
        zero: Sequence[str] = (),
        identity: Sequence[str] = (),
        cost: Mapping[str, float] | Callable[[Sequence[Cell]], npt.ArrayLike] | None = None,
    ) -> None:
        layout = make_layout(nodes, operations, operations_on, edges, max_edges, input_nodes, zero, identity)
        self._layout = register_layout(layout)
        self._cost = checked_cost(layout, cost)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> CellSpace:
        """Read a space from a TOML file whose keys are the arguments of the constructor.

        Parameters
        ----------
        path : path-like
            A TOML file.

        Returns
        -------
        CellSpace

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            For text that is no TOML, unknown keys and wrong values; the message names the file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "space.toml"
        >>> _ = path.write_text('operations = ["conv", "pool"]')
        >>> CellSpace.from_toml(path)
        CellSpace(4 nodes, 2 operations on edges)
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        known = [name for name in inspect.signature(CellSpace.__init__).parameters if name != "self"]
        text = read_text(path, LARGEST_FILE)
        try:
            given = tomllib.loads(text)
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
    def n_cells(self) -> int | None:
        """Number of cells that the space lists, ``len(all_codes())``; None for a space that is too large to list."""
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
        # Lists of cells are cached by space, and which cells are equal is up to the class.
        if not isinstance(other, CellSpace) or type(self) is not type(other):
            return False
        if self.name != other.name or self._cost != other._cost or (self._members is None) != (other._members is None):
            return False
        if self._conditions != other._conditions:
            return False
        return self._members is None or self._listed is other._listed or np.array_equal(self._listed, other._listed)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._members is not None:
            self._listed.flags.writeable = False  # copies of arrays are writeable

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""
        return PAPER_PRESETS

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso for the space: none for a space of your own."""
        return Shipped()

    # -- which cells are possible, and which are the same ---------------------------------------------------------

    def valid(self, codes: Any) -> npt.NDArray[np.bool_]:
        """Tell which rows of codes are cells of the space, shape (n,).

        With free edges, a path must lead from an input to the output, and pruning must leave at most `max_edges` edges.
        A part of a space has its own cells only.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where a row is a cell of the space, in the order of the rows.

        Examples
        --------
        >>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
        >>> space.valid(["pool(0)+conv(0)+output(2)", "pool(0)+conv(1)+output()"])
        array([ True, False])
        """
        rows = self.codes(codes)
        layout = self._layout
        good = _core.cell_valid(rows, layout.of_core) if layout.free else np.ones(len(rows), dtype=bool)
        if self._members is not None:
            good[good] = self._members.locate(rows[good]) >= 0
        for excess in self._conditions:
            good[good] = excess(self.canonicalise(rows[good])) <= 0
        return good

    def canonicalise(self, codes: Any) -> Codes:
        """Return the canonical cell of each cell's class, shape (n, codes per cell).

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Canonical codes of each cell; equal cells have equal rows.

        Examples
        --------
        >>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
        >>> cells = space.cells(space.canonicalise(["pool(0)+conv(0)+output(1,2)", "conv(0)+pool(0)+output(1,2)"]))
        >>> cells[0] == cells[1]
        True
        """
        rows = self.codes(codes)
        if self._layout.free:
            return _core.cell_prune(rows, self._layout.of_core, True)
        symmetries = _symmetries(self._layout)
        if len(symmetries) == 1:
            return rows
        variants = np.stack([rows[:, list(order)] for order in symmetries])
        least = np.stack([row_keys(variant, self.cardinalities) for variant in variants]).argmin(axis=0)
        chosen: Codes = variants[least, np.arange(len(rows))]
        return chosen

    def representative(self, codes: Any) -> Codes:
        """Return the cell that stands for each cell's class, and that a search asks for, shape (n, codes per cell).

        It is the canonical cell; in a subset, the cell of the class that was given.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Codes of the cell that stands for each cell, in the order of the cells.

        Raises
        ------
        ValueError
            If a cell is not in the subset.

        Examples
        --------
        >>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
        >>> given = space.cell("pool(0)+conv(0)+output(1,2)")
        >>> part = space.subset([given])
        >>> part.cells(part.representative(["conv(0)+pool(0)+output(1,2)"])) == [given]
        True
        """
        if self._members is None:
            return self.canonicalise(codes)
        positions = self._members.locate(codes)
        if (positions < 0).any():
            raise ValueError("cells: expected cells of the subset, got others among them")
        return self._listed[positions]

    def canonical_key(self, codes: Any) -> Keys:
        """Return one integer per cell, the same for equal cells, shape (n,).

        The key is the canonical row read as one number, or a 63-bit hash of it where that number is too large: among
        a million different cells, two share a hash with a probability of 6e-8. Keys are not negative.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of int64, shape (n,)
            Key of each cell, in the order of the cells.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.canonical_key([(0, 0, 0), (0, 1, 1)])
        array([0, 3])
        """
        return row_keys(self.canonicalise(codes), self.cardinalities)

    # -- lists, samples, neighbours -------------------------------------------------------------------------------

    def all_codes(self) -> Codes:
        """Return all cells that the space lists: here one row of each class, in the order of their keys.

        Returns
        -------
        ndarray of uint8, shape (n_cells, codes per cell)
            Canonical cells, of a subset those that were given; read-only.

        Raises
        ------
        ValueError
            For a space with more than a million rows of codes.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.all_codes()[:3]
        array([[0, 0, 0],
               [0, 0, 1],
               [0, 1, 0]], dtype=uint8)
        """
        if self._members is not None:
            return self._listed
        if self.n_rows > LARGEST_LISTED:
            raise ValueError(
                f"space: expected one of at most {LARGEST_LISTED} rows of codes to list, got {self.n_rows:.3g}"
            )
        return _all_cells(self)

    def classes(self) -> Classes:
        """Return the different cells: one row for each class of equal cells, in the order of their keys.

        Returns
        -------
        Classes
            Canonical cells with their keys; in a subset, those of its cells only.

        Raises
        ------
        ValueError
            For a space that is too large to list.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> len(space.classes()), space.classes().keys[:3]
        (8, array([0, 1, 2]))
        """
        return _all_classes(self) if self._members is None else self._members

    def subset(self, cells: Any) -> CellSpace:
        """Return the same space with some of its cells only, for example those of a table.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that :meth:`codes` accepts.

        Returns
        -------
        CellSpace
            It lists and samples these cells, one of each class: the first that was given stands for its class, and is
            the one that searches ask for. Neighbours are found among their classes.

        Raises
        ------
        TypeError, ValueError
            For no cell, and for anything that is no cell of the space.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> part = space.subset([(0, 1, 1), (1, 1, 1)])
        >>> len(part), part.valid([(0, 1, 1), (0, 0, 0)])
        (2, array([ True, False]))
        """
        rows = self.codes(cells)
        if not len(rows):
            raise ValueError("cells: expected at least one, got none")
        good = self.valid(rows)
        if not good.all():
            wrong = cell_text(self._layout, tuple(rows[~good][0].tolist()))
            raise ValueError(f"cells: expected cells of the space, got {wrong!r:.200}")
        smaller = copy.copy(self.whole)
        smaller._members = Classes.among(rows, self.canonicalise, self.canonical_key)
        smaller._listed = rows[np.unique(self.canonical_key(rows), return_index=True)[1]]
        smaller._listed.flags.writeable = False
        return smaller

    def where(self, excess: Condition) -> CellSpace:
        """Return the same space with only the cells that satisfy a condition.

        A space that can be listed is asked cell by cell, and what is left of it is a :meth:`subset`. In a larger space,
        some cells that satisfy the condition are found first, at random or by steps to cells with less excess; they and
        their neighbours are drawn where random cells hardly ever satisfy it.

        Parameters
        ----------
        excess : callable
            ``excess(codes)`` returns how far the cells that a search would ask for are from the condition, shape (n,):
            0 for those that satisfy it.

        Returns
        -------
        CellSpace
            A new space; this one does not change.

        Raises
        ------
        ValueError
            If no cell satisfies the condition; in a large space, if none was found.

        Examples
        --------
        >>> space = CellSpace(nodes=4, operations=["conv", "pool"])
        >>> len(space), len(space.where(lambda codes: (codes == 0).sum(axis=1) - 2))  # at most two convolutions
        (64, 22)
        """
        if self.n_cells is not None:
            rows = self.representative(self.classes().codes)
            allowed = rows[excess(rows) <= 0]
            if not len(allowed):
                raise ValueError(f"constraints: expected a cell that satisfies them, got none of {len(rows)}")
            return self.subset(allowed)
        smaller = copy.copy(self)
        smaller._starts = find_cells(self, excess)
        smaller._conditions = (*self._conditions, excess)
        return smaller

    @property
    def whole(self) -> CellSpace:
        """The space of which this one is a part; itself if it is none."""
        if self._members is None and not self._conditions:
            return self
        whole = copy.copy(self)
        whole._members, whole._conditions = None, ()
        return whole

    @native_names
    def sample(self, n: int, rng: Any, unique_classes: bool = False) -> Codes:
        """Draw different cells at random.

        If the space can be listed, cells are drawn uniformly without replacement from :meth:`all_codes`. Otherwise
        random rows are drawn until `n` different cells are found: operations are uniform, and each free edge is there
        with probability 1/2 (or so that `max_edges` are expected, if that is less).

        Parameters
        ----------
        n : int
            Number of cells.
        rng : int, Generator or SeedSequence
            Source of randomness.
        unique_classes : bool
            True: at most one cell of each class, for a space that lists equal cells. The cells are rows as they are
            listed, not canonical ones: of cells drawn in turn, those whose class came before are dropped.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Different rows, each the codes of a cell.

        Raises
        ------
        TypeError
            When `n` is no int, or `rng` no source of randomness.
        ValueError
            When `n` is negative or larger than the number of cells or classes (of a space that is too large to list:
            of the cells that were found).

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.sample(2, rng=0)
        array([[1, 1, 1],
               [0, 0, 1]], dtype=uint8)
        """
        number, stream = self.n_cells, Stream(seed_of(rng))
        if number is None:
            n = check_int("n", n, 0)
            found = self._drawn(n, stream)
            if len(found) < n:
                raise ValueError(f"n: expected at most about {len(found)} (the different cells found), got {n}")
            return found
        listed, order = self.all_codes(), stream.permutation("sample", 0, number)
        if unique_classes and not self._lists_classes:
            order = order[first_of_each(self.canonical_key(listed[order]))]
        return listed[order[: check_int("n", n, 0, len(order))]]

    @native_names
    def sample_up_to(self, n: int, rng: Any) -> Codes:
        """Draw cells as :meth:`sample` does, but fewer where the space has no more, or hardly any more can be found.

        Parameters
        ----------
        n : int
            Largest number of cells.
        rng : int, numpy.random.Generator or numpy.random.SeedSequence
            Source of randomness.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Different rows, each the codes of a cell; n is at most the number asked for.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> len(space.sample_up_to(100, rng=0))
        8
        """
        n, number = check_int("n", n, 0), self.n_cells
        return self._drawn(n, Stream(seed_of(rng))) if number is None else self.sample(min(n, number), rng)

    def _drawn(self, n: int, stream: Stream) -> Codes:
        return draw_near(self, self._starts, n, stream) if self._conditions else draw_cells(self, n, stream)

    def neighbours(self, cell: Any) -> Codes:
        """Return all different cells one step away.

        A step is another operation, an edge or a node more or less, or an edge that moves to another source.

        Parameters
        ----------
        cell : str, sequence or Cell
            Anything that :meth:`cell` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            Canonical cells in the order of their keys, without the cell's own class.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.neighbours((0, 0, 0))
        array([[0, 0, 1],
               [0, 1, 0],
               [1, 0, 0]], dtype=uint8)
        """
        return self.neighbourhoods([cell]).codes

    def neighbourhoods(self, cells: Any) -> Neighbourhoods:
        """Return the neighbours of many cells, see :meth:`neighbours`.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that :meth:`codes` accepts.

        Returns
        -------
        Neighbourhoods
            A tuple ``codes, keys, counts``: the neighbours of all cells one after the other, their keys, and how many
            each cell has.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> near = space.neighbourhoods(space.sample(4, rng=0))
        >>> near.codes.shape, near.counts
        ((12, 3), array([3, 3, 3, 3]))
        """
        rows = self.prune(cells)
        codes, counts = self._steps(rows)
        keys = row_keys(codes, self.cardinalities)
        return Neighbourhoods(*_core.cell_different(codes, keys, counts, self.canonical_key(rows)))

    def _steps(self, rows: Codes) -> tuple[Codes, npt.NDArray[np.int64]]:
        """Canonical cells of the space one step away from pruned rows, and how many each has; some may be equal."""
        kind, layout = type(self), self._layout
        is_usual = layout.free and kind.canonicalise is CellSpace.canonicalise
        moved, counts = _core.cell_neighbours(rows, layout.of_core, is_usual) if layout.free else self._changed(rows)
        if self._members is not None or self._conditions or kind.valid is not CellSpace.valid:
            good, owner = self.valid(moved), np.repeat(np.arange(len(rows)), counts)
            moved, counts = moved[good], np.bincount(owner[good], minlength=len(rows))
        return moved if is_usual else self.canonicalise(moved), counts

    def _changed(self, rows: Codes) -> tuple[Codes, npt.NDArray[np.int64]]:
        """Where edges are fixed: rows with one other code, and how many each row has."""
        return changed_codes(rows, self.cardinalities)

    @native_names
    def mutate(self, codes: Any, rng: Any) -> Codes:
        """Return a random neighbour of each cell, shape (n, codes per cell); a cell without any stays as it is.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.
        rng : int, numpy.random.Generator or numpy.random.SeedSequence
            Source of randomness.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            A neighbour of each cell, all of its neighbours being equally likely.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.mutate([(0, 0, 0), (0, 0, 0)], rng=0)
        array([[1, 0, 0],
               [1, 0, 0]], dtype=uint8)
        """
        rows = self.codes(codes).copy()
        draw = Stream(seed_of(rng)).uniform("mutate", 0, len(rows), "float64")
        near = self.neighbourhoods(rows)
        has_any = near.counts > 0
        chosen = np.cumsum(near.counts) - near.counts + (draw * near.counts).astype(np.int64)
        rows[has_any] = near.codes[chosen[has_any]]
        return rows

    # -- for graph networks ---------------------------------------------------------------------------------------

    def from_logits(self, logits: npt.NDArray[Any]) -> Codes:
        """Return the most likely cells, pruned: the largest logit of each code.

        With a fixed number of edges into a node, these are the edges that are most likely to be there.

        Parameters
        ----------
        logits : ndarray, shape (n, sum of the cardinalities)
            One number for each value of each code, in the order of the columns of :meth:`one_hot`.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            A row may be no cell of the space: see :meth:`valid`.

        Raises
        ------
        TypeError, ValueError
            If `logits` is no such array.

        Examples
        --------
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.from_logits(np.array([[2.0, 1.0, 0.0, 3.0, 1.0, 0.5]]))
        array([[0, 1, 0]], dtype=uint8)
        """
        width = sum(self.cardinalities)
        if not isinstance(logits, np.ndarray):
            raise TypeError(f"logits: expected an array, got {type(logits).__name__}")
        if logits.ndim != 2 or logits.shape[1] != width:
            raise ValueError(f"logits: expected shape (n, {width}), got {logits.shape}")
        groups = self._layout.groups
        if len(groups) == 1:  # all codes have equally many values: the usual case, and the fast one
            _, n_codes, k = groups[0]
            rows = self._likely(logits.reshape(len(logits), n_codes, k)).astype(np.uint8, copy=False)
            return self.prune(rows) if self._layout.free else rows
        rows = np.zeros((len(logits), len(self.cardinalities)), dtype=np.uint8)
        first = 0
        for begin, end, k in groups:
            last = first + (end - begin) * k
            part = np.ascontiguousarray(logits[:, first:last]).reshape(len(logits), end - begin, k)
            rows[:, begin:end] = self._likely(part)
            first = last
        return self.prune(rows) if self._layout.free else rows

    def _likely(self, logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The most likely code of each place, of logits (n, places, values)."""
        if self._layout.in_degree is None:
            return _core.argmax_last(logits)
        return _core.cell_likely(logits, self._layout.of_core)


@functools.lru_cache(maxsize=8)
def _all_cells(space: CellSpace) -> Codes:
    grid = np.indices(space.cardinalities, dtype=np.uint8).reshape(len(space.cardinalities), -1).T
    return Classes.among(grid[space.valid(grid)], space.canonicalise, space.canonical_key).codes


@functools.lru_cache(maxsize=8)
def _all_classes(space: CellSpace) -> Classes:
    return Classes.among(space.all_codes(), space.canonicalise, space.canonical_key)


@functools.lru_cache(maxsize=64)
def _symmetries(layout: CellLayout) -> tuple[tuple[int, ...], ...]:
    """For fixed edges: the orders of codes that come from reordering the intermediate nodes, the identity first."""
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
