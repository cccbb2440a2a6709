"""The program ``crlso``, with the commands search, compare and info.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
"""

from crlso.cli.program import main

__all__ = ["main"]


def __dir__() -> list[str]:
    return __all__
