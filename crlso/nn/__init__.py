"""Neural networks: modules, which hold parameters, and the operations that use them.

A small network and its training loop:

>>> import numpy as np
>>> from crlso.nn import Linear, Sequential
>>> from crlso.optim import Adam
>>> rng = np.random.default_rng(0)
>>> x = rng.uniform(-1, 1, size=(64, 2))
>>> y = x[:, :1] * x[:, 1:]
>>> net = Sequential(Linear(2, 32, rng=rng, activation="tanh"), Linear(32, 1, rng=rng))
>>> adam = Adam(net.parameters(), lr=1e-2)
>>> for step in range(300):
...     adam.zero_grad()
...     loss = ((net(x) - y) ** 2).mean()
...     loss.backward()
...     norm = adam.step()  # of the gradients
>>> loss.item() < 2e-3
True

Parameters are :class:`crlso.Tensor` leaves that own NumPy memory. What has random initial values takes `rng`: there is
no hidden source of randomness.

- A NumPy ``Generator``, as above: each module draws a seed from it. The order in which modules are made matters.
- A :class:`~crlso.random.Stream`: the values of each parameter depend on the stream and the parameter's name alone,
  whatever else the program makes. Give each part of a model a stream of its own: ``stream.child("encoder")``.
- An integer, or a ``SeedSequence``. Equal seeds give equal numbers: use another one for each module.

Arrays and numbers that meet a Tensor take its dtype, so float64 data fits a float32 network. Two tensors of different
dtypes are an error. Arithmetic broadcasts as in NumPy, also where that is a mistake: (n, 1) - (n,) is (n, n). The
losses, such as :func:`mse`, refuse shapes that differ.

Most operations are methods of Tensor too: ``net(x).relu().mean(axis=1)``.
"""

from crlso._core import (
    binary_cross_entropy,
    concat,
    leaky_relu,
    mse,
    relu,
    sigmoid,
    softmax,
    softmax_cross_entropy,
    softplus,
    tanh,
)
from crlso.nn.convex import ICNN
from crlso.nn.graph import GraphLayer, OneHotGraphLayer
from crlso.nn.layers import MLP, Dropout, Linear, Sequential
from crlso.nn.module import Module, grad, no_grad
from crlso.nn.values import SLOPE

__all__ = [
    "ICNN",
    "MLP",
    "SLOPE",
    "Dropout",
    "GraphLayer",
    "Linear",
    "Module",
    "OneHotGraphLayer",
    "Sequential",
    "binary_cross_entropy",
    "concat",
    "grad",
    "leaky_relu",
    "mse",
    "no_grad",
    "relu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "tanh",
]


def __dir__() -> list[str]:
    return __all__
