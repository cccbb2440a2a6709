"""NAS-Bench-201: measured accuracies and costs, from the table that comes with the package or from NATS-Bench.

Source: X. Dong, Y. Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", arXiv
2001.00326.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_choice, is_int
from crlso._base.types import Floats
from crlso.assets import open_npz
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.files.natsbench import COLUMNS, ApiTable, Table, read_folder
from crlso.benchmarks.measures import Measure
from crlso.spaces.cell import Cell
from crlso.spaces.nasbench201 import NASBench201 as Space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NASBench201"]

# Name of the dataset -> (prefix in the asset, number of classes, side length of its images in pixels).
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

# The network around a cell begins with a 3x3 convolution to 16 channels and has three stages of 5 cells with 16, 32 and
# 64 channels. A residual block before the second and third stages halves the image: two 3x3 convolutions, and beside
# them pooling with a 1x1 convolution. Batch norm follows the last stage and all convolutions but this 1x1 convolution.
# The classifier is linear.
_STAGE_CHANNELS = (16, 32, 64)
_CELLS_PER_STAGE = 5
_CONVOLUTIONS = {2: 1, 3: 9}  # code of the operation -> number of weights per pair of channels


def _dataset_name(dataset: object) -> str:
    if not isinstance(dataset, str):
        raise TypeError(f"dataset: expected a str, got {type(dataset).__name__}")
    plain = "".join(c for c in dataset.lower() if c not in "-_ ")
    if plain not in _ALIASES:
        raise ValueError(f"dataset: expected one of {', '.join(_DATASETS)}, got {dataset!r:.100}")
    return _ALIASES[plain]


def _scaled(integers: npt.NDArray[np.int32], decimals: int) -> Floats:
    """Return ``integers / 10**decimals``, correctly rounded and read-only; NaN for negative integers."""
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
    """Return the numbers of parameters and of multiply-adds of a convolution with its batch norm.

    `kernel` is the number of weights per pair of channels. Without `norm`, there is no batch norm.
    """
    weights = kernel * inputs * outputs
    return weights + 2 * outputs * norm, weights * pixels


@functools.cache
def _network_costs(n_classes: int, side: int) -> npt.NDArray[np.int64]:
    """Return numbers of parameters and multiply-adds, shape (3, 2).

    The rows are the network without operations on edges, and what each 1x1 and each 3x3 convolution on an edge adds.
    """
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
    """Return the latencies of all cells by device, in milliseconds and in official order."""
    with open_npz("nasbench201.npz") as asset:
        devices = asset["latency_devices"].tolist()
        rows = zip(asset["latency"], asset["latency_decimals"].tolist(), strict=True)
        return {device: _scaled(row, decimals) for device, (row, decimals) in zip(devices, rows, strict=True)}


class NASBench201(Benchmark):
    """Accuracies and costs of all 15,625 cells of NAS-Bench-201 on one dataset.

    The value of a cell, which a search maximises, is its validation accuracy in percent after 200 epochs: the mean over
    the two or three runs of the benchmark. Use test accuracies for reports, not for selection.

    On CIFAR-10, the two come from different runs. Validation accuracies are measured after training on half of the
    training set (``cifar10-valid`` in the official files), test accuracies after training on all of it.

    Cells of one class (see the space) were trained separately, so their values differ by the noise of training.

    Parameters
    ----------
    dataset : str
        ``"cifar10"``, ``"cifar100"`` or ``"ImageNet16-120"``; case, ``-`` and ``_`` are ignored. ``"cifar10-valid"``
        means the first, ``"imagenet16"`` the last.

    Attributes
    ----------
    space : crlso.spaces.NASBench201
        Space of the cells.
    dataset : str
        Name of the dataset, spelt as above.
    source : str
        Where the accuracies come from.

    Raises
    ------
    TypeError, ValueError
        If `dataset` is not the name of one of the datasets.

    See Also
    --------
    from_natsbench_dir : Accuracies from the official files.
    from_nats_bench : Accuracies from a ``nats_bench`` object.

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
        """Read the accuracies from the official files of NATS-Bench.

        A restricted reader makes only plain values from the pickles, so neither torch nor nats_bench is needed. Reading
        all files takes some minutes; with a `cache` they are read only once. Parameters, FLOPs and latencies are those
        that come with the package.

        Parameters
        ----------
        path : path
            The folder ``NATS-tss-v1_0-3ffb9-simple``, with ``meta.pickle.pbz2`` and ``000000.pickle.pbz2`` to
            ``015624.pickle.pbz2``.
        dataset : str
            As for the constructor.
        cache : path, optional
            An npz file that stores the accuracies of all three datasets. It is written if it does not exist, or if the
            files in the folder have changed.
        allow_missing : bool
            Whether files of cells may be missing. Queries for their cells then raise LookupError.

        Returns
        -------
        NASBench201

        Raises
        ------
        OSError
            If the folder or a file cannot be opened. If files of cells are missing, it is a FileNotFoundError that says
            how many and names the first.
        TypeError, ValueError
            If a file is damaged or hostile (the message names it), `cache` is another kind of file, or as for the
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
        """Query the accuracies from an object of the package nats_bench.

        Each value is queried when it is first needed, as a mean over seeds (``is_random=False``). :meth:`optimum`
        queries all cells. Regret and single runs are not available.

        Parameters
        ----------
        api : object
            What ``nats_bench.create(path, "tss", fast_mode=True, verbose=False)`` returns: any object with
            ``len(api)``, ``arch(i)``, ``query_index_by_arch(string)`` and
            ``get_more_info(i, dataset, iepoch, hp, is_random)``.
        dataset : str
            As for the constructor.

        Returns
        -------
        NASBench201
            Queries for cells without values in `api` raise LookupError.

        Raises
        ------
        TypeError
            If `api` lacks a method, which the message names.
        ValueError
            If the architectures of `api` are not the cells of NAS-Bench-201, or as for the constructor.

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
        """Return the value of one cell.

        Parameters
        ----------
        cell : str, int, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        float
            Mean validation accuracy over the runs of 200 epochs, percent.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> round(bench.evaluate(9930), 3)
        73.493
        """
        return float(self.validation([self.space.cell(cell)])[0])

    def values(self, cells: Any) -> Floats:
        """Return the values of cells, shape (n,), see :meth:`evaluate`.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Mean validation accuracy of each cell after 200 epochs, percent, in the order of the cells.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.values([9930, 0]).round(2)
        array([73.49, 52.7 ])
        """
        return self.validation(cells)

    def validation(self, cells: Any, epochs: int = 200, seed: int | None = None) -> Floats:
        """Return the validation accuracies of cells.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.
        epochs : {200, 12}
            Length of the training. Trainings of 12 epochs are separate runs with a learning-rate schedule of their own;
            their accuracy is that of one run, or on CIFAR-10 the mean of two.
        seed : int, optional
            Index of a run of 200 epochs: 0, 1 or 2, in ascending order of the seeds (777, 888, 999) with which the cell
            was trained. By default the mean over all runs of the cell is returned.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent; NaN if a cell has no third run.

        Raises
        ------
        ValueError
            If `epochs` or `seed` has another value, or `seed` is given for 12 epochs or if only means are known.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.validation([9930], seed=0), bench.validation([9930], epochs=12)
        (array([73.52]), array([60.28]))
        """
        self._check_epochs(epochs)
        index = self.space.index(cells)
        if seed is None:
            return self._table.values(f"val{epochs}", index)
        if epochs != 200:
            raise ValueError(f"seed: expected None with {epochs} epochs, got {seed!r}")
        if not is_int(seed) or not 0 <= seed < _N_RUNS:
            raise ValueError(f"seed: expected None, 0, 1 or 2, got {seed!r:.100}")
        if not self._table.has_runs:
            raise ValueError(f"seed: expected None, because {self.source} has means only; got {seed!r}")
        return self._table.values("runs", index)[:, seed]

    def test(self, cells: Any, epochs: int = 200) -> Floats:
        """Return the test accuracies of cells; use them for reports, never for selection.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.
        epochs : {200, 12}
            Length of the training. Accuracies after 200 epochs are means over the runs, those after 12 epochs come from
            one run.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent.

        Raises
        ------
        ValueError
            If `epochs` has another value.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.test([9930]).round(3)
        array([73.513])
        """
        self._check_epochs(epochs)
        return self._table.values(f"test{epochs}", self.space.index(cells))

    @staticmethod
    def _check_epochs(epochs: int) -> None:
        if not is_int(epochs) or epochs not in _EPOCHS:
            raise ValueError(f"epochs: expected 12 or 200, got {epochs!r:.100}")

    def parameters(self, cells: Any) -> Floats:
        """Return the numbers of parameters of the networks for this dataset.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the layers of the networks; they equal the numbers of the official files exactly.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.parameters([9930])
        array([1.294356])
        """
        return self._costs(cells)[:, 0]

    def flops(self, cells: Any) -> Floats:
        """Return the numbers of multiply-adds of one forward pass of the networks for this dataset.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the layers of the networks and counted as in the official files. Convolutions and
            the classifier with its bias count; pooling, skip connections and normalisation do not. Edges that do not
            lead to the output count too.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.flops([9930])
        array([184.7361])
        """
        return self._costs(cells)[:, 1]

    def _costs(self, cells: Any) -> Floats:
        """Return the parameters and FLOPs of cells in millions, shape (n, 2)."""
        codes = self.space.codes(cells)
        counts = np.stack([np.ones(len(codes)), *((codes == code).sum(axis=1) for code in _CONVOLUTIONS)], axis=1)
        return counts @ _network_costs(self._n_classes, self._side) / 1e6

    @property
    def measures(self) -> dict[str, Measure]:
        """The value, parameters and FLOPs in millions, and latencies in milliseconds, by name."""
        known = [
            Measure("value", "%"),
            Measure("parameters", "million", self.parameters),
            Measure("flops", "million", self.flops),
            *(Measure(f"latency:{name}", "ms", functools.partial(self.latency, device=name)) for name in self.devices),
        ]
        return {measure.name: measure for measure in known}

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the 27 devices of :meth:`latency`; a number at the end of a GPU's name is its batch size."""
        return tuple(_latencies())

    def latency(self, cells: Any, device: str) -> Floats:
        """Return the measured times of a forward pass on a device; they are the same for all datasets.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.
        device : str
            One of :attr:`devices`.

        Returns
        -------
        ndarray of float64, shape (n,)
            Milliseconds.

        Raises
        ------
        ValueError
            If the device is unknown.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.latency([9930], "pixel3")
        array([35.033])
        """
        table = _latencies()
        return table[check_choice("device", device, table)][self.space.index(cells)]

    def optimum(self, level: str | None = None) -> Cell:
        """Return the cell with the highest mean validation accuracy after 200 epochs.

        Parameters
        ----------
        level : {None, "function", "isomorphism"}
            None compares all cells. A level compares the representatives of the classes at that level; their best is
            what a search can reach if it evaluates representatives only.

        Returns
        -------
        Cell
            Of several with the highest accuracy, the one with the lowest official index.

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> bench.space.index([bench.optimum(), bench.optimum("function")])
        array([9930, 9930])
        """
        codes = self.space.all_codes()
        values = self._all_values()
        if level is not None:
            represents = (self.space.canonicalise(codes, level) == codes).all(axis=1)
            values = np.where(represents, values, -np.inf)
        return self.space.cell(int(values.argmax()))

    def optimal_value(self) -> float | None:
        """Return the highest mean validation accuracy of all cells, percent.

        It is None for a benchmark made by :meth:`from_nats_bench`, which would have to query every cell.

        Returns
        -------
        float, optional
            Accuracy of :meth:`optimum`, or None.

        Examples
        --------
        >>> round(NASBench201("cifar100").optimal_value(), 3)
        73.493
        """
        return float(self._all_values().max()) if isinstance(self._table, Table) else None

    def _all_values(self) -> Floats:
        return self._table.values("val200", np.arange(len(self)))

    def info(self, cell: Any) -> dict[str, Any]:
        """Return everything that the benchmark knows about one cell.

        Parameters
        ----------
        cell : str, int, sequence or Cell
            Anything that ``space.cell`` accepts.

        Returns
        -------
        dict
            Plain Python values that JSON can hold: ``cell``, ``index``, ``codes``, ``dataset``, ``source``,
            ``validation``, ``validation_runs``, ``test``, ``validation_12``, ``test_12`` (percent), ``parameters``,
            ``flops`` (millions), ``latency`` (milliseconds by device), ``representative`` (text of the representative
            of the cell's class, by level).

        Examples
        --------
        >>> bench = NASBench201("cifar100")
        >>> info = bench.info(9930)
        >>> info["codes"], info["validation_runs"]
        ([3, 3, 3, 1, 3, 3], [73.52, 73.38, 73.58])
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
