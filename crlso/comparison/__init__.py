"""Comparisons: methods on benchmarks over many seeds, with intervals and paired tests."""

from crlso.comparison.comparison import CHECKPOINTS, Comparison, compare, parse_method

__all__ = ["CHECKPOINTS", "Comparison", "compare", "parse_method"]
