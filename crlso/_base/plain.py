"""Values as plain data that strict JSON can hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["plain", "typed"]


def plain(value: Any) -> Any:
    """A copy in the types of strict JSON: no NumPy, keys are text, numbers that are not finite become None."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return str(value)


def typed(entry: Any, key: str, kind: type, *, optional: bool = False) -> Any:
    """Return ``entry[key]`` of a document, checked to be of a kind.

    Parameters
    ----------
    entry : dict
        Of a document that was read from a file.
    key : str
    kind : type
        A whole number passes for a float.
    optional : bool
        Whether None passes too.

    Raises
    ------
    TypeError
        For an entry that is no dict.
    KeyError
        When there is no such key.
    ValueError
        For a value of another kind.
    """
    if not isinstance(entry, dict):
        raise TypeError(f"expected a JSON object, got {type(entry).__name__}")
    value = entry[key]
    if value is None and optional:
        return None
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{key}: expected {kind.__name__}, got {value!r:.100}")
    return kind(value)
