"""Keys of rows, and classes of equal cells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crlso.spaces import CellSpace, NASBench201
from crlso.spaces.keys import Classes, first_of_each, row_keys, rows_of_keys

from .examples import FREE_EDGES, FREE_NODES


def test_keys_are_numbers_in_mixed_radix():
    cardinalities = (3, 2, 5)
    rows = np.array(list(itertools.product(*map(range, cardinalities))), np.uint8)
    keys = row_keys(rows, cardinalities)
    assert keys.tolist() == list(range(30))
    np.testing.assert_array_equal(rows_of_keys(keys, cardinalities), rows)


def test_long_rows_have_hashes():
    rng = np.random.default_rng(0)
    rows = np.unique(rng.integers(0, 8, (20_000, 28)).astype(np.uint8), axis=0)
    keys = row_keys(rows, (8,) * 28)
    assert len(np.unique(keys)) == len(rows) and (keys >= 0).all()
    np.testing.assert_array_equal(keys, row_keys(rows[::-1], (8,) * 28)[::-1])
    assert 0.45 < (keys > 2**62).mean() < 0.55


def key_twin(row, cardinalities):
    """The key of a row in Python integers."""
    if np.prod(cardinalities, dtype=object) < 2**63:
        key = 0
        for code, k in zip(row, cardinalities):
            key = key * k + code
        return key
    key = 0
    for code in row:
        key = (key + code + 0x9E3779B97F4A7C15) % 2**64
        key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        key = (key ^ key >> 27) * 0x94D049BB133111EB % 2**64
        key ^= key >> 31
    return key >> 1


@pytest.mark.parametrize("cardinalities", [(8,) * 28, (2,) * 62, (2,) * 63, (255,) * 7, (255,) * 8, (1, 3, 1), ()])
def test_keys_are_those_of_a_twin(cardinalities):
    rng = np.random.default_rng(1)
    rows = np.stack([rng.integers(0, k, 50) for k in cardinalities] or [np.zeros((50, 0))], axis=1).astype(np.uint8)
    rows = rows.reshape(50, len(cardinalities))
    assert row_keys(rows, cardinalities).tolist() == [key_twin(row, cardinalities) for row in rows.tolist()]


def test_first_of_each_is_that_of_a_loop():
    keys = np.random.default_rng(0).integers(0, 20, 100)
    seen: set[int] = set()
    expected = [i for i, key in enumerate(keys.tolist()) if not (key in seen or seen.add(key))]
    assert first_of_each(keys).tolist() == expected
    assert first_of_each(keys[:0]).tolist() == []


@pytest.mark.parametrize("space", [FREE_EDGES, FREE_NODES, NASBench201()], ids=repr)
def test_classes_are_the_different_cells(space):
    classes = space.classes()
    assert len(classes) == len({int(key) for key in space.canonical_key(space.all_codes())})
    np.testing.assert_array_equal(space.canonicalise(classes.codes), classes.codes)
    np.testing.assert_array_equal(space.canonical_key(classes.codes), classes.keys)
    assert (np.diff(classes.keys) > 0).all()
    rows = space.all_codes()[::7]
    np.testing.assert_array_equal(classes.codes[classes.locate(rows)], space.canonicalise(rows))
    for array in (classes.codes, classes.keys):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_cells_of_no_class_are_not_located():
    some = Classes.among(FREE_EDGES.all_codes()[3:6], FREE_EDGES.canonicalise, FREE_EDGES.canonical_key)
    assert some.locate(FREE_EDGES.all_codes()[[2, 3, 5, 6]]).tolist() == [-1, 0, 2, -1]


# -- equality decides which lists are shared --------------------------------------------------------------------------


class Sorted(CellSpace):
    """More cells are equal: those with the same operations in another order."""

    def canonicalise(self, codes):
        return np.sort(self.codes(codes), axis=1)


class Plain(CellSpace):
    """Fewer cells are equal: none with another."""

    def canonicalise(self, codes):
        return self.codes(codes)


class Same(CellSpace):
    """Equal cells are those of the plain space."""


def _count(order, arguments):
    """The numbers of cells by class of space, listed in some order in caches that hold nothing of these arguments."""
    return {kind: (len(kind(**arguments)), len(kind(**arguments).classes())) for kind in order}


@pytest.mark.parametrize("order", list(itertools.permutations([CellSpace, Sorted, Plain, Same])))
def test_a_subclass_has_its_own_cells_whatever_was_listed_before(order):
    mark = "".join(kind.__name__[0] + kind.__name__[-1] for kind in order)  # no other test lists these spaces
    complete = {"nodes": 3, "operations": ["a", "b", mark]}
    assert _count(order, complete) == {CellSpace: (27, 27), Sorted: (10, 10), Plain: (27, 27), Same: (27, 27)}
    branches = {"nodes": 4, "operations": ["a", mark], "edges": [(0, 1), (0, 2), (1, 3), (2, 3)]}
    assert _count(order, branches) == {CellSpace: (10, 10), Sorted: (5, 5), Plain: (16, 16), Same: (10, 10)}


def test_spaces_of_different_classes_are_different():
    arguments = {"nodes": 3, "operations": ["a", "b", "c"]}
    spaces = [kind(**arguments) for kind in (CellSpace, Sorted, Plain, Same)]
    assert len(set(spaces)) == len({hash(space) for space in spaces}) == 4
    for (i, first), (j, second) in itertools.product(enumerate(spaces), repeat=2):
        assert (first == second) == (i == j)
    assert {kind(**arguments) for kind in (CellSpace, Sorted, Plain, Same)} == set(spaces)
    assert all(space.name == spaces[0].name for space in spaces)
