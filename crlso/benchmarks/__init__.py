"""Benchmarks: what a cell is worth."""

from crlso.benchmarks.nasbench101 import NASBench101
from crlso.benchmarks.nasbench201 import NASBench201

__all__ = ["NASBench101", "NASBench201"]
