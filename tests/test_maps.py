"""Maps of latent spaces: principal axes against a decomposition, where cells are, and what cannot be mapped."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.diagnostics import latent_map
from crlso.diagnostics.maps import principal_axes
from crlso.models import shipped_latents
from crlso.spaces import CellSpace

SPACE = CellSpace(4, ["conv", "pool", "skip"])


@pytest.fixture(scope="module")
def study():
    return crlso.search(NASBench201("cifar10"), "random", 12, progress=False)


@pytest.fixture(scope="module")
def own():
    return crlso.search(Function(SPACE, lambda cell: float(sum(cell.codes)), name="x"), "random", 9, progress=False)


def test_principal_axes_are_those_of_a_singular_value_decomposition():
    x = np.random.default_rng(0).normal(size=(50, 5)) * [3.0, 1.0, 2.0, 0.1, 0.1]
    axes = principal_axes(x)
    expected = np.linalg.svd(x - x.mean(axis=0))[2][:2].T
    np.testing.assert_allclose(np.abs((axes * expected).sum(axis=0)), 1.0, atol=1e-9)
    assert (axes[np.abs(axes).argmax(axis=0), [0, 1]] > 0).all()
    assert principal_axes(np.ones((1, 3))).shape == (3, 2) and principal_axes(np.ones((4, 1))).shape == (1, 2)


def test_points_are_projected_latents(study):
    found = latent_map(study, background=40)
    space = NASBench201("cifar10").space
    latents = shipped_latents(space)[0][space.classes().locate(study.history.rows)]
    apart = np.linalg.norm(latents[:, None] - latents, axis=2)
    near = np.linalg.norm(found.points[:, None] - found.points, axis=2)
    assert (near <= apart + 1e-6).all()  # a projection brings no points further apart
    assert found.points.shape == (12, 2) and found.background.shape == (40, 2)
    assert found.what == "latents of the encoder that comes with crlso, by the two principal axes"
    np.testing.assert_array_equal(found.points, latent_map(study, background=40).points)


def test_a_space_of_ones_own_has_one_hot_codes(own):
    found = latent_map(own)
    assert found.points.shape == (9, 2) and len(found.background) == len(SPACE) and "one-hot" in found.what
    assert len(np.unique(found.points.round(9), axis=0)) > 4


def test_a_model_and_a_projector_of_ones_own(own):
    class Model:
        def encode(self, cells):
            return np.asarray(cells, dtype=float)[:, :3]

    class Projector:
        def fit_transform(self, x):
            return x[:, :2] * 10

    found = latent_map(own, Model(), SPACE, Projector(), background=0)
    np.testing.assert_array_equal(found.points, own.history.rows[:, :2] * 10.0)
    assert found.background.shape == (0, 2) and found.what == "latents of Model, by Projector"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"model": 3}, TypeError, "model: expected a model with encode"),
        ({"projector": 3}, TypeError, "projector: expected an object with fit_transform"),
        ({"space": 3}, TypeError, "space: expected a space of cells, got int"),
        ({"background": -1}, ValueError, "background: expected"),
    ],
)
def test_wrong_arguments(study, arguments, kind, message):
    with pytest.raises(kind, match=message):
        latent_map(study, **arguments)
    with pytest.raises(TypeError, match="study: expected a Study, got int"):
        latent_map(3)
    with pytest.raises(ValueError, match="study: expected trials, got none"):
        latent_map(crlso.Study("b", None, "random", 0, 3))


@pytest.mark.parametrize("latents", [np.zeros(3), np.zeros((2, 2)), "nan"])
def test_latents_that_cannot_be_used(own, latents):
    class Model:
        def encode(self, cells):
            return np.full((len(cells), 2), np.nan) if isinstance(latents, str) else latents

    with pytest.raises(ValueError, match="model: expected"):
        latent_map(own, Model())
