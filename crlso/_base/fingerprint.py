"""Fingerprints: digests of values, by which results are found again only if what made them is the same."""

from __future__ import annotations

import contextlib
import copyreg
import dis
import functools
import hashlib
import os
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crlso._core import Tensor

__all__ = ["Named", "UnidentifiedError", "fingerprint"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_LOADS = (*_GLOBALS, "LOAD_DEREF", "LOAD_FROM_DICT_OR_DEREF")
_CHANGING = frozenset(
    "add append appendleft clear discard extend insert pop popitem popleft put remove setdefault update write".split()
)
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_WRAPPERS = (functools.partial, type(functools.lru_cache(len)))  # of other code
_LAMBDA = "<lambda>"


class UnidentifiedError(ValueError):
    """Raised for a value that has no identity beyond this process. The message says where it is."""


@dataclass(frozen=True)
class Named:
    """A value to which its owner has given a name, which stands for what has no identity in it.

    A lambda in it counts by its code, and objects that are neither plain data nor code, such as locks and generators
    of random numbers, count by their class.
    """

    value: Any


def fingerprint(value: Any) -> str:
    """Return a digest of a value: equal values have equal ones in every process, other values others.

    - Plain data, containers, arrays and tensors count by their content; the order of the keys of a dict does not count.
    - A function counts by its name and its code, with defaults, closure, and the global functions, classes and values
      that it uses; so does a class, with its bases. Variables that the function changes, such as logs and caches, count
      by their type. Modules count by their name. Of the standard library, crlso and other installed packages,
      functions and classes count by their name alone.
    - Any other object counts by its class and by what ``pickle`` would keep of it, except for values of a
      ``functools.cached_property`` and for attributes that its methods ``evaluate``, ``test`` and ``__call__`` change.
      An object can say itself what it is by a method ``fingerprint()``, which returns any such value. The code of the
      class that defines the method does not count then.

    Code is what the interpreter compiled, so digests of functions differ between versions of Python.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    UnidentifiedError
        For a lambda outside other code, and for what cannot be pickled, such as a lock, a generator or an open file.
        Parts of a :class:`Named` value do not raise it.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": [2.0]}) == fingerprint({"b": [2.0], "a": 1})
    True
    >>> fingerprint(1) == fingerprint(1.0)
    False
    """
    digest = _Digest()
    try:
        digest.add(value)
        digest.finish()
    except RecursionError:
        raise UnidentifiedError(f"a {type(value).__name__} that is nested too deeply") from None
    return digest.hash.hexdigest()[:32]


class _Digest:
    """A digest of the values that are added to it.

    Objects that were added before count by their number, so that circles end. All of them are kept alive, because a new
    object could get the ``id`` of one that is gone.
    """

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self._seen: dict[int, tuple[int, Any]] = {}
        self._where: list[str] = []  # the way from the first value to the one that is being added
        self._named = False  # in a Named value
        self._in_code = False  # in a function or a class
        self._code: list[tuple[Any, bool, list[str]]] = []  # functions and classes whose content is still to be added

    def add(self, value: Any) -> None:
        """Add a value."""
        if isinstance(value, np.generic):
            self._add_array(np.asarray(value))
        elif isinstance(value, _PLAIN):
            self._token(type(value).__name__, repr(value))
        elif type(value) in (tuple, set, frozenset):  # equal ones are often one object, or not, by chance
            self._add_container(value)
        elif id(value) in self._seen:
            self._token("seen", str(self._seen[id(value)][0]))
        else:
            self._seen[id(value)] = len(self._seen), value
            self._add_new(value)

    def finish(self) -> None:
        """Add the content of functions and classes. It is put off, as they can refer to each other in long chains."""
        while self._code:
            value, self._named, self._where = self._code.pop()
            self._in_code = True
            self._token("content", str(self._seen[id(value)][0]))
            (self._add_class if isinstance(value, type) else self._add_function)(value)

    def _token(self, *texts: str) -> None:
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self.hash.update(b"%d:" % len(data))
            self.hash.update(data)

    def _part(self, name: str, value: Any) -> None:
        self._token(name)
        self._where.append(name)
        self.add(value)
        self._where.pop()

    def _add_new(self, value: Any) -> None:
        if type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject:
            self._add_array(value)
        elif isinstance(value, Tensor):
            self._token("tensor")
            self._add_array(value.numpy())
        elif type(value) in (list, dict, types.MappingProxyType):
            self._add_container(value)
        elif isinstance(value, Named):
            before, self._named = self._named, True
            self.add(value.value)
            self._named = before
        elif isinstance(value, types.ModuleType):
            self._token("module", value.__name__)
        elif isinstance(value, types.CodeType):
            self._add_code(value)
        elif isinstance(value, (type, types.FunctionType)):
            self._add_importable(value)
        elif isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            self._add_method(value)
        elif isinstance(value, (staticmethod, classmethod, property, functools.cached_property)):
            self._add_descriptor(value)
        else:
            self._add_object(value)

    def _add_array(self, array: Any) -> None:
        self._token("array", str(array.dtype), str(array.shape))
        self.hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def _add_torch(self, tensor: Any) -> None:
        """Add a tensor of PyTorch, whose pickle has addresses in it."""
        values = tensor.detach().cpu()
        self._token("tensor", str(tensor.dtype))
        try:
            self._add_array(values.numpy())
        except TypeError:  # NumPy lacks its type
            self.add(values.tolist())

    def _add_container(self, value: Any) -> None:
        self._token(type(value).__name__, str(len(value)))
        if isinstance(value, (dict, types.MappingProxyType)):
            items: Iterable[tuple[Any, Any]] = value.items()
            if all(isinstance(key, str) for key in value):
                items = sorted(items, key=lambda entry: entry[0])
            for key, item in items:
                self.add(key)
                self._part(key if isinstance(key, str) else f"[{key!r:.40}]", item)
        elif isinstance(value, (set, frozenset)):
            self._token(*sorted(fingerprint(item) for item in value))
        else:
            for position, item in enumerate(value):
                self._part(f"[{position}]", item)

    # -- code ---------------------------------------------------------------------------------------------------------

    def _add_code(self, code: types.CodeType) -> None:
        numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.add((code.co_code, getattr(code, "co_exceptiontable", b""), code.co_names, numbers, code.co_consts))

    def _add_importable(self, value: Any) -> None:
        is_lambda = value.__name__ == _LAMBDA
        self._token("class" if isinstance(value, type) else "function", value.__qualname__)
        if _is_installed(value.__module__) and not is_lambda:
            self._token(value.__module__)
            return
        if is_lambda and not self._named and not self._in_code:
            raise UnidentifiedError(self._found("a lambda"))
        self._code.append((value, self._named, [*self._where]))

    def _add_function(self, function: types.FunctionType) -> None:
        self._add_code(function.__code__)
        self._part("__defaults__", function.__defaults__)
        self._part("__kwdefaults__", function.__kwdefaults__)
        variables: dict[str, Any] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            with contextlib.suppress(ValueError):  # it has no value yet
                variables[name] = cell.cell_contents
        for name in sorted(_global_names(function.__code__) & set(function.__globals__)):
            variables[name] = function.__globals__[name]
        changed = _changed(function.__code__) if variables or vars(function) else set()
        for name, value in variables.items():
            self._part(name, type(value) if name in changed else value)
        for name, value in vars(function).items():
            if f"{function.__name__}.{name}" not in changed:
                self._part(name, value)

    def _add_class(self, kind: type) -> None:
        self._part("__bases__", kind.__bases__)
        for name, value in sorted(vars(kind).items()):
            is_code = isinstance(value, (types.FunctionType, staticmethod, classmethod, property))
            if is_code or not (name.startswith("__") or name == "_abc_impl"):
                self._part(name, value)

    def _add_method(self, method: Any) -> None:
        home, name = type(method.__self__).__module__, method.__name__
        if _is_installed(home) and getattr(sys.modules.get(home), "__dict__", {}).get(name) is method:
            self._token("function", home, name)  # such as random.choice, a method of a hidden object
        elif isinstance(method, types.MethodType):
            self._token("method")
            self._part("__func__", method.__func__)
            self._part("__self__", method.__self__)
        else:
            self._add_object(method)

    def _add_descriptor(self, value: Any) -> None:
        self._token(type(value).__name__)
        for name in ("__func__", "fget", "fset", "fdel", "func"):
            self._part(name, getattr(value, name, None))

    # -- other objects ------------------------------------------------------------------------------------------------

    def _add_object(self, value: Any) -> None:
        if _method(value, "detach") and _method(value, "__array__"):
            self._add_torch(value)
            return
        own = _method(value, "fingerprint")
        if own is not None:
            self._token("object", type(value).__qualname__)
            for kind in type(value).__mro__:
                if "fingerprint" in vars(kind):  # this class answers for itself and for its bases
                    break
                self.add(kind)
            self.add(own())
            return
        if self._named and self._in_code and not isinstance(value, _WRAPPERS):
            self.add(type(value))
            return
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if reducer is None else reducer(value)
        except Exception:
            reduced = None
        if isinstance(reduced, str):  # the name of a global
            self._token("global", str(getattr(value, "__module__", None)), reduced)
            self._part("__wrapped__", getattr(value, "__wrapped__", None))
        elif isinstance(reduced, tuple):
            self._add_reduced(value, *reduced)
        elif self._named:
            self.add(type(value))
        else:
            raise UnidentifiedError(self._found(f"a {type(value).__module__}.{type(value).__qualname__}"))

    def _add_reduced(
        self, value: Any, make: Any, arguments: Any, state: Any = None, items: Any = None, entries: Any = None, *_: Any
    ) -> None:
        if isinstance(state, dict):
            kind = type(value)
            left_out = {name for name in state if isinstance(getattr(kind, name, None), functools.cached_property)}
            left_out |= _changed_attributes(kind)
            state = {name: item for name, item in state.items() if name not in left_out}
        self._token("object")
        self.add(make)
        self.add(arguments)
        self.add(state)
        self.add(None if items is None else list(items))
        self.add(None if entries is None else list(entries))

    def _found(self, what: str) -> str:
        return what + (f" ({'.'.join(self._where).replace('.[', '[')})" if self._where else "")


def _method(value: Any, name: str) -> Any:
    try:
        found = getattr(value, name, None)
    except Exception:  # of a __getattr__ or a property
        return None
    return found if callable(found) else None


def _global_names(code: types.CodeType) -> set[str]:
    """Names of the global variables that a function uses, those of its inner functions included."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in _GLOBALS}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _changed(code: types.CodeType) -> set[str]:
    """Names of variables, and of attributes as in ``self.calls``, that code writes to.

    A subscript begins at the line and column where its container does. Python 3.10 does not keep columns: there, only
    calls as in ``calls.append(cell)`` are seen.
    """
    found: set[str] = set()
    texts: dict[Any, str] = {}  # what was loaded, by line and column
    loaded: str | None = None  # by the instruction before
    for step in dis.get_instructions(code):
        positions = getattr(step, "positions", None)
        start = None if positions is None else (positions.lineno, positions.col_offset)
        holder, loaded = loaded or (texts.get(start) if start else None), None
        if step.opname in _LOADS or "LOAD_FAST" in step.opname:
            loaded = texts[start] = step.argval if isinstance(step.argval, str) else step.argval[-1]
        elif step.opname in ("STORE_GLOBAL", "STORE_DEREF"):
            found.add(step.argval)
        elif step.opname.startswith("CALL"):
            texts.pop(start, None)  # what follows is of the result
        elif holder is not None and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            loaded = texts[start] = f"{holder}.{step.argval}"
            found |= {holder} if step.argval in _CHANGING else set()
        elif holder is not None and step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            found |= {holder, f"{holder}.{step.argval}"}
        elif start in texts and step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
            found.add(texts[start])
    return found.union(*(_changed(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)))


def _changed_attributes(kind: type) -> set[str]:
    """Names of attributes that the evaluation of a cell by an object of a class changes."""
    if _is_installed(kind.__module__):
        return set()
    methods = (getattr(kind, name, None) for name in ("evaluate", "test", "__call__"))
    found = set().union(*(_changed(method.__code__) for method in methods if isinstance(method, types.FunctionType)))
    return {name.removeprefix("self.") for name in found if name.startswith("self.")}


def _is_installed(module: str | None) -> bool:
    """Return whether a module is of crlso, of the standard library or of another installed package."""
    top = (module or "").partition(".")[0]
    if top in ("__main__", "__mp_main__"):  # whatever started it: a script, a notebook, a runner of tests
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if top == "crlso" or file is None:
        return top == "crlso" or top in sys.stdlib_module_names
    return file.startswith(_LIBRARY) or "site-packages" in file or "dist-packages" in file
