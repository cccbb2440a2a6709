"""Fingerprints: equal for what is equal, in every process, and different for what could give other results."""

from __future__ import annotations

import functools
import random
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso._base.fingerprint import Named, UnidentifiedError, fingerprint
from crlso._core import Tensor
from crlso.benchmarks import Function, NASBench101, NASBench201, Tabular
from crlso.methods.bayesian import AcquisitionClimb, GraphEncoder, LatentEncoder, ProcessSurrogate, UpperConfidenceBound
from crlso.models import GraphVAE, ICNNSurrogate, Kernel, Predictor
from crlso.spaces import CellSpace
from tests.processes import environment
from tests.twins.toys import SPACE, table

SMALL = CellSpace(nodes=3, operations=["conv", "pool"], edges="free")


def defined(source: str, name: str = "score"):
    """What a module of its own with that source defines."""
    scope = {"__name__": "a_module_of_a_user"}
    exec(source, scope)
    return scope[name]


def closure(value):
    def inner(cell):
        return value

    return inner


@dataclass
class Point:
    x: float


class Torch:
    """Behaves as a tensor of PyTorch: its pickle differs between processes, and NumPy lacks one of its types."""

    def __init__(self, value, dtype="float32"):
        self.value, self.dtype = value, dtype

    def __reduce_ex__(self, protocol):
        return Torch, (id(self),)

    def __array__(self):
        raise AssertionError

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        if self.dtype == "bfloat16":
            raise TypeError("unsupported ScalarType BFloat16")
        return np.float32(self.value)

    def tolist(self):
        return self.value


class Base:
    offset = 1.0

    def __init__(self, scale=1.0):
        self.scale = scale

    def evaluate(self, cell):
        return self.scale + self.offset

    @functools.cached_property
    def heavy(self):
        return object()


class Child(Base):
    offset = 2.0


OTHERS = {
    "types": (1, 1.0, True, "1", b"1", None, np.float64(1), np.float32(1), np.int64(1)),
    "containers": ([1, 2], (1, 2), {1, 2}, [[1], 2], [2, 1], {"1": 2}, {1: 2}, []),
    "arrays": (
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, np.float32),
        np.ones(4),
        np.ma.masked_equal(np.zeros(4), 0),
        np.array([None] * 4),
        Tensor(np.zeros(4)),
        Tensor(np.ones(4)),
    ),
    "random numbers": tuple(make(n) for make in (np.random.default_rng, crlso.random.Stream) for n in (0, 1)),
    "functions": (
        defined("def score(c): return 1.0"),
        defined("def score(c): return 2.0"),
        defined("def score(c): return 1.0 if c else 1.0"),
        defined("def score(c, k=1): return 1.0"),
        defined("def score(c, *, k=1): return 1.0"),
        defined("def score(c, *, k=2): return 1.0"),
        defined("def other(c): return 1.0", "other"),
    ),
    "constants": (defined("def score(c): return c in {1, 'a'}"), defined("def score(c): return c in {1, 'b'}")),
    "inner functions": tuple(
        defined(f"def score(c):\n    def inner(): return [{n} for _ in c]\n    return inner()") for n in (1, 2)
    ),
    "helpers": tuple(defined(f"def helper(): return {n}\ndef score(c): return helper()") for n in (1, 2)),
    "lambdas as helpers": tuple(defined(f"helper = lambda: {n}\ndef score(c): return helper()") for n in (1, 2)),
    "global values": tuple(defined(f"TABLE = {{'a': {n}}}\ndef score(c): return TABLE[c]") for n in (1, 2)),
    "closures": (closure(1), closure(2), closure({"a": 1}), closure(closure(1)), closure(closure(2))),
    "methods": (Base(1.0).evaluate, Base(2.0).evaluate, Child(1.0).evaluate),
    "objects": (Base(1.0), Base(2.0), Child(1.0), Point(1.0), Point(2.0), Path("a"), Path("b"), re.compile("a")),
    "cached functions": tuple(
        defined(f"from functools import cache\n@cache\ndef score(c): return {n}") for n in (1, 2)
    ),
    "named functions with cached helpers": tuple(
        Named(defined(f"from functools import cache\n@cache\ndef helper(): return {n}\ndef score(c): return helper()"))
        for n in (1, 2)
    ),
    "attributes of functions": tuple(defined(f"def score(c): return score.table\nscore.table = [{n}]") for n in (1, 2)),
    "tensors of PyTorch": (Torch(1.0), Torch(2.0), Torch(1.0, "bfloat16"), Torch(2.0, "bfloat16")),
    "partial functions": (functools.partial(closure, 1), functools.partial(closure, 2)),
    "classes": (
        defined("class K:\n    def f(self): return 1", "K"),
        defined("class K:\n    def f(self): return 2", "K"),
        defined("class K:\n    n = 1\n    def f(self): return 1", "K"),
        defined("class K:\n    @property\n    def f(self): return 1", "K"),
        defined("class K:\n    @staticmethod\n    def f(self): return 1", "K"),
        defined("class B:\n    n = 1\nclass K(B):\n    def f(self): return 1", "K"),
        defined("class B:\n    n = 2\nclass K(B):\n    def f(self): return 1", "K"),
        crlso.methods.RandomSearch,
        crlso.methods.LocalSearch,
    ),
    "spaces": (
        SMALL,
        CellSpace(nodes=3, operations=["conv", "pool"]),
        CellSpace(nodes=4, operations=["conv", "pool"], edges="free"),
        CellSpace(nodes=3, operations=["conv", "skip"], edges="free"),
        SMALL.subset(SMALL.all_codes()[:3]),
        SMALL.subset(SMALL.all_codes()[:4]),
        NASBench201().space,
    ),
    "benchmarks": (
        table(),
        table("other"),
        Tabular(SMALL, SMALL.all_codes()[:3], [1, 2, 3]),
        Tabular(SMALL, SMALL.all_codes()[:3], [1, 2, 4]),
        Tabular(SMALL, SMALL.all_codes()[:3], [1, 2, 3], [1, 2, 3]),
        Function(SMALL, closure(1)),
        Function(SPACE, closure(1)),
        Function(SMALL, closure(1), name="named"),
        Function(SMALL, lambda cell: 1.0, name="named"),
        Function(SMALL, lambda cell: 2.0, name="named"),
        NASBench201("cifar10"),
        NASBench201("cifar100"),
        NASBench101(),
        NASBench101().simulated_validation(0, sd=0.0),
        NASBench101().simulated_validation(0, sd=5.0),
    ),
    "parts of searches": (
        GraphEncoder(),
        LatentEncoder(),
        LatentEncoder(np.zeros((1, 2, 3))),
        LatentEncoder(np.ones((1, 2, 3))),
        UpperConfidenceBound(1.0),
        UpperConfidenceBound(2.0),
        ProcessSurrogate(Kernel(weights=((0.1,), (0.1,)))),
        ProcessSurrogate(Kernel(weights=((0.2,), (0.1,)))),
        AcquisitionClimb(1),
        AcquisitionClimb(2),
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_values_have_other_fingerprints(kind):
    prints = [fingerprint(value) for value in OTHERS[kind]]
    assert len(set(prints)) == len(prints)


def equal() -> dict:
    """Values made anew by each call."""
    return {
        "dict": {"b": [1, None], "a": {"x", "y", 3, (1, 2)}},
        "set": {frozenset({"a", "b"}), frozenset({"c"})},
        "function": defined("T = 3\ndef score(c, *, k={'a', 'b'}): return [k, T, len(c) in {'u', 'v', 'w'}]"),
        "class": Child(3.0),
        "benchmark": table(),
        "function of a cell": Function(SMALL, closure(np.arange(5))),
        "noise": NASBench101().simulated_validation(3),
        "tensor": [Torch(1.0), Torch(1.0, "bfloat16")],
        "search": crlso.methods.METHODS["cr-lso"],
    }


def test_equal_values_have_equal_fingerprints():
    assert {name: fingerprint(value) for name, value in equal().items()} == {
        name: fingerprint(value) for name, value in equal().items()
    }


@pytest.mark.slow
def test_fingerprints_are_the_same_in_other_processes():
    code = "from tests.base.test_fingerprint import *; print({k: fingerprint(v) for k, v in equal().items()})"
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment(), "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1] == f"{ {name: fingerprint(value) for name, value in equal().items()} }\n"


def test_what_a_function_imports_from_installed_packages_counts_by_name():
    source = "import numpy as np\nfrom functools import reduce\ndef score(c): return np.mean(c), reduce"
    assert fingerprint(defined(source)) == fingerprint(defined(source))
    assert fingerprint(np.mean) != fingerprint(np.median)
    before = fingerprint(random.choice), fingerprint(random.random), fingerprint(np.random.rand)
    random.random(), np.random.rand()  # noqa: NPY002
    assert (fingerprint(random.choice), fingerprint(random.random), fingerprint(np.random.rand)) == before
    assert len(set(before)) == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda cell: 1.0, "a lambda"),
        (Function(SMALL, lambda cell: 1.0), r"a lambda \(_f\)"),
        ({"options": [1, lambda posterior: 1.0]}, r"a lambda \(options\[1\]\)"),
        (closure(threading.Lock()), r"a _thread.lock \(value\)"),
        ((x for x in "ab"), "a builtins.generator"),
        (sys.stderr, "Text|Encoded|Capture"),
        (functools.reduce(lambda inner, _: [inner], range(10**5), []), "nested too deeply"),
    ],
)
def test_what_has_no_identity_is_refused(value, message):
    with pytest.raises(UnidentifiedError, match=message):
        fingerprint(value)


def test_a_name_stands_for_what_has_no_identity():
    lock, other = closure(threading.Lock()), closure(threading.RLock())
    assert fingerprint(Named(lock)) == fingerprint(Named(closure(threading.Lock()))) != fingerprint(Named(other))
    # Still, plain data in it count, and the state of generators does not.
    assert fingerprint(Named(closure(1))) != fingerprint(Named(closure(2)))
    generator = np.random.default_rng(0)
    before = fingerprint(Named(closure(generator)))
    generator.normal()
    assert fingerprint(Named(closure(generator))) == before


LOGGED = """
CALLS, COUNTS, CACHE, DEEP, TOTAL, SETTINGS, LIMITS = [], {"n": 0}, {}, [[]], 0, {"k": 1}, [1]

def choose(values):
    return values

def score(cell):
    global TOTAL
    TOTAL += 1
    CALLS.append(cell)
    %s
    choose(LIMITS).append
    return SETTINGS["k"], SETTINGS.get(cell), LIMITS[0]

class Logged:
    def __init__(self, values):
        self.values, self.calls, self.cache, self.log = values, 0, {}, []

    def evaluate(self, cell):
        self.log.append(cell)
        %s
        return self.values[cell]
"""
COUNTING = 'COUNTS["n"] += 1; CACHE[str(cell)] = SETTINGS["k"]; DEEP[0].append(cell); score.calls = cell'
COUNTING_SELF = "self.calls += 1; self.cache[cell] = self.values[cell]"
WITH_COLUMNS = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not keep the columns of code")


@pytest.mark.parametrize("counting", [False, pytest.param(True, marks=WITH_COLUMNS)])
def test_logs_counters_and_caches_of_an_evaluation_do_not_count(counting):
    source = LOGGED % ((COUNTING, COUNTING_SELF) if counting else ("pass", "pass"))
    score = defined(source)
    before = fingerprint(score)
    score("a")
    score("b")
    assert fingerprint(score) == before
    for change in ('SETTINGS["k"] = 2', "LIMITS.append(2)", "choose = len"):
        other = defined(source)
        exec(change, other.__globals__)
        assert fingerprint(other) != before
    kind = defined(source, "Logged")
    benchmark = kind({"a": 1.0})
    before = fingerprint(benchmark)
    benchmark.evaluate("a")
    assert fingerprint(benchmark) == before != fingerprint(kind({"a": 2.0}))


def test_functions_may_call_each_other_in_long_chains():
    chain = "\n".join(f"def f{i}(): return f{i + 1}()" for i in range(500))
    first, second = (
        fingerprint(defined(f"{chain}\ndef f500(): return {n}\ndef score(c): return f0()")) for n in (1, 2)
    )
    assert first != second


def test_cached_properties_do_not_count():
    value = Base()
    before = fingerprint(value)
    assert value.heavy
    assert fingerprint(value) == before


class Own:
    def __init__(self, text):
        self.text, self.lock = text, threading.Lock()

    def fingerprint(self):
        return self.text


class OwnChild(Own):
    pass


def test_an_object_can_say_itself_what_it_is():
    assert fingerprint(Own("a")) == fingerprint(Own("a"))
    assert len({fingerprint(value) for value in (Own("a"), Own("b"), OwnChild("a"), "a")}) == 4


def test_circles_end():
    first, second = [], []
    first.append(first)
    second.append([second])
    assert fingerprint(first) != fingerprint(second)
    source = "class K:\n    def f(self): return K(), g()\ndef g(): return K\ndef score(c): return K"
    assert fingerprint(defined(source)) == fingerprint(defined(source))


def test_models_count_by_their_parameters_and_their_weights(tmp_path):
    codes = SMALL.all_codes()
    models = [GraphVAE(SMALL, width=8, latent=2, epochs=epochs, rng=0).fit(codes) for epochs in (1, 2)]
    models[1].epochs = 1
    assert repr(models[0]) == repr(models[1])
    assert fingerprint(models[0]) != fingerprint(models[1])
    models[0].save(tmp_path / "model.npz")
    assert fingerprint(GraphVAE.load(tmp_path / "model.npz", SMALL)) == fingerprint(models[0])
    inner = ICNNSurrogate(width=2, layers=1, rng=0)
    shaped = GraphVAE(SMALL, width=8, latent=2, epochs=1, surrogate=inner, rng=0).fit(codes, np.arange(len(codes)))
    shaped.save(tmp_path / "shaped.npz")
    loaded = GraphVAE.load(tmp_path / "shaped.npz", SMALL)
    assert fingerprint(loaded) == fingerprint(shaped) != fingerprint(loaded.set_params(surrogate__epochs=2))
    predictors = [Predictor(SMALL, width=8, epochs=1, rng=0).fit(codes, np.arange(len(codes)) * k) for k in (1, 2)]
    assert fingerprint(predictors[0]) != fingerprint(predictors[1])


@pytest.mark.slow
def test_parts_keep_their_fingerprints_in_a_search():
    space = CellSpace(nodes=5, operations=["conv", "pool"], edges="free")
    parts = {
        "encoder": GraphEncoder(),
        "surrogate": ProcessSurrogate(Kernel(weights=((0.05,), (0.05,)))),
        "acquisition": UpperConfidenceBound(1.0),
        "sources": [AcquisitionClimb(1)],
    }
    before = fingerprint(parts)
    bench = Function(space, lambda cell: float(sum(cell.codes)), name="sum")
    crlso.search(bench, crlso.methods.bayesian.BayesianSearch, 12, reservoir=20, **parts)
    assert fingerprint(parts) == before
