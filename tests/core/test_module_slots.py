"""What the extension declares when it is loaded: no sub-interpreters, and the GIL. Copies of it share no types."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import crlso
from crlso import _core

REFUSED = "module crlso._core does not support loading in subinterpreters"
IMPORT = """
try:
    import crlso._core
except ImportError as error:
    print(error, flush=True)
else:
    print("loaded", flush=True)
"""
# Programs that run IMPORT in a sub-interpreter. An extension that declares nothing is refused in one with a GIL of its
# own, and accepted in one with the GIL of the main interpreter. A legacy one does not ask what an extension declares.
RUNNERS = {
    (3, 10): {
        "legacy": """
            import _xxsubinterpreters as interpreters
            interpreters.run_string(interpreters.create(isolated=False), IMPORT)
            """,
    },
    (3, 12): {
        "legacy": """
            import _xxsubinterpreters as interpreters
            interpreters.run_string(interpreters.create(isolated=False), IMPORT)
            """,
        "own": """
            import _xxsubinterpreters as interpreters
            interpreters.run_string(interpreters.create(isolated=True), IMPORT)
            """,
        "shared": """
            from _testcapi import run_in_subinterp_with_config
            config = dict(use_main_obmalloc=True, allow_fork=True, allow_exec=True, allow_threads=True,
                          allow_daemon_threads=True, check_multi_interp_extensions=True)
            try:
                run_in_subinterp_with_config(IMPORT, **config, gil=1)
            except TypeError:  # 3.12.0
                run_in_subinterp_with_config(IMPORT, **config, own_gil=False)
            """,
    },
    (3, 13): {
        "legacy": """
            import _interpreters as interpreters
            assert interpreters.run_string(interpreters.create("legacy"), IMPORT) is None
            """,
        "own": """
            import _interpreters as interpreters
            assert interpreters.run_string(interpreters.create(), IMPORT) is None
            """,
        "shared": """
            import _interpreters as interpreters
            config = interpreters.new_config("isolated", gil="shared", use_main_obmalloc=True)
            assert interpreters.run_string(interpreters.create(config), IMPORT) is None
            """,
    },
}


def run(code: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["legacy", "own", "shared"])
def test_sub_interpreters_are_refused(kind):
    runners = RUNNERS[max(version for version in RUNNERS if version <= sys.version_info[:2])]
    if kind not in runners:
        pytest.skip("before 3.12 all sub-interpreters are of the legacy kind")
    program = textwrap.dedent(runners[kind])
    if "_testcapi" in program and importlib.util.find_spec("_testcapi") is None:
        pytest.skip("this Python 3.12 comes without _testcapi, its only way to share the GIL")
    done = run(f"IMPORT = {IMPORT!r}\n{program}")
    assert (done.returncode, done.stdout.strip()) == (0, REFUSED), done.stderr


def test_loading_does_not_give_up_the_gil():
    """True for every build with a GIL; a free-threaded Python turns it on for an extension that uses it."""
    done = run("import sys, crlso._core; print(getattr(sys, '_is_gil_enabled', lambda: True)())")
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


def test_copies_of_the_module_have_types_of_their_own():
    spec = importlib.util.spec_from_file_location("crlso._core", _core.__file__)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name in ("Tensor", "GraphBatch", "Adam", "CellSet", "FrozenICNN", "FrozenDecoder", "FrozenEncoder", "Points"):
        assert getattr(copy, name) is not getattr(_core, name)
    ours, theirs = _core.Tensor([1.0, 2.0]), copy.Tensor([3.0, 4.0])
    assert type(ours + ours) is _core.Tensor and type(theirs + theirs) is copy.Tensor
    with pytest.raises(TypeError, match="parameters: expected Tensors"):
        _core.Adam([theirs])
