"""Values that backward needs and that somebody overwrites after forward: an error, never a wrong gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from crlso import _core, nn, optim
from crlso.random import Stream, seed_of

Tensor = _core.Tensor
OVERWRITTEN = r"backward: \w+, whose result has shape .*, needs values that were overwritten"


def train(array: np.ndarray, x: Tensor) -> None:
    (x * 1.0).sum().backward()
    _core.Adam([x]).step(1.0)


def train_by_sgd(array: np.ndarray, x: Tensor) -> None:
    (x * 1.0).sum().backward()
    optim.SGD([x]).step(1.0)


def keep_no_view(array: np.ndarray, x: Tensor) -> None:
    view = x.numpy()
    view[...] = 100
    del view
    (x * x).sum()  # looks at x again, when no view is left


WAYS: dict[str, Callable[[np.ndarray, Tensor], None]] = {
    "a view": lambda array, x: x.numpy().fill(100),
    "a view that is gone": keep_no_view,
    "a view of a view": lambda array, x: x.numpy()[:].__setitem__(0, 100),
    "the protocol": lambda array, x: np.asarray(x).fill(100),
    "the array it was made of": lambda array, x: array.fill(100),
    "a constant over the same memory": lambda array, x: x.detach().numpy().fill(100),
    "another leaf over the same memory": lambda array, x: Tensor(x).numpy().fill(100),
    "another shape": lambda array, x: np.copyto(x.numpy().reshape(1, 1), 100),
    "bytes": lambda array, x: memoryview(x.numpy()).cast("B").__setitem__(2, 77),
    "a step of Adam": train,
    "a step of SGD": train_by_sgd,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_an_overwritten_input_is_an_error(way, dtype):
    array = np.array([3.0], dtype)
    x = Tensor(array, requires_grad=True)
    y = (x * x).sum()
    WAYS[way](array, x)
    x.grad = None
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        y.backward()
    assert x.grad is None  # nothing was added before the error
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        _core.gradients(y, [x])


@pytest.mark.parametrize("way", [way for way in WAYS if way != "the array it was made of"])
def test_memory_of_our_own_is_seen_too(way):
    x = Tensor([3.0], requires_grad=True)
    y = (x * x).sum()
    WAYS[way](np.zeros(1), x)
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        y.backward()


def test_an_array_among_the_operands_is_seen_too():
    batch = np.random.default_rng(0).normal(size=(300, 70)).astype(np.float32)
    network = nn.MLP([70, 5, 1], Stream(seed_of(0)))
    for row, column in ((0, 0), (299, 69), (150, 3)):
        loss = _core.mse(network(batch), np.zeros((300, 1), np.float32))
        batch[row, column] += 1
        with pytest.raises(RuntimeError, match=OVERWRITTEN):
            loss.backward()


def test_an_overwritten_result_is_an_error():
    x = Tensor([0.0, 1.0], requires_grad=True)
    y = x.exp()
    y.numpy()[0] = 7
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        y.sum().backward()


def test_a_gradient_that_grows_is_an_overwritten_constant():
    x, w = Tensor([3.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    (x * x).sum().backward()
    y = (x.grad * w).sum()
    (x * x).sum().backward()
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        y.backward()


def test_loading_a_state_is_seen():
    network = nn.MLP([3, 4, 1], Stream(seed_of(0)))
    loss = network(np.ones((2, 3), np.float32)).sum()
    network.load_state({name: value + 1 for name, value in network.state().items()})
    with pytest.raises(RuntimeError, match=OVERWRITTEN):
        loss.backward()


def test_only_the_ways_to_the_targets_matter():
    x, w = Tensor([3.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    y = (x * x).sum() + (w * w).sum()
    x.numpy()[...] = 100
    (grad,) = _core.gradients(y, [w])
    assert grad.numpy() == [4.0]


def test_values_that_backward_does_not_need_may_change():
    x = Tensor([3.0, 4.0], requires_grad=True)
    results = [x + 1.0, x - 1.0, x.affine(2.0, 1.0), x.reshape((2, 1)), x.slice(0, 1), _core.concat([x, x]), x.mean()]
    results += [x.T, x[::-1]]
    activated = [x.tanh(), x.sqrt(), x.softmax()]  # these need their results
    x.numpy()[...] = 100
    for y in (*results, *activated):
        y.sum().backward()
    weights = 1 + 1 + 2 + 1 + np.array([1, 0]) + 2 + 0.5 + 1 + 1
    weights = weights + 1 - np.tanh([3.0, 4.0]) ** 2 + 0.5 / np.sqrt([3.0, 4.0])
    np.testing.assert_allclose(x.grad.numpy(), weights, rtol=1e-6)


def test_reading_is_no_writing():
    array = np.array([[3.0, 4.0]])
    x = Tensor(array, requires_grad=True)
    view = x.numpy()
    y = x * x
    assert view.sum() == 7 and y.numpy().sum() == 25 and np.asarray(x).shape == (1, 2)
    view[...] = [[3.0, 4.0]]  # the same values
    assert "25" not in repr(x) and float(y.sum()) == 25
    y.sum().backward()
    assert x.grad.numpy().tolist() == [[6.0, 8.0]]
    array[...] = 5  # between a backward and the next forward, everything is allowed
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.numpy().tolist() == [[10.0, 10.0]]
