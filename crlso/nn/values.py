"""Initial values of parameters."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from crlso._base.blas import warn_of_slow_core
from crlso._core import Tensor
from crlso.random import Stream, seed_of

__all__ = ["SLOPE", "normal", "parameter", "stream_of"]

SLOPE = 0.01
"""Slope of all leaky ReLUs below zero."""


def stream_of(rng: Any) -> Stream:
    """Return the stream of an `rng` argument; a Stream is its own."""
    return rng if isinstance(rng, Stream) else Stream(seed_of(rng))


def parameter(values: npt.NDArray[Any], dtype: str, nonnegative: bool = False) -> Tensor:
    """Return a parameter with these values; `nonnegative` ones stay so in training."""
    warn_of_slow_core()  # here and not on import, because only models depend on fast matrix products
    tensor = Tensor(values, requires_grad=True, dtype=dtype)
    tensor.nonnegative = nonnegative
    return tensor


def normal(stream: Stream, name: str, shape: tuple[int, ...], scale: float, dtype: str) -> Tensor:
    """Return a parameter with normal values of mean 0 and standard deviation `scale`, drawn from a stream by name."""
    return parameter(scale * stream.normal(name, 0, shape, "float64"), dtype)
