"""The space of NAS-Bench-201: four nodes, an operation on each of six edges, 15,625 cells."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int, is_int
from crlso._base.types import Codes, Floats, Keys
from crlso.assets import open_npz
from crlso.spaces.base import PAPER_PRESETS, Preset, Shipped
from crlso.spaces.cell import Cell
from crlso.spaces.features import live_operations
from crlso.spaces.layout import CellLayout, register_layout
from crlso.spaces.space import CellSpace
from crlso.spaces.text import bare_text

__all__ = ["NASBench201"]

_NAME = "nasbench201"
_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
_NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_N_CELLS: int = len(_OPERATIONS) ** len(_EDGES)
_CELL_KINDS = "a cell string, an official index, a sequence of 6 operation names or codes, or a Cell of nasbench201"


def _to_string(codes: tuple[int, ...]) -> str:
    text: str = _core.nb201_format(np.array([codes], dtype=np.uint8))[0]
    return text


_LAYOUT = register_layout(
    CellLayout(
        _NAME,
        _OPERATIONS,
        n_nodes=4,
        n_inputs=1,
        edges=_EDGES,
        to_text=_to_string,
        zero=("none",),
        identity=("skip_connect",),
    )
)


@functools.cache
def _official_order() -> tuple[Codes, npt.NDArray[np.int64]]:
    """Codes by official index, and the official index by rank; both read-only."""
    with open_npz("nasbench201.npz") as asset:
        codes: Codes = asset["codes"]
    if codes.shape != (_N_CELLS, len(_EDGES)) or codes.dtype != np.uint8:
        raise ValueError(f"asset nasbench201.npz: expected codes uint8 {(_N_CELLS, len(_EDGES))}, got {codes.shape}")
    index = np.full(_N_CELLS, -1, dtype=np.int64)
    index[_core.nb201_rank(codes)] = np.arange(_N_CELLS)
    if index.min() < 0:
        raise ValueError("asset nasbench201.npz: expected every cell once, got some cell twice")
    codes.flags.writeable = False
    index.flags.writeable = False
    return codes, index


_PRESETS = {
    "paper": PAPER_PRESETS["paper"],
    "fast": dataclasses.replace(PAPER_PRESETS["fast"], latent=16, noise=0.15),  # chosen on CIFAR-10
}


class NASBench201(CellSpace):
    """All cells of NAS-Bench-201.

    A cell is a row of six codes, uint8, one per edge in string order (1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2), each
    0 ``none``, 1 ``skip_connect``, 2 ``nor_conv_1x1``, 3 ``nor_conv_3x3`` or 4 ``avg_pool_3x3``. Its *official index*
    is its position in the published benchmark. Methods that take `cells` accept an array of codes of shape (n, 6), an
    array or list of official indices, a list of anything that :meth:`cell` accepts, or one Cell or string.

    The space lists all 15,625 cells, equal ones among them; :meth:`classes` has the 4,930 different ones. Cells can be
    equal at two levels. ``"isomorphism"`` compares the unique strings of the benchmark's authors: 6,466 classes.
    ``"function"`` compares what cells compute (a node is the multiset of its live incoming terms, with sums flattened,
    skip edges substituted, ``none`` and dead branches dropped): 4,930 classes, each a union of classes of the other
    level. This is the level of everything that does not take a level. A class is represented by its member with the
    fewest edges that are not ``none``; ties go to the fewest that are not ``skip_connect`` either, then to the codes
    that come first.

    References
    ----------
    Dong, Yang: NAS-Bench-201: Extending the scope of reproducible neural architecture search. ICLR 2020.

    Examples
    --------
    >>> space = NASBench201()
    >>> len(space)
    15625
    >>> cell = space.cell("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")
    >>> space.index([cell])
    array([431])
    >>> space.canonicalise(space.codes([cell]))
    array([[0, 0, 0, 3, 0, 0]], dtype=uint8)
    """

    levels: tuple[str, ...] = ("function", "isomorphism")
    _lists_classes = False

    def __init__(self) -> None:
        self._layout = _LAYOUT

    def __repr__(self) -> str:
        if self._members is not None:
            return super().__repr__()
        return f"NASBench201({_N_CELLS} cells: {len(_EDGES)} edges, {len(_OPERATIONS)} operations)"

    @property
    def presets(self) -> Mapping[str, Preset]:
        """Presets of the published method by name."""
        return _PRESETS

    @property
    def shipped(self) -> Shipped:
        """Names of the assets that come with crlso: latents of all classes by function."""
        return Shipped(class_latents="latents_nasbench201.npz")

    def log_size(self, codes: Codes) -> Floats:
        """Return the logarithm of the size of networks: the number of live convolutions, a small one counting 0.35.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, 6)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            ``log(0.3 + a + 0.35 * b)`` for a live convolutions of 3 x 3 and b of 1 x 1.

        Examples
        --------
        >>> space = NASBench201()
        >>> space.log_size(space.codes([0, 6111])).round(3)
        array([0.   , 1.537])
        """
        counts = live_operations(self._layout, codes)
        small, large = (counts[:, _OPERATIONS.index(name)] for name in _CONVOLUTIONS)
        return np.log(0.3 + large + 0.35 * small)

    def similarity(self) -> Floats:
        """Return how similar operations are: the two convolutions by one half.

        Returns
        -------
        ndarray of float64, shape (5, 5)
            Operations in the order of their codes: 1 for equal ones, 0.5 for the two convolutions, 0 for others.

        Examples
        --------
        >>> space = NASBench201()
        >>> float(space.similarity()[2, 3])
        0.5
        """
        similar = np.eye(len(_OPERATIONS))
        small, large = map(_OPERATIONS.index, _CONVOLUTIONS)
        similar[small, large] = similar[large, small] = 0.5
        return similar

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, int, sequence or Cell
            The official string, the official index, six operation names or six codes in edge order, or a Cell. Six
            indices of another tool are not these codes: see :meth:`from_naslib`.

        Returns
        -------
        Cell
            A cell of this space; `x` itself if it is one.

        Raises
        ------
        ValueError
            For a string that is no cell (the message has the position), an unknown operation, a wrong number of them,
            a code outside 0..4 or a Cell of another space.
        IndexError
            For an index outside 0..15624.
        TypeError
            For anything else.

        Examples
        --------
        >>> space = NASBench201()
        >>> space.cell(6111) == space.cell(str(space.cell(6111)))
        True
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, Cell):
            if x.space != _NAME:
                raise ValueError(f"cell: expected a Cell of {_NAME}, got one of {x.space}")
            return x
        if isinstance(x, str):
            return Cell(_NAME, tuple(_core.nb201_parse(bare_text(x)).tolist()))
        if is_int(x):
            index = operator.index(x)
            if not 0 <= index < _N_CELLS:
                raise IndexError(f"cell: expected an official index from 0 to {_N_CELLS - 1}, got {index!s:.40}")
            return Cell(_NAME, tuple(_official_order()[0][index].tolist()))
        if isinstance(x, (Sequence, np.ndarray)) and not isinstance(x, (bytes, bytearray, memoryview)):
            items = x.tolist() if isinstance(x, np.ndarray) else x
            return Cell(_NAME, tuple(item if type(item) is int else self._code(item, x) for item in items))
        raise TypeError(f"cell: expected {_CELL_KINDS}, got {type(x).__name__}")

    @staticmethod
    def _code(item: Any, whole: object) -> int:
        if isinstance(item, str):
            if item not in _OPERATIONS:
                raise ValueError(f"cell: expected operations out of {', '.join(_OPERATIONS)}, got {item!r:.100}")
            return _OPERATIONS.index(item)
        if is_int(item):
            return operator.index(item)
        raise TypeError(f"cell: expected {_CELL_KINDS}, got {whole!r:.100}")

    def from_naslib(self, indices: Sequence[int]) -> Cell:
        """Make a Cell of the six operation indices that NASLib writes.

        NASLib orders edges by source, (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4) with nodes from 1, and numbers the
        operations 0 ``skip_connect``, 1 ``none``, 2 ``nor_conv_3x3``, 3 ``nor_conv_1x1``, 4 ``avg_pool_3x3``. Both
        differ from the codes that :meth:`cell` takes.

        Parameters
        ----------
        indices : sequence of int
            Six integers from 0 to 4.

        Returns
        -------
        Cell
            The cell with this space's codes, in its order of edges.

        Raises
        ------
        TypeError, ValueError
            For anything else.

        Examples
        --------
        >>> print(NASBench201().from_naslib((4, 0, 3, 1, 4, 3)))
        |avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|
        """
        if isinstance(indices, str) or not isinstance(indices, (Sequence, np.ndarray)):
            raise TypeError(f"indices: expected {len(_EDGES)} integers, got {type(indices).__name__}")
        if len(indices) != len(_EDGES):
            raise ValueError(f"indices: expected {len(_EDGES)} integers, got {len(indices)}")
        numbers = [check_int("indices", index, 0, len(_OPERATIONS) - 1) for index in indices]
        names = dict(zip(_NASLIB_EDGES, (_NASLIB_OPERATIONS[number] for number in numbers)))
        return Cell(_NAME, tuple(_OPERATIONS.index(names[edge]) for edge in _EDGES))

    def _codes_from_array(self, array: npt.NDArray[Any]) -> Codes:
        if array.dtype.kind not in "iu":
            raise TypeError(f"cells: expected an array of integers, got dtype {array.dtype}")
        if array.ndim == 1:
            wrong = (array < 0) | (array >= _N_CELLS)
            if wrong.any():
                raise IndexError(
                    f"cells: expected official indices from 0 to {_N_CELLS - 1}, got {array[wrong][0]} "
                    f"at position {wrong.argmax()}"
                )
            return _official_order()[0][array.astype(np.int64)]
        if array.ndim != 2 or array.shape[1] != len(_EDGES):
            raise ValueError(f"cells: expected shape (n, 6) for codes or (n,) for indices, got {array.shape}")
        if array.size and (array.min() < 0 or array.max() >= len(_OPERATIONS)):
            wrong = (array < 0) | (array >= len(_OPERATIONS))
            raise ValueError(f"cells: expected codes from 0 to {len(_OPERATIONS) - 1}, got {array[wrong][0]}")
        return array.astype(np.uint8, copy=False)

    def index(self, cells: Any) -> npt.NDArray[np.int64]:
        """Return the official indices of cells.

        Parameters
        ----------
        cells : array_like or iterable
            Anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of int64, shape (n,)
            From 0 to 15624, in the order of the cells.

        Examples
        --------
        >>> space = NASBench201()
        >>> space.index([space.cell(6111), (0, 0, 0, 0, 0, 0)])
        array([6111, 1651])
        """
        ranks: npt.NDArray[np.int64] = _core.nb201_rank(self.codes(cells))
        return _official_order()[1][ranks]

    def all_codes(self) -> Codes:
        """Return the codes of all cells in official order, equal cells among them.

        Returns
        -------
        ndarray of uint8, shape (15625, 6)
            Read-only. Of a subset: the first cell that was given of each class.

        Examples
        --------
        >>> NASBench201().all_codes().shape
        (15625, 6)
        """
        return _official_order()[0] if self._members is None else self._listed

    def canonical_key(self, codes: Any, level: str = "function") -> Keys:
        """Return one integer per cell, the same for the cells of a class and for no other.

        Parameters
        ----------
        codes : array_like or iterable
            Anything that :meth:`codes` accepts.
        level : {"function", "isomorphism"}
            What makes cells equal.

        Returns
        -------
        ndarray of int64, shape (n,)
            The codes of the class's representative read as one number in base 5.

        Examples
        --------
        >>> space = NASBench201()
        >>> keys = space.canonical_key([(0, 0, 0, 3, 0, 0), (3, 0, 0, 0, 1, 0)])
        >>> bool(keys[0] == keys[1])
        True
        """
        keys: Keys = _core.nb201_class(self.codes(codes), level)
        return keys

    def canonicalise(self, codes: Any, level: str = "function") -> Codes:
        """Return the representative of each cell's class.

        Parameters
        ----------
        codes : array_like or iterable
            Anything that :meth:`codes` accepts.
        level : {"function", "isomorphism"}
            What makes cells equal.

        Returns
        -------
        ndarray of uint8, shape (n, 6)
            Codes of each representative; equal cells have equal rows.

        Examples
        --------
        >>> space = NASBench201()
        >>> space.canonicalise([(3, 0, 0, 0, 1, 0)])
        array([[0, 0, 0, 3, 0, 0]], dtype=uint8)
        """
        representatives: Codes = _core.nb201_representative(self.codes(codes), level)
        return representatives

    def one_hot(self, codes: Any) -> npt.NDArray[np.float32]:
        """Return codes as indicators, float32 of shape (n, 30): five for each edge.

        Parameters
        ----------
        codes : array_like or iterable
            n cells: anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of float32, shape (n, 30)
            1 for the operation of the edge, 0 for others; edges and operations are in the order of codes.

        Examples
        --------
        >>> space = NASBench201()
        >>> float(space.one_hot([6111]).sum())
        6.0
        """
        hot: npt.NDArray[np.float32] = _core.nb201_one_hot(self.codes(codes))
        return hot.reshape(len(hot), len(_EDGES) * len(_OPERATIONS))
