"""Measurements that the README and the documentation quote, each a module: ``python -m benchmarks.NAME``."""
