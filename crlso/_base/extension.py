"""The error raised in a source tree without the C extension, which says how to build it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

__all__ = ["require_extension"]


def require_extension(package: str) -> None:
    """Check that a package folder contains the C extension, without importing it.

    Parameters
    ----------
    package : str
        Folder of ``crlso``, its ``__path__[0]``.

    Raises
    ------
    ImportError
        If there is no extension for this version of Python.
    """
    if any(os.path.exists(os.path.join(package, f"_core{suffix}")) for suffix in EXTENSION_SUFFIXES):
        return
    python, tree = "Python {}.{}".format(*sys.version_info), os.path.dirname(package)
    raise ImportError(
        f"crlso: expected its C extension for {python}, which this source tree ({tree}) lacks: "
        "run `pip install -e .` in it, or start Python in another folder",
        name="crlso._core",
    )
