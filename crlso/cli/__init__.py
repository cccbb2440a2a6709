"""The program ``crlso``: searches and comparisons from a shell; a file for each command.

Exit codes: 0 done, 1 failure, 2 wrong usage, 130 interrupted.
"""

from crlso.cli.program import main

__all__ = ["main"]
