"""Docstrings of everything public under the validator of numpydoc, and examples of what users call.

``CHECKS`` are the checks that hold everywhere. Left out are those of style: a longer text below the summary (ES01), a
section "See Also" (SA01), capital letters and full stops of descriptions (PR08, PR09, RT04, RT05), and where closing
quotes stand (GL02). Which objects need an example (EX01), ``test_what_users_call_has_an_example`` says.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from typing import Any

import pytest

from tests import public_names

CHECKS = """GL03 GL05 GL06 GL07 GL08 GL10 SS01 SS03 SS04 SS05 PR01 PR02 PR03 PR04 PR05 PR06 PR07 PR10
            RT01 RT02 RT03 YD01""".split()
# What a reader of the reference calls has an example of its own. These are composed or read, and have one where it
# helps: parts of search methods, heads of models and events of journals.
WITHOUT_EXAMPLES = ("crlso.methods.bayesian", "crlso.journal", "crlso.models.AuxiliaryHeads", "crlso.nn.OneHot")
WITHOUT_EXAMPLES += (
    "crlso.models.SideInformation",
    "crlso.models.KnownRows",
    "crlso.integrations.optuna.CRLSOSampler.",
)
NO_EXAMPLE = set(
    """crlso.EvaluationError crlso.LatentReport crlso.LatentReport.to_dict crlso.diagnostics.LatentReport
       crlso.diagnostics.LatentReport.to_dict crlso.diagnostics.StepReport crlso.integrations.torch.CellModule.forward
       crlso.models.GraphVAE.loss crlso.models.kept_vae crlso.models.shaped_vae crlso.models.shipped_latents
       crlso.models.shipped_vaes crlso.nn.GraphLayer.on_table crlso.nn.GraphLayer.pass_messages
       crlso.nn.GraphLayer.types crlso.studies.EvaluationError""".split()
)

pytest.importorskip("numpydoc", reason="numpydoc is not installed: pip install 'crlso[test]'")
from numpydoc.validate import validate  # noqa: E402


def is_of_core(value: Any) -> bool:
    """Whether something is written in C, whose documentation is one line with a signature."""
    owner = getattr(value, "__module__", None) or getattr(getattr(value, "__objclass__", None), "__module__", "")
    return inspect.isbuiltin(value) or inspect.ismethoddescriptor(value) or owner == "crlso._core"


def is_python(value: Any) -> bool:
    inner = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    return (
        isinstance(inner, property) or inspect.isfunction(inner) or (inspect.isclass(inner) and not is_of_core(inner))
    )


@functools.cache
def documented() -> dict[str, Any]:
    """Everything public that is written in Python, by its full name, each object once."""
    missing = [name for name, package in public_names.OPTIONAL.items() if importlib.util.find_spec(package) is None]
    found: dict[int, tuple[str, Any]] = {}
    for module in public_names.modules():
        if module not in missing:
            for name, value in public_names.public_objects(module):
                inner = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
                if is_python(value) and str(getattr(inner, "__module__", "crlso")).startswith("crlso"):
                    found.setdefault(id(inner), (name, value))
    return dict(found.values())


def attributes(text: str) -> set[str]:
    """The names in the section of attributes, by which classes of results document their fields."""
    _, _, section = text.partition("Attributes\n----------\n")
    lines = section.split("\n\n")[0].splitlines()
    return {name.strip() for line in lines if not line.startswith(" ") for name in line.partition(" : ")[0].split(",")}


def problems(name: str, value: Any) -> list[str]:
    """What is wrong with a docstring."""
    found = []
    for code, message in validate(name)["errors"]:
        if code not in CHECKS:
            continue
        if code == "PR01" and inspect.isclass(value):
            fields = {name for name in inspect.signature(value).parameters if not name.startswith("_")}
            if getattr(value, "_is_protocol", False) or fields <= attributes(inspect.getdoc(value) or ""):
                continue
            if issubclass(value, Exception):
                continue
        found.append(f"{name}: {code} {message}")
    return found


@pytest.mark.slow
def test_docstrings_pass_the_checks():
    found = [problem for name, value in documented().items() for problem in problems(name, value)]
    assert found == []
    assert len(documented()) > 450


def needs_example(name: str, value: Any) -> bool:
    return not isinstance(value, property) and name not in NO_EXAMPLE and not name.startswith(WITHOUT_EXAMPLES)


def test_what_users_call_has_an_example():
    chosen = {name: value for name, value in documented().items() if needs_example(name, value)}
    without = [name for name, value in chosen.items() if ">>> " not in (inspect.getdoc(value) or "")]
    assert without == [] and len(chosen) > 220
    known = [name for name in NO_EXAMPLE if name in documented()]
    assert [name for name in known if ">>> " in (inspect.getdoc(documented()[name]) or "")] == []


def test_what_is_planted_is_found(monkeypatch):
    def function(cell, size, other):
        """Return a cell.

        Parameters
        ----------
        cell : Cell
        size
            Number of edges.
        """
        return cell

    import crlso.spaces

    monkeypatch.setattr(crlso.spaces, "planted", function, raising=False)
    assert problems("crlso.spaces.planted", function) == [
        "crlso.spaces.planted: PR01 Parameters {'other'} not documented",
        'crlso.spaces.planted: PR07 Parameter "cell" has no description',
        'crlso.spaces.planted: PR04 Parameter "size" has no type',
        "crlso.spaces.planted: RT01 No Returns section found",
    ]
