"""Averages of Gaussian processes: leave-one-out densities by refitting, moments of mixtures by sampling."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.methods.bayesian import Member, ProcessAverage
from crlso.methods.bayesian.average import leave_one_out_density
from crlso.models import GaussianProcess, Kernel, normal_scores
from crlso.models.gaussian_process import Features

KERNELS = (Kernel(((0.3,),), (0.1,)), Kernel(((0.1,), (0.5,)), (0.05,)))
MEMBERS = (Member((0,), KERNELS[0]), Member((1, 0), KERNELS[1]))


def cells(n, seed=0):
    rng = np.random.default_rng(seed)
    return Features((rng.normal(size=(n, 3)), rng.normal(size=(n, 2))), rng.normal(size=n))


def scores(x):
    return np.sin(x.groups[0][:, 0]) + 0.1 * x.groups[1][:, 0]


def test_leave_one_out_densities_are_those_of_refitted_processes():
    x, y = cells(12), scores(cells(12))
    process = GaussianProcess(Kernel(((0.3,), (0.2,)), (0.1,))).fit(x, y)
    total = 0.0
    for i in range(12):
        others = np.arange(12) != i
        posterior = GaussianProcess(process.kernel).fit(x[others], y[others]).posterior(x[i : i + 1])
        variance = posterior.variance[0] + 0.1
        total += -0.5 * np.log(variance) - 0.5 * (y[i] - posterior.mean[0]) ** 2 / variance
    assert leave_one_out_density(process) == pytest.approx(total)


def test_an_average_has_the_moments_of_a_mixture():
    x, new = cells(15), cells(30, 1)
    average = ProcessAverage(MEMBERS, floor=0.5)
    average.watch(new)
    average.fit(x, scores(x), np.arange(15))
    parts = [GaussianProcess(m.kernel).fit(m.view(x), scores(x)).posterior(m.view(new)) for m in MEMBERS]
    rng = np.random.default_rng(2)
    pick = rng.random(200_000) < average.shares[0]
    draws = [part.mean + part.deviation * rng.normal(size=(200_000, 1))[:, :1] for part in parts]
    mixed = np.where(pick[:, None], *draws)
    posterior = average.posterior()
    np.testing.assert_allclose(posterior.mean, mixed.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(posterior.deviation, mixed.std(axis=0), atol=0.02)
    again = average.posterior(new)
    np.testing.assert_allclose(again.mean, posterior.mean)
    np.testing.assert_allclose(again.variance, posterior.variance)


def test_shares_follow_the_densities_down_to_a_floor():
    x = cells(40)
    y = np.sin(2.0 * x.groups[0][:, 0])  # of which the second group knows nothing
    members = (Member((0,), KERNELS[0]), Member((1,), KERNELS[0]))
    shares = {}
    for floor in (0.0, 0.5, 1.0):
        average = ProcessAverage(members, floor)
        average.watch(x)
        average.fit(x, y, np.arange(40))
        shares[floor] = average.shares
        assert average.shares.sum() == pytest.approx(1.0)
    assert shares[0.0][0] > 0.99
    assert shares[0.5][1] == pytest.approx(0.25, abs=0.01)
    assert shares[1.0].tolist() == [0.5, 0.5]
    assert average.summary()["shares"] == [0.5, 0.5]


def test_members_without_a_floor_can_lose_their_share():
    x = cells(40)
    y = np.sin(2.0 * x.groups[0][:, 0])  # of which the second group knows nothing
    members = (Member((0,), KERNELS[0]), Member((1,), KERNELS[0], has_floor=False))
    average = ProcessAverage(members, 0.5)
    average.fit(x, y, np.arange(40))
    assert average.shares[1] < 0.01 and average.shares.sum() == pytest.approx(1.0)
    average = ProcessAverage(members[1:], 0.5)
    average.fit(x, y, np.arange(40))
    assert average.shares.tolist() == [1.0]


def test_weights_are_chosen_by_the_first_scores_alone():
    x, keys = cells(60), np.arange(60)
    values = scores(x)
    kernel = Kernel(((0.01, 0.1, 1.0),), (0.01, 0.1, 1.0))
    counts = {16: 16, 17: 17, 23: 22, 24: 24, 59: 55, 60: 60}  # every tenth more
    steady = ProcessAverage([Member((0,), kernel)])
    for n in range(2, 61):
        steady.fit(x[:n], normal_scores(values[:n]), keys[:n])
        if n in counts:
            begin = counts[n]
            expected = GaussianProcess(kernel).fit(
                Features(x.groups[:1], x.size)[:begin], normal_scores(values[:begin])
            )
            sudden = ProcessAverage([Member((0,), kernel)])
            sudden.fit(x[:n], normal_scores(values[:n]), keys[:n])
            for average in (steady, sudden):  # nothing depends on the fits before
                assert average.summary()["weights"] == [list(expected.weights_)]
                assert average.summary()["noise"] == [expected.noise_]
            assert (steady.processes[0].lower_ == sudden.processes[0].lower_).all()
    steady.fit(x[:59], -normal_scores(values[:59]), keys[:59])  # other values choose anew
    sudden.fit(x[:59], -normal_scores(values[:59]), keys[:59])
    assert steady.summary() == sudden.summary()


def test_pending_cells_lower_the_deviation_nearby():
    x, new = cells(10), cells(20, 1)
    average = ProcessAverage(MEMBERS)
    average.watch(new)
    average.fit(x, scores(x), np.arange(10))
    posterior = average.posterior()
    before = posterior.deviation
    posterior.observe(3)
    assert posterior.deviation[3] < before[3] and (posterior.deviation <= before + 1e-12).all()
    assert (posterior.mean == average.posterior().mean).all()


@pytest.mark.parametrize(
    ("members", "floor", "error", "words"),
    [
        ((), 0.5, ValueError, "members: expected at least one Member"),
        ([KERNELS[0]], 0.5, TypeError, "members: expected Members, got Kernel"),
        (MEMBERS, 1.5, ValueError, "floor: expected"),
        (MEMBERS, "much", TypeError, "floor: expected"),
    ],
)
def test_wrong_arguments(members, floor, error, words):
    with pytest.raises(error, match=words):
        ProcessAverage(members, floor)
