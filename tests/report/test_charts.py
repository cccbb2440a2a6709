"""Charts: where marks are, round ticks, and colours."""

from __future__ import annotations

import re

import numpy as np
import pytest

from crlso.report.charts import RAMP, Axis, Band, Dot, Line, chart, key, ramp
from tests.report.pages import read

X, Y = Axis("queries", 0.0, 10.0), Axis("value", 0.0, 4.0)


def drawn(*marks, x=X, y=Y, **options):
    return read(chart("title", "about", x, y, marks, **options))


def path_of(element):
    return np.array(re.findall(r"-?[0-9.]+", element.attributes["d"]), float).reshape(-1, 2).tolist()


def test_a_step_line_by_hand():
    (path,) = drawn(Line([0, 5, 10], [1.0, 3.0, 3.0], "#0072b2", is_step=True)).find("path")
    assert path_of(path) == [[0, 750], [500, 750], [500, 250], [1000, 250], [1000, 250]]
    assert path.attributes["vector-effect"] == "non-scaling-stroke"


def test_a_band_by_hand():
    (path,) = drawn(Band([0, 10], [1.0, 2.0], [3.0, 4.0], "#0072b2")).find("path")
    assert path_of(path) == [[0, 250], [1000, 250], [1000, 0], [1000, 500], [1000, 750], [0, 750]]


def test_points_have_their_text_and_those_outside_are_left_out():
    page = drawn(
        Dot(5, 1, "#0072b2", "a <b>", "trial-3"), Dot(11, 1, "#0072b2"), Dot(0, 4, "#d55e00", "x", is_cross=True)
    )
    (circle,) = page.find("circle")
    assert (circle.attributes["cx"], circle.attributes["cy"]) == ("50.00%", "75.00%")
    assert circle.find("title")[0].text == "a <b>" and circle.attributes["data-target"] == "trial-3"
    (cross,) = page.find("text", class_="dot")
    assert (cross.attributes["x"], cross.attributes["y"], cross.text) == ("0.00%", "0.00%", "×x")


def test_the_chart_says_what_it_shows():
    page = drawn(Line([0, 1], [1.0, 2.0], "#0072b2"))
    assert page.find("svg", role="img")[0].attributes["aria-label"] == "about"
    assert page.find("figcaption")[0].text == "title"
    texts = [text.text for text in page.find("text")]
    assert {"queries", "value", "0", "10", "4"} <= set(texts)
    assert [text.text for text in drawn(has_ticks=False).find("text")] == ["queries", "value"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 100.0, [0, 20, 40, 60, 80, 100]),
        (90.93, 91.66, [91.0, 91.2, 91.4, 91.6]),
        (-3.0, 103.0, [0, 20, 40, 60, 80, 100]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert Axis("", low, high).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 7.0, 1e6, 1e12])
@pytest.mark.parametrize("offset", [0.0, 1.0, -300.0])
def test_there_are_a_few_ticks_within_the_ends(scale, offset):
    axis = Axis.over("", [offset, offset + scale])
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7 and all(-1e-6 <= share <= 1 + 1e-6 for share in axis.share(ticks))


def test_an_axis_over_nothing_or_one_number():
    assert Axis.over("", []).low < Axis.over("", []).high
    for number in (0.0, 5.0, -5.0):
        axis = Axis.over("", [number, number])
        assert axis.low < number < axis.high and len(axis.ticks()) >= 2


def test_a_logarithmic_axis():
    axis = Axis("", 0.01, 100.0, is_log=True)
    assert axis.ticks() == pytest.approx([0.01, 0.1, 1, 10, 100])
    np.testing.assert_allclose(axis.share([0.01, 1.0, 100.0]), [0.0, 0.5, 1.0])
    assert axis.share([0.0])[0] < -0.5  # leaves the plot
    assert Axis("", 2.0, 3.0, is_log=True).ticks() == [2.0, 3.0]


def test_colours_of_values():
    assert [ramp(share) for share in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [RAMP[0], RAMP[0], RAMP[1], RAMP[2], RAMP[2]]
    assert key([("#0072b2", "<a>")]).count("&lt;a&gt;") == 1
