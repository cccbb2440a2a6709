"""Reader of the accuracies of NAS-Bench-201 from the folder of NATS-Bench or from a ``nats_bench`` object.

The folder ``NATS-tss-v1_0-3ffb9-simple`` has one bzip2-compressed pickle per cell, and ``meta.pickle.pbz2`` with the
cell strings in official order. The file of a cell has entries for its trainings of ``"12"`` and ``"200"`` epochs. They
contain the seeds of each dataset, and the accuracies of each dataset and seed on each split after each epoch. Reading
needs neither torch nor nats_bench, and runs no code of the pickles.

Source: X. Dong, L. Liu, K. Musial, B. Gabrys, "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and
Size", IEEE TPAMI 2021, https://github.com/D-X-Y/NATS-Bench; the values are those of ``get_more_info`` with
``is_random=False`` in nats_bench 1.8.
"""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from crlso._base.files import open_regular, write_npz
from crlso._base.types import Floats
from crlso.benchmarks.files.archive import read_arrays
from crlso.benchmarks.files.unpickle import restricted_load
from crlso.spaces.nasbench201 import NASBench201 as Space

__all__ = ["COLUMNS", "DATASETS", "ApiTable", "Table", "read_folder", "read_meta", "read_result"]

Indices = npt.NDArray[np.int64]

_log = logging.getLogger(__name__)

# Dataset -> ((dataset, split) of the validation accuracy in the files, (dataset, split) of the test accuracy).
# CIFAR-10 is validated after training on half of the training set and tested after training on all of it. For the other
# datasets, "ori-test" contains validation and test images.
DATASETS = {
    "cifar10": (("cifar10-valid", "x-valid"), ("cifar10", "ori-test")),
    "cifar100": (("cifar100", "x-valid"), ("cifar100", "x-test")),
    "ImageNet16-120": (("ImageNet16-120", "x-valid"), ("ImageNet16-120", "x-test")),
}
# Column -> its description in messages.
COLUMNS = {
    "runs": "validation accuracies of single runs",
    "val200": "validation accuracy after 200 epochs",
    "test200": "test accuracy after 200 epochs",
    "val12": "validation accuracy after 12 epochs",
    "test12": "test accuracy after 12 epochs",
}
_N_RUNS = 3

# An official file has 0.3 MB when decompressed, the meta file 1.4 MB.
_MAX_FILE_BYTES = 16 << 20
_MAX_CACHE_BYTES = 64 << 20
_SUFFIX = ".pickle.pbz2"
_META = f"meta{_SUFFIX}"
_LOG_EVERY = 1000
_SAMPLED = 1000  # a cell out of as many identifies an object of nats_bench

_CACHE_FORMAT = "crlso NATS-Bench accuracies 1"


class Table:
    """Accuracies on one dataset in percent, by official index.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64
        ``runs``, shape (15625, 3): validation accuracies after 200 epochs by seed. ``val200``, ``test200``, ``val12``
        and ``test12``, shape (15625,): means over seeds. Unknown values are NaN.
    origin : str
        Where the numbers come from, for messages.
    """

    has_runs: bool = True

    def __init__(self, columns: Mapping[str, Floats], origin: str) -> None:
        self._columns = dict(columns)
        self.origin = origin

    def values(self, column: str, index: Indices) -> Floats:
        """Return the values of a column at indices, shape (n,) or (n, 3); LookupError if one is unknown."""
        values: Floats = self._columns[column][index]
        unknown = np.isnan(values[:, 0] if values.ndim == 2 else values)
        if unknown.any():
            first = int(index[unknown.argmax()])
            raise LookupError(
                f"{self.origin}: no {COLUMNS[column]} for {int(unknown.sum())} of {len(index)} cells, "
                f"the first is {Space().cell(first)} (index {first})"
            )
        return values


class ApiTable:
    """Mean accuracies on one dataset in percent, which are queried from a ``nats_bench`` topology object and cached.

    Parameters
    ----------
    api : object
        An object with ``len(api)``, ``arch``, ``query_index_by_arch`` and ``get_more_info``.
    dataset : str
        One of `DATASETS`.

    Raises
    ------
    TypeError
        If a method is missing.
    ValueError
        If the architectures of `api` are not the cells of NAS-Bench-201.
    """

    has_runs: bool = False

    def __init__(self, api: Any, dataset: str) -> None:
        for name in ("__len__", "arch", "query_index_by_arch", "get_more_info"):
            if not callable(getattr(api, name, None)):
                raise TypeError(f"api: expected a nats_bench object, got {type(api).__name__} without method {name}")
        self._space = Space()
        if len(api) != len(self._space):
            raise ValueError(f"api: expected {len(self._space)} architectures, got {len(api)}")
        try:
            self._space.cell(api.arch(0))
        except (TypeError, ValueError) as error:
            raise ValueError(f"api: expected the topology search space of NATS-Bench, got {error}") from error
        self._api = api
        self._validation, self._test = (name for name, _ in DATASETS[dataset])
        self._cache: dict[tuple[str, int], float] = {}
        self.origin = f"a {type(api).__module__}.{type(api).__name__} object"

    def values(self, column: str, index: Indices) -> Floats:
        """Return the values of a column other than ``runs`` at indices, shape (n,); LookupError if one is unknown."""
        return np.array([self._value(column, int(i)) for i in index], dtype=np.float64)

    def fingerprint(self) -> Any:
        """Return what identifies the table: the folder of the object, where it has one, and some of the accuracies."""
        known = []
        for index in range(0, len(self._space), _SAMPLED):
            with contextlib.suppress(LookupError):
                known.append((index, self._value("val200", index), self._value("test200", index)))
        return self.origin, self._validation, str(getattr(self._api, "archive_dir", None)), known

    def _value(self, column: str, index: int) -> float:
        if (column, index) not in self._cache:
            self._cache[column, index] = self._query(column, str(self._space.cell(index)))
        return self._cache[column, index]

    def _query(self, column: str, cell: str) -> float:
        validation, hp = column.startswith("val"), column.removeprefix("val").removeprefix("test")
        dataset, key = (self._validation, "valid-accuracy") if validation else (self._test, "test-accuracy")
        position = self._api.query_index_by_arch(cell)
        if position < 0:
            raise LookupError(f"{self.origin}: no architecture {cell}")
        try:
            info = self._api.get_more_info(position, dataset, iepoch=None, hp=hp, is_random=False)
            return _accuracy(info[key], key)
        except (AssertionError, LookupError, OSError, ValueError) as error:
            # nats_bench raises an AssertionError for a missing file.
            raise LookupError(f"{self.origin}: no {COLUMNS[column]} for {cell}: {error}") from error


def read_folder(
    path: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = None, allow_missing: bool = False
) -> dict[str, Floats]:
    """Read the accuracies of all cells whose files are in an official folder.

    Parameters
    ----------
    path : path
        The folder.
    cache : path, optional
        An npz file. It is read instead of the folder if it was made from files with the same names, sizes and times;
        otherwise it is written. A file of another kind is not overwritten.
    allow_missing : bool
        Whether files of cells may be missing.

    Returns
    -------
    dict of str to ndarray of float64
        Keys are ``"{dataset}/{column}"`` for each of `DATASETS` and `COLUMNS`, shapes are (15625, 3) for ``runs`` and
        (15625,) for the others. Values of cells without a file are NaN.

    Raises
    ------
    OSError
        If the folder or a file cannot be opened; it is a FileNotFoundError if files of cells are missing.
    ValueError
        If a file is damaged or of another kind; the message names it.
    """
    folder = Path(path)
    states = _states(folder)
    missing = [name for name in map(_file_name, range(len(Space()))) if name not in states]
    if missing and not allow_missing:
        raise FileNotFoundError(
            f"path: expected {len(Space())} result files in {folder}, {len(missing)} are missing, first {missing[0]}; "
            "allow_missing=True reads the others"
        )
    fingerprint = hashlib.sha256(repr(sorted(states.items())).encode()).hexdigest()
    if cache is not None and Path(cache).exists():
        columns = _read_cache(Path(cache), fingerprint)
        if columns is not None:
            return columns
        _log.info("%s was made from other files than those in %s; it is written again", cache, folder)
    columns = _convert(folder, states)
    if cache is not None:
        _write_cache(Path(cache), fingerprint, columns)
    return columns


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of each file in the folder by name."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat() for entry in entries if entry.name.endswith(_SUFFIX)}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def _convert(folder: Path, present: Collection[str]) -> dict[str, Floats]:
    with open_regular(folder / _META, _MAX_FILE_BYTES) as packed, bz2.open(packed) as file:
        strings = read_meta(file, str(folder / _META))
    index = Space().index(strings)
    columns = {f"{d}/{c}": np.full(_shape(c), np.nan) for d in DATASETS for c in COLUMNS}
    positions = [i for i in range(len(strings)) if _file_name(i) in present]
    for n, i in enumerate(positions):
        if n % _LOG_EVERY == 0:
            _log.info("reading %s: %d of %d files", folder, n, len(positions))
        path = folder / _file_name(i)
        with open_regular(path, _MAX_FILE_BYTES) as packed, bz2.open(packed) as file:
            for name, value in read_result(file, str(path), strings[i]).items():
                columns[name][index[i]] = value
    return columns


def _file_name(position: int) -> str:
    return f"{position:06d}{_SUFFIX}"


def _shape(column: str) -> tuple[int, ...]:
    return (len(Space()), _N_RUNS) if column == "runs" else (len(Space()),)


def read_meta(file: IO[bytes], what: str) -> list[str]:
    """Read the cell strings of a folder in the order of its files.

    Parameters
    ----------
    file : binary file
        The decompressed meta file.
    what : str
        Name of the file, for messages.

    Returns
    -------
    list of str
        Each cell of the space once.

    Raises
    ------
    ValueError
        If the file is not such a meta file.
    """
    meta = _load(file, what)
    strings = meta.get("meta_archs") if isinstance(meta, dict) else None
    if not isinstance(strings, list) or not all(isinstance(text, str) for text in strings):
        raise ValueError(f"{what}: expected a dict with a list of cell strings at meta_archs")
    try:
        distinct = len(set(Space().index(strings).tolist()))
    except ValueError as error:
        raise ValueError(f"{what}: expected cells of NAS-Bench-201 at meta_archs: {error}") from error
    if not len(strings) == distinct == len(Space()):
        raise ValueError(
            f"{what}: expected each of {len(Space())} cells once, got {distinct} in {len(strings)} strings"
        )
    return strings


def read_result(file: IO[bytes], what: str, string: str) -> dict[str, Floats]:
    """Read the accuracies of one cell.

    Parameters
    ----------
    file : binary file
        The decompressed result file.
    what : str
        Name of the file, for messages.
    string : str
        Cell string that the file must have.

    Returns
    -------
    dict of str to ndarray of float64
        Keys are ``"{dataset}/{column}"`` for each of `DATASETS` and `COLUMNS`, shapes are (3,) for ``runs`` and () for
        the others.

    Raises
    ------
    ValueError
        If the file is not the result file of that cell.
    """
    results = _load(file, what)
    found: dict[str, Floats] = {}
    try:
        for epochs in (200, 12):
            result: Any = results[str(epochs)]  # type: ignore[index]
            if result["arch_str"] != string:
                raise ValueError(f"expected cell {string}, got {_shown(result['arch_str'])}")
            found.update(_means(result, epochs))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{what}: expected results of NATS-Bench: {type(error).__name__}: {error!s:.300}") from error
    return found


def _means(result: Any, epochs: int) -> dict[str, Floats]:
    found: dict[str, Any] = {}
    for dataset, (validation, test) in DATASETS.items():
        runs = _final_accuracies(result, *validation, epochs)
        found[f"{dataset}/val{epochs}"] = runs.mean()
        found[f"{dataset}/test{epochs}"] = _final_accuracies(result, *test, epochs).mean()
        if epochs == 200:
            found[f"{dataset}/runs"] = np.pad(runs, (0, _N_RUNS - len(runs)), constant_values=np.nan)
    return found


def _final_accuracies(result: Any, dataset: str, split: str, epochs: int) -> Floats:
    """Return the accuracies after the last epoch, in ascending order of seeds."""
    seeds = result["dataset_seed"][dataset]
    if type(seeds) is not list or not 1 <= len(seeds) <= _N_RUNS or any(type(seed) is not int for seed in seeds):
        raise ValueError(f"expected a list of 1 to {_N_RUNS} seeds of {dataset}")
    key = f"{split}@{epochs - 1}"
    runs = [result["all_results"][dataset, seed]["eval_acc1es"][key] for seed in sorted(seeds)]
    return np.array([_accuracy(run, key) for run in runs])


def _accuracy(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (float, int, np.number)) or not 0 <= value <= 100:
        raise ValueError(f"expected an accuracy in percent at {name}, got {_shown(value)}")
    return float(value)


def _shown(value: object) -> str:
    """Return the text of a value for messages: its repr if it is plain, else its type.

    The repr of a container from a small pickle can be extremely long.
    """
    return f"{value!r:.120}" if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


class _DType:
    """Replaces ``numpy.dtype`` in a pickle: the name of a plain number type and its byte order."""

    _NAMES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})

    def __init__(self, name: object, align: object = False, copy: object = False) -> None:
        if not isinstance(name, str) or name not in self._NAMES:
            raise ValueError(f"expected the name of a number type, got {_shown(name)}")
        self.text = name

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|"):
            raise ValueError(f"expected a byte order, got {_shown(order)}")
        self.text = order + self.text.lstrip("<>|")


def _scalar(dtype: object, data: object) -> Any:
    """Replaces NumPy's constructor of scalars in a pickle, which would make any object."""
    if not isinstance(dtype, _DType) or not isinstance(data, bytes):
        raise TypeError(f"expected a number type and bytes, got {type(dtype).__name__} and {type(data).__name__}")
    (number,) = np.frombuffer(data, dtype=dtype.text)
    return number


def _ordered_dict() -> dict[Any, Any]:
    return {}


_ALLOWED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


def _load(file: IO[bytes], what: str) -> object:
    try:
        return restricted_load(file, _ALLOWED, what, max_bytes=_MAX_FILE_BYTES)
    except (EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{what}: expected a bzip2 file: {error}") from error


def _write_cache(path: Path, fingerprint: str, columns: dict[str, Floats]) -> None:
    arrays: dict[str, Any] = {"format": np.array(_CACHE_FORMAT), "fingerprint": np.array(fingerprint), **columns}
    write_npz(path, arrays)


def _read_cache(path: Path, fingerprint: str) -> dict[str, Floats] | None:
    """Return the columns of a cache, or None if it was made from other files."""
    with _reading(path):
        arrays = read_arrays(path, _MAX_CACHE_BYTES)
        if str(arrays["format"]) != _CACHE_FORMAT:
            raise ValueError(f"format {arrays['format']!s:.100}")
        if str(arrays["fingerprint"]) != fingerprint:
            return None
        columns = {f"{d}/{c}": arrays[f"{d}/{c}"] for d in DATASETS for c in COLUMNS}
        for name, column in columns.items():
            known = column[~np.isnan(column)] if column.dtype == np.float64 else column
            if column.shape != _shape(name.rpartition("/")[2]) or column.dtype != np.float64 or not _percent(known):
                raise ValueError(f"{name}: {column.dtype} {column.shape}")
        return columns


def _percent(values: npt.NDArray[Any]) -> bool:
    return bool(((values >= 0) & (values <= 100)).all())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the errors that a broken or foreign file raises into a ValueError that names the file."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise ValueError(f"cache: expected a file that this function wrote, got {path}: {error}") from error
