"""Make nb301_standin.npz, the stand-in for NAS-Bench-301, from 725 predictions of the benchmark.

Run from the root of the repository (a few minutes)::

    python -m tools.assets.make_nb301_standin ../shared/data/darts/nb301_725_surrogate.json

A coordinate search chooses the weights of the kernel (see ``crlso/benchmarks/standin.py``), its scale and the noise by
the marginal likelihood. The weights are then rounded to whole multiples of 2^-12. Cross-validation uses these values in
all folds; crlso/assets/NB301_STANDIN.md gives its result with values chosen in each fold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from crlso.benchmarks.standin import WEIGHT_UNIT, StandIn, features
from crlso.models.base import kendall_tau
from crlso.spaces.genotype import parse_genotype
from tools.assets import ASSETS
from tools.assets.make_nasbench201 import write_npz

FOLDS, SHUFFLES, SWEEPS = 10, 5, 12
START = [1 / 120] * 7 + [1 / 300] * 7 + [1 / 80] * 2 + [1 / 40] * 2 + [1.0, 0.01]  # weights, scale, noise variance


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return codes, shape (725, 28), and predicted validation accuracies in percent, shape (725,)."""
    rows = json.loads(path.read_text(encoding="ascii"))["cifar10"].values()
    codes = np.array([parse_genotype(row["arch"]) for row in rows])
    return codes, np.array([row["val_accuracy"] for row in rows])


class Distances:
    """The unweighted terms of D between all pairs of rows, which are computed once for all weights."""

    def __init__(self, codes: np.ndarray) -> None:
        rows = features(codes).astype(np.float64)
        present, edges, self.counts = np.split(rows, [196, 224], axis=1)
        halves = [half for part in (edges, present) for half in np.split(part, 2, axis=1)]
        self.missing = [8 - half @ half.T for half in halves]

    def kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return the kernel matrix, shape (725, 725), for 18 weights.

        They are those of counts by cell and operation (2 x 7), of edges (2) and of edges with operations (2), by cell.
        """
        scaled = self.counts * weights[:14]
        squares = (scaled * self.counts).sum(axis=1)
        distance = squares[:, None] + squares - 2 * scaled @ self.counts.T
        for weight, missing in zip(weights[14:], self.missing, strict=True):
            distance += weight * missing
        return np.exp(-distance)


def negative_log_likelihood(logs: np.ndarray, distances: Distances, residuals: np.ndarray) -> float:
    """Return the negative log marginal likelihood of the residuals, up to a constant."""
    *weights, scale, noise = np.exp(logs)
    covariance = scale * distances.kernel(np.array(weights)) + noise * np.eye(len(residuals))
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return np.inf
    whitened = np.linalg.solve(factor, residuals)
    return float(0.5 * whitened @ whitened + np.log(np.diag(factor)).sum())


def search(distances: Distances, residuals: np.ndarray) -> np.ndarray:
    """Return the weights, the scale and the variance of the noise that a coordinate search finds.

    It multiplies or divides one of them at a time, by factors that grow after success and shrink after failure.
    """
    logs = np.log(START)
    steps = np.ones(len(logs))
    best = negative_log_likelihood(logs, distances, residuals)
    for _ in range(SWEEPS):
        for i in range(len(logs)):
            for step in (steps[i], -steps[i]):
                tried = logs.copy()
                tried[i] += step
                if (value := negative_log_likelihood(tried, distances, residuals)) < best:
                    best, logs = value, tried
                    steps[i] *= 1.2
                    break
            else:
                steps[i] *= 0.5
    return np.exp(logs)


def coefficients(kernel: np.ndarray, noise_ratio: float, values: np.ndarray) -> np.ndarray:
    """Return the contribution of each known cell to a prediction at distance 0, shape (n,)."""
    return np.linalg.solve(kernel + noise_ratio * np.eye(len(values)), values - values.mean())


def cross_validate(kernel: np.ndarray, noise_ratio: float, values: np.ndarray) -> tuple[float, float]:
    """Return Kendall's tau and the root-mean-square error of out-of-fold predictions, means over shuffles."""
    taus, errors = [], []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(values))
        predicted = np.empty(len(values))
        for fold in range(FOLDS):
            out = order[fold::FOLDS]
            known = np.setdiff1d(order, out)
            weights = coefficients(kernel[np.ix_(known, known)], noise_ratio, values[known])
            predicted[out] = values[known].mean() + kernel[np.ix_(out, known)] @ weights
        taus.append(kendall_tau(predicted, values))
        errors.append(np.sqrt(np.mean((predicted - values) ** 2)))
    return float(np.mean(taus)), float(np.mean(errors))


def make_arrays(codes: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of the asset by name, as NB301_STANDIN.md describes them."""
    distances = Distances(codes)
    *weights, scale, noise = search(distances, values - values.mean())
    units = np.rint(np.array(weights) / WEIGHT_UNIT).astype(np.int64)
    kernel = distances.kernel(units * WEIGHT_UNIT)
    tau, error = cross_validate(kernel, noise / scale, values)
    arrays = {
        "codes": codes,
        "count_weights": units[:14].reshape(2, 7),
        "edge_weights": units[14:16],
        "operation_weights": units[16:],
        "coefficients": coefficients(kernel, noise / scale, values),
        "mean": values.mean(),
        "noise": np.sqrt(noise),
        "kendall_tau": np.float64(tau),
        "rmse": np.float64(error),
    }
    model = StandIn(codes, units[:14], units[14:16], units[16:], arrays["coefficients"], float(values.mean()))
    print(f"10-fold Kendall tau {tau:.4f}, RMSE {error:.4f}, noise {np.sqrt(noise):.4f}")
    print(f"fitted: RMSE {np.sqrt(np.mean((model.predict(features(codes)) - values) ** 2)):.4f}")
    return arrays


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make nb301_standin.npz from predictions of NAS-Bench-301.")
    parser.add_argument("table", type=Path, help="nb301_725_surrogate.json")
    parser.add_argument("--out", type=Path, default=ASSETS / "nb301_standin.npz")
    arguments = parser.parse_args()
    write_npz(arguments.out, make_arrays(*read_table(arguments.table)))
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
