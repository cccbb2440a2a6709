"""The notebooks as pages: copied into the documentation when it is built, with links that hold there."""

from __future__ import annotations

import re
from pathlib import Path

UP = re.compile(r"\]\(\.\./(docs/)?")  # a link out of the folder of notebooks, which lies beside docs


def copy_notebooks(source: Path, target: Path) -> None:
    """Copy all notebooks that have changed; remove those that are gone."""
    texts = {
        path.name: UP.sub(lambda found: "](../" if found[1] else "](../../", path.read_text(encoding="utf-8"))
        for path in sorted(source.glob("*.ipynb"))
    }
    for old in target.glob("*.ipynb"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        copy = target / name
        if not copy.is_file() or copy.read_text(encoding="utf-8") != text:
            copy.write_text(text, encoding="utf-8")
