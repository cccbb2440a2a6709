"""Data files of the package; each has its origin, licence and the command that made it in a text beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

__all__ = ["asset_path", "open_npz"]


def asset_path(name: str) -> Path:
    """Path of an asset.

    Parameters
    ----------
    name : str
        File name, e.g. ``"nasbench201.npz"``.

    Raises
    ------
    FileNotFoundError
        When the package was installed without that file.
    """
    path = Path(__file__).parent / name
    if not path.is_file():
        raise FileNotFoundError(f"asset {name!r}: expected a file at {path}; the installation of crlso is incomplete")
    return path


def open_npz(name: str) -> NpzFile:
    """Open an ``.npz`` asset; its arrays are read when asked for and never unpickled.

    Parameters
    ----------
    name : str
        File name, e.g. ``"nasbench201.npz"``.

    Returns
    -------
    numpy.lib.npyio.NpzFile
        Close it, or use it in a ``with`` statement.
    """
    opened = np.load(asset_path(name), allow_pickle=False)
    if not isinstance(opened, NpzFile):
        raise ValueError(f"asset {name!r}: expected an npz archive, got a plain array file")
    return opened
