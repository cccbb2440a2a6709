"""The frame of reports: nothing from elsewhere, one script, text that stays text, tables that say how to be sorted."""

from __future__ import annotations

import base64
import hashlib
import re

from crlso.report.page import page, section, sortable
from tests.report.pages import HOSTILE, read, table_of


def test_the_only_script_is_the_one_that_the_policy_allows():
    html = page("a", "b", [])
    (script,) = read(html).find("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = read(html).find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    assert policy.attributes["content"].startswith("default-src 'none';")
    assert "</script" not in script.text and "<!--" not in script.text


def test_text_stays_text():
    html = page(
        HOSTILE, HOSTILE, [section(HOSTILE, sortable(HOSTILE, [HOSTILE, "n"], [[HOSTILE, "1"]], [HOSTILE], [HOSTILE]))]
    )
    html.encode("utf-8")
    assert not re.search("[\x00\u202e\ud800]", html)
    tree = read(html)
    assert len(tree.find("script")) == 1 and not tree.find("img") and len(tree.find("table")) == 1
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd").replace("\ud800", "\ufffd")
    assert tree.find("h1")[0].text == tree.find("h2")[0].text == tree.find("td")[0].text == shown
    assert tree.find("tr")[1].attributes["id"] == shown
    assert not [name for e in tree.all() for name in e.attributes if name.startswith("on")]


def test_nothing_is_fetched():
    tree = read(page("a", "b", []))
    refers = [e.attributes[name] for e in tree.all() for name in ("src", "href", "xlink:href") if name in e.attributes]
    assert refers == ["data:,"]
    styles = "".join(e.text for e in tree.find("style"))
    assert "url(" not in styles and "@import" not in styles


def test_both_themes_a_phone_and_paper():
    tree = read(page("a", "b", []))
    styles = "".join(e.text for e in tree.find("style"))
    for rule in ("prefers-color-scheme:dark", "max-width:640px", "@media print"):
        assert rule in styles
    assert styles.count("{") == styles.count("}")
    assert tree.find("meta", name="viewport") and tree.find("html")[0].attributes["lang"] == "en"


def test_tables_say_which_columns_are_numbers():
    tree = read(sortable("trials", ["cell", "value"], [["a", "1.0"], ["b" * 40, ""]], ["cell"], ["r1", "r2"]))
    assert [head.attributes["class"] for head in tree.find("th")] == ["long", "num"]
    assert [head.find("button")[0].attributes["type"] for head in tree.find("th")] == ["button"] * 2
    assert [head.attributes["scope"] for head in tree.find("th")] == ["col"] * 2
    assert table_of(tree) == [["cell", "value"], ["a", "1.0"], ["b" * 40, ""]]
    region = tree.find("div", class_="tall")[0].attributes
    assert (region["role"], region["aria-label"], region["tabindex"]) == ("region", "trials", "0")


def test_empty_sections_are_left_out():
    assert section("a", "", "") == "" and section("a", "<p>b</p>").startswith("<section><h2>a</h2>")
