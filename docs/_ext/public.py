"""Where the reference describes each public name: once, on the page of the first module that has it."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "reference" / "api.rst"


def modules() -> list[str]:
    """The public modules, in the order of the reference."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("crlso")]


def described_elsewhere() -> dict[str, dict[str, str]]:
    """By module and name: the full name under which the reference describes an object that several modules have."""
    first: dict[int, str] = {}
    elsewhere: dict[str, dict[str, str]] = {}
    for module in modules():
        imported = importlib.import_module(module)
        elsewhere[module] = {}
        for name in imported.__all__:
            full = first.setdefault(id(getattr(imported, name)), f"{module}.{name}")
            if full != f"{module}.{name}":
                elsewhere[module][name] = full
    return elsewhere


def data() -> dict[str, dict[str, str]]:
    """By module: the names that are neither classes, functions nor modules, and their values as text."""
    found: dict[str, dict[str, str]] = {}
    for module in modules():
        imported = importlib.import_module(module)
        members = ((name, getattr(imported, name)) for name in imported.__all__)
        found[module] = {
            name: repr(value)
            for name, value in members
            if not (callable(value) or inspect.ismodule(value) or name.startswith("__"))
        }
    return found
