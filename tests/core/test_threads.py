"""Results do not depend on the number of threads, nor on what other threads do at the same time; forks are safe."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso import _core

from ..twins import operations as op_cases

Tensor = _core.Tensor


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    before = _core.get_num_threads()
    _core.set_num_threads(n)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def big_cells(n: int) -> _core.GraphBatch:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, size=(n, 6)).astype(np.uint8)
    return _core.cell_graph(codes, np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]), 4, 5)


def uneven_graphs() -> _core.GraphBatch:
    """Graphs of 0 to 90 nodes with edges at random: chunks of very different sizes."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(0, 90, size=60)
    nodes = np.concatenate([[0], np.cumsum(sizes)])
    sources, counts = [], []
    for first, size in zip(nodes, sizes):
        for _ in range(size):
            counts.append(int(rng.integers(0, 9)))
            sources.append(rng.integers(first, first + size, size=counts[-1]))
    flat = np.concatenate(sources)
    return _core.GraphBatch(nodes, np.concatenate([[0], np.cumsum(counts)]), flat, rng.integers(0, 7, flat.size), 7)


Function = Callable[..., Tensor]
ROWS = np.random.default_rng(2).integers(0, 60, size=(3000, 4))
CLASSES = np.random.default_rng(3).integers(0, 5, size=(1500, 6))
CELLS, UNEVEN = big_cells(700), uneven_graphs()

WORK: dict[str, tuple[Function, list[tuple[int, ...]]]] = {
    "linear": (lambda x, w, b: _core.linear(x, w, b, activation="tanh"), [(3001, 129), (130, 129), (130,)]),
    "linear wide": (lambda x, w, b: _core.linear(x, w, b, activation="leaky_relu"), [(33, 700), (900, 700), (900,)]),
    "matmul": (lambda a, b: _core.matmul(a, b, True, True), [(300, 257), (259, 300)]),
    "exp": (lambda x: x.exp(), [(70_001,)]),
    "leaky_relu": (lambda x: x.leaky_relu(), [(501, 203)]),
    "row": (lambda x, y: x * y + y, [(2001, 77), (77,)]),
    "gather_rows": (lambda t: _core.gather_rows(t, ROWS), [(60, 257)]),
    "gather_rows one": (lambda t: _core.gather_rows(t, ROWS[:, 0]), [(60, 129)]),
    "message_pass": (lambda t, s, e: _core.message_pass(t, s, e, CELLS), [(2800, 65), (2800, 65), (5, 65)]),
    "message_pass uneven": (
        lambda t, s, e: _core.message_pass(t, s, e, UNEVEN),
        [(UNEVEN.n_nodes, 33), (UNEVEN.n_nodes, 33), (7, 33)],
    ),
    "sum_pool": (lambda x: _core.sum_pool(x, CELLS), [(2800, 129)]),
    "sum_pool uneven": (lambda x: _core.sum_pool(x, UNEVEN), [(UNEVEN.n_nodes, 200)]),
    "cross entropy": (lambda x: _core.softmax_cross_entropy(x, CLASSES), [(1500, 6, 5)]),
    "mean": (lambda x: x.mean(), [(70_001,)]),
    "icnn_layer": (
        lambda h, z, w, u: _core.icnn_layer(h, z, w.square(), u),
        [(999, 129), (999, 65), (128, 129), (128, 65)],
    ),
}


def results_of(name: str, dtype: str) -> list[bytes]:
    """Output and gradients, to the bit."""
    function, shapes = WORK[name]
    rng = np.random.default_rng(5)
    leaves = [Tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for s in shapes]
    out = function(*leaves)
    seed = rng.normal(size=out.shape).astype(dtype)
    grads = _core.gradients(out, leaves, np.asarray(seed))
    return [t.numpy().tobytes() for t in (out, *grads)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WORK)
def test_operations_are_the_same_for_any_number_of_threads(name, dtype):
    with threads(1):
        expected = results_of(name, dtype)
    for n in (2, 3, 4):
        with threads(n):
            assert results_of(name, dtype) == expected


def train(seed: int, steps: int = 6) -> bytes:
    """A small graph network trained with clipping, decay and projection; all of its parameters."""
    rng = np.random.default_rng(seed)
    shapes = [(5, 96), (96, 96), (96, 96), (5, 96), (96,), (30, 96)]
    parameters = [Tensor((rng.normal(size=s) * 0.1).astype(np.float32), requires_grad=True) for s in shapes]
    table, k1, k2, edge, bias, head = parameters
    head.numpy()[...] = abs(head.numpy())
    head.nonnegative = True
    adam = _core.Adam(parameters, betas=(0.0, 0.9), weight_decay=1e-4, max_norm=1.0)
    kinds = rng.integers(0, 5, size=CELLS.n_nodes)
    target = rng.integers(0, 30, size=len(CELLS))
    norms = []
    for _ in range(steps):
        adam.zero_grad()
        x = _core.gather_rows(table, kinds)
        x = _core.message_pass(_core.linear(x, k1), _core.linear(x, k2), edge + bias, CELLS)
        logits = _core.nonnegative_linear(_core.sum_pool(x, CELLS), head)
        _core.softmax_cross_entropy(logits, target).backward()
        norms.append(adam.step(1e-2))
    return b"".join(p.numpy().tobytes() for p in parameters) + np.array(norms).tobytes()


def test_training_is_the_same_for_any_number_of_threads():
    with threads(1):
        expected = train(0)
        assert train(0) == expected != train(1)
    for n in (2, 3, 4):
        with threads(n):
            assert train(0) == expected


def test_adam_is_the_same_for_any_number_of_threads():
    def run():
        rng = np.random.default_rng(0)
        sizes = [100_003, 1, 8192, 8193, 30]
        parameters = [Tensor(rng.normal(size=s), requires_grad=True) for s in sizes]
        adam = _core.Adam(parameters, max_norm=0.5)
        norms = []
        for _ in range(3):
            for p in parameters:
                p.grad = None
                p.backward(rng.normal(size=p.shape))
            norms.append(adam.step(0.1))
        return norms, [p.numpy().tobytes() for p in parameters]

    with threads(1):
        expected = run()
    for n in (2, 3, 4):
        with threads(n):
            assert run() == expected


def test_icnn_is_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    m, d = 192, 33
    w, u = [[Tensor(abs(rng.normal(size=s)) / m) for _ in range(2)] for s in ((m, m), (m, d))]
    net = (
        Tensor(rng.normal(size=(m, d))),
        Tensor(np.ones(m)),
        w,
        u,
        w[0].slice(0, 1),
        u[0].slice(0, 1),
        Tensor(np.ones(1)),
    )
    frozen, z = _core.FrozenICNN(net), rng.normal(size=(1500, d))
    results = []
    for n in (1, 2, 3, 4):
        with threads(n):
            results.append([a.tobytes() for a in (*frozen.evaluate(z), frozen.descend(z, np.ones(1500)))])
    assert results[1:] == [results[0]] * 3


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3])
def test_two_python_threads_at_once(n):
    """Both want the pool: one of them gets it, and both get the same results as alone."""
    with threads(n):
        expected = [train(seed) for seed in range(3)]
        got: dict[int, list[bytes]] = {}

        def work(seed):
            got[seed] = [train(seed) for _ in range(3)]

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert got == {seed: [expected[seed]] * 3 for seed in range(3)}


def test_the_number_of_threads_may_change_while_another_thread_works():
    with threads(2):
        expected, got, done = train(0), [], threading.Event()

        def work():
            got.extend(train(0) for _ in range(6))
            done.set()

        worker = threading.Thread(target=work)
        worker.start()
        k = 0
        while not done.is_set():
            _core.set_num_threads(1 + k % 4)
            k += 1
            done.wait(0.002)
        worker.join()
        assert got == [expected] * 6 and k > 3


@pytest.mark.parametrize("n", [0, -1, 257, 2**31, 2**40, 2**70, True, 1.0, "2", None])
def test_bad_numbers_of_threads(n):
    before = _core.get_num_threads()
    with pytest.raises((TypeError, ValueError), match="n: expected"):
        _core.set_num_threads(n)
    assert _core.get_num_threads() == before


def test_many_more_threads_than_processors():
    with threads(1):
        expected = results_of("linear", "float32")
    with threads(64):
        assert results_of("linear", "float32") == expected


def test_all_cases_of_all_operations_with_three_threads():
    with threads(1):
        expected = op_cases.evaluate(np.float64)
    with threads(3):
        for name, value in op_cases.evaluate(np.float64).items():
            assert value.tobytes() == expected[name].tobytes(), name


FORKING = """
    import os, sys, threading, time
    import numpy as np
    from crlso import _core
    Tensor = _core.Tensor

    def work():
        w = Tensor(np.full((300, 200), 0.01), requires_grad=True)
        adam = _core.Adam([w])
        for _ in range(3):
            adam.zero_grad()
            _core.linear(np.ones((500, 200)), w, activation="tanh").sum().backward()
            adam.step(0.1)
        return w.numpy().copy()

    _core.set_num_threads(THREADS)
    expected = work()
    busy, stop = threading.Event(), threading.Event()

    def background():
        x = Tensor(np.ones((200, 200)), requires_grad=True)
        while not stop.is_set():
            _core.matmul(x, x).tanh().sum().backward()
            busy.set()

    workers = [threading.Thread(target=background) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    if workers:
        busy.wait()
    for k in range(30):
        child = os.fork()
        if child == 0:
            good = (work() == expected).all()
            _core.set_num_threads(2)
            os._exit(0 if good and (work() == expected).all() else 1)
        for _ in range(6000):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.005)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os._exit(3)
        if status != 0:
            os._exit(4)
        if k % 10 == 0 and not (work() == expected).all():
            os._exit(5)
    stop.set()
    for worker in workers:
        worker.join()
    print("forked")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("threads", "workers"), [(3, 0), (3, 2), (1, 2)])
def test_forked_children_work(threads, workers):
    """Children of a process whose pool runs, also while other threads hold the core's locks; the parent goes on."""
    env = {**os.environ, "PYTHONPATH": str(Path(crlso.__file__).parents[1]), "PYTHONWARNINGS": "ignore"}
    code = textwrap.dedent(FORKING).replace("WORKERS", str(workers)).replace("THREADS", str(threads))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "forked\n"), done.stderr
