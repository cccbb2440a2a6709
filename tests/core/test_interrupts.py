"""Ctrl-C ends long calls of the core: each would run for minutes, and ends soon after the signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from ..processes import environment

SETUP = """
    import signal, sys
    import numpy as np
    from crlso import _core
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell ignores it
    _core.set_num_threads(1)

    def ones(*shape):
        return _core.Tensor(np.full(shape, 0.01, np.float32))

    def make_icnn(width=256):
        return _core.FrozenICNN((ones(width, 2), ones(width), (ones(width, width),) * 4, (ones(width, 2),) * 4,
                                 ones(1, width), ones(1, 2), ones(1)))

    def start():
        print("started", flush=True)
"""
CALLS = {
    "nb101_hash": """
        cell = [3, 1, 2, 3, 3, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1]
        cells = np.repeat(np.array([cell], np.uint8), 5_000_000, axis=0)
        start()
        _core.nb101_hash(cells)
        """,
    "cell_prune": """
        edges = {(0, 1 + i): 1 for i in range(7)} | {(1 + i, 8 + i): 1 for i in range(7)}
        edges |= {(8 + i, 15): 1 for i in range(7)} | {(4, 15): 1, (5, 15): 1}  # nearly symmetric
        cell = [2] * 7 + [1] * 7 + [edges.get((s, t), 0) for t in range(1, 16) for s in range(t)]
        cells = np.repeat(np.array([cell], np.uint8), 500_000, axis=0)
        start()
        _core.cell_prune(cells, (1, 16, 1, True, True, 2, None, None), True)
        """,
    "cell_valid": """
        cells = np.ones((4_000_000, 134), np.uint8)
        start()
        for _ in range(1000):
            _core.cell_valid(cells, (1, 16, 1, True, True, 2, None, None))
        """,
    "cell_neighbours": """
        cells = np.ones((20_000, 134), np.uint8)
        start()
        for _ in range(1000):
            _core.cell_neighbours(cells, (1, 16, 1, True, True, 2, None, None), True)
        """,
    "FrozenICNN.evaluate": """
        net = make_icnn()
        z = np.zeros((10_000_000, 2), np.float32)
        start()
        net.evaluate(z)
        """,
    "FrozenICNN.descend": """
        net = make_icnn()
        z = np.zeros((10_000_000, 2), np.float32)
        start()
        net.descend(z, np.ones(len(z)))
        """,
    "FrozenDecoder.logits": """
        net = _core.FrozenDecoder([(ones(256, 2), None), *[(ones(256, 256), None)] * 6, (ones(4, 256), None)])
        z = np.zeros((10_000_000, 2), np.float32)
        start()
        net.logits(z)
        """,
    "FrozenEncoder.encode": """
        wide, flat = ones(2, 768), ones(1, 256)
        net = _core.FrozenEncoder(1, 4, [[0, 1]], [0], [0, 1, 2], [-1, -1], -np.ones((2, 2, 1), int), wide, [flat] * 9,
                                  [ones(768, 256)] * 7 + [ones(512, 256)], (flat, flat, ones(1, 1).reshape((1,))), True)
        cells = np.zeros((20_000_000, 4), np.uint8)
        cells[:, 1:] = np.frombuffer(np.arange(20_000_000, dtype="<i4").tobytes(), np.uint8).reshape(-1, 4)[:, :3]
        start()
        net.encode(cells)
        """,
    "fma_peak": """
        start()
        while True:
            _core.fma_peak(60)
        """,
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_ends_a_long_call(name):
    code = textwrap.dedent(SETUP) + textwrap.dedent(CALLS[name])
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "started\n", child.communicate()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=50)
    finally:
        child.kill()
        child.communicate()
    assert "KeyboardInterrupt" in errors and child.returncode != 0
