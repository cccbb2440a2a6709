"""The examples in docstrings do what they say: those of all modules of the package, the extension included."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from types import ModuleType

import pytest

import crlso
from tests import public_names

MODULES = ["crlso"]
MODULES += [m.name for m in pkgutil.walk_packages(crlso.__path__, "crlso.") if not m.name.endswith("__main__")]
MUST_HAVE = ["crlso.nn", "crlso.optim", "crlso.methods", "crlso.studies.study", "crlso.spaces.cell", "crlso.models.vae"]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples."""
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


def failures(test: doctest.DocTest) -> str:
    """What was expected and found where an example went wrong, as text."""
    lines: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=lines.append)
    return "".join(lines)


@pytest.fixture(autouse=True)
def _no_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, capfd):
    package = public_names.OPTIONAL.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'crlso[{package}]'")
    for test in examples(importlib.import_module(name)):
        assert failures(test) == ""


@pytest.mark.parametrize("name", MUST_HAVE)
def test_examples_are_found(name):
    assert examples(importlib.import_module(name))


def test_a_wrong_example_is_noticed():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "planted", "planted", 0)
    assert "Expected:\n    3\nGot:\n    2" in failures(wrong)
