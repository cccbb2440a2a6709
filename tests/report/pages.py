"""What the tests of reports look at: pages as trees of elements, and studies to report on."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from crlso.history import History, Measurement
from crlso.spaces import CellSpace
from crlso.studies import Study

VOID = {"meta", "link"}
SPACE = CellSpace(4, ["conv_3x3", "pool", "skip"])
HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\u202e\ud800"


@dataclass
class Element:
    """An element with its attributes, and its text and elements in order."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Elements below this one with a tag and these attributes; ``class_`` is one of the classes."""
        wanted = attributes.pop("class_", None)
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            fits = child.tag == tag and all(child.attributes.get(k) == v for k, v in attributes.items())
            if fits and (wanted is None or wanted in (child.attributes.get("class") or "").split()):
                found.append(child)
            found += child.find(tag, **attributes, **({} if wanted is None else {"class_": wanted}))
        return found

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self) -> list[Element]:
        return [self, *(e for child in self.children if isinstance(child, Element) for e in child.all())]


class _Reader(HTMLParser):
    """Reads a page whose elements are all closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag, attributes):
        element = Element(tag, dict(attributes))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.open[-1].children.append(Element(tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(html: str) -> Element:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1
    return reader.open[0]


def section_of(page: Element, title: str) -> Element:
    return next(s for s in page.find("section") if s.find("h2")[0].text == title)


def table_of(element: Element) -> list[list[str]]:
    return [[cell.text for cell in row.find("th") + row.find("td")] for row in element.find("tr")]


def study_of(values, **fields) -> Study:
    """A study whose queries have these values, or errors as text, or are pending for None."""
    history = History()
    for i, value in enumerate(values):
        codes = tuple(i // 3**k % 3 for k in range(6))
        trial = history.ask(SPACE.cell(codes), codes, key=i)
        if isinstance(value, str):
            history.fail(trial, value)
        elif value is not None:
            history.tell(trial, value if isinstance(value, Measurement) else Measurement(value))
    fields = {"benchmark": "mine", "dataset": None, "method": "random", "objective": "validation", **fields}
    return Study(**fields, seed=0, budget=len(values), history=history)
