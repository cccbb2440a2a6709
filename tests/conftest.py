"""Fixtures that several test files use."""

from __future__ import annotations

import csv
import gzip
import inspect
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Of what these words in a test stand for there is one for all threads.
SHARED_WORDS = ("KeyboardInterrupt", "SIGINT", "copyreg", "last_study", "pyplot")


def shared_by_threads(item: pytest.Function) -> set[str]:
    """Name what a test uses of which there is one for all threads: files that a fixture made, the log, and the like."""
    fixtures = item._fixtureinfo.name2fixturedefs  # of each name the definitions, the one in force last
    used = {name for name, found in fixtures.items() if "tmp_path" in found[-1].argnames or name == "caplog"}
    text = inspect.getsource(item.function)
    return used | {word for word in SHARED_WORDS if word in text}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say to pytest-run-parallel, where it is in use, which tests it can run in one thread only."""
    if not config.getoption("parallel_threads", default=None):
        return
    for item in items:
        used = shared_by_threads(item) if isinstance(item, pytest.Function) else set()
        if used:
            item.add_marker(
                pytest.mark.thread_unsafe(reason=f"there is one for all threads: {', '.join(sorted(used))}")
            )


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run in an empty folder: a Python started in the source tree would import that, not what was installed."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session", autouse=True)
def no_cache() -> None:
    """Train every encoder anew, and leave the cache of the user alone."""
    os.environ["CRLSO_CACHE"] = ""


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Let Ctrl-C interrupt: a shell starts background jobs with SIGINT ignored, and their children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Close the figures that a test leaves open, so that the next one begins with none."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; the tests that need it are skipped where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference data: expected a folder at {folder}")
    return folder


@pytest.fixture(scope="session")
def nasbench201_rows(shared: Path) -> list[dict[str, str]]:
    """Rows of the combined NAS-Bench-201 table as text, in official order."""
    with gzip.open(shared / "data" / "nasbench201" / "nb201.csv.gz", "rt", encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))
