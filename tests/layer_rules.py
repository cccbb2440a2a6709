"""The rules on what may depend on what, as a function that lists the places where a tree breaks them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

BASE = {"core", "autodiff"}
MAY_INCLUDE = {
    "core": {"core"},
    "autodiff": BASE,
    "graph": BASE | {"graph"},
    "nn": BASE | {"nn"},
    "optim": BASE | {"optim"},
    "search": BASE | {"graph", "nn", "optim", "search"},
    "python": BASE | {"graph", "nn", "optim", "search", "python"},
}
MAX_LINES = 800
MAY_PRINT = ("crlso/cli/*.py",)  # a program; all else is a library
FOREIGN = {"jax", "tensorflow", "torch"}
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\\n])*")', re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:["<]([^">]+)[">]|(\w+))', re.MULTILINE)
SPEAKS = re.compile(r"\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|abort|exit|_exit|assert)\s*\(")


def violations(root: Path) -> list[str]:
    """Every breach in the project at root, as 'file: what is wrong'."""
    found = [*_c_files(root), *_long_files(root), *_build_flags(root), *_python_files(root)]
    return [f"{path.relative_to(root).as_posix()}: {problem}" for path, problem in found]


def _c_files(root: Path) -> Iterator[tuple[Path, str]]:
    csrc = root / "csrc"
    for path in sorted(path for path in csrc.rglob("*") if path.suffix in {".c", ".h", ".inc", ".def"}):
        code = COMMENT.sub(lambda match: match[1] or " ", path.read_text(encoding="utf-8"))
        layer = path.relative_to(csrc).parts[0]
        if layer not in MAY_INCLUDE:
            yield path, f"is in no known layer: {layer}"
            continue
        for quoted, macro in INCLUDE.findall(code):
            yield from ((path, problem) for problem in _include(csrc, path, layer, quoted or macro))
        if path != csrc / "core/blas.c" and re.search("cblas", code, re.IGNORECASE):
            yield path, "mentions CBLAS; only csrc/core/blas.c may"
        if layer != "python" and (call := SPEAKS.search(code)):
            yield path, f"calls {call[1]}; the core reports errors by status"


def _include(csrc: Path, path: Path, layer: str, name: str) -> Iterator[str]:
    if name == "CRLSO_BLAS_HEADER":
        if path != csrc / "core/blas.c":
            yield "includes the BLAS header; only csrc/core/blas.c may"
        return
    if (name == "Python.h" or name.startswith("numpy/")) and layer != "python":
        yield f"includes {name}; only csrc/python may"
    for candidate in ((path.parent / name).resolve(), (csrc / name).resolve()):
        if candidate.is_file() and csrc.resolve() in candidate.parents:
            other = candidate.relative_to(csrc.resolve()).parts[0]
            if other not in MAY_INCLUDE[layer]:
                yield f"includes {name}: {layer} may not depend on {other}"
            return


def _long_files(root: Path) -> Iterator[tuple[Path, str]]:
    for folder in ("csrc", "crlso", "tests", "tools", "benchmarks"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".c", ".h", ".inc", ".def", ".py", ".pyi"}:
                lines = len(path.read_text(encoding="utf-8").splitlines())
                if lines > MAX_LINES:
                    yield path, f"has {lines} lines; at most {MAX_LINES}"


def _build_flags(root: Path) -> Iterator[tuple[Path, str]]:
    paths = [root / "setup.py", root / "pyproject.toml", *sorted((root / "tools").glob("*.py"))]
    for path in [*paths, *sorted((root / "csrc").rglob("*.*"))]:
        if path.is_file() and re.search(r"-?m(arch|cpu|tune)=native", path.read_text(encoding="utf-8")):
            yield path, "builds for this machine's processor alone"


def _python_files(root: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted((root / "crlso").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            else:
                modules = []
            for module in modules:
                if module.partition(".")[0] in FOREIGN:
                    yield path, f"line {node.lineno} imports {module}"
            is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            if is_print and not any(path.match(str(root / pattern)) for pattern in MAY_PRINT):
                yield path, f"line {node.lineno} calls print; use logging"
