"""Parts of spaces: the cells that satisfy a condition, in spaces that can be listed and in larger ones."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from crlso.models.kept import shipped_latents
from crlso.spaces import DARTS, CellSpace, NASBench201

SEPARABLE = (4, 5)  # codes of separable convolutions


def few(codes):
    """At most one separable convolution."""
    return np.maximum(np.isin(codes, SEPARABLE).sum(axis=1) - 1.0, 0.0)


def rare(codes):
    """All sixteen operations are separable convolutions: less than one random cell in 500 million."""
    return 16.0 - np.isin(codes, SEPARABLE).sum(axis=1)


def impossible(codes):
    return np.ones(len(codes))


def test_a_listed_space_has_the_cells_that_satisfy_the_condition():
    space = NASBench201()
    part = space.where(lambda codes: np.maximum((codes == 3).sum(axis=1) - 1, 0))
    expected = [row for row in space.classes().codes.tolist() if row.count(3) <= 1]
    assert part.classes().codes.tolist() == expected
    assert part.whole == space and space.whole is space
    assert part.valid(part.classes().codes).all() and not part.valid([[3] * 6]).any()
    near = part.neighbourhoods(part.classes().codes[:50]).codes
    assert len(near) and ((near == 3).sum(axis=1) <= 1).all()


def test_the_condition_is_asked_about_the_cells_that_stand_for_classes():
    space = NASBench201()
    key = space.canonical_key(space.all_codes())
    twins = np.flatnonzero(key == np.bincount(key).argmax())
    other = next(row for row in space.all_codes()[twins] if not (row == space.canonicalise([row])[0]).all())
    table = space.subset([other])
    asked = []
    table.where(lambda codes: asked.append(codes.tolist()) or np.zeros(len(codes)))
    assert asked == [[other.tolist()]]


def test_no_cell():
    with pytest.raises(ValueError, match="constraints: expected a cell that satisfies them, got none of 4930"):
        NASBench201().where(impossible)


def test_latents_of_a_part_are_those_of_its_classes():
    space = NASBench201()
    part = space.where(lambda codes: (codes == 3).sum(axis=1))
    rows = space.classes().locate(part.classes().codes)
    np.testing.assert_array_equal(shipped_latents(part), shipped_latents(space)[:, rows])


@pytest.mark.parametrize("condition", [few, rare])
def test_a_large_space(condition):
    part = DARTS().where(condition)
    assert part.n_cells is None
    drawn = part.sample_up_to(300, rng=0)
    assert len(drawn) == 300 and len(np.unique(part.canonical_key(drawn))) == 300
    for codes in (drawn, part.neighbourhoods(drawn[:5]).codes, part.mutate(drawn[:20], rng=1)):
        assert len(codes) and (condition(part.canonicalise(codes)) <= 0).all() and part.valid(codes).all()
    np.testing.assert_array_equal(drawn, part.sample_up_to(300, rng=0))
    assert (drawn[:50] != part.sample_up_to(300, rng=1)[:50]).any()
    copied = pickle.loads(pickle.dumps(part))
    assert copied == part != DARTS() and part.whole == DARTS()
    np.testing.assert_array_equal(copied.sample_up_to(20, rng=3), part.sample_up_to(20, rng=3))


def test_conditions_of_a_large_space_add_up():
    part = DARTS().where(few).where(lambda codes: (codes == 1).sum(axis=1))
    drawn = part.sample_up_to(50, rng=0)
    assert len(drawn) == 50 and not (few(drawn) > 0).any() and not (drawn == 1).any()


def test_no_cell_of_a_large_space_is_found():
    with pytest.raises(ValueError, match="constraints: expected a cell that satisfies them, found none among"):
        DARTS().where(impossible)


def test_a_large_space_that_has_few_such_cells_gives_what_there_is():
    wanted = DARTS().sample(1, rng=5)
    wanted = DARTS().canonicalise(wanted)[0]
    part = DARTS().where(lambda codes: (codes != wanted).sum(axis=1).astype(float))
    assert part.sample_up_to(10, rng=0).tolist() == [wanted.tolist()]


def test_a_space_of_ones_own():
    space = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
    part = space.where(lambda codes: (codes == 1).sum(axis=1))  # no convolutions
    assert 0 < len(part) < len(space) and not (part.all_codes() == 1).any()
