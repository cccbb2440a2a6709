"""Benchmarks of one's own: a table of measured cells, or a function that evaluates one."""

from __future__ import annotations

import csv
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_number, check_numbers
from crlso._base.types import Floats, Keys, Positions
from crlso.spaces import Cell, CellSpace

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Benchmark", "Function", "Tabular"]


class Benchmark(ABC):
    """What a search needs to know of a benchmark: cells, and what each is worth.

    A subclass has :meth:`evaluate`, and where it is known, ``test(cells)``, which is for reports alone.

    Attributes
    ----------
    space : CellSpace
    name, dataset : str
        What results are labelled with; a benchmark need not have a dataset.
    objective : str
        What the value is; every result is labelled with it.
    """

    space: CellSpace
    name: str
    dataset: str | None = None
    objective: str = "validation"

    @abstractmethod
    def evaluate(self, cell: Any) -> float:
        """The value of one cell, to be maximised."""

    def for_seed(self, seed: int) -> Self:
        """The benchmark as the searches with this seed see it.

        Of one whose values have noise, another with the noise of that seed; else itself. :func:`crlso.compare` asks for
        it, so that seeds differ in the noise too, and all methods see the same noise with the same seed.
        """
        return self

    def optimal_value(self) -> float | None:
        """The highest value that a cell of the benchmark has; None where it is not known.

        Studies and comparisons count regret from it.
        """
        best = getattr(self, "optimum", None)
        return None if best is None else float(self.evaluate(best()))

    def regret(self, value: float) -> float:
        """How far a value is below the highest one.

        Parameters
        ----------
        value : float
            In the unit of the benchmark's values, finite.

        Returns
        -------
        float
            In the same unit; negative for values above the highest.

        Raises
        ------
        TypeError, ValueError
            For a value that is no finite number, and where the highest one is not known.
        """
        best = self.optimal_value()
        if best is None:
            raise ValueError(f"regret: expected a benchmark that knows its highest value, got {self!r:.200}")
        return best - check_number("value", value)

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
        self.name = getattr(f, "__name__", type(f).__name__) if name is None else name
        self._f, self._test = f, test

    def evaluate(self, cell: Any) -> float:
        """Whatever the function gives for the cell; what it raises is passed on."""
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
    cell, whose value is their mean (of NAS-Bench-201 the cells that compute the same function).

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
        What results are labelled with: the table, and what its values are.

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
        self._values = _means(keys, check_numbers("values", values, len(codes)))
        self._test = (
            None if test_values is None else _means(keys, check_numbers("test_values", test_values, len(codes)))
        )
        self.space, self.name, self.objective = space.subset(codes), name, objective

    def __len__(self) -> int:
        return len(self._values)

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

    def _rows(self, cells: Any) -> Positions:
        codes = self.space.codes(cells)
        rows = self.space.classes().locate(codes)
        if (rows < 0).any():
            cell = self.space.cells(codes[rows < 0][:1])[0]
            raise ValueError(f"cells: expected cells of the table, got {cell!s:.200}")
        return rows

    def optimum(self) -> Cell:
        """The cell with the highest value."""
        return self.space.cells(self.space.all_codes()[self._values.argmax()][None])[0]

    def optimal_value(self) -> float:
        """The highest value of the table."""
        return float(self._values.max())

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], space: CellSpace) -> Tabular:
        """Read a table with the columns ``cell`` and ``value``, and perhaps ``test``.

        Parameters
        ----------
        path : str or path
            A CSV file with a header, UTF-8; cells as text, as ``str(cell)`` gives them, in quotes where they have
            commas. Other columns are passed over, and so are blank lines.
        space : CellSpace

        Raises
        ------
        OSError
            When the file cannot be read.
        ValueError
            For another header, and for a row that is no cell of the space with finite values; the line is named.
        """
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        # Bytes that are no UTF-8 become characters that no cell or number has, so that their line is found as well.
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file, strict=True)
            try:
                rows = list(_rows_of_table(reader, space))
            except (ValueError, csv.Error) as error:
                line = max(reader.line_num, 1)
                raise ValueError(f"table {os.fspath(path)!r}, line {line}: {error}") from None
        if not rows:
            raise ValueError(f"table {os.fspath(path)!r}: expected at least one row, got none")
        cells, values, tests = zip(*rows)
        return cls(space, cells, values, None if tests[0] is None else tests, name=Path(path).stem)


def _rows_of_table(reader: Any, space: CellSpace) -> Iterator[tuple[Cell, float, float | None]]:
    """Cell, value and test value of each row of a CSV file, which are checked when they are read."""
    header = [name.strip() for name in next(reader, [])]
    places = {name: header.index(name) for name in ("cell", "value", "test") if header.count(name) == 1}
    if not {"cell", "value"} <= set(places) or header.count("test") > 1:
        raise ValueError(f"expected a header with one column cell, one value and at most one test, got {header!r:.200}")
    for row in filter(None, reader):
        if len(row) != len(header):
            raise ValueError(
                f"expected {len(header)} fields (a cell with commas stands in quotes), got {len(row)}: {row!r:.200}"
            )
        cell = space.cell(row[places["cell"]].strip())
        if not space.valid([cell])[0]:
            raise ValueError(f"expected a cell of the space, got {cell!s:.200}")
        test = _number(row[places["test"]], "test") if "test" in places else None
        yield cell, _number(row[places["value"]], "value"), test


def _number(text: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number in column {column}, got {text!r:.100}")
    return number


def _means(keys: Keys, values: Floats) -> Floats:
    """Mean value of each key, in ascending order of keys."""
    inverse = np.unique(keys, return_inverse=True)[1].reshape(-1)
    shares = values / np.bincount(inverse)[inverse]  # added up instead of the values, whose sum may not be finite
    means: Floats = np.bincount(inverse, weights=shares).astype(np.float64)
    return means
