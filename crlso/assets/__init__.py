"""Data files that come with the package. A text next to each gives its origin, its licence and the command to make it.

Scripts in ``tools/assets`` of the repository make the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

__all__ = ["asset_path", "open_npz"]


def __dir__() -> list[str]:
    return __all__


def asset_path(name: str) -> Path:
    """Return the path of an asset.

    Parameters
    ----------
    name : str
        File name, for example ``"nasbench201.npz"``.

    Returns
    -------
    pathlib.Path
        Path of the file within the installed package.

    Raises
    ------
    FileNotFoundError
        If the package was installed without that file.

    Examples
    --------
    >>> asset_path("nasbench201.npz").name
    'nasbench201.npz'
    """
    path = Path(__file__).parent / name
    if not path.is_file():
        raise FileNotFoundError(f"asset {name!r}: expected a file at {path}; the installation of crlso is incomplete")
    return path


def open_npz(name: str) -> NpzFile:
    """Open an ``.npz`` asset. Each array is read when it is indexed, and nothing is unpickled.

    Parameters
    ----------
    name : str
        File name, for example ``"nasbench201.npz"``.

    Returns
    -------
    numpy.lib.npyio.NpzFile
        Close it, or use it in a ``with`` statement.

    Raises
    ------
    FileNotFoundError
        If the package was installed without that file.
    ValueError
        If it is not an npz archive.

    Examples
    --------
    >>> with open_npz("nasbenchmacro.npz") as asset:
    ...     shape = asset["test_correct"].shape
    >>> shape
    (6561, 3)
    """
    opened = np.load(asset_path(name), allow_pickle=False)
    if not isinstance(opened, NpzFile):
        raise ValueError(f"asset {name!r}: expected an npz archive, got a plain array file")
    return opened
