"""The targets of the fuzzers on a few thousand mutations of genuine samples; see tests/fuzz for long runs."""

from __future__ import annotations

import pytest

from tests.fuzz.cases import Chance
from tests.fuzz.damage import damaged_bytes
from tests.fuzz.samples import samples
from tests.fuzz.targets import TARGETS

MUTATIONS = {
    "genotype": 1000,
    "booster_buffer": 500,
    "booster_pickle": 500,
    "unpickle": 2000,
    "cell_text": 1000,
    "space_name": 1000,
}


@pytest.mark.parametrize("target", TARGETS)
def test_samples(target):
    for sample in samples(target):
        TARGETS[target](sample)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_mutations(target):
    chance = Chance(0, len(target))
    known = samples(target)
    for i in range(MUTATIONS[target]):
        data = known[i % len(known)]
        if target.startswith("booster") and i % 2:
            head = 1 + chance.below(999)  # most of what is checked stands at the beginning
            data = damaged_bytes(chance, data[:head], chance.of(known)) + data[head:]
        else:
            data = damaged_bytes(chance, data, chance.of(known))
        TARGETS[target](data)
