"""Comparisons: methods on benchmarks over many seeds, with intervals and paired tests."""

from crlso.comparison.comparison import CHECKPOINTS, Comparison, compare, parse_method, query_of_optimum
from crlso.comparison.statistics import signed_rank_test

__all__ = ["CHECKPOINTS", "Comparison", "compare", "parse_method", "query_of_optimum", "signed_rank_test"]
