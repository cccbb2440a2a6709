"""Gaussian processes against NumPy, features of cells against brute force, and the searches on small spaces."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import crlso
from crlso.methods import METHODS, BudgetSpent
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, normal_scores
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
from crlso.spaces.features import CellFeatures

SMALL = CellSpace(nodes=4, operations=["conv", "pool", "skip"], operations_on="nodes", edges="free", max_edges=5)
ON_EDGES = CellSpace(nodes=3, operations=["none", "a", "b", "skip"], operations_on="edges")
OPTIONS = {"gp": {}, "cr-lso": {}}


def value_of(cell) -> float:
    return 60.0 + 3.0 * cell.codes.count(1) - 2.0 * cell.codes.count(2) + 0.1 * cell.codes[0]


def make(method, space, **options):
    return METHODS[method](space, **options)


def run(optimiser, value=value_of):
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, value(trial.cell))
    return [trial.cell for trial in optimiser.trials]


@pytest.fixture
def short_training(monkeypatch):
    """Encoders of small spaces as quickly as they can be had."""
    from crlso.methods.bayesian import latents as _latents

    usual = _latents.shaped_vae
    monkeypatch.setattr(
        "crlso.methods.bayesian.cr_lso.shaped_vae", lambda *a, **k: usual(*a, **{**k, "epochs": 2, "latent": 6})
    )


# ---- the process ----


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


def test_observing_shrinks_the_variance_as_a_new_point_would():
    kernel = Kernel(((0.5,), (0.2,)), (0.1,))
    x, new, y = toy(20), toy(30, 1), np.zeros(20)
    posterior = GaussianProcess(kernel).fit(x, y).posterior(new)
    for i in (4, 17, 4):
        posterior.observe(i)
        x, y = Features.join(x, new[np.array([i])]), np.append(y, 0.0)
        expected = GaussianProcess(kernel).fit(x, y).posterior(new)
        np.testing.assert_allclose(posterior.variance, expected.variance, atol=1e-9)
        np.testing.assert_allclose(posterior.upper(2.0), posterior.mean + 2 * np.sqrt(posterior.variance))


def test_calibration_is_that_of_points_left_out():
    kernel = Kernel(((0.1, 0.7), (0.0, 0.3)), (0.05, 0.2), linear=0.4)
    x, y = toy(24), np.random.default_rng(2).normal(size=24)
    process = GaussianProcess(kernel, calibrated=True).fit(x, y)
    errors = []
    for i in range(24):
        others = np.delete(np.arange(24), i)
        k = plain_kernel(x[others], x[others], process.weights_, 0.4) + process.noise_ * np.eye(23)
        cross = plain_kernel(x[others], x[np.array([i])], process.weights_, 0.4)[:, 0]
        own = 1 + 0.4 * x.size[i] ** 2 + process.noise_
        errors.append((y[i] - cross @ np.linalg.solve(k, y[others])) / np.sqrt(own - cross @ np.linalg.solve(k, cross)))
    upper = np.array(errors)[np.argsort(-y)[:12]]
    assert process.calibration_ == pytest.approx(np.sqrt((upper**2).mean()))
    posterior = process.posterior(toy(5, 1))
    widened = posterior.mean + 2 * process.calibration_ * np.sqrt(posterior.variance)
    np.testing.assert_allclose(posterior.upper(2.0), widened)
    assert GaussianProcess(kernel).fit(x, y).calibration_ == 1.0
    assert GaussianProcess(kernel, calibrated=True).fit(x, np.zeros(24)).calibration_ == 1.0


def test_normal_scores():
    scores = normal_scores([3.0, 1.0, 2.0, 5.0])
    assert scores.argsort().tolist() == [1, 2, 0, 3]
    assert scores.mean() == pytest.approx(0) and scores.std() == pytest.approx(1)
    np.testing.assert_allclose(normal_scores([1.0, 2.0, 2.0, 3.0])[[1, 2]], 0, atol=1e-12)
    np.testing.assert_array_equal(normal_scores([7.0, 7.0]), 0)
    np.testing.assert_array_equal(normal_scores([7.0]), 0)


# ---- features ----


def brute_sequences(cell, space) -> Counter:
    """Sequences of operations of all ways from input to output, by the drawn graph."""
    (graph,) = cell.graphs
    last, found = len(graph.labels) - 1, Counter()

    def walk(node, sequence):
        if node == last:
            found[sequence] += 1
        for source, target, name, _ in graph.edges:
            if source == node and name != "none":
                label = name or (graph.labels[target] if target != last else "")
                step = () if label in ("", "skip", "skip_connect") else (label,)
                walk(target, sequence + step)

    walk(0, ())
    return found


@pytest.mark.parametrize("space", [SMALL, ON_EDGES, NASBench201(), NASBench101()])
def test_path_features_are_those_of_a_walk(space):
    codes = space.canonicalise(space.sample(60, rng=0))
    features = CellFeatures(space, codes, columns=10_000)
    counted = [brute_sequences(cell, space) for cell in space.cells(codes)]
    rows = features.paths(codes)
    for i, j in itertools.combinations(range(0, 60, 4) if len(codes) == 60 else range(len(codes)), 2):
        names = set(counted[i]) | set(counted[j])
        expected = sum((counted[i][s] ** 0.5 - counted[j][s] ** 0.5) ** 2 for s in names)
        assert ((rows[i] - rows[j]) ** 2).sum() == pytest.approx(expected)


def test_operations_of_nasbench201_and_size():
    space = NASBench201()
    codes = np.array([[3, 3, 3, 3, 3, 3], [2, 3, 3, 3, 3, 0], [0, 0, 0, 0, 0, 0]], dtype=np.uint8)
    features = CellFeatures(space, space.all_codes())
    rows = features.operations(codes)
    half = ((rows[:, None] - rows[None]) ** 2).sum(axis=2) / 2
    np.testing.assert_allclose(half, [[0, 1.5, 6], [1.5, 0, 5], [6, 5, 0]], atol=1e-12)
    np.testing.assert_array_equal(features.live_operations(codes)[:, 2:4], [[0, 6], [1, 2], [0, 0]])  # two are dead
    size = features.size(space.all_codes())
    assert size.mean() == pytest.approx(0) and size.std() == pytest.approx(1)
    raw = np.log(np.array([6.3, 2.65, 0.3]))
    np.testing.assert_allclose(
        np.diff(features.size(codes)) / np.diff(raw), 1 / np.std(space.log_size(space.all_codes()))
    )


def test_size_of_nasbench101_goes_with_the_parameters():
    benchmark = crlso.benchmarks.NASBench101()
    codes = benchmark.space.sample(500, rng=1)
    size = CellFeatures(benchmark.space, codes).size(codes)
    assert np.corrcoef(size, np.log(benchmark.parameters(codes)))[0, 1] > 0.9


def test_other_spaces_have_no_size():
    for space in (SMALL, DARTS()):
        assert CellFeatures(space, space.sample(20, rng=0)).size(space.sample(5, rng=1)) is None


# ---- the searches ----


@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("space", [SMALL, ON_EDGES])
def test_every_class_once_and_the_same_again(method, space, short_training):
    cells = [run(make(method, space, rng=seed, initial=4)) for seed in (0, 0, 1)]
    assert cells[0] == cells[1] != cells[2]
    assert len(set(space.canonical_key(space.codes(cells[0])).tolist())) == len(cells[0]) == len(space)


@pytest.mark.parametrize("method", OPTIONS)
def test_any_number_may_be_pending_and_fail(method):
    optimiser = make(method, NASBench201(), rng=3, budget=30)
    trials = [optimiser.ask() for _ in range(22)]
    for trial in trials[::-1]:
        if trial.number % 3:
            optimiser.tell(trial, value_of(trial.cell))
        else:
            optimiser.tell(trial, state="failed")
    held = [optimiser.ask() for _ in range(8)]
    with pytest.raises(BudgetSpent):
        optimiser.ask()
    assert len({trial.cell for trial in trials + held}) == 30
    told = {len(trials) - 8}
    assert {model["told"] for model in optimiser.diagnostics["model"]} == told


@pytest.mark.parametrize("method", OPTIONS)
def test_the_best_cell_of_nasbench201_is_found(method):
    benchmark = crlso.benchmarks.NASBench201("cifar100")
    best = max(benchmark.evaluate(cell) for cell in benchmark.space.cells(benchmark.space.all_codes()))
    found = [crlso.search(benchmark, method=method, budget=100, rng=seed).best.value for seed in range(2)]
    assert max(found) == best


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("space", [NASBench101(), DARTS()])
def test_large_spaces_are_not_listed_and_sources_are_counted(method, space):
    optimiser = make(method, space, rng=0, budget=24, pool=40)
    cells = run(optimiser)
    assert len(set(space.canonical_key(space.codes(cells)).tolist())) == 24
    sources = optimiser.diagnostics["sources"]
    assert sum(sources.values()) == 24 - optimiser.initial
    assert set(sources) <= {"random", "neighbours", "mutations", "latent noise", "latent gradient", "local search"}


@pytest.mark.parametrize("switch", ["gradient", "convex", "side_information", "calibrated"])
def test_each_ingredient_can_be_turned_off(switch, short_training, monkeypatch):
    chosen = [run(make("cr-lso", SMALL, rng=0, budget=12, initial=4, **{switch: on})) for on in (True, False)]
    assert len(chosen[1]) == 12
    monkeypatch.setattr("crlso.methods.bayesian.cr_lso._CELLS", 300)
    optimiser = make("cr-lso", NASBench101(), rng=0, budget=12, pool=30, **{switch: False})
    run(optimiser)
    if switch == "gradient":
        assert "latent gradient" not in optimiser.diagnostics["sources"]


def test_known_rows_are_those_of_the_posterior():
    kernel = Kernel(((0.3,),), (0.1,), linear=0.4)
    rng = np.random.default_rng(0)
    x = Features((rng.normal(size=(60, 5)),), rng.normal(size=60))
    known, places = KnownRows(x), rng.permutation(60)
    # Grown by one and by several, the same again, fewer, and another order.
    for told in (places[:5], places[:6], places[:20], places[:20], places[:9], places[:12][::-1].copy()):
        process = GaussianProcess(kernel).fit(x[told], rng.normal(size=len(told)))
        here, plain = process.posterior(x, known.rows(process, told, x[told])), process.posterior(x)
        np.testing.assert_allclose(here.mean, plain.mean, atol=1e-10)
        np.testing.assert_allclose(here.variance, plain.variance, atol=1e-10)


def test_a_small_reservoir_makes_a_listed_space_a_large_one(short_training):
    optimiser = make("cr-lso", SMALL, rng=0, budget=30, initial=4, pool=20, reservoir=20)
    cells = run(optimiser)
    assert not optimiser.ranks_all
    assert make("cr-lso", SMALL, rng=0, initial=4).ranks_all
    assert len(set(SMALL.canonical_key(SMALL.codes(cells)).tolist())) == 30
    assert sum(optimiser.diagnostics["sources"].values()) == 26
    latents = np.zeros((1, len(SMALL), 3))
    with pytest.raises(TypeError, match="encoder: expected GraphVAEs for a space larger than the reservoir"):
        make("cr-lso", SMALL, reservoir=20, encoder=latents)


def test_local_search_ends_at_the_largest_bounds():
    optimiser = make("cr-lso", NASBench101(), rng=0, budget=30, pool=20, reservoir=300)
    for _ in range(20):
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    codes = np.array([trial.cell.codes for trial in optimiser.trials], dtype=np.uint8)
    process, _ = optimiser._fit(codes, normal_scores([trial.value for trial in optimiser.trials]))
    start = NASBench101().sample(15, rng=3)
    found = optimiser._local_search(process, np.concatenate([start, start, codes]))
    keys = NASBench101().canonical_key(found)
    assert len(set(keys.tolist())) == len(keys) and not optimiser.seen(found).any()
    bounds = process.posterior(optimiser._describe(found)).upper(optimiser.beta)
    assert (np.diff(bounds) <= 1e-9).all()
    assert bounds[0] > process.posterior(optimiser._describe(start)).upper(optimiser.beta).max()


def test_pending_cells_are_known_in_large_spaces():
    """What is pending is neither asked for again nor ranked as if nothing was known of it."""
    waiting, plain = (make("cr-lso", NASBench101(), rng=0, budget=20, pool=20, reservoir=200) for _ in range(2))
    for optimiser in (waiting, plain):
        for _ in range(8):
            trial = optimiser.ask()
            optimiser.tell(trial, value_of(trial.cell))
    held = [waiting.ask().cell for _ in range(3)]
    told = []
    for _ in range(3):
        trial = plain.ask()
        told.append(trial.cell)
        plain.tell(trial, value_of(trial.cell))
    assert held[0] == told[0] and len(set(held)) == 3
    assert len({model["told"] for model in waiting.diagnostics["model"]}) == 1


@pytest.mark.slow
def test_a_large_space_without_encoders_gets_some(short_training, monkeypatch):
    monkeypatch.setattr("crlso.methods.bayesian.cr_lso._CELLS", 300)
    space = CellSpace(nodes=7, operations=["conv", "pool", "skip"], operations_on="nodes", edges="free", max_edges=8)
    assert len(run(make("cr-lso", space, rng=0, budget=10, pool=20))) == 10


def test_several_encoders_can_be_given(short_training):
    vaes = [crlso.models.GraphVAE(SMALL, width=8, latent=4, epochs=1, rng=i).fit(SMALL.all_codes()) for i in range(2)]
    several = run(make("cr-lso", SMALL, rng=0, budget=12, encoder=vaes))
    assert several != run(make("cr-lso", SMALL, rng=0, budget=12, encoder=vaes[0]))


def test_latents_can_be_given():
    space = NASBench201()
    latents = np.random.default_rng(0).normal(size=(2, 4930, 4)).astype(np.float32)
    run(make("cr-lso", space, rng=0, budget=20, encoder=latents))
    with pytest.raises(ValueError, match=r"encoder: expected GraphVAEs or finite latents \(encoders, 4930, d\)"):
        make("cr-lso", space, encoder=latents[:, :10])
    with pytest.raises(TypeError, match="encoder: expected GraphVAEs for a space larger than the reservoir"):
        make("cr-lso", DARTS(), encoder=latents)


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        ("gp", {"beta": -1.0}, ValueError, "beta: expected at least 0"),
        ("gp", {"beta": "1"}, TypeError, "beta"),
        ("gp", {"initial": 0}, ValueError, "initial: expected at least 1"),
        ("cr-lso", {"batch": 0}, ValueError, "batch: expected at least 1"),
        ("cr-lso", {"pool": 0}, ValueError, "pool: expected at least 1"),
        ("cr-lso", {"reservoir": 0}, ValueError, "reservoir: expected at least 1"),
        ("gp", {"kernel": 3}, TypeError, "kernel: expected a Kernel"),
    ],
)
def test_wrong_options_are_named(method, options, error, words):
    with pytest.raises(error, match=words):
        make(method, NASBench201(), **options)


def test_bits_do_not_depend_on_threads():
    threads, cells = crlso.get_num_threads(), []
    try:
        for n in (1, 3):
            crlso.set_num_threads(n)
            cells.append([run(make(method, NASBench201(), rng=5, budget=28)) for method in OPTIONS])
    finally:
        crlso.set_num_threads(threads)
    assert cells[0] == cells[1]
