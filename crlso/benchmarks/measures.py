"""Measures: what can be asked of a cell beside its value, by name, with a unit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crlso._base.checks import check_numbers, real
from crlso._base.types import Floats
from crlso.objectives import VALUE

__all__ = ["Measure", "OfEach", "check_measure", "measures_of"]

_TEST = "test"


@dataclass(frozen=True)
class Measure:
    """A measure of cells.

    Parameters
    ----------
    name : str
        By which searches ask for it, for example ``"latency:pixel3"``.
    unit : str
        Unit of its numbers; empty if it has none.
    known : callable, optional
        ``known(cells)`` returns the numbers of n cells without a query, shape (n,). By default the measure is queried:
        ``evaluate`` returns it.

    Examples
    --------
    >>> Measure("latency", "ms").is_known
    False
    """

    name: str
    unit: str = ""
    known: Callable[[Any], npt.ArrayLike] | None = None

    @property
    def is_known(self) -> bool:
        """Whether numbers are known without a query."""
        return self.known is not None

    def __call__(self, cells: Any) -> Floats:
        """Return the numbers of n cells, shape (n,); NaN where the measure is not known.

        Raises
        ------
        ValueError
            If the measure is queried, or its function does not return one number for each cell.
        """
        if self.known is None:
            raise ValueError(f"measure: expected one that is known without a query, got {self.name!r}")
        return check_numbers(self.name, self.known(cells), len(cells), unknown=True)


@dataclass(frozen=True)
class OfEach:
    """A function of many cells made from a function of one.

    Parameters
    ----------
    space : CellSpace
    function : callable
        ``function(cell)`` returns a number.
    """

    space: Any
    function: Callable[[Any], Any]

    def __call__(self, cells: Any) -> Floats:
        """Return the number of each cell, shape (n,)."""
        return np.array([real("measure", self.function(cell)) for cell in self.space.cells(self.space.codes(cells))])


def measures_of(benchmark: Any) -> dict[str, Measure]:
    """Return the measures of a benchmark by name, its value first.

    Parameters
    ----------
    benchmark : object
        With an attribute ``measures``, a mapping of names to measures; or to functions of a cell, or None for what
        ``evaluate`` returns; or without.

    Raises
    ------
    TypeError
        If ``measures`` is something else.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> list(measures_of(SimpleNamespace(space=None, measures={"size": len, "latency": None})))
    ['value', 'size', 'latency']
    """
    given = getattr(benchmark, "measures", {})
    if not isinstance(given, Mapping):
        raise TypeError(f"measures: expected a mapping of names, got {type(given).__name__}")
    return {VALUE: Measure(VALUE), **{name: _measure(benchmark.space, name, entry) for name, entry in given.items()}}


def _measure(space: Any, name: Any, given: Any) -> Measure:
    if not isinstance(name, str) or not name or name != name.strip() or name[0] == "-" or name == _TEST:
        raise ValueError(f"measures: expected names of measures other than 'test' and '-name', got {name!r:.100}")
    if name == VALUE and given is not None and getattr(given, "is_known", True):
        raise ValueError("measures: expected no function by the name 'value', which is what evaluate returns")
    if isinstance(given, Measure):
        return given
    if given is not None and not callable(given):
        kind = type(given).__name__
        raise TypeError(f"measures[{name!r:.60}]: expected a Measure, a function of a cell or None, got {kind}")
    return Measure(name, known=None if given is None else OfEach(space, given))


def check_measure(argument: str, name: str, known: Mapping[str, Measure]) -> Measure:
    """Return the measure of a name.

    Parameters
    ----------
    argument : str
        For messages.
    name : str
    known : mapping
        Measures by name.

    Raises
    ------
    TypeError
        If the name is no text.
    ValueError
        If there is none, or it is the test accuracy. The message has the nearest name.

    Examples
    --------
    >>> check_measure("objectives", "latncy", {"value": Measure("value"), "latency": Measure("latency")})
    Traceback (most recent call last):
    ...
    ValueError: objectives: expected a measure of the benchmark, got 'latncy'; the nearest is 'latency'
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected the name of a measure, got {type(name).__name__}")
    if name in known:
        return known[name]
    if name == _TEST or name.startswith(f"{_TEST} "):
        raise ValueError(f"{argument}: expected no test accuracy, by which a search may not choose, got {name!r:.100}")
    nearest = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    rest = f"the nearest is {nearest[0]!r}" if nearest else f"there are {', '.join(known):.200}"
    raise ValueError(f"{argument}: expected a measure of the benchmark, got {name!r:.100}; {rest}")
