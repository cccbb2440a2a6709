"""Builds the distributions, checks them, and runs the tests from the wheels.

    python tools/try_wheels.py                            every Python from 3.10 to 3.13 that is here
    python tools/try_wheels.py --only 3.12 -- tests/core  one of them, and other arguments for pytest

``python -m build`` makes the source distribution and a wheel; ``twine check`` and ``check-wheel-contents`` check them.
Then each Python makes a wheel of the source distribution, and runs the quick tests with the wheel and the oldest NumPy
that it can have, and with the newest. The tests lie in the unpacked source distribution, where no extension was built:
only the wheel can be imported. Needs network access and a C compiler. Versions of Python that are not on the path are
looked for where pyenv puts them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = {"3.10": "1.25.*", "3.11": "1.25.*", "3.12": "1.26.*", "3.13": "2.1.*"}


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command; CalledProcessError if it fails."""
    print("+", *command, flush=True)
    cleared = ("PYTHONPATH", "CRLSO_OPENBLAS", "CRLSO_OPENBLAS_DIR", "CRLSO_SANITIZE")
    environment = {name: value for name, value in os.environ.items() if name not in cleared}
    subprocess.run(command, cwd=cwd, env=environment, check=True)


def find_python(version: str) -> Path | None:
    """Return an interpreter of a version, or None."""
    folders = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"))
    found = [shutil.which(f"python{version}", path=str(folder)) for folder in folders]
    found.append(shutil.which(f"python{version}"))
    return next((Path(path) for path in found if path), None)


def tool_environment(folder: Path, interpreter: Path | None, *requirements: str) -> Path:
    """Make an environment with these packages; return its Python."""
    if interpreter is None:
        venv.create(folder, with_pip=True)
    else:
        run(interpreter, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip", *requirements)
    return python


def build(work: Path) -> Path:
    """Build both distributions and check them; return the one of sources."""
    python = tool_environment(work / "build", None, "build", "twine", "check-wheel-contents")
    run(python, "-m", "build", "--outdir", work / "dist", ROOT)
    made = sorted((work / "dist").iterdir())
    run(python, "-m", "twine", "check", "--strict", *made)
    run(python, "-m", "check_wheel_contents", *(path for path in made if path.suffix == ".whl"))
    (source,) = (work / "dist").glob("*.tar.gz")
    return source


def unpack(source: Path, folder: Path) -> Path:
    """Unpack the source distribution; return its folder."""
    with tarfile.open(source) as archive:
        archive.extractall(folder)
    (inner,) = folder.iterdir()
    return inner


def lane(work: Path, source: Path, tree: Path, version: str, interpreter: Path, arguments: list[str]) -> list[str]:
    """Run the tests with one Python and two NumPys; return the names of those that failed."""
    wheels = work / f"wheels-{version}"
    run(interpreter, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, source)
    (wheel,) = wheels.glob("*.whl")
    failed = []
    for name, numpy in (("oldest", f"numpy=={OLDEST[version]}"), ("newest", "numpy")):
        folder = work / f"{version}-{name}"
        python = tool_environment(folder, interpreter, f"{wheel}[test]", numpy)
        print(f"==== Python {version}, {name} NumPy", flush=True)
        try:
            run(python, "-c", "import numpy, crlso; print(numpy.__version__, crlso.__file__)", cwd=folder)
            run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=tree)
        except subprocess.CalledProcessError:
            failed.append(f"Python {version} with the {name} NumPy")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="VERSION", choices=OLDEST, help="one version of Python")
    parser.add_argument("pytest", nargs="*", default=["-m", "not slow", "tests"], help="arguments of pytest, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crlso-wheels-") as folder:
        work = Path(folder)
        source = build(work)
        tree = unpack(source, work / "source")
        failed, done = [], 0
        for version in [given.only] if given.only else OLDEST:
            interpreter = find_python(version)
            if interpreter is None:
                print(f"LEFT OUT: no Python {version} on this machine")
                continue
            done += 1
            failed += lane(work, source, tree, version, interpreter, given.pytest)
    print(f"{done} versions of Python, failed: {', '.join(failed) or 'none'}")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    sys.exit(main())
