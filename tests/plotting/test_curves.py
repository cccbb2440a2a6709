"""Curves of studies and comparisons: points by hand, intervals, axes, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.comparison import Comparison, wilson_interval
from crlso.comparison.statistics import bootstrap_interval
from crlso.history import History, Measurement
from crlso.plotting import plot_comparison, plot_trajectory
from crlso.studies.run import search
from crlso.studies.study import Study

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")


def study_of(values, seed=0, **fields):
    history = History()
    for i, value in enumerate(values):
        trial = history.ask(i, [i], key=i)
        if value is None:
            history.fail(trial, "boom")
        else:
            history.tell(trial, Measurement(value))
    fields = {"benchmark": "nasbench201", "dataset": "cifar100", "method": "random", **fields}
    return Study(**fields, seed=seed, budget=len(values), history=history)


def points(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_one_study_is_a_step_line_to_the_last_query():
    ax = plot_trajectory(study_of([None, 60.0, 50.0, 70.0, 65.0]))
    (line,) = ax.lines
    assert points(line) == [(2, 60.0), (4, 70.0), (5, 70.0)]
    assert line.get_drawstyle() == "steps-post"
    assert "validation" in ax.get_ylabel()
    assert ax.get_xlabel() == "queries"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random"]
    assert points(plot_trajectory(study_of([60.0])).lines[0]) == [(1, 60.0)]


def test_studies_of_one_method_have_their_mean():
    rng = np.random.default_rng(0)
    values = rng.uniform(10, 70, size=(5, 30))
    ax = plot_trajectory([study_of(row.tolist(), seed=i) for i, row in enumerate(values)])
    assert len(ax.lines) == 6
    mean = ax.lines[-1]
    assert mean.get_xdata().tolist() == list(range(1, 31))
    np.testing.assert_allclose(mean.get_ydata(), np.maximum.accumulate(values, axis=1).mean(axis=0), rtol=1e-14)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random"]
    assert ax.get_legend().get_title().get_text() == "means of 5 searches"


def test_a_mean_is_drawn_where_all_studies_have_a_value():
    ax = plot_trajectory([study_of([None, None, 5.0, 6.0]), study_of([1.0, 2.0, 3.0, 4.0, 9.0])])
    assert points(ax.lines[-1]) == [(3, 4.0), (4, 5.0)]


def test_methods_have_their_colours():
    ax = plot_trajectory([study_of([1.0, 2.0]), study_of([1.0], method="other"), study_of([3.0], seed=1)])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["random (mean of 2)", "other"]
    colours = [line.get_color() for line in ax.lines]
    assert colours[0] == colours[1] == colours[2] != colours[3]


def test_regret():
    benchmark = NASBench201("cifar100")
    best = benchmark.evaluate(benchmark.optimum())
    study = study_of([60.0, best, 65.0], optimum=best)
    assert points(plot_trajectory(study, regret=True).lines[0]) == [(1, best - 60.0), (2, 0.0), (3, 0.0)]
    ax = plot_trajectory(study, regret=80)
    assert points(ax.lines[0]) == [(1, 20.0), (2, 80.0 - best), (3, 80.0 - best)]
    assert "regret" in ax.get_ylabel()
    assert ax.get_yscale() == "log" and 0 < ax.get_ylim()[0] < 80.0 - best


def test_regret_is_that_of_each_study():
    """Of values with noise, the optimum is another one for each seed."""
    studies = [study_of([5.0, 5.5], optimum=6.0), study_of([5.0, 8.0 - 1e-12], seed=1, optimum=8.0)]
    first, second, mean = plot_trajectory(studies, regret=True).lines
    assert points(first) == [(1, 1.0), (2, 0.5)]
    assert points(second) == [(1, 3.0), (2, 0.0)]
    assert points(mean) == [(1, 2.0), (2, 0.25)]


@pytest.mark.parametrize(
    ("studies", "regret", "message"),
    [
        ([], False, "studies: expected at least one, got none"),
        (study_of([None]), False, "studies: expected complete trials in each, got none in Study"),
        ([study_of([1.0]), study_of([1.0], dataset="cifar10")], False, "expected one benchmark and dataset"),
        (
            study_of([1.0], benchmark="mine"),
            True,
            "expected the optimum as a number for benchmark 'mine', which does not know it",
        ),
        (study_of([1.0]), float("nan"), "regret: expected a finite number, got nan"),
    ],
)
def test_what_cannot_be_drawn(studies, regret, message):
    with pytest.raises(ValueError, match=message):
        plot_trajectory(studies, regret=regret)
    assert pyplot.get_fignums() == []


def test_a_real_search_is_drawn_on_given_axes():
    study = search(NASBench201("cifar100"), method="random", budget=20)
    _, ax = pyplot.subplots()
    assert study.plot_trajectory(ax=ax, regret=True) is ax
    assert len(ax.lines[0].get_xdata()) >= len(study.trajectory)


def test_the_axis_says_what_values_are():
    studies = {
        "test (oracle)": ("best test (oracle) accuracy (%)", "regret (% points)"),
        "value": ("best value", "regret (value)"),
        "frames per second": ("best frames per second", "regret (frames per second)"),
        None: ("best validation accuracy (%)", "regret (% points)"),
    }
    for objective, labels in studies.items():
        study = study_of([90.0], benchmark="mine", dataset=None, objective=objective)
        assert plot_trajectory(study).get_ylabel() == labels[0]
        assert plot_trajectory(study, regret=95.0).get_ylabel() == labels[1]


def test_studies_of_different_objectives_are_not_drawn_together():
    with pytest.raises(ValueError, match=r"expected values of one objective, got \['test \(oracle\)', 'validation'\]"):
        plot_trajectory([study_of([1.0], objective=what) for what in ("validation", "test (oracle)")])


def test_a_search_by_an_oracle_is_drawn():
    study = search(crlso.benchmarks.NASBench101(), method="random", budget=5)
    assert study.plot_trajectory().get_ylabel() == "best test (oracle) accuracy (%)"


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
def test_regret_of_a_comparison(regret, optimum):
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


def test_comparisons_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="comparison: expected complete searches, got none"):
        Comparison(B[1:], (5,)).plot()
    with pytest.raises(ValueError, match="regret: expected a finite number, got nan"):
        Comparison(A, (5,)).plot(regret=float("nan"))
    unknown = Comparison([record("a", 0, [[1, 1.0, None]], optimum=None)], (5,))
    with pytest.raises(ValueError, match="expected the optimum as a number for benchmark 'b'"):
        unknown.plot(regret=True)
    assert pyplot.get_fignums() == []


def test_a_comparison_is_drawn_on_given_axes():
    result = crlso.compare(crlso.benchmarks.NASBench201("cifar10"), ["local", "random"], seeds=3, budget=12)
    _, ax = pyplot.subplots()
    assert result.plot(ax, regret=True) is ax
    last = [line.get_ydata()[-1] for line in ax.lines]
    assert last == pytest.approx([row["regret_mean"] for row in result.table()])
    assert ax.get_ylabel() == "regret (% points)" and ax.get_title() == "nasbench201 / cifar10"


# -- what a reader sees -----------------------------------------------------------------------------------------------

MANY = [
    record(label, seed, [[1, 10.0 * number + seed, None], [2 + number, 60.0, None], [8, 70.0 + number, None]])
    for number, label in enumerate(["cr-lso", "gp", "evolution:population=10", "local", "random"])
    for seed in range(3)
]


def pixels_of(artist):
    return artist.get_window_extent(artist.figure.canvas.get_renderer())


@pytest.mark.parametrize("regret", [False, 80.0])
@pytest.mark.parametrize(
    ("size", "layout"),
    [((3.3, 2.6), "constrained"), *(((w, 0.6 * w), layout) for w in (5.2, 7.0) for layout in ("constrained", None))],
)
def test_the_legend_covers_no_curve_and_no_label(regret, size, layout):
    figure, ax = pyplot.subplots(figsize=size, layout=layout)
    Comparison(MANY, (5,)).plot(ax, regret)
    figure.draw_without_rendering()
    legend, axis = pixels_of(ax.get_legend()), ax.xaxis.label
    assert not legend.overlaps(pixels_of(ax.patch)) and not legend.overlaps(pixels_of(axis))
    assert legend.y0 >= 0 and legend.x0 >= 0 and legend.x1 <= figure.bbox.x1
    assert pixels_of(ax.patch).height > 0.25 * figure.bbox.height


def test_a_legend_above_other_axes_is_inside_unless_the_figure_makes_room():
    for layout, is_inside in ((None, True), ("constrained", False)):
        figure, axes = pyplot.subplots(2, 1, layout=layout)
        Comparison(MANY, (5,)).plot(axes[0])
        figure.draw_without_rendering()
        legend = pixels_of(axes[0].get_legend())
        assert legend.overlaps(pixels_of(axes[0].patch)) == is_inside and not legend.overlaps(pixels_of(axes[1].patch))


def test_the_first_queries_do_not_span_the_values():
    """One random cell far below must not press the curves together at the top."""
    values = [10.0, *np.linspace(90.0, 91.0, 99).tolist()]
    for ax in (plot_trajectory(study_of(values)), Comparison(A_LATE, (100,)).plot()):
        low, high = ax.get_ylim()
        assert 89.5 < low < 90.5 and 91.0 < high < 91.2


A_LATE = [record("a", seed, [[1, 10.0, None], [5, 90.0, None], [90, 91.0, None]], budget=100) for seed in range(2)]


def test_curves_that_do_not_rise_are_shown():
    low, high = plot_trajectory(study_of([5.0, 4.0, 3.0])).get_ylim()
    assert low < 5.0 < high


def test_regret_has_one_scale_in_all_plots():
    study, comparison = study_of([5.0, 8.0], optimum=9.0), Comparison(A, (5,))
    assert {plot(regret=True).get_yscale() for plot in (study.plot_trajectory, comparison.plot)} == {"log"}
    zero = study_of([9.0, 8.0], optimum=9.0).plot_trajectory(regret=True)
    zero.figure.draw_without_rendering()
    assert points(zero.lines[0]) == [(1, 0.0), (2, 0.0)]


# -- share of searches at the optimum ---------------------------------------------------------------------------------


def test_shares_by_hand():
    ax = Comparison(A + B[:1], (5,)).plot_optimum()
    a, b = ax.lines
    # One of three searches of a is at the optimum, 9.0, at query 4; the search of b never is.
    assert points(a) == [(0, 0.0), (4, pytest.approx(100 / 3)), (5, pytest.approx(100 / 3))]
    assert points(b) == [(0, 0.0), (5, 0.0)] and a.get_drawstyle() == "steps-post"
    assert ax.get_ylabel() == "at the optimum (%)" and ax.get_xlim() == (0, 5)
    (ends, _) = corners(ax)
    low, high = (100 * end for end in wilson_interval(1, 3))
    assert min(ends[5]) == pytest.approx(low) and max(ends[5]) == pytest.approx(high)


def test_shares_need_an_optimum():
    unknown = Comparison([record("a", 0, [[1, 1.0, None]], optimum=None)], (5,))
    with pytest.raises(ValueError, match="which does not know it"):
        unknown.plot_optimum()
    assert pyplot.get_fignums() == []
