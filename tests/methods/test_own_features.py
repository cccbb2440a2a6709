"""Features and costs that users give: what is checked, how it is scaled, and searches that have it."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.methods import CRLSO
from crlso.methods.bayesian import GivenEncoder, Reservoir, encoders
from crlso.random import Stream
from crlso.spaces import CellSpace

SPACE = CellSpace(4, ["none", "a", "b", "skip"], zero=["none"], identity=["skip"])
CODES = SPACE.classes().codes
LISTED = Reservoir(SPACE, CODES, is_complete=True, is_listed=True)
LARGE = Reservoir(SPACE, CODES[:500], is_complete=False, is_listed=True)


@pytest.fixture
def short_training(monkeypatch):
    """Encoders of small spaces as quickly as they can be had."""
    usual = encoders.shaped_vae
    monkeypatch.setattr(encoders, "shaped_vae", lambda *a, **k: usual(*a, **{**k, "epochs": 2, "latent": 6}))


def counts(cells):
    return [[cell.operations.count("a"), 1e6 * cell.operations.count("b"), 7.0] for cell in cells]


def prepared(given, reservoir):
    encoder = GivenEncoder(given)
    encoder.prepare(reservoir, Stream(0), lambda *_: None)
    return encoder


def test_columns_are_standardised_together():
    (group,) = prepared(counts, LISTED).encode(CODES).groups
    assert group.shape == (len(CODES), 2)  # the constant one is left out
    np.testing.assert_allclose(group.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(group.std(axis=0), 0.5)
    some = group[np.random.default_rng(0).permutation(len(CODES))[:800]]
    squares = ((some[:, None] - some) ** 2).sum(axis=-1)
    assert squares.mean() == pytest.approx(1.0, abs=0.05)
    (same,) = prepared(counts(SPACE.cells(CODES)), LISTED).encode(CODES).groups
    np.testing.assert_allclose(same, group)
    (one,) = prepared(lambda cells: [3.0] * len(cells), LISTED).encode(CODES[:5]).groups
    assert one.shape == (5, 1) and not one.any()
    (large,) = prepared(counts, LARGE).encode(CODES[600:700]).groups
    assert large.shape == (100, 2)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda cells: None, TypeError, "features: expected real numbers"),
        (lambda cells: [1.0], ValueError, "features: expected shape"),
        (lambda cells: np.zeros((len(cells), 2, 2)), ValueError, "features: expected shape"),
        (lambda cells: [float("nan")] * len(cells), ValueError, "features: expected finite"),
        (lambda cells: [[1.0], [1.0, 2.0]], ValueError, "features: expected shape .* different lengths"),
        (["a"] * len(CODES), TypeError, "features: expected real numbers"),
        (np.zeros(3), ValueError, "features: expected shape"),
    ],
)
def test_wrong_features_are_named(given, error, words):
    with pytest.raises(error, match=words):
        prepared(given, LISTED)


def test_an_array_needs_a_space_that_is_ranked_completely():
    with pytest.raises(TypeError, match="features: expected a function for a space larger"):
        prepared(np.zeros(len(CODES)), LARGE)


@pytest.mark.slow
def test_telling_features_get_shares_and_useless_ones_do_not():
    benchmark = NASBench201("cifar10")
    codes = benchmark.space.classes().codes
    values = benchmark.validation(codes)
    useless = np.random.default_rng(0).normal(size=len(codes))
    shares = {}
    for name, given in {"telling": np.argsort(np.argsort(values)), "useless": useless}.items():
        study = crlso.search(benchmark, budget=40, features=given)
        shares[name] = study.diagnostics["model"][-1]["shares"][-1]
    assert shares["telling"] > 0.2 > 0.05 > shares["useless"]


# ---- costs ----


def test_log_size_is_that_of_what_is_on_a_path():
    space = CellSpace(4, ["none", "a", "b", "skip"], zero=["none"], identity=["skip"], cost={"a": 4.0, "b": 2.0})
    dead = "|a~0|+|none~0|none~1|+|none~0|none~1|b~2|"  # nothing reaches the output
    some = ["|a~0|+|b~0|none~1|+|skip~0|a~1|b~2|", "|none~0|+|b~0|none~1|+|skip~0|a~1|b~2|", dead]
    np.testing.assert_allclose(space.log_size(space.codes(some)), np.log1p([(4 + 2 + 4 + 2) / 2, (2 + 2) / 2, 0]))
    assert space.subset(some[:1]).log_size(space.codes(some[:1]))[0] == pytest.approx(np.log(7))


def sizes(cells):
    return [10.0 ** cell.codes[0] for cell in cells]


def test_a_function_of_cells_gives_the_size():
    space = CellSpace(4, ["none", "a", "b", "skip"], cost=sizes)
    np.testing.assert_allclose(space.log_size(CODES) / np.log(10), CODES[:, 0], atol=1e-12)
    for wrong, words in [(lambda cells: [0.0] * len(cells), "positive"), (lambda cells: [1.0], "cost: expected shape")]:
        with pytest.raises(ValueError, match=words):
            CellSpace(4, ["a", "b"], cost=wrong).log_size(np.zeros((3, 6), dtype=np.uint8))


def test_spaces_with_other_costs_are_not_equal():
    plain, cheap, dear = (CellSpace(4, ["a", "b"], cost=cost) for cost in (None, {"a": 1, "b": 2}, {"a": 1, "b": 3}))
    assert plain.name == cheap.name and plain != cheap != dear
    assert cheap == CellSpace(4, ["a", "b"], cost={"b": 2.0, "a": 1.0})
    assert plain.log_size(plain.all_codes()) is None


@pytest.mark.parametrize(
    ("cost", "error", "words"),
    [
        (3, TypeError, "cost: expected a mapping"),
        ({"a": 1.0}, ValueError, "cost: expected a number for each operation, got none for 'b'"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, ValueError, "got also 'c'"),
        ({"a": -1.0, "b": 1.0}, ValueError, "cost of 'a': expected"),
        ({"a": "x", "b": 1.0}, TypeError, "cost of 'a': expected"),
        ({"a": 0, "b": 0}, ValueError, "above 0"),
    ],
)
def test_wrong_costs_are_named(cost, error, words):
    with pytest.raises(error, match=words):
        CellSpace(4, ["none", "a", "b"], zero=["none"], cost=cost)


def test_costs_are_read_from_toml(tmp_path):
    (tmp_path / "space.toml").write_text('operations = ["a", "b"]\n[cost]\na = 1\nb = 2.5\n', encoding="utf-8")
    assert CellSpace.from_toml(tmp_path / "space.toml") == CellSpace(operations=["a", "b"], cost={"a": 1, "b": 2.5})


@pytest.mark.slow
def test_half_of_the_first_cells_are_large(short_training):
    space = CellSpace(4, ["none", "a", "b", "skip"], zero=["none"], identity=["skip"], cost={"a": 4.0, "b": 2.0})
    third = np.sort(space.log_size(space.classes().codes))[-len(space.classes().codes) // 3]
    optimiser = CRLSO(space, budget=8)
    first = [optimiser.ask().cell for _ in range(8)]
    assert (space.log_size(space.codes(first)) >= third).sum() >= 4
    study = crlso.search(Function(space, lambda cell: float(cell.operations.count("a"))), budget=12)
    assert study.best.value == 6.0
