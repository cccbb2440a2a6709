"""What dir() of the public modules lists: what they define for users, and nothing that they import."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil

import pytest

import crlso
from tests import public_names

MODULES = [
    "crlso",
    "crlso.methods.bayesian",
    *(f"crlso.{found.name}" for found in pkgutil.iter_modules(crlso.__path__) if not found.name.startswith("_")),
]


@pytest.mark.parametrize("name", MODULES)
def test_dir_lists_the_public_names(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public), public


def test_all_public_modules_are_checked():
    assert {"crlso.nn", "crlso.optim", "crlso.models", "crlso.spaces", "crlso.random", "crlso.studies"} <= set(MODULES)


def test_public_names_and_their_parameters_are_those_recorded():
    missing = [name for name, package in public_names.OPTIONAL.items() if importlib.util.find_spec(package) is None]
    known = public_names.FILE.read_text(encoding="utf-8").splitlines()
    is_checked = [not line.startswith(tuple(f"{name}." for name in missing)) for line in known]
    expected = [line for line, checked in zip(known, is_checked) if checked]
    found = [line for line in public_names.lines() if not line.startswith(tuple(f"{name}." for name in missing))]
    gone, new = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert (gone, new) == ([], []), "after a change that is meant: python -m tests.public_names --record"
    assert found == expected and len(expected) > 700


def test_a_changed_parameter_is_seen():
    def function(cell, *, rng=0, table=()):
        """Take arguments."""

    assert public_names.parameters(function) == "(cell, *, rng=0, table=())"
    assert public_names.parameters(inspect.signature) != public_names.parameters(function)
    names = dict(public_names.members(crlso.spaces.NASBench201))
    assert {"cell", "codes", "levels", "name"} & set(names) == {"cell", "codes", "name"}
