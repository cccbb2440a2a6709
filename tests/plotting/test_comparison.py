"""Pictures of comparisons: curves by hand, intervals, the logarithmic axis, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.comparison import Comparison
from crlso.comparison.statistics import bootstrap_interval
from crlso.plotting import plot_comparison

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


def record(label, seed, trajectory, **more):
    found = {"benchmark": "b", "dataset": "d", "objective": "value", "label": label, "seed": seed, "budget": 5}
    steps = [dict(zip(("query", "value", "test"), step)) for step in trajectory]
    found |= {"state": "complete" if trajectory else "failed", "trajectory": steps, "optimum": 9.0}
    return found | more


A = [
    record("a", 0, [[1, 5.0, None], [4, 9.0, None]]),
    record("a", 1, [[2, 7.0, None]]),
    record("a", 2, [[1, 3.0, None], [3, 8.0, None]]),
]
B = [record("b", 0, [[1, 8.0, None]]), record("b", 1, [])]


def points(line):
    return list(zip(line.get_xdata().tolist(), line.get_ydata().tolist()))


def corners(ax):
    """Lower and upper ends by query of each interval, read from the polygon."""
    found = []
    for collection in ax.collections:
        vertices = collection.get_paths()[0].vertices
        ends = {}
        for x, y in vertices:
            ends.setdefault(round(x, 9), []).append(y)
        found.append(ends)
    return found


def test_means_by_hand():
    ax = Comparison(A + B, (5,)).plot()
    a, b = ax.lines
    # Seed 1 of a has its first value at query 2; the failed search of b is left out.
    assert points(a) == [(2, 5.0), (3, pytest.approx(20 / 3)), (4, 8.0), (5, 8.0)]
    assert points(b) == [(query, 8.0) for query in range(1, 6)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a (mean of 3)", "b"]
    assert a.get_color() != b.get_color() and a.get_drawstyle() == "steps-post"
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("b / d", "queries", "best value")
    assert ax.get_yscale() == "linear"


def test_intervals_are_those_of_the_table():
    (ends,) = corners(Comparison(A, (5,)).plot())
    for query, values in ((2, [5.0, 7.0, 3.0]), (5, [9.0, 7.0, 8.0])):
        low, high = bootstrap_interval(values)
        assert min(ends[query]) <= low <= high <= max(ends[query])
    assert max(ends[5]) == pytest.approx(bootstrap_interval([9.0, 7.0, 8.0])[1])
    assert min(ends[5]) == pytest.approx(bootstrap_interval([9.0, 7.0, 8.0])[0])
    assert corners(Comparison(B, (5,)).plot()) == []


@pytest.mark.parametrize(("regret", "optimum"), [(True, 9.0), (10, 10.0)])
def test_regret(regret, optimum):
    ax = plot_comparison(Comparison(A + B, (5,)), regret=regret)
    means = [5.0, 20 / 3, 8.0, 8.0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [optimum - mean for mean in means])
    assert ax.get_yscale() == "log" and 0 < ax.get_ylim()[0] < optimum - 8.0
    assert ax.get_ylabel() == "regret (value)"
    ax.figure.draw_without_rendering()


def test_regret_is_that_of_each_search():
    noisy = [record("a", seed, [[1, 5.0, None]], optimum=optimum) for seed, optimum in ((0, 6.0), (1, 8.0))]
    assert points(Comparison(noisy, (5,)).plot(regret=True).lines[0]) == [(query, 2.0) for query in range(1, 6)]


def test_nothing_but_optima_can_be_drawn():
    ax = Comparison([record("a", seed, [[1, 9.0 - 1e-12, None]]) for seed in range(3)], (5,)).plot(regret=True)
    assert points(ax.lines[0]) == [(query, 0.0) for query in range(1, 6)]
    ax.figure.draw_without_rendering()


def test_one_of_several_benchmarks():
    other = [record("a", 0, [[1, 1.0, None]], dataset="e")]
    comparison = Comparison(A + other, (5,))
    assert comparison.plot(dataset="e").get_title() == "b / e"
    assert comparison.plot(benchmark="b", dataset="d").get_title() == "b / d"
    for chosen in ({}, {"benchmark": "b"}, {"dataset": "f"}):
        with pytest.raises(ValueError, match="comparison: expected one benchmark, chosen by benchmark and dataset"):
            comparison.plot(**chosen)


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="comparison: expected complete searches, got none"):
        Comparison(B[1:], (5,)).plot()
    with pytest.raises(ValueError, match="regret: expected a finite number, got nan"):
        Comparison(A, (5,)).plot(regret=float("nan"))
    unknown = Comparison([record("a", 0, [[1, 1.0, None]], optimum=None)], (5,))
    with pytest.raises(ValueError, match="regret: expected the optimum as a number for benchmark 'b'"):
        unknown.plot(regret=True)
    assert pyplot.get_fignums() == []


def test_a_comparison_is_drawn_on_given_axes():
    result = crlso.compare(crlso.benchmarks.NASBench201("cifar10"), ["local", "random"], seeds=3, budget=12)
    _, ax = pyplot.subplots()
    assert result.plot(ax, regret=True) is ax
    last = [line.get_ydata()[-1] for line in ax.lines]
    assert last == pytest.approx([row["regret_mean"] for row in result.table()])
    assert ax.get_ylabel() == "regret (percentage points)" and ax.get_title() == "nasbench201 / cifar10"
