"""Builds and runs the C tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, or ThreadSanitizer.

Each tests/c/test_*.c is a program whose exit code 0 means success. Its first line names the sources it is linked with:

    // sources: csrc/core/status.c @core @graph

where @core stands for csrc/core/*.c and so on; OpenBLAS is linked when csrc/core/blas.c is among them, and words that
begin with a hyphen are arguments of the linker. Tests include headers as "core/status.h". A test that mentions
CR_TEST_REAL is built and run twice, with -DCR_TEST_REAL=float and -DCR_TEST_REAL=double.

    python -m tests.c                        all tests
    python -m tests.c philox gemm            those whose names contain one of the words
    python -m tests.c --threads              those that start threads, under ThreadSanitizer
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import openblas  # noqa: E402  (the finder that setup.py uses too)

FLAGS = """-std=c11 -O1 -g -pthread -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wextra -Werror
           -fno-sanitize-recover=all -fno-omit-frame-pointer""".split()
MEMORY, THREADS = "-fsanitize=address,undefined", "-fsanitize=thread"
STARTS_THREADS = ("cr_threads_set", "pthread_create")  # a test with one of these words is one of threads
MARK = "// sources:"
TIMEOUT = 600


class TestError(Exception):
    """A test that could not be built or run, or that failed; the text is what to show."""

    __test__ = False  # not a class for pytest to collect


class Case(NamedTuple):
    name: str
    source: Path
    macros: tuple[str, ...]


def cases(folder: Path) -> list[Case]:
    """The programs to build: one for each test, or two where the test is written for both element types."""
    found = []
    for source in sorted(folder.glob("test_*.c")):
        if "CR_TEST_REAL" in source.read_text(encoding="utf-8"):
            found += [
                Case(f"{source.stem}[{real}]", source, (f"-DCR_TEST_REAL={real}",)) for real in ("float", "double")
            ]
        else:
            found.append(Case(source.stem, source, ()))
    return found


def sources_of(test: Path, root: Path) -> list[Path]:
    """The files of csrc that a test's first line names."""
    first = test.read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith(MARK):
        raise TestError(f"{test.name}: its first line must begin with '{MARK}'")
    named: list[Path] = []
    for word in first[len(MARK) :].split():
        if word.startswith("-"):
            continue
        files = sorted((root / "csrc" / word[1:]).glob("*.c")) if word.startswith("@") else [root / word]
        if not files or not all(path.is_file() for path in files):
            raise TestError(f"{test.name}: no such source: {word}")
        named += files
    return list(dict.fromkeys(named))


def link_arguments_of(test: Path) -> tuple[str, ...]:
    """What a test's first line hands to the linker."""
    first = test.read_text(encoding="utf-8").partition("\n")[0]
    return tuple(word for word in first.split() if word.startswith("-"))


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """The output of a command; TestError with that output when it fails."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TestError(str(error)) from error
    if done.returncode != 0:
        raise TestError(f"{done.stdout}\nexit code {done.returncode} from {command[0]}")
    return done.stdout


class Builder:
    """Compiles each source once, whatever number of tests is linked with it."""

    def __init__(self, root: Path, folder: Path, pool: ThreadPoolExecutor, sanitizers: str) -> None:
        self.root, self.folder, self.pool = root, folder, pool
        self.flags = [*FLAGS, sanitizers]
        self.compiler = shlex.split(os.environ.get("CC", "cc"))
        self.objects: dict[tuple[Path, tuple[str, ...]], Future[Path]] = {}

    def compile(self, source: Path, macros: tuple[str, ...]) -> Future[Path]:
        key = (source, macros)
        if key not in self.objects:
            target = self.folder / f"{len(self.objects)}-{source.stem}.o"
            self.objects[key] = self.pool.submit(self._compile, source, macros, target)
        return self.objects[key]

    def _compile(self, source: Path, macros: tuple[str, ...], target: Path) -> Path:
        run([*self.compiler, *self.flags, *macros, f"-I{self.root / 'csrc'}", "-c", str(source), "-o", str(target)])
        return target

    def start(self, case: Case) -> tuple[list[Future[Path]], tuple[str, ...]]:
        """Hands the compilations of a case to the pool; returns their results to be and the linker's arguments."""
        sources, blas, link = sources_of(case.source, self.root), self.root / "csrc/core/blas.c", ()
        macros: dict[Path, tuple[str, ...]] = {}
        if blas in sources:
            try:
                library = openblas.find()
            except openblas.OpenBLASError as error:
                raise TestError(str(error)) from error
            macros[blas] = tuple(f"-D{name}={value}" for name, value in library.macros)
            link = library.link_args
        objects = [self.compile(source, macros.get(source, ())) for source in sources]
        return [self.compile(case.source, case.macros), *objects], (*link_arguments_of(case.source), *link)

    def link(self, name: str, objects: list[Path], arguments: tuple[str, ...]) -> Path:
        program = self.folder / name
        run([*self.compiler, *self.flags, *map(str, objects), *arguments, "-lm", "-o", str(program)])
        return program


def run_all(root: Path, words: list[str] | None = None, threads: bool = False) -> int:
    """Builds and runs the tests in root/tests/c; prints a line for each and a last one; returns the exit code.

    With `threads`, those that start threads, under ThreadSanitizer.
    """
    chosen = [case for case in cases(root / "tests/c") if not words or any(word in case.name for word in words)]
    if threads:
        chosen = [case for case in chosen if any(word in case.source.read_text("utf-8") for word in STARTS_THREADS)]
    suppressions = Path(__file__).with_name("lsan.supp")
    options = {
        "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:"
        "allocator_may_return_null=1",
        "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "die_after_fork=0:halt_on_error=1:allocator_may_return_null=1",
    }
    failed = 0
    with tempfile.TemporaryDirectory(prefix="crlso-c-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        builder = Builder(root, Path(folder), pool, THREADS if threads else MEMORY)
        started: dict[Case, tuple[list[Future[Path]], tuple[str, ...]] | TestError] = {}
        for case in chosen:
            try:
                started[case] = builder.start(case)
            except TestError as error:
                started[case] = error
        for case, parts in started.items():
            try:
                if isinstance(parts, TestError):
                    raise parts
                objects, arguments = parts
                program = builder.link(case.name, [future.result() for future in objects], arguments)
                run([str(program)], env={**os.environ, **options})
            except TestError as error:
                failed += 1
                print(f"FAILED {case.name}\n{error}", flush=True)
            else:
                print(f"passed {case.name}", flush=True)
    if not chosen:
        print("no test found")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.c", description="Builds and runs the C tests.")
    parser.add_argument("words", nargs="*", help="run the tests whose names contain one of these")
    parser.add_argument("--threads", action="store_true", help="look for races, in those that start threads")
    given = parser.parse_args()
    sys.exit(run_all(ROOT, given.words, given.threads))
