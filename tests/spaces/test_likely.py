"""The most likely cells where each node has a fixed number of edges into it, against sorting in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import crlso
from crlso import _core
from crlso.spaces import DARTS


def sorted_choice(layout, logits):
    """The same by a stable sort of the margins of the edges into each node."""
    best = 1 + _core.argmax_last(np.ascontiguousarray(logits[:, :, 1:]))
    margin = logits[:, :, 1:].max(axis=2) - logits[:, :, 0]
    keep = np.zeros(best.shape, dtype=bool)
    targets = np.tile([target for _, target in layout.edges], len(layout.graphs))
    graph = np.repeat(np.arange(len(layout.graphs)), len(layout.edges))
    for g, node in itertools.product(range(len(layout.graphs)), layout.intermediate):
        into = np.flatnonzero((targets == node) & (graph == g))
        top = np.argsort(-margin[:, into], axis=1, kind="stable")[:, : layout.in_degree]
        np.put_along_axis(keep, into[top], True, axis=1)
    return np.where(keep, best, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 7, 600])
def test_likely_cells_are_those_of_sorting(n, dtype):
    layout, rng = DARTS().layout, np.random.default_rng(n)
    logits = rng.normal(size=(n, 28, 8)).astype(dtype)
    logits[::2] = np.round(logits[::2])  # many equal ones
    logits[::5, rng.integers(28, size=3), rng.integers(8, size=3)] = np.nan
    threads = crlso.get_num_threads()
    try:
        for count in (1, 3):
            crlso.set_num_threads(count)
            np.testing.assert_array_equal(_core.cell_likely(logits, layout.of_core), sorted_choice(layout, logits))
    finally:
        crlso.set_num_threads(threads)


def test_decoded_rows_are_cells():
    space = DARTS()
    codes = space.from_logits(np.random.default_rng(0).normal(size=(50, 28 * 8)).astype(np.float32))
    assert space.valid(codes).all()


@pytest.mark.parametrize(
    ("logits", "layout", "error", "words"),
    [
        (np.zeros((1, 28, 8), int), DARTS().layout.of_core, TypeError, "logits: expected float32 or float64"),
        (np.zeros((1, 27, 8)), DARTS().layout.of_core, ValueError, r"logits: expected shape \(n, 28, values\)"),
        (np.zeros((1, 28, 1)), DARTS().layout.of_core, ValueError, "logits: expected shape"),
        (np.zeros((1, 28, 256)), DARTS().layout.of_core, ValueError, "logits: expected shape"),
        (np.zeros((28, 8)), DARTS().layout.of_core, ValueError, "logits: expected shape"),
        (np.zeros((1, 3, 2)), (1, 4, 1, True, True, 2, None, 2), ValueError, "layout: expected operations on edges"),
        (
            np.zeros((1, 6, 2)),
            (1, 4, 1, True, False, 2, None, None),
            ValueError,
            "layout: expected operations on edges",
        ),
    ],
)
def test_wrong_input_is_named(logits, layout, error, words):
    with pytest.raises(error, match=words):
        _core.cell_likely(logits, layout)
