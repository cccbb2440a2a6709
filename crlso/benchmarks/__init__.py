"""Benchmarks: what a cell is worth."""

from crlso.benchmarks.base import Benchmark, Function, Tabular
from crlso.benchmarks.nasbench101 import NASBench101
from crlso.benchmarks.nasbench201 import NASBench201
from crlso.benchmarks.nasbench301 import NASBench301

__all__ = ["Benchmark", "Function", "NASBench101", "NASBench201", "NASBench301", "Tabular"]
