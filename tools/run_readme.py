"""Runs what README.md and the pages in docs/ tell a reader to type, pasted in the current folder, in order.

    python tools/run_readme.py            runs everything; stops at the first failure
    python tools/run_readme.py --list     prints it instead

A fenced block marked ``sh`` holds commands and one marked ``python`` a script; other blocks show output. Directly above
a block that cannot be run, a comment says why: ``<!-- not run: reason -->``. Above one that takes long, it names a
shorter command of the same kind: ``<!-- run instead: command -->``. Above one that the reader is to keep in a file, for
blocks that follow, it names the file: ``<!-- save as: file -->``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|run instead|save as): (?P<said>[^\n]*) -->\n)?```(?P<kind>[^`\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = re.compile(r"(pip|python|crlso|pytest|git|CRLSO_\w+=\S+) ")
SHELL, SCRIPT = ["bash", "-euxo", "pipefail", "-c"], [sys.executable, "-c"]


@dataclass(frozen=True)
class Block:
    """A block of a page, as it is run."""

    where: str  # file and line
    kind: str  # "sh" or "python"
    text: str
    left_out: str | None = None  # why it is not run
    file: str | None = None  # where it is kept instead of being run


def blocks(page: Path, name: str) -> Iterator[Block]:
    """The commands and scripts of a page."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        where = f"{name}:{text.count(chr(10), 0, found.start('kind')) + 1}"
        kind, code = found["kind"], found["text"].rstrip()
        if kind not in {"sh", "python"}:
            if kind in {"bash", "shell", "console", "py"} or COMMANDS.match(code):
                raise ValueError(f"{where}: expected a block of commands to be marked sh or python, got {kind!r}")
        elif found["mark"] == "run instead":
            yield Block(where, "sh", found["said"])
        elif found["mark"] == "save as":
            yield Block(where, kind, code, file=found["said"])
        else:
            yield Block(where, kind, code, found["said"])


def pages(root: Path) -> dict[str, Path]:
    """README.md, the first steps, which install what other pages need, and the other pages in docs/, by their names."""
    others = sorted((root / "docs").rglob("*.md"), key=lambda page: (page != root / "docs/start.md", page))
    found = [root / "README.md", *others]
    return {path.relative_to(root).as_posix(): path for path in found}


def main() -> int:
    """Run or list all blocks; returns the exit code."""
    for block in [block for name, page in pages(Path.cwd()).items() for block in blocks(page, name)]:
        notes = {", not run": block.left_out, ", saved as": block.file}
        print(f"== {block.where}" + "".join(f"{note}: {said}" for note, said in notes.items() if said), flush=True)
        if "--list" in sys.argv[1:]:
            print(block.text)
        elif block.file is not None:
            Path(block.file).write_text(block.text + "\n", encoding="utf-8")
        elif block.left_out is None:
            start = time.perf_counter()
            code = subprocess.run([*(SHELL if block.kind == "sh" else SCRIPT), block.text], check=False).returncode
            print(f"== {block.where}: {time.perf_counter() - start:.0f} s", flush=True)
            if code:
                print(f"FAILED {block.where}: exit code {code}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
