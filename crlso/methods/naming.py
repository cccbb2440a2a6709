"""Methods and their options as one text, as the command line and comparisons take them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["method_text", "parse_method"]


def parse_method(text: str) -> tuple[str, dict[str, Any]]:
    """Parse the name and options of a method, as in ``"evolution:population=10:tournament=3"``.

    Values are read as JSON where possible, and are text otherwise.

    Parameters
    ----------
    text : str
        A name, perhaps with options after colons.

    Returns
    -------
    name : str
        The name before the first colon, which need not be that of a method.
    options : dict of str to object
        Values of the options, by their names.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If the text has another form.

    Examples
    --------
    >>> parse_method("cr-lso-paper:gradient=false:preset=fast")
    ('cr-lso-paper', {'gradient': False, 'preset': 'fast'})
    """
    if not isinstance(text, str):
        raise TypeError(f"method: expected a name with options as text, got {type(text).__name__}")
    name, *pairs = text.split(":")
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"method: expected options as name:option=value, got {text!r:.200}")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return name, options


def method_text(name: str, options: Mapping[str, Any]) -> str:
    """Return the name and options of a method as the text that :func:`parse_method` reads.

    Examples
    --------
    >>> method_text("cr-lso-paper", {"gradient": False, "preset": "fast"})
    'cr-lso-paper:gradient=false:preset=fast'
    """
    return ":".join([name, *(f"{key}={_value_text(value)}" for key, value in options.items())])


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) and not _is_json(value) else json.dumps(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
