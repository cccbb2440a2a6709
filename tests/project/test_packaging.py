"""What was installed is complete and finds its own OpenBLAS; the files that must agree with each other do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import crlso
from tests.processes import SANITISED

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(crlso.__file__).resolve().parent


def test_version_is_the_same_everywhere():
    (line,) = (ROOT / "crlso" / "_version.py").read_text(encoding="utf-8").strip().splitlines()[-1:]
    assert line == f'__version__ = "{crlso.__version__}"'
    assert importlib.metadata.version("crlso") == crlso.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {crlso.__version__}\n" in citation


def test_installed_files():
    for name in ("py.typed", "_core.pyi", "_version.py"):
        assert (PACKAGE / name).is_file()
    assert list((PACKAGE / "assets").glob("*.npz"))
    assert not [path for path in PACKAGE.rglob("*") if path.suffix in {".c", ".h", ".o"}]


@pytest.mark.skipif(PACKAGE.parent == ROOT, reason="built in place: there are no installed licence files")
def test_licences_are_installed():
    files = [str(path) for path in importlib.metadata.files("crlso") or []]
    assert [name for name in files if name.endswith("licenses/LICENSE")]
    assert [name for name in files if name.endswith("OPENBLAS.txt")]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")
@pytest.mark.skipif("CRLSO_OPENBLAS" in os.environ or "CRLSO_OPENBLAS_DIR" in os.environ, reason="another OpenBLAS")
def test_our_own_openblas_is_loaded_at_one_thread(tmp_path):
    code = """if True:
        import numpy, threadpoolctl, crlso._core
        for found in threadpoolctl.threadpool_info():
            print(found["filepath"], found["internal_api"], found["num_threads"])"""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    ours = [line for line in done.stdout.splitlines() if "crlso/_libs" in line]
    assert ours == [f"{PACKAGE / '_libs' / 'libscipy_openblas_crlso.so'} openblas 1"]


def glibc_versions(file: Path) -> set[tuple[int, ...]]:
    """The versions of glibc's symbols that a file of machine code asks for: they stand in it as text."""
    found = re.findall(rb"\0GLIBC_([0-9.]+)(?=\0)", file.read_bytes())
    return {tuple(map(int, version.split(b"."))) for version in found}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="csrc/core/glibc.h knows these two")
@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="not glibc")
@pytest.mark.skipif(SANITISED, reason="sanitisers are for the machine at hand")
@pytest.mark.parametrize("pattern", ["_core*.so", "_libs/*.so"])
def test_a_wheel_runs_with_glibc_2_28(pattern):
    """Where the oldest versions are not asked for, a build on a newer system asks for its own."""
    for file in PACKAGE.glob(pattern):
        versions = glibc_versions(file)
        assert versions
        assert max(versions) <= (2, 28)


@pytest.mark.parametrize("command", ["build_py", "build_ext"])
def test_a_missing_compiler_is_one_line(command, tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    env = {**os.environ, "CC": str(tmp_path / "no-compiler")}
    options = ["--build-lib", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", command, *options], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line.startswith(f"error: crlso needs a C compiler to build, and '{tmp_path}/no-compiler' was not found (")


def test_pins_agree():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = re.findall(r'"scipy-openblas32([^"]*)"', text)
    assert len(pins) == 2
    assert len(set(pins)) == 1
    assert re.fullmatch(r"==[0-9.]+", pins[0])


def readme_test_commands() -> list[str]:
    """The lines between the markers in README.md, found here by other means than in .ci/run."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    begin, end = lines.index("<!-- test command: .ci/run runs this -->"), lines.index("<!-- end of test command -->")
    return [line for line in lines[begin + 1 : end] if line and not line.startswith("```")]


def test_ci_runs_the_readme_test_command():
    done = subprocess.run(["bash", ".ci/run", "--show"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == readme_test_commands()
    assert len(readme_test_commands()) == 1
    assert "-m pytest tests" in done.stdout
