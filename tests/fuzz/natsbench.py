"""Fuzz target of the reader of NATS-Bench files, which is also that of the restricted unpickler.

    python -m tests.fuzz.natsbench -max_total_time=300 CORPUS    # needs atheris

CORPUS is a folder of start files, for instance the decompressed genuine ones.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import sys

CELL = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"


def check(data: bytes) -> None:
    """Read bytes as a file of results, as a meta file and as the compressed form of one; only ValueError is right."""
    from crlso.benchmarks.files.natsbench import read_meta, read_result

    with contextlib.suppress(ValueError):
        read_result(io.BytesIO(data), "fuzz", CELL)
    with contextlib.suppress(ValueError):
        read_meta(io.BytesIO(data), "fuzz")
    with contextlib.suppress(ValueError), bz2.open(io.BytesIO(data)) as file:
        read_result(file, "fuzz", CELL)


def main() -> None:
    """Run under atheris."""
    import atheris

    with atheris.instrument_imports():
        import crlso.benchmarks.files.natsbench  # noqa: F401
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
