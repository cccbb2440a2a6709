"""Run the program in its own process, and read its JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.processes import environment

RANDOM = ["search", "--method", "random"]


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crlso", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, **options)


def parse(text: str):
    def refuse(constant):
        raise AssertionError(f"{constant} in JSON")

    return json.loads(text, parse_constant=refuse)
