"""Reports and displays in a browser: no errors, nothing fetched, no overflow, sorting, hovering, themes.

Needs Chromium and playwright (``apt install chromium && pip install playwright``), and is skipped without them.
"""

from __future__ import annotations

import itertools
import shutil

import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import Measurement
from crlso.report import html_report
from tests.comparison.test_result import RECORDS
from tests.report.pages import HOSTILE, study_of
from tests.report.test_comparisons import full

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    hostile = [Measurement(float(i), {"ms": 1.0}, user_attrs={HOSTILE: HOSTILE}) for i in range(9)]
    study = crlso.search(NASBench201("cifar10"), "random", 30, objectives=["value", "-latency:pixel3"], progress=False)
    found = {
        "study": html_report(study),
        "hostile": html_report(study_of([*hostile, HOSTILE], benchmark=HOSTILE, method=HOSTILE)),
        "comparison": html_report(crlso.Comparison(full(RECORDS), (1, 4, 10))),
        "display": f"<!DOCTYPE html><meta charset='utf-8'><link rel='icon' href='data:,'>{study._repr_html_()}",
    }
    for name, html in found.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser, path, width=1100, scheme="light"):
    """A page, and the list to which its errors and requests for anything else are added."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    own = (path.as_uri(), "data:,")
    page.on("request", lambda request: None if request.url in own else troubles.append(request.url))
    page.goto(path.as_uri())
    return page, troubles


@pytest.mark.parametrize("name", ["study", "hostile", "comparison", "display"])
def test_no_errors_at_two_widths_in_both_themes(browser, pages, name):
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        page, troubles = opened(browser, pages / f"{name}.html", width, scheme)
        assert troubles == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width or name == "display"
        ground = page.evaluate("getComputedStyle(document.querySelector('.crlso')).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 29, 33)"}[scheme]
        if name == "hostile":
            assert page.evaluate("document.scripts.length") == 1 and page.evaluate("document.images.length") == 0
        page.close()


def test_a_click_on_a_heading_sorts(browser, pages):
    page, troubles = opened(browser, pages / "study.html")
    button = "table.sortable th:nth-child(3) button"
    column = "[...document.querySelectorAll('table.sortable tbody tr')].map(row => Number(row.cells[2].textContent))"
    for direction in ("ascending", "descending"):
        page.click(button)
        found = page.evaluate(column)
        assert found == sorted(found, reverse=direction == "descending") and len(found) == 30
        assert page.get_attribute("table.sortable th:nth-child(3)", "aria-sort") == direction
    page.click("table.sortable th:nth-child(5) button")  # test accuracies, of which most are unknown
    tests = page.evaluate(column.replace("Number(row.cells[2].textContent)", "row.cells[4].textContent"))
    known = [float(text) for text in tests if text]
    assert known == sorted(known) and all(tests[: len(known)]) and not any(tests[len(known) :])
    assert troubles == []


def test_the_pointer_shows_a_trial_and_a_click_its_row(browser, pages):
    page, troubles = opened(browser, pages / "study.html")
    dot = page.locator("section:has(h2:text-is('Latent map')) circle.dot").first
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    assert page.is_visible("#tip") and page.inner_text("#tip").startswith("trial ")
    number = page.inner_text("#tip").split(",")[0].split()[1]
    page.mouse.click(*middle)
    assert page.evaluate("document.querySelector('tr.chosen').id") == f"trial-{number}"
    page.mouse.move(5, 5)
    assert not page.is_visible("#tip") and troubles == []


@pytest.mark.parametrize(("attribute", "scheme"), [("light", "dark"), ("dark", "light")])
def test_displays_believe_the_page_and_not_the_system(browser, pages, attribute, scheme):
    page, _ = opened(browser, pages / "display.html", 900, scheme)
    for name, value in (("data-theme", attribute), ("data-jp-theme-light", str(attribute == "light").lower())):
        page.evaluate("([name, value]) => document.body.setAttribute(name, value)", [name, value])
        ground = page.evaluate("getComputedStyle(document.querySelector('.crlso')).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 29, 33)"}[attribute]
        page.evaluate("name => document.body.removeAttribute(name)", name)
