"""What the estimators share: parameters by name, files, checked inputs, and the training loop."""

from __future__ import annotations

import inspect
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from crlso import _core
from crlso._random import Stream
from crlso.nn import Module
from crlso.optim import Adam, cosine

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Estimator", "NotFittedError", "check_targets", "train"]

Progress = Callable[[int, int], None]


class NotFittedError(RuntimeError):
    """The estimator was used before :meth:`fit`."""


class Estimator:
    """Base of the models, after scikit-learn's conventions: what `fit` learns ends in an underscore.

    A subclass's ``__init__`` stores its arguments under their names. Files are npz archives without pickle.
    """

    _kind: ClassVar[str]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{name}: expected a parameter out of {sorted(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def _modules(self) -> dict[str, Module]:
        """The trained modules by name."""
        raise NotImplementedError

    def _fitted(self) -> None:
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(self)):
            raise NotFittedError(f"{type(self).__name__}: expected a fitted model; call fit first")

    def _write(self, path: str | os.PathLike[str], params: dict[str, Any]) -> None:
        self._fitted()
        arrays: dict[str, Any] = {
            f"{name}/{key}": value for name, module in self._modules().items() for key, value in module.state().items()
        }
        meta = json.dumps({"kind": self._kind, "format": 1, "params": params}, allow_nan=False)
        target = Path(path)
        temporary = target.with_name(target.name + ".part")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, meta=np.array(meta), **arrays)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def _read(cls, path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, npt.NDArray[Any]]]]:
        try:
            with np.load(path, allow_pickle=False) as archive:
                meta = json.loads(str(archive["meta"]))
                states: dict[str, dict[str, npt.NDArray[Any]]] = {}
                for name in archive.files:
                    if name != "meta":
                        module, _, key = name.partition("/")
                        states.setdefault(module, {})[key] = archive[name]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"path: expected a file saved by {cls.__name__}, got {os.fspath(path)!r}: {error}"
            ) from error
        if not isinstance(meta, dict) or meta.get("kind") != cls._kind or meta.get("format") != 1:
            raise ValueError(f"path: expected a file saved by {cls.__name__}, got {os.fspath(path)!r}")
        return meta["params"], states

    def _take(self, states: dict[str, dict[str, npt.NDArray[Any]]]) -> None:
        modules = self._modules()
        if set(modules) != set(states):
            raise ValueError(f"path: expected the modules {sorted(modules)}, got {sorted(states)}")
        for name, module in modules.items():
            module.load_state(states[name])


def check_targets(y: npt.ArrayLike, n: int, name: str = "y") -> npt.NDArray[np.float32]:
    """Finite float32 targets of shape (n,), n >= 1."""
    array = np.asarray(y)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), one number per cell, got {array.shape}")
    if n == 0:
        raise ValueError(f"{name}: expected at least one label, got none")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array.astype(np.float32)


def train(
    parameters: list[Any],
    loss: Callable[[npt.NDArray[np.int64], int], Any],
    n: int,
    stream: Stream,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    max_norm: float | None = None,
    on_epoch: Progress | None = None,
) -> list[float]:
    """Minimise a loss with Adam over shuffled batches, the rate falling to 0 along a cosine.

    Parameters
    ----------
    parameters : list of Tensor
    loss : callable
        ``loss(positions, step)``: the loss, a Tensor of one element, of the items at these positions; `step` counts
        from 0 over the whole training.
    n : int
        Number of items, at least 1.
    stream : Stream
        Orders the items.
    on_epoch : callable, optional
        ``on_epoch(done, epochs)``.

    Returns
    -------
    list of float
        Mean loss of each epoch, weighted by batch sizes.

    Raises
    ------
    RuntimeError
        When a gradient is not finite.
    """
    optimiser = Adam(parameters, betas=betas, weight_decay=weight_decay, max_norm=max_norm)
    per_epoch = -(-n // batch_size)
    step, history = 0, []
    for epoch in range(epochs):
        order = stream.permutation("order", epoch, n)
        total = 0.0
        for first in range(0, n, batch_size):
            positions = order[first : first + batch_size]
            value = loss(positions, step)
            optimiser.zero_grad()
            value.backward()
            optimiser.step(cosine(step, epochs * per_epoch, learning_rate))
            total += len(positions) * value.item()
            step += 1
        optimiser.zero_grad()
        history.append(total / n)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs)
    return history


def kendall_tau(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Kendall's tau-b; NaN when one side is constant."""
    return float(_core.kendall_tau(np.asarray(predicted, np.float64), np.asarray(true, np.float64)))
