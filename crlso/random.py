"""Explicit randomness: seeds from ``rng`` arguments, and named streams of counter-based random numbers.

Every argument ``rng`` accepts an integer, a NumPy ``Generator`` or ``SeedSequence``, or a :class:`Stream`. Modules of
:mod:`crlso.nn` take a :class:`Stream`, for example ``Stream(seed_of(0))``.
"""

from __future__ import annotations

import hashlib
import operator
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core

__all__ = ["Stream", "seed_of"]


def __dir__() -> list[str]:
    return __all__


_WORDS = 1 << 64


def seed_of(rng: object) -> int:
    """Turn an ``rng`` argument into a 64-bit seed.

    Parameters
    ----------
    rng : int, numpy.random.SeedSequence, numpy.random.Generator or Stream
        ``SeedSequence`` spreads an integer >= 0 over 64 bits. A ``SeedSequence`` is read and not advanced. From a
        ``Generator`` one number is drawn, so a second call returns another seed. A ``Stream`` returns its own seed.

    Returns
    -------
    int
        A seed in [0, 2**64).

    Raises
    ------
    TypeError
        If `rng` is None (there is no hidden source of randomness) or of another type.
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
    number = _integer("rng", rng, "an integer, a numpy Generator or a SeedSequence")
    if number < 0:
        raise ValueError(f"rng: expected an integer >= 0, got {number}")
    return int(np.random.SeedSequence(number).generate_state(1, np.uint64)[0])


def _integer(name: str, value: Any, expected: str) -> int:
    """Return an integer; TypeError for all that is none, truth values among them.

    It repeats :func:`crlso._base.checks.is_int` because this module may not import that one: both stand on one floor.
    """
    try:
        if not isinstance(value, (bool, np.bool_)):
            return operator.index(value)
    except TypeError:  # without __index__, or an array of several elements
        pass
    raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")


def _purpose_code(purpose: str) -> int:
    """Return the 32-bit code of a purpose: the CRC-32 of its UTF-8 bytes, the same on every machine."""
    if not isinstance(purpose, str):
        raise TypeError(f"purpose: expected a string, got {type(purpose).__name__}")
    return zlib.crc32(purpose.encode("utf-8"))


class Stream:
    """A source of random numbers that depend on their name alone.

    A number is a function of (seed, purpose, step, index). It does not depend on the order of calls, threads or chunk
    sizes, and the same call always returns the same numbers. Give each use a purpose of its own: numbers with the same
    purpose and step are not independent.

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

    References
    ----------
    The generator is Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as
    easy as 1, 2, 3", SC 2011.

    Examples
    --------
    >>> stream = Stream(seed_of(0))
    >>> noise = stream.normal("noise", 3, (2, 4))
    >>> bool((noise == stream.normal("noise", 3, (2, 4))).all())
    True
    """

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        number = _integer("seed", seed, "an integer")
        if not 0 <= number < _WORDS:
            raise ValueError(f"seed: expected an integer from 0 to 2**64 - 1, got {number}")
        self._seed = number

    @property
    def seed(self) -> int:
        """The 64-bit seed."""
        return self._seed

    def __repr__(self) -> str:
        """Return the expression that makes an equal stream."""
        return f"Stream({self._seed})"

    def __eq__(self, other: object) -> bool:
        """Tell whether two streams return the same numbers: whether they have the same seed."""
        return self._seed == other._seed if isinstance(other, Stream) else NotImplemented

    def __hash__(self) -> int:
        """Hash by seed."""
        return hash((Stream, self._seed))

    def child(self, name: str) -> Stream:
        """Return an independent stream for a part of the work.

        Parameters
        ----------
        name : str
            Name of the part; equal names give equal children.

        Returns
        -------
        Stream
            Its seed is a 64-bit BLAKE2b digest of the parent's seed and the name.

        Examples
        --------
        >>> Stream(3).child("a").seed == Stream(3).child("a").seed != Stream(3).child("b").seed
        True
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

        Examples
        --------
        >>> Stream(3).normal("noise", 0, (2, 3)).shape
        (2, 3)
        """
        return _core.philox_normal(self._seed, _purpose_code(purpose), step, shape, dtype)

    def uniform(
        self, purpose: str, step: int, shape: int | Sequence[int], dtype: npt.DTypeLike = "float32"
    ) -> npt.NDArray[Any]:
        """Return uniform numbers in [0, 1).

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
        TypeError, ValueError
            As :meth:`normal` does.

        Examples
        --------
        >>> draw = Stream(3).uniform("draw", 0, 5)
        >>> bool((draw >= 0).all() and (draw < 1).all())
        True
        """
        return _core.philox_uniform(self._seed, _purpose_code(purpose), step, shape, dtype)

    def permutation(self, purpose: str, step: int, n: int) -> npt.NDArray[np.int64]:
        """Return a random permutation of 0 .. n - 1.

        Parameters
        ----------
        purpose : str
            What the numbers are for.
        step : int
            Number of the step in [0, 2**64), for example the training iteration.
        n : int
            Number of items, at least 0.

        Returns
        -------
        ndarray of int64, shape (n,)
            Each of 0 .. n - 1 once.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or is out of range.

        Examples
        --------
        >>> sorted(Stream(0).permutation("order", 0, 4).tolist())
        [0, 1, 2, 3]
        """
        return _core.philox_permutation(self._seed, _purpose_code(purpose), step, n)

    def integers(self, purpose: str, step: int, shape: int | Sequence[int], high: int) -> npt.NDArray[np.int64]:
        """Return uniform integers in [0, high).

        Parameters
        ----------
        purpose : str
            What the numbers are for.
        step : int
            Number of the step in [0, 2**64), for example the training iteration.
        shape : int or sequence of int
            Shape of the result.
        high : int
            Upper end, from 1 to 2**63; it is not drawn itself.

        Returns
        -------
        ndarray of int64
            New array of that shape.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or is out of range.

        Examples
        --------
        >>> Stream(0).integers("choice", 0, (2, 3), 10).shape
        (2, 3)
        """
        return _core.philox_integers(self._seed, _purpose_code(purpose), step, shape, high)
