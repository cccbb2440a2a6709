"""Detection of an OpenBLAS that runs kernels slower than the processor allows."""

from __future__ import annotations

import functools
import logging
import os

__all__ = ["slow_core", "warn_of_slow_core"]

# OpenBLAS cores for x86-64 without AVX2, in lower case. Builds differ in names: "prescott" may be "katmai" elsewhere.
_WITHOUT_AVX2 = frozenset(
    """generic unknown coppermine katmai northwood prescott banias atom core2 penryn dunnington nehalem sandybridge
    athlon opteron opteron_sse3 barcelona bobcat bulldozer piledriver steamroller nano""".split()
)


def slow_core(kernel: str, isa: str) -> bool:
    """Return whether OpenBLAS chose a core without AVX2 although the processor has it.

    Parameters
    ----------
    kernel, isa : str
        ``blas_kernel`` and ``isa`` of ``crlso._core.runtime_info()``.

    Returns
    -------
    bool
        Always False when ``CRLSO_ISA`` asks for less than AVX2.
    """
    return isa in ("avx2", "avx512") and kernel.lower() in _WITHOUT_AVX2


@functools.cache
def warn_of_slow_core() -> None:
    """Log a warning, once per process, when OpenBLAS is slow and ``OPENBLAS_CORETYPE`` did not ask for that."""
    import crlso._core as _core

    info = _core.runtime_info()
    if slow_core(info["blas_kernel"], info["isa"]) and not os.environ.get("OPENBLAS_CORETYPE"):
        logging.getLogger("crlso").warning(
            "OpenBLAS chose its kernels for %s, without AVX2, though this processor has it: matrix products may be "
            "several times slower than they could be. A newer OpenBLAS, or OPENBLAS_CORETYPE=Haswell in the "
            "environment, fixes this",
            info["blas_kernel"],
        )
