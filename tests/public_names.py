"""The public names of crlso with their parameters, as tests/data/public_names.txt has them.

    python -m tests.public_names             # what differs from the file
    python -m tests.public_names --record    # writes the file anew; say in the changelog what changed

A user's code breaks when a line goes or its parameters change: this shows such a change in a review.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crlso

FILE = Path(__file__).parent / "data" / "public_names.txt"
OPTIONAL = {"crlso.integrations.optuna": "optuna", "crlso.integrations.torch": "torch"}  # packages they inherit from


def modules() -> list[str]:
    """Return the modules whose names are public: those without an underscore, and a few of their parts."""
    found = [f"crlso.{found.name}" for found in pkgutil.iter_modules(crlso.__path__) if not found.name.startswith("_")]
    return ["crlso", "crlso.methods.bayesian", *OPTIONAL, *sorted(found)]


def public_objects(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the public objects of a module and the members of its classes that are crlso's own, by their full names."""
    found = importlib.import_module(module)
    for name in sorted(found.__all__):
        value = getattr(found, name)
        if inspect.ismodule(value):
            continue
        yield f"{module}.{name}", value
        if inspect.isclass(value):
            yield from ((f"{module}.{name}.{member}", entry) for member, entry in members(value))


def members(owner: type) -> list[tuple[str, Any]]:
    """Return the public methods and properties of a class that a class of crlso defines, as the class has them."""
    own = {name for base in owner.__mro__ if base.__module__.startswith("crlso") for name in vars(base)}
    public = sorted(name for name in own if not name.startswith("_"))
    entries = [(name, inspect.getattr_static(owner, name)) for name in public if hasattr(owner, name)]
    return [(name, entry) for name, entry in entries if is_member(entry)]


def is_member(entry: Any) -> bool:
    """Whether an entry of a class is a method or a property, and no plain value."""
    kinds = (property, classmethod, staticmethod)
    return isinstance(entry, kinds) or callable(entry) or inspect.isgetsetdescriptor(entry)


def parameters(value: Any) -> str:
    """Return the parameters of a function or a class as text, without annotations; empty for anything else."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    is_made_by_python = inspect.isclass(value) and (
        issubclass(value, Exception) or getattr(value, "_is_protocol", False)
    )
    if not callable(value) or is_made_by_python:  # whose signatures differ between versions of Python
        return ""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    bare = [
        entry.replace(annotation=entry.empty)
        for entry in found.parameters.values()
        if entry.name not in ("self", "cls")
    ]
    return str(inspect.Signature([_plain(entry) for entry in bare]))


def _plain(entry: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose default is shown if it is a plain value, and else as three dots."""
    plain = isinstance(entry.default, (bool, int, float, str, type(None), tuple))
    return entry if entry.default is entry.empty or plain else entry.replace(default=...)


def lines() -> list[str]:
    """Return one line for each public object."""
    return [f"{name}{parameters(value)}" for module in modules() for name, value in public_objects(module)]


def main() -> int:
    """Compare with the file, or write it."""
    found = lines()
    if sys.argv[1:] == ["--record"]:
        FILE.write_text("\n".join(found) + "\n", encoding="utf-8")
        return 0
    known = FILE.read_text(encoding="utf-8").splitlines()
    changes = list(difflib.unified_diff(known, found, "recorded", "found", lineterm="", n=0))
    print("\n".join(changes) or "as recorded")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
