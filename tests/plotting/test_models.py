"""Plots of models: ranks by hand and against SciPy's definition, losses, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.models import ICNNSurrogate
from crlso.models.base import kendall_tau
from crlso.plotting import plot_ranks, plot_training

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def points_of(ax):
    return ax.collections[0].get_offsets().tolist()


def test_ranks_by_hand():
    ax = plot_ranks([0.3, 0.1, 0.2], [90.0, 80.0, 95.0])
    assert points_of(ax) == [[2.0, 1.0], [3.0, 3.0], [1.0, 2.0]]
    assert ax.get_title() == f"Kendall's tau = {kendall_tau([0.3, 0.1, 0.2], [90.0, 80.0, 95.0]):.3f} (3 cells)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("true rank", "predicted rank")


def test_equal_numbers_have_the_mean_of_their_ranks():
    values = np.random.default_rng(0).integers(0, 6, size=40).astype(float)
    found = np.array(points_of(plot_ranks(values, np.arange(40.0))))[:, 1]
    expected = [(values > value).sum() + ((values == value).sum() + 1) / 2 for value in values]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("predicted", "true"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, np.nan], [1.0, 2.0]), ([], []), ("ab", [1, 2])]
)
def test_ranks_that_cannot_be_drawn(predicted, true):
    with pytest.raises((ValueError, TypeError), match="expected"):
        plot_ranks(predicted, true)
    assert pyplot.get_fignums() == []


def test_losses_are_drawn_by_epoch():
    z = np.random.default_rng(0).normal(size=(50, 2))
    model = ICNNSurrogate(width=4, epochs=3).fit(z, (z**2).sum(axis=1))
    ax = plot_training({"mine": model, "given": [3.0, 2.0]})
    assert ax.lines[0].get_xydata().tolist() == [[i + 1.0, loss] for i, loss in enumerate(model.history_)]
    assert ax.lines[1].get_xydata().tolist() == [[1.0, 3.0], [2.0, 2.0]]
    assert ax.get_yscale() == "log" and [t.get_text() for t in ax.get_legend().get_texts()] == ["mine", "given"]
    assert plot_training([1.0, 0.0, -1.0]).get_yscale() == "linear"


@pytest.mark.parametrize(
    ("models", "kind", "message"),
    [
        (ICNNSurrogate(), TypeError, "models: expected fitted models with history_, or losses, got ICNNSurrogate"),
        ({}, ValueError, "models: expected at least one, got none"),
        ([], ValueError, "models: expected losses of at least one epoch, got none of list"),
        ({"a": [1.0, np.inf]}, ValueError, "losses of a: expected"),
        ("text", TypeError, "models: expected fitted models"),
    ],
)
def test_losses_that_cannot_be_drawn(models, kind, message):
    with pytest.raises(kind, match=message):
        plot_training(models)
    assert pyplot.get_fignums() == []
