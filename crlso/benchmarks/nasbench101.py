"""The measured values of NAS-Bench-101, from the table that comes with the package or from the official files."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Floats
from crlso.assets import open_npz
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.files.tfrecord import load_tfrecord
from crlso.random import Stream, seed_of
from crlso.spaces.cell import Cell
from crlso.spaces.keys import rows_of_keys
from crlso.spaces.nasbench101 import LAYOUT
from crlso.spaces.nasbench101 import NASBench101 as Space
from crlso.spaces.space import CellSpace

__all__ = ["NASBench101"]

_N_CELLS = 423_624
_TEST_PARTS = 3 * 9_984  # the asset counts correct answers of three runs on 39 batches of 256 images

_ORACLE = "test (oracle)"
_VALIDATION = "validation"
_SIMULATED = "simulated validation (test + noise)"


@dataclass(frozen=True, eq=False)
class _Table:
    """Columns in ascending order of the canonical keys; read-only."""

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
    """Why one cell is not in a table."""
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

    ``NASBench101()`` reads the table that comes with the package. It holds *test* accuracies alone, because validation
    accuracies of the whole space are published in the official files only. The value of a cell, which a search
    maximises, is then its mean test accuracy: an oracle, good for comparing optimisers with each other, but not what
    a search on real data may select by. :attr:`objective` says so. :meth:`from_tfrecord` reads an official file: the
    value is the mean validation accuracy, test accuracies are there to report. :meth:`simulated_validation` is between
    the two: values are test accuracies with noise, and :meth:`test` reports the table's.

    Attributes
    ----------
    space : crlso.spaces.NASBench101
        The cells.
    name, dataset : str
        ``"nasbench101"`` and ``"cifar10"``.
    objective : str
        What the value of a cell is: ``"test (oracle)"``, ``"validation"`` or ``"simulated validation (test + noise)"``.

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

    name: str = "nasbench101"
    dataset: str = "cifar10"

    def __init__(self) -> None:
        self.space = Space()
        self.objective = _ORACLE
        self._epochs = 108
        self._sd: float | None = None  # of the noise, and its seed
        self._seed: int | None = None
        self._table = _embedded()

    @classmethod
    def from_tfrecord(
        cls, path: str | os.PathLike[str], epochs: int = 108, cache: str | os.PathLike[str] | None = None
    ) -> NASBench101:
        """Read an official file; neither TensorFlow nor protobuf is needed.

        Parameters
        ----------
        path : path-like
            ``nasbench_only108.tfrecord`` or ``nasbench_full.tfrecord``.
        epochs : {108, 36, 12, 4}
            Length of the trainings; other than 108 in ``nasbench_full.tfrecord`` only.
        cache : path-like, optional
            An npz file that keeps the result, so that the next call does not read the whole file again; by default
            beside `path`, its name with ``.<epochs>.npz`` added. When it cannot be written, a log message says so.

        Returns
        -------
        NASBench101
            With objective ``"validation"``: the mean over the trainings of a cell (three, where the file is complete).

        Raises
        ------
        ValueError
            For a file that is truncated, damaged or no such file, with the offset of the byte; without records of
            `epochs`; when `cache` is another kind of file.
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

    def simulated_validation(
        self, rng: int | np.random.Generator | np.random.SeedSequence, sd: float = 0.228
    ) -> NASBench101:
        """This benchmark with values that stand in for validation accuracies: test accuracies plus normal noise.

        An experiment on the embedded table that selects by these values and reports :meth:`test` does not select on
        test. The noise of a cell depends on the seed and the cell alone, so that asking again gives the same value.

        Parameters
        ----------
        rng : int, numpy.random.Generator or numpy.random.SeedSequence
            Seed of the noise.
        sd : float
            Standard deviation in percentage points. 0.228 is that of the difference between one run's validation and
            the mean test accuracy among cells above 93 percent, of which 1,975 were looked at; the mean difference
            (validation was 0.75 higher) is left out, as it changes no order.

        Returns
        -------
        NASBench101
            A new one, with objective ``"simulated validation (test + noise)"``; values lie in 0 to 100.

        Raises
        ------
        ValueError
            For an `sd` that is negative or not finite.
        """
        scale = float(sd)
        if not 0 <= scale < np.inf:
            raise ValueError(f"sd: expected a finite number >= 0, got {sd!r:.100}")
        seed = seed_of(rng)
        noise = Stream(seed).normal("simulated validation", 0, len(self), "float64")
        bench = type(self)()
        bench._table = replace(self._table, validation=np.clip(self._table.test + scale * noise, 0.0, 100.0))
        bench.objective, bench._epochs = _SIMULATED, self._epochs
        bench._sd, bench._seed = scale, seed
        return bench

    def for_seed(self, seed: int) -> NASBench101:
        """Of a simulated validation, that with the noise of another seed, ``simulated_validation(seed, sd)``; else
        the benchmark itself, whose values have no noise.

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
        """The value of one cell; :attr:`objective` says what it is.

        Parameters
        ----------
        cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Percent.

        Raises
        ------
        ValueError
            For a cell that the benchmark does not have.
        """
        return float(self._values[self._rows([self.space.cell(cell)])[0]])

    def validation(self, cells: Any) -> Floats:
        """Validation accuracy, or what stands in for it (see :attr:`objective`).

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent, mean over the runs.

        Raises
        ------
        ValueError
            For a cell that the benchmark does not have, and with the embedded table, which has no such accuracies.
        """
        if self._table.validation is None:
            raise ValueError(
                "validation: the embedded table has test accuracies only; use from_tfrecord or simulated_validation"
            )
        return self._table.validation[self._rows(cells)]

    def test(self, cells: Any) -> Floats:
        """Test accuracy; for reports, never for selection.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent, mean over the runs.

        Raises
        ------
        ValueError
            For a cell that the benchmark does not have.
        """
        return self._table.test[self._rows(cells)]

    def parameters(self, cells: Any) -> Floats:
        """Number of trainable parameters of the network.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions.
        """
        return self._table.parameters[self._rows(cells)] / 1e6

    def optimum(self) -> Cell:
        """The cell with the best value; with the embedded table that of the best mean test accuracy.

        Returns
        -------
        Cell
        """
        best = int(self._values.argmax())
        return self.space.cells(rows_of_keys(self._table.keys[best : best + 1], self.space.cardinalities))[0]

    def optimal_value(self) -> float:
        """The highest value over all cells, percent."""
        return float(self._values.max())

    def info(self, cell: Any) -> dict[str, Any]:
        """Everything that is known about one cell.

        Parameters
        ----------
        cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        dict
            Plain Python values that JSON can hold: ``cell``, ``codes`` (as given) and ``canonical_codes``,
            ``module_hash`` (the benchmark's own name), ``dataset``, ``objective``, ``value`` and ``test`` (percent),
            ``parameters`` (millions) and, from an official file, ``training_seconds``.
        """
        chosen = self.space.cell(cell)
        row = self._rows([chosen])
        canonical = rows_of_keys(self._table.keys[row], self.space.cardinalities)
        found: dict[str, Any] = {
            "cell": str(chosen),
            "codes": list(chosen.codes),
            "canonical_codes": canonical[0].tolist(),
            "module_hash": _core.nb101_hash(canonical).tobytes().hex(),
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
        """Rows of the table, shape (n,); ValueError for the first cell that has none."""
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
