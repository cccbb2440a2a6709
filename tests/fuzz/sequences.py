"""Random sequences of operations on tensors, against NumPy twins and central differences in double precision.

A case draws arrays and then operations on whatever there is so far, so that results are used again, broadcast, sliced
and joined. Every value must be that of the twin, and the derivative along a random direction that of differences of the
twins. Operations that bend, such as relu and max, are drawn only where no argument is near the bend.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from crlso import _core
from tests.fuzz.cases import Chance, Fault, Harness, Step
from tests.twins.operations import MIXED, TWINS

LENGTH = 14  # most operations of a case
LARGEST = 30.0  # values beyond it are not made: differences would lose their digits
NEAR = 1e-3  # of a bend
SMALL_STEP = 2e-5
SHAPES = ((), (1,), (4,), (3, 1), (1, 4), (3, 4), (6, 3), (6, 2), (2, 3, 4), (2, 1, 4), (1, 2, 3, 2), (40, 33))


class Leaf(NamedTuple):
    """An array to begin with."""

    array: np.ndarray
    requires_grad: bool = True


class Call(NamedTuple):
    """An operation on what the nodes of these numbers are."""

    op: str
    inputs: tuple[int, ...]
    attributes: dict[str, Any]


Node = Leaf | Call
Operations = dict[str, Callable[..., Any]]
_OWN_TWINS: Operations = {
    # The twin of the tests of operations takes log(1 - p), which has few digits left where p is nearly 1.
    "binary_cross_entropy": lambda x, t: np.sum(np.logaddexp(0, x) - t * x) / len(x),
    "index": lambda x, key: x[key],
    "concat": lambda *parts, axis: np.concatenate(parts, axis=axis),
}
_OWN_CORE: Operations = {
    "index": lambda x, key: x[key],
    "concat": lambda *parts, axis: _core.concat(list(parts), axis),
}
CORE: Operations = {**{name: getattr(_core, name) for name in TWINS}, **_OWN_CORE}
NUMPY: Operations = {**TWINS, **_OWN_TWINS}


# ---- drawing ----


class Drawing:
    """The nodes of a case and their values, while it is drawn."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.nodes: list[Node] = []
        self.values: list[np.ndarray] = []

    def normal(self, *shape: int) -> np.ndarray:
        return self.chance.random.normal(size=shape)

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> int:
        """Add an array and return its number."""
        self.nodes.append(Leaf(array, requires_grad))
        self.values.append(array)
        return len(self.nodes) - 1

    def any(self, fits: Callable[[np.ndarray], bool] = lambda _: True) -> int | None:
        """Return the number of a value that fits, rather a late one; None if there is none."""
        found = [number for number, value in enumerate(self.values) if fits(value)]
        return max(self.chance.of(found), self.chance.of(found)) if found else None

    def add(self, call: Call) -> None:
        """Add an operation, unless its value is not one for differences."""
        with np.errstate(all="ignore"):
            value = np.asarray(NUMPY[call.op](*(self.values[i] for i in call.inputs), **call.attributes), float)
        if np.isfinite(value).all() and np.abs(value).max(initial=0.0) <= LARGEST and value.size <= 4000:
            self.nodes.append(call)
            self.values.append(value)


def _is_off(x: np.ndarray) -> bool:
    """Whether no element is near 0."""
    return bool(np.abs(x).min(initial=1.0) > NEAR)


def _is_positive(x: np.ndarray) -> bool:
    return bool(x.min(initial=1.0) > 0.05)


def _unary(drawing: Drawing) -> Call | None:
    name = drawing.chance.of("tanh sigmoid softplus exp square transpose affine".split())
    attributes = {"scale": float(drawing.normal()), "shift": float(drawing.normal())} if name == "affine" else {}
    x = drawing.any()
    return None if x is None else Call(name, (x,), attributes)


def _bent(drawing: Drawing) -> Call | None:
    name = drawing.chance.of(["relu", "abs", "leaky_relu"])
    x = drawing.any(_is_off)
    return None if x is None else Call(name, (x,), {"slope": 0.2} if name == "leaky_relu" else {})


def _of_positive(drawing: Drawing) -> Call | None:
    x = drawing.any(_is_positive)
    return None if x is None else Call(drawing.chance.of(["log", "sqrt"]), (x,), {})


def _binary(drawing: Drawing) -> Call | None:
    name = drawing.chance.of("add sub mul mul div pow".split())
    x = drawing.any(_is_positive if name == "pow" else lambda _: True)
    if x is None:
        return None

    def fits(y: np.ndarray) -> bool:
        try:
            np.broadcast_shapes(drawing.values[x].shape, y.shape)
        except ValueError:
            return False
        return name != "div" or bool(np.abs(y).min(initial=1.0) > 0.05)

    y = drawing.any(fits)
    if y is None:
        return None
    return Call(name, (x, y) if name in ("div", "pow") or drawing.chance.coin() else (y, x), {})


def _axes(drawing: Drawing, ndim: int) -> Any:
    axes = drawing.chance.random.permutation(ndim)[: drawing.chance.below(ndim + 1)].tolist()
    return drawing.chance.of([None, tuple(axes), *(axis - drawing.chance.of([0, ndim]) for axis in axes)])


def _reduction(drawing: Drawing) -> Call | None:
    x = drawing.any(lambda value: value.size > 0)
    if x is None:
        return None
    name, value = drawing.chance.of(["sum", "mean", "max", "min"]), drawing.values[x]
    axis = _axes(drawing, value.ndim)
    if name in ("max", "min") and np.diff(np.sort(value, axis=None)).min(initial=1.0) < NEAR:
        return None  # two elements are equal, or nearly so
    return Call(name, (x,), {"axis": axis, "keepdims": drawing.chance.coin()})


def _softmax(drawing: Drawing) -> Call | None:
    x = drawing.any(lambda value: value.ndim > 0)
    return None if x is None else Call("softmax", (x,), {"axis": drawing.chance.below(drawing.values[x].ndim)})


def _shape(drawing: Drawing) -> Call | None:
    x = drawing.any(lambda value: value.ndim > 0 and value.size > 0)
    if x is None:
        return None
    shape, chance = drawing.values[x].shape, drawing.chance
    axis = chance.below(len(shape))
    if chance.coin(0.3):
        return Call("reshape", (x,), {"shape": (*shape[:axis], -1) if chance.coin() else shape[::-1]})
    if chance.coin(0.3):
        key = (..., chance.of([0, -1, slice(None, None, -1), slice(1, None), None, slice(0, 0)]))
        return Call("index", (x,), {"key": key if len(shape) < 4 or key[1] is not None else (...,)})
    if chance.coin(0.3):
        return Call("index", (x,), {"key": chance.random.integers(0, shape[0], size=chance.below(5)).tolist()})
    if chance.coin(0.3):
        return Call("concat", (x, x), {"axis": axis})
    start, stop = sorted((chance.below(shape[axis] + 1), chance.below(shape[axis] + 1)))
    return Call("slice", (x,), {"start": start, "stop": stop, "axis": axis, "step": chance.of([1, 1, 2])})


def _with_weight(drawing: Drawing) -> Call | None:
    x = drawing.any(lambda value: value.ndim > 0)
    if x is None:
        return None
    name, width = drawing.chance.of(["linear", "nonnegative_linear"]), drawing.values[x].shape[-1]
    weight = drawing.normal(1 + drawing.chance.below(4), width) / np.sqrt(width + 1)
    w = drawing.leaf(np.abs(weight) + 0.01 if name == "nonnegative_linear" else weight)
    b = drawing.leaf(drawing.normal(len(weight)))
    activation = drawing.chance.of(["none", "tanh", "softplus"])
    return Call(name, (x, w, b), {"activation": activation} if name == "linear" else {})


def _of_tables(drawing: Drawing) -> Call | None:
    """Operations on rows: products, gathered rows, graphs, networks."""
    chance = drawing.chance
    x = drawing.any(lambda value: value.ndim == 2 and value.size > 0)
    if x is None:
        return None
    rows, width = drawing.values[x].shape
    name = chance.of("matmul gather_rows sum_pool message_pass icnn_layer softmax_cross_entropy".split())
    if name == "matmul":
        transposed = chance.coin()
        return Call(name, (x, x), {"transpose_a": transposed, "transpose_b": not transposed})
    if name == "gather_rows":
        return Call(name, (x,), {"index": chance.random.integers(0, rows, size=(1 + chance.below(6), 2))})
    if name == "softmax_cross_entropy":
        return Call(name, (x,), {"target": chance.random.integers(0, width, size=rows)})
    if name == "icnn_layer":
        weight, skip = np.abs(drawing.normal(3, width)) + 0.01, drawing.normal(3, width)
        w, u = drawing.leaf(weight), drawing.leaf(skip)
        value = drawing.values[x]
        return Call(name, (x, x, w, u), {}) if _is_off(value @ weight.T) and _is_off(value @ skip.T) else None
    if rows != MIXED.n_nodes:
        return None
    if name == "sum_pool":
        return Call(name, (x,), {"graph": MIXED})
    types = drawing.leaf(drawing.normal(MIXED.n_types, width))
    _, edges, sources, kinds = MIXED.arrays
    value, targets = drawing.values[x], np.repeat(np.arange(rows), np.diff(edges))
    sums = value[targets] + value[sources] + drawing.values[types][kinds]
    return Call(name, (x, x, types), {"graph": MIXED, "slope": 0.3}) if _is_off(sums) else None


def _of_pairs(drawing: Drawing) -> Call | None:
    chance = drawing.chance
    x = drawing.any(lambda value: value.ndim > 0 and len(value) > 0)
    if x is None:
        return None
    y = drawing.any(lambda value: value.shape == drawing.values[x].shape)
    name = chance.of(["mse", "kl_normal", "binary_cross_entropy", "gaussian"])
    if name == "gaussian":
        return Call(name, (x, y, drawing.leaf(drawing.normal(*drawing.values[x].shape), False)), {"scale": 0.5})
    if name == "binary_cross_entropy":
        y = drawing.leaf(chance.random.uniform(size=drawing.values[x].shape), False)
    return Call(name, (x, y), {})


MAKERS = (_unary, _unary, _bent, _of_positive, _binary, _binary, _binary, _reduction, _softmax, _shape, _shape)
MAKERS += (_with_weight, _of_tables, _of_tables, _of_pairs)


def draw(chance: Chance) -> list[Node]:
    """Draw a case: leaves and operations on them."""
    drawing = Drawing(chance)
    for _ in range(1 + chance.below(4)):
        drawing.leaf(drawing.normal(*chance.of(SHAPES)))
    for _ in range(3 + chance.below(LENGTH - 2)):
        call = chance.of(MAKERS)(drawing)
        if call is not None:
            drawing.add(call)
    return drawing.nodes


# ---- comparing ----


def text_of(nodes: list[Node]) -> str:
    """What a case does, as a line of text."""
    words = []
    for number, node in enumerate(nodes):
        if isinstance(node, Leaf):
            words.append(f"{number} = array{node.array.shape}")
        else:
            attributes = "".join(f", {name}={value}" for name, value in node.attributes.items() if name != "graph")
            words.append(f"{number} = {node.op}({', '.join(map(str, node.inputs))}{attributes})")
    return "; ".join(words)


def evaluate(nodes: list[Node], leaves: list[Any], operations: Operations) -> list[Any]:
    """Return the value of every node."""
    values: list[Any] = []
    rest = iter(leaves)
    for node in nodes:
        if isinstance(node, Leaf):
            values.append(next(rest))
        else:
            values.append(operations[node.op](*(values[i] for i in node.inputs), **node.attributes))
    return values


def check(nodes: list[Node], chance: Chance, operations: Operations) -> None:
    """Raise Fault unless values and derivatives are those of the twins."""
    arrays = [node.array for node in nodes if isinstance(node, Leaf)]
    leaves = [
        _core.Tensor(node.array.copy(), requires_grad=node.requires_grad) for node in nodes if isinstance(node, Leaf)
    ]
    tensors = evaluate(nodes, leaves, operations)
    expected = evaluate(nodes, arrays, NUMPY)
    for number, (tensor, value) in enumerate(zip(tensors, expected)):
        if tensor.shape != np.shape(value) or not np.allclose(tensor.numpy(), value, 1e-9, 1e-10):
            raise Fault(f"the value of {getattr(nodes[number], 'op', 'a leaf')}, number {number}, is not that of NumPy")
    weights = [chance.random.normal(size=np.shape(value)) for value in expected]
    directions = [chance.random.normal(size=a.shape) * leaf.requires_grad for a, leaf in zip(arrays, leaves)]
    found = sum(float(np.sum(g * d)) for g, d in zip(_gradients(tensors, leaves, weights, chance), directions))

    def total(step: float) -> float:
        moved = [a + step * d for a, d in zip(arrays, directions)]
        with np.errstate(all="ignore"):
            values = evaluate(nodes, moved, NUMPY)
        return sum(float(np.sum(w * v)) for w, v in zip(weights, values))

    coarse, fine = ((total(h) - total(-h)) / (2 * h) for h in (SMALL_STEP, SMALL_STEP / 2))
    scale = 1 + abs(found) + abs(fine)
    if abs(coarse - fine) > 1e-4 * scale:
        return  # too steep here for differences
    if not abs(found - (4 * fine - coarse) / 3) <= 1e-5 * scale:
        raise Fault(f"a derivative is {found:.9g}; differences give {fine:.9g}")


def _gradients(tensors: list[Any], leaves: list[Any], weights: list[np.ndarray], chance: Chance) -> list[np.ndarray]:
    """The gradients of the weighted sum of all values, in one of two ways."""
    wanted = [pair for pair in zip(tensors, weights) if pair[0].requires_grad]
    if chance.coin():
        for tensor, weight in wanted:
            tensor.backward(weight)
        grads = [leaf.grad for leaf in leaves]
    else:
        trained = [leaf for leaf in leaves if leaf.requires_grad]
        parts = [(tensor * weight).sum() for tensor, weight in wanted]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        rest = iter(_core.gradients(total, trained))
        grads = [next(rest) if leaf.requires_grad else None for leaf in leaves]
    return [np.zeros(leaf.shape) if grad is None else grad.numpy() for grad, leaf in zip(grads, leaves)]


def harness(planted: str | None) -> Harness:
    """The harness of sequences; another module may replace operations, to plant faults."""
    replaced: Operations = getattr(importlib.import_module(planted), "REPLACED", {}) if planted else {}
    operations = {**CORE, **replaced}

    def steps(chance: Chance) -> Iterator[Step]:
        nodes = draw(chance)
        yield text_of(nodes), lambda: check(nodes, chance, operations)

    return Harness(steps, ())
