"""Drawing without matplotlib: the error names the extra, and importing needs none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import crlso
from crlso import plotting


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import inspect, crlso.plotting as plots\n"
        "for name in plots.__all__:\n"
        "    plot = getattr(plots, name)\n"
        "    required = [p for p in inspect.signature(plot).parameters.values() if p.default is p.empty]\n"
        "    try: plot(*[None] * len(required))\n"
        "    except ImportError as error: print(error)\n"
    )
    package = str(Path(crlso.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [
        f"{name} needs matplotlib: pip install 'crlso[plot]'" for name in plotting.__all__
    ]
    assert len(plotting.__all__) == 9


def test_importing_does_not_import_matplotlib():
    code = "import sys, crlso.plotting; print('matplotlib' in sys.modules)"
    package = str(Path(crlso.__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
