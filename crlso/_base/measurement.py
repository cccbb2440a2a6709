"""Measurements: what evaluations return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crlso._base.checks import check_number
from crlso._base.plain import typed

__all__ = ["Measurement"]


@dataclass(frozen=True)
class Measurement:
    """The result of evaluating a cell.

    Parameters
    ----------
    value : float
        The value to maximise, for example validation accuracy in percent; finite. Any number will do, also a
        ``Decimal``, or an array or a tensor of one element.
    objectives, constraints : mapping of str to float
        Further objectives, and values of constraints, by name.
    cost : float, optional
        Cost of the evaluation, in any unit.
    user_attrs : mapping of str to object
        Notes of the user.

    Raises
    ------
    TypeError, ValueError
        If the value, an objective, a constraint or the cost is not a finite real number.

    Examples
    --------
    >>> Measurement(93.5, cost=1.5).value
    93.5
    """

    value: float
    objectives: Mapping[str, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)
    cost: float | None = None
    user_attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_number("value", self.value))
        for kind in ("objectives", "constraints"):
            numbers = {name: check_number(name, value) for name, value in getattr(self, kind).items()}
            object.__setattr__(self, kind, numbers)
        if self.cost is not None:
            object.__setattr__(self, "cost", check_number("cost", self.cost))

    def number(self, name: str) -> float | None:
        """Return the number of a measure: the value, or an objective or a constraint; None if there is none.

        Parameters
        ----------
        name : str
            ``"value"``, or the name of an objective or a constraint.

        Returns
        -------
        float or None
            A missing name is no error: it gives None.

        Examples
        --------
        >>> measured = Measurement(93.5, {"ms": 4.0})
        >>> [measured.number(name) for name in ("value", "ms", "mj")]
        [93.5, 4.0, None]
        """
        if name == "value":
            return self.value
        return self.objectives.get(name, self.constraints.get(name))

    @classmethod
    def of(cls, value: Any) -> Measurement:
        """Convert what an evaluation returned to a measurement.

        Parameters
        ----------
        value : float, mapping or Measurement
            The value to maximise; or a mapping of ``"value"`` and further objectives to numbers; or a measurement,
            which is returned unchanged.

        Raises
        ------
        TypeError, ValueError
            If a number is none or not finite, or a mapping lacks the value.

        Examples
        --------
        >>> Measurement.of({"value": 93.5, "latency": 4.0}).objectives
        {'latency': 4.0}
        """
        if not isinstance(value, Mapping):
            return value if isinstance(value, Measurement) else cls(value)
        if "value" not in value:
            raise TypeError(f"value: expected a number by the name 'value', got {', '.join(map(str, value)):.100}")
        return cls(value["value"], {str(name): number for name, number in value.items() if name != "value"})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Measurement | None:
        """Restore a measurement from plain data; None if its value is None.

        Parameters
        ----------
        document : mapping
            ``value``, ``objectives``, ``constraints`` and ``cost``. Other entries are ignored.

        Raises
        ------
        KeyError, TypeError, ValueError
            If one is missing or of another type.

        Examples
        --------
        >>> Measurement.from_dict({"value": 93.5, "objectives": {}, "constraints": {}, "cost": 1.5}).cost
        1.5
        """
        value = typed(document, "value", float, optional=True)
        if value is None:
            return None
        objectives, constraints = (typed(document, name, dict) for name in ("objectives", "constraints"))
        return cls(value, objectives, constraints, typed(document, "cost", float, optional=True))
