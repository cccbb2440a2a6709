"""npz archives: written whole or not at all, and what reading a broken one raises."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BROKEN", "write_npz"]

BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an archive that is broken, or somebody else's, raises besides errors of the system."""


def write_npz(path: str | os.PathLike[str], arrays: dict[str, Any]) -> None:
    """Write arrays to an npz archive; a file that is there is replaced when all is written.

    Raises
    ------
    OSError
        When it cannot be written; an existing file is then as it was.
    """
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
