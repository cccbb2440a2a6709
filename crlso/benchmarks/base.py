"""The base class of benchmarks, and benchmarks made from a function or from a table of measured cells."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_number, check_numbers, real
from crlso._base.displays import display, facts
from crlso._base.files import read_text
from crlso._base.fingerprint import Named
from crlso._base.tables import number
from crlso._base.types import Floats, Keys, Positions
from crlso.benchmarks.measures import Measure, check_measure, measures_of
from crlso.history import Measurement
from crlso.spaces import Cell, CellSpace

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Benchmark", "Function", "Tabular"]

LARGEST_FILE = 1 << 28  # bytes
_NO_MEASURES = {"cell", "value", "test", "state", "asked", "error", "number", "index"}  # columns of a CSV file


class Benchmark(ABC):
    """Base class of benchmarks: a space of cells, and a value for each cell.

    A subclass defines :meth:`evaluate`. If test values are known, it also defines ``test(cells)``, which is used for
    reports only.

    Attributes
    ----------
    space : CellSpace
        Space of the cells.
    name : str
        Name of the benchmark, which labels results.
    dataset : str or None
        Name of the data set, which labels results.
    objective : str
        Name of the value, for example ``"validation"``; it labels results.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> class CountConvolutions(Benchmark):
    ...     space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
    ...     name = "convolutions"
    ...     def evaluate(self, cell):
    ...         return float(self.space.cell(cell).operations.count("conv"))
    >>> CountConvolutions().evaluate("|conv~0|+|conv~1|")
    2.0
    """

    space: CellSpace
    name: str
    dataset: str | None = None
    objective: str = "validation"

    @abstractmethod
    def evaluate(self, cell: Any) -> float:
        """Return the value of one cell, which a search maximises.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Or a mapping of ``"value"`` and the measures that are queried to numbers, or a
            :class:`crlso.history.Measurement`.

        Examples
        --------
        >>> from crlso.benchmarks import NASBench201
        >>> bench = NASBench201("cifar10")
        >>> bench.evaluate(6111)
        91.60666666666667
        """

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What can be asked of a cell, by name: ``"value"``, which ``evaluate`` returns, and further measures.

        :func:`crlso.search` takes their names as objectives and constraints.
        """
        return {"value": Measure("value")}

    def measure(self, name: str, cells: Any) -> Floats:
        """Return a measure of cells that is known without a query.

        Parameters
        ----------
        name : str
            One of :attr:`measures`.
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            In the unit of the measure; NaN where it is not known.

        Raises
        ------
        ValueError
            If the benchmark has no such measure (the message has the nearest name), or it is queried.

        Examples
        --------
        >>> from crlso.benchmarks import NASBench201
        >>> bench = NASBench201("cifar10")
        >>> bench.measure("latency:pixel3", [bench.optimum()]), bench.measures["latency:pixel3"].unit
        (array([23.585]), 'ms')
        """
        return check_measure("measure", name, self.measures)(self.space.codes(cells))

    def for_seed(self, seed: int) -> Self:
        """Return the benchmark that searches with this seed use.

        If values have noise, it is a benchmark with the noise of that seed; otherwise it is the benchmark itself.
        :func:`crlso.compare` calls this. So the noise differs between seeds, and all methods with the same seed see the
        same noise.

        Parameters
        ----------
        seed : int
            Seed of the search.

        Returns
        -------
        Benchmark
            The benchmark itself, unless a subclass has noise.

        Examples
        --------
        >>> from crlso.benchmarks import NASBench201
        >>> bench = NASBench201("cifar10")
        >>> bench.for_seed(3) is bench
        True
        """
        return self

    def optimal_value(self) -> float | None:
        """Return the highest value of all cells, or None if it is unknown.

        Studies and comparisons subtract values from it to get the regret.

        Returns
        -------
        float, optional
            Value of the cell that ``optimum()`` returns; None if the benchmark has no such method.

        Examples
        --------
        >>> from crlso.benchmarks import NASBench201
        >>> bench = NASBench201("cifar10")
        >>> round(bench.optimal_value(), 3)
        91.607
        """
        best = getattr(self, "optimum", None)
        return None if best is None else Measurement.of(self.evaluate(best())).value

    def regret(self, value: float) -> float:
        """Return how far a value is below the optimal value.

        Parameters
        ----------
        value : float
            A finite value, in the unit of the benchmark's values.

        Returns
        -------
        float
            ``optimal_value() - value``, in the same unit.

        Raises
        ------
        TypeError
            If `value` is not a number.
        ValueError
            If `value` is not finite, or the optimal value is unknown.

        Examples
        --------
        >>> from crlso.benchmarks import NASBench201
        >>> bench = NASBench201("cifar10")
        >>> round(bench.regret(91.0), 3)
        0.607
        """
        best = self.optimal_value()
        if best is None:
            raise ValueError(f"regret: expected a benchmark that knows its highest value, got {self!r:.200}")
        return best - check_number("value", value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self.space!r}, value = {self.objective})"

    def _repr_html_(self) -> str:
        best = self.optimal_value()
        rows = [
            ("benchmark", " / ".join(str(part) for part in (self.name, self.dataset) if part)),
            ("space", repr(self.space)),
            ("value", self.objective),
            ("highest value", "unknown" if best is None else number(best)),
            ("measures", ", ".join(self.measures) or "none"),
        ]
        return display(facts(rows))


class Function(Benchmark):
    """A benchmark made from a function that evaluates a cell.

    Parameters
    ----------
    space : CellSpace
        Space of the cells.
    f : callable
        ``f(cell) -> float`` returns the value to maximise, for example a validation accuracy in percent.
    name : str, optional
        Name of the benchmark; by default that of the function. :func:`crlso.compare` with a file of results asks for
        one if the function has no identity of its own, as a lambda has none.
    test : callable, optional
        ``test(cell) -> float`` returns the test value. It is called for the best cells when the search is over.
    objective : str
        Name of the value that `f` returns.
    measures : mapping, optional
        Further measures by name, for objectives and constraints: a function of a cell that returns a number, a
        :class:`Measure`, or None for one that `f` returns with the value, as in ``{"value": 93.1, "latency": 4.2}``.

    Raises
    ------
    TypeError
        If `space` is not a CellSpace, or `f`, `test` or a measure is not callable.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
    >>> bench = Function(space, lambda cell: float(cell.operations.count("conv")))
    >>> bench.evaluate("|conv~0|+|conv~0|+|pool~1|conv~2|")
    3.0
    """

    _measures: Mapping[str, Measure] = MappingProxyType({"value": Measure("value")})

    def __init__(
        self,
        space: CellSpace,
        f: Callable[[Cell], float],
        name: str | None = None,
        test: Callable[[Cell], float] | None = None,
        objective: str = "value",
        measures: Mapping[str, Callable[[Cell], float] | Measure | None] | None = None,
    ) -> None:
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        for argument, value in (("f", f), ("test", test)):
            if not callable(value) and (value is not None or argument == "f"):
                raise TypeError(f"{argument}: expected a function of a cell, got {type(value).__name__}")
        self.space, self.objective = space, objective
        self.name = getattr(f, "__name__", type(f).__name__) if name is None else name
        self._f, self._test = f, test
        if measures is not None:
            self._measures = measures_of(SimpleNamespace(space=space, measures=measures))
        self._is_named = name is not None

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The value and the measures that were given, by name."""
        return self._measures

    def evaluate(self, cell: Any) -> float:
        """Return what the function returns for a cell; its exceptions are passed on.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Or whatever the function returns.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> bench = Function(space, lambda cell: float(cell.codes[0]), test=lambda cell: float(cell.codes[2]))
        >>> bench.evaluate((1, 0, 0))
        1.0
        """
        return self._f(self.space.cell(cell))

    def test(self, cells: Any) -> Floats:
        """Return the test values of cells, shape (n,); NaN if the benchmark was made without `test`.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Test value of each cell, in the order of the cells.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> bench = Function(space, lambda cell: float(cell.codes[0]), test=lambda cell: float(cell.codes[2]))
        >>> bench.test([(1, 0, 0), (1, 0, 1)])
        array([0., 1.])
        """
        chosen = self.space.cells(cells)
        if self._test is None:
            return np.full(len(chosen), np.nan)
        return np.array([real("test", self._test(cell)) for cell in chosen])

    def fingerprint(self) -> Any:
        """Return what identifies the benchmark, for :func:`crlso.compare`: its space, its names and its functions.

        A name that was given stands for what has no identity in the functions, such as a lambda.

        Returns
        -------
        object
            Plain data, spaces and functions, of which a digest can be made.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"])
        >>> bench = Function(space, lambda cell: float(cell.codes[0]), test=lambda cell: float(cell.codes[2]))
        >>> sorted(bench.fingerprint())[:3]
        ['_f', '_is_named', '_test']
        """
        state = dict(vars(self))
        named = {name: Named(state[name]) for name in ("_f", "_test", "_measures") if name in state}
        return {**state, **named} if self._is_named else state


class Tabular(Benchmark):
    """A benchmark made from a table of measured cells.

    The space of the benchmark contains only the cells of the table, so a search evaluates no other cell. Rows with
    equal cells are one cell whose value is their mean; in NAS-Bench-201 cells are equal if they compute the same
    function.

    Parameters
    ----------
    space : CellSpace
        Space of the cells.
    cells : array_like or iterable
        n cells: anything that ``space.codes`` accepts.
    values : array_like, shape (n,)
        Finite value of each cell, which a search maximises.
    test_values : array_like, shape (n,), optional
        Test value of each cell, NaN where it is not known; it is reported for the best cells and never used to choose
        them.
    name : str
        Name of the benchmark.
    objective : str
        Name of the values.
    measures : mapping, optional
        Further columns by name: numbers of the cells, shape (n,), NaN where they are not known. Searches know them
        without a query and can have them as objectives and constraints.

    Attributes
    ----------
    space : CellSpace
        Space of the cells of the table.

    Raises
    ------
    TypeError, ValueError
        If `space` is not a CellSpace, a cell is not in it, the values are not one finite number per cell, or the test
        values are not one number per cell, at least one of them known.

    Examples
    --------
    >>> from crlso.spaces import CellSpace
    >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
    >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5])
    >>> len(bench), bench.evaluate("|pool~0|+|conv~1|")
    (2, 92.5)
    """

    _columns: Mapping[str, Floats] = MappingProxyType({})

    def __init__(
        self,
        space: CellSpace,
        cells: Any,
        values: npt.ArrayLike,
        test_values: npt.ArrayLike | None = None,
        name: str = "table",
        objective: str = "value",
        measures: Mapping[str, npt.ArrayLike] | None = None,
    ) -> None:
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        codes = space.codes(cells)
        keys = space.canonical_key(codes)
        self._values = _means(keys, check_numbers("values", values, len(codes)))
        self._test: Floats | None = None
        if test_values is not None:
            tests = check_numbers("test_values", test_values, len(codes), unknown=True)
            if np.isnan(tests).all():
                raise ValueError("test_values: expected None or at least one number, got NaN alone")
            self._test = _means(keys, tests)
        if measures is not None:
            self._columns = {
                str(column): _means(keys, check_numbers(f"measures[{column!r:.60}]", numbers, len(codes), unknown=True))
                for column, numbers in measures.items()
            }
        self.space, self.name, self.objective = space.subset(codes), name, objective
        measures_of(self)  # which checks the names

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The value and the further columns, by name."""
        columns = {name: Measure(name, known=functools.partial(self._column, name)) for name in self._columns}
        return {"value": Measure("value"), **columns}

    def _column(self, name: str, cells: Any) -> Floats:
        return self._columns[name][self._rows(cells)]

    def __len__(self) -> int:
        return len(self._values)

    def evaluate(self, cell: Any) -> float:
        """Return the value of one cell.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Value of the cell in the table, in the table's unit.

        Raises
        ------
        ValueError
            If the cell is not in the table.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5], [90.5, 92.0])
        >>> bench.evaluate("|pool~0|+|conv~1|")
        92.5
        """
        return float(self.values([self.space.cell(cell)])[0])

    def values(self, cells: Any) -> Floats:
        """Return the values of cells, shape (n,); ValueError if one is not in the table.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Value of each cell, in the order of the cells.

        Raises
        ------
        ValueError
            If a cell is not in the table.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5], [90.5, 92.0])
        >>> bench.values(["|pool~0|+|conv~1|", "|conv~0|+|pool~1|"])
        array([92.5, 91. ])
        """
        return self._values[self._rows(cells)]

    def test(self, cells: Any) -> Floats:
        """Return the test values of cells, shape (n,); NaN where the table has none.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Test value of each cell, in the order of the cells.

        Raises
        ------
        ValueError
            If a cell is not in the table.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5], [90.5, 92.0])
        >>> bench.test(["|pool~0|+|conv~1|"])
        array([92.])
        """
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
        """Return the cell with the highest value.

        Returns
        -------
        Cell
            Of several with the highest value, the first in the order of keys.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5], [90.5, 92.0])
        >>> bench.optimum()
        Cell('|pool~0|+|conv~1|')
        """
        return self.space.cells(self.space.all_codes()[self._values.argmax()][None])[0]

    def optimal_value(self) -> float:
        """Return the highest value of the table.

        Returns
        -------
        float
            In the unit of the table.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> bench = Tabular(space, ["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"], [91.0, 92.5], [90.5, 92.0])
        >>> bench.optimal_value()
        92.5
        """
        return float(self._values.max())

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], space: CellSpace) -> Tabular:
        """Read a benchmark from a CSV file with the columns ``cell`` and ``value``, and optionally ``test`` and others.

        The table of a study is such a file: ``study.trials_dataframe().to_csv(path)``.

        Parameters
        ----------
        path : str or path
            A CSV file in UTF-8 with a header, or its text, which has more than one line. Cells are written as text that
            ``space.cell`` reads, in quotes if they contain commas. A field of ``test`` that is empty is not known. Rows
            whose field in a column ``state`` is ``failed`` or ``pending`` are left out, as trials without a value.
            Other columns in which all fields are numbers, or empty where they are not known, are measures; ``number``,
            ``index`` and columns of other text are ignored, and blank lines too.
        space : CellSpace
            Space of the cells.

        Returns
        -------
        Tabular
            Named after the file; ``"table"`` if the text itself was given.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the header is wrong, or a row is not a cell of the space with finite values. The message names the line.

        Examples
        --------
        >>> from crlso.spaces import CellSpace
        >>> space = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")
        >>> text = "cell,value,test\\n|conv~0|+|pool~1|,91.0,\\n|pool~0|+|conv~1|,92.5,92.1\\n"
        >>> Tabular.from_csv(text, space).test(["|conv~0|+|pool~1|", "|pool~0|+|conv~1|"])
        array([ nan, 92.1])
        >>> text = "cell,value,latency\\n|conv~0|+|pool~1|,91.0,3.5\\n|pool~0|+|conv~1|,92.5,4.5\\n"
        >>> Tabular.from_csv(text, space).measure("latency", ["|pool~0|+|conv~1|"])
        array([4.5])
        """
        if not isinstance(space, CellSpace):
            raise TypeError(f"space: expected a CellSpace, got {type(space).__name__}")
        if isinstance(path, str) and "\n" in path:
            text, where, name = path.removeprefix("\ufeff"), "table", "table"
        else:
            # Bytes that are not UTF-8 become characters that are in no cell or number, so the error names their line.
            text = read_text(path, LARGEST_FILE, errors="surrogateescape")
            where, name = f"table {os.fspath(path)!r}", Path(path).stem
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header, rows = _rows_of_table(reader, space)
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{where}, line {max(reader.line_num, 1)}: {error}") from None
        if not rows:
            raise ValueError(f"{where}: expected at least one row with a value, got none")
        cells, values, tests, others = zip(*rows)
        measures = _measures_of_table(header, others)
        known = None if all(map(math.isnan, tests)) else tests
        return cls(space, cells, values, known, name=name, measures=measures or None)


_Row: TypeAlias = tuple[Cell, float, float, list[str]]


def _rows_of_table(reader: Any, space: CellSpace) -> tuple[list[str], list[_Row]]:
    """Return the header of a CSV file, and cell, value, test value (NaN where not known) and fields of its rows.

    Rows that have no value are left out; the others are checked.
    """
    lines = ([field.strip() for field in row] for row in reader)
    filled = (row for row in lines if any(row))
    header = next(filled, [])
    columns = {name: header.index(name) for name in ("cell", "value", "test", "state") if header.count(name) == 1}
    if not {"cell", "value"} <= set(columns) or header.count("test") > 1:
        raise ValueError(f"expected a header with one column cell, one value and at most one test, got {header!r:.200}")
    rows: list[_Row] = []
    for row in filled:
        if len(row) != len(header):
            raise ValueError(
                f"expected {len(header)} fields (put cells with commas in quotes), got {len(row)}: {row!r:.200}"
            )
        if "state" in columns and row[columns["state"]] in ("failed", "pending"):
            continue
        cell = space.cell(row[columns["cell"]])
        if not space.valid([cell])[0]:
            raise ValueError(f"expected a cell of the space, got {cell!s:.200}")
        test = row[columns["test"]] if "test" in columns else ""
        known = _number(test, "test") if test else math.nan
        rows.append((cell, _number(row[columns["value"]], "value"), known, row))
    return header, rows


def _measures_of_table(header: list[str], rows: Sequence[list[str]]) -> dict[str, list[float]]:
    """Return the columns of further numbers by name, NaN where they are not known."""
    found: dict[str, list[float]] = {}
    for i, name in enumerate(header):
        if not name or name in _NO_MEASURES or name[0] == "-" or header.count(name) > 1:
            continue
        with contextlib.suppress(ValueError):
            found[name] = [_number(row[i], name) if row[i] else math.nan for row in rows]
    return {name: numbers for name, numbers in found.items() if not all(map(math.isnan, numbers))}


def _number(text: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number in column {column}, got {text!r:.100}")
    return number


def _means(keys: Keys, values: Floats) -> Floats:
    """Return the mean value of each key, in ascending order of keys; NaN values are left out."""
    different, inverse = np.unique(keys, return_inverse=True)
    known = ~np.isnan(values)
    inverse, n = inverse.reshape(-1)[known], len(different)
    counts = np.bincount(inverse, minlength=n)
    shares = values[known] / counts[inverse]  # divided before the sum, which might overflow
    means: Floats = np.where(counts > 0, np.bincount(inverse, weights=shares, minlength=n), np.nan)
    return means
