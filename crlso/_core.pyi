"""Types of the C core; the operations follow csrc/autodiff/ops.def."""

import builtins
from collections.abc import Iterable, Iterator, Sequence
from types import EllipsisType
from typing import Any, ClassVar, NoReturn, SupportsIndex, TypeAlias, TypedDict, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Self, disjoint_base

_Int32s: TypeAlias = npt.NDArray[np.int32]
_Operand: TypeAlias = Tensor | npt.ArrayLike
_Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
_Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
_Rows: TypeAlias = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_] | list[Any]
_Item: TypeAlias = SupportsIndex | builtins.slice[Any, Any, Any] | EllipsisType | _Rows | None
_Codes: TypeAlias = npt.NDArray[np.uint8]
_Layout: TypeAlias = tuple[int, int, int, bool, bool, int, int | None, int | None]
_Network: TypeAlias = tuple[Tensor, Tensor, Iterable[Tensor], Iterable[Tensor], Tensor, Tensor, Tensor]

class _PoolStatistics(TypedDict):
    system_allocations: int
    live_bytes: int
    pooled_bytes: int

class _RuntimeInfo(TypedDict):
    version: str
    compiler: str
    blas: str
    blas_kernel: str
    isa: str
    threads: int

OPERATIONS: dict[str, str]
"""Signature of every operation by name, as in ops.def."""

# ---- types ----

@disjoint_base
class Tensor:
    """An array of float32 or float64, at most four dimensions, that records the operations applied to it."""

    __array_ufunc__: ClassVar[None]

    def __new__(cls, data: _Operand, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> Self:
        """Make a leaf over the memory of data where it can be used as it is, else over a copy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's float32 or float64."""

    @property
    def ndim(self) -> int:
        """Number of dimensions, at most 4."""

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def T(self) -> Tensor:
        """The tensor with its axes in reverse order."""

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for this tensor."""

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None: ...
    @property
    def nonnegative(self) -> bool:
        """Whether optimisers project this parameter onto w >= 0."""

    @nonnegative.setter
    def nonnegative(self, value: bool) -> None: ...
    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward has added up, or None; assign None to clear it."""

    @grad.setter
    def grad(self, value: None) -> None: ...
    def numpy(self) -> npt.NDArray[Any]:
        """Return the tensor's memory as a NumPy array, without copying."""

    def detach(self) -> Tensor:
        """Return the same memory as a constant."""

    def item(self) -> float:
        """Return the value of a tensor of one element."""

    def backward(self, gradient: _Operand | None = None) -> None:
        """Add the gradient of this tensor to grad of every leaf that requires one."""

    def __setstate__(self, state: tuple[bool, bool, npt.NDArray[Any] | None, dict[str, Any] | None], /) -> None:
        """Take what __reduce__ gave to a pickle or a copy."""

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __getitem__(self, key: _Item | tuple[_Item, ...], /) -> Tensor: ...
    def __float__(self) -> float: ...
    def __bool__(self) -> bool: ...
    def __hash__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __lt__(self, value: Any, /) -> NoReturn: ...
    def __le__(self, value: Any, /) -> NoReturn: ...
    def __gt__(self, value: Any, /) -> NoReturn: ...
    def __ge__(self, value: Any, /) -> NoReturn: ...
    def __neg__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __add__(self, value: _Operand, /) -> Tensor: ...
    def __radd__(self, value: _Operand, /) -> Tensor: ...
    def __sub__(self, value: _Operand, /) -> Tensor: ...
    def __rsub__(self, value: _Operand, /) -> Tensor: ...
    def __mul__(self, value: _Operand, /) -> Tensor: ...
    def __rmul__(self, value: _Operand, /) -> Tensor: ...
    def __truediv__(self, value: _Operand, /) -> Tensor: ...
    def __rtruediv__(self, value: _Operand, /) -> Tensor: ...
    def __pow__(self, value: _Operand, mod: None = None, /) -> Tensor: ...
    def __rpow__(self, value: _Operand, mod: None = None, /) -> Tensor: ...
    def __matmul__(self, value: _Operand, /) -> Tensor: ...
    def __rmatmul__(self, value: _Operand, /) -> Tensor: ...

    # operations: the tensor is their first argument

    def linear(
        self, weight: _Operand, bias: _Operand | None = None, activation: str = "none", slope: float = 0.01
    ) -> Tensor:
        """Return f(x W^T + b) as one operation: x (..., k), weight (n, k), bias (n,)."""

    def matmul(self, b: _Operand, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
        """Return the product of two matrices, each transposed where asked."""

    def add(self, y: _Operand) -> Tensor:
        """Return x + y; shapes broadcast as in NumPy."""

    def sub(self, y: _Operand) -> Tensor:
        """Return x - y, broadcasting as add does."""

    def mul(self, y: _Operand) -> Tensor:
        """Return x * y by element, broadcasting as add does."""

    def div(self, y: _Operand) -> Tensor:
        """Return x / y by element, broadcasting as add does."""

    def pow(self, y: _Operand) -> Tensor:
        """Return x to the power y by element, broadcasting as add does."""

    def leaky_relu(self, slope: float = 0.01) -> Tensor:
        """Return x where x > 0, else slope * x."""

    def relu(self) -> Tensor:
        """Return max(x, 0)."""

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent by element."""

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + exp(-x)) by element."""

    def softplus(self) -> Tensor:
        """Return log(1 + exp(x)) by element, without overflow."""

    def exp(self) -> Tensor:
        """Return the exponential by element."""

    def log(self) -> Tensor:
        """Return the natural logarithm by element."""

    def square(self) -> Tensor:
        """Return x * x by element."""

    def sqrt(self) -> Tensor:
        """Return the square root by element."""

    def abs(self) -> Tensor:
        """Return the absolute value by element."""

    def affine(self, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """Return scale * x + shift by element."""

    def sum(self, axis: _Axes | None = None, keepdims: bool = False) -> Tensor:
        """Return the sum over an axis, a tuple of axes, or everything."""

    def mean(self, axis: _Axes | None = None, keepdims: bool = False) -> Tensor:
        """Return the mean over an axis, a tuple of axes, or everything."""

    def max(self, axis: _Axes | None = None, keepdims: bool = False) -> Tensor:
        """Return the largest element over an axis, a tuple of axes, or everything."""

    def min(self, axis: _Axes | None = None, keepdims: bool = False) -> Tensor:
        """Return the smallest element over an axis, a tuple of axes, or everything."""

    def softmax(self, axis: SupportsIndex = -1) -> Tensor:
        """Return exp(x) / sum(exp(x)) along an axis."""

    def slice(
        self, start: SupportsIndex, stop: SupportsIndex, axis: SupportsIndex = 0, step: SupportsIndex = 1
    ) -> Tensor:
        """Return the elements start, start + step, ... before stop of one axis."""

    def reshape(self, *shape: _Shape) -> Tensor:
        """Return the same elements in another shape; one dimension may be -1."""

    def transpose(self) -> Tensor:
        """Return the tensor with its axes in reverse order."""

    def gather_rows(self, index: npt.ArrayLike) -> Tensor:
        """Return rows of a table by index (r,), or sums of k rows by index (r, k)."""

    def softmax_cross_entropy(self, target: npt.ArrayLike) -> Tensor:
        """Return -log softmax(logits)[target], averaged over the batch, from class indices."""

    def binary_cross_entropy(self, target: _Operand) -> Tensor:
        """Return the binary cross-entropy of logits and targets in [0, 1], averaged over the batch."""

    def mse(self, target: _Operand) -> Tensor:
        """Return squared differences, summed over all axes but the first, averaged over the first."""

    def kl_normal(self, log_variance: _Operand) -> Tensor:
        """Return the divergence of N(mu, exp(log_variance)) from N(0, 1), averaged over the batch."""

    def gaussian(self, log_variance: _Operand, noise: _Operand, scale: float = 1.0) -> Tensor:
        """Return mu + scale exp(log_variance / 2) noise."""

    def message_pass(self, source: _Operand, types: _Operand, graph: GraphBatch, slope: float = 0.01) -> Tensor:
        """Return the sum of leaky_relu(target_i + source_j + types_e) over the edges j -> i."""

    def sum_pool(self, graph: GraphBatch) -> Tensor:
        """Return the sum over the nodes of each graph: (nodes, d) to (graphs, d)."""

    def nonnegative_linear(self, weight: _Operand, bias: _Operand | None = None) -> Tensor:
        """Return x W^T + b; ValueError when a weight is negative or NaN."""

    def icnn_layer(self, z: _Operand, weight: _Operand, skip: _Operand, slope: float = 0.01) -> Tensor:
        """Return leaky_relu(h W^T) + leaky_relu(z U^T); ValueError when a weight W is negative or NaN."""

@final
class GraphBatch:
    """Several graphs side by side, for message_pass and sum_pool."""

    def __new__(
        cls,
        node_offsets: npt.ArrayLike,
        edge_offsets: npt.ArrayLike,
        sources: npt.ArrayLike,
        types: npt.ArrayLike,
        n_types: SupportsIndex,
    ) -> Self:
        """Check the integer arrays and copy them."""

    @property
    def n_graphs(self) -> int:
        """Number of graphs."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all graphs."""

    @property
    def n_edges(self) -> int:
        """Number of directed edges of all graphs."""

    @property
    def n_types(self) -> int:
        """Number of edge types."""

    @property
    def arrays(self) -> tuple[_Int32s, _Int32s, _Int32s, _Int32s]:
        """Copies of node_offsets, edge_offsets, sources and types."""

    def __len__(self) -> int: ...

@final
class Adam:
    """Adam, or AdamW when decoupled; one sweep per step."""

    def __new__(
        cls,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        max_norm: float | None = None,
    ) -> Self:
        """Take the leaves that step is to change; max_norm clips the gradients' global norm."""

    @property
    def lr(self) -> float:
        """Learning rate of steps that are given none."""

    @lr.setter
    def lr(self, value: float) -> None: ...
    def step(self, learning_rate: float | None = None, /) -> float:
        """Clip, step and project; return the gradients' global norm before clipping."""

    def zero_grad(self) -> None:
        """Clear the gradients of all parameters."""

    def __setstate__(self, state: tuple[list[Any], ...], /) -> None:
        """Take what __reduce__ gave to a pickle or a copy."""

def train_icnn(
    parameters: _Network,
    slope: float,
    convex: bool,
    adam: Adam,
    z: npt.ArrayLike,
    y: npt.ArrayLike,
    n: SupportsIndex,
    batch: SupportsIndex,
    rates: npt.ArrayLike,
    first_step: SupportsIndex,
    /,
) -> npt.NDArray[np.float64]:
    """Train an input-convex network by its mean squared error on batches of consecutive points."""

@final
class FrozenICNN:
    """A snapshot of an input-convex network, its weights packed once for many evaluations."""

    def __new__(cls, parameters: _Network, slope: float = 0.01, convex: bool = True) -> Self:
        """Take the snapshot; with convex, a negative weight is a ValueError."""

    def evaluate(self, z: npt.ArrayLike, /) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return values (n,) and input gradients (n, d) at points z (n, d)."""

    def descend(self, z: npt.ArrayLike, step: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return z - step * gradient, one step size or one per point; from one point many steps (k,): (k, d)."""

    def __copy__(self) -> Self:
        """Return the snapshot itself, which never changes."""

    def __deepcopy__(self, memo: Any, /) -> Self:
        """Return the snapshot itself, which never changes."""

@final
class FrozenEncoder:
    """A snapshot of an encoder of cells, its weights packed once for many evaluations."""

    def __new__(
        cls,
        n_graphs: int,
        n_codes: int,
        edges: npt.ArrayLike,
        columns: npt.ArrayLike,
        kinds: npt.ArrayLike,
        kind_columns: npt.ArrayLike,
        message_rows: npt.ArrayLike,
        table: Tensor,
        types: Iterable[Tensor],
        weights: Iterable[Tensor],
        head: tuple[Tensor, Tensor, Tensor],
        has_absent: bool = False,
        both_directions: bool = True,
        slope: float = 0.01,
    ) -> Self:
        """Take the snapshot; csrc/nn/encoder.h says what each argument is."""

    def encode(self, codes: npt.NDArray[np.uint8], /) -> npt.NDArray[Any]:
        """Return latents (n, outputs) of cells with codes (n, codes per cell)."""

    def __copy__(self) -> Self:
        """Return the snapshot itself, which never changes."""

    def __deepcopy__(self, memo: Any, /) -> Self:
        """Return the snapshot itself, which never changes."""

@final
class Points:
    """A copy of m points (m, d), stored for their squared distances to others."""

    def __new__(cls, y: npt.ArrayLike) -> Self:
        """Copy finite points y (m, d)."""

    def __len__(self) -> int:
        """Number of points."""

    def squared_distances(self, x: npt.ArrayLike, /) -> npt.NDArray[np.float64]:
        """Return the squared distances (n, m) of points x (n, d) to these, none below 0."""

    def __copy__(self) -> Self:
        """Return the points themselves, which never change."""

    def __deepcopy__(self, memo: Any, /) -> Self:
        """Return the points themselves, which never change."""

@final
class FrozenDecoder:
    """A snapshot of a decoder, its weights packed once for many evaluations."""

    def __new__(cls, layers: Iterable[tuple[Tensor, Tensor | None]], slope: float = 0.01) -> Self:
        """Take the snapshot of layers (weight, bias or None): first, inner and outer of each block, last."""

    def logits(self, z: npt.ArrayLike, /) -> npt.NDArray[Any]:
        """Return logits (n, outputs) at latents z (n, inputs)."""

    def __copy__(self) -> Self:
        """Return the snapshot itself, which never changes."""

    def __deepcopy__(self, memo: Any, /) -> Self:
        """Return the snapshot itself, which never changes."""

@final
class CellSet:
    """A set of cells by their canonical keys, integers in [0, 2**64)."""

    def __new__(cls, keys: npt.ArrayLike | None = None) -> Self:
        """Make a set of some keys (n,), or an empty one."""

    def add(self, key: SupportsIndex, /) -> bool:
        """Add a key; return whether it was new."""

    def has(self, keys: npt.ArrayLike, /) -> npt.NDArray[np.bool_]:
        """Return whether each of an array of integers is in the set, in the same shape."""

    def locate(self, keys: npt.ArrayLike, /) -> npt.NDArray[np.int64]:
        """Return how many keys were added before each of an array of integers; -1 for those not in the set."""

    def update(self, keys: npt.ArrayLike, /) -> npt.NDArray[np.bool_]:
        """Add an array of keys (n,); return whether each was new."""

    def __contains__(self, key: SupportsIndex, /) -> bool: ...
    def __len__(self) -> int: ...

# ---- operations ----

def linear(
    x: _Operand, weight: _Operand, bias: _Operand | None = None, activation: str = "none", slope: float = 0.01
) -> Tensor:
    """Return f(x W^T + b) as one operation: x (..., k), weight (n, k), bias (n,)."""

def matmul(a: _Operand, b: _Operand, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """Return the product of two matrices, each transposed where asked."""

def add(x: _Operand, y: _Operand) -> Tensor:
    """Return x + y; shapes broadcast as in NumPy."""

def sub(x: _Operand, y: _Operand) -> Tensor:
    """Return x - y, broadcasting as add does."""

def mul(x: _Operand, y: _Operand) -> Tensor:
    """Return x * y by element, broadcasting as add does."""

def div(x: _Operand, y: _Operand) -> Tensor:
    """Return x / y by element, broadcasting as add does."""

def pow(x: _Operand, y: _Operand) -> Tensor:  # noqa: A001
    """Return x to the power y by element, broadcasting as add does."""

def leaky_relu(x: _Operand, slope: float = 0.01) -> Tensor:
    """Return x where x > 0, else slope * x."""

def relu(x: _Operand) -> Tensor:
    """Return max(x, 0)."""

def tanh(x: _Operand) -> Tensor:
    """Return the hyperbolic tangent by element."""

def sigmoid(x: _Operand) -> Tensor:
    """Return 1 / (1 + exp(-x)) by element."""

def softplus(x: _Operand) -> Tensor:
    """Return log(1 + exp(x)) by element, without overflow."""

def exp(x: _Operand) -> Tensor:
    """Return the exponential by element."""

def log(x: _Operand) -> Tensor:
    """Return the natural logarithm by element."""

def square(x: _Operand) -> Tensor:
    """Return x * x by element."""

def sqrt(x: _Operand) -> Tensor:
    """Return the square root by element."""

def abs(x: _Operand) -> Tensor:  # noqa: A001
    """Return the absolute value by element."""

def affine(x: _Operand, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Return scale * x + shift by element."""

def sum(  # noqa: A001
    x: _Operand, axis: _Axes | None = None, keepdims: bool = False
) -> Tensor:
    """Return the sum over an axis, a tuple of axes, or everything."""

def mean(x: _Operand, axis: _Axes | None = None, keepdims: bool = False) -> Tensor:
    """Return the mean over an axis, a tuple of axes, or everything."""

def max(  # noqa: A001
    x: _Operand, axis: _Axes | None = None, keepdims: bool = False
) -> Tensor:
    """Return the largest element over an axis, a tuple of axes, or everything."""

def min(  # noqa: A001
    x: _Operand, axis: _Axes | None = None, keepdims: bool = False
) -> Tensor:
    """Return the smallest element over an axis, a tuple of axes, or everything."""

def softmax(x: _Operand, axis: SupportsIndex = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along an axis."""

def concat(tensors: Iterable[_Operand], axis: SupportsIndex = 0) -> Tensor:
    """Return tensors joined along one axis."""

def slice(  # noqa: A001
    x: _Operand, start: SupportsIndex, stop: SupportsIndex, axis: SupportsIndex = 0, step: SupportsIndex = 1
) -> Tensor:
    """Return the elements start, start + step, ... before stop of one axis."""

def reshape(x: _Operand, shape: _Shape) -> Tensor:
    """Return the same elements in another shape; one dimension may be -1."""

def transpose(x: _Operand) -> Tensor:
    """Return the tensor with its axes in reverse order."""

def gather_rows(table: _Operand, index: npt.ArrayLike) -> Tensor:
    """Return rows of a table by index (r,), or sums of k rows by index (r, k)."""

def softmax_cross_entropy(logits: _Operand, target: npt.ArrayLike) -> Tensor:
    """Return -log softmax(logits)[target], averaged over the batch, from class indices."""

def binary_cross_entropy(logits: _Operand, target: _Operand) -> Tensor:
    """Return the binary cross-entropy of logits and targets in [0, 1], averaged over the batch."""

def mse(prediction: _Operand, target: _Operand) -> Tensor:
    """Return squared differences, summed over all axes but the first, averaged over the first."""

def kl_normal(mu: _Operand, log_variance: _Operand) -> Tensor:
    """Return the divergence of N(mu, exp(log_variance)) from N(0, 1), averaged over the batch."""

def gaussian(mu: _Operand, log_variance: _Operand, noise: _Operand, scale: float = 1.0) -> Tensor:
    """Return mu + scale exp(log_variance / 2) noise."""

def message_pass(target: _Operand, source: _Operand, types: _Operand, graph: GraphBatch, slope: float = 0.01) -> Tensor:
    """Return the sum of leaky_relu(target_i + source_j + types_e) over the edges j -> i."""

def sum_pool(x: _Operand, graph: GraphBatch) -> Tensor:
    """Return the sum over the nodes of each graph: (nodes, d) to (graphs, d)."""

def nonnegative_linear(x: _Operand, weight: _Operand, bias: _Operand | None = None) -> Tensor:
    """Return x W^T + b; ValueError when a weight is negative or NaN."""

def icnn_layer(h: _Operand, z: _Operand, weight: _Operand, skip: _Operand, slope: float = 0.01) -> Tensor:
    """Return leaky_relu(h W^T) + leaky_relu(z U^T); ValueError when a weight W is negative or NaN."""

# ---- gradients ----

def set_grad_enabled(enabled: bool, /) -> bool:
    """Set whether this thread records operations; return the old setting."""

def is_grad_enabled() -> bool:
    """Return whether this thread records operations."""

def gradients(output: Tensor, inputs: Iterable[Tensor], gradient: _Operand | None = None) -> tuple[Tensor, ...]:
    """Return the gradients of output for each of inputs; no grad attribute changes."""

# ---- search kernels ----

def cholesky(a: npt.ArrayLike, /) -> npt.NDArray[np.float64]:
    """Return lower Cholesky factors of positive definite matrices (n, n) or (k, n, n); ValueError where one is not."""

def solve_lower(lower: npt.ArrayLike, b: npt.ArrayLike, transposed: bool = False) -> npt.NDArray[np.float64]:
    """Return lower^-1 b, or lower^-T b: lower (n, n) and b (n, m), or (k, n, n) and (k, n, m).

    ValueError where lower is singular or not finite.
    """

def row_moments(
    rows: npt.ArrayLike, weights: npt.ArrayLike, /
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the sums of the rows (n, m) by their weights (n,), and of their squares: (m,) each."""

def encode_cells(encoders: Iterable[FrozenEncoder], codes: npt.NDArray[np.uint8], /) -> list[npt.NDArray[Any]]:
    """Return latents by several encoders of the same cells, those that encode() of each returns."""

def covariances(
    distances: Iterable[npt.ArrayLike],
    weights: npt.ArrayLike,
    factors: npt.ArrayLike,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    constant: float,
    /,
) -> npt.NDArray[np.float64]:
    """Return exp(-sum_g weights[g] distances[g]) + sum_k factors[k] x[k] y[k] + constant, shape (n, m).

    Distances are (n, m) each, x (k, n) and y (k, m).
    """

def variances(factors: npt.ArrayLike, x: npt.ArrayLike, constant: float, /) -> npt.NDArray[np.float64]:
    """Return 1 + sum_k factors[k] x[k]^2 + constant, shape (n,): x (k, n)."""

def mixture(
    shares: npt.ArrayLike, means: Iterable[npt.ArrayLike], variances: Iterable[npt.ArrayLike], /
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean and the variance, (m,) each, of a mixture of k posteriors: k arrays (m,) each."""

def cholesky_rows(lower: npt.ArrayLike, kernel: npt.ArrayLike, least: float, /) -> npt.NDArray[np.float64]:
    """Return the next b rows of a Cholesky factor, (b, n + b).

    `lower` has those before (n, n), `kernel` the next rows of the matrix (b, n + b). Squares of pivots are at least
    `least`.
    """

def whitened_rows(lower: npt.ArrayLike, rows: npt.ArrayLike, kernel: npt.ArrayLike, /) -> npt.NDArray[np.float64]:
    """Return the next b rows of L^-1 K (b, m), from those of L (b, n + b) and of K (b, m), and those before (n, m)."""

def smallest(values: npt.ArrayLike, k: SupportsIndex, /) -> npt.NDArray[np.int64]:
    """Return the positions of the k smallest values, smallest first."""

def argmax_last(logits: npt.ArrayLike, /) -> npt.NDArray[np.int64]:
    """Return the index of the first largest element along the last axis."""

def kendall_tau(x: npt.ArrayLike, y: npt.ArrayLike, /) -> float:
    """Return Kendall's tau-b of two arrays (n,); NaN when one is constant."""

# ---- cells ----

def cell_graph(
    codes: _Codes,
    edges: npt.ArrayLike,
    n_nodes: SupportsIndex,
    n_types: SupportsIndex,
    columns: npt.ArrayLike | None = None,
    has_absent: bool = False,
    both_directions: bool = True,
) -> GraphBatch:
    """Return the graphs of cells; edges (m, 2), columns (m,): the code that is the type of each edge, -1 for none."""

def cell_prune(codes: _Codes, layout: _Layout, canonical: bool) -> _Codes:
    """Return cells with free edges without the nodes that do nothing, on request in canonical order.

    `layout` is a tuple of n_graphs, n_nodes, n_inputs, has_output, operations_on_nodes, n_operations, max_edges (or
    None) and in_degree (or None).
    """

def cell_likely(logits: npt.NDArray[np.floating[Any]], layout: _Layout) -> _Codes:
    """Return the most likely cells by logits (n, codes per cell, values) where each node has an in_degree.

    They are not pruned. `layout` as of :func:`cell_prune`.
    """

def cell_valid(codes: _Codes, layout: _Layout) -> npt.NDArray[np.bool_]:
    """Return whether rows of codes are cells of the space when they are pruned, (n,)."""

def cell_neighbours(codes: _Codes, layout: _Layout, canonical: bool) -> tuple[_Codes, npt.NDArray[np.int64]]:
    """Return the cells one step away from pruned cells, (m, codes per cell), and how many each of these has, (n,)."""

def cell_different(
    codes: _Codes, keys: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], own: npt.NDArray[np.int64]
) -> tuple[_Codes, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the different cells of each group, without those whose key is its own: codes, keys and counts."""

def cell_keys(codes: _Codes, cardinalities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return one integer for each row of codes: in mixed radix, or a hash where that exceeds 63 bits."""

def cell_sequences(
    codes: _Codes, form: tuple[Any, ...], paths: tuple[npt.ArrayLike, npt.ArrayLike]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return a number for the sequence of operations on each path of each graph, and whether the path is open.

    `form` is a tuple of n_graphs, length (codes of a graph), n_nodes, n_inputs, n_operations, has_output,
    operations_on_nodes, free, edges (m, 2) by target, columns (m,), and the indices of dead operations and identities.
    `paths` are offsets (paths + 1,) and the edges of all paths.
    """

def cell_sequence_counts(
    codes: _Codes, form: tuple[Any, ...], paths: tuple[npt.ArrayLike, npt.ArrayLike], known: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return how many open paths of each cell have each known number, (n, known)."""

def cell_descriptors(codes: _Codes, form: tuple[Any, ...]) -> npt.NDArray[np.float64]:
    """Return descriptors of each graph of cells, (n, graphs * (8 + 2 * n_operations))."""

def nb101_hash(codes: _Codes, /) -> npt.NDArray[np.uint8]:
    """Return the MD5 hashes, uint8 (n, 16), by which NAS-Bench-101 names the pruned cells of codes (n, 26)."""

def nb101_channels(codes: _Codes, /) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the channels of each inner vertex (n, 5), and 0.001 more than the weights (n,), of networks of cells."""

def nb201_parse(text: str, /) -> _Codes:
    """Return the codes (6,) of an official cell string."""

def nb201_format(codes: _Codes, /) -> list[str]:
    """Return the official strings of codes (n, 6)."""

def nb201_rank(codes: _Codes, /) -> npt.NDArray[np.int64]:
    """Return the numbers (n,) that codes (n, 6) spell in base 5."""

def nb201_codes(rank: npt.NDArray[np.int64], /) -> _Codes:
    """Return the codes (n, 6) of ranks (n,)."""

def nb201_class(codes: _Codes, level: str, /) -> npt.NDArray[np.int64]:
    """Return the key (n,) of each cell's class at level 'function' or 'isomorphism'."""

def nb201_representative(codes: _Codes, level: str, /) -> _Codes:
    """Return the representative (n, 6) of each cell's class."""

def nb201_one_hot(codes: _Codes, /) -> npt.NDArray[np.float32]:
    """Return an array (n, 6, 5) with 1 at each edge's operation."""

# ---- checksums ----

def crc32c(data: bytes | bytearray | memoryview, /) -> int:
    """Return the CRC-32C of a bytes-like object."""

# ---- random numbers ----

def philox_normal(
    seed: SupportsIndex, purpose: SupportsIndex, step: SupportsIndex, shape: _Shape, dtype: npt.DTypeLike = "float32"
) -> npt.NDArray[Any]:
    """Return standard normal numbers of the stream (seed, purpose, step)."""

def philox_uniform(
    seed: SupportsIndex, purpose: SupportsIndex, step: SupportsIndex, shape: _Shape, dtype: npt.DTypeLike = "float32"
) -> npt.NDArray[Any]:
    """Return uniform numbers in [0, 1) of the stream (seed, purpose, step)."""

def philox_permutation(
    seed: SupportsIndex, purpose: SupportsIndex, step: SupportsIndex, n: SupportsIndex
) -> npt.NDArray[np.int64]:
    """Return a random order of 0 .. n - 1."""

def philox_integers(
    seed: SupportsIndex, purpose: SupportsIndex, step: SupportsIndex, shape: _Shape, high: SupportsIndex
) -> npt.NDArray[np.int64]:
    """Return integers in [0, high) of the stream (seed, purpose, step)."""

# ---- run time ----

def set_num_threads(n: int, /) -> None:
    """Use n threads (1 to 256); results do not depend on it."""

def get_num_threads() -> int:
    """Return the number of threads in use."""

def pool_stats() -> _PoolStatistics:
    """Return statistics of the buffer pool."""

def pool_trim() -> None:
    """Give pooled memory back to the system."""

def fma_peak(seconds: float, /) -> float:
    """Return the float32 operations per second of multiply-adds between registers on one thread."""

def runtime_info() -> _RuntimeInfo:
    """Return what a bug report needs."""
