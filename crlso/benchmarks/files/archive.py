"""Reading npz archives with distrust."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.files import open_regular
from crlso._base.npy import read_header

__all__ = ["read_arrays"]

_MAX_OVERHEAD = 1 << 20  # bytes of an archive besides its arrays


def read_arrays(path: str | os.PathLike[str], limit: int) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an npz archive by name, read without pickle.

    Parameters
    ----------
    path : path-like
    limit : int
        Largest number of bytes that the arrays may take together.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is anything else than a regular file with such an archive. No memory is taken for what a damaged header
        promises.
    """
    with open_regular(path, limit + _MAX_OVERHEAD) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if len({member.filename for member in members}) != len(members):
                    raise ValueError("expected arrays with different names")
                if sum(member.file_size for member in members) > limit:
                    raise ValueError(f"expected at most {limit} bytes of arrays")
                return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
        except ValueError:
            raise
        except Exception as error:  # what zipfile and NumPy raise for damaged bytes is of many kinds
            raise ValueError(f"{type(error).__name__}: {error!s:.200}") from error


def _array(data: bytes) -> npt.NDArray[Any]:
    stream = io.BytesIO(data)
    read_header(stream, len(data))
    stream.seek(0)
    array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
