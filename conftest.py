"""Makes the tests import the crlso that was installed, not the source tree they lie in.

`python -m pytest` puts the current folder first on the import path. Here it comes last: `tools` and `benchmarks`, which
are never installed, are found there, and crlso only when it was not installed but built in place. After
`pip install -e .` the two are the same. `PYTHONPATH=.` asks for the source tree.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def is_root(entry: str) -> bool:
    """Whether an entry of an import path is the source tree."""
    return Path(entry or ".").resolve() == ROOT


if not any(is_root(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry):
    sys.path[:] = [*(entry for entry in sys.path if not is_root(entry)), str(ROOT)]


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("crlso")
    return f"crlso: {spec.origin if spec else 'not installed'}"


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "run the files, and the tests within each, in another order: 'reversed', or a number to shuffle by"
    parser.addoption("--order", metavar="reversed|SEED", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Reorders the tests if asked to. Those of a file stay together, so that its fixtures are made once."""
    order = config.getoption("--order")
    if order is None:
        return
    if order == "reversed":
        items.reverse()
        return
    chance = random.Random(int(order))
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups = list(files.values())
    for group in (groups, *groups):
        chance.shuffle(group)
    items[:] = [item for group in groups for item in group]
