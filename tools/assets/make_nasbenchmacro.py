"""Make nasbenchmacro.npz from the table of NAS-Bench-Macro.

Run from the root of the repository::

    python -m tools.assets.make_nasbenchmacro ../shared/data/other/nas-bench-macro_cifar10.json

Each accuracy is stored as the number of correct answers among the 10,000 test images, without the error of float32.
Parameters and FLOPs are not stored: crlso computes them from the layers, and this script checks that they are those of
the table.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from crlso.spaces.nasbenchmacro import network_costs
from tools.assets import ASSETS
from tools.assets.make_nasbench201 import write_npz

LAYERS, CHOICES, IMAGES, RUNS = 8, 3, 10_000, 3
LARGEST_ERROR = 1e-5  # percentage points: accuracies were computed in float32; one image is 0.01


def correct_answers(texts: list[str], rows: dict[str, Any]) -> np.ndarray:
    """Return how many of the test images each training got right; ValueError if that is no whole number."""
    percent = np.array([rows[text]["test_acc"] for text in texts])
    correct = np.rint(percent * IMAGES / 100)
    error = np.abs(percent - 100 * correct / IMAGES).max()
    if percent.shape != (len(texts), RUNS) or error > LARGEST_ERROR:
        raise ValueError(f"test_acc: expected {RUNS} accuracies of {IMAGES} images, got shape {percent.shape}, {error}")
    return correct.astype("<u2")


def make_arrays(rows: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the arrays of the asset by name, as NASBENCHMACRO.md describes them."""
    texts = ["".join(digits) for digits in itertools.product("012"[:CHOICES], repeat=LAYERS)]
    if sorted(rows) != texts:
        raise ValueError(f"table: expected all {len(texts)} networks, got {len(rows)}")
    costs = network_costs(np.array([list(map(int, text)) for text in texts], dtype=np.uint8))
    if not np.array_equal(costs, [[rows[text]["params"], rows[text]["flops"]] for text in texts]):
        raise ValueError("table: expected the parameters and FLOPs of its layers, got others")
    return {"test_correct": correct_answers(texts, rows)}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make nasbenchmacro.npz from the table of NAS-Bench-Macro.")
    parser.add_argument("table", type=Path, help="nas-bench-macro_cifar10.json")
    parser.add_argument("--out", type=Path, default=ASSETS / "nasbenchmacro.npz")
    arguments = parser.parse_args()
    write_npz(arguments.out, make_arrays(json.loads(arguments.table.read_text(encoding="utf-8"))))
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
