"""Reads Python files: which modules of crlso a file names, where, and by which of its names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Use:
    """One place where a file names something of crlso, imported there or reached through an imported name."""

    line: int
    name: str  # in full, such as "crlso.models.vae.GraphVAE"
    module: str  # the module that the name begins with, such as "crlso.models.vae"
    inside: tuple[str, ...]  # names of the functions around it

    @property
    def rest(self) -> list[str]:
        """The parts of the name after the module."""
        return self.name[len(self.module) + 1 :].split(".") if self.name != self.module else []

    @property
    def private(self) -> str | None:
        """The name as far as its first private part; None without one."""
        parts = self.name.split(".")
        return next((".".join(parts[: i + 1]) for i, part in enumerate(parts) if is_private(part)), None)


@dataclass
class Source:
    """A parsed Python file, and what its names stand for."""

    path: Path
    module: str  # its own name
    tree: ast.Module
    bound: dict[str, str] = field(default_factory=dict)  # a name in the file -> what it was imported as, in full

    @property
    def room(self) -> str:
        """The part of crlso that the file belongs to."""
        return room_of(self.module)


def room_of(module: str) -> str:
    """The part of crlso that a module belongs to, such as "models"; "" for the face and for other packages."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "crlso" else ""


def is_private(name: str) -> bool:
    """Whether a name begins with an underscore and is none that Python or notebooks look for, such as _repr_html_."""
    special = name.startswith("__") and name.endswith("__")
    return name.startswith("_") and not (special or re.fullmatch("_repr_.*_|_ipython_.*_", name))


def read_package(folder: Path) -> dict[str, Source]:
    """The files of a package by the names of their modules."""
    found = {}
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.pyi")]):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = read(path, name)
    return found


def read(path: Path, module: str) -> Source:
    """Parse a file."""
    source = Source(path, module, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    for node in ast.walk(source.tree):
        for target, alias in imported(source, node):
            if isinstance(node, ast.Import) and alias.asname is None:
                top = target.partition(".")[0]
                source.bound[top] = top
            else:
                source.bound[alias.asname or alias.name] = target
    return source


def imported(source: Source, node: ast.AST) -> Iterator[tuple[str, ast.alias]]:
    """What an import statement imports, in full."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, alias) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(source, "." * node.level + (node.module or ""))
        yield from ((f"{base}.{alias.name}", alias) for alias in node.names)


def _absolute(source: Source, module: str) -> str:
    """The full name of a module that may begin with dots."""
    name = module.lstrip(".")
    if not (level := len(module) - len(name)):
        return name
    is_package = source.path.stem == "__init__"
    parts = source.module.split(".")
    parts = parts[: len(parts) - level + is_package]
    return ".".join([*parts, name] if name else parts)


def uses(source: Source, modules: dict[str, Source], package: str = "crlso") -> Iterator[Use]:
    """Every place where the file names something of a package."""
    for node, inside in _walk(source.tree, ()):
        for name, module in _named(source, node):
            if name.partition(".")[0] == package:
                yield Use(node.lineno, name, _longest(name, module, modules), inside)


def _named(source: Source, node: ast.AST) -> Iterator[tuple[str, str]]:
    """What a node names in full, and the beginning of it that must be a module."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for target, _ in imported(source, node):
            yield target.removesuffix(".*"), target.rpartition(".")[0]
    elif isinstance(node, ast.Call):
        yield from ((name, name) for name in _imported_by_call(source, node))
    elif isinstance(node, ast.Attribute) and (name := full_name(source, node)):
        yield name, name.partition(".")[0]


def _imported_by_call(source: Source, node: ast.Call) -> Iterator[str]:
    """The module that ``import_module("...")`` or ``__import__("...")`` with a literal imports."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in {"import_module", "__import__"} and node.args and isinstance(node.args[0], ast.Constant):
        yield _absolute(source, str(node.args[0].value))


def full_name(source: Source, node: ast.expr) -> str | None:
    """What a name or a chain of attributes stands for, when it begins with an imported name."""
    if isinstance(node, ast.Name):
        return source.bound.get(node.id)
    if isinstance(node, ast.Attribute):
        before = full_name(source, node.value)
        return before and f"{before}.{node.attr}"
    return None


def _walk(node: ast.AST, inside: tuple[str, ...]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """All nodes, each with the names of the functions around it."""
    for child in ast.iter_child_nodes(node):
        yield child, inside
        yield from _walk(child, (*inside, child.name) if isinstance(child, FUNCTIONS) else inside)


def _longest(name: str, module: str, modules: dict[str, Source]) -> str:
    """The longest beginning of a name that is a module, which is at least the one that is known to be."""
    while name not in modules and name != module:
        name = name.rpartition(".")[0]
    return name
