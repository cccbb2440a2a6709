"""Shared parts of the commands: options that select a benchmark, argument checks, and errors."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

__all__ = [
    "SIMULATED",
    "UsageError",
    "add_constraint",
    "add_results",
    "add_source",
    "at_least",
    "benchmark_of",
    "check_method",
    "check_out",
    "check_source",
    "constraints_of",
    "objectives_of",
    "one_line",
    "results_of",
]

DATASET = "cifar10"
DEFAULT_BENCHMARK = "nasbench201"
SIMULATED = "simulated-validation"


class UsageError(Exception):
    """Raised when the arguments of the command line are invalid."""


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options that select a benchmark."""
    parser.add_argument("--benchmark", choices=list(BENCHMARKS), help=f"default: {DEFAULT_BENCHMARK}")
    parser.add_argument("--dataset", help="dataset of the benchmark; default: cifar10")
    parser.add_argument(
        "--objective",
        action="append",
        metavar="NAME",
        help=f"{SIMULATED}: of nasbench101, test accuracy with simulated validation noise instead of the test accuracy "
        "itself; also value, and measures to maximise or, with a minus, to minimise, as in --objective "
        "value --objective=-latency:pixel3 (crlso info --benchmark NAME lists them)",
    )
    parser.add_argument(
        "--models", metavar="DIR", help="nasbench301: folder of the official ensemble, instead of the stand-in of crlso"
    )
    parser.add_argument("--table", metavar="FILE.csv", help="your own cells: columns cell, value and optionally test")
    parser.add_argument("--space", metavar="SPEC.toml", help="space of the cells in --table: arguments of CellSpace")


def add_constraint(parser: argparse.ArgumentParser) -> None:
    """Add the option that bounds a measure."""
    parser.add_argument(
        "--constraint",
        action="append",
        metavar="BOUND",
        help="bound of a measure, as in 'parameters<=1.0'; may be repeated; only cells that satisfy all are evaluated",
    )


def add_results(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the arguments of commands that read results and write a file."""
    parser.add_argument("file", metavar="FILE", help="a journal, a saved study, or the file of crlso compare --out")
    parser.add_argument("-o", "--out", metavar="FILE", required=True, help=f"the file to write, such as {example}")
    parser.add_argument("--space", metavar="SPEC.toml", help="space of the cells if the file does not say it")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log more; traceback on failure")


def results_of(arguments: argparse.Namespace) -> Any:
    """Return the study or comparison in the file that was given."""
    from crlso.report import read_results  # imported here to keep --help fast
    from crlso.spaces import CellSpace

    check_out(arguments.out)
    if os.path.exists(arguments.out) and os.path.samefile(arguments.file, arguments.out):
        raise UsageError(f"--out: expected another file than {arguments.file}")
    try:
        space = None if arguments.space is None else CellSpace.from_toml(arguments.space)
        return read_results(arguments.file, space)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(one_line(error)) from error


def at_least(lowest: int) -> Any:
    """Return an argparse type for integers of at least `lowest`."""

    def integer(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if number < lowest:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {lowest}, got {text!r:.100}")
        return number

    return integer


def check_source(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that cannot be combined, and fill in the default benchmark."""
    if (arguments.table is None) != (arguments.space is None):
        raise UsageError("--table, --space: expected both or neither")
    if arguments.table is not None and (arguments.benchmark is not None or arguments.dataset is not None):
        raise UsageError("--table: expected without --benchmark and --dataset")
    if arguments.table is None and arguments.benchmark is None:
        arguments.benchmark = DEFAULT_BENCHMARK
    for flag, is_given, home in (
        (f"--objective {SIMULATED}", is_simulated(arguments), "nasbench101"),
        ("--models", arguments.models is not None, "nasbench301"),
    ):
        if is_given and arguments.benchmark != home:
            raise UsageError(f"{flag}: expected with --benchmark {home} only")


def is_simulated(arguments: argparse.Namespace) -> bool:
    """Return whether the value is a simulated validation accuracy."""
    return SIMULATED in (arguments.objective or ())


def objectives_of(arguments: argparse.Namespace) -> list[str] | None:
    """Return the objectives that were named; None if the value is the only one. A simulated validation is the value."""
    names = ["value" if name == SIMULATED else name for name in arguments.objective or ()]
    return None if names in ([], ["value"]) else names


def constraints_of(arguments: argparse.Namespace) -> dict[str, str] | None:
    """Return the bounds that were given, by measure, those of one measure together; None without any."""
    bounds: dict[str, list[str]] = {}
    for text in arguments.constraint or ():
        found = re.fullmatch(r"\s*([^<>=]+?)\s*([<>]=.+)", text, re.DOTALL)
        if found is None:
            raise UsageError(f"--constraint: expected a bound such as 'parameters<=1.0', got {text!r:.100}")
        bounds.setdefault(found[1], []).append(found[2])
    return {name: ",".join(texts) for name, texts in bounds.items()} or None


def benchmark_of(arguments: argparse.Namespace) -> Any:
    """Return the benchmark that the options select."""
    from crlso.benchmarks import Tabular
    from crlso.spaces import CellSpace

    if arguments.table is not None:
        return Tabular.from_csv(arguments.table, CellSpace.from_toml(arguments.space))
    dataset = DATASET if arguments.dataset is None else arguments.dataset
    return BENCHMARKS[arguments.benchmark](arguments, dataset)


def _nasbench101(arguments: argparse.Namespace, dataset: str) -> Any:
    from crlso.benchmarks import NASBench101

    _check_only_dataset(arguments, dataset)
    table = NASBench101()
    return table.simulated_validation(arguments.seed) if is_simulated(arguments) else table


def _nasbench201(arguments: argparse.Namespace, dataset: str) -> Any:
    from crlso.benchmarks import NASBench201

    return NASBench201(dataset)


def _nasbench301(arguments: argparse.Namespace, dataset: str) -> Any:
    from crlso.benchmarks import NASBench301

    _check_only_dataset(arguments, dataset)
    return NASBench301.standin() if arguments.models is None else NASBench301.from_official(arguments.models)


def _nasbenchmacro(arguments: argparse.Namespace, dataset: str) -> Any:
    from crlso.benchmarks import NASBenchMacro

    _check_only_dataset(arguments, dataset)
    return NASBenchMacro()


def _check_only_dataset(arguments: argparse.Namespace, dataset: str) -> None:
    if dataset != DATASET:
        raise ValueError(f"--dataset: expected {DATASET}, the only one of {arguments.benchmark}, got {dataset!r:.100}")


BENCHMARKS = {
    "nasbench101": _nasbench101,
    "nasbench201": _nasbench201,
    "nasbench301": _nasbench301,
    "nasbenchmacro": _nasbenchmacro,
}


def check_method(flag: str, text: str) -> None:
    """Raise UsageError unless `text` is the name of a method, with options or without."""
    from crlso.methods import METHODS

    if text.split(":")[0] not in METHODS:
        raise UsageError(f"{flag}: expected one of {', '.join(METHODS)}, got {text!r:.100}")


def check_out(out: str | None) -> None:
    """Raise UsageError if the output file cannot be written, before any search is run."""
    if out is None:
        return
    from crlso._base.files import check_folder  # imported here to keep --help fast

    path = Path(os.path.realpath(out))
    if not out or path.is_dir():
        raise UsageError(f"--out: expected a file, got {out!r}")
    try:
        check_folder("--out", out)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from None
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise UsageError(f"--out: expected a file that can be written, got {out!r}")


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its message, prefixed by its class name unless the class is a common one."""
    text = " ".join(str(error).split())
    known = isinstance(error, (ValueError, TypeError, OSError, RuntimeError)) and text
    return text if known else f"{type(error).__name__}: {text}".rstrip(": ")
