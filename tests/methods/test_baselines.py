"""Evolution and local search: on a landscape where every step can be told beforehand, and on the benchmark."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso.benchmarks import Function, NASBench201
from crlso.methods import METHODS, Evolution, LocalSearch
from crlso.spaces import DARTS, CellSpace
from tests.twins.toys import ToySpace

METHOD_NAMES = ["evolution", "local"]


class Line(ToySpace):
    """Cells are the numbers 0 to 29 in a row, each a class of two members; neighbours are one apart."""

    name = "line"

    def all_codes(self):
        return np.array([[x, twin] for x in range(30) for twin in (0, 1)], dtype=np.uint8)

    def canonicalise(self, codes):
        rows = np.array(codes, dtype=np.uint8)
        rows[:, 1] = 0
        return rows

    def canonical_key(self, codes):
        return np.asarray(codes)[:, 0].astype(np.int64)

    def neighbours(self, cell):
        x = int(cell[0])
        return np.array([[y, t] for y in (x - 1, x + 1) if 0 <= y < 30 for t in (0, 1)], dtype=np.uint8).reshape(-1, 2)


def drive(optimiser, value, n):
    """Numbers asked for, one after the other."""
    asked = []
    for _ in range(n):
        trial = optimiser.ask()
        asked.append(trial.cell[0])
        optimiser.tell(trial, value(trial.cell[0]))
    return asked


@pytest.mark.parametrize("improvement", ["first", "steepest"])
@pytest.mark.parametrize("seed", range(5))
def test_a_climb_on_a_single_hill(improvement, seed):
    optimiser = LocalSearch(Line(), rng=seed, improvement=improvement)
    top = 20
    asked = drive(optimiser, lambda x: -abs(x - top), 30)
    assert sorted(asked) == list(range(30))
    start = asked[0]
    # At most one number on the wrong side of the start, then straight to the top, then the other side of it.
    steps = abs(start - top)
    assert asked.index(top) <= 2 * steps + 1
    path = asked[: asked.index(top) + 1]
    assert set(path) - {start - 1, start + 1} <= set(range(min(start, top), max(start, top) + 1))


def test_steepest_looks_at_all_neighbours_first():
    class Star(Line):
        def neighbours(self, cell):
            around = range(1, 6) if cell[0] == 0 else [0, 10 + cell[0]] if cell[0] < 10 else [cell[0] - 10]
            return np.array([[y, 0] for y in around], dtype=np.uint8)

    for seed in range(400):
        optimiser = LocalSearch(Star(), rng=seed, improvement="steepest")
        asked = drive(optimiser, lambda x: float(x), 7)
        if asked[0] == 0:
            assert (sorted(asked[1:6]), asked[6]) == ([1, 2, 3, 4, 5], 15)
            return
    raise AssertionError("no seed starts at the hub")


def test_first_improvement_moves_at_once():
    optimiser = LocalSearch(Line(), rng=3)
    asked = drive(optimiser, float, 6)
    up = [x for x in asked if x >= asked[0]]
    assert up == list(range(asked[0], asked[0] + len(up)))
    assert len(up) >= 5
    assert optimiser.diagnostics == {"climbs": 1, "moves": len(up) - 1}


def test_a_climb_ends_at_its_top_and_the_next_begins():
    # Two hills: 5 and 25 are tops.
    optimiser = LocalSearch(Line(), rng=0)
    asked = drive(optimiser, lambda x: -min(abs(x - 5), abs(x - 25) + 0.5), 30)
    assert sorted(asked) == list(range(30))
    assert optimiser.diagnostics["climbs"] > 1


def test_evolution_asks_for_random_cells_then_for_neighbours():
    optimiser = Evolution(Line(), rng=1, population=4, tournament=4)
    first = drive(optimiser, float, 4)
    assert optimiser.diagnostics["random_cells"] == 4
    # The whole population is the tournament: the parent is the best of the last four with an unseen neighbour.
    alive = first
    seen = set(first)
    for _ in range(10):
        parent = next((p for p in sorted(alive, reverse=True) if {p - 1, p + 1} - seen - {-1, 30}), None)
        (asked,) = drive(optimiser, float, 1)
        if parent is not None:
            assert asked in {parent - 1, parent + 1} - seen
        seen.add(asked)
        alive = [*alive[1:], asked]


def test_the_oldest_dies_however_good_it_is():
    optimiser = Evolution(Line(), rng=1, population=3, tournament=3)
    values = iter([100.0, 1.0, 2.0, 3.0, 4.0])
    asked = drive(optimiser, lambda x: next(values), 5)
    assert abs(asked[3] - asked[0]) == 1  # the best is the parent
    assert [trial.value for trial in optimiser.history.latest(3)] == [2.0, 3.0, 4.0]


def test_a_tournament_of_one_is_no_choice():
    optimiser = Evolution(Line(), rng=0, population=5, tournament=1)
    parents = set()
    for seed in range(30):
        optimiser = Evolution(Line(), rng=seed, population=5, tournament=1)
        asked = drive(optimiser, float, 6)
        parents.add(sorted(asked[:5]).index(min(asked[:5], key=lambda x: abs(x - asked[5]))))
    assert len(parents) > 2


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_class_is_asked_for_once(method):
    asked = drive(METHODS[method](Line(), rng=2), lambda x: (x * 7) % 11, 30)
    assert sorted(asked) == list(range(30))


@pytest.mark.parametrize("improvement", ["first", "steepest"])
@pytest.mark.parametrize("seed", range(4))
def test_local_search_with_many_pending(improvement, seed):
    rng = np.random.default_rng(seed)
    optimiser = LocalSearch(Line(), rng=seed, improvement=improvement)
    pending, told = [], []
    while optimiser.n_told < 30:
        if optimiser.remaining and (len(pending) < 7 or rng.random() < 0.3):
            pending.append(optimiser.ask())
        else:
            trial = pending.pop(int(rng.integers(len(pending))))
            if rng.random() < 0.2:
                optimiser.tell(trial, state="failed")
            else:
                optimiser.tell(trial, -abs(trial.cell[0] - 12.0))
            told.append(trial.cell[0])
    assert sorted(told) == list(range(30))


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_all_pending_and_all_failing(method):
    optimiser = METHODS[method](Line(), rng=0)
    trials = [optimiser.ask() for _ in range(30)]
    assert len({trial.cell for trial in trials}) == 30
    optimiser = METHODS[method](Line(), rng=0)
    for _ in range(30):
        optimiser.tell(optimiser.ask(), state="failed")
    assert not optimiser.history.complete


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_seed_repeats_a_search(method):
    bench = NASBench201("cifar10")
    runs = [crlso.search(bench, method=method, budget=60, rng=seed, progress=False) for seed in (4, 4, 5)]
    cells = [[trial.cell for trial in run.trials] for run in runs]
    assert cells[0] == cells[1] != cells[2]


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize(
    "space",
    [
        CellSpace(nodes=5, operations=["a", "b"], operations_on="nodes", edges="free", max_edges=6),
        CellSpace(nodes=3, operations=["a", "b", "c"]),
        DARTS(),
    ],
    ids=["free", "tiny", "darts"],
)
def test_any_space(method, space):
    budget = min(40, space.n_cells or 40)
    bench = Function(space, lambda cell: float(sum(cell.codes)), name="sum")
    study = crlso.search(bench, method=method, budget=budget, rng=0, progress=False)
    codes = np.array([trial.cell.codes for trial in study.trials], dtype=np.uint8)
    assert len(np.unique(space.canonical_key(codes))) == budget


@pytest.mark.slow
@pytest.mark.parametrize(("method", "bound"), [("evolution", 0.55), ("local", 0.85)])
def test_share_of_seeds_at_the_optimum(method, bound):
    # 100 other seeds: 72 and 99 % at 150 queries; of 20, fewer than these bounds are 2 to 5 standard errors off.
    bench = NASBench201("cifar10")
    best = bench.evaluate(bench.optimum())
    hits = [crlso.search(bench, method=method, budget=150, rng=s, progress=False).best.value == best for s in range(20)]
    assert np.mean(hits) >= bound


@pytest.mark.parametrize(
    ("method", "options", "error", "message"),
    [
        ("evolution", {"population": 0}, ValueError, "population: expected at least 1, got 0"),
        ("evolution", {"population": 2.5}, TypeError, "population: expected an int, got float"),
        ("evolution", {"tournament": True}, TypeError, "tournament: expected an int, got bool"),
        ("evolution", {"population": 5}, ValueError, "tournament: expected at most the population of 5, got 10"),
        ("local", {"improvement": "best"}, ValueError, "improvement: expected one of first, steepest, got 'best'"),
    ],
)
def test_wrong_options(method, options, error, message):
    with pytest.raises(error, match=message):
        METHODS[method](Line(), **options)
