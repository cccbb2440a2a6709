"""Pictures of searches: what is drawn where, and what cannot be drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.history import History, Measurement
from crlso.plotting import plot_trajectory
from crlso.studies.run import search
from crlso.studies.study import Study

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


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
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["random (mean of 5)"]


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
    assert ax.get_ylim()[0] == 0


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


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from crlso.plotting import plot_cell, plot_comparison, plot_trajectory\n"
        "for plot in (plot_cell, plot_comparison, plot_trajectory):\n"
        "    try: plot(None)\n"
        "    except ImportError as error: print(error)\n"
    )
    package = str(Path(crlso.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [
        "plot_cell needs matplotlib: pip install 'crlso[plot]'",
        "plot_comparison needs matplotlib: pip install 'crlso[plot]'",
        "plot_trajectory needs matplotlib: pip install 'crlso[plot]'",
    ]


def test_importing_does_not_import_matplotlib():
    code = "import sys, crlso.plotting; print('matplotlib' in sys.modules)"
    package = str(Path(crlso.__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_axis_says_what_values_are():
    studies = {
        "test (oracle)": ("best test (oracle) accuracy (%)", "regret (percentage points)"),
        "value": ("best value", "regret (value)"),
        "frames per second": ("best frames per second", "regret (frames per second)"),
        None: ("best validation accuracy (%)", "regret (percentage points)"),
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
