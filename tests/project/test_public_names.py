"""What dir() of the public modules lists: what they define for users, and nothing that they import."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import crlso

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
