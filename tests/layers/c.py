"""The rules for C: which layer may include which, and what only one of them may do."""

from __future__ import annotations

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
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\\n])*")', re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:["<]([^">]+)[">]|(\w+))', re.MULTILINE)
SPEAKS = re.compile(r"\b(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|abort|exit|_exit|assert)\s*\(")


def violations(root: Path) -> Iterator[tuple[Path, str]]:
    """Every breach of the layers in csrc, as a file and what is wrong with it."""
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
