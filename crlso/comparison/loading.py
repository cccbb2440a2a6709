"""Which records of a file make a comparison, and what their methods are called."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from crlso._base.checks import check_int
from crlso.comparison.records import KEYS, Record, read_records
from crlso.methods.naming import method_text

__all__ = ["load_records"]

_log = logging.getLogger("crlso.compare")


def load_records(path: str | os.PathLike[str], budget: int | None) -> list[Record]:
    """Return the records of one comparison in a file, with their labels; see :meth:`Comparison.load`."""
    records = read_records(path)
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
