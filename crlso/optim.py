"""Optimisers of the parameters of modules, and the cosine schedule of learning rates.

>>> from crlso import Tensor
>>> w = Tensor([3.0], requires_grad=True)
>>> adam = Adam([w], lr=0.1)
>>> for step in range(200):
...     adam.zero_grad()
...     (w * w).backward()
...     norm = adam.step()
>>> abs(w.item()) < 1e-2
True
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from crlso._base.checks import check_number
from crlso._core import Adam, Tensor

__all__ = ["SGD", "Adam", "cosine"]


def __dir__() -> list[str]:
    return __all__


class SGD:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves that require a gradient. Those marked ``nonnegative`` are projected onto w >= 0 inside the step.
    lr : float
        Learning rate of steps that are given none.
    momentum : float
        A step moves by ``v = momentum * v + g``, where g is the gradient and v starts at 0.
    weight_decay : float
        This times the parameter is added to its gradient.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If a parameter is not a leaf that requires a gradient, is given twice, or is marked ``nonnegative`` and has a
        negative entry; or if a number is negative.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> sgd = SGD([w], lr=0.1)
    >>> (w * w).backward()
    >>> sgd.step()
    2.0
    >>> w.numpy()
    array([0.8], dtype=float32)
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.001, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        if not isinstance(parameters, Iterable):
            got = type(parameters).__name__
            raise TypeError(f"parameters: expected Tensors, such as net.parameters(), got {got}")
        self._parameters = list(parameters)
        for i, parameter in enumerate(self._parameters):
            if not isinstance(parameter, Tensor):
                raise TypeError(f"parameters: expected Tensors, got {type(parameter).__name__} as number {i}")
            if not (parameter.requires_grad and parameter.is_leaf):
                raise ValueError(f"parameters: expected leaves that require a gradient, number {i} is not")
            if parameter.nonnegative and not (parameter.numpy() >= 0).all():
                raise ValueError(f"parameters: number {i} is marked nonnegative but has negative entries")
        if len({id(parameter) for parameter in self._parameters}) < len(self._parameters):
            raise ValueError("parameters: expected each tensor once")
        self.lr = check_number("lr", lr, least=0)
        self.momentum = check_number("momentum", momentum, least=0)
        self.weight_decay = check_number("weight_decay", weight_decay, least=0)
        self._velocities = [np.zeros(parameter.shape, parameter.dtype) for parameter in self._parameters]

    def __repr__(self) -> str:
        return f"SGD(lr={self.lr}, momentum={self.momentum}, weight_decay={self.weight_decay})"

    def step(self, learning_rate: float | None = None, /) -> float:
        """Move all parameters that have a gradient.

        Parameters
        ----------
        learning_rate : float, optional
            By default `lr`.

        Returns
        -------
        float
            Global norm of the gradients.

        Raises
        ------
        RuntimeError
            If the norm is not finite: nothing has changed then.

        Examples
        --------
        >>> from crlso import Tensor
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> optimiser = SGD([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> _ = optimiser.step()
        >>> x.numpy()
        array([0., 0.], dtype=float32)
        """
        rate = check_number("learning_rate", self.lr if learning_rate is None else learning_rate, least=0)
        gradients = [None if p.grad is None else p.grad.numpy() for p in self._parameters]
        norm = math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients if g is not None))
        if not math.isfinite(norm):
            raise RuntimeError(f"step: the gradients' norm is {norm}; the parameters were left unchanged")
        for parameter, velocity, gradient in zip(self._parameters, self._velocities, gradients, strict=True):
            if gradient is None:
                continue
            values = parameter.numpy()
            velocity *= self.momentum
            velocity += gradient + self.weight_decay * values
            values -= rate * velocity
            if parameter.nonnegative:
                np.maximum(values, 0, out=values)
        return norm

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters.

        Examples
        --------
        >>> from crlso import Tensor
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> optimiser = SGD([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimiser.zero_grad()
        >>> x.grad is None
        True
        """
        for parameter in self._parameters:
            parameter.grad = None


def cosine(step: int, total: int, peak: float) -> float:
    """Return the learning rate of a cosine schedule that falls from `peak` to 0.

    Parameters
    ----------
    step : int
        Number of steps done so far, from 0.
    total : int
        Number of steps of the whole training, at least 1.
    peak : float
        Rate of the first step.

    Returns
    -------
    float
        ``peak * (1 + cos(pi * step / total)) / 2``; 0 for steps after `total`.

    Raises
    ------
    ValueError
        If `total` is less than 1.

    References
    ----------
    I. Loshchilov, F. Hutter, arXiv 1608.03983, equation 5 with one period.

    Examples
    --------
    >>> cosine(0, 100, 0.1), cosine(50, 100, 0.1)
    (0.1, 0.05)
    """
    if total < 1:
        raise ValueError(f"total: expected at least 1 step, got {total}")
    return 0.5 * peak * (1.0 + math.cos(math.pi * min(step, total) / total))
