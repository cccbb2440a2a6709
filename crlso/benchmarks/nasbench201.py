"""The measured values of NAS-Bench-201: from the table that comes with the package, or from its authors' files."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats
from crlso.assets import open_npz
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.files.natsbench import COLUMNS, ApiTable, Table, read_folder
from crlso.spaces.cell import Cell
from crlso.spaces.nasbench201 import NASBench201 as Space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NASBench201"]

# Name of the dataset -> (prefix in the asset, number of classes, side of its images in pixels).
_DATASETS = {"cifar10": ("c10", 10, 32), "cifar100": ("c100", 100, 32), "ImageNet16-120": ("in16", 120, 16)}
_ALIASES = {
    "cifar10": "cifar10",
    "cifar10valid": "cifar10",
    "cifar100": "cifar100",
    "imagenet16120": "ImageNet16-120",
    "imagenet16": "ImageNet16-120",
}
_EPOCHS = (12, 200)
_N_RUNS = 3

# The network around a cell: a 3x3 stem of 16 channels; three stages of 5 cells with 16, 32 and 64 channels, before the
# second and third a residual block that halves the image (two 3x3 convolutions, and pooling with a 1x1 convolution);
# batch norm after each convolution and at the end; one linear classifier of 64 inputs.
_STAGE_CHANNELS = (16, 32, 64)
_CELLS_PER_STAGE = 5
_CONVOLUTIONS = {2: 1, 3: 9}  # code of the operation -> weights per pair of channels


def _dataset_name(dataset: object) -> str:
    if not isinstance(dataset, str):
        raise TypeError(f"dataset: expected a str, got {type(dataset).__name__}")
    plain = "".join(c for c in dataset.lower() if c not in "-_ ")
    if plain not in _ALIASES:
        raise ValueError(f"dataset: expected one of {', '.join(_DATASETS)}, got {dataset!r:.100}")
    return _ALIASES[plain]


def _scaled(integers: npt.NDArray[np.int32], decimals: int) -> Floats:
    """The printed decimals that the integers stand for (correctly rounded); NaN for negative ones; read-only."""
    values = np.where(integers < 0, np.nan, integers / 10.0**decimals)
    values.flags.writeable = False
    return values


@functools.cache
def _embedded(prefix: str) -> Table:
    with open_npz("nasbench201.npz") as asset:
        runs = _scaled(asset[f"{prefix}_val200"], 4)
        columns = {
            "runs": runs,
            "val200": np.nanmean(runs, axis=1),
            "test200": _scaled(asset[f"{prefix}_test200"], 6),
            "val12": _scaled(asset[f"{prefix}_val12"], 4),
            "test12": _scaled(asset[f"{prefix}_test12"], 4),
        }
    return Table(columns, "the table that comes with the package")


def _convolution(kernel: int, inputs: int, outputs: int, pixels: int, norm: bool = True) -> tuple[int, int]:
    """Parameters (with its batch norm's) and multiply-adds of a convolution of ``kernel`` weights per channel pair."""
    weights = kernel * inputs * outputs
    return weights + 2 * outputs * norm, weights * pixels


@functools.cache
def _network_costs(n_classes: int, side: int) -> npt.NDArray[np.int64]:
    """Shape (3, 2): the network without cell operations, and what one 1x1 and one 3x3 edge add; parameters, FLOPs."""
    last = _STAGE_CHANNELS[-1]
    classifier = (last + 1) * n_classes
    total = np.zeros((3, 2), dtype=np.int64)
    total[0] = _convolution(9, 3, _STAGE_CHANNELS[0], side**2)
    total[0] += (classifier + 2 * last, classifier)
    for stage, channels in enumerate(_STAGE_CHANNELS):
        pixels = (side >> stage) ** 2
        if stage > 0:
            before = _STAGE_CHANNELS[stage - 1]
            total[0] += _convolution(9, before, channels, pixels)
            total[0] += _convolution(9, channels, channels, pixels)
            total[0] += _convolution(1, before, channels, pixels, norm=False)
        for row, kernel in enumerate(_CONVOLUTIONS.values(), start=1):
            total[row] += np.array(_convolution(kernel, channels, channels, pixels)) * _CELLS_PER_STAGE
    return total


@functools.cache
def _latencies() -> dict[str, Floats]:
    """Milliseconds by device, in official order."""
    with open_npz("nasbench201.npz") as asset:
        devices = asset["latency_devices"].tolist()
        rows = zip(asset["latency"], asset["latency_decimals"].tolist(), strict=True)
        return {device: _scaled(row, decimals) for device, (row, decimals) in zip(devices, rows, strict=True)}


class NASBench201(Benchmark):
    """Accuracies and costs of all 15,625 cells of NAS-Bench-201 on one dataset.

    The value of a cell, which a search maximises, is its validation accuracy in percent after 200 epochs, the mean
    over the two or three runs that the benchmark has. Test accuracies are there to report, not to select by; on
    CIFAR-10 they belong to trainings of their own: validation is measured after training on half of the training set
    (``cifar10-valid`` in the benchmark), test after training on all of it. Cells of one class (see the space) were
    trained separately: their values differ by the noise of training.

    Parameters
    ----------
    dataset : str
        ``"cifar10"``, ``"cifar100"`` or ``"ImageNet16-120"``; case, ``-`` and ``_`` do not matter, and
        ``"cifar10-valid"`` and ``"imagenet16"`` mean the first and the last.

    Attributes
    ----------
    space : crlso.spaces.NASBench201
        The cells.
    dataset : str
        The dataset's name as spelt above.
    source : str
        Where the accuracies come from.

    See Also
    --------
    from_natsbench_dir : Accuracies from the official files.
    from_nats_bench : Accuracies from a ``nats_bench`` object.

    Raises
    ------
    ValueError
        For an unknown dataset.

    Examples
    --------
    >>> bench = NASBench201("cifar100")
    >>> best = bench.optimum()
    >>> round(bench.evaluate(best), 3), bench.space.index([best])[0].item()
    (73.493, 9930)
    """

    space: Space
    name: str = "nasbench201"
    dataset: str

    def __init__(self, dataset: str = "cifar10") -> None:
        self.dataset = _dataset_name(dataset)
        self.space = Space()
        self._prefix, self._n_classes, self._side = _DATASETS[self.dataset]
        self._other_table: Table | ApiTable | None = None

    @classmethod
    def from_natsbench_dir(
        cls,
        path: str | os.PathLike[str],
        dataset: str = "cifar10",
        *,
        cache: str | os.PathLike[str] | None = None,
        allow_missing: bool = False,
    ) -> Self:
        """Take the accuracies from the official files of NATS-Bench.

        The pickles are read by a reader that carries out nothing but the making of plain values; neither torch nor
        nats_bench is needed. All files together take some minutes: give a `cache` to read them only once. Parameters,
        FLOPs and latencies stay those of the package.

        Parameters
        ----------
        path : path
            The folder ``NATS-tss-v1_0-3ffb9-simple``, with ``meta.pickle.pbz2`` and ``000000.pickle.pbz2`` to
            ``015624.pickle.pbz2``.
        dataset : str
            As for the constructor.
        cache : path, optional
            An npz file for what was read of all three datasets; made when absent, and again when the folder has
            other files than those it was made from.
        allow_missing : bool
            Whether the folder may be incomplete: then questions about a cell whose file is missing raise LookupError.

        Returns
        -------
        NASBench201

        Raises
        ------
        OSError
            When the folder or a file cannot be opened; FileNotFoundError says how many result files are missing and
            which first.
        ValueError
            For a damaged or hostile file (it is named), for a cache that is another kind of file, and as for the
            constructor.

        Examples
        --------
        >>> bench = NASBench201.from_natsbench_dir(
        ...     "NATS-tss-v1_0-3ffb9-simple", "cifar100", cache="nats.npz"
        ... )  # doctest: +SKIP
        >>> bench.evaluate(284)  # doctest: +SKIP
        61.67999998779297
        """
        bench = cls(dataset)
        columns = read_folder(path, cache=cache, allow_missing=allow_missing)
        chosen = {name: columns[f"{bench.dataset}/{name}"] for name in COLUMNS}
        known = int(np.isfinite(chosen["val200"]).sum())
        bench._other_table = Table(chosen, f"{known} of {len(bench)} files of NATS-Bench in {os.fspath(path)}")
        return bench

    @classmethod
    def from_nats_bench(cls, api: Any, dataset: str = "cifar10") -> Self:
        """Take the accuracies from a live object of the package nats_bench.

        It is asked cell by cell, when a value is needed first, for means over seeds (``is_random=False``);
        :meth:`optimum` asks for all cells; regret and single runs are not available.

        Parameters
        ----------
        api : object
            What ``nats_bench.create(path, "tss", fast_mode=True, verbose=False)`` returns: anything with ``len(api)``,
            ``arch(i)``, ``query_index_by_arch(string)`` and ``get_more_info(i, dataset, iepoch, hp, is_random)``.
        dataset : str
            As for the constructor.

        Returns
        -------
        NASBench201
            Questions about a cell that `api` has no values for raise LookupError.

        Raises
        ------
        TypeError
            When `api` lacks a method; it is named.
        ValueError
            When the architectures of `api` are not the cells of NAS-Bench-201, and as for the constructor.

        Examples
        --------
        >>> api = nats_bench.create(folder, "tss", fast_mode=True, verbose=False)  # doctest: +SKIP
        >>> NASBench201.from_nats_bench(api, "cifar100").evaluate(284)  # doctest: +SKIP
        61.67999998779297
        """
        bench = cls(dataset)
        bench._other_table = ApiTable(api, bench.dataset)
        return bench

    @property
    def _table(self) -> Table | ApiTable:
        return _embedded(self._prefix) if self._other_table is None else self._other_table

    @property
    def source(self) -> str:
        """Where the accuracies come from."""
        return self._table.origin

    def __repr__(self) -> str:
        text = (
            f"NASBench201({self.dataset!r}): {len(self.space)} cells, "
            "value = mean validation accuracy in percent after 200 epochs"
        )
        return text if self._other_table is None else f"{text}, from {self.source}"

    def __len__(self) -> int:
        return len(self.space)

    def evaluate(self, cell: Any) -> float:
        """The value of one cell.

        Parameters
        ----------
        cell : str, int, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Mean validation accuracy over the runs, percent, 200 epochs.
        """
        return float(self.validation([self.space.cell(cell)])[0])

    def validation(self, cells: Any, epochs: int = 200, seed: int | None = None) -> Floats:
        """Validation accuracy.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.
        epochs : {200, 12}
            Length of the training. 12 epochs is a training of its own with its own learning-rate schedule; one run
            (on CIFAR-10 the mean of two).
        seed : int, optional
            Which run of 200 epochs: 0, 1 or 2, in ascending order of the benchmark's seeds (777, 888, 999) among
            those that a cell has. By default the mean over all runs of the cell.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent; NaN where a cell has no third run.

        Raises
        ------
        ValueError
            For other epochs or seeds, for a seed with 12 epochs, and for a seed where only means are known.
        """
        self._check_epochs(epochs)
        index = self.space.index(cells)
        if seed is None:
            return self._table.values(f"val{epochs}", index)
        if epochs != 200:
            raise ValueError(f"seed: expected None with {epochs} epochs, got {seed!r}")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < _N_RUNS:
            raise ValueError(f"seed: expected None, 0, 1 or 2, got {seed!r:.100}")
        if not self._table.has_runs:
            raise ValueError(f"seed: expected None, since {self.source} gives means only; got {seed!r}")
        return self._table.values("runs", index)[:, seed]

    def test(self, cells: Any, epochs: int = 200) -> Floats:
        """Test accuracy; for reports, never for selection.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.
        epochs : {200, 12}
            Length of the training; 200: mean over the runs, 12: one run.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent.
        """
        self._check_epochs(epochs)
        return self._table.values(f"test{epochs}", self.space.index(cells))

    @staticmethod
    def _check_epochs(epochs: int) -> None:
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs not in _EPOCHS:
            raise ValueError(f"epochs: expected 12 or 200, got {epochs!r:.100}")

    def parameters(self, cells: Any) -> Floats:
        """Number of parameters of the network for this dataset.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the network's layers; the benchmark's own numbers to the last digit.
        """
        return self._costs(cells)[:, 0]

    def flops(self, cells: Any) -> Floats:
        """Multiply-adds of one forward pass of the network for this dataset.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the network's layers as the benchmark counts them: convolutions and the classifier
            with its bias, nothing for pooling, skips and normalisation; edges that lead nowhere count.
        """
        return self._costs(cells)[:, 1]

    def _costs(self, cells: Any) -> Floats:
        """Millions of parameters and FLOPs, shape (n, 2)."""
        codes = self.space.codes(cells)
        counts = np.stack([np.ones(len(codes)), *((codes == code).sum(axis=1) for code in _CONVOLUTIONS)], axis=1)
        return counts @ _network_costs(self._n_classes, self._side) / 1e6

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the 27 devices of :meth:`latency`; a number at the end of a GPU's name is its batch size."""
        return tuple(_latencies())

    def latency(self, cells: Any, device: str) -> Floats:
        """Measured time of a forward pass on a device; the same for all datasets.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that ``space.codes`` accepts.
        device : str
            One of :attr:`devices`.

        Returns
        -------
        ndarray of float64, shape (n,)
            Milliseconds.

        Raises
        ------
        ValueError
            For an unknown device.
        """
        table = _latencies()
        if not isinstance(device, str) or device not in table:
            raise ValueError(f"device: expected one of {', '.join(table)}, got {device!r:.100}")
        return table[device][self.space.index(cells)]

    def optimum(self, level: str | None = None) -> Cell:
        """The cell with the best mean validation accuracy after 200 epochs.

        Parameters
        ----------
        level : {None, "function", "isomorphism"}
            None: among all cells. Else among the representatives of the classes at that level, which is the best
            that a search can reach when it evaluates representatives only.

        Returns
        -------
        Cell
        """
        codes = self.space.all_codes()
        values = self._all_values()
        if level is not None:
            represents = (self.space.canonicalise(codes, level) == codes).all(axis=1)
            values = np.where(represents, values, -np.inf)
        return self.space.cell(int(values.argmax()))

    def optimal_value(self) -> float | None:
        """The highest mean validation accuracy over all cells, percent.

        None for a live ``nats_bench`` object, which would be asked for every cell.
        """
        return float(self._all_values().max()) if isinstance(self._table, Table) else None

    def _all_values(self) -> Floats:
        return self._table.values("val200", np.arange(len(self)))

    def info(self, cell: Any) -> dict[str, Any]:
        """Everything that is known about one cell.

        Parameters
        ----------
        cell : str, int, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        dict
            Plain Python values that JSON can hold: ``cell``, ``index``, ``codes``, ``dataset``, ``source``,
            ``validation``, ``validation_runs``, ``test``, ``validation_12``, ``test_12`` (percent), ``parameters``,
            ``flops`` (millions), ``latency`` (milliseconds by device), ``representative`` (the string of the class's
            representative by level).
        """
        chosen = self.space.cell(cell)
        codes = self.space.codes(chosen)
        runs = self._table.values("runs", self.space.index(codes))[0] if self._table.has_runs else np.empty(0)
        return {
            "cell": str(chosen),
            "index": int(self.space.index(codes)[0]),
            "codes": list(chosen.codes),
            "dataset": self.dataset,
            "source": self.source,
            "validation": self.evaluate(chosen),
            "validation_runs": runs[~np.isnan(runs)].tolist(),
            "test": float(self.test(codes)[0]),
            "validation_12": float(self.validation(codes, epochs=12)[0]),
            "test_12": float(self.test(codes, epochs=12)[0]),
            "parameters": float(self.parameters(codes)[0]),
            "flops": float(self.flops(codes)[0]),
            "latency": {device: float(self.latency(codes, device)[0]) for device in self.devices},
            "representative": {
                level: str(self.space.cells(self.space.canonicalise(codes, level))[0]) for level in self.space.levels
            },
        }
