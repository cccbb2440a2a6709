"""The Gaussian process as an estimator: formulas of textbooks, units, files, every space."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.models import GraphVAE, LatentGP, latent_gp
from crlso.models.gaussian_process import normal_scores
from crlso.spaces import DARTS, CellSpace, NASBench101

BENCHMARK = crlso.benchmarks.NASBench201("cifar10")
SPACE = BENCHMARK.space
CELLS = SPACE.sample(120, rng=0)
VALUES = BENCHMARK.validation(CELLS)
OTHERS = SPACE.sample(400, rng=1)
SMALL = CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")


@pytest.fixture(scope="module")
def model() -> LatentGP:
    return LatentGP(SPACE).fit(CELLS, VALUES)


def vectors(space, codes):
    x = latent_gp._vectors(space)(space.canonicalise(codes))
    return x.groups[0], x.size


def covariance(a, b, weight: float) -> np.ndarray:
    """2 (1 + r) e^-r + 0.25 s s', by loops over cells as they are."""
    (x, sizes), (y, others) = a, b
    squares = np.array([[weight * ((u - v) ** 2).sum() for v in y] for u in x])
    root = np.sqrt(3 * squares)
    return 2 * (1 + root) * np.exp(-root) + 0.25 * np.outer(sizes, others)


def test_the_posterior_is_that_of_the_textbook(model):
    here, there = vectors(SPACE, CELLS), vectors(SPACE, OTHERS[:50])
    noisy = covariance(here, here, model.weight_) + 2 * model.noise_ * np.eye(len(CELLS))
    between = covariance(there, here, model.weight_)
    scores = normal_scores(VALUES)
    mean = between @ np.linalg.solve(noisy, scores)
    variance = 2 + 0.25 * there[1] ** 2 + 2 * model.noise_
    variance = variance - np.einsum("ij,ji->i", between, np.linalg.solve(noisy, between.T))
    values, deviations = model.predict(OTHERS[:50], return_std=True)
    half = np.sqrt(variance)
    inside = (mean - half > scores.min()) & (mean + half < scores.max())  # beyond the labels, values are continued
    assert inside.sum() > 20
    order = np.argsort(scores)

    def unit(score):
        return np.interp(score, scores[order], VALUES[order])

    np.testing.assert_allclose(values[inside], unit(mean)[inside], atol=1e-7)
    expected = 0.5 * (unit(mean + half) - unit(mean - half))
    np.testing.assert_allclose(deviations[inside], expected[inside], atol=1e-6)


def test_groups_of_features_have_their_shares():
    rows, _ = vectors(SPACE, SPACE.classes().codes)
    shares = 0.05 + 0.06 + 0.03 + 0.2 + 0.1 + 0.4
    assert 2 * rows.var(axis=0).sum() == pytest.approx(shares)
    rows, _ = vectors(SMALL, SMALL.all_codes())  # no encoders come with crlso for it
    assert 2 * rows.var(axis=0).sum() == pytest.approx(shares - 0.05)


def test_it_learns_from_few_labels(model):
    everything = SPACE.all_codes()
    assert model.score(everything, BENCHMARK.validation(everything)) > 0.82  # .81 without influences
    values, deviations = model.predict(OTHERS, return_std=True)
    inside = np.abs(values - BENCHMARK.validation(OTHERS)) < deviations
    assert 0.55 < inside.mean() < 0.9  # a standard deviation of normal errors holds 0.68
    assert np.corrcoef(deviations, np.abs(values - BENCHMARK.validation(OTHERS)))[0, 1] > 0.2


def test_values_come_back_in_their_unit(model):
    values, deviations = model.predict(OTHERS, return_std=True)
    other = LatentGP(SPACE).fit(CELLS, 3.0 - 0.01 * VALUES)
    moved, spread = other.predict(OTHERS, return_std=True)
    np.testing.assert_allclose(moved, 3.0 - 0.01 * values, rtol=1e-9)
    np.testing.assert_allclose(spread, 0.01 * deviations, rtol=1e-6)
    np.testing.assert_array_equal(
        np.argsort(LatentGP(SPACE).fit(CELLS, np.exp(VALUES / 9)).predict(CELLS)), np.argsort(model.predict(CELLS))
    )
    huge = LatentGP(SPACE).fit(CELLS[:3], [-1.7e308, 0.0, 1.7e308]).predict(CELLS[:3])
    assert np.isfinite(huge).all()


def test_predictions_go_beyond_the_labels():
    unit = latent_gp._Unit(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(unit.value(np.array([-2.0, -1.0, 0.5, 3.0])), [0.0, 1.0, 2.5, 5.0], atol=1e-12)


def test_equal_cells_are_predicted_equally(model):
    key = SPACE.canonical_key(SPACE.all_codes())
    twins = SPACE.all_codes()[key == key[7]]
    assert len(twins) > 1 and len(set(model.predict(twins).tolist())) == 1


def test_equal_labels_and_one_label():
    for n in (1, 5):
        values, deviations = LatentGP(SPACE).fit(CELLS[:n], np.full(n, 0.3)).predict(OTHERS[:4], return_std=True)
        np.testing.assert_array_equal(values, 0.3)
        np.testing.assert_array_equal(deviations, 0.0)


def test_a_cell_labelled_twice(model):
    twice = LatentGP(SPACE).fit(np.concatenate([CELLS, CELLS]), np.concatenate([VALUES, VALUES + 0.1]))
    assert np.corrcoef(twice.predict(OTHERS), model.predict(OTHERS))[0, 1] > 0.95


def test_more_labels_than_weight_and_noise_are_chosen_by(monkeypatch, model):
    monkeypatch.setattr(latent_gp, "_CHOOSING", 60)
    fewer = LatentGP(SPACE).fit(CELLS, VALUES)
    half = LatentGP(SPACE).fit(CELLS[np.linspace(0, 119, 60).astype(int)], VALUES[np.linspace(0, 119, 60).astype(int)])
    assert (fewer.weight_, fewer.noise_) == (half.weight_, half.noise_)
    if (fewer.weight_, fewer.noise_) == (model.weight_, model.noise_):
        np.testing.assert_array_equal(fewer.predict(OTHERS), model.predict(OTHERS))


def test_slopes_are_those_of_the_posterior_mean():
    rng = np.random.default_rng(0)
    rows, solved = rng.normal(size=(30, 4)), rng.normal(size=(30, 1))

    def mean(at):
        root = np.sqrt(3 * 0.7 * ((at[:, None] - rows[None]) ** 2).sum(axis=2))
        return ((1 + root) * np.exp(-root)) @ solved[:, 0]

    steps = 1e-5 * np.eye(4)
    slopes = np.array([(mean(rows + step) - mean(rows - step)) / 2e-5 for step in steps])
    expected = np.sqrt((slopes**2).mean(axis=1))
    got = latent_gp._slopes(latent_gp.Features((rows,), rng.normal(size=30)), 0.7, solved)
    np.testing.assert_allclose(got, expected / expected.mean(), rtol=1e-4)


def test_many_labels_find_relevances(monkeypatch, model, tmp_path):
    monkeypatch.setattr(latent_gp, "_MANY", 120)
    many = LatentGP(SPACE).fit(CELLS, VALUES)
    assert (many.weight_, many.noise_) == (model.weight_, model.noise_)
    assert not np.array_equal(many.predict(OTHERS), model.predict(OTHERS))
    here, there = ((rows * many._relevances, sizes) for rows, sizes in (vectors(SPACE, CELLS), vectors(SPACE, OTHERS)))
    noisy = covariance(here, here, many.weight_) + 2 * many.noise_ * np.eye(len(CELLS))
    mean = covariance(there, here, many.weight_) @ np.linalg.solve(noisy, normal_scores(VALUES))
    assert np.corrcoef(np.argsort(np.argsort(mean)), np.argsort(np.argsort(many.predict(OTHERS))))[0, 1] > 0.999999
    assert here[0].var(axis=0).sum() == pytest.approx(vectors(SPACE, CELLS)[0].var(axis=0).sum())
    many.save(tmp_path / "many.npz")
    np.testing.assert_array_equal(LatentGP.load(tmp_path / "many.npz", SPACE).predict(OTHERS), many.predict(OTHERS))
    same = LatentGP(SPACE).fit(CELLS, np.full(120, 0.3)), LatentGP(SPACE).fit(np.repeat(CELLS[:1], 120, axis=0), VALUES)
    np.testing.assert_array_equal(same[0].predict(OTHERS), 0.3)
    assert np.isfinite(same[1].predict(OTHERS)).all()


@pytest.mark.slow
def test_relevances_are_worth_it_with_many_labels(monkeypatch):
    cells, everything = SPACE.sample(500, rng=3), SPACE.all_codes()
    values, truth = BENCHMARK.validation(cells), BENCHMARK.validation(everything)
    found = LatentGP(SPACE).fit(cells, values).score(everything, truth)
    monkeypatch.setattr(latent_gp, "_ROUNDS", 0)
    assert found > LatentGP(SPACE).fit(cells, values).score(everything, truth) > 0.88


def test_blocks_of_cells_do_not_matter(monkeypatch, model):
    values, deviations = model.predict(OTHERS, return_std=True)
    monkeypatch.setattr(latent_gp, "_BLOCK", 7)
    again, spread = model.predict(OTHERS, return_std=True)
    np.testing.assert_allclose(again, values, rtol=1e-12)
    np.testing.assert_allclose(spread, deviations, rtol=1e-8)
    np.testing.assert_array_equal(model.predict(OTHERS), again)


@pytest.mark.parametrize(
    "space",
    [
        SMALL,
        SPACE.subset(SPACE.sample(300, rng=2)),
        CellSpace(3, ["none", "a", "b", "skip"], zero=["none"], identity=["skip"]),
        CellSpace(nodes=5, operations=["conv", "pool"], edges="free", input_nodes=2, max_edges=4),
        CellSpace(3, ["a"], operations_on="nodes", edges=[(0, 1), (1, 2)]),
        pytest.param(NASBench101(), marks=pytest.mark.slow),
        pytest.param(DARTS(), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_every_space(space, tmp_path):
    cells = space.sample_up_to(60, rng=0)
    y = (cells == 1).sum(axis=1) + 0.1 * cells[:, 0]
    fitted = LatentGP(space).fit(cells, y)
    values, deviations = fitted.predict(cells, return_std=True)
    assert np.isfinite(values).all() and np.isfinite(deviations).all()
    if y.min() < y.max():
        assert fitted.score(cells, y) > 0.5
    fitted.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(LatentGP.load(tmp_path / "model.npz", space).predict(cells), values)


def test_no_cells(model):
    values, deviations = model.predict(CELLS[:0], return_std=True)
    assert values.shape == deviations.shape == model.predict([]).shape == (0,)


def test_files(model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    other = LatentGP.load(path, SPACE)
    assert (other.weight_, other.noise_) == (model.weight_, model.noise_)
    np.testing.assert_array_equal(other.codes_, model.codes_)
    for a, b in zip(other.predict(OTHERS, return_std=True), model.predict(OTHERS, return_std=True)):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="space: expected the space that the file was written for"):
        LatentGP.load(path, NASBench101())
    vae = GraphVAE(SMALL, width=2, latent=2, layers=2, epochs=1).fit(SMALL.all_codes())
    vae.save(path)
    with pytest.raises(ValueError, match="path: expected a file saved by LatentGP"):
        LatentGP.load(path, SPACE)


@pytest.mark.parametrize(("name", "value"), [("codes", 0.5), ("codes", 99.0), ("values", np.nan), ("codes", np.inf)])
def test_files_with_labels_that_are_none(model, tmp_path, name, value):
    path = tmp_path / "model.npz"
    model.save(path)
    with np.load(path) as content:
        arrays = dict(content)
    arrays[f"labels/{name}"][0] = value
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="path: expected a file saved by LatentGP"):
        LatentGP.load(path, SPACE)


def test_bad_input(model, monkeypatch):
    with pytest.raises(ValueError, match=r"y: expected shape \(120,\)"):
        LatentGP(SPACE).fit(CELLS, VALUES[:5])
    with pytest.raises(ValueError, match="y: expected finite numbers"):
        LatentGP(SPACE).fit(CELLS[:2], [1.0, np.nan])
    with pytest.raises(ValueError, match="y: expected at least one label"):
        LatentGP(SPACE).fit(CELLS[:0], [])
    with pytest.raises(ValueError, match="cells: expected codes from 0 to 4"):
        model.predict(CELLS + 5)
    monkeypatch.setattr(latent_gp, "LARGEST", 100)
    with pytest.raises(ValueError, match="cells: expected at most 100 labelled cells, got 120"):
        LatentGP(SPACE).fit(CELLS, VALUES)
