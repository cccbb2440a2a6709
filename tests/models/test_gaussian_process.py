"""Gaussian process regression against the formulas of the textbook, in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, normal_scores


def toy(n, seed=0, size=True):
    rng = np.random.default_rng(seed)
    return Features((rng.normal(size=(n, 3)), rng.normal(size=(n, 2))), rng.normal(size=n) if size else None)


def plain_kernel(x, y, weights, linear):
    total = sum(w * ((a[:, None] - b[None]) ** 2).sum(axis=2) for w, a, b in zip(weights, x.groups, y.groups))
    return np.exp(-total) + (0 if x.size is None else linear * np.outer(x.size, y.size))


@pytest.mark.parametrize("size", [True, False])
def test_posterior_is_the_textbooks(size):
    kernel = Kernel(((0.1, 0.7), (0.0, 0.3)), (0.05, 0.2), linear=0.4)
    x, new, y = toy(25, 0, size), toy(40, 1, size), np.random.default_rng(2).normal(size=25)
    process = GaussianProcess(kernel).fit(x, y)
    likelihoods = {}
    for weights in itertools.product(*kernel.weights):
        for noise in kernel.noises:
            k = plain_kernel(x, x, weights, 0.4) + noise * np.eye(25)
            likelihoods[weights, noise] = -0.5 * y @ np.linalg.solve(k, y) - 0.5 * np.linalg.slogdet(k)[1]
    weights, noise = max(likelihoods, key=likelihoods.get)
    assert (process.weights_, process.noise_) == (weights, noise)
    assert process.log_likelihood_ == pytest.approx(likelihoods[weights, noise])
    k = plain_kernel(x, x, weights, 0.4) + noise * np.eye(25)
    cross, own = plain_kernel(x, new, weights, 0.4), plain_kernel(new, new, weights, 0.4)
    posterior = process.posterior(new)
    np.testing.assert_allclose(posterior.mean, cross.T @ np.linalg.solve(k, y), atol=1e-9)
    covariance = own - cross.T @ np.linalg.solve(k, cross)
    np.testing.assert_allclose(posterior.variance, np.diag(covariance), atol=1e-9)


class Matern(Kernel):
    def profile(self, distance):
        return (1.0 + np.sqrt(distance)) * np.exp(-np.sqrt(distance))


@pytest.mark.parametrize("kernel", [Kernel, Matern])
@pytest.mark.parametrize("weights", [(), (0.1,), (0.1, 0.2, 0.3)])
def test_a_kernel_has_a_weight_for_each_group_of_features(kernel, weights):
    x, tested = toy(5), kernel(tuple((weight,) for weight in weights))
    for refused in (
        lambda: tested.between(x, x, weights),
        lambda: tested.candidates(x),
        lambda: GaussianProcess(tested).fit(x, np.zeros(5)),
        lambda: kernel(((0.1,), (0.2,))).between(x, Features(x.groups[:1]), (0.1, 0.2)),
    ):
        with pytest.raises(ValueError, match="weights: expected one for each group of features"):
            refused()


def test_observing_shrinks_the_variance_as_a_new_point_would():
    kernel = Kernel(((0.5,), (0.2,)), (0.1,))
    x, new, y = toy(20), toy(30, 1), np.zeros(20)
    posterior = GaussianProcess(kernel).fit(x, y).posterior(new)
    for i in (4, 17, 4):
        posterior.observe(i)
        x, y = Features.join(x, new[np.array([i])]), np.append(y, 0.0)
        expected = GaussianProcess(kernel).fit(x, y).posterior(new)
        np.testing.assert_allclose(posterior.variance, expected.variance, atol=1e-9)
        np.testing.assert_allclose(posterior.deviation**2, expected.variance, atol=1e-9)


def test_normal_scores():
    scores = normal_scores([3.0, 1.0, 2.0, 5.0])
    assert scores.argsort().tolist() == [1, 2, 0, 3]
    assert scores.mean() == pytest.approx(0) and scores.std() == pytest.approx(1)
    np.testing.assert_allclose(normal_scores([1.0, 2.0, 2.0, 3.0])[[1, 2]], 0, atol=1e-12)
    np.testing.assert_array_equal(normal_scores([7.0, 7.0]), 0)
    np.testing.assert_array_equal(normal_scores([7.0]), 0)


def test_known_rows_are_those_of_the_posterior():
    kernel = Kernel(((0.3,),), (0.1,), linear=0.4)
    rng = np.random.default_rng(0)
    x = Features((rng.normal(size=(60, 5)),), rng.normal(size=60))
    known, places = KnownRows(x), rng.permutation(60)
    # Grown by one and by several, the same again, fewer, and another order.
    for observed in (places[:5], places[:6], places[:20], places[:20], places[:9], places[:12][::-1].copy()):
        process = GaussianProcess(kernel).fit(x[observed], rng.normal(size=len(observed)))
        here, plain = process.posterior(x, known.rows(process, observed, x[observed])), process.posterior(x)
        np.testing.assert_allclose(here.mean, plain.mean, atol=1e-10)
        np.testing.assert_allclose(here.variance, plain.variance, atol=1e-10)


def test_known_rows_do_not_depend_on_when_they_were_found():
    """To the last bit: a search that goes on from a file finds all at once what grew before."""
    kernel = Kernel(((0.3, 0.6), (0.1,)), (0.1, 0.2), linear=0.4)
    rng = np.random.default_rng(0)
    x, places = toy(300), rng.permutation(300)[:90]
    grown = KnownRows(x)
    for n in (8, 9, 10, 20, 21, 22, 23, 64, 65, 70, 90):
        process = GaussianProcess(kernel).fit(x[places[:n]], rng.normal(size=n))
        rows = grown.rows(process, places[:n], x[places[:n]])
        at_once = KnownRows(x).rows(process, places[:n], x[places[:n]])
        np.testing.assert_array_equal(rows, at_once)
        # A result that came late changes the order; what was found before stays what it is.
        before = rows.copy()
        late = np.concatenate([places[:n][::2], places[:n][1::2]])
        process = GaussianProcess(kernel).fit(x[late], rng.normal(size=n))
        np.testing.assert_array_equal(grown.rows(process, late, x[late]), KnownRows(x).rows(process, late, x[late]))
        np.testing.assert_array_equal(rows, before)


def test_predictions_are_linear_features():
    rng = np.random.default_rng(0)
    a, b = (Features((rng.normal(size=(n, 2)),), rng.normal(size=n), rng.normal(size=(n, 3))) for n in (4, 5))
    kernel = Kernel(((0.3,),), (0.1,), linear=0.4, predicted=0.7)
    plain = Kernel(((0.3,),), (0.1,), linear=0.4, predicted=0.0)
    expected = plain.between(a, b, (0.3,)) + 0.7 * a.predicted @ b.predicted.T
    np.testing.assert_allclose(kernel.between(a, b, (0.3,)), expected)
    np.testing.assert_allclose(kernel.diagonal(a), np.diag(kernel.between(a, a, (0.3,))))
    both = Features.join(a, b)
    np.testing.assert_array_equal(both[4:].predicted, b.predicted)
    assert Features.join(a, Features(b.groups, b.size)).predicted is None
    # A process learns their slopes: far from all observed cells, it follows them.
    far = Features((np.full((2, 2), 50.0),), np.zeros(2), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    many = Features((rng.normal(size=(60, 2)),), np.zeros(60), rng.normal(size=(60, 3)))
    process = GaussianProcess(kernel).fit(many, many.predicted @ np.array([2.0, -1.0, 0.0]))
    np.testing.assert_allclose(process.posterior(far).mean, [2.0, -1.0], atol=0.15)
