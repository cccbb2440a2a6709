"""What tensors share with NumPy's arrays: shapes, powers, broadcasting, dtypes; and the signatures of operations."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from crlso import _core

Tensor = _core.Tensor


def test_a_shape_is_one_argument_or_several():
    x = Tensor(np.arange(6.0))
    for shaped in (x.reshape(3, 2), x.reshape((3, 2)), x.reshape([3, 2]), x.reshape(3, -1), x.reshape(shape=(3, 2))):
        np.testing.assert_array_equal(shaped.numpy(), np.arange(6.0).reshape(3, 2))
    assert x.reshape(6).shape == x.reshape(-1).shape == (6,)
    with pytest.raises(ValueError, match="shape: expected 6 elements, got 8"):
        x.reshape(4, 2)
    with pytest.raises(TypeError, match="reshape: missing argument 'shape'"):
        x.reshape()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers(dtype):
    a = np.array([0.5, 2.0, 3.0], dtype)
    x = Tensor(a)
    for exponent in (2, 2.0, 3, -1, 0.5, 0, np.float64(2), a, Tensor(a)):
        plain = np.asarray(exponent, dtype)
        with np.errstate(invalid="ignore"):
            pairs = (x**exponent, a**plain), (exponent**x, plain**a)
        for got, expected in pairs:
            assert got.dtype == dtype
            np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6 if dtype == np.float32 else 1e-15)


def test_powers_at_zero_have_their_gradients():
    def slope(base, exponent):
        x, y = Tensor([base], requires_grad=True), Tensor([exponent], requires_grad=True)
        (x**y).backward()
        return x.grad.item(), y.grad.item()

    assert slope(0.0, 2.0) == (0.0, 0.0) and slope(0.0, 1.0) == (1.0, 0.0) and slope(0.0, 0.0) == (0.0, 0.0)
    x = Tensor([-2.0], requires_grad=True)
    (x**3).backward()
    assert x.grad.item() == 12.0


def test_absolute_value_and_transpose():
    a = np.array([[1.0, -2.0, 0.0], [-0.0, 3.0, -4.0]])
    x = Tensor(a, requires_grad=True)
    np.testing.assert_array_equal(abs(x).numpy(), np.abs(a))
    np.testing.assert_array_equal(x.T.numpy(), a.T)
    (abs(x.T) * np.arange(6.0).reshape(3, 2)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.sign(a) * np.arange(6.0).reshape(3, 2).T)
    assert not np.signbit(abs(Tensor([-0.0])).item())


def test_equal_largest_elements_share_the_gradient():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).backward([6.0, 3.0])
    assert x.grad.numpy().tolist() == [[0, 3, 3], [1, 1, 1]]


def test_the_smallest_is_minus_the_largest_of_minus():
    x = Tensor([[1.0, np.nan], [3.0, 1.0], [1.0, 2.0]], requires_grad=True)
    np.testing.assert_array_equal(x.min(axis=0).numpy(), [1, np.nan])
    x[:, 0].min().backward()
    assert x.grad.numpy().tolist() == [[0.5, 0], [0, 0], [0.5, 0]]
    with pytest.raises(ValueError, match="min: expected at least one element, got none"):
        Tensor(np.zeros((0, 2))).min(axis=0)


def test_max_is_nan_where_there_is_one():
    a = np.array([[1.0, np.nan, 2.0], [np.inf, 1.0, -np.inf], [-np.inf, -np.inf, -np.inf]])
    for axis in (None, 0, 1, (0, 1)):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(Tensor(a).max(axis=axis).numpy(), np.max(a, axis=axis))


def test_softmax_does_not_overflow():
    y = Tensor(np.array([[1e4, 1e4, -1e4]], np.float32)).softmax().numpy()
    assert y.tolist() == [[0.5, 0.5, 0.0]]


def test_every_pair_of_small_shapes_broadcasts_as_in_numpy():
    shapes = [s for n in range(4) for s in np.ndindex(*(3,) * n)]  # lengths 0, 1 and 2
    for first in shapes:
        for second in shapes:
            a, b = np.ones(first), np.full(second, 2.0)
            try:
                expected = a + b
            except ValueError:
                with pytest.raises(ValueError, match="add: expected shapes that broadcast"):
                    Tensor(a) + b
                continue
            x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
            out = x + y
            assert out.shape == expected.shape
            assert (out.numpy() == 3).all()
            gx, gy = _core.gradients(out, [x, y], np.ones(out.shape))
            assert (gx.numpy() * x.size == out.size).all() and (gy.numpy() * y.size == out.size).all()


def test_arrays_take_the_dtype_of_the_tensor():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    double = np.full((2, 3), 0.1)
    for y in (x * double, double * x, _core.concat([x, double]), _core.mse(x, double)):
        assert y.dtype == np.float32
    assert (Tensor(np.ones(2)) * np.full(2, 0.1, np.float32)).dtype == np.float64
    x.backward(double)
    assert x.grad.dtype == np.float32
    with pytest.raises(TypeError, match="mul: expected tensors of one dtype, got x of float32 and y of float64"):
        x * Tensor(double)


def test_leaves_are_known():
    x = Tensor([1.0], requires_grad=True)
    assert x.is_leaf and not (x * x).is_leaf and (x * x).detach().is_leaf


def test_signatures_are_those_that_help_shows():
    assert str(inspect.signature(_core.sum)) == "(x, axis=None, keepdims=False)"
    assert str(inspect.signature(_core.linear)) == "(x, weight, bias=None, activation='none', slope=0.01)"
    assert str(inspect.signature(Tensor.affine)) == "(self, /, scale=1.0, shift=0.0)"
    assert str(inspect.signature(Tensor.reshape)) == "(self, /, *shape)"
    assert inspect.getdoc(_core.relu) == "max(x, 0)."
    assert inspect.getdoc(Tensor.gather_rows).endswith("The tensor is table.")
    for name in _core.OPERATIONS:
        assert len(inspect.getdoc(getattr(_core, name))) < 900  # the buffer has 1,024 bytes
