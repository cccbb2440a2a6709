"""The command that runs a search under valgrind finds a planted fault of an extension, and leaves Python's alone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import pytest

from tests import valgrind

PLANTED = """
#include <stdlib.h>
int freed(void) {
    volatile int *memory = malloc(40);
    free((void *)memory);
    return memory[1];
}
int right(void) { return 1; }
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_a_planted_fault_is_found(tmp_path):
    (tmp_path / "crlso").mkdir()
    source, library = tmp_path / "planted.c", tmp_path / "crlso" / "_core_planted.so"
    source.write_text(PLANTED)
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-g", "-Wno-use-after-free", "-shared", "-fPIC"]
    subprocess.run([*compiler, *flags, str(source), "-o", str(library)], check=True)
    code = f"import ctypes; ctypes.CDLL({str(library)!r}).FUNCTION()"
    (fault,) = valgrind.run(code.replace("FUNCTION", "freed")).ours
    assert fault.startswith("Invalid read of size 4\n    freed 6 ")
    assert valgrind.run(code.replace("FUNCTION", "right")).ours == []


def test_faults_of_python_are_only_counted():
    frame = "<frame><obj>{}</obj><fn>{}</fn></frame>"
    python, core = frame.format("/x/libpython.so", "PyLong_New"), frame.format("/x/crlso/_core.so", "add")
    evaluation = frame.format("/x/libpython.so", "_PyEval_EvalFrameDefault")

    def found(*frames: str) -> valgrind.Found:
        error = f"<error><what>Invalid read</what><stack>{''.join(frames)}</stack></error>"
        return valgrind.errors_in(f"<valgrindoutput>{error}</valgrindoutput>")

    assert found(python, evaluation, core) == ([], 1)
    assert found(python, core, evaluation).foreign == 0
    assert found(core) == (["Invalid read\n    add  /x/crlso/_core.so"], 0)
