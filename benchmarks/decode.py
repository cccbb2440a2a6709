"""Time of decoding latents to cells with the published decoder (width 256), against PyTorch eager and JAX jit.

The decoder is frozen, that is, its weights are packed once, as in a search.

python -m benchmarks.decode --against pytorch,jax --json
"""

from __future__ import annotations

import sys

from benchmarks.surrogate_step import compare

if __name__ == "__main__":
    sys.exit(compare(["decode"], __doc__))
