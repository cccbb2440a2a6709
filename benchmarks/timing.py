"""Timing that a noisy machine does not spoil: programs take turns, and ratios are taken within a turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "ratios"]


def interleaved(programs: Mapping[str, Callable[[], object]], rounds: int, repeat: int = 1) -> dict[str, list[float]]:
    """Seconds per call of each program in each round; a round more is run first, to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            start = time.perf_counter()
            for _ in range(repeat):
                program()
            if number:
                seconds[name].append((time.perf_counter() - start) / repeat)
    return seconds


def ratios(seconds: Mapping[str, list[float]], base: str) -> dict[str, float]:
    """Median over rounds of each program's seconds divided by those of `base` in the same round."""
    return {
        name: statistics.median(a / b for a, b in zip(values, seconds[base], strict=True))
        for name, values in seconds.items()
        if name != base
    }
