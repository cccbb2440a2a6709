"""Which records of a file make a comparison, and what their methods are called."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from crlso._base.checks import check_int, check_number
from crlso._base.plain import typed
from crlso.comparison.records import KEYS, Record, read_records
from crlso.methods.naming import method_text

__all__ = ["load_records"]

_TEXTS = ("benchmark", "dataset", "objective", "label", "cell", "error", "space", "version", "state")

_MOST = 1 << 40  # queries

_log = logging.getLogger("crlso.compare")


def load_records(path: str | os.PathLike[str], budget: int | None) -> list[Record]:
    """Return the records of one comparison in a file, with their labels; see :meth:`Comparison.load`."""
    records = read_records(path)
    for record in records:
        try:
            _check(record)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{os.fspath(path)}: expected results of crlso.compare: {error}") from None
    budgets = sorted({record["budget"] for record in records})
    if budget is not None:
        budgets = [check_int("budget", budget, 1)]
    if not records or len(budgets) > 1:
        found = ", ".join(map(str, budgets)) or "no search"
        raise ValueError(f"{os.fspath(path)}: expected searches of one budget, chosen by budget, got {found:.200}")
    chosen = [record for record in records if record["budget"] == budgets[0]]
    if not chosen:
        found = ", ".join(map(str, sorted({record["budget"] for record in records})))
        raise ValueError(f"budget: expected one of {found:.200}, got {budgets[0]}")
    latest = {_search(record): record for record in chosen}
    if len(latest) < len(chosen):
        text = "%s: %d searches were run again by another version or with other code; their last results count"
        _log.warning(text, os.fspath(path), len(chosen) - len(latest))
    return _labelled(list(latest.values()))


def _check(record: Record) -> None:
    """Raise an error if what a comparison shows of a record is not of the right type."""
    for name in _TEXTS:
        typed({name: None, **record}, name, str, optional=True)
    typed(record, "method", str)
    for name, least in (("seed", None), ("budget", 1), ("n_queries", 0)):
        check_int(name, record[name], least, None if least is None else _MOST)
    numbers = {name: record.get(name) for name in ("optimum", "value", "test")}
    numbers |= {f"seconds[{phase!r:.50}]": seconds for phase, seconds in record["seconds"].items()}
    for i, entry in enumerate(record["trajectory"]):
        check_number("value", entry["value"])
        numbers[f"test of improvement {i}"] = entry["test"]
    for name, number in numbers.items():
        if number is not None:
            check_number(name, number)
    queries = [check_int("query", entry["query"], 1, record["budget"]) for entry in record["trajectory"]]
    if queries != sorted(set(queries)):
        raise ValueError(f"query: expected ascending numbers, got {queries!r:.100}")
    for n in _counts(record).values():
        check_int("sources", n, 0)


def _counts(record: Record) -> dict[str, int]:
    found: dict[str, int] | None = typed({"sources": None, **record}, "sources", dict, optional=True)
    return found or {}


def _search(record: Record) -> str:
    """What identifies a search, whatever version and code ran it."""
    return json.dumps([*(record[key] for key in KEYS[:7]), record.get("label")], sort_keys=True)


def _labelled(records: list[Record]) -> list[Record]:
    """Records with their labels. Where methods share one, or have none, the text of method and options is the label."""
    owners: dict[Any, set[str]] = {}
    for record in records:
        owners.setdefault(record.get("label"), set()).add(_called(record))
    return [
        {**record, "label": record["label"] if _is_unique(record.get("label"), owners) else _called(record)}
        for record in records
    ]


def _is_unique(label: Any, owners: dict[Any, set[str]]) -> bool:
    return isinstance(label, str) and len(owners[label]) == 1


def _called(record: Record) -> str:
    return method_text(str(record["method"]), record["options"] if isinstance(record["options"], dict) else {})
