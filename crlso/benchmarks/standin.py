"""The stand-in for NAS-Bench-301: a Gaussian process fitted to 725 of the benchmark's own predictions.

It knows the genotype alone. The kernel is ``exp(-D)``, where D adds up, for each of the two cells, weighted squared
differences of how often each operation occurs, and weighted numbers of edges, and of edges with their operations, that
two pairs of cells do not share. The weights are whole multiples of 2^-12: so every sum in D is exact in float32 in
whatever order BLAS adds, and predictions do not depend on the number of threads or on what else is in a batch.

Source: C. E. Rasmussen, C. K. I. Williams, *Gaussian Processes for Machine Learning*, 2006, algorithm 2.1.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from crlso._base.types import Floats
from crlso.assets import open_npz
from crlso.spaces.genotype import N_CODES, OPERATIONS

__all__ = ["N_FEATURES", "StandIn", "features", "load_standin"]

Floats32 = npt.NDArray[np.float32]

WEIGHT_UNIT = 2.0**-12
_CELL = N_CODES // 2
_EDGES_PER_CELL = 8
_N_OPERATIONS = len(OPERATIONS)
N_FEATURES = N_CODES * _N_OPERATIONS + N_CODES + 2 * _N_OPERATIONS
_CHUNK = 1024  # rows at a time, whose kernel takes 6 MB


def features(codes: npt.NDArray[np.uint8]) -> Floats32:
    """What the kernel compares.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 28)

    Returns
    -------
    ndarray of float32, shape (n, 238)
        Whole numbers: for each slot and operation whether it is there, for each slot whether it has an edge, and for
        each cell and operation how often it occurs.
    """
    there = codes[:, :, None] == np.arange(1, 1 + _N_OPERATIONS, dtype=np.uint8)
    out = np.empty((len(codes), N_FEATURES), dtype=np.float32)
    n_there = N_CODES * _N_OPERATIONS
    out[:, :n_there] = there.reshape(len(codes), n_there)
    out[:, n_there : n_there + N_CODES] = codes > 0
    counts = out[:, n_there + N_CODES :].reshape(len(codes), 2, _N_OPERATIONS)
    np.sum(there.reshape(len(codes), 2, _CELL, _N_OPERATIONS), axis=2, dtype=np.float32, out=counts)
    return out


class StandIn:
    """A fitted Gaussian process.

    Parameters
    ----------
    codes : ndarray of uint8, shape (m, 28)
        Cells that it was fitted to.
    count_weights : ndarray of int, shape (2, 7) or (14,)
        Weight of a squared difference of counts by cell and operation, in units of 2^-12.
    edge_weights, operation_weights : ndarray of int, shape (2,)
        Weight of an edge, and of an edge with its operation, that is not shared, by cell; in the same unit.
    coefficients : ndarray of float64, shape (m,)
        What each of the m cells adds to a prediction at distance 0, percentage points.
    mean : float
        Prediction far away from all of them, percent.
    """

    def __init__(
        self,
        codes: npt.NDArray[np.uint8],
        count_weights: npt.NDArray[np.int64],
        edge_weights: npt.NDArray[np.int64],
        operation_weights: npt.NDArray[np.int64],
        coefficients: Floats,
        mean: float,
    ) -> None:
        known = features(codes)
        self._counts = count_weights.reshape(-1).astype(np.float32)
        shared = np.repeat(operation_weights, _CELL * _N_OPERATIONS), np.repeat(edge_weights, _CELL)
        weights = np.concatenate([*shared, 2 * self._counts]).astype(np.float32)
        could_be_shared = _EDGES_PER_CELL * (edge_weights.sum() + operation_weights.sum())
        # -D = what is shared, and mixed terms - squares of the one - squares of the other and what could be shared.
        self._known = np.ascontiguousarray(
            np.vstack([weights[:, None] * known.T, np.full(len(codes), -1), -self._squares(known) - could_be_shared]),
            dtype=np.float32,
        )
        self._coefficients = coefficients
        self._mean = mean

    def _squares(self, rows: Floats32) -> Floats32:
        squares: Floats32 = np.square(rows[:, -len(self._counts) :]) @ self._counts
        return squares

    def predict(self, rows: Floats32) -> Floats:
        """Predict from features.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, 238)

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent.
        """
        out = np.empty(len(rows))
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            terms = np.column_stack([some, self._squares(some), np.ones(len(some), dtype=np.float32)])
            exponents = np.multiply(terms @ self._known, WEIGHT_UNIT, dtype=np.float64)
            kernel = np.exp(exponents, out=exponents)
            kernel *= self._coefficients
            out[start : start + _CHUNK] = kernel.sum(axis=1)
        return out + self._mean


@functools.cache
def load_standin() -> tuple[StandIn, dict[str, float]]:
    """The stand-in that comes with the package.

    Returns
    -------
    StandIn
    dict of str to float
        ``kendall_tau`` and ``rmse`` (percentage points) of 10-fold cross-validation, ``noise`` (standard deviation in
        percentage points).
    """
    with open_npz("nb301_standin.npz") as asset:
        model = StandIn(
            asset["codes"],
            asset["count_weights"].astype(np.int64),
            asset["edge_weights"].astype(np.int64),
            asset["operation_weights"].astype(np.int64),
            asset["coefficients"],
            asset["mean"].item(),
        )
        return model, {name: asset[name].item() for name in ("kendall_tau", "rmse", "noise")}
