"""Gaussian process classification against the formulas of the textbook, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.models import GaussianProcessClassifier, Kernel
from crlso.models.gaussian_process import Features

SLOPE = 1.702


def toy(n, seed=0, size=True):
    rng = np.random.default_rng(seed)
    return Features((rng.normal(size=(n, 3)), rng.normal(size=(n, 2))), rng.normal(size=n) if size else None)


def plain_kernel(x, y, weights, linear, constant):
    total = sum(w * ((a[:, None] - b[None]) ** 2).sum(axis=2) for w, a, b in zip(weights, x.groups, y.groups))
    return np.exp(-total) + constant + (0 if x.size is None else linear * np.outer(x.size, y.size))


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


def outcomes(x, seed=1):
    noise = np.random.default_rng(seed).normal(size=len(x))
    return x.groups[0][:, 0] + 0.5 * noise > -0.3


@pytest.mark.parametrize("size", [True, False])
def test_the_mode_and_the_likelihood_are_the_textbooks(size):
    x = toy(25, 0, size)
    succeeded = outcomes(x)
    signs = np.where(succeeded, 1.0, -1.0)
    likelihoods = {}
    for weights in [(0.1, 0.3), (0.7, 0.3)]:
        model = GaussianProcessClassifier(Kernel(tuple((w,) for w in weights), linear=0.4, constant=2.0), mean=0.5)
        f = model.fit(x, succeeded).latent_
        k = plain_kernel(x, x, weights, 0.4, 2.0)
        wrong = 1.0 / (1.0 + np.exp(SLOPE * signs * f))
        slope = SLOPE * signs * wrong  # of the log likelihood; at the mode, that of the prior is its negative
        np.testing.assert_allclose(f - 0.5, k @ slope, atol=1e-4)
        curvature = np.diag(SLOPE**2 * wrong * (1.0 - wrong))
        prior = -0.5 * (f - 0.5) @ np.linalg.solve(k + 1e-10 * np.eye(25), f - 0.5)
        determinant = np.linalg.slogdet(np.eye(25) + k @ curvature)[1]
        likelihoods[weights] = log_sigmoid(SLOPE * signs * f).sum() + prior - 0.5 * determinant
        assert model.log_likelihood_ == pytest.approx(likelihoods[weights], abs=1e-5)
    model = GaussianProcessClassifier(Kernel(((0.1, 0.7), (0.3,)), linear=0.4, constant=2.0), mean=0.5)
    assert model.fit(x, succeeded).weights_ == max(likelihoods, key=likelihoods.get)


def test_probabilities_are_expectations_under_the_posterior():
    x, new, weights = toy(30), toy(50, 3), (0.3, 0.2)
    model = GaussianProcessClassifier(Kernel(tuple((w,) for w in weights), linear=0.4, constant=1.0))
    f = model.fit(x, outcomes(x)).latent_
    k, cross = (plain_kernel(x, other, weights, 0.4, 1.0) for other in (x, new))
    mean = 1.0 + cross.T @ np.linalg.solve(k, f - 1.0)
    s = 1.0 / (1.0 + np.exp(-SLOPE * f))
    noise = np.diag(1.0 / (SLOPE**2 * s * (1.0 - s)))
    variance = np.diag(plain_kernel(new, new, weights, 0.4, 1.0) - cross.T @ np.linalg.solve(k + noise, cross))
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    values = mean[:, None] + np.sqrt(variance)[:, None] * nodes
    expected = (1.0 / (1.0 + np.exp(-SLOPE * values))) @ masses / masses.sum()
    np.testing.assert_allclose(model.probability(new), expected, atol=0.02)
    assert 0.1 < expected.min() < 0.5 < expected.max() < 0.99


@pytest.mark.parametrize("succeeded", [[True] * 6, [False] * 6, [True, False] * 3])
def test_extreme_outcomes_give_finite_probabilities(succeeded):
    x = Features((np.repeat([[0.0], [1e3], [1e-3]], 2, axis=0),))  # equal cells, with equal and different outcomes
    model = GaussianProcessClassifier(Kernel(((1.0,),), constant=1e4)).fit(x, np.array(succeeded))
    probability = model.probability(x)
    assert ((probability > 0) & (probability < 1)).all()
    assert (probability[0] > 0.5) == (sum(succeeded) == 6) or sum(succeeded) == 3
