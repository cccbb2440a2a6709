"""Frozen networks: equal to what they are snapshots of, out of reach of later changes, the same on any threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from crlso import _core, nn
from crlso.methods import PaperCRLSO
from crlso.models import GraphVAE, ICNNSurrogate, NotFittedError
from crlso.random import Stream
from crlso.spaces import DARTS, NASBench101, NASBench201

from .test_icnn import RaisingArray, RaisingIteration
from .test_threads import threads

Tensor = _core.Tensor


def decoder_layers(rng, inputs=5, width=20, inner=33, outputs=11, blocks=2, dtype=np.float32):
    sizes = [(width, inputs), *[(inner, width), (width, inner)] * blocks, (outputs, width)]
    return [
        (Tensor((rng.normal(size=s) / np.sqrt(s[1])).astype(dtype)), Tensor(rng.normal(size=s[0]).astype(dtype)))
        for s in sizes
    ]


def twin(layers, z, slope=0.01):
    """The decoder in NumPy, in float64."""

    def affine(layer, x):
        weight, bias = layer
        return x @ weight.numpy().astype(float).T + (0 if bias is None else bias.numpy().astype(float))

    h = np.tanh(affine(layers[0], z.astype(float)))
    for inner, outer in zip(layers[1:-1:2], layers[2:-1:2]):
        x = affine(inner, h)
        h = h + affine(outer, np.where(x > 0, x, slope * x))
    return affine(layers[-1], h)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("n", [0, 1, 10, 96, 97, 700])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_logits_against_numpy(n, blocks, dtype, rtol):
    rng = np.random.default_rng(n)
    layers = decoder_layers(rng, blocks=blocks, dtype=dtype)
    layers[-1] = (layers[-1][0], None)
    z = rng.normal(size=(n, 5)).astype(dtype)
    logits = _core.FrozenDecoder(layers, 0.2).logits(z)
    assert logits.shape == (n, 11) and logits.dtype == dtype
    np.testing.assert_allclose(logits, twin(layers, z, 0.2), rtol=rtol, atol=rtol)


def test_a_row_does_not_depend_on_the_others():
    """In float32: blocks and chunks of rows are cut where n says, and no bit may show it."""
    rng = np.random.default_rng(1)
    model = ICNNSurrogate(width=48, rng=0).initialise(6).freeze()
    decoder = _core.FrozenDecoder(decoder_layers(rng, inputs=6))
    z = rng.normal(size=(301, 6)).astype(np.float32)
    value, gradient = model.evaluate(z)
    logits = decoder.logits(z)
    if _core.runtime_info()["isa"] == "baseline":
        pytest.skip("OpenBLAS multiplies")
    for begin, end in ((0, 1), (7, 19), (95, 97), (200, 301)):
        np.testing.assert_array_equal(model.evaluate(z[begin:end])[0], value[begin:end])
        np.testing.assert_array_equal(model.evaluate(z[begin:end])[1], gradient[begin:end])
        np.testing.assert_array_equal(decoder.logits(z[begin:end]), logits[begin:end])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_on_any_number_of_threads(dtype):
    rng = np.random.default_rng(2)
    net = nn.ICNN(16, 128, 4, Stream(0), dtype=np.dtype(dtype).name)
    decoder = _core.FrozenDecoder(decoder_layers(rng, 16, 256, 256, 30, dtype=dtype))
    frozen, z = net.freeze(), rng.normal(size=(1500, 16)).astype(dtype)
    results = []
    for n in (1, 2, 3, 4):
        with threads(n):
            results.append([a.tobytes() for a in (*frozen.evaluate(z), decoder.logits(z), decoder.logits(z[:11]))])
    assert results[1:] == [results[0]] * 3


def test_python_threads_share_a_snapshot():
    rng = np.random.default_rng(3)
    decoder = _core.FrozenDecoder(decoder_layers(rng))
    z = rng.normal(size=(500, 5)).astype(np.float32)
    expected, wrong = decoder.logits(z), []

    def work():
        for _ in range(20):
            if not np.array_equal(decoder.logits(z), expected):
                wrong.append(1)

    with threads(2):
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not wrong


def test_snapshots_do_not_follow_their_models():
    """Parameters are NumPy memory that anybody may write to; a snapshot neither sees it nor hides it from the model."""
    space, rng = NASBench201(), np.random.default_rng(4)
    vae, model = GraphVAE(space, width=16, rng=0).initialise(), ICNNSurrogate(width=16, rng=0).initialise(16)
    z = rng.normal(size=(40, 16)).astype(np.float32)
    frozen, decoder = model.freeze(), vae.freeze_decoder()
    before = [*frozen.evaluate(z), decoder.logits(z), decoder.decode(z)]
    np.testing.assert_array_equal(model.evaluate(z)[0], before[0])
    np.testing.assert_array_equal(vae.decode(z), before[3])
    np.testing.assert_array_equal(frozen.descend(z, np.full(40, 0.2)), model.descend(z, 0.2))
    np.testing.assert_array_equal(frozen.descend(z, 0.2), model.descend(z, 0.2))
    for module in (model.network_, vae.decoder_):
        for tensor in module.parameters():
            tensor.numpy()[...] *= -2.0 if not tensor.nonnegative else 2.0
    for old, new in zip(before, [*frozen.evaluate(z), decoder.logits(z), decoder.decode(z)]):
        np.testing.assert_array_equal(old, new)
    assert not np.allclose(model.evaluate(z)[0], before[0])
    assert (vae.decode(z) != before[3]).any()
    model.network_.weights[0].numpy()[0, 0] = -1.0
    for call in (model.freeze, lambda: model.evaluate(z), lambda: model.descend(z, 0.1), lambda: model.predict(z)):
        with pytest.raises(ValueError, match="weights: expected no negative entry"):
            call()


@pytest.mark.parametrize("space", [NASBench201(), NASBench101(), DARTS()], ids=lambda space: space.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frozen_decoders_of_all_spaces_against_autodiff(space, dtype):
    vae = GraphVAE(space, width=24, latent=8, rng=0).initialise(dtype=dtype)
    z = np.random.default_rng(5).normal(size=(33, 8)).astype(dtype)
    with nn.no_grad():
        expected = vae.decoder_(z).numpy()
    decoder = vae.freeze_decoder()
    assert decoder.logits(z).dtype == dtype
    np.testing.assert_allclose(decoder.logits(z), expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(decoder.decode(z), space.from_logits(decoder.logits(z)))
    np.testing.assert_array_equal(decoder.decode(z), vae.decode(z))


def test_unfitted_models_have_nothing_to_freeze():
    with pytest.raises(NotFittedError):
        ICNNSurrogate().freeze()
    with pytest.raises(NotFittedError):
        GraphVAE(NASBench201()).freeze_decoder()


def test_a_search_uses_the_surrogate_of_its_round():
    """Moves are those of the newest surrogate and of the one VAE."""
    optimiser = PaperCRLSO(NASBench201(), rng=0, budget=45, labels=20)
    optimiser.preset = optimiser.preset.__class__(**{**vars(optimiser.preset), "width": 8, "latent": 4, "epochs": 1})
    for number in range(45):
        trial = optimiser.ask()
        optimiser.tell(trial, float(np.sum(trial.cell.codes) + number / 100))
    assert optimiser.diagnostics["rounds"] >= 2
    latent = optimiser.vae.encode([0])[0]
    moves = optimiser._moves(latent, 0)
    start = moves[0] + (moves[0] - moves[1])  # the steps grow by their first size
    steps = optimiser.step * np.arange(1, len(moves) + 1)
    expected = start - steps[:, None] * optimiser.surrogate.evaluate(start[None])[1]
    np.testing.assert_allclose(moves, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(optimiser._decoder.decode(moves), optimiser.vae.decode(moves))


LAYERS = decoder_layers(np.random.default_rng(6))
Z = np.zeros((2, 5), np.float32)


def swapped(number, weight, bias=None):
    return [*LAYERS[:number], (weight, bias), *LAYERS[number + 1 :]]


@pytest.mark.parametrize(
    ("layers", "z", "error", "words"),
    [
        (5, Z, TypeError, "not iterable"),
        (RaisingIteration(), Z, RuntimeError, "no layers today"),
        ([], Z, ValueError, "layers: expected the first, two per block and the last, got 0"),
        (LAYERS[:-1], Z, ValueError, "layers: expected the first, two per block and the last, got 5"),
        ([1, 2], Z, TypeError, r"layers: expected tuples \(weight, bias\)"),
        ([LAYERS[0], list(LAYERS[-1])], Z, TypeError, r"layers: expected tuples \(weight, bias\)"),
        (swapped(1, np.ones((33, 20))), Z, TypeError, "weight: expected a Tensor, got numpy.ndarray"),
        (swapped(1, LAYERS[1][0], 1.0), Z, TypeError, "bias: expected a Tensor, got float"),
        (swapped(0, Tensor(np.ones(20, np.float32))), Z, ValueError, "layers: expected 2 dimensions"),
        (swapped(2, Tensor(np.ones((20, 33)))), Z, TypeError, "expected float32 throughout, got float64 in layer 2"),
        (swapped(2, LAYERS[2][0], Tensor(np.ones(20))), Z, TypeError, "expected float32 throughout"),
        (swapped(3, Tensor(np.ones((33, 19), np.float32))), Z, ValueError, "20 columns in the weight of layer 3"),
        (swapped(4, Tensor(np.ones((21, 33), np.float32))), Z, ValueError, "layer 4, got shape"),
        (swapped(5, LAYERS[5][0], LAYERS[0][1]), Z, ValueError, r"a bias of shape \(11,\) in layer 5"),
        (LAYERS, np.zeros(5), ValueError, r"z: expected shape \(n, 5\)"),
        (LAYERS, np.zeros((2, 4)), ValueError, r"z: expected shape \(n, 5\)"),
        (LAYERS, np.zeros((2, 5), int), TypeError, "z: expected an array of floats"),
        (LAYERS, "abc", TypeError, "z: expected an array of floats"),
        (LAYERS, RaisingArray(), RuntimeError, "no array today"),
        (LAYERS, Z + np.inf, ValueError, "z: expected finite numbers, got inf"),
        (LAYERS, np.full((2, 5), 1e300), ValueError, "z: expected finite numbers, got inf"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_input_is_refused(layers, z, error, words):
    with pytest.raises(error, match=words):
        _core.FrozenDecoder(layers).logits(z)


@pytest.mark.parametrize("slope", [0.0, 1.0, np.nan])
def test_bad_slopes_are_refused(slope):
    with pytest.raises(ValueError, match="slope: expected a number between 0 and 1"):
        _core.FrozenDecoder(LAYERS, slope)


def test_a_bad_point_among_many_is_found():
    z = np.zeros((5000, 5), np.float32)
    decoder, model = _core.FrozenDecoder(LAYERS), ICNNSurrogate(width=8).initialise(5).freeze()
    for row in (0, 2500, 4999):
        z[row, 3] = np.nan
        for call in (decoder.logits, model.evaluate, lambda z: model.descend(z, np.ones(len(z)))):
            with threads(2), pytest.raises(ValueError, match="z: expected finite numbers, got nan"):
                call(z)
        z[row, 3] = 0
