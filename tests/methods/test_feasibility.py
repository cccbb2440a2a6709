"""Learning from failed evaluations."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.methods.bayesian import Feasibility
from crlso.models.gaussian_process import Features
from crlso.spaces import DARTS

LINE = Features((np.linspace(0.0, 1.0, 101)[:, None],), np.linspace(-1.7, 1.7, 101))


class Limited(crlso.benchmarks.NASBench201):
    """Evaluations of the given share of classes with the most parameters raise MemoryError."""

    def __init__(self, share):
        super().__init__("cifar100")
        codes = self.space.classes().codes
        self.sizes = self.space.log_size(codes)
        self.limit = np.quantile(self.sizes, 1.0 - share)
        self.best = self.validation(codes)[self.sizes <= self.limit].max()

    def evaluate(self, cell):
        if self.space.log_size(np.array([cell.codes], dtype=np.uint8))[0] > self.limit:
            raise MemoryError
        return super().evaluate(cell)


def test_without_failures_nothing_is_penalised():
    feasibility = Feasibility(LINE)
    feasibility.fit(LINE[np.array([1, 50])], np.array([True, True]))
    assert not feasibility.penalty().any()
    assert not feasibility.penalty(LINE[np.array([3])]).any()


def test_cells_like_failed_ones_are_penalised():
    feasibility = Feasibility(LINE)
    feasibility.fit(LINE[np.array([1, 50, 90])], np.array([True, True, False]))
    penalty = feasibility.penalty()
    assert (np.diff(penalty) <= 0).all() and penalty[0] > -0.5 and penalty[-1] < -1.0
    np.testing.assert_allclose(feasibility.penalty(LINE[np.array([7, 99])]), penalty[[7, 99]])


def test_a_search_that_failed_often_is_more_cautious():
    few, many = Feasibility(LINE), Feasibility(LINE)
    near = np.array([70, 80, 82, 84, 86, 88])
    few.fit(LINE[np.append(near[:2], np.arange(0, 70, 2))], np.arange(37) != 1)
    many.fit(LINE[np.append(near, np.arange(0, 70, 2))], ~np.isin(np.arange(41), [1, 2, 3, 4, 5]))
    assert many.penalty()[75] < few.penalty()[75] < 0


@pytest.mark.parametrize("method", ["gp", "cr-lso"])
def test_most_cells_fail(method):
    study = crlso.search(Limited(0.95), method, budget=60, rng=3)
    assert sum(trial.state == "complete" for trial in study.trials) > 20  # of random search, 3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gp", "cr-lso"])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.3])
def test_few_queries_fail_and_the_best_cell_is_found(method, share):
    benchmark = Limited(share)
    study = crlso.search(benchmark, method, budget=100, rng=40)
    failures = sum(trial.state == "failed" for trial in study.trials)
    assert 0 < failures <= max(5, 200 * share)
    assert benchmark.best - study.best.value <= 1.0


@pytest.mark.slow
def test_failures_are_learned_from_in_large_spaces():
    def evaluate(cell):
        convolutions = str(cell).count("_conv_")
        if convolutions > 12:
            raise MemoryError
        return convolutions  # the best cells are at the limit

    study = crlso.search(crlso.benchmarks.Function(DARTS(), evaluate), "gp", budget=80, rng=0)
    assert sum(trial.state == "failed" for trial in study.trials) < 40  # 64 without learning
    assert study.best.value == 12
