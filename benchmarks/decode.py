"""Latents decoded to cells by the published decoder (width 256), against PyTorch eager and JAX jit.

The decoder is frozen, its weights packed once, as a search uses it.

python -m benchmarks.decode --against pytorch,jax --json
"""

from __future__ import annotations

import sys

from benchmarks.surrogate_step import compare

if __name__ == "__main__":
    sys.exit(compare(["decode"], __doc__))
