"""Plots of fronts: what is drawn, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import Measurement
from crlso.objectives import Bounds
from crlso.plotting import plot_front
from crlso.studies import Study, known_front

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def study_of(points, objectives=("value", "-ms")):
    study = Study("mine", None, "random", seed=0, budget=len(points), objectives=objectives)
    for i, (value, ms) in enumerate(points):
        study.history.tell(study.history.ask(f"cell {i}", [i], i), Measurement(value, {"ms": ms}))
    return study


def drawn(ax, label):
    line = next(line for line in ax.lines if line.get_label() == label)
    return sorted(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_trials_front_and_staircase():
    ax = study_of([(90.0, 4.0), (92.0, 6.0), (89.0, 5.0), (80.0, 9.0)]).plot_front()
    assert drawn(ax, "front") == [(4.0, 90.0), (6.0, 92.0)]
    assert len(drawn(ax, "trials")) == 4
    stairs = next(line for line in ax.lines if str(line.get_label()).startswith("_"))
    corners = list(zip(stairs.get_xdata(), stairs.get_ydata(), strict=True))
    assert corners == [(9.0, 92.0), (6.0, 92.0), (6.0, 90.0), (4.0, 90.0), (4.0, 80.0)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ms", "value")
    assert len(ax.collections) == 1  # the region


def test_the_known_front_is_dotted():
    bench = NASBench201("cifar10")
    both = ["value", "-latency:pixel3"]
    study = crlso.search(bench, "random", 10, objectives=both, progress=False)
    points = known_front(bench, both)
    axes = [plot_front(study, known=known) for known in (bench, points)]
    first, second = (drawn(ax, "known front") for ax in axes)
    assert first == second
    assert {(ms, value) for value, ms in points.tolist()} <= set(first)
    assert [ax.get_xlabel() for ax in axes] == ["latency:pixel3 (ms)", "latency:pixel3"]
    assert axes[0].get_ylabel() == "validation accuracy (%)"


def test_trials_far_away_do_not_press_the_front_together():
    ax = study_of([(90.0 + i / 10, 4.0 + i) for i in range(11)] + [(10.0, 900.0)]).plot_front()
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert 3.0 < left < 4.0 and 14.0 < right < 20.0 and 89.0 < low < 90.0 and 91.0 < high < 92.0


def test_trials_beyond_a_bound_are_told_apart():
    study = Study("mine", None, "random", seed=0, budget=3, objectives=("value", "-ms"))
    study.history.bounds = {"memory": Bounds(most=2.0)}
    for i, (value, ms, memory) in enumerate([(90.0, 4.0, 1.0), (95.0, 1.0, 3.0), (80.0, 9.0, 2.0)]):
        study.history.tell(study.history.ask(f"cell {i}", [i], i), Measurement(value, {"ms": ms, "memory": memory}))
    ax = study.plot_front()
    assert drawn(ax, "beyond a bound") == [(1.0, 95.0)] and drawn(ax, "front") == [(4.0, 90.0)]
    assert drawn(ax, "trials") == [(4.0, 90.0), (9.0, 80.0)]


def test_axes_that_are_given():
    ax = pyplot.subplots()[1]
    assert study_of([(1.0, 2.0)]).plot_front(ax=ax) is ax


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="study: expected two objectives, got value"):
        plot_front(study_of([(1.0, 2.0)], ["value"]))
    with pytest.raises(ValueError, match="study: expected a feasible trial, got none"):
        plot_front(study_of([]))
    with pytest.raises(ValueError, match=r"known: expected finite points of shape \(n, 2\), got shape \(3,\)"):
        plot_front(study_of([(1.0, 2.0)]), known=np.zeros(3))
    with pytest.raises(TypeError, match="study: expected a Study, got int"):
        plot_front(3)
