"""Adam and AdamW against an independent NumPy implementation; clipping, projection, what they refuse."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from crlso import _core

Tensor = _core.Tensor


class Twin:
    """Algorithm 1 of arXiv 1412.6980 with the decays of arXiv 1711.05101, in float64."""

    def __init__(
        self, values, betas=(0.9, 0.999), epsilon=1e-8, weight_decay=0.0, decoupled=False, max_norm=None, nonnegative=()
    ):
        self.w = [v.astype(np.float64) for v in values]
        self.m = [np.zeros_like(v) for v in self.w]
        self.v = [np.zeros_like(v) for v in self.w]
        self.t = [0] * len(values)
        self.betas, self.epsilon, self.decay, self.decoupled = betas, epsilon, weight_decay, decoupled
        self.max_norm, self.nonnegative = max_norm, nonnegative

    def step(self, rate, gradients):
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients if g is not None))
        clip = 1.0 if self.max_norm is None else min(1.0, self.max_norm / norm) if norm > 0 else 1.0
        for i, given in enumerate(gradients):
            if given is None:
                continue
            self.t[i] += 1
            b1, b2 = self.betas
            g = given * clip + (0 if self.decoupled else self.decay * self.w[i])
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g * g
            m_hat = self.m[i] / (1 - b1 ** self.t[i])
            v_hat = self.v[i] / (1 - b2 ** self.t[i])
            shrunk = self.w[i] * (1 - rate * self.decay) if self.decoupled else self.w[i]
            self.w[i] = shrunk - rate * m_hat / (np.sqrt(v_hat) + self.epsilon)
            if i in self.nonnegative:
                self.w[i] = np.maximum(self.w[i], 0)
        return norm


def set_gradient(tensor: Tensor, gradient: np.ndarray | None) -> None:
    tensor.grad = None
    if gradient is not None:
        tensor.backward(gradient)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"betas": (0.0, 0.5)},
    {"betas": (0.0, 0.0)},
    {"betas": (0.5, 0.0)},
    {"betas": (0.99, 0.9), "epsilon": 1e-2},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decoupled": True},
    {"weight_decay": 3e-5, "betas": (0.0, 0.5), "max_norm": 5.0},
    {"max_norm": 0.01},
    {"max_norm": 1e9},
    {"max_norm": float("inf")},
    {"max_norm": 1.0, "weight_decay": 0.3, "decoupled": True, "betas": (0.0, 0.9)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_against_the_twin(options, dtype, rtol):
    rng = np.random.default_rng(3)
    shapes = [(5, 3), (1,), (), (0, 4), (8193,), (2, 2, 2, 2), (3,)]
    values = [np.asarray(rng.normal(size=s)).astype(dtype) for s in shapes]
    values[0], values[6] = abs(values[0]), abs(values[6])
    parameters = [Tensor(v.copy(), requires_grad=True) for v in values]
    parameters[0].nonnegative = parameters[6].nonnegative = True
    adam = _core.Adam(parameters, **options)
    twin = Twin(values, **options, nonnegative=(0, 6))
    projected = 0
    for step in range(12):
        gradients: list[np.ndarray | None] = [
            np.asarray(rng.normal(size=s) * 10 ** rng.uniform(-3, 2)).astype(dtype) for s in shapes
        ]
        if step % 3 == 1:
            gradients[4] = None  # a parameter that this loss does not depend on
        if step < 4:
            gradients[1] = None
        rate = 0.3 / (1 + step)
        for parameter, gradient in zip(parameters, gradients):
            set_gradient(parameter, gradient)
        norm = adam.step(rate)
        assert norm == pytest.approx(twin.step(rate, gradients), rel=1e-6 if dtype == np.float32 else 1e-12)
        for parameter, expected in zip(parameters, twin.w):
            np.testing.assert_allclose(parameter.numpy(), expected, rtol=rtol, atol=rtol)
        assert (parameters[0].numpy() >= 0).all() and (parameters[6].numpy() >= 0).all()
        projected += np.sum(parameters[0].numpy() == 0)
    assert projected > 0


def test_twin_notices_a_difference():
    """The comparison is worth something: each option changes the result by far more than its tolerance."""
    rng = np.random.default_rng(4)
    value = rng.normal(size=(20,))
    gradients = [rng.normal(size=(20,)) for _ in range(5)]
    results = []
    for options in [o for o in OPTIONS if o not in ({"max_norm": 1e9}, {"max_norm": float("inf")})]:
        parameter = Tensor(value.copy(), requires_grad=True)
        adam = _core.Adam([parameter], **options)
        for gradient in gradients:
            set_gradient(parameter, gradient)
            adam.step(0.1)
        results.append(parameter.numpy().copy())
    for i in range(len(results)):
        for j in range(i):
            assert np.abs(results[i] - results[j]).max() > 1e-6


def test_parameter_without_gradient_is_left_alone():
    a, b = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    adam = _core.Adam([a, b], weight_decay=0.5)
    set_gradient(a, np.ones(3))
    assert adam.step(0.1) == pytest.approx(np.sqrt(3))
    assert (b.numpy() == 1).all() and (a.numpy() < 1).all()
    adam.zero_grad()
    assert a.grad is None
    before = a.numpy().copy()
    assert adam.step(0.1) == 0
    assert (a.numpy() == before).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_that_is_not_finite_changes_nothing(bad, dtype):
    a, b = (Tensor(np.ones(5, dtype), requires_grad=True) for _ in range(2))
    adam = _core.Adam([a, b], weight_decay=0.1, max_norm=1.0)
    twin = Twin([a.numpy(), b.numpy()], weight_decay=0.1, max_norm=1.0)
    good = np.arange(1, 6).astype(dtype)
    wrong = good.copy()
    wrong[3] = bad
    for gradient in (good, wrong, good):
        set_gradient(a, good)
        set_gradient(b, gradient)
        if gradient is wrong:
            before = [t.numpy().copy() for t in (a, b)]
            with pytest.raises(RuntimeError, match="the parameters were left unchanged"):
                adam.step(0.1)
            assert all((t.numpy() == old).all() for t, old in zip((a, b), before))
        else:
            adam.step(0.1)
            twin.step(0.1, [good, good])
    np.testing.assert_allclose(b.numpy(), twin.w[1], rtol=1e-6)  # the moments were left alone too


def test_weights_at_zero_stay_feasible_and_can_leave():
    w = Tensor(np.array([0.0, 0.0, 1.0]), requires_grad=True)
    w.nonnegative = True
    adam = _core.Adam([w])
    set_gradient(w, np.array([1.0, -1.0, 100.0]))
    adam.step(0.5)
    assert w.numpy()[0] == 0 and w.numpy()[1] == pytest.approx(0.5) and w.numpy()[2] == pytest.approx(0.5)


def test_learning_rate_zero_moves_nothing():
    w = Tensor(np.array([1.5, -2.0]), requires_grad=True)
    adam = _core.Adam([w], weight_decay=0.1, decoupled=True)
    set_gradient(w, np.array([1.0, 2.0]))
    adam.step(0)
    assert w.numpy().tolist() == [1.5, -2.0]


def test_it_minimises():
    w = Tensor(np.array([3.0, -2.0, 5.0]), requires_grad=True)
    target = np.array([1.0, 1.0, -1.0])
    adam = _core.Adam([w], betas=(0.9, 0.99))
    for step in range(600):
        adam.zero_grad()
        (w - target).square().sum().backward()
        adam.step(0.1 * (1 - step / 600))
    np.testing.assert_allclose(w.numpy(), target, atol=1e-4)


def test_empty_and_mixed_lists():
    assert _core.Adam([]).step(0.1) == 0
    single = Tensor(np.ones(2, np.float32), requires_grad=True)
    double = Tensor(np.ones(2), requires_grad=True)
    adam = _core.Adam(iter([single, double]))
    set_gradient(single, np.ones(2, np.float32))
    set_gradient(double, np.ones(2))
    assert adam.step(0.25) == pytest.approx(2)
    np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-6)


def test_parameters_live_as_long_as_the_optimiser():
    array = np.ones(3)
    gone = weakref.ref(array)
    w = Tensor(array, requires_grad=True)
    w.backward(np.ones(3))
    adam = _core.Adam([w])
    del array, w
    gc.collect()
    assert gone() is not None
    adam.step(0.5)
    assert gone()[0] == pytest.approx(0.5)
    del adam
    gc.collect()
    assert gone() is None


LEAF = Tensor([1.0, 2.0], requires_grad=True)
NEGATIVE = Tensor([1.0, -2.0], requires_grad=True)
NEGATIVE.nonnegative = True
UNKNOWN = Tensor([1.0, np.nan], requires_grad=True)
UNKNOWN.nonnegative = True


class RaisingFloat:
    def __float__(self):
        raise RuntimeError("no float today")


class RaisingIteration:
    def __iter__(self):
        yield LEAF
        raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: _core.Adam(), TypeError, None),
        (lambda: _core.Adam(5), TypeError, None),
        (lambda: _core.Adam("ab"), TypeError, "parameters: expected Tensors, got str as number 0"),
        (lambda: _core.Adam([LEAF, np.ones(2)]), TypeError, "got numpy.ndarray as number 1"),
        (lambda: _core.Adam(RaisingIteration()), RuntimeError, "no more"),
        (lambda: _core.Adam([LEAF, LEAF]), ValueError, "each tensor once"),
        (lambda: _core.Adam([LEAF.detach()]), ValueError, "leaves that require a gradient, number 0 is not"),
        (lambda: _core.Adam([LEAF * 2.0]), ValueError, "leaves that require a gradient"),
        (lambda: _core.Adam([LEAF, NEGATIVE]), ValueError, "number 1 is marked nonnegative"),
        (lambda: _core.Adam([UNKNOWN]), ValueError, "number 0 is marked nonnegative"),
        (lambda: _core.Adam([LEAF], betas=0.9), TypeError, None),
        (lambda: _core.Adam([LEAF], betas=(0.9,)), TypeError, None),
        (lambda: _core.Adam([LEAF], betas=(1.0, 0.9)), ValueError, r"betas: expected two numbers in \[0, 1\)"),
        (lambda: _core.Adam([LEAF], betas=(0.9, -0.1)), ValueError, "betas"),
        (lambda: _core.Adam([LEAF], betas=(0.9, np.nan)), ValueError, "betas"),
        (lambda: _core.Adam([LEAF], epsilon=0), ValueError, "epsilon: expected a positive number"),
        (lambda: _core.Adam([LEAF], epsilon=np.inf), ValueError, "epsilon"),
        (lambda: _core.Adam([LEAF], weight_decay=-1), ValueError, "weight_decay"),
        (lambda: _core.Adam([LEAF], weight_decay=np.nan), ValueError, "weight_decay"),
        (lambda: _core.Adam([LEAF], max_norm=0), ValueError, "max_norm"),
        (lambda: _core.Adam([LEAF], max_norm=-1), ValueError, "max_norm"),
        (lambda: _core.Adam([LEAF], max_norm=np.nan), ValueError, "max_norm"),
        (lambda: _core.Adam([LEAF], max_norm="1"), TypeError, None),
        (lambda: _core.Adam([LEAF], max_norm=RaisingFloat()), RuntimeError, "no float"),
        (lambda: _core.Adam([LEAF], lr=-1), ValueError, "lr: expected a number >= 0, got -1"),
        (lambda: _core.Adam([LEAF], (0.9, 0.999)), TypeError, "lr: expected a number, got tuple"),
        (lambda: _core.Adam([LEAF], lr=RaisingFloat()), RuntimeError, "no float"),
        (lambda: setattr(_core.Adam([LEAF]), "lr", np.nan), ValueError, "lr: expected a number >= 0, got nan"),
        (lambda: delattr(_core.Adam([LEAF]), "lr"), AttributeError, "lr cannot be deleted"),
        (lambda: _core.Adam([LEAF]).step(0.1, 0.1), TypeError, None),
        (lambda: _core.Adam([LEAF]).step("a"), TypeError, None),
        (lambda: _core.Adam([LEAF]).step(1j), TypeError, None),
        (lambda: _core.Adam([LEAF]).step(-0.1), ValueError, "learning_rate: expected a number >= 0, got -0.1"),
        (lambda: _core.Adam([LEAF]).step(np.nan), ValueError, "learning_rate"),
        (lambda: _core.Adam([LEAF]).step(np.inf), ValueError, "learning_rate"),
        (lambda: _core.Adam([LEAF]).step(RaisingFloat()), RuntimeError, "no float"),
    ],
)
def test_bad_input_is_refused(call, error, words):
    LEAF.grad = None
    LEAF.sum().backward()
    with pytest.raises(error, match=words):
        call()
    assert LEAF.numpy().tolist() == [1, 2]


def test_steps_without_a_learning_rate_take_lr():
    def weights(lr, *rates):
        w = Tensor(np.ones(3), requires_grad=True)
        adam = _core.Adam([w], lr) if lr is not None else _core.Adam([w])
        for rate in rates:
            if isinstance(rate, list):
                (adam.lr,) = rate
            w.grad = None
            (w * w).sum().backward()
            adam.step(*([] if isinstance(rate, list) else [rate]))
        return w.numpy().tolist()

    assert weights(0.1, None, None) == weights(0.5, 0.1, 0.1) == weights(9.0, [0.1], [0.1])
    assert weights(None, None) == weights(7.0, 1e-3)
    assert weights(0.1, None, None) != weights(0.1, None, 0.2)


def test_one_optimiser_in_many_threads_takes_whole_steps():
    """Steps of several threads come one after the other: the same as so many steps of one."""
    results = []
    for n_threads in (1, 4):
        w = Tensor(np.ones(20_000, np.float32), requires_grad=True)
        w.backward(np.linspace(-1, 1, 20_000, dtype=np.float32))
        adam = _core.Adam([w])
        threads = [
            threading.Thread(target=lambda adam=adam, n=n_threads: [adam.step(0.01) for _ in range(40 // n)])
            for _ in range(n_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results.append(w.numpy().copy())
    assert results[0].tobytes() == results[1].tobytes()
