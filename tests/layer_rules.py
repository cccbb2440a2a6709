"""The rules on what may depend on what; ``python tests/layer_rules.py`` prints where the project breaks them.

The floors and the numbered rules are those of docs/explanation/architecture.md. layers/c.py has the rules for C and
layers/python.py those for Python; here are the rules that do not care about the language.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

if __package__:
    from .layers import c, python
else:  # started as a script
    from layers import c, python

MAX_LINES = 800


def violations(root: Path) -> list[str]:
    """Every breach in the project at root, as 'file: what is wrong'."""
    found = [*c.violations(root), *_long_files(root), *_build_flags(root), *python.violations(root)]
    return [f"{path.relative_to(root).as_posix()}: {problem}" for path, problem in found]


def _long_files(root: Path) -> Iterator[tuple[Path, str]]:
    for folder in ("csrc", "crlso", "tests", "tools", "benchmarks", "examples"):
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


if __name__ == "__main__":
    breaches = violations(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve())
    print("\n".join([*breaches, f"breaches: {len(breaches)}"]))
    sys.exit(bool(breaches))
