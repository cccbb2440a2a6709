"""The convex surrogate as an estimator: it stays convex, says so when it is not, and takes no bad input or file."""

from __future__ import annotations

import numpy as np
import pytest

import crlso
from crlso import _core
from crlso.models import ICNNSurrogate, NotFittedError
from crlso.models.base import train

from ..twins.models import foreign_files, icnn_twin, jensen_gap, kendall_twin, rewrite, rewrite_meta

ROUNDING = 1e-5  # of float32, relative to the values


def points(n: int = 200, inputs: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, inputs)).astype(np.float32)


def bowl(z: np.ndarray) -> np.ndarray:
    return (z**2).sum(axis=1)


def saddle(z: np.ndarray) -> np.ndarray:
    """Nothing convex: it pulls at the constraint."""
    return np.cos(2 * z[:, 0]) - (z[:, 1:] ** 2).sum(axis=1)


def small(**options) -> ICNNSurrogate:
    return ICNNSurrogate(**{"width": 16, "layers": 2, "epochs": 20, "learning_rate": 1e-2, **options})


def gap(model: ICNNSurrogate, n: int = 3000) -> float:
    return jensen_gap(model.predict, 3, np.random.default_rng(7), n)


def smallest_weight(model: ICNNSurrogate) -> float:
    network = model.network_
    return min(float(weight.numpy().min()) for weight in [*network.weights, network.output_weight])


# -- convexity ------------------------------------------------------------------------------------------------------


def test_convex_after_each_stage_of_its_life(tmp_path):
    z = points()
    model = small().initialise(3)
    for stage in ("initialised", "fitted", "fine-tuned", "loaded", "loaded and fine-tuned"):
        if stage == "fitted":
            model.fit(z, saddle(z))
        elif stage == "loaded":
            model.save(tmp_path / "model.npz")
            model = ICNNSurrogate.load(tmp_path / "model.npz")
        elif stage != "initialised":
            model.set_params(input_noise=0.05, label_noise=0.01).fit(z, saddle(z), warm_start=True)
        assert smallest_weight(model) >= 0, stage
        assert gap(model) <= ROUNDING, stage
        assert model.certify_convexity(z).convex, stage
    assert smallest_weight(model) == 0  # the constraint was felt


def test_convex_after_every_step_of_the_training_loop():
    z, model = points(), small().initialise(3)
    gaps = []

    def loss(positions, step):
        assert smallest_weight(model) >= 0
        gaps.append(gap(model, 500))
        return _core.mse(model.network_(z[positions]), saddle(z[positions]).astype(np.float32))

    history = train(
        model.network_.parameters(), loss, 200, crlso.random.Stream(0), epochs=30, batch_size=64, learning_rate=0.03
    )
    assert len(gaps) == 120 and max(gaps) <= ROUNDING
    assert history[-1] < 0.8 * history[0]


def test_the_same_training_without_the_constraint_is_not_convex():
    z = points()
    model, convex = small(convex=False, epochs=60).fit(z, saddle(z)), small(epochs=60).fit(z, saddle(z))
    assert smallest_weight(model) < 0
    assert gap(model) > 1e-2
    certificate = model.certify_convexity(z)
    assert not certificate.convex and certificate.largest_jensen_gap > certificate.tolerance
    assert certificate.smallest_weight == smallest_weight(model) and certificate.smallest_curvature < -0.1
    assert model.history_[-1] < 0.7 * convex.history_[-1]  # free to follow what is not convex


def test_a_certificate_looks_at_weights_and_at_the_function():
    z = points()
    model = small(convex=False).initialise(3)
    for weight in [*model.network_.weights, model.network_.output_weight]:
        weight.numpy()[...] = np.abs(weight.numpy())
    honest = model.certify_convexity(z)
    assert honest.convex and honest.smallest_weight >= 0 and honest.largest_jensen_gap <= 1e-4
    model.network_.weights[0].numpy()[0, 0] = -1e-6  # too little to show in the function
    slight = model.certify_convexity(z)
    assert not slight.convex and slight.largest_jensen_gap <= slight.tolerance
    assert model.certify_convexity(z, segments=100, directions=10, rng=3).tolerance == 1e-4


def test_a_certificate_does_not_rely_on_weights(monkeypatch):
    model = small().initialise(3)
    monkeypatch.setattr(model, "predict", saddle)
    certificate = model.certify_convexity(points())
    assert certificate.smallest_weight >= 0 and not certificate.convex and certificate.smallest_curvature < -1


def test_a_certificate_measures_curvature():
    z = np.random.default_rng(0).uniform(-1, 1, size=(1000, 1)).astype(np.float32)
    model = small(epochs=60).fit(z, (z**2).sum(axis=1))
    curvature = model.certify_convexity(z, directions=200).smallest_curvature
    assert -1e-4 < curvature < 2  # of 2 for the parabola itself


# -- fitting --------------------------------------------------------------------------------------------------------


def test_it_learns_a_convex_function():
    z, fresh = points(400), points(300, seed=1)
    model = small(epochs=60).fit(z, bowl(z))
    assert model.history_[-1] < 0.05 * model.history_[0] and len(model.history_) == 60
    assert model.score(fresh, bowl(fresh)) > 0.75
    assert model.score(fresh, bowl(fresh)) == pytest.approx(
        kendall_twin(model.predict(fresh).astype(float), bowl(fresh).astype(float)), abs=1e-12
    )


def test_it_starts_at_the_mean_target():
    z = points()
    model = small(epochs=0).fit(z, bowl(z) + 100)
    assert abs(model.predict(z).mean() - (bowl(z) + 100).mean()) < 2


def test_predictions_are_those_of_the_formula_and_of_autodiff():
    z = points()
    model = small(epochs=3).fit(z, bowl(z))
    value, gradient = model.evaluate(z)
    np.testing.assert_allclose(value, icnn_twin(model.network_.state(), z), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient, crlso.grad(model.network_, z), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.predict(z), value)
    np.testing.assert_allclose(model.descend(z, 0.3), z - np.float32(0.3) * gradient, rtol=1e-5, atol=1e-5)
    steps = np.linspace(0, 1, len(z))
    np.testing.assert_allclose(model.descend(z, steps), z - steps[:, None] * gradient, rtol=1e-5, atol=1e-5)
    assert model.predict(model.descend(z, 0.05)).mean() < value.mean()


def test_warm_start_goes_on_and_a_plain_fit_begins_anew():
    z, y = points(), bowl(points())
    first = small(epochs=30, rng=4).fit(z, y)
    history, before = first.history_, first.predict(z)
    first.fit(z, y, warm_start=True)
    assert max(first.history_) < 0.85 * history[0] and not np.array_equal(first.predict(z), before)
    np.testing.assert_array_equal(first.fit(z, y).predict(z), before)
    cold = small(epochs=30, rng=4).fit(z, y, warm_start=True)  # nothing to go on from
    np.testing.assert_array_equal(cold.predict(z), before)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"convex": False, "weight_decay": 1e-3},
        {"layers": 0, "batch_size": 200},
        {"width": 256, "input_noise": 0.1, "label_noise": 0.2},
    ],
)
def test_training_has_the_bits_of_recorded_operations(options):
    z, y = points(), saddle(points())
    options = {"epochs": 3, "batch_size": 64, **options}
    by_epochs = small(**options).fit(z, y, on_epoch=lambda done, epochs: None)
    model, expected = small(**options).fit(z, y), small(**options).initialise(3, float(y.mean()))
    network, stream = expected.network_, expected._stream.child("fit1")

    def loss(positions, step):
        x, t = z[positions], y[positions]
        if expected.input_noise:
            x = x + expected.input_noise * stream.normal("input", step, x.shape)
            t = t + expected.label_noise * stream.normal("label", step, t.shape)
        return _core.mse(network(x), t)

    names = ("epochs", "batch_size", "learning_rate", "betas", "weight_decay")
    given = {name: getattr(expected, name) for name in names}
    history = train(network.parameters(), loss, len(z), stream, **given)
    for trained in (model, by_epochs):
        assert trained.history_ == history
        for name, values in network.state().items():
            np.testing.assert_array_equal(trained.network_.state()[name], values, name)
        assert all(parameter.grad is None for parameter in trained.network_.parameters())


def test_noise_is_new_in_every_fit_and_repeats_with_the_seed():
    z, y = points(), bowl(points())

    def fitted(**options):
        model = small(epochs=2, **options).fit(z, y)
        return [model.predict(z), model.fit(z, y, warm_start=True).predict(z)]

    noisy, again = fitted(input_noise=0.1), fitted(input_noise=0.1)
    np.testing.assert_array_equal(noisy, again)
    for other in (fitted(), fitted(label_noise=0.1), fitted(input_noise=0.1, rng=1)):
        assert not np.array_equal(noisy[0], other[0])
    still = small(epochs=3, learning_rate=0.0, label_noise=0.5).fit(z, y)
    first = still.history_
    assert len({*first, *still.fit(z, y, warm_start=True).history_}) == 6


def test_given_arrays_are_left_alone():
    z, y = points(), bowl(points())
    z.flags.writeable = y.flags.writeable = False
    copies = z.copy(), y.copy()
    model = small(epochs=2, input_noise=0.1, label_noise=0.1).fit(z, y)
    model.evaluate(z), model.descend(z, 1.0), model.certify_convexity(z)
    np.testing.assert_array_equal(z, copies[0])
    np.testing.assert_array_equal(y, copies[1])
    turned = np.asfortranarray(z[::2].astype(np.float64))
    np.testing.assert_array_equal(model.predict(turned), model.predict(z[::2]))
    np.testing.assert_array_equal(model.predict(z[::2].tolist()), model.predict(z[::2]))


def test_parameters_by_name():
    model = ICNNSurrogate(width=7, rng=3)
    assert model.get_params()["width"] == 7 and ICNNSurrogate(**model.get_params()).get_params() == model.get_params()
    assert model.set_params(width=9) is model and model.width == 9
    assert repr(model).startswith("ICNNSurrogate(width=9, layers=4, convex=True")
    with pytest.raises(ValueError, match="depth: expected a parameter out of"):
        model.set_params(depth=3)


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convex", [True, False])
def test_a_file_gives_the_model_back(tmp_path, convex):
    z = points()
    model = small(convex=convex, width=np.int64(16), betas=(0.5, 0.8), rng=np.random.default_rng(3)).fit(z, bowl(z))
    model.save(tmp_path / "model")
    loaded = ICNNSurrogate.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(z), model.predict(z))
    ours, theirs = model.get_params(), loaded.get_params()
    assert {k: v for k, v in ours.items() if k != "rng"} == {k: v for k, v in theirs.items() if k != "rng"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def fitted_file(tmp_path):
    z = points()
    small(epochs=1).fit(z, bowl(z)).save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def test_a_file_with_a_negative_weight_is_refused(tmp_path):
    path = fitted_file(tmp_path)

    def dent(name):
        return rewrite(path, lambda arrays: arrays[f"network/{name}"].__setitem__((0, 0), -1e-6))

    for name in ("weights.0", "weights.1", "output_weight"):
        changed = dent(name)
        with pytest.raises(ValueError, match=f"expected no negative entry in {name}, got -1e-06"):
            ICNNSurrogate.load(changed)
    assert ICNNSurrogate.load(dent("skips.0")).certify_convexity(points()).convex


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["network/skips.0"].__setitem__((0, 0), np.nan), "expected finite values for skips.0"),
        (lambda a: a.pop("network/output_bias"), "expected the parameter network/output_bias, which the file lacks"),
        (lambda a: a.update({"network/more": np.ones(1)}), "expected the parameters"),
        (lambda a: a.update({"other/weight": np.ones(1)}), "got other/weight among them"),
        (lambda a: a.update({"network/output_bias": np.ones((1, 1))}), "expected shape"),
        (lambda a: a.update({"network/output_bias": np.array([1j])}), "expected real numbers for network/output_bias"),
        (lambda a: a.update({"network/output_bias": np.array([{}], dtype=object)}), "expected an array that fills"),
        (lambda a: a.pop("meta"), "meta"),
        (lambda a: a.update(meta=np.array([{}], dtype=object)), "expected an array that fills"),
        (lambda a: a.update(meta=np.array("{")), "JSON|Expecting"),
        (lambda a: a.update(meta=np.array("[]")), "another kind or format"),
    ],
)
def test_changed_arrays_are_refused(tmp_path, change, words):
    changed = rewrite(fitted_file(tmp_path), change)
    with pytest.raises(ValueError, match=r"^path: expected a file saved by ICNNSurrogate, got '.*npz': ") as caught:
        ICNNSurrogate.load(changed)
    assert caught.match(words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(kind="predictor"), "another kind or format"),
        (lambda m: m.update(format=2), "another kind or format"),
        (lambda m: m.pop("params"), "params"),
        (lambda m: m.update(params=[1]), "expected the parameters"),
        (lambda m: m["params"].pop("inputs"), "expected the parameters"),
        (lambda m: m["params"].pop("width"), "expected the parameters"),
        (lambda m: m["params"].update(more=1), "expected the parameters"),
        (lambda m: m["params"].update(betas=3), "betas: expected 2 numbers, got 3"),
        (lambda m: m["params"].update(width="16"), "width: expected an int, got str"),
        (lambda m: m["params"].update(width=17), "expected shape"),
        (lambda m: m["params"].update(width=-1), "width: expected at least 1"),
        (lambda m: m["params"].update(width=10**18), "expected shape"),
        (lambda m: m["params"].update(inputs=10**18), "expected shape"),
        (lambda m: m["params"].update(layers=10**9), r"expected the parameter network/weights\.2"),
        (lambda m: m["params"].update(convex=1), "convex: expected True or False, got int"),
        (lambda m: m["params"].update(learning_rate=None), "learning_rate: expected a number, got NoneType"),
        (lambda m: m["params"].update(layers=3), "expected the parameter network/weights"),
        (lambda m: m["params"].update(rng=None), "rng"),
        (lambda m: m["params"].update(rng=-1), "rng"),
    ],
)
def test_changed_descriptions_are_refused(tmp_path, change, words):
    changed = rewrite_meta(fitted_file(tmp_path), change)
    with pytest.raises(ValueError, match="path: expected a file saved by ICNNSurrogate") as caught:
        ICNNSurrogate.load(changed)
    assert caught.match(words)


def test_foreign_and_broken_files_are_refused(tmp_path):
    good = fitted_file(tmp_path).read_bytes()
    for name, content in foreign_files(good).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"path: expected a file saved by ICNNSurrogate, got '{path}'"):
            ICNNSurrogate.load(path)


def test_flipped_bits_are_refused_or_harmless(tmp_path):
    z = points(20)
    path = fitted_file(tmp_path)
    good, expected = path.read_bytes(), ICNNSurrogate.load(path).predict(z)
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(good), 150):
        changed = bytearray(good)
        changed[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            model = ICNNSurrogate.load(path)
        except ValueError as error:
            if "path: expected a file saved by ICNNSurrogate" not in str(error):
                raise
            refused += 1
        else:  # a date, say
            np.testing.assert_array_equal(model.predict(z), expected)
    assert refused > 100


def test_files_that_cannot_be_opened_or_written(tmp_path):
    model = small(epochs=1).fit(points(), bowl(points()))
    with pytest.raises(FileNotFoundError):
        ICNNSurrogate.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        ICNNSurrogate.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "nowhere" / "model")
    path = tmp_path / "model"
    model.save(path)
    before = path.read_bytes()
    model.set_params(learning_rate=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        model.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.predict(points()),
        lambda m: m.evaluate(points()),
        lambda m: m.descend(points(), 0.1),
        lambda m: m.score(points(), bowl(points())),
        lambda m: m.certify_convexity(points()),
        lambda m: m.save("unused"),
    ],
)
def test_use_before_fit(use):
    with pytest.raises(NotFittedError, match="ICNNSurrogate: expected a fitted model; call fit first"):
        use(ICNNSurrogate())


BAD_POINTS = [
    (np.zeros(3), ValueError, r"z: expected shape \(n, (3|inputs)\), got \(3,\)"),
    (np.zeros((1, 2, 3)), ValueError, "z: expected shape"),
    (np.zeros((2, 3), complex), TypeError, "z: expected real numbers, got dtype complex128"),
    (np.zeros((2, 3), bool), TypeError, "z: expected real numbers, got dtype bool"),
    (np.zeros((2, 3), object), TypeError, "z: expected real numbers, got dtype object"),
    ([["1", "2", "3"]], TypeError, "z: expected real numbers"),
    (None, TypeError, "z: expected real numbers"),
    ([[0, 1, np.nan]], ValueError, "z: expected finite numbers, got nan"),
    ([[0, 1, -np.inf]], ValueError, "z: expected finite numbers, got -inf"),
    ([[0, 1, 1e300]], ValueError, r"z: expected finite numbers, got 1e\+300"),
]


@pytest.mark.parametrize(("z", "error", "words"), BAD_POINTS)
def test_bad_points(z, error, words):
    model = small(epochs=1).fit(points(), bowl(points()))
    before = model.network_.state()
    y = np.zeros(np.shape(z)[0] if np.ndim(z) else 0)
    calls = [
        lambda: model.predict(z),
        lambda: model.descend(z, 0.1),
        lambda: model.certify_convexity(z),
        lambda: model.fit(z, y),
        lambda: model.fit(z, y, warm_start=True),
    ]
    for call in calls:
        with pytest.raises(error, match=words):
            call()
    for name, array in model.network_.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (np.zeros(199), ValueError, r"y: expected shape \(200,\), one number per cell, got \(199,\)"),
        (np.zeros((200, 1)), ValueError, "y: expected shape"),
        (np.zeros(0), ValueError, "y: expected shape"),
        (np.full(200, np.nan), ValueError, "y: expected finite numbers, got nan"),
        (np.full(200, np.inf), ValueError, "y: expected finite numbers, got inf"),
        (np.full(200, 1e300), ValueError, r"y: expected finite numbers, got 1e\+300"),
        (np.zeros(200, complex), TypeError, "y: expected real numbers, got dtype complex128"),
        (np.zeros(200, bool), TypeError, "y: expected real numbers, got dtype bool"),
        (["a"] * 200, TypeError, "y: expected real numbers"),
        (None, TypeError, "y: expected real numbers"),
    ],
)
def test_bad_targets(y, error, words):
    model = small()
    with pytest.raises(error, match=words):
        model.fit(points(), y)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.fit(points(0), []), ValueError, "y: expected at least one label, got none"),
        (lambda m: m.predict(points(5, 2)), ValueError, r"z: expected shape \(n, 3\), got \(5, 2\)"),
        (lambda m: m.fit(points(5, 2), [0] * 5, warm_start=True), ValueError, r"z: expected shape \(n, 3\)"),
        (lambda m: m.descend(points(5), [0.1] * 4), ValueError, r"step: expected one size or shape \(5,\)"),
        (lambda m: m.descend(points(5), np.nan), ValueError, "step: expected finite numbers, got nan"),
        (lambda m: m.score(points(5), [1.0] * 4), ValueError, "expected two one-dimensional arrays of equal length"),
        (lambda m: m.certify_convexity(points(0)), ValueError, "z: expected at least one point, got none"),
        (lambda m: m.certify_convexity(points(), segments=0), ValueError, "segments: expected at least 1"),
        (lambda m: m.certify_convexity(points(), directions=1.5), TypeError, "directions: expected an int"),
        (lambda m: m.certify_convexity(points(), rng=None), TypeError, "rng"),
    ],
)
def test_bad_calls(call, error, words):
    model = small(epochs=1).fit(points(), bowl(points()))
    with pytest.raises(error, match=words):
        call(model)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"width": 0}, ValueError, "width: expected at least 1, got 0"),
        ({"width": 2.5}, TypeError, "width: expected an int, got float"),
        ({"width": 10**18}, ValueError, "expected an array of at most"),
        ({"layers": -1}, ValueError, "layers: expected at least 0, got -1"),
        ({"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        ({"epochs": -1}, ValueError, "epochs: expected at least 0, got -1"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate"),
        ({"weight_decay": -1.0}, ValueError, "weight_decay"),
        ({"betas": (0.9, 1.0)}, ValueError, "betas"),
        ({"input_noise": float("nan")}, RuntimeError, "the loss of step 0 is nan"),
        ({"rng": None}, TypeError, "rng: randomness must be explicit"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        small(**options).fit(points(), bowl(points()))


def test_no_points_and_one_point():
    model = small(epochs=2).fit(points(1), [0.5])
    assert model.predict(points(0)).shape == (0,) and model.descend(points(0), 0.1).shape == (0, 3)
    assert model.predict(points(1))[0] == pytest.approx(0.5, abs=1)
