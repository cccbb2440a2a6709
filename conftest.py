"""Makes the tests import the crlso that was installed, not the source tree they lie in.

`python -m pytest` puts the current folder on the import path. The source tree has an extension for this Python only
when it was built in place (`pip install -e .` or `python setup.py build_ext --inplace`), and only then is it the one to
test. Otherwise it comes last on the path, for `tools` and `benchmarks`, which are never installed.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent

built = any((ROOT / "crlso" / f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES)
others = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
sys.path[:] = [str(ROOT), *others] if built else [*others, str(ROOT)]


def pytest_report_header() -> str:
    spec = importlib.util.find_spec("crlso")
    return f"crlso: {spec.origin if spec else 'not installed'}"
