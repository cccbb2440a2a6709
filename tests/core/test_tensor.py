"""Tensors: memory shared with NumPy, construction, attributes, operators, backward."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from crlso import _core

Tensor = _core.Tensor


# ---- memory ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3), (2, 0, 3), (2, 3, 4, 5)])
def test_fitting_arrays_are_shared(dtype, shape):
    array = np.asarray(np.random.default_rng(0).normal(size=shape)).astype(dtype).reshape(shape)
    tensor = Tensor(array)
    view = tensor.numpy()
    assert (tensor.shape, tensor.dtype, tensor.ndim, tensor.size) == (shape, dtype, array.ndim, array.size)
    np.testing.assert_array_equal(view, array)
    assert view.flags.writeable and view.flags.c_contiguous
    if array.size:
        assert np.shares_memory(view, array)
        view[...] = 7
        assert (array == 7).all()
        array[...] = 8
        assert (np.asarray(tensor) == 8).all()


def test_view_outlives_its_tensor():
    view = (Tensor(np.full(1000, 2.0)) * 3.0).numpy()
    gc.collect()
    others = [(Tensor(np.zeros(1000)) + float(i)) for i in range(50)]  # would take the memory if it were free
    assert (view == 6).all()
    view[...] = 5
    assert all((t.numpy() == i).all() for i, t in enumerate(others))


def test_tensor_outlives_its_array():
    array = np.arange(1000.0)
    gone = weakref.ref(array)
    tensor = Tensor(array)
    del array
    gc.collect()
    assert gone() is not None
    assert tensor.sum().item() == 499500
    inner = tensor.slice(10, 20).reshape((2, 5))
    del tensor
    assert inner.numpy().tolist() == [[10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]
    del inner
    gc.collect()
    assert gone() is None


def test_references_to_a_wrapped_array_come_back():
    array = np.ones((4, 4), np.float32)
    before = sys.getrefcount(array)
    tensor = Tensor(array, requires_grad=True)
    assert sys.getrefcount(array) == before + 1
    result = (tensor @ tensor).sum()
    result.backward()
    alias, constant, view = Tensor(tensor), tensor.detach(), tensor.numpy()
    assert sys.getrefcount(array) == before + 1
    del tensor, result, alias, constant
    assert view.sum() == 16
    assert sys.getrefcount(array) == before + 1
    del view
    assert sys.getrefcount(array) == before


@pytest.mark.thread_unsafe(reason="counts references to a literal")
def test_references_come_back_from_errors():
    array, text = np.ones(3, np.float32), "no numbers"
    before = sys.getrefcount(array), sys.getrefcount(text)
    for _ in range(100):
        with pytest.raises(ValueError, match="mul"):
            _core.mul(array, np.ones(4, np.float32))
        with pytest.raises(TypeError):
            _core.mul(array, text)
        with pytest.raises(TypeError):
            _core.concat([array, text])
        with pytest.raises(TypeError):
            Tensor(text, dtype="float64")
    assert (sys.getrefcount(array), sys.getrefcount(text)) == before


def test_read_only_memory_is_copied_and_never_written():
    array = np.arange(4, dtype=np.float32)
    array.flags.writeable = False
    tensor = Tensor(array, requires_grad=True)
    tensor.numpy()[...] = -1
    tensor.nonnegative = False
    tensor.sum().backward()
    _core.Adam([tensor]).step(0.5)
    assert array.tolist() == [0, 1, 2, 3]
    frozen = np.frombuffer(bytes(16), np.float32)
    Tensor(frozen).numpy()[...] = 1
    assert not frozen.any()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.arange(12, dtype=np.float32)[::2],
        np.arange(12, dtype=np.float64)[::-1],
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.arange(12, dtype=">f8"),
        np.arange(12, dtype=np.float16),
        np.arange(12, dtype=np.longdouble),
        np.arange(12, dtype=np.int64),
        np.arange(12, dtype=">u2"),
        np.arange(12) % 2 == 0,
        np.frombuffer(b"\0" + np.arange(12, dtype=np.float32).tobytes(), np.float32, offset=1, count=12),
        np.broadcast_to(np.float32(2), (3, 4)),
        np.lib.stride_tricks.as_strided(np.arange(4, dtype=np.float32), (3, 2), (4, 4)),
        np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        np.array([], dtype=np.int32),
    ],
)
def test_other_arrays_are_copied(array):
    before = np.array(array, copy=True)
    tensor = Tensor(array)
    assert tensor.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(before, np.float64))
    assert type(tensor.numpy()) is np.ndarray and tensor.numpy().flags.c_contiguous
    tensor.numpy()[...] = -5
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("data", [[1, 2], (1.5, 2), 3, 2.5, [[1], [2]], range(3), np.float64(2), np.int8(3), True, []])
def test_numbers_become_float32_or_what_is_asked_for(data):
    assert Tensor(data).dtype == np.float32
    assert Tensor(data, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(Tensor(data, dtype="float64").numpy(), np.asarray(data, np.float64))


def test_dtype_casts():
    x = np.array([1.1, 2.2])
    assert Tensor(x, dtype="f4").numpy().tolist() == x.astype(np.float32).tolist()
    assert np.shares_memory(Tensor(x, dtype=float).numpy(), x)
    with pytest.raises(TypeError, match="dtype: expected float32, the dtype of the tensor"):
        Tensor(Tensor([1.0]), dtype="float64")


def test_tensor_of_a_tensor_is_another_leaf_over_its_memory():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = Tensor(x)
    assert np.shares_memory(x.numpy(), y.numpy()) and not y.requires_grad
    (x * 2.0).sum().backward()
    assert y.grad is None and x.grad.numpy().tolist() == [2, 2]


def test_numpy_protocol():
    x = Tensor([[1.0, 2.0]])
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.shares_memory(np.asarray(x, dtype=np.float32), x.numpy())
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, dtype=np.int64).tolist() == [[1, 2]]
    assert np.stack([x, x]).shape == (2, 1, 2)
    assert not np.shares_memory(x.__array__(copy=True), x.numpy())
    assert not np.shares_memory(x.__array__(np.dtype("f4"), copy=True), x.numpy())
    assert np.shares_memory(x.__array__(copy=False), x.numpy())
    with pytest.raises(ValueError, match="without copying"):
        x.__array__(np.dtype("f8"), copy=False)
    with pytest.raises(TypeError):
        x.__array__("no dtype")
    with pytest.raises(TypeError):
        np.sin(x)  # functions of NumPy would lose the graph


# ---- input that is refused ----


class Raises:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array today")


class WrongArray:
    def __array__(self, dtype=None, copy=None):
        return [1, 2, 3]


class ObjectArray:
    def __array__(self, dtype=None, copy=None):
        return np.array([object()])


class RaisingInterface:
    @property
    def __array_interface__(self):
        raise RuntimeError("no interface today")


class WrongInterface:
    @property
    def __array_interface__(self):
        return {"shape": (2,), "typestr": "nonsense", "data": bytes(8), "version": 3}


class LyingLength:
    def __len__(self):
        return 1000

    def __getitem__(self, i):
        if i > 2:
            raise IndexError
        return float(i)


class RaisingLength:
    def __len__(self):
        raise RuntimeError("no length today")

    def __getitem__(self, i):
        return 0.0


class Shrinking(list):
    def __getitem__(self, i):
        self.clear()
        raise RuntimeError("emptied")

    def __iter__(self):
        self.clear()
        raise RuntimeError("emptied")

    def __len__(self):
        return 3


class BadNumber:
    def __float__(self):
        return "one"

    def __index__(self):
        return "one"


class RaisingNumber:
    def __float__(self):
        raise RuntimeError("no float today")

    def __index__(self):
        raise RuntimeError("no index today")

    def __bool__(self):
        raise RuntimeError("no truth today")


NOT_NUMBERS: list[Any] = [
    None,
    "1.0",
    b"1.0",
    ["a"],
    1j,
    [1j],
    np.ones(3, np.complex64),
    object(),
    [object()],
    np.array([1, None]),
    np.array(["2020-01-01"], "M8[D]"),
    np.array([1], "m8[s]"),
    np.zeros(2, [("a", "f4")]),
    {1.0},
    {"a": 1.0},
    lambda: 0,
    Tensor,
    _core.GraphBatch([0], [0], np.zeros(0, int), np.zeros(0, int), 0),
    [2**70],
    ObjectArray(),
]


@pytest.mark.parametrize("data", NOT_NUMBERS, ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("dtype", [None, "float64"])
def test_what_is_no_array_of_numbers_is_refused(data, dtype):
    with pytest.raises(TypeError, match="data: expected a tensor or an array of real numbers, got"):
        Tensor(data, dtype=dtype)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (Raises(), RuntimeError),
        (WrongArray(), ValueError),
        (RaisingInterface(), (RuntimeError, TypeError)),
        (WrongInterface(), (ValueError, TypeError, BufferError, OverflowError)),
        (RaisingLength(), (RuntimeError, TypeError)),
        (Shrinking([1, 2, 3]), (RuntimeError, ValueError, TypeError)),
        ([1, [2, 3]], ValueError),
        ([BadNumber()], TypeError),
        (np.zeros((1,) * 5), ValueError),
        (np.broadcast_to(np.float32(1), (2**50,)), (MemoryError, ValueError)),
        (np.broadcast_to(np.uint8(1), (2**61,)), (MemoryError, ValueError)),
        ([[[[[1.0]]]]], ValueError),
    ],
    ids=lambda d: type(d).__name__,
)
def test_objects_that_lie_raise_and_leave_all_well(data, error):
    for call in (lambda: Tensor(data), lambda: Tensor(data, dtype="float64"), lambda: _core.add(data, [1.0])):
        with pytest.raises(error):
            call()
    assert (Tensor([1.0]) + 1.0).item() == 2


def test_a_length_that_lies_is_not_believed():
    assert Tensor(LyingLength()).numpy().tolist() == [0, 1, 2]
    assert _core.concat([LyingLength(), [5.0]]).numpy().tolist() == [0, 1, 2, 5]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Tensor(), TypeError),
        (lambda: Tensor([1.0], True, None, 4), TypeError),
        (lambda: Tensor([1.0], wrong=1), TypeError),
        (lambda: Tensor([1.0], dtype="int32"), TypeError),
        (lambda: Tensor([1.0], dtype="float16"), TypeError),
        (lambda: Tensor([1.0], dtype=">f4,f4"), TypeError),
        (lambda: Tensor([1.0], dtype="nonsense"), TypeError),
        (lambda: Tensor([1.0], requires_grad=RaisingNumber()), RuntimeError),
        (lambda: Tensor.__new__(Tensor), TypeError),
        (lambda: object.__new__(Tensor), TypeError),
        (lambda: Tensor.__new__(int), TypeError),
        (lambda: hash(Tensor.__dict__), TypeError),
        (lambda: Tensor([1.0]).leaky_relu(BadNumber()), TypeError),
        (lambda: Tensor([1.0]).leaky_relu(RaisingNumber()), RuntimeError),
        (lambda: Tensor([1.0]).sum(BadNumber()), TypeError),
        (lambda: Tensor([1.0]).sum(RaisingNumber()), RuntimeError),
        (lambda: Tensor([1.0]).reshape([BadNumber()]), TypeError),
        (lambda: Tensor([1.0]).reshape(Shrinking([1])), RuntimeError),
        (lambda: Tensor([[1.0]]).matmul([[1.0]], RaisingNumber()), RuntimeError),
        (lambda: Tensor([[1.0]]).gather_rows([RaisingNumber()]), TypeError),
        (lambda: Tensor([[1.0]]).gather_rows(Raises()), RuntimeError),
        (lambda: _core.concat(Shrinking([Tensor([1.0])])), RuntimeError),
        (lambda: _core.square(), TypeError),
        (lambda: Tensor([1.0]).square(1), TypeError),
        (lambda: Tensor([1.0]).square(x=1), TypeError),
        (lambda: Tensor([1.0]).square(*range(50)), TypeError),
        (lambda: Tensor.square(1.0), TypeError),
        (lambda: Tensor([1.0, 2.0]).item(), ValueError),
        (lambda: float(Tensor([1.0, 2.0])), ValueError),
        (lambda: len(Tensor(1.0)), TypeError),
        (lambda: iter(Tensor(1.0)), TypeError),
        (lambda: Tensor([1.0]).reshape(1, shape=1), TypeError),
        (lambda: Tensor([1.0]).reshape(1, 1, shape=1), TypeError),
        (lambda: Tensor([1.0]).reshape(1, BadNumber()), TypeError),
        (lambda: Tensor([1.0]).reshape(), TypeError),
        (lambda: pow(Tensor([1.0]), 2, 3), TypeError),
        (lambda: Tensor([1.0]) ** "2", TypeError),
        (lambda: Tensor([1.0]) ** 10**400, TypeError),
    ],
)
def test_bad_calls_raise(call, error):
    with pytest.raises(error):
        call()


class Mutating:
    """Changes the other arguments of the call while it is read."""

    def __init__(self, others):
        self.others = others

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.others, list):
            self.others.clear()
        else:
            self.others.requires_grad = not self.others.requires_grad
            self.others.numpy()[...] = 3
        gc.collect()
        return np.ones(2, np.float32)


def test_arguments_that_change_others_while_they_are_read():
    parts: list[Any] = [Tensor([1.0, 2.0]) for _ in range(20)]
    parts.insert(1, Mutating(parts))
    assert _core.concat(parts).size == 42
    assert parts == []
    x = Tensor([1.0, 2.0])
    assert _core.mul(x, Mutating(x)).numpy().tolist() == [3, 3]


# ---- attributes ----


@pytest.mark.parametrize("name", ["shape", "dtype", "ndim", "size"])
def test_read_only_attributes(name):
    x = Tensor([1.0])
    for change in (lambda: setattr(x, name, 1), lambda: delattr(x, name)):
        with pytest.raises(AttributeError):
            change()


def test_attributes_cannot_be_deleted_or_invented():
    x = Tensor([1.0])
    for name in ("requires_grad", "nonnegative"):
        with pytest.raises(AttributeError, match=f"{name} cannot be deleted"):
            delattr(x, name)
        with pytest.raises(RuntimeError, match="no truth"):
            setattr(x, name, RaisingNumber())
        assert getattr(x, name) is False
        setattr(x, name, 1)
        assert getattr(x, name) is True
    with pytest.raises(AttributeError):
        x.other = 1
    with pytest.raises(TypeError, match="grad: expected None"):
        x.grad = x
    x.grad = None
    del x.grad
    assert x.grad is None


def test_subclasses():
    class Named(Tensor):
        def __init__(self, data, name="", requires_grad=False):
            self.name = name

        def __new__(cls, data, name="", requires_grad=False):
            return super().__new__(cls, data, requires_grad)

    x = Named([1.0, 2.0], "weights", requires_grad=True)
    assert x.name == "weights" and isinstance(x, Tensor)
    (x * x).sum().backward()
    assert x.grad.numpy().tolist() == [2, 4]
    assert type(x * x) is Tensor and type(x.grad) is Tensor
    assert _core.concat([x, x]).size == 4
    _core.Adam([x]).step(0.1)
    x.me = x  # a cycle
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None
    for wrong in ((Tensor, _core.GraphBatch), (Tensor, int)):
        with pytest.raises(TypeError):
            type("Both", wrong, {})


def test_init_again_changes_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    x.__init__([5.0])
    Tensor.__init__(x)
    assert x.numpy().tolist() == [1, 2]
    y.sum().backward()
    assert x.grad.numpy().tolist() == [2, 2]


def test_types_are_closed():
    for kind in (_core.GraphBatch, _core.Adam, _core.CellSet):
        with pytest.raises(TypeError):
            type("Derived", (kind,), {})
        with pytest.raises(TypeError):
            object.__new__(kind)


def test_repr_and_numbers():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1. 2.], dtype=float32)"
    assert repr(Tensor(np.ones((1, 1)), requires_grad=True)) == "Tensor([[1.]], dtype=float64, requires_grad=True)"
    assert float(Tensor([2.5])) == Tensor(2.5).item() == 2.5
    assert len(Tensor([[1.0, 2.0]])) == 1


# ---- operators ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_and_their_reflections(dtype):
    a, b = np.array([1.0, 2.0, 4.0], dtype), np.array([3.0, 0.5, 2.0], dtype)
    x = Tensor(a)
    for other in (b, Tensor(b), 2, 2.5, np.float32(2), np.float64(2), np.int64(2), np.array(2)):
        plain = np.asarray(other.numpy() if isinstance(other, Tensor) else other, dtype)
        for left, right, expected in [
            (x + other, other + x, a + plain),
            (x * other, other * x, a * plain),
        ]:
            assert type(left) is type(right) is Tensor and left.dtype == right.dtype == dtype
            np.testing.assert_array_equal(left.numpy(), expected)
            np.testing.assert_array_equal(right.numpy(), expected)
        np.testing.assert_array_equal((x - other).numpy(), a - plain)
        np.testing.assert_array_equal((other - x).numpy(), plain - a)
        np.testing.assert_array_equal((x / other).numpy(), a / plain)
        np.testing.assert_array_equal((other / x).numpy(), plain / a)
    np.testing.assert_array_equal((-x).numpy(), -a)
    np.testing.assert_array_equal((x.reshape((1, 3)) @ b[:, None]).numpy(), [[a @ b]])
    np.testing.assert_array_equal((a[None] @ Tensor(b[:, None])).numpy(), [[a @ b]])
    y = x
    y += 1.0
    assert y is not x and (x.numpy() == a).all()


@pytest.mark.parametrize("other", ["a", None, [1.0], (1.0,), {}, object(), 1j, _core.CellSet()])
def test_operators_refuse_strangers(other):
    x = Tensor([1.0])
    for call in (lambda: x + other, lambda: other + x, lambda: x @ other, lambda: other / x):
        with pytest.raises(TypeError):
            call()


def test_strangers_may_take_over():
    class Polite:
        def __radd__(self, other):
            return "taken"

    assert Tensor([1.0]) + Polite() == "taken"


# ---- backward ----


def test_backward_adds_up_until_cleared():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for k in range(1, 4):
        (x * x).sum().backward()
        assert x.grad.numpy().tolist() == [2 * k, 4 * k]
    x.grad = None
    y = x.square()
    y.backward([1.0, 10.0])
    y.backward(np.array([0, 1], np.float32))  # the same graph again
    assert x.grad.numpy().tolist() == [2, 44]
    assert y.grad is None


def test_backward_of_a_leaf():
    x = Tensor([3.0], requires_grad=True)
    x.backward()
    x.backward([4.0])
    assert x.grad.numpy().tolist() == [5]
    (g,) = _core.gradients(x, [x])
    assert g.item() == 1 and x.grad.item() == 5


def test_gradients_of_inner_tensors_and_strangers():
    x, other = Tensor([1.0, 2.0], requires_grad=True), Tensor([[1.0]], requires_grad=True)
    y = x * x
    z = (y * 3.0).sum()
    gx, gy, gz, go, again = _core.gradients(z, [x, y, z, other, x])
    assert gx.numpy().tolist() == again.numpy().tolist() == [6, 12]
    assert gy.numpy().tolist() == [3, 3] and gz.item() == 1 and go.numpy().tolist() == [[0]]
    assert x.grad is None and y.grad is None and other.grad is None
    assert _core.gradients(z, []) == ()
    x.sum().backward()
    kept = x.grad
    _core.gradients(z, (x,))
    assert kept.numpy().tolist() == [1, 1] and x.grad.numpy().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, y: x.detach().backward(), RuntimeError, "does not depend on anything"),
        (lambda x, y: y.backward(), ValueError, r"got shape \(2,\)"),
        (lambda x, y: y.backward([1.0]), ValueError, "gradient: expected the shape"),
        (lambda x, y: y.backward(Tensor(np.ones(2))), ValueError, "gradient: expected the shape and dtype"),
        (lambda x, y: y.backward("ab"), TypeError, "gradient: expected a tensor"),
        (lambda x, y: y.backward(Raises()), RuntimeError, "no array today"),
        (lambda x, y: _core.gradients(y, [x]), ValueError, "got shape"),
        (lambda x, y: _core.gradients(y, [x.detach()], y), ValueError, "number 0 does not"),
        (lambda x, y: _core.gradients(y, [x, 1.0], y), ValueError, "number 1 does not"),
        (lambda x, y: _core.gradients(1.0, [x]), TypeError, ""),
        (lambda x, y: _core.gradients(y, 5, y), TypeError, ""),
        (
            lambda x, y: _core.gradients(y, x, y),
            TypeError,
            "inputs: expected a list of tensors, got crlso._core.Tensor",
        ),
        (lambda x, y: _core.gradients(x.detach().sum(), [x]), RuntimeError, "does not depend"),
        (lambda x, y: setattr(y, "requires_grad", False), RuntimeError, "requires_grad: expected a leaf"),
    ],
)
def test_bad_backward(call, error, words):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    with pytest.raises(error, match=words or None):
        call(x, y)
    assert x.grad is None
    y.sum().backward()
    assert x.grad.numpy().tolist() == [2, 2]


def test_constants_take_no_gradient():
    x, c = Tensor([1.0], requires_grad=True), Tensor([2.0])
    (x * c * x.detach()).backward()
    assert x.grad.item() == 2 and c.grad is None
    assert not (c * c).requires_grad
    x.requires_grad = False
    assert not (x * x).requires_grad


def test_a_leaf_that_becomes_constant_after_forward_is_skipped():
    x, w = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    y = x * w
    x.requires_grad = False
    y.backward()
    assert x.grad is None and w.grad.item() == 1


def test_gradient_of_a_gradient_tensor_is_a_plain_tensor():
    x = Tensor([2.0], requires_grad=True)
    x.square().backward()
    g = x.grad
    assert not g.requires_grad
    g.requires_grad = True
    g.square().backward()
    assert g.grad.item() == 8
    x.square().backward()
    assert x.grad.item() == g.item() == 8  # the same memory, added to


# ---- grad mode ----


def test_grad_mode_belongs_to_a_thread():
    x = Tensor([1.0], requires_grad=True)
    seen = {}
    inside, outside = threading.Event(), threading.Event()

    def worker():
        seen["start"] = _core.is_grad_enabled()
        seen["old"] = _core.set_grad_enabled(False)
        seen["off"] = (x * x).requires_grad
        inside.set()
        outside.wait(10)
        seen["still off"] = (x * x).requires_grad

    thread = threading.Thread(target=worker)
    thread.start()
    assert inside.wait(10)
    assert _core.is_grad_enabled() and (x * x).requires_grad
    outside.set()
    thread.join()
    assert seen == {"start": True, "old": True, "off": False, "still off": False}
    assert _core.set_grad_enabled(False) is True
    try:
        assert not (x * x).requires_grad
        with pytest.raises(RuntimeError, match="no truth"):
            _core.set_grad_enabled(RaisingNumber())
        assert not _core.is_grad_enabled()
    finally:
        assert _core.set_grad_enabled(True) is False


# ---- truth, comparison, identity ----


def test_truth_is_that_of_the_one_element():
    assert not Tensor([0.0]) and not Tensor([[0.0]], dtype="float64") and not Tensor(-0.0)
    assert Tensor([2.0]) and Tensor([-1e-30]) and Tensor([np.nan])
    for several in (Tensor([1.0, 2.0]), Tensor([0.0, 0.0]), Tensor(np.zeros((0, 3)))):
        with pytest.raises(
            ValueError, match=rf"bool: expected a tensor of one element, got {several.size}; use x.numpy"
        ):
            bool(several)


@pytest.mark.parametrize("other", [1.0, 1, True, np.float32(1), np.ones(1), [1.0], (1.0,), Tensor([1.0])])
def test_comparisons_say_what_to_use(other):
    x = Tensor([1.0])
    for compare in (lambda: x == other, lambda: other == x, lambda: x != other, lambda: x == x):
        with pytest.raises(TypeError, match=r"Tensor: == and != do not compare tensors; use x.numpy\(\) == y"):
            compare()
    for compare in (lambda: x < other, lambda: other < x, lambda: x >= other):
        with pytest.raises(TypeError, match=r"Tensor: <, <=, > and >= do not compare tensors; use x.numpy\(\) < y"):
            compare()


def test_tensors_are_kept_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: "x", y: "y"}[x] == "x" and len({x, y}) == 2 and hash(x) == hash(x)
    assert [x, y].index(x) == 0 and x in [x, y]
    assert (x == None) is False and x != "x" and x != object()  # noqa: E711
