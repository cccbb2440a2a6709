"""Makes the tests import the crlso that was installed, not the source tree they lie in.

`python -m pytest` puts the current folder on the import path. The source tree has an extension for this Python only
when it was built in place (`pip install -e .` or `python setup.py build_ext --inplace`), and only then may it be the
one to test.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if not any((ROOT / "crlso" / f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("crlso")
    return f"crlso: {spec.origin if spec else 'not installed'}"
