"""Make the pretrained graph VAE of a space, encoder_SPACE.npz. It uses no label and no accuracy.

Run from the root of the repository::

    python -m tools.assets.make_encoder nasbench101 --cells 100000 --epochs 20

The cells for training and the cells for testing are sampled with seed 0. Copy what it prints to
crlso/assets/ENCODERS.md.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np

from crlso import spaces
from crlso.models import GraphVAE, shaped_vae
from crlso.spaces.features import CellFeatures
from tools.assets import ASSETS

SPACES = {"nasbench101": spaces.NASBench101, "darts": spaces.DARTS}


def main() -> None:
    """Train a graph VAE, write the asset, and print its scores on other cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", choices=list(SPACES))
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--held", type=int, default=20_000, help="number of other cells to test on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shaped", action="store_true", help="add heads that predict side information of the space")
    parser.add_argument("--no-convexity", action="store_true", help="with --shaped: a plain head for the size")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    space = SPACES[arguments.space]()
    drawn = space.sample(arguments.cells + arguments.held, rng=arguments.seed)
    train, held = drawn[: arguments.cells], drawn[arguments.cells :]
    sizes = {"width": arguments.width, "latent": arguments.latent, "epochs": arguments.epochs, "rng": arguments.seed}
    start = time.perf_counter()
    if arguments.shaped:
        features = CellFeatures(space, space.canonicalise(train[:2000]))
        vae = shaped_vae(space, train, features, convex=not arguments.no_convexity, **sizes)
    else:
        vae = GraphVAE(space, **sizes)
        vae.fit(train, on_epoch=lambda done, total: print(f"epoch {done} of {total}", flush=True))
    name = f"latent{arguments.seed}" if arguments.shaped else "encoder"
    out = arguments.out or ASSETS / f"{name}_{space.name}.npz"
    vae.save(out)
    latents = vae.encode(held)
    prior = np.random.default_rng(0).normal(latents.mean(axis=0), latents.std(axis=0), latents.shape)
    print(f"trained on {len(train)} cells in {time.perf_counter() - start:.0f} s")
    print(f"exact reconstruction of {len(held)} other cells: {100 * vae.score(held):.2f} %")
    print(f"latents: standard deviation {latents.std():.3f}")
    valid = space.valid(vae.decode(prior)).mean()
    print(f"valid cells among {len(prior)} normal latents of the same means and deviations: {100 * valid:.1f} %")
    print(f"{out.stat().st_size} bytes, SHA-256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
