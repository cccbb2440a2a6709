"""Random calls: everything public, with arguments that fit and arguments that do not.

A case calls a function, or makes an object of a class and then calls its methods. Allowed are a result, and the
exceptions that the documentation names for wrong arguments. The arrays that a call is given must not change.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crlso import _core
from tests.fuzz.cases import Chance, Fault, Harness, Step
from tests.fuzz.objects import Objects
from tests.fuzz.values import Values

MODULES = """crlso crlso._core crlso.nn crlso.optim crlso.random crlso.spaces crlso.models crlso.benchmarks
             crlso.methods crlso.studies crlso.comparison crlso.diagnostics crlso.plotting crlso.history
             crlso.methods.bayesian crlso.report""".split()
ALLOWED = (TypeError, ValueError, IndexError, OverflowError, MemoryError, RuntimeError, OSError, ImportError)
# Parts of search methods and of models trust each other's arrays: any exception will do, but no crash.
PARTS = frozenset(
    """Event Features FrozenDecoder FrozenEncoder GaussianProcess GaussianProcessClassifier Improvement Kernel KnownRows
       Posterior SideInformation kept_vae shaped_vae query_of_optimum queries_for_share""".split()
)
# Records hold what they are given: any exception will do once one of them was made of anything.
RECORDS = frozenset(
    "Comparison ConvexityCertificate LatentMap LatentReport Measurement StepReport Study Trial Trials".split()
)
WRITES = frozenset(("Adam.step", "Optimizer.step", "backward", "descend_", "load_state"))


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except AttributeError as error:  # Python's answer to a function inside another one
        raise TypeError(str(error)) from error


SPECIAL: dict[str, Callable[..., Any]] = {
    "repr": repr,
    "str": str,
    "len": len,
    "bool": bool,
    "hash": hash,
    "list": lambda x: [item for item, _ in zip(x, range(100))],
    "float": float,
    "==": lambda x, y: x == y,
    "+": lambda x, y: x + y,
    "[]": lambda x, y: x[y],
    "in": lambda x, y: y in x,
    "copy.deepcopy": copy.deepcopy,
    "pickle.dumps": _pickled,
    "dir": dir,
}
OF_TWO = frozenset(("==", "+", "[]", "in"))
# Results that are not finite for finite arguments: these say so, or hand on what a function of the user returns.
NOT_FINITE = frozenset("log sqrt pow div affine kendall_tau score test evaluate".split())
NEVER_RAISES = frozenset(("repr", "str", "dir"))


def is_part(name: str) -> bool:
    """Whether a full name is that of a part, see PARTS."""
    return name.rpartition(".")[2] in PARTS or name.startswith(("crlso.history.", "crlso.methods.bayesian."))


def targets(modules: list[str]) -> list[tuple[str, Any]]:
    """Public functions and classes by their full name, each once."""
    found: dict[int, tuple[str, Any]] = {}
    for name in modules:
        module = importlib.import_module(name)
        for word in getattr(module, "__all__", None) or [word for word in dir(module) if not word.startswith("_")]:
            value = getattr(module, word)
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if callable(value) and not is_error and not getattr(value, "_is_protocol", False):
                found.setdefault(id(value), (f"{name}.{word}", value))
    return list(found.values())


def parameters(function: Any, name: str) -> list[tuple[str, str, bool, bool]]:
    """Name, annotation, whether it may be left out, and whether it is given by position."""
    if name in _core.OPERATIONS:
        rows = [text.partition(":") for text in _core.OPERATIONS[name].split()]
        return [(word, kind.partition("=")[0], "=" in kind or "?" in kind, True) for word, _, kind in rows]
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [("x", "", False, True)]
    kinds = inspect.Parameter
    return [
        (p.name, str(p.annotation), p.default is not kinds.empty, p.kind is not kinds.KEYWORD_ONLY)
        for p in found
        if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL) and p.name != "self"
    ]


def shown(value: Any) -> str:
    """A short text for an argument."""
    if isinstance(value, np.ndarray):
        return f"array{value.shape}:{value.dtype}"
    try:
        text = repr(value)
    except BaseException as error:  # an odd object
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _bytes(values: Any) -> list[bytes]:
    arrays = [value.numpy() if isinstance(value, _core.Tensor) else value for value in values]
    return [array.tobytes() for array in arrays if isinstance(array, np.ndarray) and array.dtype.kind in "fiub"]


def all_finite(value: Any, depth: int = 0) -> bool:
    """Whether all numbers in a value are finite and moderate."""
    if isinstance(value, _core.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool((np.abs(value) < 50).all())
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return abs(value) < 50
    if isinstance(value, (list, tuple, dict)) and depth < 3:
        return all(all_finite(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return True


def has_nan(value: Any) -> bool:
    """Whether a result, or a part of it, is not a number."""
    if isinstance(value, _core.Tensor):
        value = value.numpy()
    if isinstance(value, (tuple, list)):
        return any(map(has_nan, value))
    if isinstance(value, (float, np.ndarray)) and np.asarray(value).dtype.kind == "f":
        return bool(np.isnan(value).any())
    return False


def call(name: str, function: Any, values: Values, chance: Chance, skip: int = 0) -> Step:
    """A call with random arguments."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for word, annotation, optional, by_position in parameters(function, name.rpartition(".")[2])[skip:]:
        if optional and chance.coin(0.6):
            by_position = False
            if chance.coin(0.7):
                continue
        value = values.argument(word, annotation)
        if by_position and not named:
            positional.append(value)
        else:
            named[word] = value
    if chance.coin(0.02):
        positional.append(values.anything())
    subject = getattr(function, "__self__", None)
    text = ", ".join([*map(shown, positional), *(f"{word}={shown(value)}" for word, value in named.items())])

    def run() -> object:
        given = [*positional, *named.values()]
        before = _bytes(given)
        try:
            result = function(*positional, **named)
            if name.rpartition(".")[2] not in NOT_FINITE and has_nan(result) and all_finite([subject, given]):
                raise Fault("the result has NaN, though all arguments are finite")
            return result
        finally:
            if _bytes(given) != before and not any(name.endswith(word) for word in WRITES):
                raise Fault("an array that was an argument has changed")

    return f"{name}({text})", run


def special(name: str, subject: Any, values: Values, chance: Chance) -> Step:
    """A call of what Python calls by itself: repr, copies, operators."""
    word = chance.of(list(SPECIAL))
    function = SPECIAL[word]
    others = [values.anything()] if word in OF_TWO else []

    def run() -> object:
        try:
            return function(subject, *others)
        except (TypeError, ValueError) as error:
            if word in NEVER_RAISES:
                raise Fault(f"{word} of a {type(subject).__name__} raised {type(error).__name__}: {error}") from None
            raise

    return f"{word}({name}{''.join(', ' + shown(other) for other in others)})", run


def attribute(name: str, subject: Any, word: str, values: Values, chance: Chance) -> Step:
    """A look at a property; of a class of the extension also an assignment."""
    settable = type(subject).__module__.endswith("_core") and not isinstance(subject, BaseException)
    if not settable or chance.coin():
        return f"{name}.{word}", lambda: getattr(subject, word)
    value = values.argument(word)

    def assign() -> None:
        with contextlib.suppress(AttributeError):  # it is read-only
            setattr(subject, word, value)

    return f"{name}.{word} = {shown(value)}", assign


def use(name: str, subject: Any, values: Values, chance: Chance) -> Step:
    """A random use of an object."""
    words = [word for word in dir(type(subject)) if not word.startswith("_")]
    if not words or chance.coin(0.2):
        return special(name, subject, values, chance)
    word = chance.of(words)
    static = inspect.getattr_static(type(subject), word)
    if isinstance(static, property) or inspect.isdatadescriptor(static) or not callable(getattr(type(subject), word)):
        return attribute(name, subject, word, values, chance)
    method = getattr(subject, word)
    skip = 1 if word in _core.OPERATIONS and isinstance(subject, _core.Tensor) else 0
    return call(f"{name}.{word}", method, values, chance, skip)


def _restored() -> None:
    _core.set_grad_enabled(True)
    if _core.get_num_threads() != 2:
        _core.set_num_threads(2)


def lenient(step: Step) -> Step:
    """The same step, but any exception is right, as long as the process lives."""
    text, run = step

    def forgiving() -> object:
        try:
            return run()
        except (SystemError, RecursionError):
            raise
        except Exception as error:
            raise ValueError(str(error)) from error

    return text, forgiving


def make_steps(found: list[tuple[str, Any]]) -> Callable[[Chance], Iterator[Step]]:
    """The steps of cases that call these targets."""

    def steps(chance: Chance) -> Iterator[Step]:
        _restored()
        name, target = chance.of(found)
        while is_part(name) and chance.coin(0.7):  # most calls are for what people call
            name, target = chance.of(found)
        short, trusting = name.rpartition(".")[2], is_part(name)
        objects = Objects(chance)
        values = objects.values
        if not isinstance(target, type):
            step = call(name, target, values, chance)
            yield lenient(step) if trusting else step
            return
        is_random = chance.coin(0.4)
        forgive = lenient if trusting or (is_random and short in RECORDS) else lambda step: step
        made: list[Any] = []
        if is_random:
            text, run = call(name, target, values, chance)
            yield forgive((f"{short} = {text}", lambda: made.append(run())))
        else:
            made.append(objects.make(short, target))
        for _ in range(1 + chance.below(5) if made and made[0] is not None else 0):
            yield forgive(use(short, made[0], values, chance))

    return steps


def harness(planted: str | None) -> Harness:
    """The harness of random calls; of the functions of another module, if one is given."""
    with contextlib.suppress(ImportError):  # now, as an import that is interrupted leaves half a module
        importlib.import_module("matplotlib.pyplot")
        importlib.import_module("pandas")
    return Harness(make_steps(targets([planted] if planted else MODULES)), ALLOWED)
