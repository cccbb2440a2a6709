"""Runs a target of tests/fuzz/targets.py under atheris, which is guided by the lines that input reaches."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fuzz.samples import samples


def run_target(usage: str) -> None:
    """Run the target that the command line names; see ``python -m tests.fuzz``."""
    import atheris

    with atheris.instrument_imports(include=["crlso"]):
        from tests.fuzz.targets import TARGETS
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(f"{usage}\nNAME: calls, mutations, {', '.join(TARGETS)}")
    if options and options[0].isdigit():
        options[0] = f"-max_total_time={options[0]}"
    with tempfile.TemporaryDirectory() as corpus:
        for i, sample in enumerate(samples(name)):
            Path(corpus, f"sample-{i}").write_bytes(sample)
        limits = ["-max_len=24000", "-timeout=10", "-rss_limit_mb=2048"]
        folders = [] if options and Path(options[0]).is_file() else [corpus]
        atheris.Setup([sys.argv[0], *limits, *options, *folders], TARGETS[name])
        atheris.Fuzz()
