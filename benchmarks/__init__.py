"""The measurements in the README and the documentation; run one with ``python -m benchmarks.NAME``."""
