"""Prior studies: what other tasks on the same space say about cells."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from crlso._base.checks import check_numbers
from crlso._base.checksums import check_checksum
from crlso._base.files import read_text
from crlso._base.types import Codes, Floats, Keys, Progress
from crlso.benchmarks import Tabular
from crlso.history import History
from crlso.methods.bayesian.average import Member, ProcessAverage
from crlso.methods.bayesian.parts import Encoder, Reservoir
from crlso.models.gaussian_process import Features, normal_scores
from crlso.random import Stream
from crlso.spaces.base import Space

__all__ = ["PredictingEncoder", "PriorData", "read_priors"]

LARGEST_FILE = 1 << 28  # bytes
LARGEST_PRIOR = 500  # number of cells to which a process is fitted


class PriorData:
    def __init__(self, space, codes, values):
        keys = space.canonical_key(codes)
        first, inverse = np.unique(keys, return_index=True, return_inverse=True)[1:]
        sums = np.bincount(inverse.reshape(-1), weights=values)
        self.codes = space.canonicalise(codes[first])
        self.keys = keys[first]
        self.scores = normal_scores(sums / np.bincount(inverse.reshape(-1)))


class PredictingEncoder:
    def __init__(self, encoder: Encoder, priors, members) -> None:
        self.encoder, self.priors, self.members = encoder, priors, members

    def prepare(self, reservoir, stream, report):
        self.encoder.prepare(reservoir, stream, report)
        self._models = []
        for prior in self.priors:
            model = ProcessAverage(self.members)
            model.fit(self.encoder.encode(prior.codes), prior.scores, prior.keys)
            self._models.append(model)
        self._centre, self._spread = 0.0, 1.0
        found = self._predicted(self.encoder.encode(reservoir.reference))
        self._centre, self._spread = found.mean(axis=0), np.maximum(found.std(axis=0), 1e-9)

    def _predicted(self, x):
        means = np.stack([m.posterior(x).mean for m in self._models], axis=1)
        return (means - self._centre) / self._spread

    def encode(self, codes):
        x = self.encoder.encode(codes)
        return Features(x.groups, x.size, self._predicted(x))
