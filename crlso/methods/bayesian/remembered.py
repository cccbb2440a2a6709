"""Features of the cells that a search compares again and again, each encoded once."""

from __future__ import annotations

from typing import Any

import numpy as np

import crlso._core as _core
from crlso._base.types import Codes, Floats, Keys
from crlso.methods.bayesian.parts import Encoder
from crlso.models.gaussian_process import Features
from crlso.spaces.keys import first_of_each, row_keys

__all__ = ["RememberedFeatures"]

CAPACITY = 20_000  # cells


class RememberedFeatures:
    """Features of canonical cells by an encoder, kept for the next rounds, which compare most of them again.

    At most 20,000 cells are kept. When more would be, all are forgotten, and encoded again when they are needed.
    Copies and pickles hold no features.

    Parameters
    ----------
    encoder : Encoder
        Must give a cell the same features whatever other cells are encoded with it.
    cardinalities : tuple of int
        Number of values of each code.
    """

    def __init__(self, encoder: Encoder, cardinalities: tuple[int, ...]) -> None:
        self._encoder, self._cardinalities = encoder, cardinalities
        self._kept: Features | None = None  # CAPACITY rows, those of the known cells first
        self._known = _core.CellSet()  # keys of the rows; a row is filled before its key is here

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None, "_known": _core.CellSet()}

    def encode(self, codes: Codes) -> Features:
        """Return the features of canonical cells (n, codes per cell)."""
        if len(codes) > CAPACITY // 2:
            return self._encoder.encode(codes)
        keys = row_keys(codes, self._cardinalities)
        rows = self._known.locate(keys)
        missing = np.flatnonzero(rows < 0)
        if len(missing) or self._kept is None:
            new = missing[first_of_each(keys[missing])]
            if len(self._known) + len(new) > CAPACITY:
                self._known, new = _core.CellSet(), first_of_each(keys)
            self._keep(keys[new], self._encoder.encode(codes[new]))
            rows = self._known.locate(keys)
        assert self._kept is not None
        return self._kept[rows]

    def _keep(self, keys: Keys, features: Features) -> None:
        if self._kept is None:
            size, predicted = (None if part is None else _room(part) for part in (features.size, features.predicted))
            self._kept = Features(tuple(map(_room, features.groups)), size, predicted)
        n = len(self._known)
        for kept, new in zip(_parts(self._kept), _parts(features)):
            kept[n : n + len(keys)] = new
        self._known.update(keys)


def _parts(features: Features) -> list[Floats]:
    return [*features.groups, *(part for part in (features.size, features.predicted) if part is not None)]


def _room(part: Floats) -> Floats:
    """Return room for rows like these; pages that are never written take no memory."""
    return np.empty((CAPACITY, *part.shape[1:]), part.dtype)
