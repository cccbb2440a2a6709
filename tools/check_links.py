"""Checks the links within the project: of Markdown pages and notebooks, and of the built site. Needs no network.

    python tools/check_links.py                pages and notebooks of the current folder
    python tools/check_links.py build/docs     the site in this folder too

A link to a file must name one that is there; one to a section must name a heading, or in the site an identifier.
Links to other servers are left alone, but a site must load nothing from there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FENCE = re.compile(r"^(`{3,}).*?^\1`*$|<!--.*?-->", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^()\s]+)\)")
INCLUDED = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def slugs(text: str) -> set[str]:
    """The names by which links find the headings of a page, as code hosts and Sphinx make them."""
    titles = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(FENCE.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def markdown(path: Path) -> str:
    """The Markdown of a page or of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        included = INCLUDED.search(text)
        return markdown(path.parent / included[1]) if included else text
    return "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")


def broken_in_pages(root: Path) -> Iterator[str]:
    """What is wrong with the links of Markdown pages and notebooks."""
    folders = [*(root / "docs").rglob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    for page in sorted([*root.glob("*.md"), *folders]):
        if page.suffix == ".md" and INCLUDED.search(page.read_text(encoding="utf-8")):
            continue  # its text is checked where it is
        for link in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", markdown(page)))):
            url = urlsplit(link)
            if url.scheme:
                continue
            target = page.parent / unquote(url.path) if url.path else page
            if not target.exists():
                yield f"{page.relative_to(root)}: {link}: there is no such file"
            elif url.fragment and target.suffix == ".md" and url.fragment not in slugs(markdown(target)):
                yield f"{page.relative_to(root)}: {link}: there is no such heading"


class Page(HTMLParser):
    """The links and the identifiers of a page of the site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.loaded: set[str] = set()  # links to what the browser loads at once
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found[name] or "" for name in ("id", "name") if name in found}
        links = {found[name] or "" for name in ("href", "src") if name in found}
        self.links |= links
        if "src" in found or (tag == "link" and "stylesheet" in (found.get("rel") or "")):
            self.loaded |= links


def broken_in_site(site: Path) -> Iterator[str]:
    """What is wrong with the links of a built site."""
    pages = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    read = {path: Page(path.read_text(encoding="utf-8")) for path in pages}
    for path, page in read.items():
        for link in sorted(page.links):
            url = urlsplit(link)
            if link in page.loaded and url.netloc:
                yield f"{path.relative_to(site)}: {link}: is loaded from another server"
            if url.scheme or url.netloc or link.startswith("#!") or link in {"", "#"}:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                yield f"{path.relative_to(site)}: {link}: there is no such file"
            elif url.fragment and target in read and unquote(url.fragment) not in read[target].ids:
                yield f"{path.relative_to(site)}: {link}: there is no such place"


def main() -> int:
    """Print what is wrong; the exit code says whether anything is."""
    found = list(broken_in_pages(Path.cwd()))
    for site in sys.argv[1:]:
        found += broken_in_site(Path(site).resolve())
    print(*found, f"{len(found)} broken links", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
