"""Inputs and slow NumPy twins for every operation of the core, by the operation's name.

A case names the tensor inputs as float64 arrays and the other arguments as they are; a twin takes the same names. Run
as a program, it writes the outputs and gradients of all cases to the .npz file that its argument names.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from crlso import _core

GraphBatch, Tensor = _core.GraphBatch, _core.Tensor
Arrays = dict[str, Any]


class Case(NamedTuple):
    """One call of an operation."""

    inputs: Arrays  # float64 arrays, or one list of them
    attributes: Arrays
    constant: tuple[str, ...] = ()  # inputs that take no gradient

    def __repr__(self) -> str:
        shapes = [np.shape(array) for array in flatten(self.inputs)]
        return f"{shapes} {[v for v in self.attributes.values() if not isinstance(v, np.ndarray)]}"


def flatten(inputs: Arrays) -> list[np.ndarray]:
    """All arrays of a case, in order."""
    return [array for value in inputs.values() for array in (value if isinstance(value, list) else [value])]


def call(op: str, case: Case, leaves: list[Tensor]) -> Tensor:
    """The operation applied to tensors that stand for flatten(case.inputs)."""
    rest = iter(leaves)
    given = {
        name: [next(rest) for _ in value] if isinstance(value, list) else next(rest)
        for name, value in case.inputs.items()
    }
    return getattr(_core, op)(**given, **case.attributes)


def leaves_of(case: Case, dtype: Any = np.float64) -> list[Tensor]:
    """New tensors for the inputs of a case."""
    names = [n for n, v in case.inputs.items() for _ in (v if isinstance(v, list) else [v])]
    arrays = flatten(case.inputs)
    return [
        Tensor(np.array(a, dtype), requires_grad=name not in case.constant, dtype=dtype)
        for name, a in zip(names, arrays)
    ]


# ---- data ----

_rng = np.random.default_rng(20221)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(_rng.normal(size=shape))


def away(*shape: int) -> np.ndarray:
    """Normal numbers, none of them near 0, where some functions bend."""
    x = normal(*shape)
    return np.asarray(x + np.where(x < 0, -0.1, 0.1))


def positive(*shape: int) -> np.ndarray:
    return np.asarray(_rng.uniform(0.2, 3.0, size=shape))


def integers(high: int, *shape: int) -> np.ndarray:
    return _rng.integers(0, high, size=shape)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


SHAPES: list[tuple[int, ...]] = [(), (1,), (0,), (7,), (2, 3), (3, 0, 2), (2, 3, 4, 5), (67,)]

MIXED = GraphBatch([0, 2, 2, 5, 6], [0, 1, 4, 4, 6, 7, 7], ints(1, 0, 1, 1, 2, 3, 3), ints(2, 0, 0, 1, 2, 1, 0), 4)
"""Graphs of 2, 0, 3 and 1 nodes with a loop, equal edges, lonely nodes and an edge type that does not occur."""
EMPTY = GraphBatch([0], [0], ints(), ints(), 0)
LOOP = GraphBatch([0, 1], [0, 1], ints(0), ints(0), 1)
LONELY = GraphBatch([0, 1], [0, 0], ints(), ints(), 3)
CELLS = _core.cell_graph(
    np.random.default_rng(5).integers(0, 5, size=(9, 6)).astype(np.uint8),
    np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]),
    4,
    5,
)


def unary(sample: Callable[..., np.ndarray] = normal, attributes: tuple[Arrays, ...] = ({},)) -> list[Case]:
    return [Case({"x": sample(*shape)}, a) for shape in SHAPES for a in attributes]


def binary(second: Callable[..., np.ndarray] = normal, first: Callable[..., np.ndarray] = normal) -> list[Case]:
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [(shape, shape) for shape in SHAPES]
    for large, small in [
        ((5, 3), (3,)),
        ((2, 5, 3), (5, 3)),
        ((2, 5, 3), (3,)),
        ((4, 1), (1,)),
        ((3, 4), ()),
        ((3, 4), (1,)),
        ((3, 4), (1, 1)),
        ((1, 4), (4,)),
        ((1, 1), ()),
        ((0, 3), (3,)),
        ((0, 3), ()),
        ((3, 0), (0,)),
        ((2, 3, 4, 5), (4, 5)),
        ((65, 33), (33,)),
        ((2, 3), (2, 1)),
        ((2, 3), (1, 3)),
        ((2, 1), (1, 3)),
        ((3, 4), (1, 1, 1)),
        ((4, 1, 3), (2, 1)),
        ((2, 3, 4, 5), (2, 1, 4, 1)),
        ((2, 3, 4, 5), (1, 3, 1, 5)),
        ((2, 1, 3, 1), (4, 1, 5)),
        ((1, 2, 1, 3), (4, 1, 5, 1)),
        ((3, 1), (1, 0)),
        ((0, 1), (1, 3)),
        ((0, 3), (1, 3)),
        ((41, 1), (1, 37)),
    ]:
        pairs += [(large, small), (small, large)]
    return [Case({"x": first(*x), "y": second(*y)}, {}) for x, y in pairs]


def linear_cases() -> list[Case]:
    sizes = [((5, 3), 4), ((1, 1), 1), ((3,), 2), ((2, 3, 4), 5), ((2, 2, 3, 2), 3), ((0, 3), 2), ((4, 3), 0)]
    sizes += [((4, 0), 3), ((33, 17), 65), ((40, 5), 1)]
    cases = []
    for x, n in sizes:
        inputs = {"x": normal(*x), "weight": normal(n, x[-1])}
        cases.append(Case(inputs, {}))
        cases.append(Case({**inputs, "bias": away(n)}, {}))
    for kind in ("none", "leaky_relu", "relu", "tanh", "sigmoid", "softplus"):
        inputs = {"x": normal(9, 5), "weight": normal(7, 5)}
        cases.append(Case(inputs, {"activation": kind}))
        cases.append(Case({**inputs, "bias": normal(7)}, {"activation": kind, "slope": 0.2}))
    return [*cases, Case({"x": normal(2, 3), "weight": normal(4, 3)}, {"bias": None})]


def matmul_cases() -> list[Case]:
    cases = []
    for m, k, n in [(3, 4, 5), (1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 9, 1), (33, 18, 65), (4, 4, 4)]:
        for ta in (False, True):
            for tb in (False, True):
                inputs = {"a": normal(k, m) if ta else normal(m, k), "b": normal(n, k) if tb else normal(k, n)}
                cases.append(Case(inputs, {"transpose_a": ta, "transpose_b": tb}))
    return cases


SEVERAL_AXES: list[tuple[tuple[int, ...], Any]] = [
    ((2, 3), (0, 1)),
    ((2, 3), (-1,)),
    ((2, 3), ()),
    ((), ()),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), [2, 0]),
    ((2, 3, 4), (1, -1)),
    ((2, 3, 4, 5), (0, 2)),
    ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 4, 5), (3, 0)),
    ((2, 3, 4, 5), (0, 1, 3)),
    ((2, 3, 4, 5), (3, 2, 1, 0)),
    ((2, 1, 4), (0, 1)),
    ((19, 3, 37), (0, 2)),
    ((3, 0, 2), (0, 2)),
]


def reductions(sample: Callable[..., np.ndarray] = normal, empty: bool = True) -> list[Case]:
    """Cases over one axis, several and all; `empty` ones reduce no elements to one."""
    wanted = [(shape, axis) for shape in SHAPES for axis in (None, *range(-len(shape), len(shape)))]
    cases = []
    for shape, axis in [*wanted, *SEVERAL_AXES, ((0, 3), (0, 1)), ((2, 0, 3), (0, 2))]:
        lengths = shape if axis is None else [shape[a] for a in (axis if isinstance(axis, (tuple, list)) else [axis])]
        if empty or np.prod(lengths) > 0:
            cases += [Case({"x": sample(*shape)}, {"axis": axis, **keep}) for keep in ({}, {"keepdims": True})]
    return [*cases, Case({"x": sample(3, 2)}, {}), Case({"x": sample(3, 2)}, {"keepdims": True})]


def different(*shape: int) -> np.ndarray:
    """Numbers in random order, each at least 0.1 from the others: a small step keeps the largest and the smallest."""
    return np.asarray(0.1 * _rng.permutation(int(np.prod(shape))).reshape(shape) - 1.0)


def softmax_cases() -> list[Case]:
    cases = [Case({"x": 2 * normal(*s)}, {"axis": a}) for s in SHAPES if s for a in range(-len(s), len(s))]
    return [*cases, Case({"x": 3 * normal(5, 4)}, {}), Case({"x": 300 * normal(3, 4) + 5000}, {})]


def concat_cases() -> list[Case]:
    lists: list[tuple[list[tuple[int, ...]], int]] = [
        ([(3,)], 0),
        ([(3,), (0,), (2,)], 0),
        ([(2, 3), (2, 1), (2, 4)], 1),
        ([(2, 3), (1, 3)], -2),
        ([(2, 3, 2), (2, 3, 5)], -1),
        ([(2, 1, 2, 2), (2, 3, 2, 2)], 1),
        ([(0, 3), (0, 2)], 1),
        ([(1,)] * 9, 0),
    ]
    return [Case({"tensors": [normal(*s) for s in shapes]}, {"axis": axis}) for shapes, axis in lists]


def slice_cases() -> list[Case]:
    cases = []
    for shape, start, stop, axis in [
        ((1,), 0, 1, 0),
        ((7,), 2, 5, 0),
        ((7,), 0, 7, 0),
        ((7,), 3, 3, 0),
        ((4, 5), 1, 3, 0),
        ((4, 5), 1, 4, 1),
        ((4, 5), 4, 5, -1),
        ((1, 6), 2, 5, 1),
        ((2, 3, 4), 1, 2, 1),
        ((2, 3, 4, 5), 1, 4, 3),
        ((0, 3), 1, 2, 1),
        ((3, 0), 0, 0, 1),
    ]:
        cases.append(Case({"x": normal(*shape)}, {"start": start, "stop": stop, "axis": axis}))
    for shape, start, stop, axis, step in [
        ((7,), 0, 7, 0, 3),
        ((7,), 1, 6, 0, 2),
        ((7,), 6, -1, 0, -1),
        ((7,), 5, 0, 0, -2),
        ((4, 5), 3, -1, 0, -1),
        ((4, 5), 0, 5, 1, 2),
        ((4, 5), 4, 1, 1, -3),
        ((2, 3, 4), 2, -1, 1, -2),
        ((2, 3, 4, 5), 1, 4, 2, 2),
        ((4, 5), 2, 2, 1, -1),
        ((4, 5), 1, 3, 1, 2**62),
        ((4, 5), 3, 0, 1, -(2**62)),
        ((3, 0), 2, -1, 0, -1),
    ]:
        cases.append(Case({"x": normal(*shape)}, {"start": start, "stop": stop, "axis": axis, "step": step}))
    return cases


def reshape_cases() -> list[Case]:
    cases: list[tuple[tuple[int, ...], Any]] = [
        ((6,), (2, 3)),
        ((6,), -1),
        ((2, 3), 6),
        ((2, 3), (3, -1)),
        ((2, 3, 4), (-1, 2)),
        ((1,), ()),
        ((), (1, 1, 1, 1)),
        ((0, 3), (3, 0)),
        ((0,), (-1, 3)),
        ((0,), (5, 0)),
        ((2, 3), [np.int64(3), 2]),
    ]
    return [Case({"x": normal(*shape)}, {"shape": new}) for shape, new in cases]


def gather_cases() -> list[Case]:
    cases = []
    for table, index in [
        ((5, 3), ints(0, 4, 4, 0, 2)),
        ((5, 3), ints()),
        ((1, 1), ints(0)),
        ((5, 0), ints(1, 2)),
        ((4, 6), integers(4, 7, 1)),
        ((4, 6), integers(4, 7, 2)),
        ((4, 6), integers(4, 7, 4)),
        ((4, 6), integers(4, 7, 5)),
        ((4, 6), np.zeros((3, 0), np.int64)),
        ((4, 6), np.zeros((0, 4), np.int64)),
        ((4, 33), np.full((5, 4), 3)),
        ((0, 3), ints()),
    ]:
        cases.append(Case({"table": normal(*table)}, {"index": index}))
    for kind in (np.uint8, np.int16, np.uint64, ">i4"):
        cases.append(Case({"table": normal(300, 2)}, {"index": integers(256, 4).astype(kind)}))
    return cases


def loss_cases(names: tuple[str, str], second: Callable[..., np.ndarray], constant: tuple[str, ...] = ()) -> list[Case]:
    shapes = [(1,), (5,), (4, 3), (1, 1), (3, 2, 4), (2, 3, 2, 2), (3, 0), (19, 17)]
    return [Case({names[0]: normal(*s), names[1]: second(*s)}, {}, constant) for s in shapes]


def cross_entropy_cases() -> list[Case]:
    cases = []
    for shape in [(4, 5), (1, 1), (3, 1), (3, 4, 5), (2, 0, 3), (33, 7), (5, 6, 5)]:
        cases.append(Case({"logits": 3 * normal(*shape)}, {"target": integers(shape[-1], *shape[:-1])}))
    return cases


def graph_cases(messages: bool) -> list[Case]:
    cases = []
    for graph, d in [(MIXED, 3), (MIXED, 1), (MIXED, 0), (EMPTY, 2), (LONELY, 5), (LOOP, 1), (CELLS, 7), (MIXED, 300)]:
        if messages:
            inputs = {"target": normal(graph.n_nodes, d), "source": normal(graph.n_nodes, d)}
            cases.append(Case({**inputs, "types": normal(graph.n_types, d)}, {"graph": graph, "slope": 0.1}))
        else:
            cases.append(Case({"x": normal(graph.n_nodes, d)}, {"graph": graph}))
    if messages:
        inputs = {"target": normal(6, 2), "source": normal(6, 2), "types": normal(4, 2)}
        cases.append(Case(inputs, {"graph": MIXED}))
        square = GraphBatch([0, 2], [0, 1, 2], ints(1, 0), ints(0, 1), 2)  # all three inputs may be one
        cases.append(Case({name: normal(2, 3) for name in inputs}, {"graph": square}))
    return cases


def icnn_cases() -> list[Case]:
    cases = []
    for batch, m, d, n in [(4, 5, 3, 6), (1, 1, 1, 1), (0, 3, 2, 4), (3, 2, 2, 2), (17, 33, 5, 31)]:
        inputs = {"h": normal(batch, m), "z": normal(batch, d), "weight": positive(n, m), "skip": normal(n, d)}
        cases += [Case(inputs, {}), Case(inputs, {"slope": 0.3})]
    return cases


AFFINE = ({"scale": -2.5, "shift": 0.75}, {}, {"scale": 3}, {"shift": np.float32(-1.5)})

CASES: dict[str, list[Case]] = {
    "linear": linear_cases(),
    "matmul": matmul_cases(),
    "add": binary(),
    "sub": binary(),
    "mul": binary(),
    "div": binary(away),
    "pow": binary(first=positive),
    "leaky_relu": unary(away, ({}, {"slope": 0.3})),
    "relu": unary(away),
    "tanh": unary(),
    "sigmoid": unary(),
    "softplus": unary(),
    "exp": unary(),
    "log": unary(positive),
    "square": unary(),
    "sqrt": unary(positive),
    "abs": unary(away),
    "affine": unary(normal, AFFINE),
    "sum": reductions(),
    "mean": reductions(empty=False),
    "max": reductions(different, empty=False),
    "min": reductions(different, empty=False),
    "softmax": softmax_cases(),
    "concat": concat_cases(),
    "slice": slice_cases(),
    "reshape": reshape_cases(),
    "transpose": [*unary(), *(Case({"x": normal(*s)}, {}) for s in [(5, 2, 3), (1, 4), (33, 65), (2, 3, 1, 2)])],
    "gather_rows": gather_cases(),
    "softmax_cross_entropy": cross_entropy_cases(),
    "binary_cross_entropy": loss_cases(("logits", "target"), lambda *s: _rng.uniform(size=s), ("target",)),
    "mse": loss_cases(("prediction", "target"), normal),
    "kl_normal": loss_cases(("mu", "log_variance"), normal),
    "gaussian": [
        Case({"mu": normal(*s), "log_variance": normal(*s), "noise": normal(*s)}, a, ("noise",))
        for s in SHAPES
        for a in ({}, {"scale": 0.3})
    ],
    "message_pass": graph_cases(messages=True),
    "sum_pool": graph_cases(messages=False),
    "nonnegative_linear": [
        Case({"x": normal(*x), "weight": positive(n, x[-1]), **bias}, {})
        for x, n in [((5, 3), 4), ((1, 1), 1), ((0, 3), 2), ((2, 3, 4), 5), ((4, 0), 3)]
        for bias in ({}, {"bias": normal(n)})
    ],
    "icnn_layer": icnn_cases(),
}


# ---- twins ----


def leaky(x: np.ndarray, slope: float) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def activate(x: np.ndarray, kind: str, slope: float) -> np.ndarray:
    functions = {
        "none": lambda: x,
        "leaky_relu": lambda: leaky(x, slope),
        "relu": lambda: np.maximum(x, 0),
        "tanh": lambda: np.tanh(x),
        "sigmoid": lambda: sigmoid(x),
        "softplus": lambda: softplus(x),
    }
    return functions[kind]()


def linear_twin(x, weight, bias=None, activation="none", slope=0.01):
    return activate(x @ weight.T + (0 if bias is None else bias), activation, slope)


def matmul_twin(a, b, transpose_a, transpose_b):
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


def slice_twin(x, start, stop, axis, step=1):
    return np.take(x, np.arange(start, stop, step), axis=axis)


def reduction_twin(f: Callable[..., Any]) -> Callable[..., Any]:
    def twin(x, axis=None, keepdims=False):
        return f(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return twin


def softmax_twin(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True)) if x.size else x
    return e / e.sum(axis=axis, keepdims=True) if x.size else x


def gather_twin(table, index):
    rows = index if index.ndim == 2 else index[:, None]
    out = np.zeros((len(rows), table.shape[1]))
    for r, row in enumerate(rows):
        for j in row:
            out[r] += table[j]
    return out


def cross_entropy_twin(logits, target):
    picked = np.take_along_axis(logits, target[..., None], -1)[..., 0]
    return np.sum(np.log(np.sum(np.exp(logits), -1)) - picked) / len(logits)


def binary_cross_entropy_twin(logits, target):
    p = sigmoid(logits)
    return -np.sum(target * np.log(p) + (1 - target) * np.log(1 - p)) / len(logits)


def message_twin(target, source, types, graph, slope=0.01):
    _, edges, sources, kinds = graph.arrays
    out = np.zeros_like(target)
    for i in range(graph.n_nodes):
        for e in range(edges[i], edges[i + 1]):
            out[i] += leaky(target[i] + source[sources[e]] + types[kinds[e]], slope)
    return out


def pool_twin(x, graph):
    nodes = graph.arrays[0]
    return np.array([x[a:b].sum(0) for a, b in itertools.pairwise(nodes)]).reshape(graph.n_graphs, x.shape[1])


TWINS: dict[str, Callable[..., Any]] = {
    "linear": linear_twin,
    "matmul": matmul_twin,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "pow": lambda x, y: np.power(x, y),
    "leaky_relu": lambda x, slope=0.01: leaky(x, slope),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": lambda x: np.tanh(x),
    "sigmoid": sigmoid,
    "softplus": softplus,
    "exp": lambda x: np.exp(x),
    "log": lambda x: np.log(x),
    "square": lambda x: np.square(x),
    "sqrt": lambda x: np.sqrt(x),
    "abs": lambda x: np.abs(x),
    "affine": lambda x, scale=1, shift=0: scale * x + shift,
    "sum": reduction_twin(np.sum),
    "mean": reduction_twin(np.mean),
    "max": reduction_twin(np.max),
    "min": reduction_twin(np.min),
    "softmax": softmax_twin,
    "concat": lambda tensors, axis: np.concatenate(tensors, axis=axis),
    "slice": slice_twin,
    "reshape": lambda x, shape: np.reshape(x, shape),
    "transpose": lambda x: x.T,
    "gather_rows": gather_twin,
    "softmax_cross_entropy": cross_entropy_twin,
    "binary_cross_entropy": binary_cross_entropy_twin,
    "mse": lambda prediction, target: np.sum((prediction - target) ** 2) / len(target),
    "kl_normal": lambda mu, log_variance: 0.5 * np.sum(mu**2 + np.exp(log_variance) - 1 - log_variance) / len(mu),
    "gaussian": lambda mu, log_variance, noise, scale=1: mu + scale * np.exp(log_variance / 2) * noise,
    "message_pass": message_twin,
    "sum_pool": pool_twin,
    "nonnegative_linear": linear_twin,
    "icnn_layer": lambda h, z, weight, skip, slope=0.01: leaky(h @ weight.T, slope) + leaky(z @ skip.T, slope),
}


def evaluate(dtype: Any) -> dict[str, np.ndarray]:
    """Output and gradients of every case, the gradients for a fixed weight of the output."""
    results = {}
    for op, cases in CASES.items():
        for number, case in enumerate(cases):
            leaves = leaves_of(case, dtype)
            out = call(op, case, leaves)
            seed = np.cos(np.arange(out.size, dtype=dtype)).reshape(out.shape)
            grads = _core.gradients(out, [leaf for leaf in leaves if leaf.requires_grad], gradient=seed)
            for name, tensor in [("out", out), *((f"grad{i}", g) for i, g in enumerate(grads))]:
                results[f"{op}-{number}-{name}"] = tensor.numpy().copy()
    return results


if __name__ == "__main__":
    both = {f"{kind}-{k}": v for kind in ("float32", "float64") for k, v in evaluate(kind).items()}
    np.savez(sys.argv[1], isa=np.array(_core.runtime_info()["isa"]), **both)
