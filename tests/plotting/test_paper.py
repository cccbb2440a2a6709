"""Every plot in the column of a paper: nothing is cut off or covered, and what should be drawn is seen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import crlso
from crlso import plotting
from crlso._base.colours import SERIES
from crlso.benchmarks import NASBench201
from crlso.models import ICNNSurrogate

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")
COLUMN = (3.3, 2.6)  # inches


@pytest.fixture(scope="module")
def plots():
    """Each plot as a function of the axes, with a colour that must be seen in it."""
    bench = NASBench201("cifar10")
    both = ["value", "-latency:pixel3"]
    study = crlso.search(bench, "random", 30, objectives=both, progress=False)
    comparison = crlso.compare(bench, ["local", "random", "evolution"], 3, 30, progress=False)
    z = np.random.default_rng(0).normal(size=(80, 2))
    model = ICNNSurrogate(width=8, epochs=5).fit(z, (z**2).sum(axis=1))
    return {
        "plot_cell": (lambda ax: plotting.plot_cell(study.best.cell, ax), None),
        "plot_trajectory": (lambda ax: plotting.plot_trajectory(study, ax), SERIES[0]),
        "plot_comparison": (lambda ax: plotting.plot_comparison(comparison, ax, True), SERIES[1]),
        "plot_optimum": (lambda ax: plotting.plot_optimum(comparison, ax), SERIES[2]),
        "plot_front": (lambda ax: plotting.plot_front(study, ax, bench), SERIES[0]),
        "plot_latent_map": (lambda ax: plotting.plot_latent_map(study, ax), SERIES[1]),
        "plot_segment": (lambda ax: plotting.plot_segment(model, z[0], z[1], ax), SERIES[0]),
        "plot_ranks": (lambda ax: plotting.plot_ranks(-model.predict(z), -(z**2).sum(axis=1), ax), None),
        "plot_training": (lambda ax: plotting.plot_training(model, ax), SERIES[0]),
    }


@pytest.mark.parametrize("name", [name for name in plotting.__all__ if name.startswith("plot_")])
def test_a_plot_in_a_column(plots, name):
    plot, colour = plots[name]
    figure, ax = pyplot.subplots(figsize=COLUMN, layout="constrained")
    assert plot(ax) is ax
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    labels = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
    ends = (*ax.get_xlim(), *ax.get_ylim())
    shown = [label for label in labels if label.get_text() and label.get_visible() and ax.axison]
    shown = [label for label in shown if _is_within(label, ax, ends)]
    boxes = [label.get_window_extent(renderer) for label in shown]
    legend = ax.get_legend()
    if legend is not None:
        boxes.append(legend.get_window_extent(renderer))
        assert not boxes[-1].overlaps(ax.patch.get_window_extent(renderer))
    for box in boxes:
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1
    for first, second in itertools.combinations(boxes, 2):
        assert not first.padded(-1).overlaps(second.padded(-1))
    if colour is not None:
        pixels = np.asarray(figure.canvas.buffer_rgba())[:, :, :3].astype(int)
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert (np.abs(pixels - wanted).sum(axis=2) < 12).sum() > 15
    pyplot.close(figure)


def _is_within(label, ax, ends):
    """Whether a label is none of a tick outside the axes, which is not drawn."""
    x, y = label.get_position()
    if label in ax.get_xticklabels():
        return min(ends[:2]) <= x <= max(ends[:2])
    return label not in ax.get_yticklabels() or min(ends[2:]) <= y <= max(ends[2:])
