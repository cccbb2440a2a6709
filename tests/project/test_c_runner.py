"""`python -m tests.c` must fail whenever a C test does, and when there is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSING = '// sources: csrc/core/one.c\n#include "core/one.h"\nint main(void) { return one() == 1 ? 0 : 1; }\n'


def run(tmp_path: Path, test: str | None, *words: str, threads: bool = False) -> tuple[int, str]:
    files = {
        "csrc/core/one.h": "int one(void);\n",
        "csrc/core/one.c": '#include "one.h"\nint one(void) { return 1; }\n',
    }
    if test is not None:
        files["tests/c/test_planted.c"] = test
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    arguments = f"pathlib.Path({str(tmp_path)!r}), {words!r}, {threads}"
    code = f"import sys, pathlib, tests.c.__main__ as m; sys.exit(m.run_all({arguments}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_passing_test_passes(tmp_path):
    assert run(tmp_path, PASSING) == (0, "passed test_planted\n1 passed, 0 failed\n")


def test_both_element_types_are_built(tmp_path):
    test = "// sources:\nint main(void) { return sizeof(CR_TEST_REAL) == 8; }\n"
    code, output = run(tmp_path, test)
    assert code == 1
    assert "passed test_planted[float]\n" in output
    assert "FAILED test_planted[double]\n" in output
    assert output.endswith("\n1 passed, 1 failed\n")


def test_arguments_of_the_linker(tmp_path):
    """With one() replaced by __wrap_one() at link time the same program fails."""
    test = PASSING.replace("one.c", "one.c -Wl,--wrap=one").replace("int main", "int __wrap_one(void);\nint main")
    code, output = run(tmp_path, test + "int __wrap_one(void) { return 2; }\n")
    assert code == 1 and "exit code 1" in output


@pytest.mark.parametrize("words", [(), ("philox",)])
def test_no_test_is_a_failure(tmp_path, words):
    code, output = run(tmp_path, PASSING if words else None, *words)
    assert (code, output) == (1, "no test found\n0 passed, 0 failed\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (PASSING.replace("== 1", "== 2"), "exit code 1"),
        (PASSING.replace("int main", "static int unused;\nint main"), "unused"),
        (PASSING.replace("one.c", "two.c"), "no such source: csrc/core/two.c"),
        (PASSING.replace("csrc/core/one.c", "@nn"), "no such source: @nn"),
        (PASSING.partition("\n")[2], "its first line must begin with"),
        (
            "// sources:\n#include <stdlib.h>\nstatic void *volatile p;\n"
            "int main(void) { p = malloc(8); p = NULL; return 0; }\n",
            "LeakSanitizer",
        ),
        ("// sources:\nint main(int n, char **v) { int a[2] = {0}; (void)v; return a[n + 2]; }\n", "out of bounds"),
        (
            "// sources:\n#include <stdlib.h>\nint main(void) { volatile size_t n = 1; volatile char *p = malloc(n); "
            "p[n] = 0; free((void *)p); return 0; }\n",
            "AddressSanitizer",
        ),
        ("// sources:\nint main(void) { volatile int n = 0x7fffffff; n += 1; return 0; }\n", "signed integer overflow"),
    ],
)
def test_every_kind_of_failure_is_noticed(tmp_path, test, reason):
    code, output = run(tmp_path, test)
    assert code == 1
    assert re.match("FAILED test_planted\n", output)
    assert reason in output
    assert output.endswith("\n0 passed, 1 failed\n")


RACE = """// sources:
#include <pthread.h>
static int count;
static void *add(void *argument) { (void)argument; ONCE count++; return NULL; }
int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, add, NULL);
    add(NULL);
    pthread_join(thread, NULL);
    return 0;
}
"""


@pytest.mark.slow
def test_a_race_is_noticed_and_only_programs_with_threads_run(tmp_path):
    code, output = run(tmp_path, RACE.replace("ONCE", ""), threads=True)
    assert code == 1
    assert "WARNING: ThreadSanitizer: data race" in output
    locked = RACE.replace("ONCE", "pthread_mutex_lock(&lock);").replace(
        "count++;", "count++; pthread_mutex_unlock(&lock);"
    )
    locked = locked.replace("static int", "static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;\nstatic int", 1)
    assert run(tmp_path, locked, threads=True) == (0, "passed test_planted\n1 passed, 0 failed\n")
    assert run(tmp_path, PASSING, threads=True) == (1, "no test found\n0 passed, 0 failed\n")
