"""Arguments for random calls: values that fit an argument's name, and values that fit nothing.

One object draws all values of a case, so that shapes and spaces often agree with each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from crlso import GraphBatch, Tensor, _core, nn, spaces
from crlso.benchmarks import Function, Tabular
from crlso.benchmarks import NASBench201 as Benchmark201
from crlso.random import Stream
from tests.fuzz.cases import Chance

LARGE = (255, 256, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**31) - 1, -(2**63) - 1)
NUMBERS = (0, 1, -1, 2, 3, 7, 10**30, 0.0, -0.0, 0.5, 1.0, 1.5, -2.5, 1e-300, 1e300, -1e300, 5e-324)
NOT_FINITE = (math.inf, -math.inf, math.nan)
TEXTS = (
    "",
    "a",
    "\0",
    "é",
    "\ud800",
    "a" * 5000,
    "cr-lso",
    "none",
    "0",
    "-1",
    "nan",
    " ",
    "\n",
    "%s%n",
    "{0}",
    "[]",
    "|~0|",
)
DTYPES = "float32 float64 float16 int8 uint8 int64 uint64 bool complex64 object U3 S2 datetime64[s] >f4 i4,f8".split()
OPERATIONS = ("conv", "pool", "skip_connect", "none", "nor_conv_1x1", "sep_conv_3x3")
# Arguments that say how much work to do: a large one is no fault of the program, so these stay small or are invalid.
WORK = frozenset(
    """budget candidates directions epochs generations jobs labels layers n nodes population reservoir samples seconds
    seeds segments starts steps width latent sizes inputs outputs kinds edge_types degree initial batch tournament
    input_nodes operations""".split()
)


class Odd:
    """An object whose methods raise, or return what they should not."""

    def __init__(self, how: str) -> None:
        self.how = how

    def _answer(self, *_: object) -> Any:
        if self.how == "raise":
            raise ValueError("odd")
        return {"text": "odd", "number": 10**40, "self": self, "none": None}[self.how]

    __index__ = __float__ = __len__ = __iter__ = __array__ = __fspath__ = __getitem__ = _answer

    def __repr__(self) -> str:
        return f"Odd({self.how!r})"


def value_of(cell: Any) -> float:
    """A function to maximise: the number of operations that are not 0."""
    return float(np.count_nonzero(getattr(cell, "codes", 0)))


def _spaces() -> tuple[Any, ...]:
    return (
        spaces.NASBench201(),
        spaces.CellSpace(nodes=4, operations=["conv", "pool"], operations_on="nodes", edges="free"),
        spaces.CellSpace(nodes=3, operations=["conv", "skip_connect", "none"]),
        spaces.CellSpace(nodes=5, operations=["conv", "pool"], edges="free", input_nodes=2),
        spaces.NASBenchMacro(),
        spaces.DARTS(),
        spaces.NASBench101(),
    )


class Values:
    """Draws arguments; `objects` makes an instance of a class by its name."""

    def __init__(self, chance: Chance, objects: Callable[[str], Any]) -> None:
        self.chance, self.objects = chance, objects
        self.space = chance.of(_spaces()[: 5 if chance.coin(0.85) else 7])
        self.sizes = [chance.of((0, 1, 2, 3, 5, 8, 33)) for _ in range(3)]
        self.dtype = chance.of(("float32", "float32", "float64"))

    # -- what fits nothing -------------------------------------------------------------------------------------------

    def shape(self) -> tuple[int, ...]:
        """Return a shape in which the sizes of this case often occur."""
        n, d, k = self.sizes
        usual = ((n, d), (n, d), (d,), (n,), (k, d), (d, k), (d, d), (), (1,), (n, k, d), (1, n, 1, d), (0,), (2, 0))
        return tuple(self.chance.of(usual))

    def anything(self, depth: int = 0) -> Any:
        """Return a value of any kind."""
        kinds: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: self.chance.of((True, False, np.True_)),
            lambda: self.chance.of((*NUMBERS, *NOT_FINITE)),
            lambda: self.chance.of(LARGE),
            lambda: self.chance.of(TEXTS),
            lambda: self.chance.of((b"", b"\xff\x00", bytearray(3), memoryview(b"abc"))),
            lambda: Odd(self.chance.of(("raise", "text", "number", "self", "none"))),
            lambda: self.chance.of((int, value_of, iter([1, 2]), 1j, {1, 2}, range(5), np, Ellipsis, ValueError("x"))),
            lambda: self.chance.of((np.int64(3), np.float32("nan"), np.uint8(9), np.str_("a"), np.datetime64(1, "s"))),
            lambda: self.odd_array(),
            lambda: self.array(),
            lambda: Tensor(self.array(), requires_grad=self.chance.coin()),
            lambda: self.chance.of((self.space, Stream(1), _core.CellSet(), _core.Points(np.eye(3)))),
            lambda: [self.anything(depth + 1) for _ in range(self.chance.below(4))] if depth < 3 else [],
            lambda: tuple(self.anything(depth + 1) for _ in range(self.chance.below(4))) if depth < 3 else (),
            lambda: {self.chance.of(TEXTS): self.anything(depth + 1) for _ in range(2)} if depth < 3 else {},
        )
        return self.chance.of(kinds)()

    def odd_array(self) -> Any:
        """Return an array of any type, with strides, bytes or permissions that are not the usual ones."""
        array = np.zeros(self.shape(), dtype=self.chance.of(DTYPES))
        change = self.chance.below(5)
        if change == 0 and array.ndim:
            return array[::-1]
        if change == 1:
            return array.T
        if change == 2:
            array.flags.writeable = False
        if change == 3:
            return np.broadcast_to(array, (2, *array.shape))
        return array

    def array(self, shape: tuple[int, ...] | None = None) -> Any:
        """Return an array of numbers, most of them moderate."""
        shape = self.shape() if shape is None else shape
        array = self.chance.random.normal(size=shape).astype(self.dtype)
        if array.size and self.chance.coin(0.1):
            array.flat[self.chance.below(array.size)] = self.chance.of((np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30))
        return array

    # -- what fits a name --------------------------------------------------------------------------------------------

    def argument(self, name: str, annotation: str = "") -> Any:
        """Return a value for an argument, mostly one that fits its name or its annotation."""
        share = self.chance.random.random()
        if share < 0.75:
            make = getattr(self, f"_{name.lstrip('_')}", None) or self._by_annotation(annotation)
            if make is not None:
                return make()
        value = self.anything()
        while name in WORK and isinstance(value, (int, float, np.number)) and 20 < value < 2**63:
            value = self.anything()
        return value

    def _by_annotation(self, annotation: str) -> Callable[[], Any] | None:
        plain = {
            "int": lambda: self.chance.below(6),
            "float": lambda: self.chance.of((0.0, 0.1, 0.5, 1.0, 2.0)),
            "bool": self.chance.coin,
            "str": lambda: self.chance.of(TEXTS[:2]),
            "Codes": self._codes,
            "T": self._x,
            "X": self._index,
            "G": self._graph,
            "f": lambda: self.chance.of((0.01, 0.5, 1.0)),
            "i": lambda: self.chance.of((0, 1, -1)),
            "b": self.chance.coin,
            "S": self.shape,
            "A": self._activation,
        }
        first = annotation.split("|")[0].strip().removesuffix("?")
        return plain.get(first) or (self._x if "Array" in annotation or "Floats" in annotation else None)

    def _x(self) -> Any:
        array = self.array()
        return array if self.chance.coin(0.4) else Tensor(array, requires_grad=self.chance.coin())

    _z = _data = _a = _b = _h = _values = _logits = _mu = _x

    def _y(self) -> Any:
        return self.array((self.sizes[0],)) if self.chance.coin() else self._x()

    def _weight(self) -> Any:
        return Tensor(np.abs(self.array()), requires_grad=True)

    def _step(self) -> Any:
        return self.chance.of((0, 1, 0.1, 2**64 - 1, self.array((self.sizes[0],))))

    def _value(self) -> Any:
        return self.chance.of((90.5, 1, np.float32(3.0), np.array(2.0), 1e30, -1e9))

    def _shape(self) -> Any:
        return self.chance.of((self.shape(), 3, [2, 2], (-1,)))

    def _dtype(self) -> Any:
        return self.chance.of(("float32", "float64", np.float32, "f8"))

    def _axis(self) -> Any:
        return self.chance.of((0, 1, -1, 2, None))

    def _index(self) -> Any:
        n = max(1, self.sizes[0])
        return self.chance.random.integers(0, n, size=self.chance.of(((n,), (n, 2), (0,), (self.sizes[1],))))

    _target = _rows = _positions = _index

    def _graph(self) -> GraphBatch:
        return GraphBatch([0, 2, 3], [0, 0, 1, 2], [0, 2], [0, 1], 2)

    def _activation(self) -> str:
        return str(self.chance.of(("none", "relu", "leaky_relu", "tanh", "sigmoid", "softplus")))

    def _parameters(self) -> Any:
        return [Tensor(self.array(), requires_grad=True) for _ in range(1 + self.chance.below(3))]

    _tensors = _parameters

    def _output(self) -> Tensor:
        return (Tensor(self.array(), requires_grad=True) * 2.0).sum()

    def _layers(self) -> Any:
        return self.chance.of((1, 2, [(Tensor(self.array((4, 3))), None), (Tensor(self.array((2, 4))), None)]))

    def _sizes(self) -> list[int]:
        return [1 + self.chance.below(5) for _ in range(2 + self.chance.below(2))]

    def _small(self) -> int:
        return self.chance.of((1, 2, 3, 5))

    _inputs = _outputs = _kinds = _edge_types = _degree = _width = _latent = _n = _k = _small
    _population = _tournament = _batch_size = _initial = _batch = _candidates = _starts = _samples = _small
    _directions = _segments = _labels = _generations = _small

    def _epochs(self) -> int:
        return self.chance.of((0, 1, 2))

    def _budget(self) -> int:
        return self.chance.of((1, 3, 8))

    _reservoir = _budget

    def _jobs(self) -> Any:
        return self.chance.of((1, 1, 0, -1, "a"))

    def _seeds(self) -> Any:
        return self.chance.of((1, 2, [0, 3]))

    def _seconds(self) -> float:
        return 0.001

    def _rng(self) -> Any:
        return self.chance.of((0, 7, np.random.default_rng(1), np.random.SeedSequence(2), Stream(3)))

    def _seed(self) -> int:
        return self.chance.of((0, 1, 2**64 - 1))

    def _stream(self) -> Stream:
        return Stream(self.chance.below(9))

    def _space(self) -> Any:
        return self.space if self.chance.coin(0.9) else self.chance.of(_spaces())

    def _codes(self) -> Any:
        n = self.chance.of((0, 1, 1, 2, 5))
        if self.chance.coin(0.3):
            return self.chance.random.integers(0, 6, size=(n, len(self.space.cardinalities)), dtype=np.uint8)
        return self.space.sample(n, rng=self.chance.below(1000))

    def _cells(self) -> Any:
        codes = self._codes()
        how = self.chance.below(4)
        if how == 0:
            return self.space.cells(self.space.sample(2, rng=1))
        return [codes.tolist(), codes, list(map(tuple, codes))][how - 1]

    def _cell(self) -> Any:
        cell = self.space.cells(self.space.sample(1, rng=self.chance.below(1000)))[0]
        return self.chance.of((cell, cell, cell.codes, str(cell), list(cell.codes), f"{cell}\n"))

    def _text(self) -> Any:
        return str(self.space.cells(self.space.sample(1, rng=self.chance.below(1000)))[0])

    def _nodes(self) -> int:
        return self.chance.of((2, 3, 4, 5))

    def _operations(self) -> Any:
        return list(OPERATIONS[: 1 + self.chance.below(6)])

    _zero = _identity = _operations

    def _operations_on(self) -> str:
        return self.chance.of(("edges", "nodes"))

    def _edges(self) -> Any:
        return self.chance.of(("complete", "free", [(0, 1), (1, 2), (0, 2)], np.array([[0, 1], [1, 2]])))

    def _level(self) -> str:
        return self.chance.of(("function", "isomorphism"))

    def _dataset(self) -> Any:
        return self.chance.of(("cifar10", "cifar100", "ImageNet16-120", None))

    def _f(self) -> Any:
        return self.chance.of((value_of, lambda x: (x * x).sum(), lambda *_: 1.0, lambda *_: math.nan, lambda *_: "a"))

    _score = _test = _on_epoch = _f

    def _benchmark(self) -> Any:
        codes = self.space.sample(6, rng=0, unique_classes=True)
        table = Tabular(self.space, codes, np.arange(float(len(codes))))
        return self.chance.of((Function(self.space, value_of, name="count"), table, Benchmark201()))

    def _benchmarks(self) -> Any:
        return [self._benchmark()]

    def _method(self) -> Any:
        return self.chance.of(("random", "local", "evolution", "gp", "cr-lso", "evolution:population=5"))

    def _methods(self) -> Any:
        return [self._method() for _ in range(1 + self.chance.below(2))]

    def _executor(self) -> None:
        return None

    _progress = _max_norm = _ax = _executor

    def _callbacks(self) -> Any:
        return self.chance.of(((), [lambda *_: None]))

    def _path(self) -> Any:
        return self.chance.of(("new", "missing/new", ".", "", "old", b"new"))

    _cache = _api = _path

    def _betas(self) -> Any:
        return self.chance.of(((0.9, 0.99), (0.0, 0.0), [0.5, 0.5], (1.0, 1.0), (math.nan, 0.9)))

    def _learning_rate(self) -> Any:
        return self.chance.of((0.001, 0.1, 0.0))

    def _state(self) -> Any:
        return self.chance.of(("complete", "failed", nn.MLP([3, 2], Stream(0)).state()))

    def _trial(self) -> Any:
        return self.objects("Trial")

    def _measurement(self) -> Any:
        return self.objects("Measurement")

    def _study(self) -> Any:
        return self.objects("Study")

    _studies = _study

    def _comparison(self) -> Any:
        return self.objects("Comparison")

    def _vae(self) -> Any:
        return self.objects("GraphVAE")

    def _surrogate(self) -> Any:
        return self.objects("ICNNSurrogate")

    def _kernel(self) -> Any:
        return self.objects("Kernel")

    def _features(self) -> Any:
        return self.objects("Features")

    _observed = _features

    def _process(self) -> Any:
        return self.objects("GaussianProcess")

    def _keys(self) -> Any:
        return self.chance.random.integers(0, 2**62, size=self.sizes[0])

    def _checkpoints(self) -> Any:
        return self.chance.of((None, (1, 3), [2]))
