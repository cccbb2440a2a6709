"""The part of a space that looks at cells one by one: their codes and text, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_number, check_numbers
from crlso._base.types import Codes, Floats
from crlso.spaces.cell import Cell
from crlso.spaces.features import live_operations
from crlso.spaces.layout import CellLayout
from crlso.spaces.text import bare_text, parse_cell

__all__ = ["CodedSpace", "checked_cost"]


class CodedSpace:
    """Base class of spaces: how cells are written as rows of codes, and what is known of each cell.

    Which cells are possible, which are equal and which are neighbours, :class:`crlso.spaces.CellSpace` says.
    """

    _layout: CellLayout
    _cost: tuple[float, ...] | Callable[[Sequence[Cell]], npt.ArrayLike] | None = None

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

    def log_size(self, codes: Codes) -> Floats | None:
        """Return the logarithm of the size of networks of the cells, shape (n,); None where nothing is known of it.

        Searches compare cells by their sizes, and begin with some large ones. With the costs of operations, it is
        ``log(1 + c / d)``, where c is the cost of all operations on a path from an input to the output, and d the
        smallest cost above 0. With a function, it is the logarithm of what that returns. A subclass can override it.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n,), optional
            Natural logarithm for each cell; None if the space was made without `cost`.

        Raises
        ------
        TypeError, ValueError
            If the function does not return a positive number for each cell.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "skip"], identity=["skip"], cost={"conv": 9.0})
        >>> np.exp(space.log_size(space.codes(["|conv~0|+|conv~0|conv~1|", "|skip~0|+|conv~0|skip~1|"]))).round(6)
        array([4., 2.])
        """
        if self._cost is None:
            return None
        if callable(self._cost):
            sizes = check_numbers("cost", self._cost(self.cells(codes)), len(codes))
            if not (sizes > 0).all():
                raise ValueError(f"cost: expected positive numbers, got {sizes.min():g}")
            return np.log(sizes)
        costs = np.array(self._cost * len(self._layout.graphs))
        return np.log1p(live_operations(self._layout, codes) @ (costs / costs[costs > 0].min()))

    def channels(self, codes: Codes) -> Floats | None:
        """Return the channels at each place of an operation; None where nothing is known of them.

        A subclass can override it: :func:`crlso.spaces.features.graph_descriptors` weights operations by it.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, codes per cell)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n, places), optional
            In units of the output's channels; 0 where no operation is. Places are those of all graphs, in the order
            of their codes.

        Examples
        --------
        >>> from crlso.spaces import NASBench101
        >>> space = NASBench101()
        >>> space.channels(space.codes(["conv3x3-bn-relu(0)+maxpool3x3(0)+output(1,2)"]))
        array([[0.5, 0.5, 0. , 0. , 0. ]])
        """
        return None

    def similarity(self) -> Floats:
        """Return how similar operations are to each other: here only to themselves.

        Returns
        -------
        ndarray of float64, shape (operations, operations)
            Positive definite, with ones on its diagonal.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.similarity()
        array([[1., 0.],
               [0., 1.]])
        """
        return np.eye(len(self.operations))

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, sequence of int or Cell
            The cell as text (as ``str(cell)`` or ``repr(cell)`` gives it, with or without white space at its ends), its
            codes, or a Cell.

        Returns
        -------
        Cell
            A cell of this space; `x` itself if it is one.

        Raises
        ------
        ValueError
            For text or codes that are no cell of the space, or a Cell of another space.
        TypeError
            For anything else.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> cell = space.cell("|conv~0|+|pool~0|conv~1|")
        >>> cell.codes, space.cell(cell.codes) == cell
        ((0, 1, 0), True)
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, Cell):
            if x.space != self.name:
                raise ValueError(f"cell: expected a Cell of {self.name}, got one of {x.space}")
            return x
        if isinstance(x, str):
            return Cell(self.name, parse_cell(self._layout, bare_text(x)))
        if isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, (bytes, bytearray, memoryview)):
            return Cell(self.name, tuple(x.tolist() if isinstance(x, np.ndarray) else x))
        raise TypeError(f"cell: expected text, {len(self.cardinalities)} codes or a Cell, got {type(x).__name__}")

    def codes(self, cells: Any) -> Codes:
        """Return the codes of cells, checked.

        Parameters
        ----------
        cells : array_like or iterable
            Integers of shape (n, codes per cell), an array or another iterable of anything that :meth:`cell` accepts,
            or one Cell or its text.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            The given array itself when it is of this type already, else a new one.

        Raises
        ------
        TypeError, ValueError
            For arrays of another kind or shape, codes outside their ranges, and things that are no cells.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.codes(["|conv~0|+|pool~0|conv~1|", (1, 1, 0)])
        array([[0, 1, 0],
               [1, 1, 0]], dtype=uint8)
        """
        if isinstance(cells, (np.ndarray, np.generic)) and not isinstance(cells, str):
            array = np.asarray(cells)
            if array.dtype.kind not in "OUT":  # T: the texts of variable length of NumPy 2
                return self._codes_from_array(array)
            cells = array if array.ndim else array.item()
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
        wrong = array > self._layout.largest_codes
        if array.dtype.kind == "i":
            wrong |= array < 0
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"cells: expected codes from 0 to {self.cardinalities[column] - 1} in column {column}, "
                f"got {array[row, column]} in row {row}"
            )
        return array.astype(np.uint8, copy=False)

    def cells(self, codes: Any) -> list[Cell]:
        """Make a Cell of each of anything that :meth:`codes` accepts.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        list of Cell
            One for each of the given cells, in their order.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.cells([(0, 1, 0)])
        [Cell('|conv~0|+|pool~0|conv~1|')]
        """
        return [Cell(self.name, tuple(row)) for row in self.codes(codes).tolist()]

    def one_hot(self, codes: Any) -> npt.NDArray[np.float32]:
        """Return codes as indicators, float32 of shape (n, sum of the cardinalities).

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of float32, shape (n, sum of the cardinalities)
            One column for each value of each code, code after code: 1 for the value that the code has, 0 for others.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> space.one_hot([(0, 1, 0)])
        array([[1., 0., 0., 1., 1., 0.]], dtype=float32)
        """
        first = np.cumsum([0, *self.cardinalities[:-1]])
        rows = self.codes(codes).astype(np.int64) + first
        hot = np.zeros((len(rows), sum(self.cardinalities)), dtype=np.float32)
        np.put_along_axis(hot, rows, 1.0, axis=1)
        return hot

    def prune(self, codes: Any) -> Codes:
        """Remove what is on no path from an input to the output; the nodes that stay move to the front.

        Where edges are not free, nothing is removed.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            The codes of what stays of each cell.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
        >>> print(space.cells(space.prune(["pool(0)+conv(0)+output(2)"]))[0])
        conv(0)+output(1)
        """
        rows = self.codes(codes)
        return _core.cell_prune(rows, self._layout.of_core, False) if self._layout.free else rows


def checked_cost(layout: CellLayout, cost: Any) -> Any:
    """Return the cost of each operation as a tuple; a function and None as they are."""
    if cost is None or callable(cost):
        return cost
    if not isinstance(cost, Mapping):
        raise TypeError(f"cost: expected a mapping of operations to numbers, or a function, got {type(cost).__name__}")
    unknown = [name for name in cost if name not in layout.operations]
    passive = {*layout.identities, *layout.dead_operations}
    missing = [name for i, name in enumerate(layout.operations) if name not in cost and i not in passive]
    if unknown or missing:
        wrong = f"got also {unknown[0]!r:.60}" if unknown else f"got none for {missing[0]!r:.60}"
        raise ValueError(f"cost: expected a number for each operation, {wrong}")
    costs = tuple(check_number(f"cost of {name!r:.60}", cost.get(name, 0.0), least=0) for name in layout.operations)
    if not any(costs):
        raise ValueError("cost: expected a number above 0 for at least one operation, got 0 for all")
    return costs
