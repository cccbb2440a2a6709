"""Benchmarks: what a cell is worth."""

from crlso.benchmarks.nasbench201 import NASBench201
from crlso.benchmarks.nasbench301 import NASBench301

__all__ = ["NASBench201", "NASBench301"]
