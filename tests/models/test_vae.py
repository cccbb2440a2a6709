"""The graph VAE: its whole loss and gradient, reconstruction of every cell, the shaped latent space, files."""

from __future__ import annotations

import numpy as np
import pytest

from crlso import Tensor, _core, nn
from crlso.benchmarks import NASBench201 as Benchmark
from crlso.models import GraphVAE, ICNNSurrogate, NotFittedError
from crlso.models.graph import CellEncoding
from crlso.random import Stream
from crlso.spaces import NASBench201

from ..twins.models import (
    foreign_files,
    icnn_twin,
    inner,
    kendall_twin,
    leaky,
    rewrite,
    rewrite_meta,
    slope_error,
    trunk_twin,
)

SPACE = NASBench201()
CELLS = SPACE.sample(300, rng=0)
TARGETS = 0.1 + 0.02 * (CELLS == 0).sum(axis=1) - 0.01 * (CELLS == 3).sum(axis=1)


def small(**options) -> GraphVAE:
    return GraphVAE(SPACE, **{"width": 12, "latent": 5, "epochs": 1, **options})


def small_surrogate(**options) -> ICNNSurrogate:
    return ICNNSurrogate(**{"width": 10, "layers": 2, **options})


# -- the loss -------------------------------------------------------------------------------------------------------


class Problem:
    """A VAE in double precision, a batch, noise and targets."""

    def __init__(self, with_surrogate: bool, layers: int = 3) -> None:
        rng = np.random.default_rng(4)
        self.vae = small(layers=layers, kl_weight=0.3, surrogate_weight=0.7, sigma_scale=0.6)
        self.vae.initialise(dtype="float64")
        self.modules: dict[str, nn.Module] = {"encoder": self.vae.encoder_, "decoder": self.vae.decoder_}
        self.targets = None
        if with_surrogate:
            self.vae.surrogate_ = small_surrogate().initialise(5)
            self.vae.surrogate_.network_ = nn.ICNN(5, 10, 2, Stream(1), dtype="float64")
            self.modules["surrogate"] = self.vae.surrogate_.network_
            self.targets = rng.normal(size=7)
        self.parameters = {
            f"{kind}.{name}": tensor
            for kind, module in self.modules.items()
            for name, tensor in module.named_parameters().items()
        }
        for tensor in self.parameters.values():
            change = 0.05 * rng.normal(size=tensor.shape)  # biases start at zero
            tensor.numpy()[...] += np.abs(change) if tensor.nonnegative else change
        self.codes = SPACE.sample(7, rng=2)
        self.noise = rng.normal(size=(7, 5))
        self.batch = CellEncoding(self.vae.encoder_.trunk, self.codes).batch(slice(None))

    def loss(self) -> Tensor:
        return self.vae.loss(self.batch, self.codes.astype(np.int64), self.noise, self.targets)

    def value(self) -> float:
        return self.loss().item()

    def gradients(self) -> dict[str, np.ndarray]:
        found = _core.gradients(self.loss(), list(self.parameters.values()))
        return {name: gradient.numpy().copy() for name, gradient in zip(self.parameters, found)}


def affine(state: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def loss_twin(problem: Problem) -> float:
    """Reconstruction + 0.3 KL + 0.7 (f(z) - target)^2, each averaged over cells."""
    encoder, decoder = problem.vae.encoder_.state(), problem.vae.decoder_.state()
    x = trunk_twin(inner(encoder, "trunk"), SPACE, problem.codes).reshape(7, 4, -1).sum(axis=1)
    mu, log_variance = affine(encoder, "mu", x), affine(encoder, "log_variance", x)
    z = mu + 0.6 * np.exp(log_variance / 2) * problem.noise
    h = np.tanh(affine(decoder, "first", z))
    for i in range(2):
        h = h + affine(decoder, f"blocks.{i}.outer", leaky(affine(decoder, f"blocks.{i}.inner", h)))
    logits = affine(decoder, "logits", h).reshape(7, 6, 5)
    chosen = np.take_along_axis(logits, problem.codes[:, :, None].astype(int), axis=2)[:, :, 0]
    total = (np.log(np.exp(logits).sum(axis=2)) - chosen).sum(axis=1).mean()
    total += 0.3 * 0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1).mean()
    if problem.targets is not None:
        predicted = icnn_twin(problem.modules["surrogate"].state(), z)
        total += 0.7 * ((predicted - problem.targets) ** 2).mean()
    return float(total)


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("with_surrogate", [True, False])
def test_the_loss_against_its_formula(with_surrogate, layers):
    problem = Problem(with_surrogate, layers)
    assert problem.value() == pytest.approx(loss_twin(problem), rel=1e-11)


@pytest.mark.parametrize("with_surrogate", [True, False])
def test_the_gradient_of_every_parameter(with_surrogate):
    problem, rng = Problem(with_surrogate), np.random.default_rng(6)
    gradients = problem.gradients()
    n_layers = 6 + 2 * 6 + 4 + 2 * (1 + 2 * 2 + 1)  # of the encoder with its heads, and the decoder
    assert len(gradients) == n_layers + (2 + 2 * 2 + 3 if with_surrogate else 0)
    for name, tensor in problem.parameters.items():
        assert slope_error(problem.value, [tensor], [gradients[name]], rng) < 1e-6, name
        assert np.abs(gradients[name]).max() > 1e-4, name
    everything = list(problem.parameters.values())
    assert slope_error(problem.value, everything, list(gradients.values()), rng) < 1e-6


def test_a_wrong_gradient_is_noticed():
    problem, rng = Problem(True), np.random.default_rng(6)
    for name, gradient in problem.gradients().items():
        planted = gradient.copy()
        planted.flat[np.abs(planted).argmax()] *= 0.5  # one entry
        tensor = problem.parameters[name]
        assert slope_error(problem.value, [tensor], [planted], rng) > 1e-3, name
        assert slope_error(problem.value, [tensor], [1.01 * gradient], rng) > 1e-4, name


def test_targets_without_a_surrogate_change_nothing():
    problem = Problem(False)
    expected = problem.value()
    problem.targets = np.ones(7)
    assert problem.value() == expected


# -- what it learns -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    return 1 - np.asarray(Benchmark("cifar10").validation(SPACE.all_codes())) / 100


@pytest.fixture(scope="module")
def trained(errors) -> GraphVAE:
    """With the defaults, on all cells."""
    return GraphVAE(SPACE, rng=0).fit(SPACE.all_codes(), errors)


@pytest.mark.slow
def test_every_cell_is_given_back(trained):
    codes = SPACE.all_codes()
    assert trained.score(codes) >= 0.999
    assert (trained.decode(trained.encode(codes)) == codes).all(axis=1).mean() == trained.score(codes)
    assert len(trained.history_) == trained.epochs and trained.history_[-1] < 0.1 * trained.history_[0]


@pytest.mark.slow
def test_the_surrogate_shapes_the_latent_space(trained, errors):
    latents = trained.encode(SPACE.all_codes())
    assert trained.surrogate_.score(latents, errors) > 0.5
    some = slice(0, None, 16)
    tau = kendall_twin(trained.surrogate_.predict(latents[some]).astype(float), errors[some])
    assert tau == pytest.approx(trained.surrogate_.score(latents, errors), abs=0.05)
    certificate = trained.surrogate_.certify_convexity(latents)
    assert certificate.convex and certificate.smallest_weight >= 0


@pytest.mark.slow
def test_latents_are_spread(trained):
    latents = trained.encode(SPACE.all_codes())
    assert latents.dtype == np.float32 and latents.shape == (15625, 16) and np.isfinite(latents).all()
    assert len(np.unique(latents, axis=0)) == 15625
    assert 0.05 < latents.std() < 2 and np.abs(latents.mean(axis=0)).max() < 2 * latents.std()


@pytest.mark.slow
def test_random_latents_are_cells(trained):
    z = np.random.default_rng(0).normal(size=(3000, 16))
    codes = trained.decode(z)
    assert codes.dtype == np.uint8 and codes.shape == (3000, 6) and codes.max() <= 4
    assert len(np.unique(SPACE.index(codes))) > 100
    np.testing.assert_array_equal(trained.decode(z), codes)


@pytest.mark.slow
def test_a_trained_model_in_a_file(trained, errors, tmp_path):
    trained.save(tmp_path / "vae.npz")
    loaded = GraphVAE.load(tmp_path / "vae.npz", SPACE)
    latents = trained.encode(SPACE.all_codes())
    np.testing.assert_array_equal(loaded.encode(SPACE.all_codes()), latents)
    np.testing.assert_array_equal(loaded.decode(latents), trained.decode(latents))
    np.testing.assert_array_equal(loaded.surrogate_.predict(latents), trained.surrogate_.predict(latents))
    assert loaded.surrogate_.certify_convexity(latents).convex


# -- fitting --------------------------------------------------------------------------------------------------------


def test_without_targets_there_is_no_surrogate(tmp_path):
    vae = small(surrogate=small_surrogate()).fit(CELLS)
    assert vae.surrogate_ is None
    vae.save(tmp_path / "vae")
    assert GraphVAE.load(tmp_path / "vae", SPACE).surrogate_ is None


def test_a_surrogate_like_the_given_one_is_trained_along():
    surrogate = small_surrogate(rng=3)
    vae = small(epochs=3, surrogate=surrogate).fit(CELLS, TARGETS)
    assert not hasattr(surrogate, "network_")  # what is given stays as it is
    moved = vae.surrogate_.network_.state()
    fresh = small_surrogate(rng=3).initialise(5).network_.state()
    assert all(not np.array_equal(moved[name], fresh[name]) for name in moved)
    assert vae.surrogate_.certify_convexity(vae.encode(CELLS)).convex
    free = small(epochs=3, surrogate=small_surrogate(convex=False)).fit(CELLS, TARGETS)
    assert not free.surrogate_.certify_convexity(free.encode(CELLS)).convex


def test_the_regulariser_changes_the_encoder():
    with_it, without = small(epochs=2).fit(CELLS, TARGETS), small(epochs=2).fit(CELLS)
    off = small(epochs=2, surrogate_weight=0.0).fit(CELLS, TARGETS)
    assert not np.array_equal(with_it.encode(CELLS), without.encode(CELLS))
    np.testing.assert_allclose(off.encode(CELLS), without.encode(CELLS), rtol=1e-4, atol=1e-5)


class OneNumber:
    """A head that is to tell a number of each cell."""

    name = "one number"

    def __init__(self, wanted):
        self.wanted = np.asarray(wanted, dtype=np.float32)

    def initialise(self, latent, stream):
        self.head = nn.Linear(latent, 1, stream.child("head"))
        return [self.head]

    def loss(self, z, positions):
        return _core.mse(self.head(z), self.wanted[positions][:, None]) * 3.0


def test_auxiliary_heads_are_trained_along_and_shape_the_latents():
    wanted = (CELLS == 3).sum(axis=1)
    taus = []
    for heads in (OneNumber(wanted), None):
        vae = small(epochs=30).fit(CELLS, heads=heads)
        z = vae.encode(CELLS)
        fitted = z @ np.linalg.lstsq(z, wanted - wanted.mean(), rcond=None)[0]
        taus.append(kendall_twin(fitted[:150].astype(float), wanted[:150].astype(float)))
    assert taus[0] > taus[1] + 0.05
    again = small(epochs=2).fit(CELLS, heads=OneNumber(wanted))
    np.testing.assert_array_equal(
        small(epochs=2).fit(CELLS, heads=OneNumber(wanted)).encode(CELLS), again.encode(CELLS)
    )


def test_noise_is_new_in_every_step(monkeypatch):
    noises = []
    original = GraphVAE.loss

    def loss(self, batch, codes, noise, *rest):
        noises.append(noise)
        return original(self, batch, codes, noise, *rest)

    monkeypatch.setattr(GraphVAE, "loss", loss)
    small(epochs=4, batch_size=128).fit(CELLS)
    assert [noise.shape for noise in noises] == [(128, 5), (128, 5), (44, 5)] * 4
    numbers = np.concatenate(noises).ravel()
    assert len(np.unique(numbers)) > 0.99 * numbers.size
    assert abs(numbers.mean()) < 0.1 and abs(numbers.std() - 1) < 0.05


def test_fitting_twice_begins_anew():
    vae = small(surrogate=small_surrogate()).fit(CELLS, TARGETS)
    first = vae.encode(CELLS)
    np.testing.assert_array_equal(vae.fit(CELLS, TARGETS).encode(CELLS), first)
    assert not np.array_equal(small(rng=1).fit(CELLS, TARGETS).encode(CELLS), first)


def test_cells_in_any_form():
    vae = small().fit(SPACE.index(CELLS))
    expected = small().fit(CELLS).encode(CELLS)
    np.testing.assert_array_equal(vae.encode(CELLS), expected)
    np.testing.assert_array_equal(vae.encode(SPACE.cells(CELLS)), expected)
    assert vae.encode(CELLS[:0]).shape == (0, 5) and vae.decode(np.zeros((0, 5))).shape == (0, 6)
    assert vae.encode([str(SPACE.cells(CELLS)[0])]).shape == (1, 5)
    turned = np.asfortranarray(expected.astype(np.float64))
    turned.flags.writeable = False
    np.testing.assert_array_equal(vae.decode(turned), vae.decode(expected))


def test_double_precision_can_be_used_untrained():
    single, double = small().initialise(), small().initialise(dtype="float64")
    assert double.encode(CELLS).dtype == np.float64
    np.testing.assert_allclose(single.encode(CELLS), double.encode(CELLS), rtol=1e-4, atol=1e-5)
    assert (single.decode(single.encode(CELLS)) == double.decode(double.encode(CELLS))).mean() > 0.99


def test_progress_is_told():
    told = []
    small(epochs=2).fit(CELLS, on_epoch=lambda *arguments: told.append(arguments))
    assert told == [(1, 2), (2, 2)]


# -- files ----------------------------------------------------------------------------------------------------------


class OtherSpace(NASBench201):
    name = "other"


def fitted_file(tmp_path):
    small(surrogate=small_surrogate()).fit(CELLS, TARGETS).save(tmp_path / "model")
    return tmp_path / "model"


def test_other_files_and_spaces_are_refused(tmp_path):
    path = fitted_file(tmp_path)
    with pytest.raises(ValueError, match="space: expected the space that the file was written for, got other"):
        GraphVAE.load(path, OtherSpace())
    with pytest.raises(ValueError, match="expected a file saved by ICNNSurrogate"):
        ICNNSurrogate.load(path)
    for name, content in foreign_files(path.read_bytes()).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="path: expected a file saved by GraphVAE"):
            GraphVAE.load(tmp_path / name, SPACE)


def without_surrogate(arrays):
    for name in [name for name in arrays if name.startswith("surrogate/")]:
        del arrays[name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["surrogate/weights.0"].__setitem__((0, 0), -1.0), r"no negative entry in weights\.0, got -1"),
        (lambda a: a["decoder/first.bias"].__setitem__(0, np.nan), r"expected finite values for first\.bias"),
        (lambda a: a.pop("encoder/mu.bias"), r"expected the parameter encoder/mu\.bias"),
        (without_surrogate, "expected the parameter surrogate/input_weight"),
    ],
)
def test_changed_arrays_are_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match="path: expected a file saved by GraphVAE") as caught:
        GraphVAE.load(rewrite(fitted_file(tmp_path), change), SPACE)
    assert caught.match(words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["params"].update(surrogate=None), "got surrogate/input_bias among them"),
        (lambda m: m["params"].update(surrogate=3), "file saved by GraphVAE"),
        (lambda m: m["params"]["surrogate"].update(more=1), "more"),
        (lambda m: m["params"].update(latent=6), "expected shape"),
        (lambda m: m["params"].update(layers=1), "layers: expected at least 2"),
        (lambda m: m["params"].pop("space"), "expected the parameters"),
    ],
)
def test_changed_descriptions_are_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match="path: expected a file saved by GraphVAE") as caught:
        GraphVAE.load(rewrite_meta(fitted_file(tmp_path), change), SPACE)
    assert caught.match(words)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.encode(CELLS),
        lambda m: m.decode(np.zeros((1, 5))),
        lambda m: m.score(CELLS),
        lambda m: m.loss(None, None, None),
        lambda m: m.save("unused"),
    ],
)
def test_use_before_fit(use):
    with pytest.raises(NotFittedError, match="GraphVAE: expected a fitted model; call fit first"):
        use(small())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.decode(np.zeros(5)), ValueError, r"z: expected shape \(n, 5\), got \(5,\)"),
        (lambda m: m.decode(np.zeros((2, 4))), ValueError, r"z: expected shape \(n, 5\), got \(2, 4\)"),
        (lambda m: m.decode(np.full((1, 5), np.nan)), ValueError, "z: expected finite numbers, got nan"),
        (lambda m: m.decode(np.full((1, 5), 1e300)), ValueError, r"z: expected finite numbers, got 1e\+300"),
        (lambda m: m.decode(np.zeros((1, 5), complex)), TypeError, "z: expected real numbers, got dtype complex128"),
        (lambda m: m.decode([["a"] * 5]), TypeError, "z: expected real numbers"),
        (lambda m: m.decode(None), TypeError, "z: expected real numbers"),
        (lambda m: m.encode(["no cell"]), ValueError, "cell string, position"),
        (lambda m: m.encode(np.full((1, 6), 7)), ValueError, "cells: expected codes from 0 to 4, got 7"),
        (lambda m: m.encode(np.zeros((1, 6))), TypeError, "cells: expected an array of integers"),
        (lambda m: m.encode([15625]), IndexError, "from 0 to 15624"),
        (lambda m: m.score(CELLS[:0]), ValueError, "cells: expected at least one, got none"),
        (lambda m: m.fit(CELLS[:0]), ValueError, "cells: expected at least one, got none"),
        (lambda m: m.fit(CELLS, TARGETS[1:]), ValueError, r"targets: expected shape \(300,\)"),
        (lambda m: m.fit(CELLS, TARGETS * np.nan), ValueError, "targets: expected finite numbers, got nan"),
        (lambda m: m.fit(CELLS, TARGETS > 0), TypeError, "targets: expected real numbers, got dtype bool"),
    ],
)
def test_bad_calls_leave_the_model_alone(call, error, words):
    model = small().fit(CELLS)
    before = model.encode(CELLS)
    with pytest.raises(error, match=words):
        call(model)
    np.testing.assert_array_equal(model.encode(CELLS), before)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"width": 0}, ValueError, "width: expected at least 1, got 0"),
        ({"latent": 0}, ValueError, "latent: expected at least 1, got 0"),
        ({"latent": 2.0}, TypeError, "latent: expected an int, got float"),
        ({"latent": 10**18}, ValueError, "expected an array of at most"),
        ({"layers": 1}, ValueError, "layers: expected at least 2, got 1"),
        ({"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        ({"epochs": -2}, ValueError, "epochs: expected at least 0, got -2"),
        ({"betas": (1.0, 0.5)}, ValueError, "betas"),
        ({"max_norm": 0.0}, ValueError, "max_norm"),
        ({"kl_weight": float("nan")}, RuntimeError, "the loss of step 0 is nan"),
        ({"surrogate": 3}, TypeError, "surrogate: expected an ICNNSurrogate or None, got int"),
        ({"rng": None}, TypeError, "rng: randomness must be explicit"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        small(**options).fit(CELLS, TARGETS)
