"""Reports on searches and comparisons: one HTML page each, which needs no network."""

from crlso.report.sources import read_results
from crlso.report.write import html_report, write_report

__all__ = ["html_report", "read_results", "write_report"]


def __dir__() -> list[str]:
    return __all__
