"""Headers of arrays in files of NumPy, read with distrust."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np

__all__ = ["read_header"]

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and dtype of an array in the npy format, and take no memory for what they promise.

    Parameters
    ----------
    stream : file
        At the first byte of the array.
    size : int
        Number of bytes that header and data must have together.

    Raises
    ------
    ValueError
        If there is no such array, it holds Python objects, or its size is another one.
    """
    try:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # NumPy raises errors of many kinds for damaged bytes
        raise ValueError(f"expected an array, got {type(error).__name__}: {error!s:.200}") from error
    if dtype.hasobject or stream.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"expected an array that fills its part of the file, got {dtype} {shape!s:.100}")
    return shape, dtype
