"""Finds the OpenBLAS that the C core is compiled with and linked to. Used by setup.py and tests/c.

In order: the environment (CRLSO_OPENBLAS_DIR, a prefix with include/ and lib/, or CRLSO_OPENBLAS=system, which asks
pkg-config), the scipy-openblas32 package, pkg-config.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".so", ".dylib", ".a")
HELP = """crlso needs OpenBLAS to build, and none was found. Any one of these provides it:
  - pip install scipy-openblas32 (a plain `pip install .` does this by itself)
  - a system package with pkg-config: apt install libopenblas-dev pkg-config, dnf install openblas-devel pkgconf,
    brew install openblas pkgconf
  - CRLSO_OPENBLAS_DIR=/prefix, where /prefix/include/cblas.h and /prefix/lib/libopenblas.* exist"""


class OpenBLASError(RuntimeError):
    """No usable OpenBLAS; the message says what to install or which setting is wrong."""


@dataclass(frozen=True)
class OpenBLAS:
    """One OpenBLAS and how to compile and link with it."""

    origin: str  # where it was found, for messages
    header: str  # what blas.c includes: an absolute path, or cblas.h where the compiler finds it by itself
    prefix: str  # in front of every symbol: "scipy_" or ""
    link_args: tuple[str, ...]
    vendored: Path | None = None  # the library that a wheel must carry; None: the system's is used

    @property
    def macros(self) -> list[tuple[str, str]]:
        """The preprocessor macros that csrc/core/blas.c expects."""
        return [("CRLSO_BLAS_HEADER", f'"{self.header}"'), ("CRLSO_BLAS_PREFIX", self.prefix)]


def find() -> OpenBLAS:
    """The OpenBLAS to use; raises OpenBLASError when there is none."""
    prefix, choice = os.environ.get("CRLSO_OPENBLAS_DIR"), os.environ.get("CRLSO_OPENBLAS")
    if prefix:
        return from_prefix(Path(prefix))
    if choice == "system":
        found = from_pkg_config()
        if found is None:
            raise OpenBLASError("CRLSO_OPENBLAS=system, but `pkg-config openblas` finds nothing.\n" + HELP)
        return found
    if choice:
        raise OpenBLASError(f"CRLSO_OPENBLAS: expected 'system' or unset, got {choice!r}")
    found = from_scipy() or from_pkg_config()
    if found is None:
        raise OpenBLASError(HELP)
    return found


def from_prefix(prefix: Path) -> OpenBLAS:
    """The OpenBLAS installed under a prefix."""
    header = first_header(prefix / "include", prefix / "include" / "openblas")
    for folder in (prefix / "lib", prefix / "lib64"):
        if header and any((folder / f"libopenblas{suffix}").exists() for suffix in SUFFIXES):
            args = (f"-L{folder}", "-lopenblas", f"-Wl,-rpath,{folder}")
            return OpenBLAS(f"CRLSO_OPENBLAS_DIR={prefix}", header, "", args)
    raise OpenBLASError(f"CRLSO_OPENBLAS_DIR={prefix}: expected include/cblas.h and lib/libopenblas.* under it")


def from_scipy() -> OpenBLAS | None:
    """The scipy-openblas32 package of this environment, or None."""
    try:
        import scipy_openblas32 as package
    except ImportError:
        return None
    folder = Path(package.get_lib_dir())
    return OpenBLAS(
        f"scipy-openblas32 {package.__version__}",
        str(Path(package.get_include_dir(), "cblas.h")),
        "scipy_",
        (f"-L{folder}", f"-l{package.get_library()}", f"-Wl,-rpath,{folder}"),
        folder / package.get_library(fullname=True),
    )


def from_pkg_config() -> OpenBLAS | None:
    """The OpenBLAS that pkg-config knows, or None."""
    command = os.environ.get("PKG_CONFIG", "pkg-config")

    def ask(*options: str) -> list[str]:
        run = subprocess.run([command, *options, "openblas"], capture_output=True, text=True, check=True)
        return shlex.split(run.stdout)

    try:
        cflags, libs, version = ask("--cflags"), ask("--libs"), ask("--modversion")
        include_dir = ask("--variable=includedir")
    except (OSError, subprocess.CalledProcessError):
        return None
    folders = [flag[2:] for flag in cflags if flag.startswith("-I")] + include_dir
    rpaths = [f"-Wl,-rpath,{flag[2:].rstrip('/')}" for flag in libs if flag.startswith("-L")]
    header = first_header(*map(Path, folders)) or "cblas.h"
    return OpenBLAS(f"pkg-config openblas {version[0]}", header, "", (*libs, *rpaths))


def first_header(*folders: Path) -> str | None:
    """The absolute path of the first cblas.h in the folders, or None."""
    return next((str((folder / "cblas.h").resolve()) for folder in folders if (folder / "cblas.h").exists()), None)
