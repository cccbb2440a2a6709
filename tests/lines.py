"""Counts the lines that the tests reach: ``python -m tests.lines [--missed] [-- ARGUMENTS OF PYTEST]``.

A copy of the working tree is built with counters (gcc's ``--coverage``), and its quick tests are run, or those that the
arguments choose: ``-- tests`` for all. Then the shares of lines reached are printed, for the core (``csrc``) and for
the package (``crlso``); ``--missed`` lists the others. Processes that a test kills leave no counts. Needs gcc and
coverage.py.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"csrc": 95.0, "crlso": 97.0}
SETTINGS = """[run]
source_pkgs = crlso
parallel = true
patch = subprocess
data_file = {folder}/.coverage
[report]
ignore_errors = true
omit = {temporary}/pytest-of-*
exclude_also =
    if TYPE_CHECKING:
    @overload
    ^\\s*\\.\\.\\.$
"""
Lines = dict[str, dict[int, int]]
"""By file and line, how often it was reached."""


def copy_tree(target: Path) -> None:
    """Copy what git tracks or would track."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in map(os.fsdecode, filter(None, names)):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)


def lines_of_core(tree: Path) -> Lines:
    """Read gcov's counts; a line of a header has the sum over the files that include it."""
    lines: Lines = collections.defaultdict(lambda: collections.defaultdict(int))
    for notes in tree.rglob("*.gcno"):
        command = ["gcov", "--json-format", "--stdout", str(notes)]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
        for file in (file for text in done.stdout.splitlines() for file in json.loads(text)["files"]):
            if "csrc/" in file["file"]:
                for line in file["lines"]:
                    lines[file["file"].partition("csrc/")[2]][line["line_number"]] += line["count"]
    return lines


def lines_of_package(tree: Path, settings: Path, environment: dict[str, str]) -> Lines:
    """Read the counts of coverage.py."""
    report = settings.with_name("report.json")
    for command in (["combine", "--quiet"], ["json", "--quiet", "-o", str(report)]):
        words = [sys.executable, "-m", "coverage", command[0], f"--rcfile={settings}", *command[1:]]
        subprocess.run(words, cwd=tree, env=environment, check=True)
    return {
        name.partition("crlso/")[2]: {
            **dict.fromkeys(file["executed_lines"], 1),
            **dict.fromkeys(file["missing_lines"], 0),
        }
        for name, file in json.loads(report.read_text())["files"].items()
    }


def report(name: str, lines: Lines, missed: bool) -> bool:
    """Print the share of lines reached; return whether it is that of the goal."""
    counts = [count for file in lines.values() for count in file.values()]
    share = 100 * sum(count > 0 for count in counts) / max(1, len(counts))
    print(f"{name}: {share:.1f} % of {len(counts)} lines reached; the goal is {GOALS[name]:.0f} %")
    for file, found in sorted(lines.items()) if missed else ():
        if numbers := [str(number) for number, count in sorted(found.items()) if count == 0]:
            print(f"    {name}/{file}: {', '.join(numbers)}")
    return share >= GOALS[name]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lines", description="Counts the lines that tests reach.")
    parser.add_argument("--missed", action="store_true", help="list the lines that are not reached")
    parser.add_argument("pytest", nargs="*", default=["-m", "not slow", "tests"], help="arguments of pytest, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crlso-lines-") as folder:
        tree, settings = Path(folder, "crlso"), Path(folder, "settings")
        copy_tree(tree)
        settings.write_text(SETTINGS.format(folder=folder, temporary=tempfile.gettempdir()))
        flags = {"CFLAGS": "--coverage -O1 -fprofile-update=atomic", "LDFLAGS": "--coverage"}
        build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
        subprocess.run(build, cwd=tree, env={**os.environ, **flags}, check=True)
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        run = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", "-m", "pytest", "-q", *given.pytest]
        failed = subprocess.run(run, cwd=tree, env=environment).returncode != 0
        found = {"csrc": lines_of_core(tree), "crlso": lines_of_package(tree, settings, environment)}
        good = [report(name, lines, given.missed) for name, lines in found.items()]
    return 0 if all(good) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
