"""The programs whose allocations are refused: each function makes one, which returns the same bytes in every run."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

import crlso
from crlso import _core

Program = Callable[[], bytes]
Tensor = _core.Tensor
ROWS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def training_step() -> Program:
    """A graph network, its loss, backward and a step of Adam."""

    def run() -> bytes:
        codes = np.array([[0, 1, 2], [1, 1, 0]], np.uint8)
        graph = _core.cell_graph(codes, np.array([[0, 1], [0, 2], [1, 2]]), 3, 3)
        shapes = [(3, 6), (6, 6), (3, 6), (6,), (4, 6)]
        parameters = [Tensor(np.cos(np.arange(np.prod(s))).reshape(s), requires_grad=True) for s in shapes]
        table, kernel, types, bias, head = parameters
        adam = _core.Adam(parameters, max_norm=1.0, weight_decay=1e-4)
        x = _core.linear(_core.gather_rows(table, [0, 1, 2, 0, 1, 2]), kernel, bias, activation="tanh")
        pooled = _core.sum_pool(_core.message_pass(x, x, types, graph), graph)
        logits = _core.linear(pooled, head)[:, 1:]
        loss = _core.softmax_cross_entropy(logits, [0, 2]) + (logits * logits[0]).softmax().max(axis=(0, 1)) * 0.1
        loss.backward()
        norm = adam.step(1e-2)
        return b"".join(p.numpy().tobytes() for p in parameters) + np.float64(norm).tobytes()

    return run


def other_calls() -> Program:
    """What else the core has: frozen networks, sets, indexing, gradients by themselves, neighbours."""

    def run() -> bytes:
        wide, flat = Tensor(np.ones((4, 4), np.float32)), Tensor(np.ones(4, np.float32))
        ones = [Tensor(np.ones(s, np.float32)) for s in [(2, 4), 2, (2, 2), (2, 4), (1, 2), (1, 4), 1]]
        frozen = _core.FrozenICNN((ones[0], ones[1], [ones[2]], [ones[3]], *ones[4:]))
        value, gradient = frozen.evaluate(ROWS)
        found = [value, gradient, frozen.descend(ROWS, [0.1, 0.2, 0.3])]
        found.append(_core.FrozenDecoder([(wide, flat), (wide, flat), (wide, None), (wide, None)]).logits(ROWS))
        known = _core.CellSet()
        found.append(np.array([known.add(key * 77) for key in range(100)]))
        found += [known.update(np.arange(300)), known.locate([7, 77, -1])]
        distances = _core.Points(ROWS.astype(float)).squared_distances(ROWS.astype(float))
        kernel = _core.covariances([distances, distances], [0.5, 1.0], [0.5], ROWS.T[:1], ROWS.T[:1], 0.5)
        lower = _core.cholesky_rows(kernel[:0, :0], kernel, 0.1)
        found += [kernel, lower, _core.whitened_rows(lower, kernel[:0], kernel), *_core.row_moments(kernel, kernel[0])]
        found += [_core.variances([0.5], ROWS.T[:1], 0.5), *_core.mixture([0.5, 0.5], kernel[:2], kernel[:2])]
        x = Tensor(ROWS.astype(float), requires_grad=True)
        (again,) = _core.gradients((x.T @ x).exp().sum() + (x[::-1] ** 2)[..., None].mean(), [x])
        found += [again.numpy(), _core.smallest([3.0, 1.0], 1), _core.argmax_last(ROWS)]
        found.append(_core.concat([x, x[:, 1:3]], 1).numpy())
        cell = np.array([[1, 0, 1, 0, 0, 1]], np.uint8)
        near, counts = _core.cell_neighbours(cell, (1, 4, 1, True, False, 2, 3, None), True)
        keys = _core.cell_keys(near, [3] * 6)
        found += _core.cell_different(near, keys, counts, _core.cell_keys(cell, [3] * 6))
        return b"".join(np.asarray(array).tobytes() for array in found) + repr(x).encode()

    return run


def _search(method: str) -> Program:
    benchmark = crlso.benchmarks.NASBench201("cifar10")

    def run() -> bytes:
        study = crlso.search(benchmark, method, 20, 0)
        if any(trial.error is not None for trial in study.trials):  # it notes what evaluations raise, and goes on
            raise MemoryError
        return json.dumps([(str(trial.cell), trial.value) for trial in study.trials]).encode()

    return run


def random_search() -> Program:
    """Twenty queries of the simplest method: all that a search does beside choosing."""
    return _search("random")


def default_search() -> Program:
    """Twenty queries of cr-lso."""
    return _search("cr-lso")
