"""Neither the unit of values nor an offset changes what a method asks for, and no finite value ends a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function
from crlso.methods import METHODS
from crlso.methods.paper import _centre_and_scale
from crlso.models.targets import mean_and_deviation, standardise
from crlso.spaces import DARTS, CellSpace

SPACE = CellSpace(nodes=4, operations=["a", "b"], operations_on="nodes", edges="free")
NUMBERS = {key: number for number, key in enumerate(SPACE.classes().keys.tolist())}
UNITS = {
    "times 1e6": lambda v: 1e6 * v,
    "times 1e6 and less": lambda v: 1e6 * v - 7e6,
    "with an offset": lambda v: v + 1e8,
    "nanoseconds": lambda v: -1e8 * (1 + 0.1 * (12 - v)),
    "tiny": lambda v: 1e-300 * v,
    "huge": lambda v: 1e300 * v,
}
TRAINED = ("cr-lso", "cr-lso-paper")  # they train networks in this space
ALL = [pytest.param(name, marks=pytest.mark.slow if name in TRAINED else ()) for name in METHODS]


def value(cell: Any) -> float:
    """Thirteen values, many of them equal."""
    return float(NUMBERS[int(SPACE.canonical_key([cell])[0])] * 7919 % 13)


def asked(method: str, f: Any, space: Any = SPACE, budget: int = 30) -> list[Any]:
    study = crlso.search(Function(space, f, name="f"), method, budget, progress=False)
    assert study.state == "complete" and study.n_queries == budget
    assert all(trial.state == "complete" for trial in study.trials)
    return [trial.cell for trial in study.trials]


@pytest.mark.parametrize("method", ALL)
def test_units_and_offsets_change_nothing(method):
    expected = asked(method, value)
    for name, change in UNITS.items():
        assert asked(method, lambda cell, change=change: change(value(cell))) == expected, name


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("extreme", [1e38, -1e38, 1e300, -1.7e308, 5e-324])
def test_extreme_values_end_no_search(method, extreme):
    asked(method, lambda cell: extreme if value(cell) == 5 else value(cell))
    cells = []  # and only after the models were trained

    def late(cell: Any) -> float:
        cells.append(cell)
        return extreme if len(cells) in (20, 24) else value(cell)

    asked(method, late)


@pytest.mark.parametrize("method", ALL)
def test_values_at_both_ends_of_the_numbers(method):
    asked(method, lambda cell: 1.7e308 * (-1 if value(cell) < 6 else 1))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cr-lso", "gp", "evolution", "local"])
def test_units_in_a_large_space(method):
    def plain(cell: Any) -> float:
        return float(sum(i * code for i, code in enumerate(cell.codes)) % 97)

    expected = asked(method, plain, DARTS(), 24)
    for name in list(UNITS)[:4]:
        assert asked(method, lambda cell, change=UNITS[name]: change(plain(cell)), DARTS(), 24) == expected, name


def test_the_scale_of_errors_is_that_of_the_values_without_far_outliers():
    values = np.random.default_rng(0).normal(size=300)
    assert _centre_and_scale(values) == mean_and_deviation(values)
    mean, deviation = _centre_and_scale(np.append(values, -1e38))
    assert abs(mean) < 1 and deviation < 10  # the others can still be told apart
    assert _centre_and_scale(np.full(9, 0.1)) == (0.1, 1.0)
    mean, deviation = _centre_and_scale(np.array([-1.7e308, 1.7e308, 0.0, 1.0]))
    assert np.isfinite([mean, deviation]).all() and deviation > 1e308


def test_standardised_numbers_of_any_size():
    y = np.random.default_rng(0).normal(size=50)
    expected = (y - y.mean()) / y.std()
    for factor in (1.0, 1e-300, 1e300, 4e307 / np.abs(y).max()):
        np.testing.assert_allclose(standardise(factor * y, *mean_and_deviation(factor * y)), expected, rtol=1e-9)
