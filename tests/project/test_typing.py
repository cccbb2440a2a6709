"""A user's script passes the strict checks of mypy and pyright, which find the mistakes in another."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import crlso

PACKAGES = str(Path(crlso.__file__).resolve().parents[1])
SCRIPT = """import crlso

study = crlso.search(crlso.benchmarks.NASBench201("cifar10"), budget=20)
print(study.best.value)
"""
WRONG = SCRIPT.replace("budget=20", "budget='many'").replace("study.best", "study.bets") + "crlso.serach\n"
CHECKERS = {
    "mypy": ["mypy", "--strict", "--cache-dir=cache"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=CHECKERS)
def lines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a checker prints of both scripts."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install 'crlso[lint]'")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "user.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "wrong.py").write_text(WRONG, encoding="utf-8")
    settings = {"typeCheckingMode": "strict", "extraPaths": [PACKAGES]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", *CHECKERS[request.param], "user.py", "wrong.py"]
    path = {} if sysconfig.get_path("platlib") == PACKAGES else {"MYPYPATH": PACKAGES}
    done = subprocess.run(command, cwd=folder, env={**os.environ, **path}, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_script_of_a_user_passes(lines):
    assert [line for line in lines if "user.py:" in line] == []


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_mistake_is_found(lines, number):
    assert any(f"wrong.py:{number}:" in line and "error" in line for line in lines), lines


def stubtest(stub: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compare a stub of the extension with the extension."""
    package = folder / "crlso"
    package.mkdir()
    (package / "__init__.pyi").write_text("", encoding="utf-8")
    (package / "_core.pyi").write_text(stub, encoding="utf-8")
    command = [sys.executable, "-m", "mypy.stubtest", "crlso._core"]
    path = {"MYPYPATH": str(folder), "PYTHONPATH": os.pathsep.join([PACKAGES, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=folder, env={**os.environ, **path}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", "Success: no issues found"),
        ("def relu(self)", "def relu(self, slope: float)", "_core.Tensor.relu is inconsistent"),
        ("class CellSet:", "class CellSets:", "_core.CellSets is not present at runtime"),
    ],
)
def test_stubtest_agrees_with_the_stub_and_finds_what_is_planted(tmp_path, old, new, message):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: pip install 'crlso[lint]'")
    stub = (Path(crlso.__file__).parent / "_core.pyi").read_text(encoding="utf-8")
    assert old in stub
    done = stubtest(stub.replace(old, new) if old else stub, tmp_path)
    assert message in done.stdout and (done.returncode == 0) == (not old), done.stdout + done.stderr
