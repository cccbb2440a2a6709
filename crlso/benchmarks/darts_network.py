"""Numbers of parameters of the networks that DARTS makes of a normal and a reduction cell for CIFAR-10."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from crlso._base.types import Codes, Floats
from crlso.spaces.genotype import EDGES, OPERATIONS

__all__ = ["network_parameters"]

_CLASSES = 10
_STEM = 3  # channels of the stem in units of those of the first cell
_CONCATENATED = 4  # intermediate nodes, which are the output together


def _separable(kernel: int, channels: int, times: int) -> int:
    """Parameters of depthwise and pointwise convolutions, each pair with its batch norm."""
    return times * (kernel**2 * channels + channels**2 + 2 * channels)


def _projection(inputs: int, outputs: int) -> int:
    """Parameters of 1x1 convolutions with their batch norm, whether they halve the image or not."""
    return inputs * outputs + 2 * outputs


def _operations(channels: int, halves: bool) -> list[int]:
    """Parameters of each of the operations."""
    return [
        0,
        0,
        _projection(channels, channels) if halves else 0,
        _separable(3, channels, 2),
        _separable(5, channels, 2),
        _separable(3, channels, 1),
        _separable(5, channels, 1),
    ]


@functools.lru_cache(maxsize=8)
def _table(channels: int, layers: int) -> tuple[int, npt.NDArray[np.int64]]:
    """Parameters without the operations on edges, and those of each edge by its code, (2, edges, 1 + operations)."""
    before, last, now = _STEM * channels, _STEM * channels, channels
    total = 27 * last + 2 * last
    table = np.zeros((2, len(EDGES), 1 + len(OPERATIONS)), dtype=np.int64)
    for layer in range(layers):
        is_reduction = layer in (layers // 3, 2 * layers // 3)
        now *= 2 if is_reduction else 1
        total += _projection(before, now) + _projection(last, now)
        for edge, (source, _) in enumerate(EDGES):
            table[int(is_reduction), edge, 1:] += _operations(now, is_reduction and source < 2)
        before, last = last, _CONCATENATED * now
    return total + (last + 1) * _CLASSES, table


def network_parameters(codes: Codes, channels: int = 32, layers: int = 8) -> Floats:
    """Return the numbers of parameters of networks, without an auxiliary head.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 28)
        Pairs of cells.
    channels, layers : int
        Channels of the first cell, and the number of cells; by default those of NAS-Bench-301.

    Returns
    -------
    ndarray of float64, shape (n,)
        Millions.

    References
    ----------
    Liu, Simonyan, Yang: DARTS: Differentiable architecture search. ICLR 2019.

    Examples
    --------
    >>> from crlso.spaces import DARTS
    >>> network_parameters(DARTS().codes(DARTS().sample(2, rng=0))).round(2)
    array([0.82, 0.95])
    """
    fixed, table = _table(channels, layers)
    rows = np.asarray(codes, dtype=np.int64).reshape(len(codes), 2, len(EDGES))
    numbers = table[np.arange(2)[:, None], np.arange(len(EDGES)), rows].sum(axis=(1, 2))
    return (fixed + numbers) / 1e6
