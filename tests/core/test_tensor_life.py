"""How long tensors and graphs live: deep graphs, the pool, leaks, threads, the end of the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso import _core

Tensor = _core.Tensor


def run_python(code: str, **variables: str) -> str:
    """Run a program in a process of its own; its output."""
    env = {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1]), **variables}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_deep_chains():
    """200,000 operations: neither backward nor release may recurse."""
    x = Tensor([1.0], requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y.affine(1.0, 1.0)
    y.backward()
    assert y.item() == 200_001 and x.grad.item() == 1
    assert _core.gradients(y, [x])[0].item() == 1
    before = _core.pool_stats()["live_bytes"]
    del y
    assert before - _core.pool_stats()["live_bytes"] >= 200_000 * 64


def test_wide_and_diamond_graphs():
    x = Tensor([1.0], requires_grad=True)
    y = x
    for _ in range(60):  # 2**60 paths
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1
    _core.concat([x] * 5000).sum().backward()
    assert x.grad.item() == 5001


@pytest.mark.thread_unsafe(reason="reads the statistics of the one pool")
def test_graph_keeps_what_it_needs_only_as_long_as_it_is_held():
    x = Tensor(np.ones(100_000), requires_grad=True)
    before = _core.pool_stats()["live_bytes"]
    y = x.exp().tanh().sum()
    x.numpy()
    assert _core.pool_stats()["live_bytes"] - before >= 2 * 800_000
    z = y.detach()
    del y
    assert _core.pool_stats()["live_bytes"] - before < 1000
    assert z.item() == pytest.approx(100_000 * np.tanh(np.e))


@pytest.mark.thread_unsafe(reason="reads the statistics of the one pool")
def test_training_loop_allocates_nothing_after_its_first_step():
    rng = np.random.default_rng(0)
    w1, b1, w2 = (Tensor(rng.normal(size=s) * 0.1, requires_grad=True) for s in [(64, 20), (64,), (5, 64)])
    adam = _core.Adam([w1, b1, w2], max_norm=1.0)
    x, labels = rng.normal(size=(128, 20)), rng.integers(0, 5, 128)
    counts, losses = [], []
    for _ in range(20):
        adam.zero_grad()
        hidden = _core.linear(x, w1, b1, activation="leaky_relu")
        loss = _core.softmax_cross_entropy(_core.linear(hidden, w2), labels)
        loss.backward()
        adam.step(1e-2)
        losses.append(loss.item())
        counts.append(_core.pool_stats()["system_allocations"])
    assert counts[2:] == [counts[2]] * 18
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.thread_unsafe(reason="reads the statistics of the one pool")
def test_pool_can_be_trimmed():
    (Tensor(np.ones(5000)) * 2.0).sum()
    assert _core.pool_stats()["pooled_bytes"] >= 40_000
    held = Tensor(np.ones(5000)) * 2.0
    _core.pool_trim()
    assert _core.pool_stats()["pooled_bytes"] == 0
    assert held.sum().item() == 10_000


LEAKS = """
    import gc, os, sys
    import numpy as np
    from crlso import _core
    Tensor = _core.Tensor
    w = np.ones((3, 4), np.float32)
    graph = _core.GraphBatch([0, 2], [0, 1, 2], [1, 0], [0, 1], 2)
    leaf = Tensor(w, requires_grad=True)
    ones = [Tensor(np.ones(s, np.float32)) for s in [(2, 4), 2, (2, 2), (2, 4), (1, 2), (1, 4), 1]]
    good = _core.FrozenICNN((ones[0], ones[1], [ones[2]], [ones[3]], *ones[4:]))
    class Evil:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError
    def attempt(call):
        try:
            call()
        except (TypeError, ValueError, RuntimeError, IndexError, OverflowError):
            pass
    def once():
        x = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
        y = _core.linear(x, leaf, activation="tanh")
        z = _core.concat([y, y, y], 1)
        _core.gradients(z.sum(), [x, y])
        z.sum().backward()
        leaf.grad = None
        x.grad.numpy()[0, 0]
        repr(x), x.shape, x.dtype, np.asarray(x), np.array(x, dtype=float), x.detach(), float(z.sum())
        graph.arrays, repr(graph)
        _core.message_pass(np.ones((2, 4), np.float32), w[:2], w[:2], graph)
        _core.gather_rows(x, [0, 0])
        x[0], x[..., ::-1], x[None, [0, -1], 1:3], x[[True]], x[[]], x[:], list(x), x.T, x**2, 2**x, abs(x), x.is_leaf
        (x.reshape(2, 2) * x.reshape(4, 1, 1)).max(axis=(0, 2), keepdims=True).softmax(0).sum().backward()
        adam = _core.Adam([x], max_norm=1.0)
        adam.step(0.1)
        adam.zero_grad()
        _core.CellSet().add(5)
        _core.smallest([3.0, 1.0], 1), _core.argmax_last(w)
        frozen = _core.FrozenICNN((ones[0], ones[1], [ones[2]], [ones[3]], *ones[4:]))
        frozen.evaluate(w), frozen.descend(w, [0.1, 0.2, 0.3]), frozen.descend(w[:1], np.ones(5))
        wide, flat = Tensor(np.ones((4, 4), np.float32)), Tensor(np.ones(4, np.float32))
        _core.FrozenDecoder([(wide, flat), (wide, flat), (wide, None), (leaf, None)]).logits(w)
    def errors():
        attempt(lambda: Tensor("a"))
        attempt(lambda: Tensor(Evil()))
        attempt(lambda: Tensor(np.zeros((1,) * 5)))
        attempt(lambda: leaf + Evil())
        attempt(lambda: leaf + np.ones(7, np.float32))
        attempt(lambda: _core.concat([leaf, Evil()]))
        attempt(lambda: _core.linear(leaf, leaf, leaf))
        attempt(lambda: _core.linear(leaf, leaf, activation="x"))
        attempt(lambda: leaf.backward())
        attempt(lambda: _core.gradients(leaf.sum(), [leaf, 1]))
        attempt(lambda: _core.gradients(leaf, [leaf], Evil()))
        attempt(lambda: _core.gather_rows(leaf, [9]))
        attempt(lambda: _core.message_pass(w, w, w, graph))
        attempt(lambda: _core.icnn_layer(w, w, -w, w))
        attempt(lambda: _core.GraphBatch([0, 2], [0, 1, 2], [1, 5], [0, 1], 2))
        attempt(lambda: _core.Adam([leaf, leaf]))
        attempt(lambda: _core.Adam([leaf, 1]))
        attempt(lambda: _core.FrozenICNN((leaf,) * 7))
        attempt(lambda: _core.FrozenDecoder([(leaf, None), (leaf, leaf)]))
        attempt(lambda: _core.FrozenDecoder([(leaf, None), Evil()]))
        attempt(lambda: good.evaluate(w * np.nan))
        attempt(lambda: good.evaluate(Evil()))
        attempt(lambda: good.descend(w, [0.1, np.nan, 0]))
        attempt(lambda: good.descend(w, Evil()))
        attempt(lambda: _core.CellSet().add(-1))
        attempt(lambda: leaf.reshape((5, "a")))
        attempt(lambda: leaf.reshape(5, "a"))
        attempt(lambda: leaf.sum(axis=(0, 0)))
        attempt(lambda: leaf.sum(axis=(0, "a")))
        attempt(lambda: leaf.max(axis=[0, 1, 2, 3, 4]))
        attempt(lambda: leaf.slice(0, 1, 0, 0))
        attempt(lambda: leaf * np.ones((3, 3), np.float32))
        attempt(lambda: leaf ** Evil())
        attempt(lambda: leaf ** 10**400)
        attempt(lambda: leaf[Evil()])
        attempt(lambda: leaf[0, 9])
        attempt(lambda: leaf[[0, 9]])
        attempt(lambda: leaf[[True]])
        attempt(lambda: leaf[0, [1]])
        attempt(lambda: leaf[None, None, None])
        attempt(lambda: leaf[[0], "a"])
        attempt(lambda: leaf[[[[0, "a"]]]])
        attempt(lambda: _core.GraphBatch([0, 2], [0, 1, 2], [1, 0], [0], 2))
        attempt(lambda: _core.Adam([leaf], lr="a"))
        attempt(lambda: _core.Adam([leaf]).step("a"))
        attempt(lambda: np.asarray(leaf, dtype="O5"))
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    def state():
        gc.collect()
        return resident(), sys.getallocatedblocks(), _core.pool_stats()["live_bytes"], sys.getrefcount(w)
    for part in (once, errors):
        for _ in range(500):
            part()
        before = state()
        for _ in range(ROUNDS):
            part()
        after = state()
        grown = [b - a for a, b in zip(before, after)]
        assert grown[0] < 1_000_000, (part.__name__, grown)
        assert abs(grown[1]) < 200 and grown[2:] == [0, 0], (part.__name__, grown)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_nothing_leaks():
    """5,000 rounds of some fifty calls: one lost object of 48 bytes for each call of one kind would show."""
    run_python(LEAKS.replace("ROUNDS", "5000"))


@pytest.mark.slow
def test_leak_check_notices_a_leak():
    planted = LEAKS.replace("def once():", "kept = []\n    def once():\n        kept.append(w.tobytes())")
    with pytest.raises(AssertionError, match="once"):
        run_python(planted.replace("ROUNDS", "5000"))


def test_tensors_may_die_in_any_thread_and_at_exit():
    run_python("""
        import threading
        import numpy as np
        from crlso import _core
        x = _core.Tensor(np.ones(100_000), requires_grad=True)
        def work():
            for _ in range(20):
                y = _core.Tensor(np.ones(100_000), requires_grad=True)
                z = (x * y).sum()
                z.backward()
                del y, z
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert x.grad.numpy()[0] == 80
        keep = (x * x).tanh()  # a graph alive when the interpreter ends
    """)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["working", "holding"])
def test_the_interpreter_may_end_while_threads_work(where):
    """Daemon threads are in the core, or hold its tensors, when everything is torn down; nothing hangs or crashes."""
    program = """
        import sys, threading
        import numpy as np
        from crlso import _core
        _core.set_num_threads(3)
        ready = [threading.Event() for _ in range(3)]
        def work(event):
            w = _core.Tensor(np.full((300, 200), 0.01), requires_grad=True)
            adam = _core.Adam([w])
            x = np.ones((500, 200))
            while True:
                adam.zero_grad()
                loss = _core.linear(x, w, activation="tanh").sum()
                loss.backward()
                adam.step(0.1)
                event.set()
                if "WHERE" == "holding":
                    threading.Event().wait()
        for event in ready:
            threading.Thread(target=work, args=(event,), daemon=True).start()
        for event in ready:
            event.wait()
        kept = _core.Tensor(np.ones(1000), requires_grad=True).exp().sum()
    """
    for _ in range(5):
        run_python(program.replace("WHERE", where))


@pytest.mark.slow
def test_gradients_may_be_taken_and_cleared_while_others_run_backward():
    """What is taken is the work of whole passes, and memory that a pass still writes to is not given away."""
    x = Tensor(np.ones(5_000, np.float32), requires_grad=True)
    parts = [x.affine(1.0) for _ in range(40)]
    total = _core.concat(parts).sum()
    stop = threading.Event()

    def backward():
        while not stop.is_set():
            total.backward()

    workers = [threading.Thread(target=backward) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        taken = 0
        while taken < 100:
            grad = x.grad
            fresh = Tensor(np.zeros(5_000, np.float32)) + 5.0  # meanwhile the next pass begins
            time.sleep(1e-5)
            x.grad = None
            if grad is not None:
                assert (grad.numpy() % 40 == 0).all()
                taken += 1
            assert parts[0].grad is None
            assert (fresh.numpy() == 5).all()
    finally:
        stop.set()
        for worker in workers:
            worker.join()
