"""The published protocol: order of events, retries, ablations, and what it finds on the real benchmark."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201 as Benchmark
from crlso.methods import BudgetSpent, PaperCRLSO
from crlso.models import FrozenDecoder, ICNNSurrogate, Predictor
from crlso.spaces import Cell, CellSpace, NASBench201

PRESETS = NASBench201().presets

SPACE = NASBench201()


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Models of a size at which the protocol can be watched, save where a test asks for `full_size`."""
    if "full_size" not in request.fixturenames:
        monkeypatch.setitem(PRESETS, "fast", dataclasses.replace(PRESETS["fast"], width=8, epochs=1))


@pytest.fixture
def full_size():
    """Ask for this to search with the preset as it is."""


class Triangles(CellSpace):
    """Three nodes, three edges, three operations; the order of operations does not matter: 27 rows, 10 cells."""

    def __init__(self) -> None:
        super().__init__(nodes=3, operations=("void", "left", "right"))

    def canonicalise(self, codes: Any) -> np.ndarray:
        return np.sort(self.codes(codes), axis=1)


class TriangleBenchmark:
    def __init__(self) -> None:
        self.space = Triangles()

    def evaluate(self, cell: Cell) -> float:
        return 50.0 + 10.0 * cell.codes.count(2) - 5.0 * cell.codes.count(0)


def value_of(cell: Any) -> float:
    """Some value in percent that a cell's codes tell."""
    return 60.0 + 4.0 * cell.codes.count(3) - 3.0 * cell.codes.count(0) + 0.1 * cell.codes[0]


def run(optimiser: PaperCRLSO, evaluate=value_of) -> list[Any]:
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, evaluate(trial.cell))
    return optimiser.trials


def check_trials(optimiser: PaperCRLSO) -> None:
    """No class twice, every cell the representative of its class."""
    codes = np.array([trial.cell.codes for trial in optimiser.trials], np.uint8)
    keys = optimiser.space.canonical_key(codes)
    assert len(set(keys.tolist())) == len(codes) == optimiser.history.n_seen
    np.testing.assert_array_equal(optimiser.space.canonicalise(codes), codes)
    assert [trial.number for trial in optimiser.trials] == list(range(len(codes)))


# -- order of events ------------------------------------------------------------------------------------------------


def test_labels_come_first_then_proposals():
    optimiser = PaperCRLSO(SPACE, rng=3, budget=40, labels=15)
    told: list[str] = []
    optimiser.on_progress = lambda phase, done, total: told.append(phase)
    for number in range(40):
        assert (optimiser.vae is None) == (number <= 15)
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    with pytest.raises(BudgetSpent):
        optimiser.ask()
    check_trials(optimiser)
    assert list(dict.fromkeys(told)) == ["search", "predictor", "graph VAE"]
    assert told.count("predictor") == 200 and told.count("graph VAE") == 1 and told.count("search") == 40
    assert list(optimiser.seconds) == ["search", "predictor", "graph VAE"]
    found = optimiser.diagnostics
    assert found["labels"] == 15 and found["rounds"] == 3
    assert found["latent_moves"] + found["neighbours"] == 25
    assert 0 <= found["reconstruction"] <= 1 and -1 <= found["surrogate_tau"] <= 1


def test_the_sample_is_random_and_does_not_look_at_values():
    def sample(rng, evaluate=value_of, **options):
        return [t.cell for t in run(PaperCRLSO(SPACE, rng=rng, budget=30, labels=30, **options), evaluate)]

    assert sample(0) == sample(0, lambda cell: 50.0) == sample(0, gradient=False, noise=3.0) != sample(1)
    assert sample(0)[:10] == [t.cell for t in run(PaperCRLSO(SPACE, rng=0, budget=12, labels=10))][:10]
    counts = np.bincount(np.array([cell.codes for seed in range(10) for cell in sample(seed)]).ravel(), minlength=5)
    assert counts.min() > 50  # of 1800


def test_the_default_number_of_labels():
    for budget, labels in [(1, 1), (2, 2), (3, 2), (10, 6), (100, 60), (499, 299), (500, 300), (4930, 300)]:
        assert PaperCRLSO(SPACE, budget=budget).labels == labels
    assert PaperCRLSO(SPACE, budget=10, labels=300).labels == 10
    assert PaperCRLSO(SPACE, budget=10, labels=np.int64(4)).labels == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budget", "options"),
    [(1, {}), (2, {}), (3, {}), (10, {}), (5, {"labels": 2}), (3, {"labels": 300}), (12, {"labels": 3})],
)
def test_small_budgets(budget, options):
    study = crlso.search(Benchmark("cifar10"), "cr-lso-paper", budget, rng=1, progress=False, **options)
    assert study.n_queries == budget == len({trial.cell for trial in study.trials})
    assert study.best.value == max(trial.value for trial in study.trials)


def test_results_may_come_late_and_in_any_order():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=43, labels=10)
    while optimiser.remaining:
        trials = [optimiser.ask() for _ in range(min(7, optimiser.remaining))]
        assert [trial.number for trial in optimiser.pending] == [trial.number for trial in trials]
        for trial in trials[::-1]:
            optimiser.tell(trial, value_of(trial.cell))
    check_trials(optimiser)
    assert optimiser.vae is not None and optimiser.n_told == 43


def test_asking_without_telling_goes_through_the_sample():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=20, labels=5)
    trials = [optimiser.ask() for _ in range(20)]
    check_trials(optimiser)
    assert optimiser.vae is None
    for trial in trials:
        optimiser.tell(trial, value_of(trial.cell))
    assert optimiser.n_told == 20


def test_two_results_are_enough_to_go_on():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=12, labels=6)
    trials = [optimiser.ask() for _ in range(6)]
    for trial in trials[4:]:
        optimiser.tell(trial, value_of(trial.cell))
    optimiser.tell(optimiser.ask(), 70.0)
    assert optimiser.vae is not None
    for trial in trials[:4]:
        optimiser.tell(trial, value_of(trial.cell))
    run(optimiser)
    check_trials(optimiser)


def recorded(monkeypatch, owner, name) -> list[tuple[tuple, Any]]:
    """The positional arguments and results of all calls of a method from here on."""
    calls: list[tuple[tuple, Any]] = []
    original = getattr(owner, name)

    def method(self, *arguments, **options):
        result = original(self, *arguments, **options)
        calls.append((tuple(np.array(a) for a in arguments if a is not None), result))
        return result

    monkeypatch.setattr(owner, name, method)
    return calls


def recorded_descents(monkeypatch) -> list[tuple[tuple, Any]]:
    """The points, step sizes and results of all descents of frozen surrogates from here on."""
    calls: list[tuple[tuple, Any]] = []
    original = ICNNSurrogate.freeze

    class Recorder:
        def __init__(self, surrogate):
            self.frozen = original(surrogate)

        def descend(self, z, step):
            result = self.frozen.descend(z, step)
            calls.append(((z.copy(), step.copy()), result))
            return result

    monkeypatch.setattr(ICNNSurrogate, "freeze", lambda surrogate: Recorder(surrogate))
    return calls


def test_failed_trials_are_paid_for_and_teach_nothing(monkeypatch):
    fits = recorded(monkeypatch, Predictor, "fit")
    tunings = recorded(monkeypatch, ICNNSurrogate, "fit")
    optimiser = PaperCRLSO(SPACE, rng=0, budget=30, labels=12)
    for number in range(30):
        trial = optimiser.ask()
        if number % 3 == 1:
            optimiser.tell(trial, state="failed")
        else:
            optimiser.tell(trial, value_of(trial.cell))
    check_trials(optimiser)
    complete = [trial for trial in optimiser.trials[:12] if trial.state == "complete"]
    ((codes, errors), _) = fits[0]
    assert len(fits) == 1 and len(complete) == 8
    np.testing.assert_array_equal(codes, [trial.cell.codes for trial in complete])
    values = np.array([trial.value for trial in complete])
    np.testing.assert_allclose(errors, 0.13 * (values.mean() - values) / values.std(), atol=2e-6)
    sizes = [len(errors) for (_, errors), _ in tunings]
    assert sizes == [8, 13]  # the 8 starts of a round are used up before the next


def test_when_everything_fails_the_sample_goes_on():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=15, labels=4)
    while optimiser.remaining:
        trial = optimiser.ask()
        if trial.number == 9:
            optimiser.tell(trial, 50.0)
        else:
            optimiser.tell(trial, state="failed")
    check_trials(optimiser)
    assert optimiser.vae is None and optimiser.best.number == 9


def test_equal_values_are_no_obstacle():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=20, labels=8)
    run(optimiser, lambda cell: 90.0)
    check_trials(optimiser)
    assert np.isnan(optimiser.diagnostics["surrogate_tau"])


# -- proposals ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_round_starts_from_the_ten_best_cells(monkeypatch):
    descents = recorded_descents(monkeypatch)
    optimiser = PaperCRLSO(SPACE, rng=0, budget=45, labels=15, noise=1e-7)
    latents = None
    for number in range(45):
        if number >= 15 and (number - 15) % 10 == 0:
            values = np.array([trial.value for trial in optimiser.trials])
            order = np.argsort(-values, kind="stable")[:10]
            expected = [optimiser.trials[i].cell.codes for i in order]
        before = len(descents)
        trial = optimiser.ask()
        if number >= 15:
            latents = optimiser.vae.encode(SPACE.all_codes()) if latents is None else latents
            (start, steps), _ = descents[before]
            nearest = ((latents - start[0]) ** 2).sum(axis=1).argmin()
            assert tuple(SPACE.all_codes()[nearest]) == tuple(expected[(number - 15) % 10])
            assert len(start) == 1
            np.testing.assert_allclose(steps, 0.2 * np.arange(1, 51))
        optimiser.tell(trial, value_of(trial.cell))
    assert optimiser.diagnostics["rounds"] == 3


@pytest.mark.slow
def test_the_first_new_class_along_growing_steps_is_taken(monkeypatch):
    """Every proposal worked out again from the points that descent gave."""
    descents = recorded_descents(monkeypatch)
    sources, choices = [], 0
    for seed in range(4):
        optimiser = PaperCRLSO(Triangles(), rng=seed, labels=3, noise=0.3, step=1.0)
        first = len(sources)
        while optimiser.remaining:
            seen = {trial.cell.codes for trial in optimiser.trials}
            before = len(descents)
            trial = optimiser.ask()
            if trial.number >= 3:
                calls = descents[before:]
                fresh = [new_classes(optimiser, z, seen) for _, z in calls]
                assert 1 <= len(calls) <= 10 and not any(fresh[:-1])
                starts = {tuple(start[0].tolist()) for (start, _), _ in calls}
                assert len(starts) == len(calls)  # new noise each
                assert fresh[-1] or len(calls) == 10
                assert not fresh[-1] or trial.cell.codes == fresh[-1][0]
                choices += len(set(fresh[-1])) > 1
                sources.append("latent" if fresh[-1] else "neighbours")
            optimiser.tell(trial, TriangleBenchmark().evaluate(trial.cell))
        assert optimiser.diagnostics["latent_moves"] == sources[first:].count("latent")
        assert optimiser.diagnostics["neighbours"] == sources[first:].count("neighbours")
    assert set(sources) == {"latent", "neighbours"} and choices > 0


def new_classes(optimiser: PaperCRLSO, z: np.ndarray, seen: set[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Of the cells that points decode to, in order, the representatives not asked for yet."""
    cells = optimiser.space.canonicalise(optimiser.vae.decode(z)).tolist()
    return [tuple(cell) for cell in cells if tuple(cell) not in seen]


def test_the_surrogate_is_tuned_on_from_round_to_round(monkeypatch):
    optimiser = PaperCRLSO(SPACE, rng=0, budget=26, labels=15)
    before, after = [], []
    usual = ICNNSurrogate.fit

    def weights(surrogate):
        return surrogate.network_.output_weight.numpy().tobytes()

    def fit(self, *arguments, **options):
        before.append(weights(self))
        usual(self, *arguments, **options)
        after.append(weights(self))
        return self

    monkeypatch.setattr(ICNNSurrogate, "fit", fit)
    run(optimiser)
    assert optimiser.diagnostics["rounds"] == len(before) == 2
    assert before == [weights(optimiser.vae.surrogate_), after[0]] and len({*before, *after}) == 3
    assert weights(optimiser.surrogate) == after[-1]
    settings = optimiser.surrogate.get_params()
    assert (settings["epochs"], settings["input_noise"], settings["label_noise"]) == (50, 0.05, 0.01)
    assert len(optimiser.surrogate.history_) == 50


@pytest.mark.slow
def test_the_last_resort_is_the_best_unseen_neighbour(monkeypatch):
    optimiser = PaperCRLSO(Triangles(), rng=0, labels=4)
    space = optimiser.space
    for _ in range(4):
        trial = optimiser.ask()
        optimiser.tell(trial, TriangleBenchmark().evaluate(trial.cell))
    known = np.array(optimiser.trials[0].cell.codes, np.uint8)
    monkeypatch.setattr(FrozenDecoder, "decode", lambda self, z: np.tile(known, (len(z), 1)))  # nothing new, ever
    from_neighbours = 0
    for number in range(4, 10):
        seen = {trial.cell.codes for trial in optimiser.trials}
        if number in (4, 8):  # the first round has four starts
            starts = [trial.cell.codes for trial in sorted(optimiser.trials, key=lambda trial: -trial.value)]
        near, anywhere = (
            [cell for cell in cells if tuple(np.sort(cell).tolist()) not in seen]
            for cells in (space.neighbours(starts.pop(0)), space.all_codes())
        )
        pool = np.array(near or anywhere)
        trial = optimiser.ask()
        predicted = optimiser.surrogate.predict(optimiser.vae.encode(pool))
        assert trial.cell.codes == tuple(np.sort(pool[predicted.argmin()]).tolist())
        from_neighbours += bool(near)
        optimiser.tell(trial, TriangleBenchmark().evaluate(trial.cell))
    assert optimiser.diagnostics["neighbours"] == 6 and optimiser.diagnostics["latent_moves"] == 0
    assert from_neighbours >= 3


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"gradient": False}, {"convex": False}, {"regulariser": False}])
def test_every_class_of_a_small_space_can_be_asked_for(options):
    study = crlso.search(TriangleBenchmark(), "cr-lso-paper", 10, rng=2, labels=4, progress=False, **options)
    assert len({trial.cell for trial in study.trials}) == 10 and study.best.cell.codes == (2, 2, 2)
    assert study.to_dict()["n_queries"] == 10


@pytest.mark.slow
def test_calibrated_noise_moves_half_of_the_cells_that_are_decoded_also_where_few_come_back():
    optimiser = PaperCRLSO(SPACE, rng=0, budget=12, labels=10)
    optimiser.preset = dataclasses.replace(PRESETS["fast"], width=32, latent=3, epochs=4)
    optimiser.noise = None
    run(optimiser)
    assert optimiser.diagnostics["reconstruction"] < 0.4
    cells = SPACE.all_codes()[::7]
    z, rng = optimiser.vae.encode(cells), np.random.default_rng(0)
    still, moved = (optimiser.vae.decode(z + scale * rng.normal(size=z.shape)) for scale in (0, optimiser.noise))
    assert (SPACE.canonical_key(still) != SPACE.canonical_key(moved)).mean() == pytest.approx(0.5, abs=0.06)


# -- ablations ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_gradient_nothing_descends(monkeypatch):
    descents = recorded_descents(monkeypatch)
    optimiser = PaperCRLSO(SPACE, rng=0, budget=25, labels=10, gradient=False)
    decoded = recorded(monkeypatch, FrozenDecoder, "decode")
    run(optimiser)
    check_trials(optimiser)
    assert descents == []
    moves = [z for (z,), _ in decoded if len(z) == 50]
    assert len(moves) >= 15
    assert all(len(np.unique(z, axis=0)) == 50 for z in moves)  # each try has noise of its own
    spread = np.mean([z.std(axis=0).mean() for z in moves])
    assert spread == pytest.approx(optimiser.noise, rel=0.1)
    with_gradient = PaperCRLSO(SPACE, rng=0, budget=25, labels=10)
    run(with_gradient)
    assert len(descents) >= 15
    assert with_gradient.trials[:10] == optimiser.trials[:10] and with_gradient.trials != optimiser.trials


@pytest.mark.slow
def test_convexity_is_kept_or_given_up():
    optimisers = {convex: PaperCRLSO(SPACE, rng=0, budget=45, labels=15, convex=convex) for convex in (True, False)}
    for convex, optimiser in optimisers.items():
        run(optimiser)
        check_trials(optimiser)
        network = optimiser.surrogate.network_
        smallest = min(weight.numpy().min() for weight in [*network.weights, network.output_weight])
        assert (smallest >= 0) == convex
        certificate = optimiser.surrogate.certify_convexity(optimiser.vae.encode(SPACE.all_codes()))
        assert certificate.convex == convex
        assert optimiser.vae.surrogate_.convex == convex  # of which the surrogate is a fine-tuned copy
    assert optimisers[True].trials[:15] == optimisers[False].trials[:15]


@pytest.mark.slow
def test_without_regulariser_the_surrogate_comes_afterwards(monkeypatch):
    fits = recorded(monkeypatch, ICNNSurrogate, "fit")
    optimiser = PaperCRLSO(SPACE, rng=0, budget=25, labels=10, regulariser=False)
    run(optimiser)
    check_trials(optimiser)
    assert optimiser.vae.surrogate_ is None
    assert [len(y) for (_, y), _ in fits] == [15625, 10, 20]
    np.testing.assert_array_equal(fits[0][0][0], optimiser.vae.encode(SPACE.all_codes()))
    np.testing.assert_array_equal(fits[0][0][1], optimiser.predictor.predict(SPACE.all_codes()))
    with_it = PaperCRLSO(SPACE, rng=0, budget=25, labels=10)
    run(with_it)
    assert [len(y) for (_, y), _ in fits[3:]] == [10, 20]
    assert not np.array_equal(with_it.vae.encode([0, 1]), optimiser.vae.encode([0, 1]))
    np.testing.assert_array_equal(with_it.predictor.predict([0, 1]), optimiser.predictor.predict([0, 1]))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"preset": "slow"}, ValueError, "preset: expected one of paper, fast, got 'slow'"),
        ({"labels": 1}, ValueError, "labels: expected at least 2, got 1"),
        ({"labels": 0}, ValueError, "labels: expected at least 2"),
        ({"labels": -5}, ValueError, "labels: expected at least 2"),
        ({"labels": 2.5}, TypeError, "labels: expected an int, got float"),
        ({"labels": True}, TypeError, "labels: expected an int, got bool"),
        ({"labels": "10"}, TypeError, "labels: expected an int, got str"),
        ({"noise": 0}, ValueError, "noise: expected a positive number, got 0"),
        ({"noise": float("nan")}, ValueError, "noise: expected a finite number, got nan"),
        ({"noise": "0.5"}, TypeError, "noise: expected a number, got str"),
        ({"step": -0.2}, ValueError, "step: expected a positive number, got -0.2"),
        ({"step": float("inf")}, ValueError, "step: expected a finite number, got inf"),
        ({"step": None}, TypeError, "step: expected a number, got NoneType"),
        ({"budget": 0}, ValueError, "budget: expected at least 1, got 0"),
        ({"budget": 4931}, ValueError, "budget: expected at most 4930"),
        ({"rng": None}, TypeError, "rng: randomness must be explicit"),
        ({"temperature": 1.0}, TypeError, "temperature"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        PaperCRLSO(SPACE, **options)
    with pytest.raises(error, match=words):
        crlso.search(Benchmark("cifar10"), method="cr-lso-paper", progress=False, **options)


def test_presets():
    assert (PRESETS["paper"].width, PRESETS["paper"].epochs, PRESETS["paper"].betas) == (256, 200, (0.0, 0.5))
    assert PRESETS["paper"].learning_rate == PRESETS["paper"].predictor_rate == 1e-4 and PRESETS["paper"].noise == 0.5
    optimiser = PaperCRLSO(SPACE, preset="paper", noise=0.3)
    assert optimiser.preset is PRESETS["paper"] and optimiser.noise == 0.3
    assert PaperCRLSO(SPACE, preset="paper").noise == 0.5 and PaperCRLSO(SPACE).noise == PRESETS["fast"].noise


# -- repeatability, and the real benchmark ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_seed_repeats_the_search():
    def trials(rng, **options):
        study = crlso.search(Benchmark("cifar100"), "cr-lso-paper", 40, labels=15, rng=rng, progress=False, **options)
        return study.trials

    first = trials(7)
    assert first == trials(7) == trials(np.int64(7))
    assert first != trials(8) and first[15:] != trials(7, noise=1.0)[15:]


class SecretTest:
    """A benchmark whose test accuracies are not to be had, and that counts."""

    def __init__(self, reveal: bool) -> None:
        self._inner, self._reveal = Benchmark("cifar10"), reveal
        self.space, self.evaluations, self.asked_at = self._inner.space, 0, []

    def evaluate(self, cell):
        self.evaluations += 1
        return self._inner.evaluate(cell)

    def test(self, cells):
        self.asked_at.append(self.evaluations)
        if not self._reveal:
            raise PermissionError("test accuracies are secret")
        return self._inner.test(cells)


@pytest.mark.slow
def test_the_search_never_reads_test_accuracies():
    secret, open_one = SecretTest(False), SecretTest(True)
    studies = [crlso.search(b, "cr-lso-paper", 40, labels=15, rng=0, progress=False) for b in (secret, open_one)]
    assert [trial.cell for trial in studies[0].trials] == [trial.cell for trial in studies[1].trials]
    assert [trial.value for trial in studies[0].trials] == [trial.value for trial in studies[1].trials]
    assert studies[0].state == "complete" and studies[0].best.test is None
    assert studies[1].best.test > 50
    assert secret.asked_at == open_one.asked_at == [40]  # after the last evaluation


@pytest.mark.slow
def test_a_whole_search_finds_a_good_cell(full_size):
    study = crlso.search(Benchmark("cifar10"), method="cr-lso-paper", budget=500, rng=0, progress=False)
    assert study.n_queries == 500 and study.best.value >= 91.4
    sample = max(trial.value for trial in study.trials[:300])
    assert study.best.value >= sample
    found, drawn = (np.mean([trial.value for trial in part]) for part in (study.trials[300:], study.trials[:300]))
    assert found > drawn + 3  # proposals are better than random cells
    assert study.diagnostics["reconstruction"] >= 0.999 and study.diagnostics["surrogate_tau"] > 0.5
    assert list(study.seconds) == ["predictor", "graph VAE", "search", "evaluation"]
