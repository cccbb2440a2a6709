"""Plots of latent spaces: points and path of a search, surrogates and their chords, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.diagnostics import latent_map
from crlso.models import ICNNSurrogate
from crlso.plotting import plot_latent_map, plot_segment
from crlso.spaces import CellSpace
from crlso.studies import Study

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


class Square:
    def predict(self, z):
        return (np.asarray(z, dtype=float) ** 2).sum(axis=1)


def lines_of(ax):
    return {str(line.get_label()): line.get_xydata() for line in ax.lines}


def test_points_and_path_are_those_of_the_map():
    study = crlso.search(NASBench201("cifar10"), "random", 15, progress=False)
    ax, found = plot_latent_map(study, background=30), latent_map(study, background=30)
    (dots,) = ax.collections
    np.testing.assert_array_equal(dots.get_offsets(), found.points)
    np.testing.assert_array_equal(dots.get_array(), [trial.value for trial in study.trials])
    path = [trial.number for _, trial in study.history.improvements]
    np.testing.assert_array_equal(lines_of(ax)["improvements"], found.points[path])
    np.testing.assert_array_equal(lines_of(ax)["best"], found.points[path[-1:]])
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), found.background)
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["validation accuracy (%)"]


def test_failed_trials_are_crosses():
    def train(cell):
        if cell.codes[0] == 0:
            raise ValueError("boom")
        return float(sum(cell.codes))

    bench = Function(CellSpace(4, ["conv", "pool", "skip"]), train, name="x")
    study = crlso.search(bench, "random", 20, progress=False)
    failed = [trial.number for trial in study.trials if trial.state == "failed"]
    ax = plot_latent_map(study)
    np.testing.assert_array_equal(lines_of(ax)["failed"], latent_map(study).points[failed])
    assert 0 < len(failed) < 20


def test_a_segment_by_hand():
    ax = plot_segment({"a": Square(), "b": Square()}, [0.0, 0.0], [2.0, 0.0], points=5)
    np.testing.assert_allclose(lines_of(ax)["a"], [[0, 0], [0.25, 0.25], [0.5, 1], [0.75, 2.25], [1, 4]])
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0, 0], [1, 4]])
    assert ax.lines[1].get_linestyle() == ":" and ax.lines[0].get_color() == ax.lines[1].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_a_convex_surrogate_is_below_its_chord():
    z = np.random.default_rng(0).normal(size=(200, 3))
    model = ICNNSurrogate(width=16, epochs=30).fit(z, np.sin(3 * z).sum(axis=1))
    curve = lines_of(plot_segment(model, z[0], z[1]))["ICNNSurrogate"]
    chord = curve[0, 1] + curve[:, 0] * (curve[-1, 1] - curve[0, 1])
    assert (curve[:, 1] <= chord + 1e-5).all()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((Square(), [0.0], [0.0, 1.0]), ValueError, r"end: expected shape \(1,\), as start, got \(2,\)"),
        ((Square(), [np.nan], [0.0]), ValueError, r"start: expected finite numbers of shape \(d,\)"),
        ((Square(), 3.0, [0.0]), ValueError, r"start: expected finite numbers of shape \(d,\), got shape \(\)"),
        ((3, [0.0], [1.0]), TypeError, r"surrogates\['int'\]: expected a model with predict"),
        (({}, [0.0], [1.0]), ValueError, "surrogates: expected at least one, got none"),
    ],
)
def test_segments_that_cannot_be_drawn(arguments, kind, message):
    with pytest.raises(kind, match=message):
        plot_segment(*arguments)
    with pytest.raises(ValueError, match="points: expected"):
        plot_segment(Square(), [0.0], [1.0], points=1)
    assert pyplot.get_fignums() == []


def test_searches_that_cannot_be_mapped():
    with pytest.raises(ValueError, match="study: expected trials, got none"):
        plot_latent_map(Study("b", None, "random", 0, 3))
    with pytest.raises(TypeError, match="study: expected a Study, got int"):
        plot_latent_map(3)
