"""The text of a genotype as plain data. Text is parsed, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

__all__ = ["FIELDS", "read_genotype"]

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

_MAX_TEXT = 65_536  # characters; the usual text has about 600, a result file of NAS-Bench-301 about 3,300
_MAX_DEPTH = 8  # brackets inside each other; the deepest form, np.int64(0) in pairs per node, has 6
_MAX_RANGE = 8  # a longer range is none of outputs
_COMMENT_LINE = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_START = re.compile(r"\bGenotype\s*\(")
_OTHER_START = re.compile(r"[\[(]\s*[\[(]\s*[\[(]|\{")  # two cells of pairs, or a mapping
_CONSTANTS = {"None": None, "null": None, "True": True, "true": True, "False": False, "false": False}
_WRAPPER = re.compile(r"u?int(?:p|8|16|32|64)?|str_?|list|tuple|array|tensor")  # np.int64(0) is read as 0
_TOKEN = re.compile(
    r"""(?:\s|\#[^\n]*(?:\n|\Z))*
    (?:(?P<name>[A-Za-z_][A-Za-z0-9_]{0,39}(?:\.[A-Za-z_][A-Za-z0-9_]{0,39}){0,3})
    | (?P<number>-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,3})?)(?![0-9A-Za-z_.])
    | (?P<quoted>'[^'\\\n]{0,100}'|"[^"\\\n]{0,100}") | (?P<sign>[][(){},:=]) | (?P<end>\Z))""",
    re.ASCII | re.VERBOSE,
)


def read_genotype(text: str) -> Any:
    """Read the lists, names and numbers in the text of a genotype.

    Parameters
    ----------
    text : str
        ``Genotype(...)``, which may follow other text such as ``BEST =`` or the beginning of a line of a log; two cells
        in brackets; or a mapping, as Python or JSON writes it. Comments are skipped, and ``np.int64(0)`` is 0.

    Returns
    -------
    dict or list
        The fields of ``Genotype(...)`` or the mapping, else the list of two cells. Tuples become lists.

    Raises
    ------
    ValueError
        For other text. The message has the position, and what was expected there.

    Examples
    --------
    >>> read_genotype("best = genotypes.Genotype(normal=[('skip_connect', np.int64(0))])")
    {'normal': [['skip_connect', 0]]}
    """
    if len(text) > _MAX_TEXT:
        raise ValueError(f"genotype: expected a text of at most {_MAX_TEXT} characters, got {len(text)}")
    text = _COMMENT_LINE.sub(lambda line: " " * len(line[0]), text)  # positions stay the same
    start = _START.search(text) or _OTHER_START.search(text)
    if start is None:
        found = repr(text.strip()[:30]) if text.strip() else "no text"
        raise ValueError(f"genotype: expected Genotype(...), a mapping or two cells of pairs, got {found}")
    return _Reader(text, start.start()).whole()


class _Reader:
    """A parser of Python's and JSON's lists, mappings, names and numbers, of bounded depth."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._after = start
        self._depth = 0
        self._comma = False  # whether the list that was read last ends with one
        self._advance()

    def whole(self) -> Any:
        """Return the value that begins here; nothing may follow but a comma or a semicolon."""
        value = self._value()
        if self._next_is(","):
            self._advance()
        if self._kind != "end" and self._text[self._at :].strip() != ";":
            self._fail("the end of the text")
        return value

    def _advance(self) -> None:
        """Go to the next token; a character that begins no token becomes one of the kind "other"."""
        match = _TOKEN.match(self._text, self._after)
        if match is None:
            self._at = len(self._text) - len(self._text[self._after :].lstrip())
            self._kind, self._token = "other", self._text[self._at : self._at + 1]
            return
        self._kind = match.lastgroup or "end"
        self._at, self._after = match.span(self._kind)
        self._token = match.group(self._kind)

    def _fail(self, expected: str) -> NoReturn:
        found = "the end of the text" if self._kind == "end" else repr(self._text[self._at : self._at + 30])
        raise ValueError(f"genotype: expected {expected} at character {self._at}, got {found}")

    def _next_is(self, sign: str) -> bool:
        return self._kind == "sign" and self._token == sign

    def _sign(self, sign: str) -> None:
        if not self._next_is(sign):
            self._fail(repr(sign))
        self._advance()

    def _listed(self, closing: str) -> Iterator[None]:
        """Yield once for each item up to the closing bracket; a comma may follow the last."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"at most {_MAX_DEPTH} brackets inside each other")
        self._advance()
        self._comma = False
        while not self._next_is(closing):
            yield
            self._comma = not self._next_is(closing)
            if self._comma:
                self._sign(",")
        self._advance()
        self._depth -= 1

    def _value(self) -> Any:
        kind, token = self._kind, self._token
        if self._next_is("["):
            return [self._value() for _ in self._listed("]")]
        if self._next_is("("):
            items = [self._value() for _ in self._listed(")")]
            return items[0] if len(items) == 1 and not self._comma else items
        if self._next_is("{"):
            return dict(self._entry() for _ in self._listed("}"))
        if kind == "name" and token not in _CONSTANTS:
            return self._call(token.rpartition(".")[2])
        if kind not in ("name", "number", "quoted"):
            self._fail("a value")
        self._advance()
        if kind == "number":
            return int(token) if token.lstrip("-").isdigit() else float(token)
        return token[1:-1] if kind == "quoted" else _CONSTANTS[token]

    def _entry(self) -> tuple[str, Any]:
        if self._kind != "quoted":
            self._fail("a name in quotes")
        key = self._token[1:-1]
        self._advance()
        self._sign(":")
        return key, self._value()

    def _call(self, function: str) -> Any:
        if function not in ("Genotype", "range") and not _WRAPPER.fullmatch(function):
            self._fail("a value")
        self._advance()
        if not self._next_is("("):
            self._fail("'('")
        if function == "Genotype":
            return self._fields()
        values = [self._value() for _ in self._listed(")") if not self._skipped()]
        if function != "range":
            return values[0] if values else []
        if not 1 <= len(values) <= 2 or not all(type(value) is int for value in values):
            self._fail("a range of one or two whole numbers before this")
        first, last = values if len(values) == 2 else (0, values[0])
        return list(range(first, min(last, first + _MAX_RANGE)))

    def _is_keyword(self) -> bool:
        return self._kind == "name" and self._text[self._after : self._after + 80].lstrip().startswith("=")

    def _skipped(self) -> bool:
        """Skip a keyword argument, such as the device of a tensor; return whether there was one."""
        if not self._is_keyword():
            return False
        self._advance()
        self._sign("=")
        self._value()
        return True

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for _ in self._listed(")"):
            named = self._is_keyword() or (self._kind == "name" and self._token in FIELDS)
            name = self._token if named else "".join(FIELDS[len(fields) : len(fields) + 1])
            if name not in FIELDS or name in fields:
                self._fail(f"one of the fields {', '.join(FIELDS)}, each once,")
            if named:
                self._advance()
                self._sign("=")
            fields[name] = self._value()
        return fields
