"""What notebooks show: one style for all, text that stays text, both themes, and no script."""

from __future__ import annotations

import re

import numpy as np
import pytest

import crlso
from crlso._base.displays import columns, display, drawing, facts, safe, style
from crlso.benchmarks import Function, NASBench201
from crlso.history import Measurement, Trial, Trials
from crlso.models import GraphVAE, ICNNSurrogate, LatentGP, Predictor
from crlso.spaces import CellSpace
from tests.report.pages import HOSTILE, read, table_of

SPACE = CellSpace(4, ["conv_3x3", "pool"])
CODES = SPACE.all_codes()


@pytest.fixture(scope="module")
def shown():
    """An object of each kind that has a display."""
    bench = NASBench201("cifar10")
    study = crlso.search(bench, "random", 6, objectives=["value", "-latency:pixel3"], progress=False)
    values = np.arange(len(CODES), dtype=float)
    return {
        "cell": study.best.cell,
        "trial": study.trials[0],
        "trials": study.trials,
        "study": study,
        "front": study.front,
        "comparison": crlso.compare(bench, ["random"], 2, 5, progress=False),
        "benchmark": bench,
        "function": Function(SPACE, len, name=HOSTILE),
        "predictor": Predictor(SPACE, width=4, layers=2, epochs=2).fit(CODES, values),
        "surrogate": ICNNSurrogate(width=4),
        "process": LatentGP(SPACE),
        "vae": GraphVAE(SPACE, width=4),
    }


KINDS = ("cell", "trial", "trials", "study", "front", "comparison", "benchmark", "function", "predictor", "surrogate")


@pytest.mark.parametrize("kind", [*KINDS, "process", "vae"])
def test_displays_have_one_style(shown, kind):
    html = shown[kind]._repr_html_()
    page = read(html)
    (outer,) = page.children
    assert outer.tag == "div" and outer.attributes["class"] == "crlso"
    assert [element.text for element in page.find("style")] == [style()[7:-8]]
    assert not page.find("script") and not page.find("img") and "style=" not in html
    html.encode("utf-8")
    for table in page.find("table"):  # wide ones scroll
        assert any(table in div.children for div in page.find("div", class_="wide"))


def test_models_and_benchmarks_by_hand(shown):
    assert table_of(read(shown["benchmark"]._repr_html_()))[:2] == [
        ["benchmark", "nasbench201 / cifar10"],
        ["space", repr(shown["benchmark"].space)],
    ]
    assert ["highest value", "unknown"] in table_of(read(shown["function"]._repr_html_()))
    state, *params = table_of(read(shown["predictor"]._repr_html_()))
    assert state[1].startswith("fitted, 2 epochs, loss ")
    assert dict(params) == {k: repr(v) for k, v in shown["predictor"].get_params(deep=False).items()}
    assert table_of(read(shown["vae"]._repr_html_()))[0] == ["state", "not fitted"]


def test_the_front_is_a_table_and_its_cells_are_drawn(shown):
    header, *rows = table_of(read(shown["front"]._repr_html_()))
    assert header == ["trial", "state", "value", "latency:pixel3", "test", "cell"]
    assert [int(row[0]) for row in rows] == [trial.number for trial in shown["front"]]
    assert len(read(shown["study"]._repr_html_()).find("svg")) == len(shown["front"])


def test_long_lists_of_trials_are_cut_in_the_middle():
    trials = Trials(Trial(i, f"cell {i}", Measurement(1.0, {"ms": 2.0})) for i in range(100))
    page = read(trials._repr_html_())
    numbers = [int(row[0]) for row in table_of(page)[1:]]
    assert numbers == [*range(30), *range(70, 100)]
    assert page.find("div", class_="note")[0].text == "100 trials, 40 of them not shown"
    assert type(trials[3:5]) is Trials and trials[-1].number == 99 and Trials()._repr_html_()


def test_text_stays_text():
    for html in (display(facts([(HOSTILE, HOSTILE)])), display(columns([HOSTILE, "b"], [[HOSTILE, HOSTILE]]))):
        page = read(html)
        assert not page.find("script") and not page.find("img")
    assert safe("\u202eabc\x07") == "\ufffdabc\ufffd" and safe("ä\n\t✓") == "ä\n\t✓"
    assert drawing("no cell") == ""


def test_a_page_that_says_its_theme_is_believed():
    """The preference of the system counts on pages alone that say nothing."""
    text = style()
    said = re.search(r"@media screen\{([^{]*)\{", text).group(1)
    for selector in ("[data-theme=dark]", "[data-jp-theme-light=false]", ".vscode-dark", "[theme=dark]"):
        assert f"{selector} .crlso" in said
    wanted = text.partition("prefers-color-scheme:dark")[2]
    for selector in ("[data-theme=light]", "[data-jp-theme-light=true]", ".vscode-light", "[theme=light]"):
        assert selector in wanted.partition(" .crlso")[0]
