"""What the numbers of a search depend on besides its seed: processor, libraries and versions."""

from __future__ import annotations

import platform

import numpy as np

import crlso._core as _core

__all__ = ["environment"]


def environment() -> dict[str, str]:
    """Return what the numbers of a search may depend on besides its seed.

    Returns
    -------
    dict of str to str
        ``isa``, the instruction set of the extension's kernels; ``blas`` and ``blas_kernel``, the build of OpenBLAS and
        its kernels; ``compiler`` of the extension; versions of ``numpy`` and ``python``; ``machine``, the kind of
        processor.

    Examples
    --------
    >>> sorted(environment())
    ['blas', 'blas_kernel', 'compiler', 'isa', 'machine', 'numpy', 'python']
    """
    core = _core.runtime_info()
    return {
        "isa": core["isa"],
        "blas": core["blas"],
        "blas_kernel": core["blas_kernel"],
        "compiler": core["compiler"],
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
