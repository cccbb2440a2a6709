"""Prior studies: what is read of them, what they predict, and searches that have good and misleading ones."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.methods import CRLSO
from crlso.methods.bayesian import Member, Prior, PriorEncoder, ProcessAverage, Reservoir, encoders, read_priors
from crlso.methods.bayesian.priors import LARGEST_PRIOR, best_predicted, with_priors
from crlso.models import GaussianProcess, Kernel
from crlso.models.gaussian_process import Features, normal_scores
from crlso.random import Stream
from crlso.spaces import DARTS, CellSpace
from crlso.studies.study import Study
from tests.methods.forms import forms_of

SPACE = CellSpace(4, ["none", "a", "b", "skip"], zero=["none"], identity=["skip"])
KERNEL = Kernel(((0.5,),), (0.05, 0.5))


def value_of(cell) -> float:
    return 60.0 + 3.0 * cell.operations.count("a") - 2.0 * cell.operations.count("b")


@pytest.fixture(scope="module")
def study():
    return crlso.search(Function(SPACE, value_of), "random", budget=12)


@pytest.fixture
def short_training(monkeypatch):
    """Encoders of small spaces as quickly as they can be had."""
    usual = encoders.shaped_vae
    monkeypatch.setattr(encoders, "shaped_vae", lambda *a, **k: usual(*a, **{**k, "epochs": 2, "latent": 6}))


# ---- reading ----


def test_every_form_has_the_same_content(study, tmp_path):
    order = np.argsort(study.history.keys)
    given = forms_of(study, SPACE, tmp_path)
    for name, prior in zip(given, read_priors(SPACE, list(given.values()))):
        np.testing.assert_array_equal(prior.keys, study.history.keys[order], err_msg=name)
        np.testing.assert_array_equal(prior.codes, study.history.rows[order], err_msg=name)
        np.testing.assert_allclose(prior.scores, normal_scores(study.history.values)[order], atol=1e-9, err_msg=name)
    for name in ("study", "saved study", "path as text", "csv", "table"):  # one needs no list
        assert len(read_priors(SPACE, forms_of(study, SPACE, tmp_path)[name])) == 1
    assert read_priors(SPACE, None) == read_priors(SPACE, []) == []


def test_failed_and_pending_trials_are_left_out():
    optimiser = crlso.methods.RandomSearch(SPACE, rng=0)
    trials = [optimiser.ask() for _ in range(4)]
    optimiser.tell(trials[0], 3.0)
    optimiser.tell(trials[1], state="failed")
    optimiser.tell(trials[2], 5.0)
    (prior,) = read_priors(SPACE, [optimiser])
    assert set(prior.keys) == {optimiser.history.key_of(trials[i]) for i in (0, 2)}


def test_equal_cells_are_averaged():
    space = NASBench201("cifar10").space
    codes = space.all_codes()
    keys = space.canonical_key(codes)
    twins = np.flatnonzero(keys == keys[0])[:2]
    other = np.flatnonzero(keys != keys[0])[0]
    assert len(twins) == 2
    cells = space.cells(codes[[twins[0], other, twins[1]]])
    (prior,) = read_priors(space, [list(zip(cells, [1.0, 2.0, 4.0]))])  # the mean of 1 and 4 is above 2
    assert dict(zip(prior.keys.tolist(), prior.scores.round(3).tolist())) == {keys[0]: 1.0, keys[other]: -1.0}


def test_cells_that_are_not_measured_are_left_out(study, caplog):
    listed = SPACE.subset(study.history.rows[:5])
    (prior,) = read_priors(listed, [study])
    assert len(prior.keys) == 5 and "7 of 12 cells are not in the space" in caplog.text


def test_a_large_prior_is_represented_by_its_best_and_by_others():
    n = 40
    prior = Prior(np.zeros((n, 3), dtype=np.uint8), np.arange(n), normal_scores(np.arange(n)))
    some = prior.some(10, Stream(0))
    assert set(some.keys) >= set(range(35, 40)) and len(set(some.keys)) == 10
    assert prior.some(40, Stream(0)) is prior
    np.testing.assert_array_equal(some.scores, prior.scores[some.keys])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (3, TypeError, "prior: expected a list"),
        ([3], TypeError, r"prior\[0\]: expected a study, a path"),
        ([{"a": 1.0}], TypeError, r"prior\[0\]: expected a study, a path .* got dict"),
        ([("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|", 1.0)], TypeError, r"prior\[0\]: .* got a list of str"),
        ([[("rubbish", 1.0)]], ValueError, r"prior\[0\]: cell"),
        ([[("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|", float("nan"))]], ValueError, r"values of prior\[0\]: expected finite"),
        ([[("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|", "much")]], TypeError, r"values of prior\[0\]: expected"),
        ([[]], ValueError, r"prior\[0\]: expected at least one cell"),
        ([crlso.methods.RandomSearch(SPACE)], ValueError, r"prior\[0\]: expected at least one cell"),
    ],
)
def test_wrong_priors_are_named(given, error, words):
    with pytest.raises(error, match=words):
        CRLSO(SPACE, prior=given)


def test_results_in_other_spaces_are_refused(study, tmp_path):
    study.save(tmp_path / "study.json")
    for given in forms_of(study, SPACE, tmp_path).values():
        with pytest.raises(ValueError, match=r"prior\[0\]|table"):
            read_priors(DARTS(), [given])


def test_damaged_files_are_named(study, tmp_path):
    path = tmp_path / "study.json"
    study.save(path)
    text = path.read_text(encoding="utf-8")
    for damaged in ("{}", text[:-30], text.replace('"value"', '"volume"', 1), '{"space": null, "trials": 3}'):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(ValueError, match=r"prior\[0\]: expected a file of Study.save, got '.*study.json'"):
            read_priors(SPACE, [path])
    with pytest.raises(FileNotFoundError):
        read_priors(SPACE, [tmp_path / "none"])


# ---- prediction and trust ----


def test_best_of_each_prior_in_turn():
    predicted = np.array([[0.0, 4.0, 7.0], [1.0, 5.0, 7.0], [2.0, 3.0, 7.0], [3.0, 6.0, 7.0]])
    assert best_predicted(predicted, 3).tolist() == [3, 2, 1]
    assert best_predicted(predicted, 9).tolist() == [3, 2, 1, 0]
    assert best_predicted(predicted[:, 2:], 3).tolist() == []


def test_members_with_and_without_priors():
    plain = [Member((0,), KERNEL)]
    assert with_priors(plain, 0) == plain
    assert [member.predicted for member in with_priors(plain, 1)] == [(), (0,)]
    assert [member.predicted for member in with_priors(plain, 2)] == [(), (0,), (1,), (0, 1)]


@pytest.mark.parametrize("related", [True, False])
def test_trust_is_learned(related):
    rng = np.random.default_rng(0)
    x = Features((rng.normal(size=(40, 6)),), None, rng.normal(size=(40, 1)))
    y = (1.5 * x.predicted[:, 0] if related else np.sin(2.0 * x.groups[0][:, 0])) + 0.05 * rng.normal(size=40)
    average = ProcessAverage(with_priors([Member((0,), KERNEL)], 1), floor=1.0)
    average.fit(x, y, np.arange(40))
    assert average.shares.sum() == pytest.approx(1.0)
    # Although shares of members are equal here, those of their variants are not.
    assert average.shares[1] > 0.99 if related else average.shares[1] < 0.6


class OneHot:
    """An encoder by one-hot codes."""

    def prepare(self, reservoir, stream, report):
        pass

    def encode(self, codes):
        return Features((np.eye(4)[codes].reshape(len(codes), -1),))


def prior_of(function, n=60):
    cells = SPACE.cells(SPACE.sample(n, rng=3))
    return read_priors(SPACE, [[(cell, function(cell)) for cell in cells]])[0]


def test_predictions_are_the_centred_means_of_the_other_task():
    prior = prior_of(value_of)
    reservoir = Reservoir(SPACE, SPACE.classes().codes, is_complete=True, is_listed=True)
    encoder = PriorEncoder(OneHot(), [prior, prior], [Member((0,), KERNEL)])
    encoder.prepare(reservoir, Stream(0), lambda *_: None)
    found = encoder.encode(reservoir.codes)
    a, b = (np.eye(4)[codes].reshape(len(codes), -1) for codes in (prior.codes, reservoir.codes))
    choices = []
    for noise in KERNEL.noises:
        k = np.exp(-0.5 * ((a[:, None] - a) ** 2).sum(axis=-1)) + noise * np.eye(len(a))
        likelihood = -0.5 * prior.scores @ np.linalg.solve(k, prior.scores) - 0.5 * np.linalg.slogdet(k)[1]
        between = np.exp(-0.5 * ((b[:, None] - a) ** 2).sum(axis=-1))
        choices.append((likelihood, between @ np.linalg.solve(k, prior.scores)))
    mean = max(choices, key=lambda choice: choice[0])[1]
    expected = mean - mean.mean()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found.predicted, np.stack([expected, expected], axis=1), atol=1e-8)


def test_a_prior_that_cannot_predict_itself_predicts_nothing(caplog):
    prior = prior_of(value_of)
    reservoir = Reservoir(SPACE, SPACE.classes().codes, is_complete=True, is_listed=True)
    unused = 0
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(len(prior.scores))
        permuted = Prior(prior.codes, prior.keys, prior.scores[order])
        encoder = PriorEncoder(OneHot(), [prior, permuted], [Member((0,), KERNEL)])
        encoder.prepare(reservoir, Stream(0), lambda *_: None)
        predicted = encoder.encode(reservoir.codes).predicted
        assert predicted[:, 0].any()
        unused += not predicted[:, 1].any()
    assert unused >= 37
    assert caplog.text.count("prior[1] is not used: its values cannot be predicted from each other") == unused


# ---- searches ----


def trials_of(optimiser, value=value_of):
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, value(trial.cell))
    return [trial.cell for trial in optimiser.trials]


@pytest.mark.slow
@pytest.mark.parametrize("misleads", [False, True])
def test_the_best_predicted_are_first_cells_while_none_of_the_others_is_better(misleads, short_training):
    cells = SPACE.cells(SPACE.classes().codes)
    sign = -1.0 if misleads else 1.0
    prior = [(cell, value_of(cell)) for cell in cells]
    optimiser = CRLSO(SPACE, budget=8, prior=[prior])
    first = trials_of(optimiser, lambda cell: sign * value_of(cell))
    usual = trials_of(CRLSO(SPACE, budget=8))
    assert first[:2] == [usual[0], usual[-1]]
    assert value_of(first[2]) == max(map(value_of, cells))
    if misleads:  # one told it, and the others are those of a search without a prior
        assert first[3:] == usual[1:6]
    else:
        assert min(map(value_of, first[2:6])) > max(map(value_of, usual)) - 6 and first[6:] == usual[1:3]


@pytest.mark.slow
def test_first_cells_of_parallel_evaluations(short_training):
    cells = SPACE.cells(SPACE.classes().codes)
    optimiser = CRLSO(SPACE, budget=12, prior=[[(cell, value_of(cell)) for cell in cells]])
    trials = [optimiser.ask() for _ in range(8)]  # all pending: nothing speaks against the prior
    assert len({trial.cell for trial in trials}) == 8
    for trial in trials:
        optimiser.tell(trial, -value_of(trial.cell))
    assert len({trial.cell for trial in (optimiser.ask(), optimiser.ask())} | {trial.cell for trial in trials}) == 10


@pytest.mark.slow
def test_a_prior_without_information_changes_no_first_cell(short_training):
    prior = [(cell, 1.0) for cell in SPACE.cells(SPACE.classes().codes[:10])]
    given = CRLSO(SPACE, budget=20, prior=[prior])
    assert trials_of(given)[:8] == trials_of(CRLSO(SPACE, budget=8))


def test_left_out_predictions_are_those_of_refitted_processes():
    prior = prior_of(value_of, 15)
    x = OneHot().encode(prior.codes)
    average = ProcessAverage([Member((0,), Kernel(((0.5,),), (0.1,))), Member((0,), Kernel(((2.0,),), (0.2,)))])
    average.fit(x, prior.scores, prior.keys)
    found = average.left_out()
    for i in range(15):
        others = np.arange(15) != i
        parts = [GaussianProcess(member.kernel).fit(x[others], prior.scores[others]) for member in average.members]
        means = [part.posterior(x[i : i + 1]).mean[0] for part in parts]
        assert found[i] == pytest.approx(average.shares @ means)


@pytest.mark.slow
def test_copies_and_pickles_go_on_alike(study, short_training):
    optimiser = CRLSO(SPACE, budget=14, prior=[study])
    for _ in range(9):
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    copies = [copy.deepcopy(optimiser), pickle.loads(pickle.dumps(optimiser))]
    expected = trials_of(optimiser)
    assert all(trials_of(other) == expected for other in copies)


@pytest.mark.slow
def test_priors_in_a_large_space():
    space = DARTS()
    codes = space.canonicalise(space.sample(40, rng=1))

    def value(cell):
        return float(sum(name.startswith("sep") for name in str(cell).replace("'", " ").split()))

    prior = [(cell, value(cell)) for cell in space.cells(codes)]
    optimiser = CRLSO(space, budget=10, reservoir=300, candidates=20, prior=[prior, prior[:20]])
    assert len(optimiser.reservoir.codes) == 340
    first = trials_of(optimiser, value)
    assert {member.predicted for member in optimiser.surrogate.members} == {(), (0,), (1,), (0, 1)}
    assert len(optimiser.diagnostics["model"][-1]["shares"]) == len(optimiser.surrogate.members)
    assert len({cell.codes for cell in first}) == 10


@pytest.mark.slow
def test_a_related_prior_helps_and_most_misleading_ones_are_not_used(caplog):
    benchmark, optimum = NASBench201("cifar10"), NASBench201("cifar10").optimal_value()

    def mean_queries(prior):
        found = []
        for seed in range(4):
            options = {} if prior is None else {"prior": [prior]}
            study = crlso.search(benchmark, budget=60, rng=seed, callbacks=[at_optimum], **options)
            found.append(study.n_queries)
        return np.mean(found)

    def at_optimum(study, trial):
        if trial.value == optimum:
            study.stop()

    other = crlso.search(NASBench201("cifar100"), budget=60, rng=9)
    without = mean_queries(None)
    assert mean_queries(other) < 0.85 * without

    cells, values = [trial.cell for trial in other.trials], [trial.value for trial in other.trials]
    unused = []
    for seed in range(24):
        permuted = list(zip(cells, np.random.default_rng(seed).permutation(values)))
        caplog.clear()
        CRLSO(benchmark.space, rng=0, prior=[permuted])
        if "prior[0] is not used" in caplog.text:
            unused.append(permuted)
    assert len(unused) >= 18  # by chance, some seem to predict themselves
    assert mean_queries(unused[0]) == without


def test_a_study_with_a_prior_is_saved(study, tmp_path):
    found = crlso.search(NASBench201("cifar10"), budget=10, prior=[_table()])
    found.save(tmp_path / "found.json")
    assert Study.load(tmp_path / "found.json").n_queries == 10


def _table():
    space = NASBench201("cifar100").space
    return [(cell, float(i)) for i, cell in enumerate(space.cells(space.sample(20, rng=0)))]


@pytest.mark.slow
def test_more_cells_than_processes_are_fitted_to():
    space = NASBench201("cifar100").space
    codes = space.sample(LARGEST_PRIOR + 100, rng=0, unique_classes=True)
    values = NASBench201("cifar100").validation(codes)
    optimiser = CRLSO(space, budget=8, prior=[list(zip(space.cells(codes), values))])
    assert len(optimiser.encoder._averages[0].processes[0].lower_) == LARGEST_PRIOR
