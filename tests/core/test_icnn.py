"""The input-convex network: convex by Jensen's inequality, equal to its composition from operations, its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crlso import _core

Tensor = _core.Tensor
SLOPE = 0.01


class Net:
    """A network of random non-negative weights (or of any sign), scaled so that values stay near 1."""

    def __init__(self, rng, d=4, m=12, layers=3, dtype=np.float64, signed=False, requires_grad=False):
        def weight(*shape):
            w = rng.normal(size=shape) / np.sqrt(shape[-1])
            return w if signed else abs(w) / np.sqrt(shape[-1])

        def free(*shape):
            return rng.normal(size=shape) / np.sqrt(max(shape[-1], 1))

        arrays = [free(m, d), free(m), [weight(m, m) for _ in range(layers)], [free(m, d) for _ in range(layers)]]
        arrays += [weight(1, m), free(1, d), free(1)]

        def tensor(array, nonnegative=False):
            made = Tensor(array.astype(dtype), requires_grad=requires_grad)
            made.nonnegative = nonnegative and not signed
            return made

        a, b, w, u, ow, ou, ob = arrays
        self.parameters = (
            tensor(a),
            tensor(b),
            [tensor(x, True) for x in w],
            [tensor(x) for x in u],
            tensor(ow, True),
            tensor(ou),
            tensor(ob),
        )

    def all(self) -> list[Any]:
        a, b, w, u, *rest = self.parameters
        return [a, b, *w, *u, *rest]

    def weights(self) -> list[Any]:
        return [*self.parameters[2], self.parameters[4]]

    def compose(self, z, slope=SLOPE):
        """The same network from operations that have no sign check; (n, 1)."""
        a, b, w, u, ow, ou, ob = self.parameters
        h = _core.linear(z, a, b, activation="leaky_relu", slope=slope)
        for weight, skip in zip(w, u):
            h = _core.linear(h, weight).leaky_relu(slope) + _core.linear(z, skip).leaky_relu(slope)
        return _core.linear(h, ow) + _core.linear(z, ou) + ob

    def numpy(self, z, slope=SLOPE):
        """The same in NumPy; (n,)."""

        def leaky(x):
            return np.where(x > 0, x, slope * x)

        a, b, w, u, ow, ou, ob = self.parameters
        h = leaky(z @ a.numpy().T + b.numpy())
        for weight, skip in zip(w, u):
            h = leaky(h @ weight.numpy().T) + leaky(z @ skip.numpy().T)
        return (h @ ow.numpy().T + z @ ou.numpy().T)[:, 0] + ob.numpy()


def jensen_gap(net: Net, rng, n=2000, d=4, convex=True) -> float:
    """The largest f(t x + (1 - t) y) - t f(x) - (1 - t) f(y) on random segments of all lengths: <= 0 when convex."""
    centre = rng.normal(size=(n, d)) * 3
    x = centre + rng.normal(size=(n, d)) * 10 ** rng.uniform(-2, 1.5, size=(n, 1))
    t = rng.uniform(size=(n, 1))
    points = np.concatenate([x, centre, t * x + (1 - t) * centre])
    f = _core.FrozenICNN(net.parameters, SLOPE, convex).evaluate(points)[0].reshape(3, n)
    gap = f[2] - t[:, 0] * f[0] - (1 - t[:, 0]) * f[1]
    return float(np.max(gap / (1 + np.abs(f).max(0))))


ROUNDING = 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_convex_after_random_initialisation(seed):
    rng = np.random.default_rng(seed)
    for layers in (0, 1, 4):
        assert jensen_gap(Net(rng, layers=layers), rng) <= ROUNDING


@pytest.mark.parametrize("seed", range(5))
def test_signed_weights_fail_the_convexity_test(seed):
    rng = np.random.default_rng(seed)
    net = Net(rng, signed=True)
    assert jensen_gap(net, rng, convex=False) > 1e-3
    with pytest.raises(ValueError, match="weights: expected no negative entry and no NaN"):
        jensen_gap(net, rng)


def train(rng, net: Net, steps: int, projected: bool, check) -> list[float]:
    adam = _core.Adam(net.all(), betas=(0.0, 0.9), weight_decay=1e-3, max_norm=5.0)
    z = rng.normal(size=(64, 4))
    y = np.sin(3 * z).sum(1, keepdims=True)  # nothing convex: it pulls at the constraint
    losses = []
    for _ in range(steps):
        adam.zero_grad()
        loss = _core.mse(net.compose(Tensor(z)), y)
        loss.backward()
        adam.step(0.02)
        losses.append(loss.item())
        check()
    assert projected == all((w.numpy() >= 0).all() for w in net.weights())
    return losses


def test_convex_after_every_step():
    rng = np.random.default_rng(7)
    net = Net(rng, requires_grad=True)
    gaps = []

    def check():
        assert all((w.numpy() >= 0).all() for w in net.weights())
        gaps.append(jensen_gap(net, rng, 1000))

    losses = train(rng, net, 120, True, check)
    assert max(gaps) <= ROUNDING and len(gaps) == 120
    assert losses[-1] < 0.7 * losses[0]
    assert any((w.numpy() == 0).any() for w in net.weights())  # the projection was needed


def test_the_same_training_without_projection_loses_convexity():
    rng = np.random.default_rng(7)
    net = Net(rng, requires_grad=True)
    for weight in net.weights():
        weight.nonnegative = False
    train(rng, net, 120, False, lambda: None)
    assert jensen_gap(net, rng, convex=False) > 1e-4


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "m", "layers"),
    [(7, 4, 12, 3), (1, 1, 1, 1), (0, 3, 5, 2), (5, 3, 4, 0), (33, 16, 128, 4), (300, 2, 65, 2)],
)
def test_equal_to_its_composition(n, d, m, layers, signed, dtype, rtol):
    rng = np.random.default_rng(n + m)
    net = Net(rng, d, m, layers, dtype, signed)
    z = rng.normal(size=(n, d)).astype(dtype)
    value, gradient = _core.FrozenICNN(net.parameters, SLOPE, not signed).evaluate(z)
    assert (value.shape, gradient.shape, value.dtype, gradient.dtype) == ((n,), (n, d), dtype, dtype)
    leaf = Tensor(z, requires_grad=True)
    composed = net.compose(leaf)
    np.testing.assert_allclose(value, composed.numpy()[:, 0], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(value, net.numpy(z.astype(np.float64)), rtol=10 * rtol, atol=10 * rtol)
    (expected,) = _core.gradients(composed.sum(), [leaf])
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("signed", [False, True])
def test_training_follows_the_gradient_of_its_composition(signed):
    z, y = np.random.default_rng(3).normal(size=(2, 7, 4)), np.random.default_rng(4).normal(size=(2, 7))
    trained, net = (Net(np.random.default_rng(2), signed=signed, requires_grad=True) for _ in range(2))
    rates, adam = [0.1, 0.05, 0.02, 0.01], _core.Adam(net.all())
    sums = np.zeros(2)
    for number, rate in enumerate(rates):  # batches of 4 and 3 in each epoch
        epoch, rows = number // 2, slice(0, 4) if number % 2 == 0 else slice(4, 7)
        adam.zero_grad()
        loss = _core.mse(_core.reshape(net.compose(z[epoch, rows]), -1), y[epoch, rows])
        loss.backward()
        adam.step(rate)
        sums[epoch] += loss.item() * len(y[epoch, rows])
    other = _core.Adam(trained.all())
    found = [
        _core.train_icnn(
            trained.parameters, SLOPE, not signed, other, z[e], y[e, :, None], 7, 4, rates[2 * e : 2 * e + 2], 0
        )
        for e in range(2)
    ]
    np.testing.assert_allclose(np.concatenate(found), sums, rtol=1e-12)
    for a, b in zip(trained.all(), net.all()):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({0: ()}, TypeError, "parameters: expected a tuple of 7"),
        ({1: 2.0}, ValueError, "slope"),
        ({3: None}, TypeError, "adam: expected an Adam, got NoneType"),
        ({4: np.zeros((5, 4), int)}, TypeError, "z: expected an array of floats"),
        ({4: np.zeros((6, 4))}, ValueError, "expected epochs of 5 points each, a target for each point, and 2 rates"),
        ({4: np.zeros((5, 3))}, ValueError, "x: expected 4 as last dimension"),
        ({5: np.zeros((5, 2))}, ValueError, "y: "),
        ({5: np.zeros((4, 1))}, ValueError, "a target for each point"),
        ({6: 0}, ValueError, "n >= 1"),
        ({7: 0}, ValueError, "batch >= 1"),
        ({8: [0.1]}, ValueError, "2 rates for each epoch"),
        ({8: [0.1, -1.0]}, ValueError, "learning_rate: expected a number >= 0, got -1"),
        ({9: -1}, ValueError, "first_step >= 0"),
        ({5: np.full((5, 1), np.inf), 9: 40}, RuntimeError, "the loss of step 40 is inf; expected a finite one"),
    ],
)
def test_training_refuses_bad_arguments(changes, error, words):
    net = Net(np.random.default_rng(2), requires_grad=True)
    arguments = [
        net.parameters,
        SLOPE,
        True,
        _core.Adam(net.all()),
        np.zeros((5, 4)),
        np.zeros((5, 1)),
        5,
        3,
        [0.1, 0.1],
        0,
    ]
    for position, value in changes.items():
        arguments[position] = value
    with pytest.raises(error, match=words):
        _core.train_icnn(*arguments)


def test_gradient_against_central_differences():
    rng = np.random.default_rng(1)
    net, z, h = Net(rng), rng.normal(size=(20, 4)), 1e-6
    _, gradient = _core.FrozenICNN(net.parameters).evaluate(z)
    for axis in range(4):
        step = np.eye(4)[axis] * h
        slope = (net.numpy(z + step) - net.numpy(z - step)) / (2 * h)
        np.testing.assert_allclose(gradient[:, axis], slope, rtol=1e-6, atol=1e-8)


def test_equal_to_icnn_layers():
    rng = np.random.default_rng(2)
    net, z = Net(rng), rng.normal(size=(9, 4))
    a, b, w, u, ow, ou, ob = net.parameters
    h = _core.linear(z, a, b, activation="leaky_relu", slope=0.1)
    for weight, skip in zip(w, u):
        h = _core.icnn_layer(h, z, weight, skip, slope=0.1)
    expected = _core.nonnegative_linear(h, ow, ob) + _core.linear(z, ou)
    np.testing.assert_allclose(_core.FrozenICNN(net.parameters, 0.1).evaluate(z)[0], expected.numpy()[:, 0], rtol=1e-12)


def test_memory_of_the_pool_is_not_read_before_it_is_written():
    rng = np.random.default_rng(3)
    net, z = Net(rng, 3, 10, 2), rng.normal(size=(6, 3))
    clean = [a.tobytes() for a in _core.FrozenICNN(net.parameters).evaluate(z)]
    held = [_core.affine(np.zeros(size), np.nan, np.nan) for size in range(8, 1200, 40) for _ in range(3)]
    del held
    assert [a.tobytes() for a in _core.FrozenICNN(net.parameters).evaluate(z)] == clean


def test_points_of_other_layouts():
    rng = np.random.default_rng(4)
    net = Net(rng)
    z = rng.normal(size=(6, 4))
    expected = _core.FrozenICNN(net.parameters).evaluate(z)[0]
    frozen = z.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(z), z.astype(">f8"), np.repeat(z, 2, 1)[:, ::2], frozen, z.tolist(), z.astype("g")):
        np.testing.assert_array_equal(_core.FrozenICNN(net.parameters).evaluate(same)[0], expected)


# ---- what is refused ----


def test_bad_weights_are_refused_only_when_convexity_is_asked_for():
    rng = np.random.default_rng(5)
    z = np.zeros((2, 4))
    for bad in (-1e-300, np.nan, -np.inf):
        for number in range(4):
            net = Net(rng)
            net.weights()[number].numpy()[0, -1] = bad
            name = "output_weight" if number == 3 else "weights"
            with pytest.raises(ValueError, match=f"{name}: expected no negative entry and no NaN"):
                _core.FrozenICNN(net.parameters)
            with pytest.raises(ValueError, match="the net is not convex"):
                _core.FrozenICNN(net.parameters, convex=True)
            _core.FrozenICNN(net.parameters, convex=False).evaluate(z)
    net = Net(rng)
    net.weights()[0].numpy()[...] = -0.0  # is not negative
    _core.FrozenICNN(net.parameters).evaluate(z)
    net.parameters[0].numpy()[...] = -1  # may be
    _core.FrozenICNN(net.parameters).evaluate(z)


class RaisingIteration:
    def __iter__(self):
        raise RuntimeError("no layers today")


class RaisingArray:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array today")


GOOD = Net(np.random.default_rng(6)).parameters
Z = np.zeros((2, 4))


def changed(position, value):
    return (*GOOD[:position], value, *GOOD[position + 1 :])


@pytest.mark.parametrize(
    ("parameters", "z", "error", "words"),
    [
        (list(GOOD), Z, TypeError, "parameters: expected a tuple of 7"),
        (GOOD[:6], Z, TypeError, "parameters: expected a tuple of 7"),
        (None, Z, TypeError, "parameters: expected a tuple of 7"),
        (changed(0, np.ones((12, 4))), Z, TypeError, "input_weight: expected a Tensor, got numpy.ndarray"),
        (changed(0, Tensor(np.ones(12))), Z, ValueError, "input_weight: expected 2 dimensions"),
        (changed(0, Tensor(np.ones((12, 4), np.float32))), Z, TypeError, "input_bias: expected float32, got float64"),
        (changed(1, Tensor(np.ones(11))), Z, ValueError, "input_bias: expected 12 rows"),
        (changed(1, Tensor(np.ones((12, 1)))), Z, ValueError, "input_bias"),
        (changed(2, GOOD[2][:2]), Z, ValueError, "as many weights as skips"),
        (changed(2, 5), Z, TypeError, "not iterable"),
        (changed(2, RaisingIteration()), Z, RuntimeError, "no layers today"),
        (changed(3, RaisingIteration()), Z, RuntimeError, "no layers today"),
        (changed(2, [1.0] * 3), Z, TypeError, "weights: expected a Tensor, got float"),
        (changed(3, "abc"), Z, TypeError, "skips: expected a Tensor, got str"),
        (changed(2, [Tensor(np.ones((12, 11)))] * 3), Z, ValueError, "weights: expected 12 rows and 12 columns"),
        (changed(3, [Tensor(np.ones((12, 3)))] * 3), Z, ValueError, "skips: expected 12 rows and 4 columns"),
        (changed(4, Tensor(np.ones((2, 12)))), Z, ValueError, "output_weight: expected 1 rows"),
        (changed(5, None), Z, TypeError, "output_skip: expected a Tensor"),
        (changed(6, Tensor(1.0, dtype=float)), Z, ValueError, "output_bias"),
        (GOOD, np.zeros(4), ValueError, r"z: expected shape \(n, 4\), got \(4,\)"),
        (GOOD, np.zeros((2, 5)), ValueError, r"z: expected shape \(n, 4\)"),
        (GOOD, 0.5, ValueError, "z: expected shape"),
        (GOOD, np.zeros((2, 4), int), TypeError, "z: expected an array of floats, got dtype int64"),
        (GOOD, np.zeros((2, 4), complex), TypeError, "z: expected an array of floats"),
        (GOOD, "abc", TypeError, "z: expected an array of floats"),
        (GOOD, None, TypeError, "z: expected an array of floats"),
        (GOOD, [[0, 0, 0, 0], [0, np.nan, 0, 0.0]], ValueError, "z: expected finite numbers, got nan"),
        (GOOD, [[0, 0, -np.inf, 0.0]] * 2, ValueError, "z: expected finite numbers, got -inf"),
        (GOOD, [[1.0], [1.0, 2.0]], ValueError, None),
        (GOOD, RaisingArray(), RuntimeError, "no array today"),
        (GOOD, np.broadcast_to(0.5, (2**50, 4)), (MemoryError, ValueError, OverflowError), None),
    ],
)
def test_bad_input_is_refused(parameters, z, error, words):
    with pytest.raises(error, match=words):
        _core.FrozenICNN(parameters).evaluate(z)
    with pytest.raises(error, match=words):
        _core.FrozenICNN(parameters).descend(z, [0.1, 0.1])
    assert _core.FrozenICNN(GOOD).evaluate(Z)[0].shape == (2,)


@pytest.mark.parametrize("slope", [0.0, 1.0, -0.1, np.nan, np.inf])
def test_bad_slopes_are_refused(slope):
    with pytest.raises(ValueError, match="slope: expected a number between 0 and 1"):
        _core.FrozenICNN(GOOD, slope)


def test_networks_of_width_zero():
    empty = (Tensor(np.ones((0, 3))), Tensor(np.ones(0)), [], [], Tensor(np.ones((1, 0))), Tensor(np.ones((1, 3))))
    value, gradient = _core.FrozenICNN((*empty, Tensor(np.ones(1)))).evaluate(np.full((2, 3), 2.0))
    assert value.tolist() == [7, 7] and gradient.tolist() == [[1, 1, 1], [1, 1, 1]]
    flat = Net(np.random.default_rng(8), d=0)
    value, gradient = _core.FrozenICNN(flat.parameters).evaluate(np.zeros((2, 0)))
    assert gradient.shape == (2, 0)
    np.testing.assert_allclose(value, flat.numpy(np.zeros((2, 0))), rtol=1e-12)
