"""Make nasbench201.npz from the combined table of NAS-Bench-201.

Run from the root of the repository::

    python -m tools.assets.make_nasbench201 ../shared/data/nasbench201/nb201.csv.gz

Each number is stored as an integer, the printed decimals without their point, so nothing is rounded. The archive has
fixed time stamps, so the same table and zlib give the same bytes. Only columns under the Apache-2.0 or the MIT licence
are used; crlso/assets/NASBENCH201.md names them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np

from tools.assets import ASSETS

N_CELLS = 15625
MAX_RUNS = 3
DATASETS = ("c10", "c100", "in16")
ACCURACIES = {"test200_mean": 6, "val12": 4, "test12": 4}  # suffix of the column -> number of decimals stored
VALIDATION_DECIMALS = 4
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def scaled(text: str, decimals: int) -> int:
    """Return the integer ``text * 10**decimals``; ValueError if a digit would be lost."""
    value = Decimal(text).scaleb(decimals)
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"expected a number of at most {decimals} decimals, got {text!r}")
    return int(value)


def decimals_of(texts: Iterable[str]) -> int:
    """Return the smallest number of decimals that represents all texts exactly."""
    exponents = (Decimal(text).as_tuple().exponent for text in texts)
    return max(-e if isinstance(e, int) and e < 0 else 0 for e in exponents)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of the table; ValueError unless they are complete, in order of index, and consistent."""
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != N_CELLS:
        raise ValueError(f"{path}: expected {N_CELLS} rows, got {len(rows)}")
    for i, row in enumerate(rows):
        names = [edge.split("~")[0] for node in row["arch"].split("+") for edge in node.strip("|").split("|")]
        if int(row["index"]) != i or [OPERATIONS[int(d)] for d in row["ops"]] != names:
            raise ValueError(f"{path}: row {i} is out of order, or its codes are not those of its string")
    if len({row["ops"] for row in rows}) != N_CELLS:
        raise ValueError(f"{path}: expected {N_CELLS} different cells")
    return rows


def runs(text: str) -> list[int]:
    """Return the scaled validation accuracies of the two or three runs; -1 for a missing third run."""
    values = [scaled(part, VALIDATION_DECIMALS) for part in text.split()]
    if not 2 <= len(values) <= MAX_RUNS:
        raise ValueError(f"expected 2 or {MAX_RUNS} runs, got {text!r}")
    return values + [-1] * (MAX_RUNS - len(values))


def fixed(decimals: int) -> Callable[[str], int]:
    """Return a function that converts a text to an integer scaled by ``10**decimals``."""
    return lambda text: scaled(text, decimals)


def column(rows: list[dict[str, str]], name: str, convert: Callable[[str], object], dtype: str) -> np.ndarray:
    """Return one converted column; errors name the column and the row."""
    values = []
    for i, row in enumerate(rows):
        try:
            values.append(convert(row[name]))
        except (KeyError, ValueError, ArithmeticError) as error:
            raise ValueError(f"column {name!r}, row {i}: {error}") from error
    return np.array(values, dtype)


def make_arrays(rows: list[dict[str, str]]) -> dict[str, np.ndarray]:
    """Return the arrays of the asset by name, with the shapes and units of NASBENCH201.md."""
    arrays = {"codes": column(rows, "ops", lambda text: [int(digit) for digit in text], "<u1")}
    for dataset in DATASETS:
        arrays[f"{dataset}_val200"] = column(rows, f"{dataset}_val200_seeds", runs, "<i4")
        for suffix, decimals in ACCURACIES.items():
            name = f"{dataset}_{suffix}"
            arrays[name.removesuffix("_mean")] = column(rows, name, fixed(decimals), "<i4")
    devices = sorted(name.removeprefix("lat_ms_") for name in rows[0] if name.startswith("lat_ms_"))
    digits = [decimals_of(row[f"lat_ms_{device}"] for row in rows) for device in devices]
    columns = [column(rows, f"lat_ms_{device}", fixed(d), "<i4") for device, d in zip(devices, digits, strict=True)]
    arrays["latency"] = np.stack(columns)
    arrays["latency_decimals"] = np.array(digits, "<u1")
    arrays["latency_devices"] = np.array(devices, "<U16")
    return arrays


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz archive whose bytes depend only on the arrays and on zlib."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, buffer.getvalue(), compresslevel=9)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make nasbench201.npz from the combined table of NAS-Bench-201.")
    parser.add_argument("table", type=Path, help="nb201.csv.gz")
    parser.add_argument("--out", type=Path, default=ASSETS / "nasbench201.npz")
    arguments = parser.parse_args()
    write_npz(arguments.out, make_arrays(read_rows(arguments.table)))
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
