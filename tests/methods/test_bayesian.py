"""Gaussian processes against NumPy, features of cells against brute force, and the searches on small spaces."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function
from crlso.methods import METHODS, BudgetSpent
from crlso.methods.bayesian import (
    AcquisitionClimb,
    BayesianSearch,
    BestOfReservoir,
    Candidates,
    GraphEncoder,
    ProcessSurrogate,
    Reservoir,
    Round,
    UpperConfidenceBound,
    encoders,
)
from crlso.models import Kernel
from crlso.models.gaussian_process import Features
from crlso.random import Stream
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
from crlso.spaces.neighbours import Neighbourhoods

SMALL = CellSpace(4, ["conv", "pool", "skip"], operations_on="nodes", edges="free", max_edges=5, identity=["skip"])
ON_EDGES = CellSpace(3, ["none", "a", "b", "skip"], operations_on="edges", zero=["none"], identity=["skip"])
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
    usual = encoders.shaped_vae
    monkeypatch.setattr(encoders, "shaped_vae", lambda *a, **k: usual(*a, **{**k, "epochs": 2, "latent": 6}))


# ---- the searches ----


@pytest.mark.slow
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
    assert {model["observed"] for model in optimiser.diagnostics["model"]} == {len(trials) - 8}


@pytest.mark.slow
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
    optimiser = make(method, space, rng=0, budget=24, candidates=40)
    cells = run(optimiser)
    assert len(set(space.canonical_key(space.codes(cells)).tolist())) == 24
    sources = optimiser.diagnostics["sources"]
    assert sum(sources.values()) == 24 - optimiser.initial
    assert set(sources) <= {"random", "neighbours", "mutations", "latent noise", "latent gradient", "local search"}


def test_a_small_reservoir_makes_a_listed_space_a_large_one(short_training):
    optimiser = make("cr-lso", SMALL, rng=0, budget=30, initial=4, candidates=20, reservoir=20)
    cells = run(optimiser)
    assert not optimiser.reservoir.is_complete
    assert make("cr-lso", SMALL, rng=0, initial=4).reservoir.is_complete
    assert len(set(SMALL.canonical_key(SMALL.codes(cells)).tolist())) == 30
    assert sum(optimiser.diagnostics["sources"].values()) == 26
    latents = np.zeros((1, len(SMALL), 3))
    with pytest.raises(TypeError, match="encoder: expected GraphVAEs for a space larger than the reservoir"):
        make("cr-lso", SMALL, reservoir=20, encoder=latents)


class Line:
    """A space of the cells 0 to 99 in a row, neighbours two apart; only what a climb needs."""

    def canonical_key(self, codes):
        return np.asarray(codes)[:, 0].astype(np.int64)

    def canonicalise(self, codes):
        return np.asarray(codes, dtype=np.uint8)

    def valid(self, codes):
        return np.asarray(codes)[:, 0] < 100

    def neighbourhoods(self, rows):
        near = [[x for x in (int(row[0]) - 2, int(row[0]) + 2) if 0 <= x < 100] for row in rows]
        keys = np.array([x for some in near for x in some])
        return Neighbourhoods(keys[:, None].astype(np.uint8), keys, np.array([len(some) for some in near]))


def test_a_climb_reaches_the_largest_acquisition_values_and_passes_seen_cells_by():
    space, asked = Line(), []
    candidates = Candidates(space, 1)
    candidates.add("random", np.array([[60], [60], [3]], dtype=np.uint8))
    assert candidates.codes.tolist() == [[60], [3]] and candidates.sources == ["random"] * 2

    def values(codes):
        asked.extend(codes[:, 0].tolist())
        return -np.abs(codes[:, 0].astype(float) - 70.0)

    def context(seen):
        reservoir = Reservoir(space, candidates.codes, is_complete=False, is_listed=True)
        is_seen = lambda codes: np.isin(codes[:, 0], seen)  # noqa: E731
        zeros = np.zeros(2)
        is_key = lambda keys: np.isin(keys, seen)  # noqa: E731  (a cell of the line is its own key)
        return Round(reservoir, Stream(0), candidates.codes, zeros, candidates, zeros, values, is_seen, is_key)

    climb = AcquisitionClimb(5)
    found = climb.propose(context([66]))["local search"][:, 0].tolist()
    assert found[0] == 64 and 66 not in found and len(set(found)) == len(found)  # 66 blocks the way to 70
    assert len(set(asked)) == len(asked)  # nothing is looked at twice in a round
    found = climb.propose(context([]))["local search"][:, 0].tolist()
    assert found[0] == 70  # goes on from the most promising cells of the round before
    assert values(np.array(found)[:, None]).tolist() == sorted(values(np.array(found)[:, None]), reverse=True)


def calls_of_a_round(candidates: int) -> int:
    """How many functions a round in a large space calls, in Python and in C."""
    optimiser = make("cr-lso", NASBench101(), rng=0, budget=20, candidates=candidates, reservoir=300)
    for _ in range(12):
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        optimiser.ask()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.slow
def test_a_round_makes_no_call_for_each_candidate():
    few, many = calls_of_a_round(50), calls_of_a_round(400)  # of two sources
    assert abs(many - few) < 350 and many < 25_000, (few, many)


def test_pending_cells_are_known_in_large_spaces():
    """What is pending is neither asked for again nor ranked as if nothing was known of it."""
    waiting, plain = (make("cr-lso", NASBench101(), rng=0, budget=20, candidates=20, reservoir=200) for _ in range(2))
    for optimiser in (waiting, plain):
        for _ in range(8):
            trial = optimiser.ask()
            optimiser.tell(trial, value_of(trial.cell))
    held = [waiting.ask().cell for _ in range(3)]
    evaluated = []
    for _ in range(3):
        trial = plain.ask()
        evaluated.append(trial.cell)
        plain.tell(trial, value_of(trial.cell))
    assert held[0] == evaluated[0] and len(set(held)) == 3
    assert len({model["observed"] for model in waiting.diagnostics["model"]}) == 1


@pytest.mark.slow
def test_a_large_space_without_encoders_gets_some(short_training, monkeypatch):
    monkeypatch.setattr("crlso.methods.bayesian.encoders._CELLS", 300)
    space = CellSpace(nodes=7, operations=["conv", "pool", "skip"], operations_on="nodes", edges="free", max_edges=8)
    assert len(run(make("cr-lso", space, rng=0, budget=10, candidates=20))) == 10


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


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_observations_cost_no_query_and_are_learned_from(method, short_training):
    space = SMALL
    optimiser = make(method, space, rng=0, budget=20, **({"initial": 4} if method in OPTIONS else {}))
    known = space.cells(space.classes().codes[::3][:12])
    for cell in known:
        assert not optimiser.observe(cell, value_of(cell)).asked
    with pytest.raises(ValueError, match="cell: expected a class that was not asked for or observed before"):
        optimiser.observe(known[0], 1.0)
    assert optimiser.remaining == 20 and optimiser.n_told == 0 and optimiser.best.value == max(map(value_of, known))
    asked = run(optimiser)[12:]
    assert len({*known, *asked}) == 32


def test_a_search_ends_where_no_class_is_left():
    optimiser = make("random", SMALL, rng=0)
    for cell in SMALL.cells(SMALL.classes().codes[:-2]):
        optimiser.observe(cell, 1.0)
    assert optimiser.remaining == 2
    run(optimiser)
    with pytest.raises(BudgetSpent, match="a class that was not seen"):
        optimiser.ask()


def test_parts_of_ones_own():
    """A search composed of an encoder, a surrogate, an acquisition and a source that the test made."""

    class Counts:
        def prepare(self, reservoir, stream, report):
            self.n = len(reservoir.space.operations) + 1

        def encode(self, codes):
            return Features((np.stack([(codes == k).sum(axis=1) for k in range(self.n)], axis=1).astype(float),))

    class Nearest:
        def watch(self, x):
            self.watched = x

        def fit(self, x, y, keys):
            self.x, self.y = x.groups[0], y

        def posterior(self, x=None):
            z = (self.watched if x is None else x).groups[0]
            distances = ((z[:, None] - self.x[None]) ** 2).sum(axis=2)
            mean, variance = self.y[distances.argmin(axis=1)], distances.min(axis=1)
            return SimpleNamespace(mean=mean, variance=variance, deviation=np.sqrt(variance), observe=lambda i: None)

        def summary(self):
            return {"kind": "nearest"}

    class Corner:
        def propose(self, context):
            return {"corner": context.reservoir.space.neighbours(context.best[0])}

    parts = {"encoder": Counts(), "surrogate": Nearest(), "acquisition": lambda posterior: posterior.mean}
    listed = crlso.search(Function(SMALL, value_of), BayesianSearch, 20, 0, sources=[], **parts)
    assert listed.diagnostics["model"][-1] == {"observed": 19, "kind": "nearest"} and listed.n_queries == 20
    sources = [BestOfReservoir(), Corner()]
    large = crlso.search(Function(SMALL, value_of), BayesianSearch, 20, 0, sources=sources, reservoir=8, **parts)
    assert set(large.diagnostics["sources"]) <= {"random", "corner"} and large.diagnostics["sources"]["corner"] > 0
    few = crlso.search(Function(SMALL, value_of), BayesianSearch, len(SMALL), 0, sources=[], reservoir=8, **parts)
    assert few.n_queries == len(SMALL)  # random cells where sources know of nothing new


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        ("gp", {"beta": -1.0}, ValueError, "beta: expected at least 0"),
        ("gp", {"beta": "1"}, TypeError, "beta"),
        ("gp", {"initial": 0}, ValueError, "initial: expected at least 1"),
        ("cr-lso", {"batch": 0}, ValueError, "batch: expected at least 1"),
        ("cr-lso", {"candidates": 0}, ValueError, "candidates: expected at least 1"),
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


@pytest.mark.parametrize("space", [NASBench201(), NASBench101()], ids=["listed", "large"])
@pytest.mark.parametrize("fails", [False, True], ids=["pending", "failed"])
def test_a_reservoir_that_is_used_up_before_the_first_value(space, fails):
    parts = {"encoder": GraphEncoder(), "surrogate": ProcessSurrogate(Kernel(weights=((0.05, 0.1), (0.05,))))}
    search = BayesianSearch(
        space, **parts, acquisition=UpperConfidenceBound(1.5), sources=[], initial=4, reservoir=9, budget=12
    )
    keys = set()
    for _ in range(12):
        trial = search.ask()
        keys.update(np.asarray(space.canonical_key(space.codes([trial.cell]))).tolist())
        if fails:
            search.tell(trial, state="failed", error="no memory")
    assert len(keys) == 12
