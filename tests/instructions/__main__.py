"""Counts the instructions of the hottest kernels with valgrind, and compares them with those recorded.

Each C program beside this file (its first line names the sources, as in tests/c) runs a kernel inside measured(). It is
compiled as the extension is, and run by `valgrind --tool=callgrind` on the AVX2 kernels, as valgrind knows no AVX-512.
Counts do not depend on the machine or on what else it does, but on the compiler. With one that counts.json has, they
are compared themselves; with another, their ratios to a loop that no change touches, compiled beside them, and twice as
much is allowed.

    python -m tests.instructions             fails when a kernel takes over 20 % more instructions than recorded
    python -m tests.instructions --record    records the counts with the compiler at hand

Without valgrind or AVX2 nothing is compared: a failure with CI=true in the environment, else only said.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.c.__main__ import ROOT, TestError, run, sources_of

sys.path.insert(0, str(ROOT / "tools"))
from cflags import FLAGS

HERE = Path(__file__).resolve().parent
RECORD = HERE / "counts.json"
LIMIT = 0.20
LIMIT_OF_RATIOS = 2 * LIMIT
REFERENCE = "reference"
Counts = dict[str, int]


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "cc"))


def compiler_name() -> str:
    """The compiler and its major version, such as "gcc 12"."""
    macros = dict(re.findall(r"#define (\w+) (.*)", run([*compiler(), "-dM", "-E", "-x", "c", os.devnull])))
    name, version = ("clang", "__clang_major__") if "__clang__" in macros else ("gcc", "__GNUC__")
    return f"{name} {macros[version]}"


def build(program: Path, root: Path, folder: Path) -> Path:
    """Compiles a program, and those of its sources that no program before it had, on all cores."""
    command = [*compiler(), *FLAGS, f"-I{root / 'csrc'}"]
    objects = {folder / f"{source.stem}.o": source for source in [program, *sources_of(program, root)]}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        missing = [(str(source), str(made)) for made, source in objects.items() if not made.exists()]
        list(pool.map(lambda names: run([*command, "-c", names[0], "-o", names[1]]), missing))
    run([*command, *map(str, objects), "-lm", "-o", str(folder / program.stem)])
    return folder / program.stem


def count(program: Path, function: str) -> int:
    """Instructions that run inside a function of a program."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--toggle-collect={function}"]
    output = run([*command, str(program)], env={**os.environ, "CRLSO_ISA": "avx2"})
    found = re.search(r"Collected : (\d+)", output)
    if found is None or int(found[1]) == 0:
        raise TestError(f"{program.name}: callgrind counted nothing in {function}()\n{output}")
    return int(found[1])


def measure(root: Path = ROOT, only: str = "*") -> Counts:
    """Instructions of each program's kernel, and of the reference loop, with the sources of `root`."""
    counts: Counts = {}
    with tempfile.TemporaryDirectory(prefix="crlso-instructions-") as folder:
        for source in sorted(HERE.glob(f"{only}.c")):
            program = build(source, root, Path(folder))
            counts[source.stem] = count(program, "measured")
            if REFERENCE not in counts:
                counts[REFERENCE] = count(program, REFERENCE)
    return counts


def compare(counts: Counts, recorded: Mapping[str, Counts], name: str) -> tuple[bool, list[str]]:
    """Whether no kernel became slower than allowed, and a line for each."""
    lines = []
    if name in recorded:
        base, scale, limit = recorded[name], 1.0, LIMIT
    else:
        other, base = next(iter(recorded.items()))
        scale, limit = base[REFERENCE] / counts[REFERENCE], LIMIT_OF_RATIOS
        lines.append(f"no counts recorded with {name}: ratios to the reference loop, compared with those of {other}")
    passed = True
    for kernel, instructions in counts.items():
        if kernel == REFERENCE:
            continue
        if kernel not in base:
            passed = False
            lines.append(f"FAILED {kernel}: not recorded yet; run python -m tests.instructions --record")
            continue
        change = instructions * scale / base[kernel] - 1
        text = f"{kernel}: {instructions:,} instructions, {change:+.1%}"
        if change > limit:
            passed = False
            text = f"FAILED {text}; allowed are {limit:+.0%}"
        elif change < -LIMIT and limit == LIMIT:
            text += "; that is better: record it, or it can be lost unseen: python -m tests.instructions --record"
        lines.append(text)
    return passed, lines


def obstacle() -> str | None:
    """Why nothing can be counted on this machine."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed (Debian and Ubuntu: apt-get install valgrind)"
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace") if sys.platform == "linux" else ""
    if not {"avx2", "fma", "bmi2"} <= set(flags.split()):
        return "this processor has no AVX2, whose kernels are counted"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write counts.json instead of comparing with it")
    arguments = parser.parse_args()
    if reason := obstacle():
        failed = os.environ.get("CI") == "true"
        print(f"{'FAILED' if failed else 'skipped'}: instructions were not counted, {reason}")
        return 1 if failed else 0
    try:
        counts, name = measure(), compiler_name()
    except TestError as error:
        print(f"FAILED\n{error}")
        return 1
    recorded: dict[str, Counts] = json.loads(RECORD.read_text(encoding="ascii")) if RECORD.exists() else {}
    if arguments.record:
        RECORD.write_text(json.dumps({**recorded, name: counts}, indent=1) + "\n", encoding="ascii")
        print(f"recorded with {name}: {counts}")
        return 0
    passed, lines = compare(counts, recorded, name)
    print("\n".join(lines))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
