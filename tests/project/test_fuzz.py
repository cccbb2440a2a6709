"""The targets of the fuzzers on a few thousand mutations of genuine samples; see tests/fuzz for long runs."""

from __future__ import annotations

import numpy as np
import pytest

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


def mutated(random: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """One to three changes: bits, bytes, lengths, ends, pieces left out, doubled or taken from another sample."""
    out = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(len(out) + 1))
        size = int(random.integers(1, 17))
        kind = random.integers(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            out[at : at + size] = random.bytes(size)
        elif kind == 2:
            out[at : at + 8] = bytes([255] * 8) if size % 2 else bytes(8)
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            del out[at : at + size]
        elif kind == 5:
            out[at:at] = out[at : at + size] * size
        else:
            start = int(random.integers(len(other)))
            out[at : at + size] = other[start : start + size]
    return bytes(out)


@pytest.mark.parametrize("target", TARGETS)
def test_samples(target):
    for sample in samples(target):
        TARGETS[target](sample)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_mutations(target):
    random = np.random.default_rng(len(target))
    known = samples(target)
    for i in range(MUTATIONS[target]):
        data = known[i % len(known)]
        if target.startswith("booster") and i % 2:
            head = int(random.integers(1, 1000))  # most of what is checked stands at the beginning
            data = mutated(random, data[:head], known[int(random.integers(len(known)))]) + data[head:]
        else:
            data = mutated(random, data, known[int(random.integers(len(known)))])
        TARGETS[target](data)
