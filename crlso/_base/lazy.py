"""Lazy imports: names of a package that are imported on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, homes: Mapping[str, str | None]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make ``__getattr__`` and ``__dir__`` for a package whose names are defined in other modules.

    Parameters
    ----------
    package : str
        Full name of the package, its ``__name__``.
    homes : mapping of str to (str or None)
        The module that defines each name; None for a name that is itself a module of the package.

    Returns
    -------
    (callable, callable)
        ``__getattr__`` and ``__dir__`` for the package; ``dir`` lists its ``__all__``.

    References
    ----------
    PEP 562, Module __getattr__ and __dir__.

    Examples
    --------
    >>> getattr_, dir_ = lazy("crlso", {"Tensor": "crlso._core", "nn": None})
    >>> getattr_("Tensor").__name__
    'Tensor'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        value = import_module(f"{package}.{name}") if home is None else getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        listed: list[str] = sys.modules[package].__all__
        return listed

    return get, names
