"""The frozen encoder of a graph VAE against the recorded operations that are trained."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import crlso
from crlso.models import GraphVAE
from crlso.models.graph import CellEncoding
from crlso.nn import no_grad
from crlso.spaces import DARTS, CellSpace, NASBench201
from tests.spaces.examples import SPACES, random_rows

TWO_EDGES = CellSpace(nodes=3, operations=["a", "b"], operations_on="nodes", edges=[(0, 1), (1, 2)])


def recorded_latents(vae, codes):
    """Means by recorded operations, all cells in one batch."""
    with no_grad():
        return vae.encoder_(CellEncoding(vae.encoder_.trunk, codes).batch(slice(None)))[0].numpy()


def model(space, layers=3, dtype="float32", width=12):
    return GraphVAE(space, width=width, latent=5, layers=layers, rng=2).initialise(dtype=dtype)


@pytest.mark.parametrize("layers", [2, 3, 5])
@pytest.mark.parametrize("space", [*SPACES, DARTS(), TWO_EDGES], ids=lambda space: space.name[:40])
def test_latents_are_those_of_the_trained_operations(space, layers):
    codes = np.concatenate([random_rows(space, 40), space.sample_up_to(40, rng=0)])
    for dtype, tolerance in (("float32", 3e-6), ("float64", 1e-13)):
        vae = model(space, layers, dtype)
        expected = recorded_latents(vae, codes)
        for got in (vae.encode(codes), vae.freeze_encoder().encode(codes)):
            assert got.dtype == dtype and got.shape == (len(codes), 5)
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("space", [DARTS(), NASBench201()], ids=lambda space: space.name)
def test_bits_depend_on_neither_other_cells_nor_threads(space):
    codes = space.sample(1000, rng=3)
    encoder = model(space, width=64).freeze_encoder()
    expected = encoder.encode(codes)
    before = crlso.get_num_threads()
    try:
        for threads in (1, 2, 3):
            crlso.set_num_threads(threads)
            np.testing.assert_array_equal(encoder.encode(codes), expected)
    finally:
        crlso.set_num_threads(before)
    for rows in (1, 5, 23):
        parts = [encoder.encode(codes[first : first + rows]) for first in range(0, 300, rows)]
        np.testing.assert_array_equal(np.concatenate(parts)[:300], expected[:300])
    order = np.random.default_rng(0).integers(0, 1000, 3000)  # cells more than once
    np.testing.assert_array_equal(encoder.encode(codes[order]), expected[order])
    assert encoder.encode(codes[:0]).shape == (0, 5)


def test_a_snapshot_does_not_change_with_the_model():
    space = NASBench201()
    codes = space.sample(30, rng=0)
    vae = model(space)
    encoder = vae.freeze_encoder()
    before = encoder.encode(codes)
    np.testing.assert_array_equal(before, vae.encode(codes))
    for tensor in vae.encoder_.parameters():
        tensor.numpy()[...] *= 1.5
    np.testing.assert_array_equal(encoder.encode(codes), before)
    assert (vae.encode(codes) != before).any()
    np.testing.assert_array_equal(copy.deepcopy(encoder).encode(codes), before)
    with pytest.raises(TypeError, match="pickle its layers"):
        pickle.dumps(encoder)


def test_graphs_that_cells_share_do_not_stand_for_each_other():
    """A normal and a reduction cell with the same codes are different graphs."""
    space = DARTS()
    vae = model(space)
    a, b = space.layout.split(space.sample(2, rng=1))
    mixed = np.concatenate([np.concatenate([x, y], axis=1) for x in (a, b) for y in (a, b)])
    expected = recorded_latents(vae, mixed)
    np.testing.assert_allclose(vae.encode(mixed), expected, rtol=0, atol=3e-6 * np.abs(expected).max())
    assert len(np.unique(vae.encode(mixed).round(4), axis=0)) == len(np.unique(mixed, axis=0))


def test_codes_are_checked():
    encoder = model(NASBench201()).freeze_encoder()
    with pytest.raises(ValueError, match="cells: expected codes from 0 to 4, got 7"):
        encoder.encode(np.full((1, 6), 7))
    with pytest.raises(TypeError, match="cells: expected an array of integers"):
        encoder.encode(np.zeros((1, 6)))
