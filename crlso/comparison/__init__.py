"""Comparisons of methods on benchmarks over many seeds, with intervals and paired tests."""

from crlso._base.intervals import wilson_interval
from crlso.comparison.checkpoints import CHECKPOINTS
from crlso.comparison.result import LEVEL, Comparison, query_of_optimum
from crlso.comparison.run import compare
from crlso.comparison.statistics import bootstrap_band, bootstrap_interval, queries_for_share, signed_rank_test
from crlso.methods.naming import parse_method

__all__ = [
    "CHECKPOINTS",
    "LEVEL",
    "Comparison",
    "bootstrap_band",
    "bootstrap_interval",
    "compare",
    "parse_method",
    "queries_for_share",
    "query_of_optimum",
    "signed_rank_test",
    "wilson_interval",
]


def __dir__() -> list[str]:
    return __all__
