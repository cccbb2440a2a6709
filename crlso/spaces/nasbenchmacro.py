"""The space of NAS-Bench-Macro: networks of eight layers with three choices each, 6,561 of them."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.cell import Cell
from crlso.spaces.layout import CellLayout, register_layout
from crlso.spaces.space import CellSpace
from crlso.spaces.text import bare_text

__all__ = ["NASBenchMacro", "network_costs"]

# The network: a 3x3 convolution to 32 channels; three stages of 2, 3 and 3 layers, of which the first halves the image
# and doubles the channels; a 1x1 convolution to 1,280 channels, the mean over the image, and a linear classifier.
# Batch norm follows each convolution. The first layer of a stage is no identity: choice 0 is a 1x1 convolution there.
_STAGES = (2, 3, 3)
_STEM, _LAST, _CLASSES, _SIDE = 32, 1280, 10, 32
_BLOCKS = {"mb3_k3": (3, 3), "mb6_k5": (6, 5)}  # expansion of the channels, and side of the depthwise kernel
_LAYERS = sum(_STAGES)
_TEXT = re.compile(f"[012]{{{_LAYERS}}}")


def _to_text(codes: tuple[int, ...]) -> str:
    return "".join(map(str, codes))


_LAYOUT = register_layout(
    CellLayout(
        "nasbenchmacro",
        ("identity", *_BLOCKS),
        n_nodes=_LAYERS + 2,
        n_inputs=1,
        edges=tuple((layer, layer + 1) for layer in range(_LAYERS + 1)),
        operations_on_nodes=True,
        to_text=_to_text,
    )
)


def _convolution(weights: int, channels: int, pixels: int) -> npt.NDArray[np.int64]:
    """Parameters and multiply-adds of a convolution with so many weights, and of its batch norm."""
    return np.array([weights + 2 * channels, weights * pixels])


def _block(name: str, inputs: int, outputs: int, side: int) -> npt.NDArray[np.int64]:
    """Parameters and multiply-adds of an inverted residual block whose output has this side."""
    expansion, kernel = _BLOCKS[name]
    wide, halves = inputs * expansion, 1 + (inputs != outputs)
    narrow = _convolution(inputs * wide, wide, (side * halves) ** 2)
    return narrow + _convolution(kernel**2 * wide, wide, side**2) + _convolution(wide * outputs, outputs, side**2)


@functools.cache
def _layer_costs() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Costs of what all networks have, shape (2,), and of each choice of each layer, shape (layers, 3, 2)."""
    layers, channels, side = [], _STEM, _SIDE
    for n_layers in _STAGES:
        side //= 2
        first = _convolution(2 * channels**2, 2 * channels, side**2)
        layers.append([first, *(_block(name, channels, 2 * channels, side) for name in _BLOCKS)])
        channels *= 2
        identity = np.zeros(2, dtype=np.int64)
        later = [identity, *(_block(name, channels, channels, side) for name in _BLOCKS)]
        layers += [later] * (n_layers - 1)
    classifier = np.array([(_LAST + 1) * _CLASSES, _LAST * _CLASSES])
    ends = _convolution(27 * _STEM, _STEM, _SIDE**2) + _convolution(channels * _LAST, _LAST, side**2)
    return ends + classifier, np.array(layers)


def network_costs(codes: Codes) -> npt.NDArray[np.int64]:
    """Return the numbers of parameters and of multiply-adds of networks, computed from their layers.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 8)
        Cells of the space.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        They equal the numbers of the benchmark's table. Normalisation and the bias of the classifier have parameters
        and no multiply-adds.

    Examples
    --------
    >>> network_costs(NASBenchMacro().codes(["22212202"])).tolist()
    [[1985514, 85164544]]
    """
    ends, layers = _layer_costs()
    total: npt.NDArray[np.int64] = ends + layers[np.arange(_LAYERS), codes].sum(axis=1)
    return total


class NASBenchMacro(CellSpace):
    """All networks of NAS-Bench-Macro.

    A cell is a whole network of eight layers, one code each: 0 ``identity``, 1 ``mb3_k3``, 2 ``mb6_k5``. The last two
    are inverted residual blocks with an expansion of 3 and a kernel of 3 x 3, or of 6 and 5 x 5. The layers are in
    three stages of 2, 3 and 3. The first of each stage halves the image and doubles the channels; there, ``identity``
    is a 1 x 1 convolution.

    The space lists all 6,561 cells, equal ones among them; :meth:`classes` has the 3,969 different ones. Cells are
    equal if they differ only in where the identities stand among the later layers of a stage. The authors of the
    benchmark trained one network for each class, the one with these identities last, which stands for its class here.

    Text is the benchmark's own: one digit per layer.

    References
    ----------
    Su, Huang, Li, You, Wang, Qian, Zhang, Xu: Prioritized Architecture Sampling with Monto-Carlo Tree Search. CVPR
    2021, arXiv 2103.11922.

    Examples
    --------
    >>> space = NASBenchMacro()
    >>> cell = space.cell("20102202")
    >>> cell.operations[:3]
    ('mb6_k5', 'identity', 'mb3_k3')
    >>> print(*space.cells(space.canonicalise([cell])))
    20120220
    >>> len(space), len(space.classes())
    (6561, 3969)
    """

    _lists_classes = False

    def __init__(self) -> None:
        self._layout = _LAYOUT

    def __repr__(self) -> str:
        if self._members is not None:
            return super().__repr__()
        return f"NASBenchMacro({len(self)} cells: {_LAYERS} layers, {len(self.operations)} operations)"

    def log_size(self, codes: Codes) -> Floats:
        """Return the logarithm of the number of parameters of networks, shape (n,).

        Parameters
        ----------
        codes : ndarray of uint8, shape (n, 8)
            Cells.

        Returns
        -------
        ndarray of float64, shape (n,)
            Natural logarithm for each cell, in the order of the cells.

        Examples
        --------
        >>> space = NASBenchMacro()
        >>> space.log_size(space.codes(["00000000", "22222222"])).round(2)
        array([12.87, 14.89])
        """
        return np.log(network_costs(codes)[:, 0])

    def cell(self, x: Any) -> Cell:
        """Make a Cell.

        Parameters
        ----------
        x : str, sequence of int or Cell
            Eight digits from 0 to 2, as in the benchmark's table; the general text of chains, as in
            ``mb3_k3(0)+identity(1)+...``; eight codes, or a Cell.

        Returns
        -------
        Cell
            A cell of this space; `x` itself if it is one.

        Raises
        ------
        TypeError, ValueError
            For anything that is no cell.

        Examples
        --------
        >>> NASBenchMacro().cell("22212202").codes
        (2, 2, 2, 1, 2, 2, 0, 2)
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x.item()
        if isinstance(x, str):
            text = bare_text(x)
            if _TEXT.fullmatch(text):
                return Cell(self.name, tuple(map(int, text)))
            if "(" not in text:
                raise ValueError(f"cell string: expected {_LAYERS} digits from 0 to 2, got {text!r:.200}")
        return super().cell(x)

    def canonicalise(self, codes: Any) -> Codes:
        """Return the cell that stands for each cell's class: identities last among the later layers of a stage.

        Parameters
        ----------
        codes : array_like or iterable
            Anything that :meth:`codes` accepts.

        Returns
        -------
        ndarray of uint8, shape (n, 8)
            Codes of each such cell; equal cells have equal rows.

        Examples
        --------
        >>> space = NASBenchMacro()
        >>> space.canonicalise(["20102202"])
        array([[2, 0, 1, 2, 0, 2, 2, 0]], dtype=uint8)
        """
        rows = self.codes(codes).copy()
        first = 0
        for n_layers in _STAGES:
            later = rows[:, first + 1 : first + n_layers]
            order = np.argsort(later == 0, axis=1, kind="stable")
            later[:] = np.take_along_axis(later, order, axis=1)
            first += n_layers
        return rows

    def all_codes(self) -> Codes:
        """Return the codes of all cells in the order of their digits, equal cells among them.

        Returns
        -------
        ndarray of uint8, shape (6561, 8)
            Read-only. Of a subset: the first cell that was given of each class.

        Examples
        --------
        >>> NASBenchMacro().all_codes().shape
        (6561, 8)
        """
        return _every_cell() if self._members is None else self._listed


@functools.cache
def _every_cell() -> Codes:
    grid = np.indices(_LAYOUT.cardinalities, dtype=np.uint8).reshape(_LAYERS, -1).T
    codes = np.ascontiguousarray(grid)
    codes.flags.writeable = False
    return codes
