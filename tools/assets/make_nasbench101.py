"""Make nasbench101.npz from the combined table of NAS-Bench-101.

Run from the root of the repository::

    python -m tools.assets.make_nasbench101 ../shared/data/nasbench101/nb101.npz

This script computes canonical keys with NumPy alone, so that tests can compare the keys of the package's space with
them. Accuracies and parameters are stored as integers, so nothing is rounded. Only columns under the MIT licence are
used; crlso/assets/NASBENCH101.md names them. The archive has fixed time stamps, so the same table and zlib give the
same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from tools.assets import ASSETS
from tools.assets.make_nasbench201 import write_npz

N_CELLS = 423_624
TEST_IMAGES = 9_984  # 39 batches of 256: the benchmark evaluated only these of the 10,000 images
RUNS = 3


def read_graphs(table: NpzFile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the graphs of all cells.

    Returns
    -------
    inner : ndarray of int64, shape (n,)
        Numbers of vertices between input and output.
    operations : ndarray of int64, shape (n, 5)
        Their operations, 1 to 3; 0 for absent vertices.
    adjacency : ndarray of bool, shape (n, 7, 7)
        Edges by source and target; the output is the last vertex.
    """
    inner = table["n_vertices"].astype(np.int64) - 2
    operations = np.zeros((len(inner), 5), np.int64)
    adjacency = np.zeros((len(inner), 7, 7), bool)
    for k in range(6):
        rows = np.flatnonzero(inner == k)
        vertices = [*range(k + 1), 6]
        for bit, (source, target) in enumerate(itertools.combinations(vertices, 2)):
            adjacency[rows, source, target] = table["adj_bits"][rows] >> bit & 1
        for v in range(k):
            operations[rows, v] = 1 + table["ops_base3"][rows] // 3**v % 3
    return inner, operations, adjacency


def order_weights(vertices: list[int]) -> np.ndarray:
    """Return the weights of an order of vertices, in which vertex i is the old ``vertices[i]``.

    Returns
    -------
    ndarray of float64, shape (2, 54)
        One weight for each of the 5 operations and 49 adjacency entries of a cell. The first row gives the number that
        compares orders, the second row the key of the cell.
    """
    operations = [vertex - 1 for vertex in vertices[1:6]]
    edges = [[5 + 7 * vertices[source] + vertices[target] for source in range(target)] for target in range(1, 7)]
    compared = [part for operation, incoming in zip(operations, edges) for part in (operation, *incoming)] + edges[5]
    key = [*operations, *itertools.chain(*edges)]
    weights = np.zeros((2, 54))
    weights[0, 5:] = 2.0**32  # more than the largest key, for edges that point backward in the new order
    for row, parts in zip(weights, (compared, key)):
        row[parts[::-1]] = np.cumprod([1, *(4.0 if part < 5 else 2.0 for part in parts[:0:-1])])
    return weights


def canonical_keys(inner: np.ndarray, operations: np.ndarray, adjacency: np.ndarray) -> np.ndarray:
    """Return the key of each pruned cell, shape (n,): the key of the smallest of all orders of its vertices."""
    keys = np.zeros(len(inner), np.int64)
    parts = np.concatenate([operations, adjacency.reshape(-1, 49)], axis=1)
    for k in range(6):
        orders = [[0, *order, *range(k + 1, 7)] for order in itertools.permutations(range(1, k + 1))]
        compared, key = np.stack([order_weights(order) for order in orders], axis=2)
        rows = np.flatnonzero(inner == k)
        for block in np.array_split(rows, 1 + len(rows) // 8192):
            chosen = parts[block].astype(np.float64)  # exact: all sums are whole numbers below 2**53
            best = (chosen @ compared).argmin(axis=1)
            keys[block] = (chosen * key[:, best].T).sum(axis=1)
    return keys


def make_arrays(table: NpzFile) -> dict[str, np.ndarray]:
    """Return the arrays of the asset by name, as NASBENCH101.md describes them."""
    keys = canonical_keys(*read_graphs(table))
    if len(keys) != N_CELLS or len(np.unique(keys)) != N_CELLS:
        raise ValueError(f"expected {N_CELLS} different cells, got {len(np.unique(keys))} in {len(keys)} rows")
    means = table["test_acc_mean_108"].astype(np.float64) * (RUNS * TEST_IMAGES)
    correct = np.rint(means)
    if np.abs(means - correct).max() > 0.002:  # a unit in the last place of float32 is 0.0018
        raise ValueError(f"expected mean test accuracies in parts of {RUNS * TEST_IMAGES}")
    order = np.argsort(keys)
    return {
        "key_steps": np.diff(keys[order], prepend=0).astype("<u4"),
        "test_correct": correct[order].astype("<u2"),
        "parameters": table["params"][order].astype("<i4"),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make nasbench101.npz from the combined table of NAS-Bench-101.")
    parser.add_argument("table", type=Path, help="nb101.npz")
    parser.add_argument("--out", type=Path, default=ASSETS / "nasbench101.npz")
    arguments = parser.parse_args()
    with np.load(arguments.table, allow_pickle=False) as table:
        write_npz(arguments.out, make_arrays(table))
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
