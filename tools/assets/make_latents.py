"""Make latents_nasbench201.npz: latents of the 4,930 classes of NAS-Bench-201 by graph VAEs trained without accuracies.

Run from the root of the repository::

    python -m tools.assets.make_latents --seeds 0 1 2 3 4 5 6 7

crlso/assets/LATENTS.md describes the result. Other seeds and ``--out`` make other sets.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np

from crlso.methods.bayesian import class_latents
from crlso.models import GraphVAE, shaped_vae
from crlso.spaces import NASBench201
from crlso.spaces.features import CellFeatures
from tools.assets import ASSETS


def main() -> None:
    """Train one encoder per seed and write the latents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--no-side-information", action="store_true", help="train plain graph VAEs")
    parser.add_argument("--no-convexity", action="store_true", help="a plain head for the size")
    parser.add_argument("--out", type=Path, default=ASSETS / "latents_nasbench201.npz")
    arguments = parser.parse_args()
    space = NASBench201()
    codes = space.all_codes()
    features = CellFeatures(space, space.canonicalise(codes))
    parts = []
    for seed in arguments.seeds:
        start = time.perf_counter()
        if arguments.no_side_information:
            vae = GraphVAE(space, width=64, latent=32, epochs=15, rng=seed).fit(codes)
        else:
            vae = shaped_vae(space, codes, features, rng=seed, convex=not arguments.no_convexity)
        parts.append(class_latents(space, vae).astype(np.float16))
        print(
            f"seed {seed}: {time.perf_counter() - start:.0f} s, reconstruction {100 * vae.score(codes):.2f} %",
            flush=True,
        )
    np.savez_compressed(arguments.out, latents=np.stack(parts), seeds=np.array(arguments.seeds))
    print(f"{arguments.out.stat().st_size} bytes, SHA-256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
