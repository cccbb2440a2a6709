"""Benchmarks of one's own: a table of measured cells, or a function that evaluates one."""

from __future__ import annotations

import csv
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso.spaces import Cell, CellSpace

__all__ = ["Benchmark", "Function", "Tabular"]

Floats = npt.NDArray[np.float64]


class Benchmark(ABC):
    """What a search needs to know of a benchmark: cells, and what each is worth.

    A subclass has :meth:`evaluate`, and where it is known, ``test(cells)``, which is for reports alone.

    Attributes
    ----------
    space : CellSpace
    name, dataset : str
        What results are labelled with.
    objective : str
        What the value is: ``"validation"``, say.
    """

    space: CellSpace
    name: str
    dataset: str | None = None
    objective: str = "validation"

    @abstractmethod
    def evaluate(self, cell: Any) -> float:
        """The value of one cell, to be maximised."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self.space!r}, value = {self.objective})"


class Function(Benchmark):
    """A benchmark made of a function that evaluates a cell.

    Parameters
    ----------
    space : CellSpace
        The cells.
    f : callable
        ``f(cell) -> float``, the value to maximise, say a validation accuracy in percent.
    name : str, optional
        By default the function's.
    test : callable, optional
        ``test(cell) -> float``, called for the best cells when the search is over.
    objective : str
        What `f` gives.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
    >>> bench = Function(space, lambda cell: float(cell.operations.count("conv")))
    >>> bench.evaluate("|conv~0|+|conv~0|+|pool~1|conv~2|")
    3.0
    """

    def __init__(
        self,
        space: CellSpace,
        f: Callable[[Cell], float],
        name: str | None = None,
        test: Callable[[Cell], float] | None = None,
        objective: str = "value",
    ) -> None:
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        for argument, value in (("f", f), ("test", test)):
            if not callable(value) and (value is not None or argument == "f"):
                raise TypeError(f"{argument}: expected a function of a cell, got {type(value).__name__}")
        self.space, self.objective = space, objective
        self.name = name if name is not None else getattr(f, "__name__", type(f).__name__)
        self._f, self._test = f, test

    def evaluate(self, cell: Any) -> float:
        """Whatever the function gives for the cell."""
        return self._f(self.space.cell(cell))

    def test(self, cells: Any) -> Floats:
        """Test values of cells, shape (n,); NaN without a function for them."""
        chosen = self.space.cells(cells)
        if self._test is None:
            return np.full(len(chosen), np.nan)
        return np.array([float(self._test(cell)) for cell in chosen])


class Tabular(Benchmark):
    """A benchmark made of a table of measured cells.

    The space of the benchmark has the cells of the table alone: nothing else is asked for. Rows of equal cells are one
    cell, whose value is their mean.

    Parameters
    ----------
    space : CellSpace
        Of the cells.
    cells : array_like or iterable
        Anything that ``space.codes`` accepts, n cells.
    values : array_like, shape (n,)
        What each is worth, to be maximised; finite.
    test_values : array_like, shape (n,), optional
        Reported for the best cells, never used to choose them.
    name, objective : str
        What results and their values are labelled with.

    Raises
    ------
    TypeError, ValueError
        For cells that are not in the space, and values that are not finite numbers, one for each cell.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
    >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5])
    >>> len(bench), bench.evaluate("|pool~0|+|conv~1|")
    (2, 92.5)
    """

    def __init__(
        self,
        space: CellSpace,
        cells: Any,
        values: npt.ArrayLike,
        test_values: npt.ArrayLike | None = None,
        name: str = "table",
        objective: str = "value",
    ) -> None:
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        codes = space.codes(cells)
        keys = space.canonical_key(codes)
        self._values = _means(keys, _checked(values, len(codes), "values"))
        self._test = None if test_values is None else _means(keys, _checked(test_values, len(codes), "test_values"))
        self.space, self.name, self.objective = space.subset(codes), name, objective
        self._keys = np.unique(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def evaluate(self, cell: Any) -> float:
        """The value of one cell.

        Raises
        ------
        ValueError
            For a cell that is not in the table.
        """
        return float(self.values([self.space.cell(cell)])[0])

    def values(self, cells: Any) -> Floats:
        """Values of cells, shape (n,)."""
        return self._values[self._rows(cells)]

    def test(self, cells: Any) -> Floats:
        """Test values of cells, shape (n,); NaN for a table without."""
        rows = self._rows(cells)
        return np.full(len(rows), np.nan) if self._test is None else self._test[rows]

    def _rows(self, cells: Any) -> npt.NDArray[np.int64]:
        codes = self.space.codes(cells)
        keys = self.space.canonical_key(codes)
        rows = np.searchsorted(self._keys, keys)
        missing = self._keys[np.minimum(rows, len(self._keys) - 1)] != keys
        if missing.any():
            cell = self.space.cells(codes[missing][:1])[0]
            raise ValueError(f"cells: expected cells of the table, got {cell!s:.200}")
        return rows

    def optimum(self) -> Cell:
        """The cell with the highest value."""
        return self.space.cells(self.space.all_codes()[self._values.argmax()][None])[0]

    def regret(self, value: float) -> float:
        """How far a value is below the highest of the table."""
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"value: expected a finite number, got {value!r:.100}")
        return float(self._values.max()) - number

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], space: CellSpace) -> Tabular:
        """Read a table with the columns ``cell`` and ``value``, and perhaps ``test``.

        Parameters
        ----------
        path : str or path
            A CSV file with a header, UTF-8; cells as text, as ``str(cell)`` gives them.
        space : CellSpace

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            For another header, and for a row that is no cell with finite values; the line is named.
        """
        cells: list[Cell] = []
        values: list[float] = []
        tests: list[float] = []
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            try:
                header = [name.strip() for name in rows.fieldnames or []]
                if not {"cell", "value"} <= set(header):
                    raise ValueError(
                        f"expected a header with the columns cell and value, got {','.join(header)!r:.200}"
                    )
                rows.fieldnames = header
                for row in rows:
                    cells.append(space.cell((row["cell"] or "").strip()))
                    values.append(_number(row["value"], "value"))
                    if "test" in header:
                        tests.append(_number(row["test"], "test"))
            except (ValueError, csv.Error) as error:
                raise ValueError(f"table {os.fspath(path)!r}, line {rows.reader.line_num}: {error}") from None
        if not cells:
            raise ValueError(f"table {os.fspath(path)!r}: expected at least one row, got none")
        try:
            return cls(space, cells, values, tests or None, name=Path(path).stem)
        except ValueError as error:
            raise ValueError(f"table {os.fspath(path)!r}: {error}") from None


def _number(text: str | None, column: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number in column {column}, got {text!r:.100}")
    return number


def _checked(values: npt.ArrayLike, n: int, name: str) -> Floats:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), one for each cell, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array.astype(np.float64)


def _means(keys: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Mean value of each key, in ascending order of keys."""
    inverse = np.unique(keys, return_inverse=True)[1].reshape(-1)
    means: Floats = np.bincount(inverse, weights=values) / np.bincount(inverse)
    return means
