"""NAS-Bench-101: measured accuracies, from the table that comes with the package or from an official file."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_number
from crlso._base.names import native_names
from crlso._base.types import Floats
from crlso.assets import open_npz
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.files.tfrecord import load_tfrecord
from crlso.benchmarks.measures import Measure
from crlso.random import Stream, seed_of
from crlso.spaces.cell import Cell
from crlso.spaces.keys import rows_of_keys
from crlso.spaces.nasbench101 import LAYOUT
from crlso.spaces.nasbench101 import NASBench101 as Space
from crlso.spaces.space import CellSpace

__all__ = ["NASBench101"]

_N_CELLS = 423_624
_TEST_PARTS = 3 * 9_984  # the asset stores the number of correct answers in three runs on 39 batches of 256 images

_ORACLE = "test (oracle)"
_VALIDATION = "validation"
_SIMULATED = "simulated validation (test + noise)"


@dataclass(frozen=True, eq=False)
class _Table:
    """Read-only columns, one row per cell, in ascending order of the canonical keys."""

    keys: npt.NDArray[np.int64]
    test: Floats  # percent
    parameters: npt.NDArray[np.int64]
    validation: Floats | None = None  # percent
    seconds: Floats | None = None

    def __post_init__(self) -> None:
        for column in vars(self).values():
            if column is not None:
                column.flags.writeable = False


@functools.cache
def _embedded() -> _Table:
    with open_npz("nasbench101.npz") as asset:
        keys = np.cumsum(asset["key_steps"], dtype=np.int64)
        table = _Table(keys, 100.0 * asset["test_correct"] / _TEST_PARTS, asset["parameters"].astype(np.int64))
    if len(keys) != _N_CELLS or len(table.test) != _N_CELLS or len(table.parameters) != _N_CELLS:
        raise ValueError(f"asset nasbench101.npz: expected {_N_CELLS} cells, got {len(keys)}")
    return table


def _why_missing(space: CellSpace, codes: npt.NDArray[np.uint8]) -> str:
    """Return the reason why a cell is not in a table, for messages."""
    n_edges = int(space.prune(codes[None])[0, len(LAYOUT.intermediate) :].sum())
    if n_edges == 0:
        return "has no path from input to output"
    if LAYOUT.max_edges is not None and n_edges > LAYOUT.max_edges:
        return (
            f"has {n_edges} edges on paths from input to output; the benchmark has cells of at most {LAYOUT.max_edges}"
        )
    return "is not in this table"


class NASBench101(Benchmark):
    """Accuracies and parameters of the 423,624 cells of NAS-Bench-101 (CIFAR-10).

    There are three ways to make one; they differ in the value of a cell, which a search maximises:

    - ``NASBench101()`` reads the table that comes with the package. It contains *test* accuracies only, because
      validation accuracies of the whole space are published in the official files only. The value is the mean test
      accuracy. Such an oracle is good for comparing optimisers, but a search on real data may not select by it.
    - :meth:`from_tfrecord` reads an official file. The value is the mean validation accuracy.
    - :meth:`simulated_validation` adds noise to test accuracies. The value is this sum.

    :meth:`test` always returns the test accuracies, for reports. Every method takes a cell by its module hash too, see
    :meth:`crlso.spaces.NASBench101.cell`.

    Attributes
    ----------
    space : crlso.spaces.NASBench101
        Space of the cells.
    name, dataset : str
        ``"nasbench101"`` and ``"cifar10"``.
    objective : str
        Name of the value: ``"test (oracle)"``, ``"validation"`` or ``"simulated validation (test + noise)"``.

    References
    ----------
    C. Ying, A. Klein, E. Real, E. Christiansen, K. Murphy, F. Hutter, "NAS-Bench-101: Towards Reproducible Neural
    Architecture Search", arXiv 1902.09635. Accuracies are means over three trainings of 108 epochs.

    Examples
    --------
    >>> bench = NASBench101()
    >>> bench.objective
    'test (oracle)'
    >>> round(bench.evaluate(bench.optimum()), 3)
    94.318
    """

    space: Space
    name: str = "nasbench101"
    dataset: str = "cifar10"

    def __init__(self) -> None:
        self.space = Space()
        self.objective = _ORACLE
        self._epochs = 108
        self._sd: float | None = None  # standard deviation of the noise
        self._seed: int | None = None  # seed of the noise
        self._table = _embedded()

    @classmethod
    def from_tfrecord(
        cls, path: str | os.PathLike[str], epochs: int = 108, cache: str | os.PathLike[str] | None = None
    ) -> NASBench101:
        """Read an official file, without TensorFlow or protobuf.

        Parameters
        ----------
        path : path-like
            ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``.
        epochs : {108, 36, 12, 4}
            Length of the trainings; only ``nasbench_full.tfrecord`` has other lengths than 108.
        cache : path-like, optional
            An npz file that stores the result, so that the next call is fast. By default it is `path` with
            ``.<epochs>.npz`` appended. If it cannot be written, a warning is logged.

        Returns
        -------
        NASBench101
            With the objective ``"validation"``. Values are means over the trainings of a cell, of which a complete file
            has three.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is truncated, damaged or of another kind (the message gives the byte offset), has no records of
            `epochs`, or `cache` is another kind of file.

        Examples
        --------
        >>> bench = NASBench101.from_tfrecord("nasbench_only108.tfrecord")  # doctest: +SKIP
        >>> bench.objective  # doctest: +SKIP
        'validation'
        """
        records = load_tfrecord(path, epochs, cache)
        bench = cls()
        keys = bench.space.canonical_key(records.codes)
        order = np.argsort(keys)
        if (np.diff(keys[order]) == 0).any():
            raise ValueError(f"{os.fspath(path)!r}: expected every cell under one module hash, got one under two")
        bench._table = _Table(
            keys[order],
            records.test[order],
            records.parameters[order],
            records.validation[order],
            records.seconds[order],
        )
        bench.objective, bench._epochs = _VALIDATION, int(epochs)
        return bench

    @native_names
    def simulated_validation(
        self, rng: int | np.random.Generator | np.random.SeedSequence, sd: float = 0.228
    ) -> NASBench101:
        """Return a benchmark with simulated validation accuracies: test accuracies plus normal noise.

        An experiment that selects by these values and reports :meth:`test` does not select by test accuracies. The
        noise is a function of the seed and the cell, so repeated evaluations of a cell return the same value.

        Parameters
        ----------
        rng : int, numpy.random.Generator or numpy.random.SeedSequence
            Seed of the noise.
        sd : float
            Standard deviation of the noise in percentage points. The default is that of the difference between the
            validation accuracy of one run and the mean test accuracy, in 1,975 cells above 93 percent. The mean
            difference (validation is 0.75 higher) is omitted, because it changes no order.

        Returns
        -------
        NASBench101
            A new benchmark with the objective ``"simulated validation (test + noise)"``; values are clipped to 0 to
            100 percent.

        Raises
        ------
        TypeError, ValueError
            If `sd` is not a finite number of at least 0.

        Examples
        --------
        >>> noisy = NASBench101().simulated_validation(0)
        >>> noisy.objective
        'simulated validation (test + noise)'
        """
        scale = check_number("sd", sd, least=0)
        seed = seed_of(rng)
        noise = Stream(seed).normal("simulated validation", 0, len(self), "float64")
        bench = type(self)()
        bench._table = replace(self._table, validation=np.clip(self._table.test + scale * noise, 0.0, 100.0))
        bench.objective, bench._epochs = _SIMULATED, self._epochs
        bench._sd, bench._seed = scale, seed
        return bench

    def for_seed(self, seed: int) -> NASBench101:
        """Return the benchmark with the noise of another seed, or the benchmark itself if its values have no noise.

        Parameters
        ----------
        seed : int
            Seed of the noise.

        Returns
        -------
        NASBench101
            With the same table and standard deviation; a benchmark without noise returns itself.

        Examples
        --------
        >>> noisy = NASBench101().simulated_validation(0)
        >>> cell = noisy.optimum()
        >>> noisy.for_seed(1).evaluate(cell) == NASBench101().simulated_validation(1).evaluate(cell)
        True
        """
        return self if self._sd is None else self.simulated_validation(seed, self._sd)

    def __repr__(self) -> str:
        noise = "" if self._sd is None else f", sd {self._sd:g}, seed {self._seed}"
        return (
            f"NASBench101({self.dataset!r}): {len(self)} cells, "
            f"value = {self.objective} accuracy in percent after {self._epochs} epochs{noise}"
        )

    def __len__(self) -> int:
        return len(self._table.keys)

    def evaluate(self, cell: Any) -> float:
        """Return the value of one cell; :attr:`objective` names it.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Percent.

        Raises
        ------
        ValueError
            If the cell is not in the benchmark.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> round(bench.evaluate(best), 3)
        94.318
        """
        return float(self._values[self._rows([self.space.cell(cell)])[0]])

    def values(self, cells: Any) -> Floats:
        """Return the values of cells, shape (n,), see :meth:`evaluate`.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Value of each cell in percent, in the order of the cells.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> bench.values([best, "maxpool3x3(0)+output(1)"]).round(2)
        array([94.32, 88.62])
        """
        return self._values[self._rows(cells)]

    @property
    def measures(self) -> dict[str, Measure]:
        """The value, parameters in millions and, from an official file, seconds of training, by name."""
        known = [Measure("value", "%"), Measure("parameters", "million", self.parameters)]
        if self._table.seconds is not None:
            known.append(Measure("training_seconds", "s", self._training_seconds))
        return {measure.name: measure for measure in known}

    def _training_seconds(self, cells: Any) -> Floats:
        seconds = self._table.seconds
        assert seconds is not None
        return seconds[self._rows(cells)]

    def validation(self, cells: Any) -> Floats:
        """Return the measured or simulated validation accuracies of cells.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent, mean over the runs.

        Raises
        ------
        ValueError
            If a cell is not in the benchmark, or the benchmark is the embedded table, which has no such accuracies.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> bench.simulated_validation(0).validation([best]).round(2)
        array([94.19])
        """
        if self._table.validation is None:
            raise ValueError(
                "validation: the embedded table has test accuracies only; use from_tfrecord or simulated_validation"
            )
        return self._table.validation[self._rows(cells)]

    def test(self, cells: Any) -> Floats:
        """Return the test accuracies of cells; use them for reports, never for selection.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent, mean over the runs.

        Raises
        ------
        ValueError
            If a cell is not in the benchmark.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> bench.test([best]).round(3)
        array([94.318])
        """
        return self._table.test[self._rows(cells)]

    def parameters(self, cells: Any) -> Floats:
        """Return the numbers of trainable parameters of the networks.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions.

        Raises
        ------
        ValueError
            If a cell is not in the benchmark.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> bench.parameters([best])
        array([32.426634])
        """
        return self._table.parameters[self._rows(cells)] / 1e6

    def optimum(self) -> Cell:
        """Return the cell with the highest value; in the embedded table the value is the mean test accuracy.

        Returns
        -------
        Cell
            Of several with the highest value, the first in the order of keys.

        Examples
        --------
        >>> print(NASBench101().optimum())
        conv3x3-bn-relu(0)+conv1x1-bn-relu(0)+maxpool3x3(1)+conv3x3-bn-relu(3)+conv3x3-bn-relu(0,2,4)+output(0,5)
        """
        best = int(self._values.argmax())
        return self.space.cells(rows_of_keys(self._table.keys[best : best + 1], self.space.cardinalities))[0]

    def optimal_value(self) -> float:
        """Return the highest value of all cells, percent.

        Returns
        -------
        float
            Value of :meth:`optimum`.

        Examples
        --------
        >>> round(NASBench101().optimal_value(), 3)
        94.318
        """
        return float(self._values.max())

    def info(self, cell: Any) -> dict[str, Any]:
        """Return everything that the benchmark knows about one cell.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        dict
            Plain Python values that JSON can hold: ``cell``, ``codes`` (as given), ``canonical_codes``, ``module_hash``
            (the identifier that the official files use), ``dataset``, ``objective``, ``value`` and ``test`` (percent),
            ``parameters`` (millions) and, from an official file, ``training_seconds``.

        Raises
        ------
        ValueError
            If the cell is not in the benchmark.

        Examples
        --------
        >>> bench = NASBench101()
        >>> best = bench.optimum()
        >>> bench.info(best)["module_hash"]
        '02e5a0247bbdcf2860b7e96f74961594'
        """
        chosen = self.space.cell(cell)
        row = self._rows([chosen])
        canonical = rows_of_keys(self._table.keys[row], self.space.cardinalities)
        found: dict[str, Any] = {
            "cell": str(chosen),
            "codes": list(chosen.codes),
            "canonical_codes": canonical[0].tolist(),
            "module_hash": self.space.module_hash(canonical[0]),
            "dataset": self.dataset,
            "objective": self.objective,
            "value": float(self._values[row[0]]),
            "test": float(self._table.test[row[0]]),
            "parameters": float(self._table.parameters[row[0]] / 1e6),
        }
        if self._table.seconds is not None:
            found["training_seconds"] = float(self._table.seconds[row[0]])
        return found

    @property
    def _values(self) -> Floats:
        table = self._table
        return table.test if table.validation is None else table.validation

    def _rows(self, cells: Any) -> npt.NDArray[np.int64]:
        """Return the rows of cells in the table, shape (n,); ValueError names the first cell that is missing."""
        codes = self.space.codes(cells)
        wanted = self.space.canonical_key(codes)
        keys = self._table.keys
        rows = np.searchsorted(keys, wanted)
        rows[rows == len(keys)] = 0
        missing = keys[rows] != wanted
        if missing.any():
            first = int(missing.argmax())
            why = _why_missing(self.space, codes[first])
            raise ValueError(f"cells: expected cells of the benchmark, got cell {first} that {why}")
        return rows
