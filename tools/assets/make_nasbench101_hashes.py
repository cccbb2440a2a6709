"""Make nasbench101_hashes.npz: the beginnings of the module hashes of all cells of NAS-Bench-101.

Run from the root of the repository::

    python -m tools.assets.make_nasbench101_hashes

The hashes are computed from the cells. The archive has fixed time stamps, so the same zlib gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from crlso._core import nb101_hash
from crlso.spaces import NASBench101
from tools.assets import ASSETS
from tools.assets.make_nasbench201 import write_npz

LENGTH = 3  # bytes: two hashes in 40 share their beginning, and the few cells that do are hashed to find out


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make nasbench101_hashes.npz from the cells of NAS-Bench-101.")
    parser.add_argument("--out", type=Path, default=ASSETS / "nasbench101_hashes.npz")
    arguments = parser.parse_args()
    write_npz(arguments.out, {"beginnings": nb101_hash(NASBench101().all_codes())[:, :LENGTH].copy()})
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
