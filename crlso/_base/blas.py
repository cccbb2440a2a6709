"""Whether OpenBLAS runs kernels that are worth the processor."""

from __future__ import annotations

import functools
import logging
import os

__all__ = ["slow_core", "warn_of_slow_core"]

# Cores of OpenBLAS for x86-64 without AVX2, in lower case ("prescott" of a library may be called "katmai" by another).
_WITHOUT_AVX2 = frozenset(
    """generic unknown coppermine katmai northwood prescott banias atom core2 penryn dunnington nehalem sandybridge
    athlon opteron opteron_sse3 barcelona bobcat bulldozer piledriver steamroller nano""".split()
)


def slow_core(kernel: str, isa: str) -> bool:
    """True when OpenBLAS chose a core without AVX2 though the processor has it.

    Parameters
    ----------
    kernel, isa : str
        ``blas_kernel`` and ``isa`` of ``crlso._core.runtime_info()``. Whoever asks for less than AVX2 with
        ``CRLSO_ISA`` gets True for no core.
    """
    return isa in ("avx2", "avx512") and kernel.lower() in _WITHOUT_AVX2


@functools.cache
def warn_of_slow_core() -> None:
    """Log a warning, once in a process, when OpenBLAS is slow by mistake: not when OPENBLAS_CORETYPE asked for it."""
    import crlso._core as _core

    info = _core.runtime_info()
    if slow_core(info["blas_kernel"], info["isa"]) and not os.environ.get("OPENBLAS_CORETYPE"):
        logging.getLogger("crlso").warning(
            "OpenBLAS chose its kernels for %s, without AVX2, though this processor has it: matrix products may be "
            "several times slower than they could be. A newer OpenBLAS, or OPENBLAS_CORETYPE=Haswell in the "
            "environment, cures this",
            info["blas_kernel"],
        )
