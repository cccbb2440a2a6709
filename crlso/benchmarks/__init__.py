"""Benchmarks: what a cell is worth."""

from crlso.benchmarks.nasbench201 import NASBench201

__all__ = ["NASBench201"]
