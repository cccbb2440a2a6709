"""The space of NAS-Bench-101: up to seven vertices, nine edges and three operations, 423,624 cells."""

from __future__ import annotations

import dataclasses
import functools
import re
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Codes, Floats, Positions
from crlso.assets import open_npz
from crlso.spaces.base import PAPER_PRESETS, Preset, Shipped
from crlso.spaces.cell import Cell
from crlso.spaces.keys import rows_of_keys
from crlso.spaces.layout import CellLayout, register_layout
from crlso.spaces.space import CellSpace
from crlso.spaces.text import bare_text

__all__ = ["LAYOUT", "NASBench101"]

_VERTICES = 7
LAYOUT = register_layout(
    CellLayout(
        "nasbench101",
        ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"),
        n_nodes=_VERTICES,
        n_inputs=1,
        edges=tuple((source, target) for target in range(1, _VERTICES) for source in range(target)),
        free=True,
        operations_on_nodes=True,
        max_edges=9,
    )
)
_N_INNER = len(LAYOUT.intermediate)
_ENDS = ("input", "output")
_HASH = re.compile("[0-9a-fA-F]{32}")
_PRESETS = {
    "paper": dataclasses.replace(
        PAPER_PRESETS["paper"],
        width=512,
        latent=64,
        kl_weight=0.1,
        batch_size=512,
        surrogate_width=256,
        noise=0.05,
        labels=600,
        queries=900,
    ),
    "fast": dataclasses.replace(PAPER_PRESETS["fast"], surrogate_width=256, labels=600, queries=900),
}
_SHIPPED = Shipped("encoder_nasbench101.npz", tuple(f"latent{i}_nasbench101.npz" for i in range(4)))


@functools.cache
def _every_cell() -> Codes:
    with open_npz("nasbench101.npz") as asset:
        codes = rows_of_keys(np.cumsum(asset["key_steps"], dtype=np.int64), LAYOUT.cardinalities)
    codes.flags.writeable = False
    return codes


@functools.cache
def _beginnings() -> tuple[npt.NDArray[np.int64], Positions]:
    """The first three bytes of every cell's hash as a number, in ascending order, and the rows of these cells."""
    with open_npz("nasbench101_hashes.npz") as asset:
        parts = asset["beginnings"].astype(np.int64)
    numbers = parts[:, 0] << 16 | parts[:, 1] << 8 | parts[:, 2]
    order = np.argsort(numbers, kind="stable")
    return numbers[order], order


def _row_of_hash(digest: bytes) -> Codes:
    """The codes of the cell with this module hash."""
    numbers, rows = _beginnings()
    wanted = int.from_bytes(digest[:3], "big")
    first, last = np.searchsorted(numbers, [wanted, wanted + 1])
    codes = _every_cell()[rows[first:last]]  # a few cells whose hashes begin so
    for row, found in zip(codes, _core.nb101_hash(codes)):
        if found.tobytes() == digest:
            return row
    raise ValueError(f"cell string: expected the module hash of a cell of the benchmark, got {digest.hex()!r}")


class NASBench101(CellSpace):
    """All cells of NAS-Bench-101.

    A cell has an input, an output, up to five vertices between them, each with one of three operations, and at most
    nine edges. It is a row of 26 codes: the operations of the five inner vertices (0 absent, 1 ``conv3x3-bn-relu``,
    2 ``conv1x1-bn-relu``, 3 ``maxpool3x3``), then the 21 possible edges by target and source. Cells are equal when they
    are the same graph after pruning: 423,624 cells, one for each module hash of the benchmark.

    :meth:`cell` also takes the forms of the benchmark's own API: a pair (matrix, operations) with ``"input"`` first and
    ``"output"`` last, of 2 to 7 vertices; a mapping with ``module_adjacency`` and ``module_operations``; an object with
    ``matrix`` and ``ops``; and a module hash.

    References
    ----------
    Ying, Klein, Real, Christiansen, Murphy, Hutter: NAS-Bench-101: Towards reproducible neural architecture search.
    ICML 2019.

    Examples
    --------
    >>> space = NASBench101()
    >>> cell = space.cell(([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", "maxpool3x3", "output"]))
    >>> str(cell)
    'maxpool3x3(0)+output(0,1)'
    >>> matrix, operations = space.matrix(cell)
    >>> operations
    ['input', 'maxpool3x3', 'output']
    """

    def __init__(self) -> None:
        self._layout = LAYOUT

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""
        return _PRESETS

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso: an encoder, and four shaped ones."""
        return _SHIPPED

    def log_size(self, codes: Codes) -> Floats:
        """Return the logarithm of the number of weights of networks, in units of the output's channels squared.

        Vertices have their :meth:`channels`. An edge from the input is a projection by a convolution of 1 x 1.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, 26)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            Natural logarithm of the weights, to which 0.001 is added.

        Examples
        --------
        >>> space = NASBench101()
        >>> space.log_size(space.codes(["conv3x3-bn-relu(0)+output(1)", "maxpool3x3(0)+output(1)"])).round(3)
        array([2.303e+00, 1.000e-03])
        """
        return np.log(_core.nb101_channels(self.codes(codes))[1])

    def channels(self, codes: Codes) -> Floats:
        """Return the channels of each inner vertex in units of the output's, shape (n, 5).

        The vertices that lead to the output share its channels; another vertex has as many channels as the largest
        vertex that it leads to. Those that lead nowhere have none.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, 26)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n, 5)
            A row for each cell, with the inner vertices in order.

        Examples
        --------
        >>> space = NASBench101()
        >>> space.channels(space.codes(["conv3x3-bn-relu(0)+maxpool3x3(1)+output(1,2)"]))
        array([[0.5, 0.5, 0. , 0. , 0. ]])
        """
        return _core.nb101_channels(self.codes(codes))[0]

    @property
    def n_cells(self) -> int:
        """Number of cells that the space lists: all different ones."""
        return len(self._members.keys if self._members is not None else _every_cell())

    def all_codes(self) -> Codes:
        """Return all different cells in the order of their keys, shape (423624, 26), read-only.

        Returns
        -------
        ndarray of uint8, shape (423624, 26)
            A row for each cell; in a subset, those of its cells only.

        Examples
        --------
        >>> NASBench101().all_codes().shape
        (423624, 26)
        """
        return _every_cell() if self._members is None else self._listed

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, sequence of int, (matrix, operations), mapping, object or Cell
            Text as ``str(cell)`` writes it, a module hash (32 hexadecimal digits, by which the benchmark names its
            cells), 26 codes, one of the benchmark's own forms, or a Cell. Vertices of another operation than the three
            are left out if they are on no path; nothing else is pruned, see :meth:`CellSpace.prune`.

        Returns
        -------
        Cell
            A cell of this space; `x` itself if it is one.

        Raises
        ------
        TypeError, ValueError
            For anything that is no cell, and for a hash that is no cell's; what was expected is named.

        Examples
        --------
        >>> print(NASBench101().cell("b49ac8c578b4561d79ac7087988f1c61"))
        conv3x3-bn-relu(0)+output(1)
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, str) and _HASH.fullmatch(bare_text(x)):
            return Cell(self.name, tuple(_row_of_hash(bytes.fromhex(bare_text(x))).tolist()))
        form = _benchmark_form(x)
        return super().cell(x) if form is None else Cell(self.name, _codes_of_matrix(*form))

    def module_hash(self, cell: Any) -> str:
        """Return the module hash of a cell: 32 hexadecimal digits, by which the benchmark's files name it.

        Parameters
        ----------
        cell : object
            Anything that :meth:`cell` accepts. Equal cells have one hash.

        Returns
        -------
        str
            The digits, in lower case.

        Raises
        ------
        ValueError
            For a cell without a path from the input to the output.

        Examples
        --------
        >>> NASBench101().module_hash("conv3x3-bn-relu(0)+output(1)")
        'b49ac8c578b4561d79ac7087988f1c61'
        """
        row = self.prune([self.cell(cell)])
        if not row.any():
            raise ValueError(f"cell: expected an output that is reached from the input, got {cell!s:.200}")
        return _core.nb101_hash(row).tobytes().hex()

    def matrix(self, cell: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Write a cell, pruned, in the benchmark's own form.

        Parameters
        ----------
        cell : object
            Anything that :meth:`cell` accepts.

        Returns
        -------
        matrix : ndarray of int64, shape (v, v)
            Upper triangular, 1 for an edge from row to column.
        operations : list of str, length v
            ``"input"``, the operations of the vertices between, ``"output"``.

        Raises
        ------
        ValueError
            For a cell without a path from the input to the output.

        Examples
        --------
        >>> NASBench101().matrix("maxpool3x3(0)+output(0,1)")[1]
        ['input', 'maxpool3x3', 'output']
        """
        row = self.prune([self.cell(cell)])[0]
        full = np.zeros((_VERTICES, _VERTICES), dtype=np.int64)
        sources, targets = np.array(self.edges).T
        full[sources, targets] = row[_N_INNER:]
        if not full.any():
            raise ValueError(f"cell: expected an output that is reached from the input, got {cell!s:.200}")
        inner = [self.operations[code - 1] for code in row[:_N_INNER] if code]
        kept = [*range(1 + len(inner)), _VERTICES - 1]
        return full[np.ix_(kept, kept)], [_ENDS[0], *inner, _ENDS[1]]


def _benchmark_form(x: Any) -> tuple[Any, Any] | None:
    """The matrix and the operations of a cell in one of the benchmark's own forms; None for anything else."""
    if isinstance(x, (tuple, list)) and len(x) == 2:
        return x[0], x[1]
    if isinstance(x, Mapping):
        for form in (("module_adjacency", "module_operations"), ("matrix", "ops")):
            if all(key in x for key in form):
                return x[form[0]], x[form[1]]
        raise ValueError(f"cell: expected the keys module_adjacency and module_operations, got {list(x)!r:.100}")
    if hasattr(x, "matrix") and hasattr(x, "ops"):
        return x.matrix, x.ops
    return None


def _codes_of_matrix(matrix: Any, operations: Any) -> tuple[int, ...]:
    """Codes of a cell in the benchmark's own form, checked."""
    edges = _checked_matrix(matrix)
    n = len(edges)
    names = operations.tolist() if isinstance(operations, np.ndarray) else operations
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"cell: expected a sequence of names as operations, got {reprlib.repr(operations)}")
    if len(names) != n:
        raise ValueError(f"cell: expected {n} operations for {n} vertices, got {len(names)}: {list(names)!r:.200}")
    if (names[0], names[-1]) != _ENDS:
        raise ValueError(f"cell: expected 'input' as the first operation and 'output' as the last, got {names!r:.200}")
    # The benchmark prunes a cell before it looks at its operations: those on no path may have any name.
    known = [v for v in range(1, n - 1) if names[v] in LAYOUT.operations]
    unknown = [v for v in range(1, n - 1) if v not in known and _on_a_path(edges, v)]
    if unknown:
        raise ValueError(
            f"cell: expected operations out of {', '.join(LAYOUT.operations)} between 'input' and 'output', "
            f"got {names[unknown[0]]!r:.60}"
        )
    full = np.zeros((_VERTICES, _VERTICES), dtype=np.int64)
    position = [0, *range(1, 1 + len(known)), _VERTICES - 1]
    full[np.ix_(position, position)] = edges[np.ix_([0, *known, n - 1], [0, *known, n - 1])]
    inner = [1 + LAYOUT.operations.index(names[v]) for v in known]
    return (*inner, *[0] * (_N_INNER - len(inner)), *(int(full[edge]) for edge in LAYOUT.edges))


def _checked_matrix(matrix: Any) -> npt.NDArray[Any]:
    try:
        edges = np.asarray(matrix)
    except ValueError:
        raise ValueError("cell: expected a square matrix, got rows of different lengths") from None
    n = len(edges) if edges.ndim == 2 else 0
    if edges.dtype.kind not in "iubf" or edges.shape != (n, n) or not 2 <= n <= _VERTICES:
        raise ValueError(f"cell: expected a matrix of numbers, 2 x 2 to 7 x 7, got {edges.dtype} {edges.shape}")
    if not np.isin(edges, (0, 1)).all() or np.tril(edges).any():
        raise ValueError("cell: expected a strictly upper triangular matrix of 0 and 1")
    return edges


def _on_a_path(edges: npt.NDArray[Any], vertex: int) -> bool:
    """Whether a vertex is on a path from the first to the last one."""
    linked = np.linalg.matrix_power(np.eye(len(edges), dtype=np.int64) + edges.astype(np.int64), len(edges)) > 0
    return bool(linked[0, vertex] and linked[vertex, -1])
