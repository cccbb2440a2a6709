"""Search methods by name, imported when one is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["Registry"]


class Registry(Mapping[str, Any]):
    """A mapping from names to classes; a class can be given by where it is, ``"package.module:Class"``.

    Parameters
    ----------
    entries : dict of str to (str or type)
        The first entries.

    Examples
    --------
    >>> registry = Registry({"ordered": "collections:OrderedDict"})
    >>> registry["ordered"]
    <class 'collections.OrderedDict'>
    """

    def __init__(self, entries: dict[str, str | type] | None = None) -> None:
        self._entries: dict[str, str | type] = dict(entries or {})

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = getattr(import_module(module), attribute)
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Registry({', '.join(self._entries)})"

    def register(self, name: str, entry: str | type) -> None:
        """Add a method under a new name.

        Parameters
        ----------
        name : str
            What users call it.
        entry : str or type
            A class, or ``"package.module:Class"``.

        Raises
        ------
        ValueError
            When the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"name: expected a new name, got {name!r}, which is taken")
        self._entries[name] = entry
