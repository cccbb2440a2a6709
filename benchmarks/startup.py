"""Start-up time: that of `import crlso` in addition to `import numpy`, and of `crlso --help`.

    python -m benchmarks.startup --json

Each measurement is a separate process, and programs take turns. `import crlso` alone loads neither NumPy nor the C
extension, so the import is also measured with the extension loaded (`crlso.Tensor`).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import crlso
from benchmarks import timing

COMMANDS = {
    "python": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import crlso": ["-c", "import crlso"],
    "import numpy, crlso.Tensor": ["-c", "import numpy, crlso; crlso.Tensor"],
    "crlso --help": ["-m", "crlso", "--help"],
    "crlso search --help": ["-m", "crlso", "search", "--help"],
}


def program(arguments: list[str]) -> Callable[[], object]:
    environment = {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    parser = timing.parser(__doc__, rounds=15)
    arguments = timing.arguments_of(parser)
    seconds = timing.interleaved({name: program(words) for name, words in COMMANDS.items()}, arguments.rounds)
    pairs = zip(seconds["import numpy, crlso.Tensor"], seconds["import numpy"], strict=True)
    added = statistics.median(a - b for a, b in pairs)
    medians = timing.medians(seconds)
    document = {"seconds": medians, "added_to_numpy": added} | timing.about()
    lines = [f"{name:28s} {1e3 * value:6.0f} ms" for name, value in medians.items()]
    lines.append(f"{'crlso beyond NumPy':28s} {1e3 * added:6.0f} ms")
    return timing.publish(document, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
