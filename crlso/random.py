"""Explicit randomness: seeds from what a user passes as ``rng``, and named counter-based streams.

Whatever takes ``rng=`` takes an integer, a NumPy ``Generator`` or ``SeedSequence``, or a :class:`Stream`; layers of
:mod:`crlso.nn` take a :class:`Stream`, ``Stream(seed_of(0))`` for example.
"""

from __future__ import annotations

import hashlib
import operator
import zlib
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

import crlso._core as _core

__all__ = ["Stream", "seed_of"]

_WORDS = 1 << 64


def seed_of(rng: object) -> int:
    """Turn an ``rng`` argument into a 64-bit seed.

    Parameters
    ----------
    rng : int, numpy.random.SeedSequence, numpy.random.Generator or Stream
        An integer >= 0 is spread over 64 bits by ``SeedSequence``; a ``SeedSequence`` is read (not advanced); from a
        ``Generator`` one number is drawn, so a second call gives another seed; a ``Stream`` gives its own seed.

    Returns
    -------
    int
        A seed in [0, 2**64).

    Raises
    ------
    TypeError
        If `rng` is None (there is no hidden source of randomness) or of another kind.
    ValueError
        If `rng` is a negative integer.

    Examples
    --------
    >>> seed_of(0) == seed_of(np.random.SeedSequence(0)) == seed_of(Stream(seed_of(0)))
    True
    """
    if rng is None:
        raise TypeError(
            "rng: randomness must be explicit; expected an integer, a numpy Generator or a SeedSequence, got None"
        )
    if isinstance(rng, Stream):
        return rng.seed
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, _WORDS, dtype=np.uint64))
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, (bool, np.bool_)) or not isinstance(rng, SupportsIndex):
        raise TypeError(f"rng: expected an integer, a numpy Generator or a SeedSequence, got {type(rng).__name__}")
    try:
        number = operator.index(rng)
    except TypeError:  # for example an array of more than one element
        message = f"rng: expected an integer, a numpy Generator or a SeedSequence, got {type(rng).__name__}"
        raise TypeError(message) from None
    if number < 0:
        raise ValueError(f"rng: expected an integer >= 0, got {number}")
    return int(np.random.SeedSequence(number).generate_state(1, np.uint64)[0])


def _purpose_code(purpose: str) -> int:
    """Return the 32-bit code of a purpose: the CRC-32 of its UTF-8 bytes, the same on every machine."""
    if not isinstance(purpose, str):
        raise TypeError(f"purpose: expected a string, got {type(purpose).__name__}")
    return zlib.crc32(purpose.encode("utf-8"))


class Stream:
    """A stream of random numbers that are functions of their name.

    A number depends on (seed, purpose, step, index) alone: the order of calls, threads and chunk sizes play no part,
    and the same call gives the same numbers again. Use a purpose of its own for each use: numbers drawn for the same
    purpose and step are not independent of each other.

    Counter-based generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3.
    SC 2011).

    Parameters
    ----------
    seed : int
        64-bit seed, for example from `seed_of`.

    Raises
    ------
    TypeError
        If `seed` is not an integer.
    ValueError
        If `seed` is outside [0, 2**64).

    Examples
    --------
    >>> stream = Stream(seed_of(0))
    >>> noise = stream.normal("noise", 3, (2, 4))
    >>> bool((noise == stream.normal("noise", 3, (2, 4))).all())
    True
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, SupportsIndex):
            raise TypeError(f"seed: expected an integer, got {type(seed).__name__}")
        number = operator.index(seed)
        if not 0 <= number < _WORDS:
            raise ValueError(f"seed: expected an integer from 0 to 2**64 - 1, got {number}")
        self._seed = number

    @property
    def seed(self) -> int:
        """The 64-bit seed."""
        return self._seed

    def __repr__(self) -> str:
        """Show the seed, from which the stream can be made again."""
        return f"Stream({self._seed})"

    def __eq__(self, other: object) -> bool:
        """Two streams are equal when they give the same numbers."""
        return self._seed == other._seed if isinstance(other, Stream) else NotImplemented

    def __hash__(self) -> int:
        """Hash by seed."""
        return hash((Stream, self._seed))

    def child(self, name: str) -> Stream:
        """Return a stream of its own for a part of the work.

        Parameters
        ----------
        name : str
            Name of the part; equal names give equal children.

        Returns
        -------
        Stream
            Its seed is a 64-bit BLAKE2b digest of the parent's seed and the name.
        """
        if not isinstance(name, str):
            raise TypeError(f"name: expected a string, got {type(name).__name__}")
        digest = hashlib.blake2b(self._seed.to_bytes(8, "little") + name.encode("utf-8"), digest_size=8)
        return Stream(int.from_bytes(digest.digest(), "little"))

    def normal(
        self, purpose: str, step: int, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32"
    ) -> npt.NDArray[Any]:
        """Return standard normal numbers.

        Parameters
        ----------
        purpose : str
            What the numbers are for.
        step : int
            Number of the step in [0, 2**64), for example the training iteration.
        shape : int or sequence of int
            Shape of the result.
        dtype : {"float32", "float64"}
            Type of the result.

        Returns
        -------
        numpy.ndarray
            New array of that shape and type.

        Raises
        ------
        TypeError
            If an argument is of the wrong kind or `dtype` is not float32 or float64.
        ValueError
            If `step` or `shape` is out of range.
        """
        return _core.philox_normal(self._seed, _purpose_code(purpose), step, shape, dtype)

    def uniform(
        self, purpose: str, step: int, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32"
    ) -> npt.NDArray[Any]:
        """Return uniform numbers in [0, 1); arguments and errors as in `normal`."""
        return _core.philox_uniform(self._seed, _purpose_code(purpose), step, shape, dtype)

    def permutation(self, purpose: str, step: int, n: int) -> npt.NDArray[np.int64]:
        """Return a random order of 0 .. n - 1 as an int64 array of shape (n,)."""
        return _core.philox_permutation(self._seed, _purpose_code(purpose), step, n)

    def integers(self, purpose: str, step: int, shape: int | Sequence[int], high: int) -> npt.NDArray[np.int64]:
        """Return integers in [0, `high`) as an int64 array; 1 <= `high` <= 2**63, other arguments as in `normal`."""
        return _core.philox_integers(self._seed, _purpose_code(purpose), step, shape, high)
