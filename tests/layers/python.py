"""The rules for Python: the floors of the package and what may cross them.

1. A module imports from lower floors and its own room. A function named plot* or _repr_html_ may import crlso.plotting.
2. Nothing inside imports the face, which is crlso/__init__.py.
3. Nothing private crosses a room, but _core, _base and _version are for all of them.
4. No circle of files.
5. benchmarks/ and examples/ use public names only, and crlso._core.
6. No space's name is compared outside spaces/ and benchmarks/.
7. No function of over 50 lines, docstring apart.

Imports inside functions and under TYPE_CHECKING count. Tables of lazy names and registries are data and do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .source import FUNCTIONS, Source, Use, full_name, imported, is_private, read_package, room_of, uses

FLOORS = (
    {"_core", "_version"},
    {"_base", "random"},
    {"assets", "optim", "nn", "history"},
    {"journal", "objectives", "spaces"},
    {"models", "benchmarks"},
    {"methods"},
    {"studies"},
    {"comparison", "diagnostics"},
    {"plotting", "report", "integrations"},
    {"cli"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FACES = {"crlso", "crlso.__main__"}  # they may import from every floor
FOR_ALL = {"_core", "_base", "_version"}  # rooms with a private name that every other may use
MAY_PRINT = {"cli"}  # a program; all else is a library
FOREIGN = {"jax", "tensorflow", "torch"}
MAY_BE_FOREIGN = {"integrations"}
SPACE_NAMES = {"nasbench101", "nasbench201", "nasbenchmacro", "darts"}
KNOW_SPACES = {"spaces", "benchmarks"}
MAX_FUNCTION = 50

Found = Iterator[tuple[Path, str]]


def violations(root: Path) -> Found:
    """Every breach of the rules in crlso/, benchmarks/ and examples/, as a file and what is wrong with it."""
    modules = read_package(root / "crlso")
    used = {name: list(uses(source, modules)) for name, source in modules.items()}
    private = _private_names(modules)
    for name, source in modules.items():
        problems: list[str] = []
        if name not in FACES:
            problems += [*_floors(source, used[name]), *_face(source, used[name])]
            problems += [*_private_uses(source, used[name]), *_private_attributes(source, private)]
        if source.room not in KNOW_SPACES:
            problems += _compared_spaces(source.tree)
        problems += [*_long_functions(source.tree), *_library_manners(source)]
        yield from ((source.path, problem) for problem in dict.fromkeys(problems))
    yield from _circle(root, modules, used)
    for folder in ("benchmarks", "examples"):
        scripts = read_package(root / folder)
        for source in scripts.values():
            problems = [*_not_public(uses(source, modules), modules), *_private_attributes(source, private)]
            yield from ((source.path, problem) for problem in dict.fromkeys(problems))
        yield from _circle(root, scripts, {name: list(uses(scripts[name], scripts, folder)) for name in scripts})


def _may_plot(use: Use) -> bool:
    """Rule 1's exception: pictures are made by what is above the thing that is drawn."""
    drawing = any(name.startswith("plot") or name == "_repr_html_" for name in use.inside)
    return drawing and room_of(use.module) == "plotting"


def _floors(source: Source, used: list[Use]) -> Iterator[str]:
    """Rule 1."""
    if source.room not in FLOOR:
        yield f"is on no known floor: {source.room}"
        return
    for use in used:
        other = room_of(use.module)
        if other in {"", source.room} or _may_plot(use):
            continue
        if FLOOR.get(other, len(FLOORS)) >= FLOOR[source.room]:
            yield f"line {use.line}: {source.room} may not import {use.module}"


def _face(source: Source, used: list[Use]) -> Iterator[str]:
    """Rule 2."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and any(
            target.rpartition(".")[0] == "crlso" for target, _ in imported(source, node)
        ):
            yield f"line {node.lineno}: imports from the face, crlso/__init__.py"
    for use in used:
        if use.module == "crlso":
            yield f"line {use.line}: uses the face, crlso/__init__.py"


def _private_uses(source: Source, used: list[Use]) -> Iterator[str]:
    """Rule 3, for names that were imported and attributes of what was imported."""
    for use in used:
        if use.private and room_of(use.module) not in FOR_ALL | {source.room}:
            yield f"line {use.line}: {use.private} is private"


def _private_names(modules: dict[str, Source]) -> dict[str, set[str]]:
    """The private names that each room defines, as functions, classes, variables, attributes or slots."""
    found: dict[str, set[str]] = {}
    for source in modules.values():
        found.setdefault(source.room, set()).update(_defined(source.tree))
    return found


def _defined(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if getattr(node.value, "id", "") in {"self", "cls"}:
                names.add(node.attr)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            names |= set(ast.literal_eval(node.value))
    return {name for name in names if is_private(name)}


def _private_attributes(source: Source, private: dict[str, set[str]]) -> Iterator[str]:
    """Rule 3, for attributes of objects: a private one that only other rooms define, read or overridden."""
    own = private[source.room] if source.room else _defined(source.tree)
    elsewhere = set().union(*(names for room, names in private.items() if room not in FOR_ALL)) - own
    for node in ast.walk(source.tree):
        if (name := _read_attribute(node)) in elsewhere and full_name(source, node) is None:
            yield f"line {node.lineno}: {name} is private in another room of crlso"
        if not isinstance(node, ast.ClassDef):
            continue
        rooms = {room_of(full_name(source, base) or "") for base in node.bases} - {"", source.room}
        taken = set().union(*(private.get(room, set()) for room in rooms))
        for method in node.body:
            if isinstance(method, FUNCTIONS) and method.name in taken:
                yield f"line {method.lineno}: overrides {method.name}, which is private in {', '.join(sorted(rooms))}"


def _read_attribute(node: ast.AST) -> str | None:
    """The attribute that an expression reads by its name, ``x.name`` or ``getattr(x, "name")``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"getattr", "hasattr"} and len(node.args) > 1:
        return getattr(node.args[1], "value", None)
    return None


def _circle(root: Path, modules: dict[str, Source], used: dict[str, list[Use]]) -> Found:
    """Rule 4: one of the shortest circles, if there is any."""
    edges = {
        name: {use.module for use in used[name] if use.module in modules and not _may_plot(use)} - {name}
        for name in modules
    }
    circles = [path for name in modules if (path := _way_back(name, edges))]
    if circles:
        shortest = min(circles, key=len)
        files = [modules[name].path for name in shortest]
        text = " -> ".join(path.relative_to(root).as_posix() for path in [*files, files[0]])
        yield files[0], f"is in a circle of files: {text}"


def _way_back(start: str, edges: dict[str, set[str]]) -> list[str] | None:
    """The shortest way along edges from a module to itself."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for target in sorted(edges[way[-1]]):
            if target == start:
                return way
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def _not_public(used: Iterator[Use], modules: dict[str, Source]) -> Iterator[str]:
    """Rule 5: no underscore, and in the __all__ of its module where that has one."""
    for use in used:
        if room_of(use.module) == "_core":
            continue
        if use.private:
            yield f"line {use.line}: {use.private} is private"
        elif use.module in modules and use.rest and not use.rest[0].startswith("__"):
            public = _public(modules[use.module].tree)
            if public and use.rest[0] not in public:
                yield f"line {use.line}: {use.rest[0]} is not in __all__ of {use.module}"


def _public(tree: ast.Module) -> set[str]:
    """The names in a module's __all__."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _compared_spaces(tree: ast.Module) -> Iterator[str]:
    """Rule 6: comparisons, memberships, patterns and look-ups with a space's name."""
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        elif isinstance(node, ast.Subscript):
            operands = [node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"get", "pop", "setdefault"}:
                operands = node.args[:1]
            elif node.func.attr in {"startswith", "endswith"}:
                operands = [node.func.value]
        if any(_is_space_name(part) for operand in operands for part in _parts(operand)):
            yield f"line {getattr(node, 'lineno', 0)}: compares the name of a space"


def _parts(operand: ast.expr) -> list[ast.expr]:
    """An operand, or the entries of a literal collection."""
    if isinstance(operand, (ast.Tuple, ast.List, ast.Set)):
        return operand.elts
    return [key for key in operand.keys if key] if isinstance(operand, ast.Dict) else [operand]


def _is_space_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in SPACE_NAMES
    if not isinstance(node, ast.Attribute):
        return False
    if node.attr == "name":  # space.name, self.space.name, benchmark._layout.name
        owner = node.value
        called = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        return called.lstrip("_") in {"space", "layout"}
    return node.attr == "space" and getattr(node.value, "id", "") in {"cell", "trial"}  # Cell.space is a name


def _long_functions(tree: ast.Module) -> Iterator[str]:
    """Rule 7."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            if lines > MAX_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {lines} lines; at most {MAX_FUNCTION}"


def _library_manners(source: Source) -> Iterator[str]:
    """No other framework, and no print where a program may want to use stdout."""
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for target, _ in imported(source, node):
                if target.partition(".")[0] in FOREIGN and source.room not in MAY_BE_FOREIGN:
                    yield f"line {node.lineno} imports {ast.unparse(node).split()[1]}"
        is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if is_print and source.room not in MAY_PRINT:
            yield f"line {node.lineno} calls print; use logging"
