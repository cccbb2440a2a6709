"""Models among the tools of scikit-learn, which the package itself does not need."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from crlso.models import (
    Features,
    GaussianProcess,
    GraphVAE,
    ICNNSurrogate,
    Kernel,
    LatentGP,
    NotFittedError,
    Predictor,
)
from crlso.spaces import NASBench201

SPACE = NASBench201()
CELLS = SPACE.sample(60, rng=0)
ERRORS = 1.0 - SPACE.log_size(CELLS) / 4
POINTS = np.random.default_rng(0).normal(size=(60, 3))


def predictor() -> Predictor:
    return Predictor(SPACE, width=8, layers=2, epochs=20, learning_rate=1e-2)


def vae(**options) -> GraphVAE:
    return GraphVAE(SPACE, width=8, latent=4, epochs=3, **options)


# ---- without scikit-learn ----------------------------------------------------------------------------------------


def test_nested_parameters():
    model = vae(surrogate=ICNNSurrogate(width=5))
    assert model.get_params()["surrogate__width"] == 5
    assert "surrogate__width" not in model.get_params(deep=False) and "surrogate__width" not in vae().get_params()
    assert model.set_params(surrogate__width=7, surrogate__layers=1, width=9) is model
    assert (model.surrogate.width, model.surrogate.layers, model.width) == (7, 1, 9)
    model.set_params(surrogate__width=3, surrogate=ICNNSurrogate())
    assert (model.surrogate.width, model.surrogate.layers) == (3, 4)
    for wrong in ("surrogate__depth", "latent__width", "depth", "depth__width"):
        with pytest.raises(ValueError, match=f"{wrong}: expected a parameter out of"):
            model.set_params(width=11, **{wrong: 1})
    assert model.width == 9
    with pytest.raises(ValueError, match="surrogate__width: expected a parameter"):
        vae().set_params(surrogate__width=1)


def test_a_space_is_checked_wherever_it_is_given():
    for wrong in (np.zeros((5, 2)), "nasbench201", None, NASBench201):
        for kind in (Predictor, LatentGP, GraphVAE):
            with pytest.raises(TypeError, match="space: expected a space of cells"):
                kind(wrong)
            model = kind(SPACE)
            with pytest.raises(TypeError, match="space: expected a space of cells"):
                model.set_params(space=wrong)
            assert model.space is SPACE


def test_what_is_learned_is_missing_before_the_fit():
    for model in (predictor(), LatentGP(SPACE), vae(), ICNNSurrogate()):
        assert not hasattr(model, "n_features_in_")
        with pytest.raises(NotFittedError, match="call fit first") as caught:
            model.score(CELLS, ERRORS)
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, AttributeError)
    with pytest.raises(NotFittedError, match="GaussianProcess: expected a fitted model"):
        GaussianProcess(Kernel(((1.0,),))).posterior(Features((POINTS,)))
    assert vae().fit(CELLS).n_features_in_ == predictor().fit(CELLS, ERRORS).n_features_in_ == 6
    assert ICNNSurrogate(epochs=1).fit(POINTS, ERRORS).n_features_in_ == 3


def test_transform_is_encode():
    model = vae()
    np.testing.assert_array_equal(model.fit_transform(CELLS, ERRORS), model.encode(CELLS))
    np.testing.assert_array_equal(model.transform(CELLS[:5]), model.encode(CELLS[:5]))
    assert model.surrogate_ is not None


def test_scikit_learn_is_not_loaded():
    code = (
        "import sys, crlso.models as m\n"
        "try: m.ICNNSurrogate().predict([[1.0]])\n"
        "except m.NotFittedError as error: print(type(error) is m.NotFittedError, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr


# ---- with it -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sklearn():
    return pytest.importorskip("sklearn", minversion="1.6")


def test_kinds_of_estimators(sklearn):
    from sklearn.base import is_classifier, is_regressor
    from sklearn.utils import get_tags

    assert all(map(is_regressor, (predictor(), LatentGP(SPACE), ICNNSurrogate())))
    assert not is_regressor(vae())
    assert not any(map(is_classifier, (predictor(), vae(), ICNNSurrogate())))
    assert get_tags(vae()).transformer_tags is not None and get_tags(predictor()).transformer_tags is None
    assert get_tags(predictor()).target_tags.required and not get_tags(vae()).target_tags.required


def test_its_error_catches_ours(sklearn):
    from sklearn.exceptions import NotFittedError as Theirs
    from sklearn.utils.validation import check_is_fitted

    for kind in (Theirs, NotFittedError):
        with pytest.raises(kind, match="Predictor: expected a fitted model"):
            predictor().predict(CELLS)
    error = NotFittedError("words")
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error) and isinstance(other, Theirs) and other.args == ("words",)
    with pytest.raises(Theirs):
        check_is_fitted(predictor())
    check_is_fitted(predictor().fit(CELLS, ERRORS))


def test_clones_have_the_same_parameters_and_nothing_learned(sklearn):
    from sklearn.base import clone

    for model in (
        predictor().fit(CELLS, ERRORS),
        LatentGP(SPACE).fit(CELLS, ERRORS),
        vae(surrogate=ICNNSurrogate(width=5)).fit(CELLS, ERRORS),
    ):
        copy = clone(model)
        assert repr(copy) == repr(model) and not hasattr(copy, "n_features_in_") and copy.space == model.space
    assert copy.surrogate is not model.surrogate


@pytest.mark.parametrize("cells", [CELLS, SPACE.index(CELLS), SPACE.cells(CELLS), list(map(str, SPACE.cells(CELLS)))])
def test_cross_validation_of_every_form_of_cells(sklearn, cells):
    from sklearn.model_selection import KFold, cross_val_predict, cross_val_score

    folds = KFold(3)
    scores = cross_val_score(predictor(), cells, ERRORS, cv=folds)
    expected = []
    for train, test in folds.split(CELLS):
        expected.append(predictor().fit(CELLS[train], ERRORS[train]).score(CELLS[test], ERRORS[test]))
    np.testing.assert_array_equal(scores, expected)
    assert cross_val_predict(predictor(), cells, ERRORS, cv=folds).shape == (60,)
    assert cross_val_score(predictor(), cells, ERRORS, cv=folds, scoring="neg_mean_squared_error").max() < 0


def test_cross_validation_of_a_gaussian_process(sklearn):
    from sklearn.model_selection import KFold, cross_val_score

    scores = cross_val_score(LatentGP(SPACE), list(map(str, SPACE.cells(CELLS))), ERRORS, cv=KFold(3))
    train, test = next(iter(KFold(3).split(CELLS)))
    assert scores[0] == LatentGP(SPACE).fit(CELLS[train], ERRORS[train]).score(CELLS[test], ERRORS[test])


def test_a_search_over_the_parameters_of_a_pipeline(sklearn):
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(vae(), ICNNSurrogate(width=8, layers=1, epochs=5))
    grid = {"icnnsurrogate__epochs": [1, 20], "graphvae__latent": [3]}
    search = GridSearchCV(pipeline, grid, cv=KFold(2)).fit(CELLS, ERRORS)
    best = search.best_estimator_
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert best[1].epochs == search.best_params_["icnnsurrogate__epochs"]
    assert best[0].encode(CELLS[:2]).shape == (2, 3) and best[0].surrogate_ is not None  # y shapes the latents
    np.testing.assert_array_equal(search.predict(CELLS), best[1].predict(best[0].transform(CELLS)))
    assert search.score(CELLS, ERRORS) == best.score(CELLS, ERRORS)
    assert search.n_features_in_ == 6 and "GraphVAE" in best._repr_html_()


def test_a_search_over_nested_parameters(sklearn):
    from sklearn.model_selection import GridSearchCV

    model = vae(surrogate=ICNNSurrogate(width=5, layers=1))
    search = GridSearchCV(model, {"surrogate__width": [2, 3]}, cv=2).fit(CELLS, ERRORS)
    assert search.best_estimator_.surrogate_.width in (2, 3) and model.surrogate.width == 5


MODELS = {  # a model, what it is fitted to, and two values of one of its parameters
    "Predictor": (predictor, list(map(str, SPACE.cells(CELLS))), "epochs", (2, 15)),
    "LatentGP": (lambda: LatentGP(SPACE), list(map(str, SPACE.cells(CELLS))), "space", (SPACE, NASBench201())),
    "ICNNSurrogate": (lambda: ICNNSurrogate(width=6, layers=1, epochs=10), POINTS, "epochs", (1, 15)),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_regressor_in_every_tool(sklearn, name):
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    make, x, parameter, values = MODELS[name]
    fitted = make().fit(x, ERRORS)
    copy = clone(fitted)
    assert type(copy) is type(fitted) and copy is not fitted and not hasattr(copy, "n_features_in_")
    assert copy.get_params() == fitted.get_params()
    assert getattr(clone(copy.set_params(**{parameter: values[0]})), parameter) == values[0]
    folds = KFold(3)
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", make())])
    scores = cross_val_score(pipeline, x, ERRORS, cv=folds)
    np.testing.assert_array_equal(scores, cross_val_score(make(), x, ERRORS, cv=folds))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(pipeline.fit(x, ERRORS).predict(x), fitted.predict(x))
    search = GridSearchCV(pipeline, {f"model__{parameter}": list(values)}, cv=folds).fit(x, ERRORS)
    first, second = search.cv_results_["mean_test_score"]
    assert search.best_score_ == max(first, second) and (first == second) == (values[0] == values[1])
    assert search.predict(x).shape == (60,) and search.score(x, ERRORS) == search.best_estimator_.score(x, ERRORS)


@pytest.mark.slow
def test_several_processes(sklearn):
    from sklearn.model_selection import cross_val_score

    one, two = (cross_val_score(predictor(), CELLS, ERRORS, cv=2, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
