"""Runs a short search under valgrind: ``python -m tests.valgrind``.

Twenty queries of cr-lso on two threads, with the AVX2 kernels, as valgrind knows no AVX-512. Reads of freed memory, of
memory beyond its end, and decisions on memory that was never written are faults when the extension does them, or what
it calls, such as OpenBLAS. Python and the loader have some of their own, which are counted, not shown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

from tests.processes import environment

SEARCH = """
import crlso
study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), "cr-lso", 20, 0)
assert study.n_queries == 20
"""
OURS = "/crlso/_core"


class Found(NamedTuple):
    """What valgrind found: faults of the extension, each as text, and the number of those of others."""

    ours: list[str]
    foreign: int


def errors_in(text: str) -> Found:
    """Read valgrind's XML."""
    ours, foreign = [], 0
    for error in ElementTree.fromstring(text).iter("error"):
        if error.findtext("kind", "").startswith("Leak_"):  # what Python holds when it ends
            continue
        what = error.findtext("what") or error.findtext("xwhat/text") or "?"
        frames = error.find("stack").findall("frame")
        calls = [(frame.findtext("obj", ""), frame.findtext("fn", "?"), frame.findtext("line", "")) for frame in frames]
        names = [name for _, name, _ in calls]
        asking = calls[: names.index("_PyEval_EvalFrameDefault")] if "_PyEval_EvalFrameDefault" in names else calls
        if any(OURS in library for library, _, _ in asking):
            lines = [f"    {name} {line} {library}" for library, name, line in asking]
            ours.append("\n".join([what, *lines]))
        else:
            foreign += 1
    return Found(ours, foreign)


def run(code: str) -> Found:
    """Run Python code under valgrind; RuntimeError if the code fails."""
    env = {
        **environment(),
        "PYTHONMALLOC": "malloc",
        "CRLSO_ISA": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        "CRLSO_NUM_THREADS": "2",
        "CRLSO_CACHE": "",
    }
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.xml")
        options = ["-q", "--xml=yes", f"--xml-file={found}", "--num-callers=40", "--leak-check=no"]
        command = ["valgrind", *options, sys.executable, "-c", code]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return errors_in(found.read_text(encoding="utf-8", errors="replace"))


def main() -> int:
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (Debian and Ubuntu: apt-get install valgrind)")
        return 1
    found = run(SEARCH)
    for error in found.ours:
        print(error)
    print(f"20 queries under valgrind: {len(found.ours)} faults; of Python and the loader {found.foreign}")
    return 1 if found.ours else 0


if __name__ == "__main__":
    sys.exit(main())
