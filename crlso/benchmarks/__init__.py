"""Benchmarks: what a cell is worth.

A benchmark is any object with a ``space`` and ``evaluate(cell)``, the value to maximise; ``objective`` says what that
is. :class:`Function` makes one of a function, :class:`Tabular` of measured cells; the others are published ones.

Examples
--------
>>> for bench in (NASBench101(), NASBench201("cifar100"), NASBench301.standin()):
...     print(bench.name, bench.dataset, bench.objective, sep=", ")
nasbench101, cifar10, test (oracle)
nasbench201, cifar100, validation
nasbench301-standin, cifar10, validation (stand-in)
"""

from crlso.benchmarks.base import Benchmark, Function, Tabular
from crlso.benchmarks.nasbench101 import NASBench101
from crlso.benchmarks.nasbench201 import NASBench201
from crlso.benchmarks.nasbench301 import NASBench301

__all__ = ["Benchmark", "Function", "NASBench101", "NASBench201", "NASBench301", "Tabular"]
