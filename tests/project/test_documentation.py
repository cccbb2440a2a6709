"""The documentation holds together: links within it, the length of its sentences, and what the reference describes."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import crlso

ROOT = Path(__file__).resolve().parents[2]
SITE = """<html><head><link href="style.css"></head><body><h1 id="top">Title</h1>
<a href="#top">up</a> <a href="other.html#there">there</a> <a href="https://example.org/none">away</a></body></html>
"""


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_under_test", ROOT / "tools" / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


links, readability = tool("check_links"), tool("readability")


def run(name: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / f"tools/{name}.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_links_of_the_project():
    assert list(links.broken_in_pages(ROOT)) == []


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("page.md", ""),
        ("page.md#two-words-and-code", ""),
        ("page.md#links-in-headings", ""),
        ("#here", ""),
        ("https://example.org/none", ""),
        ("none.md", "no such file"),
        ("page.md#three-words", "no such heading"),
        ("page.md#inside-code", "no such heading"),
        ("included.md#two-words-and-code", ""),
    ],
)
def test_broken_links_of_pages_are_found(tmp_path, link, wrong):
    docs = tmp_path / "docs"
    docs.mkdir()
    text = "# Two words, and `code`\n\n## [Links](x.md) in headings\n\n```\n# Inside code [x](never.md)\n```\n"
    (docs / "page.md").write_text(text.replace("(x.md)", "(page.md)"))
    (docs / "included.md").write_text("```{include} page.md\n```\n")
    (docs / "from.md").write_text(f"# Here\nA [link with `code`]({link}), and `[none](of-them.md)`.\n")
    found = list(links.broken_in_pages(tmp_path))
    assert len(found) == bool(wrong)
    assert all(wrong in line and link in line for line in found)


def test_broken_links_of_notebooks_are_found(tmp_path):
    (tmp_path / "notebooks").mkdir()
    cell = '{"cell_type": "markdown", "source": ["See [it]", "(../docs/none.md)."]}'
    (tmp_path / "notebooks/one.ipynb").write_text(
        f'{{"cells": [{cell}, {{"cell_type": "code", "source": ["[a](b)"]}}]}}'
    )
    assert list(links.broken_in_pages(tmp_path)) == ["notebooks/one.ipynb: ../docs/none.md: there is no such file"]


def test_broken_links_of_the_site_are_found(tmp_path):
    (tmp_path / "style.css").touch()
    (tmp_path / "other.html").write_text('<p id="there">')
    (tmp_path / "index.html").write_text(SITE)
    assert run("check_links", tmp_path, ".").returncode == 0
    (tmp_path / "other.html").write_text('<p id="elsewhere">')
    (tmp_path / "style.css").unlink()
    (tmp_path / "index.html").write_text(SITE + '<script src="https://example.org/script.js"></script>')
    done = run("check_links", tmp_path, ".")
    assert done.returncode == 1 and done.stdout.splitlines() == [
        "index.html: https://example.org/script.js: is loaded from another server",
        "index.html: other.html#there: there is no such place",
        "index.html: style.css: there is no such file",
        "3 broken links",
    ]


def test_sentences_of_the_project():
    done = run("readability", ROOT)
    assert done.returncode == 0, done.stdout


def test_sentences_are_counted():
    text = """# A heading is no sentence
One two three. Four `five six` seven, e.g. [eight nine](ten.md#eleven)!

```
code is left out
```

- An item of
  two lines
- $a + b$ is one word

| a cell. | Another cell of five words |
|---|---|
"""
    found = [(sentence.line, sentence.words, sentence.in_table) for sentence in readability.sentences(text)]
    assert found == [
        (2, 3, False),
        (2, 6, False),
        (8, 5, False),
        (10, 4, False),
        (12, 2, True),
        (12, 5, True),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Short. " * 9 + "Word " * 40 + ".", 0),
        ("Short. " * 9 + "Word " * 41 + ".", 1),
        ("| Short. | " + "Word " * 41 + " |", 1),
        (("Word " * 18 + ". ") * 3, 0),
        (("Word " * 19 + ". ") * 3, 1),
    ],
)
def test_long_sentences_are_found(tmp_path, text, code):
    (tmp_path / "README.md").write_text(f"Few words.\n\n{text}\n" if text.startswith("|") else text)
    done = run("readability", tmp_path)
    assert done.returncode == code, done.stdout


def test_the_reference_has_every_public_module():
    page = (ROOT / "docs/reference/api.rst").read_text(encoding="utf-8")
    described = {line.strip() for line in page.splitlines() if line.strip().startswith("crlso")}
    public = {f"crlso.{name}" for name in crlso.__all__}
    modules = {name for name in public if isinstance(getattr(crlso, name.partition(".")[2]), ModuleType)}
    assert modules < described
    for name in described:
        assert importlib.import_module(name).__all__


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
