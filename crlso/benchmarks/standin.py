"""The stand-in for NAS-Bench-301: a Gaussian process that was fitted to 725 predictions of the benchmark.

It uses the genotype alone. The kernel is ``exp(-D)``. For each of the two cells, D sums three weighted terms:

- squared differences of the numbers of each operation;
- the number of edges that two genotypes do not share;
- the number of edges with their operations that they do not share.

The weights are whole multiples of 2^-12, so every sum in D is exact in float32 in any order of additions. Predictions
therefore do not depend on the number of threads or on the batch.

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
_CHUNK = 1024  # rows that are predicted at once; their kernel takes 6 MB


def features(codes: npt.NDArray[np.uint8]) -> Floats32:
    """Return the features that the kernel compares.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, 28)

    Returns
    -------
    ndarray of float32, shape (n, 238)
        Whole numbers: whether each slot has each operation (196), whether each slot has an edge (28), and the number of
        each operation in each of the two cells (14).
    """
    present = codes[:, :, None] == np.arange(1, 1 + _N_OPERATIONS, dtype=np.uint8)
    out = np.empty((len(codes), N_FEATURES), dtype=np.float32)
    n_present = N_CODES * _N_OPERATIONS
    out[:, :n_present] = present.reshape(len(codes), n_present)
    out[:, n_present : n_present + N_CODES] = codes > 0
    counts = out[:, n_present + N_CODES :].reshape(len(codes), 2, _N_OPERATIONS)
    np.sum(present.reshape(len(codes), 2, _CELL, _N_OPERATIONS), axis=2, dtype=np.float32, out=counts)
    return out


class StandIn:
    """A fitted Gaussian process that predicts accuracies from features.

    Parameters
    ----------
    codes : ndarray of uint8, shape (m, 28)
        Cells to which it was fitted.
    count_weights : ndarray of int, shape (2, 7) or (14,)
        Weights of the squared differences of counts by cell and operation, in units of 2^-12.
    edge_weights, operation_weights : ndarray of int, shape (2,)
        Weights of edges, and of edges with their operations, that are not shared, by cell; in units of 2^-12.
    coefficients : ndarray of float64, shape (m,)
        Contribution of each of the m cells to a prediction at distance 0, in percentage points.
    mean : float
        Prediction far from all m cells, in percent.
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
        # -D = shared + mixed terms - squares of the row - squares of the known cell - could_be_shared
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
        """Return the predictions for features.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, 238)
            What :func:`features` returns.

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
    """Load the stand-in that comes with the package.

    Returns
    -------
    model : StandIn
    scores : dict of str to float
        ``kendall_tau`` and ``rmse`` (percentage points) of 10-fold cross-validation, and ``noise`` (standard deviation
        in percentage points).
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
