"""A source tree without the extension: every way into it ends with the one error that says what to type."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import crlso
from crlso._base.extension import require_extension


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package as a clone has it: without what a build leaves there."""
    folder = tmp_path_factory.mktemp("clone")
    built = shutil.ignore_patterns("*.so", "_libs", "*.npz", "__pycache__")
    shutil.copytree(Path(crlso.__file__).parent, folder / "crlso", ignore=built)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import crlso; crlso.search"],
        ["-c", "import crlso; crlso.Tensor"],
        ["-c", "import crlso._core"],
        ["-c", "from crlso.spaces import NASBench201"],
        ["-c", "from crlso import methods"],
        ["-m", "crlso", "search"],
        ["-m", "crlso", "--version"],
    ],
    ids=" ".join,
)
def test_every_way_in_says_what_to_type(tree, words):
    done = subprocess.run([sys.executable, *words], cwd=tree, capture_output=True, text=True, check=False)
    python = ".".join(map(str, sys.version_info[:2]))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: crlso: expected its C extension for Python {python}, which this source tree ({tree}) lacks: "
        "run `pip install -e .` in it, or start Python in another folder"
    )
    assert done.stderr.count("Traceback") == 1


def test_an_extension_for_another_python_is_none(tmp_path):
    (tmp_path / "_core.cpython-27-x86_64-linux-gnu.so").touch()
    with pytest.raises(ImportError, match="expected its C extension"):
        require_extension(str(tmp_path))


def test_the_package_under_test_has_its_extension():
    require_extension(str(Path(crlso.__file__).parent))
