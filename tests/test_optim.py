"""Stochastic gradient descent against its formula, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crlso import Tensor, nn, optim

SETTINGS: list[dict[str, float]] = [
    {},
    {"momentum": 0.9},
    {"weight_decay": 0.1},
    {"momentum": 0.5, "weight_decay": 0.3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 1e-5)])
def test_against_the_formula(settings, dtype, rtol):
    rng = np.random.default_rng(0)
    parameters = [Tensor(abs(rng.normal(size=s)), requires_grad=True, dtype=dtype) for s in [(3, 2), (), (0,), (4,)]]
    parameters[3].nonnegative = True
    expected = [p.numpy().astype(float) for p in parameters]
    velocities = [np.zeros_like(w) for w in expected]
    sgd = optim.SGD(iter(parameters), lr=0.1, **settings)
    momentum, decay = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0)
    for step in range(8):
        gradients: list[Any] = [np.asarray(rng.normal(size=p.shape)) for p in parameters]
        if step % 3 == 1:
            gradients[0] = None
        sgd.zero_grad()
        for parameter, gradient in zip(parameters, gradients):
            if gradient is not None:
                parameter.backward(gradient)
        rate = None if step % 2 else 0.3
        norm = sgd.step(rate)
        given = [g for g in gradients if g is not None]
        assert norm == pytest.approx(np.sqrt(sum((g**2).sum() for g in given)), rel=rtol)
        for i, gradient in enumerate(gradients):
            if gradient is not None:
                velocities[i] = momentum * velocities[i] + gradient + decay * expected[i]
                expected[i] = expected[i] - (0.1 if rate is None else rate) * velocities[i]
        expected[3] = np.maximum(expected[3], 0)
        for parameter, w in zip(parameters, expected):
            np.testing.assert_allclose(parameter.numpy(), w, rtol=rtol, atol=rtol)
    assert (expected[3] == 0).any()


def test_both_optimisers_train_a_network():
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, size=(64, 2))
    y = np.sin(3 * x[:, :1])
    for make in (lambda p: optim.Adam(p, lr=1e-2), lambda p: optim.SGD(p, lr=0.1, momentum=0.9)):
        net = nn.Sequential(nn.Linear(2, 16, rng=0, activation="tanh"), nn.Linear(16, 1, rng=1))
        optimiser: Any = make(net.parameters())
        losses = []
        for _ in range(150):
            optimiser.zero_grad()
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.05 * losses[0]


LEAF = Tensor([1.0, 2.0], requires_grad=True)
NEGATIVE = Tensor([1.0, -2.0], requires_grad=True)
NEGATIVE.nonnegative = True


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: optim.SGD(nn.Linear(2, 1, rng=0)), TypeError, r"such as net.parameters\(\), got Linear"),
        (lambda: optim.Adam(nn.Linear(2, 1, rng=0)), TypeError, r"such as net.parameters\(\), got Linear"),
        (lambda: optim.SGD([np.ones(2)]), TypeError, "parameters: expected Tensors, got ndarray as number 0"),
        (lambda: optim.SGD([LEAF, LEAF * 2]), ValueError, "leaves that require a gradient, number 1 is not"),
        (lambda: optim.SGD([LEAF.detach()]), ValueError, "leaves that require a gradient, number 0 is not"),
        (lambda: optim.SGD([LEAF, LEAF]), ValueError, "parameters: expected each tensor once"),
        (lambda: optim.SGD([NEGATIVE]), ValueError, "number 0 is marked nonnegative"),
        (lambda: optim.SGD([LEAF], lr=-1), ValueError, "lr: expected at least 0, got -1"),
        (lambda: optim.SGD([LEAF], momentum="a"), TypeError, "momentum: expected a number, got str"),
        (lambda: optim.SGD([LEAF], weight_decay=np.nan), ValueError, "weight_decay: expected a finite number"),
        (lambda: optim.SGD([LEAF]).step(-1), ValueError, "learning_rate: expected at least 0, got -1"),
    ],
)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_optimisers_say_what_they_are():
    assert repr(optim.Adam([LEAF], lr=0.5)) == "Adam(lr=0.5)"
    assert repr(optim.SGD([LEAF], 0.5, momentum=0.9)) == "SGD(lr=0.5, momentum=0.9, weight_decay=0.0)"


def test_a_gradient_that_is_not_finite_changes_nothing():
    w = Tensor([1.0, 2.0], requires_grad=True)
    sgd = optim.SGD([w], lr=0.1, momentum=0.5)
    w.backward([np.nan, 1.0])
    with pytest.raises(RuntimeError, match="step: the gradients' norm is nan; the parameters were left unchanged"):
        sgd.step()
    assert w.numpy().tolist() == [1, 2]
