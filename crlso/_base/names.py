"""Names of arguments in other libraries: an error that says what an argument is called here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

__all__ = ["native_names", "refuse_foreign_names"]

Wrapped = TypeVar("Wrapped", bound=Callable)

# Names in Optuna, scikit-learn, scikit-optimize, hyperopt and PyTorch, and those here: the first that is known counts.
_SEED, _BUDGET, _EPOCHS = ("rng", "seeds"), ("budget",), ("epochs",)
_NATIVE = {
    "rng": ("seeds",),
    "seed": _SEED,
    "random_state": _SEED,
    "random_seed": _SEED,
    "n_trials": _BUDGET,
    "n_calls": _BUDGET,
    "n_iter": _BUDGET,
    "max_evals": _BUDGET,
    "n_jobs": ("jobs",),
    "max_iter": _EPOCHS,
    "n_epochs": _EPOCHS,
    "lr": ("learning_rate",),
}
_MAXIMISED = "values are maximised; negate what is to be minimised"
_NOTES = {
    "direction": _MAXIMISED,
    "directions": _MAXIMISED,
    "n_jobs": "set the number of threads with crlso.set_num_threads; crlso.compare runs searches in processes",
    "timeout": "a callback can end a search with study.stop()",
}


def refuse_foreign_names(function: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise TypeError for an argument that has another name here, and say which.

    Parameters
    ----------
    function : str
        Name of the function, for messages.
    given : iterable of str
        Names of arguments that were given.
    known : collection of str
        Names of the arguments of the function.

    Examples
    --------
    >>> refuse_foreign_names("search", ["seed"], ["rng", "budget"])
    Traceback (most recent call last):
    ...
    TypeError: search: expected rng=, got seed=
    """
    for name in given:
        if name in known:
            continue
        native = next((here for here in _NATIVE.get(name, ()) if here in known), None)
        if native is not None:
            raise TypeError(f"{function}: expected {native}=, got {name}=")
        if name in _NOTES:
            raise TypeError(f"{function}: expected no {name}=: {_NOTES[name]}")


def native_names(function: Wrapped, name: str | None = None) -> Wrapped:
    """Let a function refuse arguments that have another name here, see :func:`refuse_foreign_names`.

    Parameters
    ----------
    function : callable
        The function, or the ``__init__`` of a class.
    name : str, optional
        Its name in messages; by default its own.

    Returns
    -------
    callable
    """
    known = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*arguments: object, **named: object) -> object:
        refuse_foreign_names(name or function.__name__, named, known)
        return function(*arguments, **named)

    return checked  # type: ignore[return-value]
