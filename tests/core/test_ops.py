"""Every operation of the core: its value against a NumPy twin, its gradient against central differences."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crlso import _core

from ..processes import environment, instruction_sets
from ..twins import operations as op_cases
from ..twins.operations import CASES, TWINS, Case, call, flatten, leaves_of

Tensor = _core.Tensor
ALL = [pytest.param(op, case, id=f"{op}-{i}") for op, cases in CASES.items() for i, case in enumerate(cases)]
STEP = 1e-5
TOLERANCE = 1e-7


@pytest.fixture(autouse=True)
def _poisoned_pool() -> None:
    """Leave NaN in pooled memory of all small sizes: what is used without being written shows."""
    nan = float("nan")
    sizes = [(64 << power) * (4 + part) // 16 for power in range(10) for part in range(4)]
    held = [_core.affine(np.zeros(size, np.float32), nan, nan) for size in sizes for _ in range(3)]
    assert all(np.isnan(tensor.numpy()[-1]) for tensor in held)


def relative_error(f: Callable[..., Any], arrays: list[np.ndarray], constant: list[bool] | None = None) -> float:
    """The largest error of a directional derivative of a random projection of f, relative to its terms.

    Central differences of <w, f(x + h v)> along random v, for each input alone, against <gradient, v>.
    """
    rng = np.random.default_rng(len(arrays) + sum(a.size for a in arrays))
    fixed = constant or [False] * len(arrays)
    leaves = [Tensor(a.copy(), requires_grad=not c) for a, c in zip(arrays, fixed)]
    out = f(*leaves)
    weight = rng.normal(size=out.shape)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = iter(_core.gradients(out, wanted, gradient=weight))

    def projection(moved: list[np.ndarray]) -> float:
        return float(
            np.sum(f(*(Tensor(np.asarray(a), requires_grad=not c) for a, c in zip(moved, fixed))).numpy() * weight)
        )

    worst = 0.0
    for i, array in enumerate(arrays):
        if fixed[i]:
            continue
        grad = next(grads).numpy()
        assert grad.shape == array.shape and grad.dtype == np.float64
        for _ in range(2):
            v = rng.normal(size=array.shape)
            ahead, behind = (
                projection([a + move * v if j == i else a for j, a in enumerate(arrays)]) for move in (STEP, -STEP)
            )
            error = abs((ahead - behind) / (2 * STEP) - np.sum(grad * v))
            error /= 1e-3 + np.sum(np.abs(grad * v))
            worst = max(worst, float(error) if np.isfinite(error) else np.inf)
    return worst


def fixed_of(case: Case) -> list[bool]:
    return [not leaf.requires_grad for leaf in leaves_of(case)]


def test_every_operation_has_cases_and_a_twin():
    operations = set(_core.OPERATIONS)
    assert operations == set(CASES) == set(TWINS)
    assert all(len(cases) >= 5 for cases in CASES.values())
    for op in operations:
        sizes = {array.size for case in CASES[op] for array in flatten(case.inputs)}
        assert {0, 1} <= sizes, op


@pytest.mark.parametrize(("op", "case"), ALL)
def test_value(op, case):
    out = call(op, case, leaves_of(case))
    expected = TWINS[op](**case.inputs, **case.attributes)
    assert out.dtype == np.float64
    assert out.shape == np.shape(expected)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert out.requires_grad


@pytest.mark.parametrize(("op", "case"), ALL)
def test_gradient(op, case):
    arrays, fixed = flatten(case.inputs), fixed_of(case)
    assert relative_error(lambda *leaves: call(op, case, list(leaves)), arrays, fixed) < TOLERANCE


@pytest.mark.parametrize("op", CASES)
def test_checker_catches_a_planted_error(op):
    """A gradient that is wrong by a hundredth of its size, or in one element only, does not pass."""
    sizes = {sum(a.size for a in flatten(c.inputs)): c for c in CASES[op]}
    case = sizes[max(size for size in sizes if size < 200)]
    arrays, fixed = flatten(case.inputs), fixed_of(case)
    for i in (i for i, c in enumerate(fixed) if not c):
        whole = np.full(arrays[i].shape, 0.01)
        single = np.zeros(arrays[i].shape)
        single.flat[-1] = 0.02
        for mask in (whole, single):

            def planted(*leaves, i=i, mask=mask):
                extra = _core.sum((leaves[i] - leaves[i].detach()) * mask)  # 0, with a gradient
                return call(op, case, list(leaves)) + extra

            assert relative_error(planted, arrays, fixed) > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("half the product rule", lambda x: x * x.detach()),
        ("a forgotten factor", lambda x: (x * x).detach() + (x - x.detach()) * x.detach()),
        ("a sign", lambda x: _core.affine(x.detach(), 2.0) - x),
        ("nothing", lambda x: x.detach() * 3.0 + (x - x.detach()) * 0.0),
        ("NaN", lambda x: x + (x - x.detach()) * float("nan")),
    ],
)
def test_checker_catches_wrong_rules(name, f):
    x = np.array([0.5, -1.5, 2.0])
    assert not relative_error(f, [x]) < 0.01


def test_checker_accepts_a_right_rule():
    assert relative_error(lambda x: _core.sum(_core.tanh(x) * x), [np.array([0.5, -1.5, 2.0])]) < TOLERANCE


WEIGHTS = {"icnn_layer": 2, "nonnegative_linear": 1, "pow": 0}  # inputs that must not be negative


def same_shaped() -> list[Any]:
    found = []
    for op, cases in CASES.items():
        for i, case in enumerate(cases):
            arrays, fixed = flatten(case.inputs), fixed_of(case)
            free = [j for j in range(len(arrays)) if not fixed[j]]
            for a, b in itertools.combinations(free, 2):
                if arrays[a].shape == arrays[b].shape:
                    found.append(pytest.param(op, case, (a, b), id=f"{op}-{i}-{a}{b}"))
            if len(free) == 3 and len({arrays[j].shape for j in free}) == 1:
                found.append(pytest.param(op, case, tuple(free), id=f"{op}-{i}-all"))
    return found


SHARED = same_shaped()


def test_shared_inputs_cover_all_operations_of_several_tensors():
    several = "add sub mul div pow matmul linear concat mse kl_normal gaussian message_pass icnn_layer"
    assert {p.values[0] for p in SHARED} >= set(several.split())


@pytest.mark.parametrize(("op", "case", "positions"), SHARED)
def test_one_tensor_as_several_inputs(op, case, positions):
    arrays, fixed = flatten(case.inputs), fixed_of(case)
    weight = WEIGHTS.get(op)
    shared = arrays[weight if weight in positions else positions[-1]]
    others = [a for j, a in enumerate(arrays) if j not in positions]
    other_fixed = [c for j, c in enumerate(fixed) if j not in positions]

    def f(x, *rest):
        left = iter(rest)
        return call(op, case, [x if j in positions else next(left) for j in range(len(arrays))])

    assert relative_error(f, [shared, *others], [False, *other_fixed]) < TOLERANCE


def test_icnn_layer_with_one_tensor_as_both_inputs_and_both_weights():
    h, w = np.random.default_rng(1).normal(size=(4, 3)), np.random.default_rng(2).uniform(0.1, 1, size=(5, 3))
    assert relative_error(lambda x, y: _core.icnn_layer(x, x, y, y), [h, w]) < TOLERANCE


@pytest.mark.parametrize(("op", "case"), ALL)
def test_gradients_accumulate(op, case):
    """Twice used is twice the gradient, in one pass and over two passes; the values are not touched."""
    leaves = leaves_of(case)
    before = [leaf.numpy().copy() for leaf in leaves]
    out = call(op, case, leaves)
    seed = np.sin(1.0 + np.arange(out.size, dtype=np.float64)).reshape(out.shape)
    out.backward(seed)
    once = [leaf.grad.numpy().copy() for leaf in leaves if leaf.requires_grad]
    again = call(op, case, leaves)
    (again + again).backward(seed)
    for grad, leaf in zip(once, (leaf for leaf in leaves if leaf.requires_grad)):
        np.testing.assert_allclose(leaf.grad.numpy(), 3 * grad, rtol=1e-12, atol=1e-12)
    for value, leaf in zip(before, leaves):
        np.testing.assert_array_equal(leaf.numpy(), value)
    assert all(leaf.grad is None for leaf in leaves if not leaf.requires_grad)


@pytest.mark.parametrize(("op", "case"), ALL)
def test_only_wanted_gradients_are_made(op, case):
    """Each input alone requires a gradient: the result is the one that it gets among all."""
    leaves = leaves_of(case)
    wanted = [i for i, leaf in enumerate(leaves) if leaf.requires_grad]
    out = call(op, case, leaves)
    seed = np.sin(1.0 + np.arange(out.size, dtype=np.float64)).reshape(out.shape)
    grads = _core.gradients(out, [leaves[i] for i in wanted], gradient=seed)
    assert all(leaf.grad is None for leaf in leaves)
    for i, grad in zip(wanted, grads):
        alone = leaves_of(case)
        for j, leaf in enumerate(alone):
            leaf.requires_grad = i == j
        call(op, case, alone).backward(seed)
        np.testing.assert_array_equal(alone[i].grad.numpy(), grad.numpy())
        assert all(leaf.grad is None for j, leaf in enumerate(alone) if i != j)
        (alone_among_all,) = _core.gradients(out, [leaves[i]], gradient=seed)
        np.testing.assert_array_equal(alone_among_all.numpy(), grad.numpy())


def test_float32_agrees_with_float64():
    single, double = op_cases.evaluate(np.float32), op_cases.evaluate(np.float64)
    assert single.keys() == double.keys()
    for name, expected in double.items():
        assert single[name].dtype == np.float32
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(single[name], expected, rtol=2e-5, atol=3e-6 * scale, err_msg=name)


@pytest.fixture(scope="module")
def by_isa(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """All outputs and gradients in processes that ask for one instruction set each."""
    folder = tmp_path_factory.mktemp("isa")
    found = {}
    for asked in instruction_sets():
        path = folder / f"{asked}.npz"
        env = {**environment(), "CRLSO_ISA": asked}
        subprocess.run([sys.executable, str(Path(op_cases.__file__)), str(path)], check=True, env=env)
        with np.load(path) as data:
            found[asked] = dict(data)
    return found


@pytest.mark.slow
def test_instruction_sets_agree(by_isa):
    for asked, values in by_isa.items():
        assert values["isa"] == asked
        for name, expected in by_isa["baseline"].items():
            if name == "isa":
                continue
            rtol, floor = (1e-5, 1e-6) if expected.dtype == np.float32 else (1e-13, 1e-14)
            atol = floor * max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(values[name], expected, rtol=rtol, atol=atol, err_msg=f"{asked} {name}")


def test_runs_repeat_to_the_bit():
    first, second = op_cases.evaluate(np.float32), op_cases.evaluate(np.float32)
    for name, value in first.items():
        assert value.tobytes() == second[name].tobytes(), name


# ---- values at the edges ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "op", ["tanh", "sigmoid", "softplus", "exp", "log", "square", "sqrt", "abs", "relu", "leaky_relu"]
)
def test_special_values(op, dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 800.0, -800.0, 1e30], dtype)
    with np.errstate(all="ignore"):
        expected = TWINS[op](x.astype(np.float64)).astype(dtype)
    if op in ("relu", "leaky_relu"):
        expected[4] = np.nan
    out = getattr(_core, op)(Tensor(x)).numpy()
    np.testing.assert_allclose(out, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_confident_losses_keep_their_digits(dtype):
    """The loss of a sure and right answer is small, not rounded to 0; that of a sure and wrong one is finite."""
    for margin in (5.0, 12.0, 20.0, 90.0):
        exact = float(np.log1p(np.exp(-margin)))
        for sign, target in ((1, 1.0), (-1, 0.0)):
            x = np.array([sign * margin], dtype)
            loss = _core.binary_cross_entropy(Tensor(x), np.array([target], dtype)).item()
            assert loss == pytest.approx(exact, rel=1e-5)
        wrong = _core.binary_cross_entropy(Tensor(np.array([-margin], dtype)), np.array([1.0], dtype)).item()
        assert wrong == pytest.approx(margin + exact, rel=1e-6)
        logits = Tensor(np.array([[1000.0, 1000.0 + margin]], dtype))
        assert _core.softmax_cross_entropy(logits, [0]).item() == pytest.approx(margin + exact, rel=1e-5)
    far = Tensor(np.array([[3e4, -3e4]], dtype), requires_grad=True)
    loss = _core.softmax_cross_entropy(far, [1])
    assert loss.item() == 6e4
    loss.backward()
    assert far.grad.numpy().tolist() == [[1.0, -1.0]]


# ---- bad input ----

X = np.ones((2, 3), np.float32)
LEAF = Tensor(X, requires_grad=True)
HUGE_EMPTY = np.empty((2**59, 0), np.float32)


@contextlib.contextmanager
def memory_is_refused() -> Iterator[None]:
    with pytest.raises((MemoryError, OverflowError, ValueError)):
        yield


@pytest.mark.parametrize(
    ("call_it", "error", "words"),
    [
        (
            lambda: _core.add(X, np.ones((3, 2), np.float32)),
            ValueError,
            r"add: .* broadcast, got \(2, 3\) and \(3, 2\)",
        ),
        (lambda: _core.add(X, np.ones((2, 2), np.float32)), ValueError, r"add: .* got \(2, 3\) and \(2, 2\)"),
        (lambda: _core.pow(X[:, :2], X), ValueError, r"pow: .* got \(2, 2\) and \(2, 3\)"),
        (lambda: _core.mul(X, X.astype(np.float64)), TypeError, "one dtype, got x of float32 and y of float64"),
        (lambda: _core.linear(Tensor(X), X, Tensor(np.zeros(2))), TypeError, "got x of float32 and bias of float64"),
        (lambda: _core.add(X), TypeError, "missing argument 'y'"),
        (lambda: _core.add(X, X, X), TypeError, "at most 2 arguments"),
        (lambda: _core.add(X, X, y=X), TypeError, "repeated argument 'y'"),
        (lambda: _core.add(X, z=X), TypeError, r"add: unknown argument 'z', expected add\(x, y\)$"),
        (
            lambda: np.sum(Tensor(X)),  # type: ignore[arg-type]
            TypeError,
            r"sum: unknown argument '.*', expected sum\(x, axis=None, keepdims=False\)$",
        ),
        (lambda: _core.add(x=X, y="abc"), TypeError, "y: expected a tensor"),
        (lambda: _core.add(X, None), TypeError, "y: expected a tensor"),
        (lambda: _core.add(X, X * 1j), TypeError, "y: expected a tensor"),
        (lambda: _core.square(np.zeros((1,) * 5)), ValueError, "x: expected at most 4 dimensions"),
        (
            lambda: _core.linear(X, np.ones((4, 2), np.float32)),
            ValueError,
            r"x: expected 2 as last dimension, like weight \(4, 2\), got shape \(2, 3\)",
        ),
        (lambda: _core.linear(X, np.ones(3, np.float32)), ValueError, "weight: expected 2 dimensions"),
        (lambda: _core.linear(np.float32(1), X), ValueError, "x: expected 3 as last dimension"),
        (lambda: _core.linear(X, X, np.ones(3, np.float32)), ValueError, r"bias: expected shape \(2,\), got \(3,\)"),
        (lambda: _core.linear(X, X, activation="gelu"), ValueError, "activation: .* got 'gelu'"),
        (lambda: _core.linear(X, X, activation=1), TypeError, "activation: expected a string, got int"),
        (lambda: _core.linear(X, X, activation="leaky_relu", slope=1.0), ValueError, "slope: .* got 1"),
        (lambda: _core.leaky_relu(X, 0.0), ValueError, "slope: .* got 0"),
        (lambda: _core.leaky_relu(X, float("nan")), ValueError, "slope: .* got nan"),
        (lambda: _core.leaky_relu(X, "a"), TypeError, "slope: expected a number, got str"),
        (lambda: _core.affine(X, 1j), TypeError, "scale: expected a number, got complex"),
        (lambda: _core.matmul(X, X), ValueError, "b: expected 3 as inner dimension like a, got 2"),
        (lambda: _core.matmul(X, np.ones(3, np.float32)), ValueError, "b: expected 2 dimensions"),
        (lambda: _core.sum(X, axis=2), ValueError, "axis: expected -2 to 1, got 2"),
        (lambda: _core.sum(X, axis=-3), ValueError, "axis: expected -2 to 1, got -3"),
        (lambda: _core.sum(np.float32(1), axis=0), ValueError, "axis"),
        (lambda: _core.sum(X, axis=(0, -2)), ValueError, "axis: expected different axes, got 0 twice"),
        (lambda: _core.sum(X, axis=(0, 2)), ValueError, "axis: expected -2 to 1, got 2"),
        (lambda: _core.sum(X, axis=(0,) * 5), ValueError, "axis: expected at most 4 axes, got 5"),
        (lambda: _core.sum(X, axis=(0.0,)), TypeError, "axis: expected an integer, got float"),
        (lambda: _core.sum(X, axis="01"), TypeError, "axis: expected an integer, got str"),
        (lambda: _core.max(X, axis=2), ValueError, "axis: expected -2 to 1, got 2"),
        (lambda: _core.max(X[:, :0]), ValueError, "max: expected at least one element"),
        (lambda: _core.max(X[:, :0], 1), ValueError, "max: expected at least one element"),
        (lambda: _core.softmax(X, 2), ValueError, "axis: expected -2 to 1, got 2"),
        (lambda: _core.softmax(np.float32(1)), ValueError, "axis: expected none for a tensor without dimensions"),
        (lambda: _core.softmax(X, None), TypeError, "axis: expected an integer, got NoneType"),
        (lambda: _core.sum(X, axis=0.5), TypeError, "axis: expected an integer, got float"),
        (lambda: _core.sum(X, axis=2**70), OverflowError, "axis"),
        (lambda: _core.sum(X, axis=-(2**63)), OverflowError, "axis"),
        (lambda: _core.mean(np.zeros(0, np.float32)), ValueError, "mean: expected at least one element"),
        (lambda: _core.mean(np.zeros((2, 0), np.float32), 1), ValueError, "mean: expected at least one element"),
        (lambda: _core.concat([]), ValueError, "tensors: expected at least one, got none"),
        (lambda: _core.concat([X, np.ones((3, 3), np.float32)], 1), ValueError, "tensors: number 1"),
        (lambda: _core.concat([X, X[0]]), ValueError, "tensors: number 1"),
        (lambda: _core.concat([X, X, X.astype(float)]), TypeError, r"got tensors\[0\] of float32 and tensors\[2\] of"),
        (lambda: _core.concat(5), TypeError, "not iterable"),
        (lambda: _core.concat("ab"), TypeError, "tensors: expected a tensor"),
        (lambda: _core.slice(X, 0, 3), IndexError, "slice: expected 0 <= start <= stop <= 2, got 0 to 3"),
        (lambda: _core.slice(X, -1, 1), IndexError, "got -1 to 1"),
        (lambda: _core.slice(X, 2, 1), IndexError, "got 2 to 1"),
        (lambda: _core.slice(X, 0, 2**63 - 1), IndexError, "slice"),
        (lambda: _core.slice(X, 0, 2, step=0), ValueError, "step: expected a number other than 0"),
        (
            lambda: _core.slice(X, 0, 2, step=-1),
            IndexError,
            "slice: expected 2 > start >= stop >= -1 for a negative step",
        ),
        (lambda: _core.slice(X, 2, 0, step=-1), IndexError, "got 2 to 0"),
        (lambda: _core.slice(X, 1, -2, step=-1), IndexError, "got 1 to -2"),
        (lambda: _core.reshape(X, (4, 2)), ValueError, "shape: expected 6 elements, got 8"),
        (lambda: _core.reshape(X, (-1, -1)), ValueError, "at most one -1"),
        (lambda: _core.reshape(X, (-2, 3)), ValueError, "got -2"),
        (lambda: _core.reshape(X, (-1, 0)), ValueError, "shape: expected 6 elements"),
        (lambda: _core.reshape(np.zeros(0, np.float32), (-1, 0)), ValueError, "shape"),
        (lambda: _core.reshape(X, (4, -1)), ValueError, "shape"),
        (lambda: _core.reshape(X, (1,) * 5), ValueError, "at most 4 dimensions, got 5"),
        (lambda: _core.reshape(X, (1,) * 50), ValueError, "shape"),
        (lambda: _core.reshape(X, (2**62, 2**62)), OverflowError, "shape"),
        (lambda: _core.reshape(X, (2.0, 3)), TypeError, "shape: expected an integer, got float"),
        (lambda: _core.reshape(X, "ab"), TypeError, "shape: expected an integer, got str"),
        (lambda: _core.gather_rows(X, [2]), IndexError, "index: expected row numbers below 2, got 2"),
        (lambda: _core.gather_rows(X, [-1]), IndexError, "index: expected values in"),
        (lambda: _core.gather_rows(X, [2**31]), IndexError, "index: expected values in"),
        (lambda: _core.gather_rows(X, np.array([2**64 - 1], np.uint64)), IndexError, "index"),
        (lambda: _core.gather_rows(X, [0.0]), TypeError, "index: expected integers"),
        (lambda: _core.gather_rows(X, [True]), TypeError, "index: expected integers"),
        (lambda: _core.gather_rows(X, 1), ValueError, "index: expected 1 or 2 dimensions, got 0"),
        (lambda: _core.gather_rows(X, [[[0]]]), ValueError, "index: expected 1 or 2 dimensions, got 3"),
        (lambda: _core.gather_rows(X[0], [0]), ValueError, "table: expected 2 dimensions"),
        (lambda: _core.softmax_cross_entropy(X, [0, 3]), IndexError, "target: expected classes below 3, got 3"),
        (lambda: _core.softmax_cross_entropy(X, [0]), ValueError, "target: expected the leading axes"),
        (lambda: _core.softmax_cross_entropy(X[:0], np.zeros(0, int)), ValueError, "logits: expected a batch"),
        (lambda: _core.softmax_cross_entropy(X[:, :0], [0, 0]), IndexError, "target: expected classes below 0"),
        (
            lambda: _core.binary_cross_entropy(X, LEAF),
            ValueError,
            "target: expected a constant",
        ),
        (lambda: _core.binary_cross_entropy(X, X[0]), ValueError, "target: expected the shape of logits"),
        (lambda: _core.mse(np.float32(1), np.float32(1)), ValueError, "prediction: expected a batch"),
        (lambda: _core.kl_normal(X, X[:1]), ValueError, "log_variance: expected the shape of mu"),
        (lambda: _core.gaussian(X, X, LEAF), ValueError, "noise: expected a constant"),
        (lambda: _core.message_pass(X, X, X, X), TypeError, "graph: expected a GraphBatch"),
        (lambda: _core.message_pass(X, X, X, op_cases.MIXED), ValueError, "target: expected 6 rows"),
        (
            lambda: _core.message_pass(*[np.ones((6, 2))] * 3, op_cases.MIXED),
            ValueError,
            r"types: expected shape \(4, 2\)",
        ),
        (lambda: _core.sum_pool(X, op_cases.MIXED), ValueError, "x: expected 6 rows"),
        (lambda: _core.nonnegative_linear(X, -X), ValueError, "weight: expected no negative entry and no NaN"),
        (lambda: _core.nonnegative_linear(X, X * np.nan), ValueError, "weight: expected no negative entry and no NaN"),
        (lambda: _core.icnn_layer(X, X, -X, X), ValueError, "weight: expected no negative entry"),
        (lambda: _core.icnn_layer(X, X, X * np.nan, X), ValueError, "weight: expected no negative entry"),
        (lambda: _core.icnn_layer(X, X[:1], X, X), ValueError, "equal batches"),
    ],
)
def test_bad_input_is_refused(call_it, error, words):
    with pytest.raises(error, match=words):
        call_it()


def test_negative_zero_is_no_negative_weight():
    assert _core.nonnegative_linear(X, np.float32(-0.0) * X).numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    "call_it",
    [
        lambda: _core.add(Tensor(np.zeros((2**30, 0), np.float32)).reshape((0, 2**59)), np.zeros((2**59,), np.float32)),
        lambda: _core.linear(HUGE_EMPTY, np.zeros((1, 0), np.float32)),
        lambda: _core.linear(HUGE_EMPTY, np.zeros((0, 0), np.float32)),
        lambda: _core.matmul(HUGE_EMPTY, HUGE_EMPTY, False, True),
        lambda: _core.sum(HUGE_EMPTY, 1),
        lambda: _core.gather_rows(X, np.zeros((2**58, 0), np.int64)),
        lambda: _core.square(np.broadcast_to(np.float32(1), (2**50,))),
        lambda: _core.square(np.broadcast_to(np.float32(1), (2**25, 2**25, 2**8))),
        lambda: _core.gather_rows(X, np.broadcast_to(np.int64(0), (2**50,))),
        lambda: _core.reshape(HUGE_EMPTY, (2**62, 2**62, 0)),
    ],
)
def test_sizes_beyond_memory_are_errors(call_it):
    with memory_is_refused():
        call_it()


def test_huge_sizes_of_nothing_take_no_time():
    """Loops over 2**59 empty rows would never end."""
    x = Tensor(HUGE_EMPTY, requires_grad=True)
    assert _core.sum(x, 0).shape == (0,)
    outs = [_core.sum(x), _core.sum(x, 0), _core.add(x, np.zeros(0, np.float32)), _core.concat([x, x], 1)]
    outs += [_core.slice(x, 0, 0, 1), _core.slice(x, 5, 2**40), _core.reshape(x, (0, 7)), _core.square(x)]
    outs += [
        _core.sum(_core.reshape(x, (2**59, 3, 0)), 1),
        _core.gather_rows(np.zeros((1, 0), np.float32), np.zeros((2**57, 0), int)),
    ]
    for out in outs:
        if out.requires_grad:
            (grad,) = _core.gradients(_core.sum(out), [x])
            assert grad.shape == x.shape
