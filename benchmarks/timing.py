"""Shared parts of the benchmarks: timing that is robust to noise, arguments, and the printed document.

Programs take turns, and ratios are computed within a round.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crlso import _core

__all__ = [
    "about",
    "arguments_of",
    "fitted_exponent",
    "interleaved",
    "is_installed",
    "medians",
    "parser",
    "publish",
    "ratios",
    "split",
    "within",
]

NEEDS = {"pytorch": "torch", "pytorch-same-algebra": "torch", "pyg": "torch_geometric", "jax": "jax"}
"""The module that each program needs; without it, the program is skipped."""

HELD_TO = {
    "avx2": {
        "CRLSO_ISA": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    }
}
"""Environment variables that limit all programs to an instruction set. They are read on import."""


def parser(text: str | None, rounds: int) -> argparse.ArgumentParser:
    """Make a parser with the arguments that all benchmarks share."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help="rounds of measurements; default: %(default)s")
    made.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    made.add_argument("--isa", choices=list(HELD_TO), help="limit crlso and all frameworks to this instruction set")
    return made


def arguments_of(made: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the arguments; with --isa, run the program again in the environment that this needs."""
    arguments = made.parse_args()
    if arguments.isa is not None:
        within(HELD_TO[arguments.isa])
    return arguments


def within(variables: Mapping[str, str]) -> None:
    """Run the program again with these environment variables, which are read on import, unless it has them."""
    if any(os.environ.get(name) != value for name, value in variables.items()):
        environment = {**os.environ, **variables}
        command = [sys.executable, *sys.orig_argv[1:]]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


def is_installed(name: str, needs: Mapping[str, str]) -> bool:
    """Return whether the modules that a program needs are there; if not, say so, and how to install them.

    Parameters
    ----------
    name : str
        Of the program.
    needs : mapping
        Names of modules, to those of the packages that have them.
    """
    lacks = [package for module, package in needs.items() if importlib.util.find_spec(module) is None]
    if lacks:
        verb = "is" if len(lacks) == 1 else "are"
        text = f"{name}: skipped, {', '.join(lacks)} {verb} not installed: pip install {' '.join(lacks)}"
        print(text, file=sys.stderr)
    return not lacks


def split(made: argparse.ArgumentParser, text: str, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the programs in --against that can be run, and those skipped because a module is missing."""
    asked = [name for name in text.split(",") if name]
    if unknown := [name for name in asked if name not in names]:
        made.error(f"--against: expected names out of {', '.join(names)}, got {', '.join(unknown)}")
    skipped = [name for name in asked if not is_installed(name, {NEEDS[name]: NEEDS[name]})]
    return [name for name in asked if name not in skipped], skipped


def interleaved(programs: Mapping[str, Callable[[], object]], rounds: int, repeat: int = 1) -> dict[str, list[float]]:
    """Return the seconds per call of each program in each round; an additional first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            start = time.perf_counter()
            for _ in range(repeat):
                program()
            if number:
                seconds[name].append((time.perf_counter() - start) / repeat)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the median seconds of each program over rounds."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def ratios(seconds: Mapping[str, list[float]], base: str) -> dict[str, float]:
    """Return the median, over rounds, of the seconds of each program divided by those of `base`."""
    return {
        name: statistics.median(a / b for a, b in zip(values, seconds[base], strict=True))
        for name, values in seconds.items()
        if name != base
    }


def fitted_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Fit the exponent p of y = c x^p by least squares on logarithms."""
    import numpy as np

    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def about(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return the versions of Python, crlso, NumPy and the given packages, the processor, and the BLAS."""
    info = _core.runtime_info()
    versions = {name: importlib.metadata.version(name) for name in ("numpy", *sorted(set(packages)))}
    return {
        "versions": {"crlso": info["version"], "python": platform.python_version(), **versions},
        "cpu": f"{_processor()}, {info['isa']}",
        "blas": f"{info['blas']}, {info['blas_kernel']}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def publish(document: Mapping[str, Any], as_json: bool, lines: Iterable[str]) -> int:
    """Print the document, or the lines of its table, and return the exit code."""
    print(json.dumps(document) if as_json else "\n".join(lines))
    return 0
