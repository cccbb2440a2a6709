"""A mapping from names to classes that imports each class on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["Registry"]


class Registry(Mapping[str, Any]):
    """A mapping from names to classes, imported on first use.

    An entry is a class, or its location as text: ``"package.module:Class"``.

    Parameters
    ----------
    entries : dict of str to (str or type)
        Initial entries.

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
        """Add an entry under a new name.

        Parameters
        ----------
        name : str
            A name that is not in use.
        entry : str or type
            A class, or ``"package.module:Class"``.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"name: expected a new name, got {name!r}, which is taken")
        self._entries[name] = entry
