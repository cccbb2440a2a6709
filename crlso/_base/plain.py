"""Conversion of values to plain data for strict JSON, and checks of such data."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

__all__ = ["json_text", "plain", "typed"]


def plain(value: Any) -> Any:
    """Copy a value into types of strict JSON.

    NumPy values become Python values, keys become strings, numbers that are not finite become None, and objects of
    any other type become their text.

    Examples
    --------
    >>> plain({1: np.array([0.5, np.nan])})
    {'1': [0.5, None]}
    """
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


def json_text(document: Any, indent: int | None = None) -> str:
    """Return plain data as strict JSON that can be written in UTF-8.

    Characters are written as they are, unless some cannot be encoded, as bytes of a file name in the text of an error.
    Then all but ASCII is escaped. Either way the same text is read again.

    Examples
    --------
    >>> json_text(["é"]), json_text(["é\\udcff"])
    ('["é"]', '["\\\\u00e9\\\\udcff"]')
    """
    text = json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, allow_nan=False)
    return text


def typed(entry: Any, key: str, kind: type, *, optional: bool = False) -> Any:
    """Return ``entry[key]``, checked to be of type `kind`.

    Parameters
    ----------
    entry : dict
        Part of a document read from a file.
    key : str
    kind : type
        An integer is accepted as a float.
    optional : bool
        Whether None is accepted.

    Raises
    ------
    TypeError
        If `entry` is not a dict.
    KeyError
        If the key is missing.
    ValueError
        If the value has another type.
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
