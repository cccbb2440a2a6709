"""The frozen encoder of a graph VAE against the recorded operations that are trained."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import crlso
from crlso.models import GraphVAE
from crlso.models.frozen import encode_all
from crlso.models.graph import CellEncoding
from crlso.nn import no_grad
from crlso.spaces import DARTS, CellSpace, NASBench101, NASBench201
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


@pytest.mark.parametrize("space", [*SPACES, DARTS(), NASBench101(), TWO_EDGES], ids=lambda space: space.name[:40])
def test_encoders_together_give_the_bits_of_each_alone(space):
    codes = space.sample_up_to(600, rng=3)
    shapes = ((2, 12, "float32"), (3, 64, "float32"), (4, 20, "float32"), (3, 9, "float64"))
    models = [model(space, layers, dtype, width) for layers, width, dtype in shapes]
    before = crlso.get_num_threads()
    try:
        for threads in (1, 2, 3, 4):
            crlso.set_num_threads(threads)
            together = [vae.freeze_encoder() for vae in models]
            for rows in (0, 1, 7, 40, 350, 600):
                expected = [vae.freeze_encoder().encode(codes[:rows]) for vae in models]
                got = encode_all(together, codes[:rows])
                for one, other in zip(got, expected):
                    assert one.dtype == other.dtype
                    np.testing.assert_array_equal(one, other)
    finally:
        crlso.set_num_threads(before)


def test_encoders_together_where_some_have_met_the_graphs():
    space = DARTS()
    codes = space.sample(200, rng=1)
    encoders = [model(space, width=width).freeze_encoder() for width in (16, 32)]
    expected = [encoder.encode(codes) for encoder in encoders]
    encoders.append(model(space, width=16).freeze_encoder())
    expected.append(expected[0])
    for some in (slice(50, None), slice(120), slice(None)):
        for latents, whole in zip(encode_all(encoders, codes[some]), expected):
            np.testing.assert_array_equal(latents, whole[some])
    twice = encode_all([encoders[0], encoders[0]], codes)
    np.testing.assert_array_equal(twice[0], twice[1])


def test_encoders_together_are_checked():
    encoder = model(NASBench201()).freeze_encoder()
    codes = np.zeros((2, 6), np.uint8)
    with pytest.raises(ValueError, match="encoders: expected encoders of the same cells, got other nodes, edges or"):
        encode_all([encoder, model(DARTS()).freeze_encoder()], codes)
    with pytest.raises(ValueError, match="encoders: expected at least one, got none"):
        encode_all([], codes)
    with pytest.raises(ValueError, match="codes: expected values below 5 in column 0, got 7"):
        encode_all([encoder], codes + np.uint8(7))
    with pytest.raises(TypeError, match="codes: expected a uint8 array"):
        encode_all([encoder], codes.astype(np.int64))
    with pytest.raises(ValueError, match="codes: expected"):
        encode_all([encoder], codes[:, :5])


def test_latents_that_are_not_finite_are_refused():
    vae = model(NASBench201())
    vae.encoder_.mu.bias.numpy()[0] = np.inf
    with pytest.raises(ValueError, match="model: expected weights whose latents are finite"):
        vae.encode([0, 1])


def test_codes_are_checked():
    encoder = model(NASBench201()).freeze_encoder()
    with pytest.raises(ValueError, match="cells: expected codes from 0 to 4, got 7"):
        encoder.encode(np.full((1, 6), 7))
    with pytest.raises(TypeError, match="cells: expected an array of integers"):
        encoder.encode(np.zeros((1, 6)))
