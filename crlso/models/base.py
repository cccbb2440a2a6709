"""Base class of the estimators, checks of their inputs, and the training loop."""

from __future__ import annotations

import abc
import contextlib
import functools
import inspect
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int, check_number
from crlso._base.displays import display, facts, heading
from crlso._base.files import BROKEN
from crlso._base.names import native_names
from crlso._base.types import EpochProgress
from crlso.models.files import ModelFile, States, write_model
from crlso.nn import Module
from crlso.optim import Adam, cosine
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space, check_is_space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "CellModel",
    "CellRegressor",
    "Estimator",
    "NotFittedError",
    "check_points",
    "check_targets",
    "kendall_tau",
    "train",
]


class NotFittedError(ValueError, AttributeError):
    """The estimator was used before :meth:`fit`.

    It has the bases of the error of that name in scikit-learn. Once scikit-learn is loaded,
    ``except sklearn.exceptions.NotFittedError`` catches it too.

    Examples
    --------
    >>> from crlso.models import ICNNSurrogate
    >>> try:
    ...     _ = ICNNSurrogate().predict([[0.0]])
    ... except NotFittedError as error:
    ...     print(type(error).__name__)
    NotFittedError
    """

    def __new__(cls, *args: Any) -> Self:
        """Make an error that is also scikit-learn's, if that is loaded."""
        theirs = getattr(sys.modules.get("sklearn.exceptions"), "NotFittedError", None)
        kind: Any = cls
        if theirs is not None and not issubclass(kind, theirs):
            with _joining:  # or two threads would make a class each
                kind = _joined(kind, theirs)
        return super().__new__(kind, *args)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Return what pickle calls: another process may have loaded scikit-learn, or not."""
        return NotFittedError, self.args


_joining = threading.Lock()


@functools.cache
def _joined(ours: Any, theirs: Any) -> Any:
    """A class of errors that is both."""
    return type(ours.__name__, (ours, theirs), {"__module__": ours.__module__, "__doc__": ours.__doc__})


class Estimator:
    """Base class of the models, which follow the conventions of scikit-learn.

    ``__init__`` of a subclass stores each argument under its name. Names of learned attributes end in an underscore.
    Models are saved as npz archives without pickle; they can also be pickled and copied.

    With scikit-learn 1.6 or newer, models work in its pipelines, searches over parameters and cross-validation:
    ``cross_val_score(Predictor(space), cells, errors)``. It is not needed otherwise.
    """

    _kind: ClassVar[str]
    _least: ClassVar[dict[str, int]]  # smallest sizes of the network
    _estimator_type: ClassVar[str | None] = None  # what scikit-learn calls it
    rng: Any

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = native_names(cls.__init__, cls.__name__)  # type: ignore[method-assign]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name.

        Parameters
        ----------
        deep : bool
            Whether to add those of arguments that are estimators, named ``argument__name``.

        Returns
        -------
        dict of str to object
            The stored arguments themselves, not copies.

        Examples
        --------
        >>> from crlso.models import ICNNSurrogate
        >>> ICNNSurrogate(width=8).get_params()["width"]
        8
        """
        params = {name: getattr(self, name) for name in _arguments(type(self))}
        if deep:
            for name, value in list(params.items()):
                if isinstance(value, Estimator):
                    params.update({f"{name}__{inner}": item for inner, item in value.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; the next :meth:`fit` uses them.

        Parameters
        ----------
        **params : object
            Arguments by name. ``argument__name`` changes an argument of an argument that is an estimator, for example
            ``surrogate__width`` of a :class:`GraphVAE`.

        Returns
        -------
        Estimator
            Itself.

        Raises
        ------
        ValueError
            If a name is not an argument of the constructor. Nothing has changed then.

        Examples
        --------
        >>> from crlso.models import ICNNSurrogate
        >>> ICNNSurrogate().set_params(width=8).width
        8
        """
        own = {name: value for name, value in params.items() if "__" not in name}
        nested: dict[str, dict[str, Any]] = {}
        for full in params.keys() - own.keys():
            name, _, inner = full.partition("__")
            nested.setdefault(name, {})[inner] = params[full]
        unknown = sorted(own.keys() - self.get_params(deep=False).keys())
        for name, inside in nested.items():
            value = own.get(name, getattr(self, name, None))
            known = value.get_params() if isinstance(value, Estimator) else {}
            unknown += sorted(f"{name}__{inner}" for inner in inside.keys() - known.keys())
        if unknown:
            raise ValueError(f"{unknown[0]}: expected a parameter out of {sorted(self.get_params())}")
        for name, value in own.items():
            setattr(self, name, value)
        for name, inside in nested.items():
            getattr(self, name).set_params(**inside)
        return self

    def fingerprint(self) -> Any:
        """Return what identifies the model, for :func:`crlso.compare`: its parameters and what it has learned.

        Returns
        -------
        tuple of dict
            Parameters by name, and learned attributes by name. A fitted model leaves out seeds and inner models.

        Examples
        --------
        >>> from crlso.models import ICNNSurrogate
        >>> ICNNSurrogate(width=8).fingerprint() == ICNNSurrogate(width=8).fingerprint()
        True
        """
        learned = {name: value for name, value in vars(self).items() if name.endswith("_") and name[0] != "_"}
        learned.pop("history_", None)  # losses of the training, which are not saved
        params = self.get_params()
        if learned:  # a saved model keeps its seeds in another form; parameters of inner models have names of their own
            params = {
                name: value
                for name, value in params.items()
                if name.rpartition("__")[2] != "rng" and not isinstance(value, Estimator)
            }
        return params, learned

    def __repr__(self) -> str:
        params = self.get_params(deep=False)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in params.items())})"

    def _repr_html_(self) -> str:
        params = [(name, repr(value)) for name, value in self.get_params(deep=False).items()]
        losses = getattr(self, "history_", ())
        is_fitted = any(name.endswith("_") and not name.startswith("_") for name in vars(self))
        state = "fitted" if is_fitted else "not fitted"
        if losses:
            state += f", {len(losses)} epochs, loss {losses[0]:.4g} at first and {losses[-1]:.4g} at last"
        return display(heading(type(self).__name__), facts([("state", state), *params]))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn 1.6 or newer asks an estimator for; it is imported already when it asks."""
        from sklearn.utils import RegressorTags, Tags, TargetTags, TransformerTags

        is_regressor = self._estimator_type == "regressor"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=is_regressor),
            regressor_tags=RegressorTags() if is_regressor else None,
            transformer_tags=TransformerTags() if hasattr(self, "transform") else None,
        )

    def _modules(self) -> dict[str, Module]:
        """Return the trained modules by name."""
        return {}

    def _check_sizes(self) -> None:
        for name, least in self._least.items():
            check_int(name, getattr(self, name), least)

    def _check_fitted(self) -> None:
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(self)):
            raise NotFittedError(f"{type(self).__name__}: expected a fitted model; call fit first")

    def _saved_params(self) -> dict[str, Any]:
        """Return the arguments of the constructor as a file keeps them, with a seed for `rng`."""
        self._check_fitted()
        return {**self.get_params(deep=False), "rng": seed_of(self.rng)}

    def _write_file(self, path: str | os.PathLike[str], params: dict[str, Any]) -> None:
        write_model(path, self._kind, params, {name: module.state() for name, module in self._modules().items()})

    @classmethod
    @contextlib.contextmanager
    def _reading(cls, path: str | os.PathLike[str]) -> Iterator[None]:
        """Turn the errors that a broken or foreign file raises into a ValueError that names the file."""
        try:
            yield
        except BROKEN as error:
            raise ValueError(
                f"path: expected a file saved by {cls.__name__}, got {os.fspath(path)!r}: {error}"
            ) from error

    @classmethod
    def _read_file(cls, path: str | os.PathLike[str], *learned: str) -> ModelFile:
        """Open a file whose parameters are the arguments of the constructor and those named in `learned`."""
        with cls._reading(path):
            file = ModelFile(path, cls._kind, {*_arguments(cls), *learned})
            file.params.update(cls._checked_params(file.params))
        return file

    @classmethod
    def _checked_params(cls, params: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the constructor among `params`, of the types that their defaults have."""
        return {
            name: _checked_param(name, params[name], argument)
            for name, argument in _arguments(cls).items()
            if argument.default not in (None, argument.empty)
        }

    def _load_states(self, states: States) -> None:
        for name, module in self._modules().items():
            module.load_state(states[name])


class CellModel(Estimator):
    """Base class of the models of cells, which have a space."""

    @property
    def space(self) -> Space:
        """Space of the cells."""
        return self._space

    @space.setter
    def space(self, space: Space) -> None:
        check_is_space(space)
        self._space = space

    @property
    def n_features_in_(self) -> int:
        """Number of codes per cell; NotFittedError before :meth:`fit`."""
        self._check_fitted()
        return len(self.space.cardinalities)


class CellRegressor(CellModel, abc.ABC):
    """Base class of the models that predict a label of each cell."""

    _estimator_type = "regressor"

    @abc.abstractmethod
    def predict(self, cells: Any) -> Any:
        """Predict the labels of n cells."""

    def score(self, cells: Any, y: npt.ArrayLike) -> float:
        """Return Kendall's tau-b between predicted and given labels.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.
        y : array_like, shape (n,)
            Given labels of the cells.

        Returns
        -------
        float
            Between -1 and 1; NaN if one side is constant.

        Examples
        --------
        >>> from crlso.models import LatentGP
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> cells = space.sample(30, rng=0)
        >>> errors = 1 - space.log_size(cells) / 4
        >>> LatentGP(space).fit(cells, errors).score(cells, errors) > 0.5
        True
        """
        return kendall_tau(self.predict(cells), y)


def _arguments(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a constructor by name."""
    return {name: argument for name, argument in inspect.signature(kind).parameters.items() if name != "self"}


def _checked_param(name: str, value: Any, argument: inspect.Parameter) -> Any:
    """An argument from a file, of the type of its default."""
    default = argument.default
    if name == "rng":
        return check_int(name, value, 0)
    if value is None and "None" in str(argument.annotation):
        return None
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise TypeError(f"{name}: expected True or False, got {type(value).__name__}")
        return value
    if isinstance(default, int):
        return check_int(name, value)
    if isinstance(default, float):
        return check_number(name, value)
    if isinstance(default, tuple):
        if not isinstance(value, list) or len(value) != len(default):
            raise TypeError(f"{name}: expected {len(default)} numbers, got {value!r:.100}")
        return tuple(check_number(name, item) for item in value)
    return value


def check_points(z: npt.ArrayLike, width: int | None = None, dtype: npt.DTypeLike = "float32") -> npt.NDArray[Any]:
    """Return points as a contiguous array of type `dtype`, checked.

    Parameters
    ----------
    z : array_like, shape (n, width)
    width : int, optional
        Expected number of columns; any number by default.
    dtype : dtype

    Returns
    -------
    ndarray, shape (n, width)

    Raises
    ------
    TypeError
        If the points are not real numbers.
    ValueError
        If the shape is wrong or a number is not finite in `dtype`.
    """
    array = np.asarray(z)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"z: expected real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or (width is not None and array.shape[1] != width):
        raise ValueError(f"z: expected shape (n, {'inputs' if width is None else width}), got {array.shape}")
    with np.errstate(over="ignore"):
        points: npt.NDArray[Any] = np.ascontiguousarray(array, dtype=dtype)
    if not np.isfinite(points).all():
        raise ValueError(f"z: expected finite numbers, got {array[~np.isfinite(points)][0]}")
    return points


def check_targets(y: npt.ArrayLike, n: int, name: str = "y", dtype: npt.DTypeLike = "float32") -> npt.NDArray[Any]:
    """Return targets as an array of type `dtype`, checked.

    Parameters
    ----------
    y : array_like, shape (n,)
    n : int
        Number of cells.
    name : str
        Name of the argument, for messages.
    dtype : {'float32', 'float64'}

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    TypeError
        If the targets are not real numbers.
    ValueError
        If the shape is wrong, `n` is 0, or a number is not finite in `dtype`.
    """
    array = np.asarray(y)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), one number per cell, got {array.shape}")
    if n == 0:
        raise ValueError(f"{name}: expected at least one label, got none")
    with np.errstate(over="ignore"):
        targets: npt.NDArray[Any] = array.astype(dtype)
    if not np.isfinite(targets).all():
        raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(targets)][0]}")
    return targets


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
    on_epoch: EpochProgress | None = None,
) -> list[float]:
    """Minimise a loss with Adam over shuffled batches; the learning rate falls to 0 along a cosine.

    Parameters
    ----------
    parameters : list of Tensor
        Tensors to train, in place.
    loss : callable
        ``loss(positions, step)`` returns the mean loss of the items at `positions` as a Tensor of one element. `step`
        counts from 0 over the whole training.
    n : int
        Number of items, at least 1.
    stream : Stream
        Source of the order of the items.
    epochs, batch_size : int
    learning_rate : float
        Rate of the first step.
    betas, weight_decay, max_norm
        Passed to :class:`crlso.optim.Adam`.
    on_epoch : callable, optional
        Called as ``on_epoch(done, epochs)`` after each epoch.

    Returns
    -------
    list of float
        Mean loss of each epoch, weighted by batch sizes.

    Raises
    ------
    RuntimeError
        If a loss or a gradient is not finite.
    """
    check_int("n", n, 1)
    check_int("epochs", epochs, 0)
    check_int("batch_size", batch_size, 1)
    optimiser = Adam(parameters, betas=betas, weight_decay=weight_decay, max_norm=max_norm)
    per_epoch = -(-n // batch_size)
    step, history = 0, []
    for epoch in range(epochs):
        order = stream.permutation("order", epoch, n)
        total = 0.0
        for first in range(0, n, batch_size):
            positions = order[first : first + batch_size]
            optimiser.zero_grad()
            value = loss(positions, step)
            number = value.item()
            if not math.isfinite(number):
                raise RuntimeError(f"training: the loss of step {step} is {number}; expected a finite one")
            value.backward()
            optimiser.step(cosine(step, epochs * per_epoch, learning_rate))
            del value  # free its graph, so that the next step can reuse the memory
            total += len(positions) * number
            step += 1
        optimiser.zero_grad()
        history.append(total / n)
        if on_epoch is not None:
            on_epoch(epoch + 1, epochs)
    return history


def kendall_tau(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Return Kendall's tau-b of two sequences of equal length; NaN if one of them is constant."""
    return float(_core.kendall_tau(np.asarray(predicted, np.float64), np.asarray(true, np.float64)))
