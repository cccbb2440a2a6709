"""The base class of modules, and gradients of functions."""

from __future__ import annotations

import contextlib
import os
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.files import BROKEN, write_npz
from crlso._core import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Module", "grad", "no_grad"]


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Turn off the recording of operations inside a ``with`` block, in this thread.

    Yields
    ------
    None

    Examples
    --------
    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """
    before = _core.is_grad_enabled()
    try:
        _core.set_grad_enabled(False)  # inside, so that Ctrl-C cannot leave it off
        yield
    finally:
        _core.set_grad_enabled(before)


def grad(f: Callable[[Tensor], Tensor], x: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the gradient of a function at a point.

    Parameters
    ----------
    f : callable
        Takes a Tensor of the shape of `x` and returns a Tensor, whose elements are summed. So if `f` maps each row to
        one number, the result holds the gradient of each row.
    x : array_like
        The point, with at most four dimensions. If `f` is a module, it is cast to the dtype of its parameters.

    Returns
    -------
    numpy.ndarray
        Gradient, of the shape of `x`. The ``grad`` of parameters does not change.

    Raises
    ------
    TypeError
        If `f` does not return a Tensor.

    Examples
    --------
    >>> grad(lambda x: x * x, np.array([1.0, 3.0]))
    array([2., 6.])
    """
    dtypes: list[Any] = [parameter.dtype for parameter in f.parameters()] if isinstance(f, Module) else []
    leaf = Tensor(np.asarray(x), requires_grad=True, dtype=dtypes[0] if dtypes else None)
    before = _core.is_grad_enabled()
    try:
        _core.set_grad_enabled(True)
        output = f(leaf)
        if not isinstance(output, Tensor):
            raise TypeError(f"f: expected a function that returns a Tensor, got {type(output).__name__}")
        (result,) = _core.gradients(_core.sum(output), [leaf])
    finally:
        _core.set_grad_enabled(before)
    array: npt.NDArray[Any] = result.numpy()
    return array


class Module:
    """Base class of all things with parameters.

    Subclasses assign Tensors, modules, and lists of either as attributes, and define ``__call__``. The parameters of a
    module are its Tensors that require a gradient, and those of the modules it holds.

    Attributes
    ----------
    training : bool
        Whether the module is in training, which matters to :class:`Dropout`; see :meth:`train` and :meth:`eval`.

    Examples
    --------
    >>> from crlso.nn import Linear
    >>> class Net(Module):
    ...     def __init__(self, rng):
    ...         self.hidden = Linear(4, 8, rng=rng, activation="relu")
    ...         self.output = Linear(8, 1, rng=rng)
    ...     def __call__(self, x):
    ...         return self.output(self.hidden(x))
    >>> net = Net(np.random.default_rng(0))
    >>> net
    Net(
      (hidden): Linear(4, 8, activation='relu')
      (output): Linear(8, 1)
    )
    >>> list(net.named_parameters())
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    training: bool = True

    def _items(self) -> Iterator[tuple[str, Any]]:
        """Yield the values of all attributes, and the items of lists one by one, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, (list, tuple)):
                yield from ((f"{name}.{position}", item) for position, item in enumerate(value))
            else:
                yield name, value

    def named_parameters(self) -> dict[str, Tensor]:
        """Return the parameters by name: attribute names and list positions, joined by dots.

        Returns
        -------
        dict of str to Tensor
            The parameters themselves, not copies; those of modules inside are among them.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> {name: p.shape for name, p in layer.named_parameters().items()}
        {'weight': (1, 2), 'bias': (1,)}
        """
        found: dict[str, Tensor] = {}
        for name, item in self._items():
            if isinstance(item, Tensor) and item.requires_grad:
                found[name] = item
            elif isinstance(item, Module):
                found.update({f"{name}.{inner}": tensor for inner, tensor in item.named_parameters().items()})
        return found

    def parameters(self) -> list[Tensor]:
        """Return all parameters, each once, in the order in which their attributes were first assigned.

        Returns
        -------
        list of Tensor
            The parameters themselves, not copies.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> len(layer.parameters())
        2
        """
        return list({id(tensor): tensor for tensor in self.named_parameters().values()}.values())

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all parameters as arrays by name.

        Returns
        -------
        dict of str to ndarray
            A copy of each parameter, by the names of :meth:`named_parameters`.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> sorted(layer.state())
        ['bias', 'weight']
        """
        return {name: tensor.numpy().copy() for name, tensor in self.named_parameters().items()}

    def load_state(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Copy values into the parameters.

        Parameters
        ----------
        state : mapping of str to array_like
            Arrays by name, as :meth:`state` returns them.

        Raises
        ------
        ValueError
            If names or shapes differ, a value is not a finite real number, or a negative entry would break convexity.
            The parameters are unchanged then.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.load_state({name: 0 * array for name, array in layer.state().items()})
        >>> float(layer([[1.0, 2.0]]).numpy()[0, 0])
        0.0
        """
        parameters = self.named_parameters()
        if set(state) != set(parameters):
            raise ValueError(f"state: expected the parameters {sorted(parameters)}, got {sorted(state)}")
        checked = {}
        for name, tensor in parameters.items():
            array = np.asarray(state[name])
            if array.dtype.kind not in "fiu":
                raise ValueError(f"state: expected real numbers for {name}, got dtype {array.dtype}")
            with np.errstate(over="ignore"):
                array = array.astype(tensor.dtype)
            if array.shape != tensor.shape:
                raise ValueError(f"state: expected shape {tensor.shape} for {name}, got {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"state: expected finite values for {name}")
            if tensor.nonnegative and array.size and array.min() < 0:
                raise ValueError(f"state: expected no negative entry in {name}, got {array.min():g}")
            checked[name] = array
        for name, tensor in parameters.items():
            tensor.numpy()[...] = checked[name]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters to an npz archive.

        Parameters
        ----------
        path : path-like
            The file, which is replaced whole or not at all; its name is taken as it is.

        Examples
        --------
        >>> import os, tempfile
        >>> from crlso.nn import Linear
        >>> net, other = Linear(3, 2, rng=0), Linear(3, 2, rng=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save(os.path.join(folder, "net.npz"))
        ...     other.load(os.path.join(folder, "net.npz"))
        >>> bool((net.weight.numpy() == other.weight.numpy()).all())
        True
        """
        write_npz(path, {_SAVED + name: array for name, array in self.state().items()})

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read all parameters from a file that :meth:`save` wrote for a module of the same structure.

        Parameters
        ----------
        path : path-like
            The file to read.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no such file, or its parameters do not fit. The parameters of the module are unchanged then.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "layer.npz"
        >>> layer.save(path)
        >>> other = nn.Linear(2, 1, rng=1)
        >>> other.load(path)
        >>> bool((other.state()["weight"] == layer.state()["weight"]).all())
        True
        """
        parameters = self.named_parameters()
        with open(path, "rb") as file:
            try:
                state = _read_saved(file, {name: 8 * tensor.size for name, tensor in parameters.items()})
            except (*BROKEN, OSError) as error:
                raise ValueError(
                    f"path: expected a file that Module.save wrote, got {os.fspath(path)!r}: {error}"
                ) from error
        self.load_state(state)

    def train(self, mode: bool = True) -> Self:
        """Set whether this module and all modules in it are in training.

        Parameters
        ----------
        mode : bool
            Whether they are in training.

        Returns
        -------
        Module
            Itself.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.train() is layer
        True
        """
        self.training = bool(mode)
        for _, item in self._items():
            if isinstance(item, Module):
                item.train(mode)
        return self

    def eval(self) -> Self:
        """Do the same as ``train(False)``, before the module is used rather than trained.

        Returns
        -------
        Module
            The module itself.

        Examples
        --------
        >>> from crlso import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.eval() is layer
        True
        """
        return self.train(False)

    def _describe(self) -> str | None:
        """Return the main arguments of the constructor in one line, or None to list what the module holds."""
        return None

    def __repr__(self) -> str:
        """Return the kind of the module with its arguments, or with what it holds."""
        described = self._describe()
        if described is not None:
            return f"{type(self).__name__}({described})"
        lines = []
        for name, item in self._items():
            if isinstance(item, Tensor) and item.requires_grad:
                lines.append(f"({name}): parameter of shape {item.shape}")
            elif isinstance(item, Module):
                lines.append(f"({name}): {item!r}")
            elif callable(item):
                lines.append(f"({name}): {getattr(item, '__name__', type(item).__name__)}")
        inside = textwrap.indent("".join(line + "\n" for line in lines), "  ")
        return f"{type(self).__name__}({chr(10) + inside if lines else ''})"


_SAVED = "parameters/"
"""Prefix of the names in a file."""

_HEADER = 1024
"""Most bytes of the header of an array in a file."""


def _read_saved(file: Any, sizes: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of at most so many bytes by name, from a file that :meth:`Module.save` wrote.

    Names and sizes are compared with the expected ones before anything is read: a small file may stand for huge arrays.
    """
    if not zipfile.is_zipfile(file):
        raise ValueError("no npz archive")
    with zipfile.ZipFile(file) as archive:
        found = {entry.filename: entry.file_size for entry in archive.infolist()}
    if set(found) != {f"{_SAVED}{name}.npy" for name in sizes}:
        names = sorted(name.removeprefix(_SAVED).removesuffix(".npy") for name in found)
        raise ValueError(f"expected the parameters {sorted(sizes)}, got {names}"[:1000])
    for name, size in sizes.items():
        if found[f"{_SAVED}{name}.npy"] > size + _HEADER:
            raise ValueError(f"expected at most {size} bytes for {name}")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[_SAVED + name] for name in sizes}
