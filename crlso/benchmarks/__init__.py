"""Benchmarks: objects that return the value of a cell.

A benchmark has a ``space``, a method ``evaluate(cell)`` that returns the value to maximise, and an ``objective`` that
names this value. :class:`Function` makes a benchmark from a function, and :class:`Tabular` from a table of measured
cells. The others are published benchmarks.

Examples
--------
>>> for bench in (NASBench101(), NASBench201("cifar100"), NASBench301.standin(), NASBenchMacro()):
...     print(bench.name, bench.dataset, bench.objective, sep=", ")
nasbench101, cifar10, test (oracle)
nasbench201, cifar100, validation
nasbench301-standin, cifar10, validation (stand-in)
nasbenchmacro, cifar10, test (oracle)
"""

from crlso.benchmarks.base import Benchmark, Function, Tabular
from crlso.benchmarks.measures import Measure
from crlso.benchmarks.nasbench101 import NASBench101
from crlso.benchmarks.nasbench201 import NASBench201
from crlso.benchmarks.nasbench301 import NASBench301
from crlso.benchmarks.nasbenchmacro import NASBenchMacro

__all__ = [
    "Benchmark",
    "Function",
    "Measure",
    "NASBench101",
    "NASBench201",
    "NASBench301",
    "NASBenchMacro",
    "Tabular",
]


def __dir__() -> list[str]:
    return __all__
