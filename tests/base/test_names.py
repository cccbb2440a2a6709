"""Arguments under their names in other libraries are refused with the name here."""

from __future__ import annotations

import inspect

import pytest

import crlso
from crlso._base.names import native_names, refuse_foreign_names
from crlso.benchmarks import NASBench101, NASBench301
from crlso.methods import METHODS
from crlso.models import GaussianProcess, GraphVAE, ICNNSurrogate, Predictor
from crlso.spaces import NASBench201
from tests.twins.toys import PairSpace, Scripted

SPACE = NASBench201()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("given", "native"), [("seed", "rng"), ("random_state", "rng"), ("n_trials", "budget")])
def test_optimisers_name_their_argument(name, given, native):
    kind = METHODS[name]
    with pytest.raises(TypeError, match=f"{kind.__name__}: expected {native}=, got {given}="):
        kind(SPACE, **{given: 3})
    assert {"space", "rng", "budget"} <= set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", [GraphVAE, Predictor])
def test_models_name_their_argument(kind):
    for given, native in (("seed", "rng"), ("random_state", "rng"), ("lr", "learning_rate"), ("n_epochs", "epochs")):
        with pytest.raises(TypeError, match=f"{kind.__name__}: expected {native}=, got {given}="):
            kind(SPACE, **{given: 1})
    with pytest.raises(TypeError, match="ICNNSurrogate: expected no n_jobs=: set the number of threads"):
        ICNNSurrogate(n_jobs=2)
    assert "rng" in kind(SPACE).get_params()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (SPACE.sample, [3]),
        (SPACE.sample_up_to, [3]),
        (SPACE.mutate, [SPACE.all_codes()[:2]]),
        (NASBench301.from_official, ["folder"]),
        (NASBench101.simulated_validation, [None]),
        (crlso.diagnose, [None]),
    ],
)
def test_what_draws_at_random_names_its_argument(function, arguments):
    for given in ("seed", "random_state"):
        with pytest.raises(TypeError, match=f"{function.__name__}: expected rng=, got {given}="):
            function(*arguments, **{given: 1})


def test_other_unknown_names_are_left_to_python():
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Scripted(PairSpace(), colour=1)
    with pytest.raises(TypeError):
        GaussianProcess(seed=1)


def test_a_name_that_is_known_is_no_foreign_one():
    @native_names
    def mine(seed=0, n_trials=1):
        """Mine."""
        return seed, n_trials

    assert mine(seed=3, n_trials=2) == (3, 2)
    assert (mine.__name__, mine.__doc__) == ("mine", "Mine.")
    refuse_foreign_names("mine", ["seed", "colour"], ["seed"])
