"""Counts the words of the sentences in README.md, CONTRIBUTING.md and the pages in docs/, so that they stay readable.

    python tools/readability.py              a row for each page; fails on what is too long
    python tools/readability.py --longest 9  the longest sentences too

The median sentence has at most 18 words, and none has more than 40. Code or mathematics, between backquotes or
dollars, counts as one word, an address of a link as none. Cells of tables may be no longer than sentences, but do not
count for the median. The changelog, a record of what was said at the time, is left out.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEDIAN, LONGEST = 18, 40

LEFT_OUT = re.compile(r"^(`{3,}).*?^\1`*$|<!--.*?-->|^\$\$.*?^\$\$", re.MULTILINE | re.DOTALL)
ONE_WORD = re.compile(r"`+[^`]+`+|\$[^$\n]+\$")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|et al|vs|cf|Fig|Eq)\.")
END = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+(?=[\"'(\[*_]*[A-Z0-9`~])")
WORD = re.compile(r"\w[\w'.,/%+-]*")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.|>|:)\s+")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a page, or of a cell of a table."""

    line: int
    text: str
    in_table: bool

    @property
    def words(self) -> int:
        return len(WORD.findall(self.text))


def paragraphs(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line, text and whether it is from a table: of paragraphs, items of lists, and cells of tables."""
    begun, parts = 0, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        row, heading = line.startswith("|"), line.startswith("#")
        if parts and (row or heading or not line.strip() or ITEM.match(line)):
            yield begun, " ".join(parts), False
            parts = []
        if row:
            yield from ((number, cell.strip(), True) for cell in line.strip("|").split("|"))
        elif line.strip() and not heading:
            begun = begun if parts else number
            parts.append(ITEM.sub("", line, count=1).strip())


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a page in Markdown."""
    bare = LEFT_OUT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for line, words, in_table in paragraphs(LINK.sub(r"\1", ONE_WORD.sub("CODE", bare))):
        for part in END.split(ABBREVIATION.sub(r"\1", words)):
            if WORD.search(part):
                yield Sentence(line, part, in_table)


def pages(root: Path) -> list[Path]:
    """The pages whose sentences are counted."""
    found = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    return [path for path in found if path.is_file()]


def main() -> int:
    """Print a row for each page; the exit code says whether all are readable."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--longest", type=int, default=0, metavar="N", help="print the N longest sentences")
    arguments = parser.parse_args()
    found = [
        (path.relative_to(Path.cwd()).as_posix(), sentence)
        for path in pages(Path.cwd())
        for sentence in sentences(path.read_text(encoding="utf-8"))
    ]
    prose: dict[str, list[int]] = {}
    for name, sentence in found:
        if not sentence.in_table:
            prose.setdefault(name, []).append(sentence.words)
    print("median  longest  sentences  page")
    for name, words in prose.items():
        print(f"{statistics.median(words):6.1f}  {max(words):7}  {len(words):9}  {name}")
    median = statistics.median([count for words in prose.values() for count in words])
    ranked = sorted(found, key=lambda pair: -pair[1].words)
    shown = max(arguments.longest, sum(sentence.words > LONGEST for _, sentence in ranked))
    for name, sentence in ranked[:shown]:
        print(f"{sentence.words} words, {name}:{sentence.line}: {sentence.text}")
    print(f"The median of all sentences is {median:g} words (at most {MEDIAN}), the longest has {ranked[0][1].words}.")
    return int(median > MEDIAN or ranked[0][1].words > LONGEST)


if __name__ == "__main__":
    sys.exit(main())
