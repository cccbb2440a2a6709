"""Spaces, benchmarks and methods small enough to count by hand."""

from __future__ import annotations

import contextlib
import itertools
import time

import numpy as np

from crlso.benchmarks import Tabular
from crlso.methods import Optimiser
from crlso.spaces import CellSpace
from crlso.spaces.keys import Classes


class ToySpace:
    """What follows from `all_codes`, `canonicalise` and `canonical_key` of a space."""

    def representative(self, codes):
        return self.canonicalise(codes)

    def classes(self):
        return Classes.among(self.all_codes(), self.canonicalise, self.canonical_key)

    def cells(self, codes):
        return [tuple(row) for row in np.asarray(codes).tolist()]


class PairSpace(ToySpace):
    """Cells are pairs of three operations, where (a, b) and (b, a) are one class: 9 cells, 6 classes."""

    name = "pairs"
    n_classes = 6

    def all_codes(self):
        return np.array(list(itertools.product(range(3), repeat=2)), dtype=np.uint8)

    def canonicalise(self, codes, level="function"):
        return np.sort(np.asarray(codes), axis=1)

    def canonical_key(self, codes, level="function"):
        low, high = self.canonicalise(codes).astype(np.int64).T
        return 10 * high + low

    def index(self, cells):
        return np.array([3 * a + b for a, b in cells])


class PairBenchmark:
    name = "toy"
    dataset = "numbers"

    def __init__(self):
        self.space = PairSpace()
        self.asked = []

    def evaluate(self, cell):
        self.asked.append(cell)
        return 10.0 * cell[0] + cell[1]

    def test(self, cells):
        return np.array([100.0 - 10.0 * a - b for a, b in cells])


class Scripted(Optimiser):
    """Asks for given codes and records the results it learns from."""

    name = "scripted"

    def __init__(self, space, *, rng=0, budget=None, script=()):
        super().__init__(space, rng=rng, budget=budget)
        self.script, self.learned = list(script), []

    def _next(self):
        return self.script[len(self.trials)]

    def _learn(self, trial):
        self.learned.append((trial.number, trial.value, trial.state))


ALL = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]


def scripted(budget=6, script=ALL, **options):
    return Scripted(PairSpace(), budget=budget, script=script, **options)


BUDGETS = [
    (0, ValueError, "budget: expected at least 1, got 0"),
    (-5, ValueError, "budget: expected at least 1, got -5"),
    (7, ValueError, r"budget: expected at most 6 \(the classes of the space\), got 7"),
    (10**30, ValueError, "budget: expected at most 6"),
    (3.0, TypeError, "budget: expected an int, got float"),
    ("3", TypeError, "budget: expected an int, got str"),
    (True, TypeError, "budget: expected an int, got bool"),
    (np.bool_(True), TypeError, "budget: expected an int, got bool"),
]


class Timed(Scripted):
    def _next(self):
        time.sleep(0.02)
        with self.phase("training"):
            time.sleep(0.05)
            self.report("training", 1, 1)
            with contextlib.suppress(ZeroDivisionError), self.phase("inner"):
                time.sleep(0.03)
                _ = 1 / 0
        return super()._next()


class Many(PairSpace):
    """Pairs of 56 operations: 1,596 classes."""

    def all_codes(self):
        return np.array(list(itertools.product(range(56), repeat=2)), dtype=np.uint8)

    def canonical_key(self, codes, level="function"):
        low, high = self.canonicalise(codes).astype(np.int64).T
        return 100 * high + low


SPACE = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")


def table(name="mine", with_test=True):
    codes = SPACE.all_codes()
    values = np.random.default_rng(0).permutation(len(codes)) / 2 + 50.0
    return Tabular(SPACE, codes, values, values - 1.0 if with_test else None, name=name)
