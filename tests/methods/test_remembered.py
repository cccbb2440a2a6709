"""Features that a search keeps: each cell is encoded once, and nothing else changes."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from crlso.methods.bayesian import remembered
from crlso.methods.bayesian.remembered import RememberedFeatures
from crlso.models.gaussian_process import Features

CARDINALITIES = (7, 7, 7, 7)
CODES = np.indices(CARDINALITIES).reshape(4, -1).T.astype(np.uint8)


class Doubled:
    """An encoder that counts what it encodes."""

    def __init__(self, size=True):
        self.encoded, self._size = [], size

    def encode(self, codes):
        self.encoded += codes.tolist()
        size = codes.sum(axis=1).astype(np.float64) if self._size else None
        return Features((2.0 * codes, codes[:, :1] + 0.5), size, codes[:, 2:] - 1.0)


def expect_features(features, codes):
    np.testing.assert_array_equal(features.groups[0], 2.0 * codes)
    np.testing.assert_array_equal(features.groups[1], codes[:, :1] + 0.5)
    np.testing.assert_array_equal(features.predicted, codes[:, 2:] - 1.0)
    np.testing.assert_array_equal(features.size, codes.sum(axis=1))


def test_each_cell_is_encoded_once():
    encoder = Doubled()
    kept = RememberedFeatures(encoder, CARDINALITIES)
    rng = np.random.default_rng(0)
    for _ in range(20):
        codes = CODES[rng.integers(0, 300, rng.integers(0, 100))]
        expect_features(kept.encode(codes), codes)
    assert len(encoder.encoded) == len(set(map(tuple, encoder.encoded))) > 250


def test_features_without_a_size():
    kept = RememberedFeatures(Doubled(size=False), CARDINALITIES)
    assert kept.encode(CODES[:3]).size is None and len(kept.encode(CODES[:0])) == 0


def test_a_full_memory_begins_anew(monkeypatch):
    monkeypatch.setattr(remembered, "CAPACITY", 50)
    encoder = Doubled()
    kept = RememberedFeatures(encoder, CARDINALITIES)
    rng = np.random.default_rng(1)
    for _ in range(60):
        codes = CODES[rng.integers(0, 80, rng.integers(0, 40))]  # more than 25 are not kept
        expect_features(kept.encode(codes), codes)
    assert len(encoder.encoded) > 80


def test_an_interrupt_leaves_no_wrong_features():
    kept = RememberedFeatures(Doubled(), CARDINALITIES)
    kept.encode(CODES[:5])
    with pytest.raises(ValueError, match="keys: expected"):  # when rows are filled and their keys not yet known
        kept._keep(np.zeros((3, 1), dtype=np.int64), Doubled().encode(CODES[5:8]))
    expect_features(kept.encode(CODES[:20]), CODES[:20])


def test_copies_hold_no_features():
    kept = RememberedFeatures(Doubled(), CARDINALITIES)
    kept.encode(CODES[:30])
    other = copy.deepcopy(kept)
    other._encoder.encoded.clear()
    expect_features(other.encode(CODES[:30]), CODES[:30])
    assert len(other._encoder.encoded) == 30
