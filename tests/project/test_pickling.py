"""Everything public can be pickled and copied; what cannot says so. A new class without a way fails a test here."""

from __future__ import annotations

import copy
import copyreg
import functools
import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import crlso
from crlso import GraphBatch, Tensor, _core, models, nn, spaces
from crlso.benchmarks import Function, Tabular
from crlso.diagnostics import LatentMap, LatentReport, StepReport, convex_position, hull_certificate
from crlso.history import Event, Improvement, Measurement, Trial, Trials
from crlso.methods import METHODS, bayesian
from crlso.models import (
    Features,
    GaussianProcess,
    GraphVAE,
    ICNNSurrogate,
    Kernel,
    LatentGP,
    Predictor,
    SideInformation,
)
from crlso.objectives import Bounds, Objective
from crlso.optim import SGD, Adam
from crlso.random import Stream
from crlso.spaces.features import CellFeatures

MODULES = (
    *("crlso", "crlso.nn", "crlso.optim", "crlso.random", "crlso.history", "crlso.spaces", "crlso.models"),
    *(
        "crlso.objectives",
        "crlso.benchmarks",
        "crlso.methods",
        "crlso.methods.bayesian",
        "crlso.studies",
        "crlso.comparison",
    ),
    *("crlso.diagnostics", "crlso._core"),
)
WAYS = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy}

SPACE = spaces.CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free")
CODES = SPACE.all_codes()
POINTS = np.random.default_rng(0).normal(size=(len(CODES), 3)).astype(np.float32)
VALUES = POINTS.sum(axis=1, dtype=np.float64)


def value(cell: Any) -> float:
    return 80.0 + 3.0 * cell.operations.count("conv") + 0.01 * sum(i * code for i, code in enumerate(cell.codes))


def leaf() -> Tensor:
    tensor = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    (tensor * tensor).sum().backward()
    tensor.nonnegative = True
    return tensor


def stepped(betas: tuple[float, float] = (0.9, 0.999)) -> Adam:
    module = nn.MLP([3, 4, 1], Stream(0))
    adam = Adam(module.parameters(), lr=0.2, betas=betas, epsilon=1e-7, weight_decay=0.1, decoupled=True, max_norm=2.0)
    for _ in range(3):
        module(POINTS[:4]).sum().backward()
        adam.step(0.1)
    return adam


def stepped_sgd() -> SGD:
    module = nn.MLP([3, 4, 1], Stream(0))
    sgd = SGD(module.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    module(POINTS[:4]).sum().backward()
    sgd.step()
    return sgd


def dropped() -> nn.Dropout:
    dropout = nn.Dropout(0.5, Stream(0))
    dropout(POINTS)
    return dropout


def features() -> Features:
    return Features((POINTS.astype(np.float64),), VALUES)


def process() -> GaussianProcess:
    return GaussianProcess(Kernel(((0.5, 1.0),), (0.01, 0.1))).fit(features(), VALUES)


def vae() -> GraphVAE:
    heads = SideInformation(CellFeatures(SPACE, CODES), CODES)
    return GraphVAE(SPACE, width=4, latent=3, epochs=1).fit(CODES, np.linspace(0, 1, len(CODES)), heads=heads)


def search(name: str, budget: int = 14, told: int = 6, space: Any = SPACE) -> Any:
    options = (
        {"encoder": np.random.default_rng(0).normal(size=(1, len(space.classes()), 3))} if name == "cr-lso" else {}
    )
    if name == "bayesian":
        parts = {"encoder": bayesian.GraphEncoder(), "sources": [bayesian.BestOfReservoir()]}
        surrogate = bayesian.ProcessSurrogate(Kernel(((0.05,), (0.05,))))
        beta = bayesian.UpperConfidenceBound(1.0)
        found = bayesian.BayesianSearch(space, surrogate=surrogate, acquisition=beta, budget=budget, **parts)
    else:
        found = METHODS[name](space, rng=1, budget=budget, **options)
    for _ in range(told):
        trial = found.ask()
        found.tell(trial, value(trial.cell))
    found.ask()  # one is pending
    return found


def study() -> Any:
    return crlso.search(Function(SPACE, value), "random", 5, progress=False)


def diagnosis() -> LatentReport:
    return crlso.diagnose(vae(), CODES, steps=(0.5,), samples=20)


def latent_steps() -> Any:
    model = vae()
    return bayesian.sources.latent_steps(model, model.encode(CODES[:10]), VALUES[:10], 4, Stream(0))


def classifier() -> Any:
    outcomes = np.arange(len(features())) % 2 == 0
    return models.GaussianProcessClassifier(Kernel(((0.5,),) * len(features().groups))).fit(features(), outcomes)


def average() -> Any:
    members = [bayesian.Member((g,), Kernel(((0.5,),))) for g in range(len(features().groups))]
    learned = bayesian.ProcessAverage(members)
    learned.watch(features())
    learned.fit(features(), np.linspace(-1.0, 1.0, len(features())), np.arange(len(features())))
    return learned


def feasibility() -> Any:
    learned = bayesian.Feasibility(features())
    learned.fit(features(), np.arange(len(features())) % 2 == 0)
    return learned


def count(codes: Any) -> Any:
    return np.asarray(codes, dtype=np.float64).sum(axis=1)


def front_gain() -> Any:
    gain = bayesian.FrontGain(bayesian.UpperConfidenceBound(1.0), count, CODES)
    gain.update(CODES[:6], VALUES[:6, None], VALUES[:6].min())
    return gain


def volume_gain() -> Any:
    both = [Objective("value"), Objective("count", known=count), Objective("size")]
    gain = bayesian.VolumeGain(bayesian.UpperConfidenceBound(1.0), both, CODES)
    gain.update(CODES[:6], POINTS[:6, :2].astype(np.float64), POINTS[:6, :2].min(axis=0))
    return gain


def learned_constraint() -> Any:
    learned = bayesian.LearnedConstraint(Bounds(most=1.0), bayesian.ProcessSurrogate(Kernel(((0.5,),))))
    learned.surrogate.watch(features())
    learned.fit(features(), np.linspace(0.0, 2.0, len(features())), np.arange(len(features())))
    return learned


def reservoir() -> Any:
    return bayesian.Reservoir(SPACE, CODES, is_complete=True, is_listed=True)


def prior_encoder() -> Any:
    kernel = Kernel(((0.05,), (0.05,)), (0.1,))
    priors = bayesian.read_priors(SPACE, Tabular(SPACE, CODES, VALUES))
    found = bayesian.PriorEncoder(bayesian.GraphEncoder(), priors, [bayesian.Member((0, 1), kernel)])
    found.prepare(reservoir(), Stream(0), lambda *_: None)
    return found


def candidates() -> Any:
    found = bayesian.Candidates(SPACE, CODES.shape[1])
    found.add("all", CODES)
    return found


def context() -> Any:
    numbers = np.zeros(len(CODES))
    return bayesian.Round(reservoir(), Stream(0), CODES, VALUES, candidates(), numbers, value, value, value)


def known_rows() -> models.KnownRows:
    rows = models.KnownRows(features())
    rows.rows(process(), np.arange(len(CODES)), features())
    return rows


def shaped_heads() -> SideInformation:
    heads = SideInformation(CellFeatures(SPACE, CODES), CODES)
    heads.initialise(3, Stream(0))
    return heads


MAKERS: dict[str, Any] = {
    "Tensor": leaf,
    "GraphBatch": lambda: GraphBatch([0, 2], [0, 0, 1], [0], [3], 5),
    "CellSet": lambda: _core.CellSet(np.array([5, 2**63 + 1, 0], np.uint64)),
    "Adam": stepped,
    "SGD": stepped_sgd,
    # modules
    "Module": lambda: nn.Module(),
    "Linear": lambda: nn.Linear(3, 2, Stream(0)),
    "MLP": lambda: nn.MLP([3, 2, 1], Stream(0)),
    "Sequential": lambda: nn.Sequential(nn.Linear(3, 2, Stream(0)), nn.relu, dropped()),
    "Dropout": lambda: dropped(),
    "GraphLayer": lambda: nn.GraphLayer(2, 3, 4, Stream(0)),
    "OneHotGraphLayer": lambda: nn.OneHotGraphLayer(2, 3, 4, Stream(0), zero_row=True),
    "ICNN": lambda: nn.ICNN(3, 4, 1, Stream(0)),
    # models
    "Predictor": lambda: Predictor(SPACE, width=4, layers=2, epochs=1).fit(CODES, VALUES),
    "LatentGP": lambda: LatentGP(SPACE).fit(CODES, VALUES),
    "GraphVAE": vae,
    "ICNNSurrogate": lambda: ICNNSurrogate(width=4, epochs=1).fit(POINTS, VALUES),
    "ConvexityCertificate": lambda: ICNNSurrogate(width=4).initialise(3).certify_convexity(POINTS, segments=9),
    "GaussianProcess": process,
    "GaussianProcessClassifier": classifier,
    "Features": features,
    "Kernel": lambda: Kernel(((0.5, 1.0),)),
    "KnownRows": known_rows,
    "Posterior": lambda: process().posterior(features()),
    "SideInformation": shaped_heads,
    "NotFittedError": lambda: models.NotFittedError("expected a fitted model"),
    # spaces
    "CellSpace": lambda: SPACE,
    "DARTS": spaces.DARTS,
    "Cell": lambda: SPACE.cells(CODES[:1])[0],
    "Graph": lambda: SPACE.cells(CODES[-1:])[0].graphs[0],
    # the record
    "Stream": lambda: Stream(3).child("a"),
    "Event": lambda: Event("asked", 0),
    "Trials": lambda: Trials([Trial(0, "a", 1.0), Trial(1, "b", error="boom")]),
    "LatentMap": lambda: LatentMap(POINTS[:, :2], POINTS[:, 1:], "points"),
    "Measurement": lambda: Measurement(1.0, {"latency": 2.0}, user_attrs={"a": [1]}),
    "Trial": lambda: Trial(0, SPACE.cells(CODES[:1])[0], 93.5),
    "Improvement": lambda: Improvement(1, Trial(0, "a cell", 93.5)),
    "History": lambda: study().history,
    "Study": study,
    "EvaluationError": lambda: crlso.EvaluationError("all failed"),
    "BudgetSpent": lambda: crlso.methods.BudgetSpent("spent"),
    "Comparison": lambda: crlso.compare(Function(SPACE, value), ["random"], seeds=2, budget=4, progress=False),
    "LatentReport": diagnosis,
    "ConvexPosition": lambda: convex_position(POINTS, tests=5),
    "HullCertificate": lambda: hull_certificate(POINTS, 0),
    "StepReport": lambda: StepReport(0.1, 0.2, 0.3, 0.4, 0.5),
    # benchmarks
    "Function": lambda: Function(SPACE, value, test=value, measures={"size": value}),
    "Measure": lambda: crlso.benchmarks.Measure("latency", "ms"),
    "Objective": lambda: Objective("latency", is_minimised=True),
    "Bounds": lambda: Bounds(0.0, 1.0),
    "Tabular": lambda: Tabular(SPACE, CODES[::3], VALUES[::3], VALUES[::3]),
    "NASBench301": lambda: crlso.benchmarks.NASBench301.standin(),
    # methods and their parts
    "RandomSearch": lambda: search("random"),
    "NSGA2": lambda: search("nsga2"),
    "ValueGain": lambda: bayesian.ValueGain(bayesian.UpperConfidenceBound(1.0)),
    "VolumeGain": volume_gain,
    "FrontGain": front_gain,
    "Evolution": lambda: search("evolution"),
    "LocalSearch": lambda: search("local"),
    "PaperCRLSO": lambda: search("cr-lso-paper"),
    "GPSearch": lambda: search("gp"),
    "CRLSO": lambda: search("cr-lso"),
    "BayesianSearch": lambda: search("bayesian"),
    "AcquisitionClimb": lambda: bayesian.AcquisitionClimb(2),
    "BestOfReservoir": bayesian.BestOfReservoir,
    "Candidates": candidates,
    "GivenEncoder": lambda: bayesian.GivenEncoder(VALUES),
    "GraphEncoder": lambda: search("gp").encoder,
    "LatentEncoder": lambda: search("cr-lso").encoder,
    "LatentMoves": lambda: bayesian.LatentMoves(search("cr-lso").encoder, 3),
    "Mutations": bayesian.Mutations,
    "Neighbours": lambda: bayesian.Neighbours(3),
    "Prior": lambda: bayesian.read_priors(SPACE, study())[0],
    "PriorEncoder": prior_encoder,
    "ProcessSurrogate": lambda: search("gp").surrogate,
    "RandomCells": lambda: bayesian.RandomCells(3),
    "Feasibility": feasibility,
    "LearnedConstraint": learned_constraint,
    "DescriptorEncoder": bayesian.DescriptorEncoder,
    "JoinedEncoder": lambda: bayesian.JoinedEncoder([bayesian.GraphEncoder(), bayesian.DescriptorEncoder()]),
    "Member": lambda: bayesian.Member((0,), Kernel(((0.5,),))),
    "ProcessAverage": average,
    "AveragedPosterior": lambda: average().posterior(),
    "Reservoir": reservoir,
    "Round": context,
    "UpperConfidenceBound": lambda: bayesian.UpperConfidenceBound(1.0),
}
TWICE: dict[str, tuple[Any, ...]] = {  # names of a space and of its benchmark
    "NASBench101": (spaces.NASBench101, crlso.benchmarks.NASBench101),
    "NASBench201": (spaces.NASBench201, lambda: crlso.benchmarks.NASBench201("cifar10")),
    "NASBenchMacro": (spaces.NASBenchMacro, crlso.benchmarks.NASBenchMacro),
}
SNAPSHOTS: dict[str, Any] = {  # never change: a copy is the same object, and a pickle is refused
    "FrozenICNN": lambda: ICNNSurrogate(width=4).initialise(3).freeze(),
    "FrozenDecoder": lambda: vae().freeze_decoder(),
    "FrozenEncoder": lambda: vae().freeze_encoder(),
    "Points": lambda: _core.Points(np.zeros((2, 3))),
    "LatentSteps": latent_steps,
}
ABSTRACT = {"Benchmark", "Optimiser"}  # no instances of their own


def public_classes() -> dict[str, type]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for attribute in getattr(module, "__all__", dir(module)):
            kind = getattr(module, attribute)
            if inspect.isclass(kind) and kind.__module__.startswith("crlso") and not getattr(kind, "_is_protocol", 0):
                found[kind.__name__] = kind
    return found


def alike(a: Any, b: Any, known: set[tuple[int, int]] | None = None) -> bool:
    """Whether two objects hold the same, down to the arrays, and share no array that could be written to."""
    known = set() if known is None else known
    if (id(a), id(b)) in known:
        return True
    known.add((id(a), id(b)))
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        flags = [(t.requires_grad, t.nonnegative) for t in (a, b)]
        return flags[0] == flags[1] and alike(a.numpy(), b.numpy(), known) and alike(a.grad, b.grad, known)
    if isinstance(a, np.ndarray):
        apart = a is not b and not (np.shares_memory(a, b) and a.flags.writeable)
        return bool(apart and a.dtype == b.dtype and np.array_equal(a, b))
    if isinstance(a, _core.CellSet):
        return len(a) == len(b) and alike(sorted(a.__reduce__()[1][1]), sorted(b.__reduce__()[1][1]), known)
    if isinstance(a, (GraphBatch, Adam)):
        return alike(a.__reduce__()[1:], b.__reduce__()[1:], known)
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key], known) for key in a)
    if isinstance(a, (list, tuple)) or type(a).__name__ == "deque":
        return len(a) == len(b) and all(alike(x, y, known) for x, y in zip(a, b))
    if isinstance(a, functools.partial):
        return alike(a.__reduce__()[2], b.__reduce__()[2], known)
    if type(a).__module__.startswith("crlso") and hasattr(a, "__dict__"):
        own = any("__getstate__" in vars(kind) for kind in type(a).__mro__[:-1])
        return alike(*(x.__getstate__() if own else vars(x) for x in (a, b)), known)
    return a is b or inspect.ismethod(a) or bool(a == b) or (a != a and b != b)


def makers() -> list[Any]:
    listed = list(MAKERS.items())
    listed += [(name, make) for name, several in TWICE.items() for make in several]
    return [pytest.param(make, id=f"{name}-{i}") for i, (name, make) in enumerate(listed)]


def test_every_public_class_is_here():
    assert set(public_classes()) == {*MAKERS, *TWICE, *SNAPSHOTS, *ABSTRACT}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", makers())
def test_a_copy_holds_the_same_and_shares_nothing(make, way):
    one = make()
    other = WAYS[way](one)
    if isinstance(one, Exception):
        assert type(other) is type(one) and other.args == one.args
    else:
        assert alike(one, other)


def test_the_comparison_of_copies_sees_what_differs():
    a, b = leaf(), leaf()
    assert alike(a, b) and not alike(a, Tensor(a))
    b.grad = None
    assert not alike(a, b)
    assert not alike(stepped(), stepped((0.9, 0.99)))
    assert not alike(search("local"), search("local", told=5))


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_is_its_own_copy_and_says_what_to_pickle(name):
    snapshot = SNAPSHOTS[name]()
    z = np.zeros((2, 3), np.float32)
    if name == "FrozenDecoder":
        np.testing.assert_array_equal(copy.deepcopy(snapshot).logits(z), snapshot.logits(z))
    with pytest.raises(TypeError, match=r"expected something that can be pickled, got a snapshot; pickle its"):
        pickle.dumps(snapshot)


# ---- tensors -----------------------------------------------------------------------------------------------------


def test_the_result_of_an_operation_is_refused():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for way in WAYS.values():
        with pytest.raises(RuntimeError, match=r"expected a leaf to copy or pickle.*detach"):
            way(x * x)
    assert pickle.loads(pickle.dumps((x * x).detach())).numpy().tolist() == [1.0, 4.0]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("values", [np.float32(3.0), np.zeros((0, 2)), np.arange(6.0).reshape(2, 3)])
def test_tensors_of_any_shape_in_every_protocol(values, protocol):
    one = Tensor(np.asarray(values))
    other = pickle.loads(pickle.dumps(one, protocol))
    assert (other.dtype, other.shape) == (one.dtype, one.shape)
    np.testing.assert_array_equal(other.numpy(), one.numpy())


def test_a_copy_does_not_follow_the_original():
    one = leaf()
    other, same_memory = copy.deepcopy(one), copy.copy(one)
    (one * one).sum().backward()
    one.numpy()[0, 0] = 7.0
    assert other.numpy()[0, 0] == 1.0 and same_memory.numpy()[0, 0] == 7.0
    assert other.grad.numpy()[0, 0] == same_memory.grad.numpy()[0, 0] == 2.0 and one.grad.numpy()[0, 0] == 4.0


class Named(Tensor):
    """A tensor with an attribute."""


def test_attributes_of_derived_tensors_go_along():
    tensor = Named([1.0])
    tensor.label = ["a"]
    other = copy.deepcopy(tensor)
    assert type(other) is Named and other.label == ["a"] and other.label is not tensor.label


def test_an_optimiser_and_its_module_stay_together():
    module = nn.MLP([3, 4, 1], Stream(0))
    adam = Adam(module.parameters(), betas=(0.8, 0.9))
    module(POINTS).sum().backward()
    adam.step(0.1)
    for way in WAYS.values():
        pairs = [(module, adam), way((module, adam))]
        before = copy.deepcopy(pairs[0])
        for m, a in pairs:
            a.zero_grad()
            m(POINTS).sum().backward()
            a.step(0.1)
        assert alike(pairs[0][0].state(), pairs[1][0].state())
        assert not alike(before[0].state(), pairs[1][0].state())
        module, adam = before


STATES = [
    None, (), 5, (True, False), (1, 0, None, None), (True, False, None, 5), (True, False, "x", None),
    (True, False, np.zeros(3), None), (True, False, np.zeros((2, 2), np.float32), None),
    (True, False, np.zeros((2, 2), ">f8"), {}), (True, False, None, {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_a_tensor_checks_its_state(state):
    tensor = leaf()
    try:
        tensor.__setstate__(state)
    except (TypeError, ValueError, AttributeError, RuntimeError):
        assert alike(tensor, leaf())
    else:
        assert state[2] is not None and tensor.grad.numpy().tolist() == [[0, 0], [0, 0]]  # a good one


def test_an_optimiser_checks_its_state():
    adam = stepped()
    good = adam.__reduce__()[2]
    steps, first, second = good[0]
    wrong = [None, (), good[:-1], [*good], (5, *good[1:]), ((1, 2), *good[1:]), ([1, 2], *good[1:])]
    wrong += [([bad, first, second], *good[1:]) for bad in (-1, 1.5, 2**60, None)]
    wrong += [([steps, bad, second], *good[1:]) for bad in (None, first[:1], first.astype("f8"), 5, [[1.0]])]
    wrong += [([steps, first, bad], *good[1:]) for bad in (None, -second - 1, second * np.nan, second.ravel())]
    for state in wrong:
        with pytest.raises((TypeError, ValueError)):
            adam.__setstate__(state)
        assert alike(adam, stepped())
    adam.__setstate__(good)


class Forged:
    """Pickles as a call of a function."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


C_TYPES = ("Tensor", "GraphBatch", "CellSet", "Adam", "FrozenICNN", "FrozenDecoder", "FrozenEncoder", "Points")


@pytest.mark.parametrize("name", C_TYPES)
def test_no_pickle_makes_an_object_without_contents(name):
    kind = getattr(_core, name)
    data = [
        pickle.dumps(Forged(object.__new__, (kind,))),
        pickle.dumps(Forged(copyreg._reconstructor, (kind, object, None))),
    ]
    if name != "CellSet":  # which is empty without arguments
        data += [f"\x80\x02ccrlso._core\n{name}\n)\x81.".encode("latin1"), pickle.dumps(Forged(kind, ()))]
    for forged in data:
        with pytest.raises(TypeError):
            pickle.loads(forged)


def garbage(rng: np.random.Generator, depth: int = 0) -> Any:
    """A random object, such as a forged pickle may hand over."""
    pool: list[Any] = [None, True, False, 0, 1, -1, 2**40, 2**63, 2**70, 0.5, np.nan, np.inf, "x", b"x", {}, {"a": 1}]
    pool += [object, leaf(), leaf() * 2.0, VALUES, np.zeros(0), np.zeros((1,) * 9), np.array("x"), np.array([None, 1])]
    pool += [np.zeros((2, 2), dtype) for dtype in ("f4", "f8", ">f8", "i4")] + [np.zeros((2, 2))[::-1]]
    pool += [np.arange(4), np.array([0, 2]), np.array([0, 0, 1]), np.array([-1, 2**33]), np.float32(2)]
    if depth < 3 and rng.random() < 0.4:
        items = [garbage(rng, depth + 1) for _ in range(int(rng.integers(8)))]
        return items if rng.random() < 0.5 else tuple(items)
    return pool[int(rng.integers(len(pool)))]


def damaged(x: Any, rng: np.random.Generator) -> Any:
    """The same nested tuples and lists with something else somewhere."""
    if rng.random() < 0.2 or not isinstance(x, (tuple, list)):
        return garbage(rng) if rng.random() < 0.7 else x
    items = list(x)
    if items:
        i = int(rng.integers(len(items)))
        items[i] = damaged(items[i], rng)
    if rng.random() < 0.1:
        items.append(garbage(rng))
    return items if isinstance(x, list) else tuple(items)


@pytest.mark.parametrize("name", C_TYPES[:4])
def test_forged_contents_are_errors_and_never_crashes(name):
    rng = np.random.default_rng(0)
    made = 0
    for _ in range(400):
        make, arguments, *state = MAKERS[name]().__reduce__()
        given = damaged(arguments[1:], rng) if rng.random() < 0.5 else arguments[1:]
        if not isinstance(given, tuple):
            given = (given,)
        try:
            one = make(arguments[0], *given)
            if state:
                one.__setstate__(damaged(state[0], rng))
        except (TypeError, ValueError, OverflowError, IndexError, RuntimeError, AttributeError):
            continue
        made += 1
        repr(one)
        copy.deepcopy(one)
        if name == "Adam":
            one.step(0.1)
    assert made > 20  # some damage makes another good object


# ---- spaces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("space", [spaces.NASBench201(), spaces.NASBench101(), spaces.DARTS(), SPACE], ids=repr)
def test_a_space_and_its_subset_equal_their_copies(space, way):
    subset = space.subset(space.sample(7, rng=0))
    for one in (space, subset) if space.n_cells else (subset,):
        other = WAYS[way](one)
        assert one == other and hash(one) == hash(other)
        rows = space.sample(5, rng=1) if one is space else one.all_codes()
        np.testing.assert_array_equal(other.representative(rows), one.representative(rows))
        assert not any(a.flags.writeable for a in (other.all_codes(), other.classes().codes, other.classes().keys))
    assert space != subset and subset != space.subset(space.sample(6, rng=0))
    assert subset == space.subset(space.sample(7, rng=0))


def test_subsets_differ_by_the_cells_that_stand_for_classes():
    space = spaces.NASBench201()
    key = space.canonical_key(space.all_codes())
    a, b = np.flatnonzero(key == key[0])[:2]
    assert space.subset([int(a)]) != space.subset([int(b)])
    assert spaces.NASBench101() != spaces.NASBench201() and spaces.CellSpace() != SPACE


def test_a_cell_is_read_in_a_process_that_imported_nothing(tmp_path):
    (tmp_path / "cell").write_bytes(pickle.dumps([spaces.DARTS().cells(spaces.DARTS().sample(1, rng=0))[0], SPACE]))
    code = "import pickle, sys; cell, space = pickle.load(open(sys.argv[1], 'rb')); print(cell, len(space))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cell")], capture_output=True, text=True)
    assert done.stdout.startswith("Genotype(") and done.stdout.endswith(f" {len(SPACE)}\n"), done.stderr


# ---- searches ----------------------------------------------------------------------------------------------------


def go_on(optimiser: Any, n: int) -> list[Any]:
    """Tell the pending trial a value of its own, ask for n more cells, and tell their values."""
    cells = []
    for trial in list(optimiser.pending):
        optimiser.tell(trial, value(trial.cell))
    for _ in range(n):
        trial = optimiser.ask()
        cells.append(trial.cell)
        if len(cells) % 3:
            optimiser.tell(trial, value(trial.cell))
        else:
            optimiser.tell(trial, state="failed")
    return cells


SEARCHES = [(name, way, told) for name in METHODS for way in WAYS for told in (0, 4, 9)]


@pytest.mark.parametrize(
    ("name", "way", "told"),
    [pytest.param(*each, marks=pytest.mark.slow if each[0] == "cr-lso-paper" else ()) for each in SEARCHES],
)
def test_a_copy_of_a_search_asks_for_the_same_cells(name, way, told):
    one = search(name, told=told)
    one.on_progress = lambda *_: None  # cannot be pickled; a copy has none
    other = WAYS[way](one)
    assert other.on_progress is None and one.on_progress is not None
    n = one.remaining
    expected = go_on(one, n)
    assert other.n_told == told and len(other.pending) == 1  # nothing is shared
    assert go_on(other, n) == expected
    assert other.history == one.history


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evolution", "gp", "cr-lso"])
def test_a_copy_of_a_search_in_a_large_space(name):
    def ask(optimiser: Any, n: int) -> list[Any]:
        cells = []
        for _ in range(n):
            trial = optimiser.ask()
            optimiser.tell(trial, float(sum(trial.cell.codes)))
            cells.append(trial.cell)
        return cells

    one = METHODS[name](spaces.DARTS(), rng=0, budget=40)
    ask(one, 22)
    other = pickle.loads(pickle.dumps(one))
    assert ask(one, 5) == ask(other, 5)


@pytest.mark.slow
def test_processes_are_sent_a_fitted_encoder():
    bench = Tabular(SPACE, CODES, VALUES)
    options = {"encoder": GraphVAE(SPACE, width=4, epochs=1).fit(CODES)}
    compared = [
        crlso.compare(bench, {"mine": ("cr-lso", options)}, seeds=2, budget=12, jobs=jobs, progress=False)
        for jobs in (1, 2)
    ]
    for records in zip(*(each.records for each in compared)):
        assert records[0]["state"] == "complete"
        assert records[0]["trajectory"] == records[1]["trajectory"]
