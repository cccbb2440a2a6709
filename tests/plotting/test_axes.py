"""Drawing without matplotlib: the error names the extra, and importing needs none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import crlso


def test_without_matplotlib_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from crlso.plotting import plot_cell, plot_comparison, plot_trajectory\n"
        "for plot in (plot_cell, plot_comparison, plot_trajectory):\n"
        "    try: plot(None)\n"
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
        "plot_cell needs matplotlib: pip install 'crlso[plot]'",
        "plot_comparison needs matplotlib: pip install 'crlso[plot]'",
        "plot_trajectory needs matplotlib: pip install 'crlso[plot]'",
    ]


def test_importing_does_not_import_matplotlib():
    code = "import sys, crlso.plotting; print('matplotlib' in sys.modules)"
    package = str(Path(crlso.__file__).parents[1])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {package!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
