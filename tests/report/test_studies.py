"""Reports on searches: every trial, the best cell, curves and maps, failures, several objectives, and hostile text."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import Measurement
from crlso.report import html_report
from tests.report.pages import HOSTILE, SPACE, read, section_of, study_of, table_of


def report_of(study, **options):
    return read(html_report(study, **options))


def titles(page):
    return [heading.text for heading in page.find("h2")]


def test_all_trials_are_in_the_table():
    study = study_of([80.0, "boom\nmore", 90.0, None, 85.0])
    page = report_of(study)
    assert page.find("h1")[0].text == "random on mine"
    header, *rows = table_of(section_of(page, "Trials"))
    assert [name.strip() for name in header] == ["trial", "state", "value", "cell", "error"]
    assert [row[:3] for row in rows] == [
        ["0", "complete", "80.000"],
        ["1", "failed", ""],
        ["2", "complete", "90.000"],
        ["3", "pending", ""],
        ["4", "complete", "85.000"],
    ]
    assert rows[1][4] == "boom\nmore" and rows[0][3] == str(study.trials[0].cell)
    assert [row.attributes.get("id") for row in section_of(page, "Trials").find("tr")[1:]] == [
        f"trial-{i}" for i in range(5)
    ]


def test_the_best_cell_is_drawn():
    study = study_of([80.0, 90.0, 85.0])
    part = section_of(report_of(study), "Best cell")
    assert "trial 1, validation 90.000" in part.text
    assert part.find("svg")[0].find("title")[0].text == str(study.best.cell)


def test_points_lead_to_rows():
    page = report_of(study_of([80.0, "boom", 90.0, 85.0]))
    rows = {row.attributes["id"] for row in section_of(page, "Trials").find("tr")[1:]}
    for name in ("Progress", "Latent map"):
        dots = section_of(page, name).find("circle", class_="dot") + section_of(page, name).find("text", class_="dot")
        assert {dot.attributes["data-target"] for dot in dots} == rows
        assert sorted(dot.find("title")[0].text.split(",")[0] for dot in dots) == [f"trial {i}" for i in range(4)]


def test_the_curve_of_a_study_by_hand():
    study = study_of([80.0, 70.0, 90.0, 60.0])
    part = section_of(report_of(study), "Progress")
    heights = {dot.find("title")[0].text[:7]: float(dot.attributes["cy"][:-1]) for dot in part.find("circle")}
    assert heights["trial 2"] < heights["trial 0"] < heights["trial 1"]
    assert "up to 90.000" in part.find("svg", role="img")[0].attributes["aria-label"]


def test_improvements_lie_on_the_curve():
    study = study_of([80.0, None, 85.0, "boom", 90.0])
    part = section_of(report_of(study), "Progress")
    last = study.n_queries * 1.02
    dots = {dot.attributes["data-target"]: float(dot.attributes["cx"][:-1]) for dot in part.find("circle")}
    for query, trial in study.history.improvements:
        assert dots[f"trial-{trial.number}"] == pytest.approx(100 * query / last, abs=0.01)


def test_trials_far_below_are_counted_instead_of_shown():
    part = section_of(report_of(study_of([10.0] + [90.0 + i / 10 for i in range(20)])), "Progress")
    assert "1 of 21 values are lower and not shown" in part.text
    assert not [dot for dot in part.find("circle") if dot.find("title")[0].text.startswith("trial 0,")]


def test_several_objectives_have_a_front():
    points = [(90.0, 4.0), (92.0, 6.0), (89.0, 5.0), (80.0, 9.0)]
    study = study_of([Measurement(value, {"ms": ms}) for value, ms in points], objectives=("value", "-ms"))
    page = report_of(study)
    assert titles(page)[:4] == ["Summary", "Cells of the front", "Progress", "Front"]
    assert len(section_of(page, "Cells of the front").find("svg")) == 2
    large = [dot for dot in section_of(page, "Front").find("circle") if dot.attributes["r"] == "5"]
    assert {dot.attributes["data-target"] for dot in large} == {"trial-0", "trial-1"}
    assert [row[3] for row in table_of(section_of(page, "Trials"))[1:]] == ["4.000", "6.000", "5.000", "9.000"]


@pytest.mark.parametrize("values", [[], [None], ["boom"], ["boom"] * 5, [5.0], [5.0, 5.0, 5.0], [1e300, -1e300, 0.0]])
def test_studies_with_little_to_show(values):
    page = report_of(study_of(values))
    assert titles(page)[0] == "Summary" and titles(page)[-2:] == ["Trials", "Environment"]
    assert "nan" not in "".join(str(e.attributes.get("cy", "")) for e in page.find("circle"))


def test_hostile_text_stays_text():
    values = [Measurement(1.0, {HOSTILE: 2.0}, user_attrs={HOSTILE: HOSTILE}), HOSTILE, 3.0, 4.0]
    study = study_of(values, benchmark=HOSTILE, dataset=HOSTILE, method=HOSTILE, objective=HOSTILE)
    study.options, study.environment, study.seconds = {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE}, {HOSTILE: 1.0}
    study.constraints = {HOSTILE: HOSTILE}
    html = html_report(study)
    html.encode("utf-8")
    page = read(html)
    assert len(page.find("script")) == 1 and not page.find("img")
    assert "<img" not in html and "\u202e" not in html
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd").replace("\ud800", "\ufffd")
    assert any(cell.text == shown for cell in section_of(page, "Trials").find("td"))


def test_displays_of_hostile_trials_and_studies_stay_text():
    study = study_of([Measurement(1.0, user_attrs={HOSTILE: HOSTILE}), HOSTILE], benchmark=HOSTILE)
    for thing in (study, *study.trials):
        html = thing._repr_html_()
        html.encode("utf-8")
        assert not read(html).find("script") and not read(html).find("img")


def test_a_search_in_a_shipped_space_is_mapped_by_its_encoder():
    study = crlso.search(NASBench201("cifar10"), "random", 8, progress=False)
    part = section_of(report_of(study), "Latent map")
    assert "latents of the encoder that comes with crlso" in part.text
    assert len(part.find("circle", class_="dot")) == 8 and len(part.find("circle", class_="back")) == 1000


def test_a_model_of_ones_own_maps_the_cells():
    class Model:
        def encode(self, cells):
            return np.asarray(cells, dtype=float)[:, :2]

    part = section_of(report_of(study_of([1.0, 2.0, 3.0, 4.0]), model=Model(), space=SPACE), "Latent map")
    assert "latents of Model" in part.text
    with pytest.raises(TypeError, match="model: expected a model with encode"):
        html_report(study_of([1.0, 2.0, 3.0]), model=3)
