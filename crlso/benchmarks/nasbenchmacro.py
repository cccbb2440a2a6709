"""NAS-Bench-Macro: measured accuracies and costs, from the table that comes with the package.

Source: X. Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021, arXiv 2103.11922.
"""

from __future__ import annotations

import functools
from typing import Any

from crlso._base.types import Floats, Positions
from crlso.assets import open_npz
from crlso.benchmarks.base import Benchmark
from crlso.benchmarks.measures import Measure
from crlso.spaces.cell import Cell
from crlso.spaces.keys import row_keys
from crlso.spaces.nasbenchmacro import NASBenchMacro as Space
from crlso.spaces.nasbenchmacro import network_costs

__all__ = ["NASBenchMacro"]


@functools.cache
def _runs() -> Floats:
    """Accuracies of the three trainings of all cells in percent, shape (6561, 3), read-only."""
    with open_npz("nasbenchmacro.npz") as asset:
        runs = asset["test_correct"] / 100.0  # of 10,000 images
    if runs.shape != (len(Space()), 3):
        raise ValueError(f"asset nasbenchmacro.npz: expected shape ({len(Space())}, 3), got {runs.shape}")
    runs.flags.writeable = False
    return runs


class NASBenchMacro(Benchmark):
    """Accuracies and costs of all 6,561 networks of NAS-Bench-Macro (CIFAR-10).

    The value of a cell, which a search maximises, is its mean test accuracy in percent over three trainings. The
    benchmark has no validation accuracies. Such an oracle is good for comparing optimisers, but a search on real data
    may not select by test accuracies.

    Cells of one class (see the space) are one network, trained once; they have the same values.

    Attributes
    ----------
    space : crlso.spaces.NASBenchMacro
        Space of the cells.
    name, dataset : str
        ``"nasbenchmacro"`` and ``"cifar10"``.
    objective : str
        ``"test (oracle)"``.

    References
    ----------
    Su, Huang, Li, You, Wang, Qian, Zhang, Xu: Prioritized Architecture Sampling with Monto-Carlo Tree Search. CVPR
    2021, arXiv 2103.11922.

    Examples
    --------
    >>> bench = NASBenchMacro()
    >>> print(bench.optimum())
    22212220
    >>> round(bench.evaluate("22212202"), 4)
    93.1267
    >>> bench.measure("parameters", ["22212202"]), bench.measures["parameters"].unit
    (array([1.985514]), 'million')
    """

    space: Space
    name: str = "nasbenchmacro"
    dataset: str = "cifar10"
    objective: str = "test (oracle)"

    def __init__(self) -> None:
        self.space = Space()

    def __repr__(self) -> str:
        return f"NASBenchMacro({self.dataset!r}): {len(self)} cells, value = {self.objective} accuracy in percent"

    def __len__(self) -> int:
        return len(self.space)

    def evaluate(self, cell: Any) -> float:
        """Return the value of one cell.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts, for example the eight digits of the official table.

        Returns
        -------
        float
            Mean test accuracy over three trainings, percent.

        Examples
        --------
        >>> round(NASBenchMacro().evaluate("00000000"), 4)
        45.3633
        """
        return float(self.test([self.space.cell(cell)])[0])

    def values(self, cells: Any) -> Floats:
        """Return the values of cells, shape (n,), see :meth:`evaluate`.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Mean test accuracy of each cell over three trainings, percent, in the order of the cells.

        Examples
        --------
        >>> bench = NASBenchMacro()
        >>> bench.values(["22212202", "00000000"]).round(2)
        array([93.13, 45.36])
        """
        return self.test(cells)

    def test(self, cells: Any) -> Floats:
        """Return the test accuracies of cells, by which this benchmark's value is defined.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Percent, mean over three trainings.

        Examples
        --------
        >>> bench = NASBenchMacro()
        >>> bench.test(["22212202"]).round(2)
        array([93.13])
        """
        return self.runs(cells).mean(axis=1)

    def runs(self, cells: Any) -> Floats:
        """Return the test accuracy of each training of cells.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n, 3)
            Percent.

        Examples
        --------
        >>> NASBenchMacro().runs(["02012100"])
        array([[89.47, 88.95, 89.17]])
        """
        return _runs()[self._rows(cells)]

    def _rows(self, cells: Any) -> Positions:
        return row_keys(self.space.codes(cells), self.space.cardinalities)

    def parameters(self, cells: Any) -> Floats:
        """Return the numbers of parameters of the networks.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the layers; they equal the numbers of the official table.

        Examples
        --------
        >>> bench = NASBenchMacro()
        >>> bench.parameters(["22212202"])
        array([1.985514])
        """
        return network_costs(self.space.codes(cells))[:, 0] / 1e6

    def flops(self, cells: Any) -> Floats:
        """Return the numbers of multiply-adds of one forward pass of the networks.

        Parameters
        ----------
        cells : array_like or iterable
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float64, shape (n,)
            Millions, computed from the layers; they equal the numbers of the official table.

        Examples
        --------
        >>> bench = NASBenchMacro()
        >>> bench.flops(["22212202"])
        array([85.164544])
        """
        return network_costs(self.space.codes(cells))[:, 1] / 1e6

    @property
    def measures(self) -> dict[str, Measure]:
        """The value, and parameters and FLOPs in millions, by name."""
        known = [
            Measure("value", "%"),
            Measure("parameters", "million", self.parameters),
            Measure("flops", "million", self.flops),
        ]
        return {measure.name: measure for measure in known}

    def optimum(self) -> Cell:
        """Return the cell with the highest value, the one that stands for its class.

        Returns
        -------
        Cell
            Of several with the highest value, the first in the order of keys.

        Examples
        --------
        >>> print(NASBenchMacro().optimum())
        22212220
        """
        codes = self.space.classes().codes
        return self.space.cells(codes[self.test(codes).argmax()][None])[0]

    def optimal_value(self) -> float:
        """Return the highest value of all cells, percent.

        Returns
        -------
        float
            Highest mean test accuracy over three trainings.

        Examples
        --------
        >>> round(NASBenchMacro().optimal_value(), 4)
        93.1267
        """
        return float(_runs().mean(axis=1).max())

    def info(self, cell: Any) -> dict[str, Any]:
        """Return everything that the benchmark knows about one cell.

        Parameters
        ----------
        cell : object
            Anything that ``space.cell`` accepts.

        Returns
        -------
        dict
            Plain Python values that JSON can hold: ``cell``, ``codes``, ``dataset``, ``objective``, ``value``,
            ``test``, ``runs`` (percent), ``parameters``, ``flops`` (millions), ``representative`` (text of the cell
            that stands for the class).

        Examples
        --------
        >>> NASBenchMacro().info("20102202")["representative"]
        '20120220'
        """
        chosen = self.space.cell(cell)
        codes = self.space.codes([chosen])
        return {
            "cell": str(chosen),
            "codes": list(chosen.codes),
            "dataset": self.dataset,
            "objective": self.objective,
            "value": self.evaluate(chosen),
            "test": float(self.test(codes)[0]),
            "runs": self.runs(codes)[0].tolist(),
            "parameters": float(self.parameters(codes)[0]),
            "flops": float(self.flops(codes)[0]),
            "representative": str(self.space.cells(self.space.canonicalise(codes))[0]),
        }
