"""The predictor: what it learns from 300 labels, files, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.benchmarks import NASBench201 as Benchmark
from crlso.models import NotFittedError, Predictor
from crlso.spaces import NASBench201

from ..twins.models import foreign_files, kendall_twin, leaky, rewrite, rewrite_meta, trunk_twin

SPACE = NASBench201()
CELLS = SPACE.sample(40, rng=0)
ERRORS = 0.1 + 0.02 * (CELLS == 0).sum(axis=1) - 0.01 * (CELLS == 3).sum(axis=1)


def small(**options) -> Predictor:
    return Predictor(SPACE, **{"width": 8, "layers": 2, "epochs": 2, **options})


@pytest.mark.slow
def test_300_labels_rank_the_whole_space():
    benchmark = Benchmark("cifar10")
    errors = 1 - np.asarray(benchmark.validation(SPACE.all_codes())) / 100
    scores = []
    for seed in range(3):
        labelled = np.random.default_rng(seed).choice(len(SPACE), 300, replace=False)
        predictor = Predictor(SPACE, rng=seed).fit(SPACE.all_codes()[labelled], errors[labelled])
        predicted = predictor.predict(SPACE.all_codes())
        scores.append(predictor.score(SPACE.all_codes(), errors))
        some = slice(seed, None, 16)
        assert scores[-1] == pytest.approx(kendall_twin(predicted[some], errors[some]), abs=0.1)
        assert abs(predicted.mean() - errors.mean()) < 0.05  # in the units of the labels
    assert np.mean(scores) >= 0.60


def test_wrong_labels_teach_nothing():
    errors = np.random.default_rng(0).permutation(np.linspace(0, 1, 300))
    cells, fresh = SPACE.sample(300, rng=1), SPACE.sample(2000, rng=2)
    truth = 1 - np.asarray(Benchmark("cifar10").validation(fresh)) / 100
    assert abs(Predictor(SPACE, epochs=20).fit(cells, errors).score(fresh, truth)) < 0.4


def test_predictions_against_the_formula():
    model = small(layers=3, epochs=3).fit(CELLS, ERRORS)
    state = {name: array.astype(np.float64) for name, array in model.network_.state().items()}
    trunk = {name.removeprefix("trunk."): array for name, array in state.items() if name.startswith("trunk.")}
    h = trunk_twin(trunk, SPACE, CELLS).reshape(len(CELLS), -1)
    h = leaky(h @ state["head.layers.0.weight"].T + state["head.layers.0.bias"])
    h = h @ state["head.layers.1.weight"].T + state["head.layers.1.bias"]
    np.testing.assert_allclose(model.predict(CELLS), model.mean_ + model.scale_ * h[:, 0], rtol=1e-4, atol=1e-6)


def test_it_fits_its_labels():
    model = small(width=32, epochs=150, batch_size=16, learning_rate=3e-3).fit(CELLS, ERRORS)
    assert model.score(CELLS, ERRORS) > 0.8
    assert model.history_[-1] < 0.1 * model.history_[0] and len(model.history_) == 150
    assert model.mean_ == pytest.approx(ERRORS.mean(), rel=1e-5) and model.scale_ == pytest.approx(
        ERRORS.std(), rel=1e-5
    )


def test_labels_in_other_units_give_predictions_in_these():
    plain, scaled = small().fit(CELLS, ERRORS), small().fit(CELLS, 100 * ERRORS + 5)
    np.testing.assert_allclose(scaled.predict(CELLS), 100 * plain.predict(CELLS) + 5, rtol=1e-3)


def test_cells_in_any_form():
    model = small().fit(SPACE.cells(CELLS), ERRORS.tolist())
    expected = small().fit(CELLS, ERRORS).predict(CELLS)
    np.testing.assert_array_equal(model.predict(CELLS), expected)
    np.testing.assert_array_equal(model.predict([str(cell) for cell in SPACE.cells(CELLS)]), expected)
    np.testing.assert_array_equal(model.predict(SPACE.index(CELLS)), expected)
    assert model.predict(CELLS[:0]).shape == (0,) and model.predict(SPACE.cells(CELLS)[0]).shape == (1,)
    np.testing.assert_allclose(model.predict(SPACE.all_codes())[SPACE.index(CELLS)], expected, rtol=1e-5)


def test_given_arrays_are_left_alone():
    cells, errors = CELLS.copy(), ERRORS.copy()
    cells.flags.writeable = errors.flags.writeable = False
    model = small().fit(cells, errors)
    model.predict(cells), model.score(cells, errors)
    np.testing.assert_array_equal(cells, CELLS)
    np.testing.assert_array_equal(errors, ERRORS)


def test_equal_labels_and_a_single_one():
    predicted = small(epochs=200, learning_rate=1e-2).fit(CELLS, np.full(40, 0.3)).predict(CELLS)
    np.testing.assert_allclose(predicted, 0.3, atol=0.1)
    assert np.isfinite(small().fit(CELLS[:1], [0.3]).predict(CELLS)).all()


def test_progress_is_told():
    told = []
    small(epochs=3).fit(CELLS, ERRORS, on_epoch=lambda *arguments: told.append(arguments))
    assert told == [(1, 3), (2, 3), (3, 3)]


# -- files ----------------------------------------------------------------------------------------------------------


def test_a_file_gives_the_model_back(tmp_path):
    model = small(width=np.int64(8), layers=3, rng=5).fit(CELLS, ERRORS)
    model.save(tmp_path / "model")
    loaded = Predictor.load(tmp_path / "model", SPACE)
    np.testing.assert_array_equal(loaded.predict(SPACE.all_codes()[:500]), model.predict(SPACE.all_codes()[:500]))
    assert (loaded.mean_, loaded.scale_, loaded.layers) == (model.mean_, model.scale_, 3)


class OtherSpace(NASBench201):
    name = "other"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(kind="graph-vae"), "another kind or format"),
        (lambda m: m["params"].pop("mean_"), "expected the parameters"),
        (lambda m: m["params"].update(mean_="0"), "mean_: expected a number, got str"),
        (lambda m: m["params"].update(scale_=float("nan")), "expected finite numbers, got NaN"),
        (lambda m: m["params"].update(mean_=1e999), "expected finite numbers, got Infinity"),
        (lambda m: m["params"].update(scale_=-1), "scale_: expected a positive number, got -1"),
        (lambda m: m["params"].update(scale_=0.0), "scale_: expected a positive number, got 0"),
        (lambda m: m["params"].update(layers=10**9), r"expected the parameter network/trunk\.layers\.1"),
        (lambda m: m["params"].update(width=10**9), "expected shape"),
        (lambda m: m["params"].update(layers=1), "layers: expected at least 2"),
        (lambda m: m["params"].update(width=9), "expected shape"),
    ],
)
def test_changed_descriptions_are_refused(tmp_path, change, words):
    small().fit(CELLS, ERRORS).save(tmp_path / "model")
    with pytest.raises(ValueError, match="path: expected a file saved by Predictor") as caught:
        Predictor.load(rewrite_meta(tmp_path / "model", change), SPACE)
    assert caught.match(words)


def test_other_files_and_spaces_are_refused(tmp_path):
    path = tmp_path / "model"
    small().fit(CELLS, ERRORS).save(path)
    with pytest.raises(ValueError, match="space: expected the space that the file was written for, got other"):
        Predictor.load(path, OtherSpace())
    changed = rewrite(path, lambda arrays: arrays["network/trunk.first.bias"].__setitem__(0, np.inf))
    with pytest.raises(ValueError, match=r"expected finite values for trunk\.first\.bias"):
        Predictor.load(changed, SPACE)
    for name, content in foreign_files(path.read_bytes()).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="path: expected a file saved by Predictor"):
            Predictor.load(tmp_path / name, SPACE)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use", [lambda m: m.predict(CELLS), lambda m: m.score(CELLS, ERRORS), lambda m: m.save("unused")]
)
def test_use_before_fit(use):
    with pytest.raises(NotFittedError, match="Predictor: expected a fitted model; call fit first"):
        use(small())


@pytest.mark.parametrize(
    ("cells", "error", "words"),
    [
        (CELLS.astype(float), TypeError, "cells: expected an array of integers, got dtype float64"),
        (CELLS > 0, TypeError, "cells: expected an array of integers, got dtype bool"),
        (CELLS[:, :5], ValueError, r"cells: expected shape \(n, 6\)"),
        (CELLS[None], ValueError, "cells: expected shape"),
        (np.full((40, 6), 5, np.uint8), ValueError, "cells: expected codes from 0 to 4, got 5"),
        (np.full((40, 6), -1), ValueError, "cells: expected codes from 0 to 4, got -1"),
        (np.full(40, 15625), IndexError, "cells: expected official indices from 0 to 15624, got 15625"),
        (["|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|"], ValueError, "cell string, position 1"),
        ([None], TypeError, "cell: expected"),
        (None, TypeError, "cells: expected"),
        (3.5, TypeError, "cells: expected"),
    ],
)
def test_bad_cells(cells, error, words):
    model = small(epochs=1).fit(CELLS, ERRORS)
    for call in (lambda: model.fit(cells, ERRORS), lambda: model.predict(cells), lambda: model.score(cells, ERRORS)):
        with pytest.raises(error, match=words):
            call()
    assert np.isfinite(model.predict(CELLS)).all()


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        (ERRORS[:39], ValueError, r"y: expected shape \(40,\), one number per cell, got \(39,\)"),
        (ERRORS[:, None], ValueError, "y: expected shape"),
        (0.5, ValueError, "y: expected shape"),
        (np.where(np.arange(40) == 7, np.nan, ERRORS), ValueError, "y: expected finite numbers, got nan"),
        (np.full(40, -np.inf), ValueError, "y: expected finite numbers, got -inf"),
        (ERRORS > 0, TypeError, "y: expected real numbers, got dtype bool"),
        (ERRORS.astype(complex), TypeError, "y: expected real numbers"),
        (ERRORS.astype(object), TypeError, "y: expected real numbers, got dtype object"),
        (None, TypeError, "y: expected real numbers"),
    ],
)
def test_bad_labels(y, error, words):
    with pytest.raises(error, match=words):
        small().fit(CELLS, y)


def test_no_labels():
    with pytest.raises(ValueError, match="y: expected at least one label, got none"):
        small().fit(CELLS[:0], [])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"width": 0}, ValueError, "width: expected at least 1, got 0"),
        ({"width": 8.0}, TypeError, "width: expected an int, got float"),
        ({"width": 10**18}, ValueError, "expected an array of at most"),
        ({"layers": 1}, ValueError, "layers: expected at least 2, got 1"),
        ({"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        ({"epochs": -1}, ValueError, "epochs: expected at least 0, got -1"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate"),
        ({"learning_rate": 1e30}, RuntimeError, "loss of step|gradients' norm"),
        ({"weight_decay": float("nan")}, ValueError, "weight_decay"),
        ({"rng": None}, TypeError, "rng: randomness must be explicit"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        small(**options).fit(CELLS, ERRORS)


@pytest.mark.parametrize(("factor", "shift"), [(1e9, 0.0), (1e-300, 0.0), (1e300, -1e300), (3.0, 1e6)])
def test_labels_of_any_unit(factor, shift):
    expected = small().fit(CELLS, ERRORS).predict(CELLS)
    found = small().fit(CELLS, factor * ERRORS + shift).predict(CELLS)
    np.testing.assert_allclose((found - shift) / factor, expected, rtol=1e-3)


def test_equal_labels_whose_mean_is_rounded():
    model = small().fit(CELLS, np.full(len(CELLS), 0.1))
    assert (model.mean_, model.scale_) == (0.1, 1.0)
