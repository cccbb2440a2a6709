"""Reader of xgboost boosters, which also predicts with them; xgboost is not needed.

A pickled ``xgboost.core.Booster`` stores its model as a buffer in one of three formats: the binary format of releases
up to 1.2 (structs of fixed sizes, alone or after ``CONFIG-offset:``), JSON (1.3 to 1.5), or UBJSON (1.6 and later). The
values of leaves are added in float32 in the order of the trees, as in xgboost.

Sources: xgboost's ``src/learner.cc``, ``src/gbm/gbtree_model.h``, ``include/xgboost/tree_model.h`` and its page
"Introduction to Model IO"; ubjson.org, draft 12.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from crlso.benchmarks.files.ubjson import parse_ubjson
from crlso.benchmarks.files.unpickle import restricted_load

__all__ = ["Booster", "load_booster", "parse_booster"]

Floats32 = npt.NDArray[np.float32]

_MAX_LEVELS = 512  # of a tree; a deeper one is broken or hostile, and a chain of nodes would take very long to follow
_CHUNK = 1 << 19  # pairs of a row and a tree that are followed at once
_LEAF = -1


def _identity(margin: Floats32) -> Floats32:
    return margin


def _sigmoid(margin: Floats32) -> Floats32:
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-margin))


def _logit(value: np.float32) -> np.float32:
    return -np.log(np.float32(1) / value - np.float32(1))


@dataclasses.dataclass(frozen=True)
class _Link:
    """The function that maps the sum of leaves to a prediction, its inverse, and the open domain of the inverse."""

    prediction: Callable[[Floats32], Floats32]
    margin: Callable[[Any], Any]
    low: float = -np.inf
    high: float = np.inf


_PLAIN = _Link(_identity, _identity)
_LOGISTIC = _Link(_sigmoid, _logit, 0, 1)
_EXPONENTIAL = _Link(np.exp, np.log, 0)
_LINKS: dict[str, _Link] = {
    "reg:squarederror": _PLAIN,
    "reg:linear": _PLAIN,
    "reg:absoluteerror": _PLAIN,
    "reg:pseudohubererror": _PLAIN,
    "reg:logistic": _LOGISTIC,
    "binary:logistic": _LOGISTIC,
    "count:poisson": _EXPONENTIAL,
    "reg:gamma": _EXPONENTIAL,
    "reg:tweedie": _EXPONENTIAL,
}


@dataclasses.dataclass(frozen=True)
class Booster:
    """An ensemble of regression trees, stored in flat arrays over the N nodes of all T trees.

    Attributes
    ----------
    n_features : int
        Number of columns of the input.
    objective : str
        Name of the objective in xgboost.
    base : numpy.float32
        First term of the sum of leaves.
    depth : int
        Number of steps from a root to the deepest leaf.
    roots : ndarray of intp, shape (T,)
        Root of each tree.
    feature, left, right : ndarray of intp, shape (N,)
        Column that a node compares, and its two children. A leaf is its own child.
    threshold : ndarray of float32, shape (N,)
        A row goes left if its number is less than the threshold.
    value : ndarray of float32, shape (N,)
        Term that a leaf adds.
    missing_left : ndarray of bool, shape (N,)
        Whether a row with NaN goes left.
    """

    n_features: int
    objective: str
    base: np.float32
    depth: int
    roots: npt.NDArray[np.intp]
    feature: npt.NDArray[np.intp]
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    threshold: Floats32
    value: Floats32
    missing_left: npt.NDArray[np.bool_]

    def margin(self, x: npt.ArrayLike) -> Floats32:
        """Return the sums of leaves.

        Parameters
        ----------
        x : array_like, shape (n, n_features)
            Rows, which are compared as float32; NaN means missing.

        Returns
        -------
        ndarray of float32, shape (n,)

        Raises
        ------
        ValueError
            If `x` has another shape.
        """
        rows = np.asarray(x, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"x: expected shape (n, {self.n_features}), got {rows.shape}")
        out = np.empty(len(rows), dtype=np.float32)
        step = max(1, _CHUNK // max(1, len(self.roots)))
        for start in range(0, len(rows), step):
            out[start : start + step] = self._margin(rows[start : start + step])
        return out

    def predict(self, x: npt.ArrayLike) -> Floats32:
        """Return the predictions: the margins, transformed by the link function of the objective.

        Parameters
        ----------
        x : array_like, shape (n, n_features)
            As for :meth:`margin`.

        Returns
        -------
        ndarray of float32, shape (n,)

        Raises
        ------
        ValueError
            If `x` has another shape.
        """
        return _LINKS[self.objective].prediction(self.margin(x))

    def _margin(self, rows: Floats32) -> Floats32:
        columns = np.ascontiguousarray(rows.T)
        row = np.arange(len(rows))
        node = np.repeat(self.roots[:, None], len(rows), axis=1)
        for _ in range(self.depth):
            number = columns[self.feature[node], row]
            left = (number < self.threshold[node]) | (self.missing_left[node] & np.isnan(number))
            node = np.where(left, self.left[node], self.right[node])
        terms = np.concatenate([np.full((1, len(rows)), self.base), self.value[node]])
        return np.add.accumulate(terms, axis=0)[-1]


def load_booster(file: BinaryIO, what: str) -> Booster:
    """Read a pickled booster without running any code of the pickle.

    Parameters
    ----------
    file : binary file
        A pickle of an ``xgboost.Booster``.
    what : str
        Description of the file, with which messages begin.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError
        If the file is not such a pickle, uses a global that a booster does not need (the message names it), or as in
        :func:`parse_booster`.
    """
    found = restricted_load(file, _ALLOWED, what)
    handle = found.handle if isinstance(found, _PickledBooster) else None
    if not isinstance(handle, (bytes, bytearray)):
        raise ValueError(f"{what}: expected the pickle of a fitted xgboost Booster, got {type(found).__name__}")
    return parse_booster(bytes(handle), what)


class _PickledBooster:
    """Replaces ``xgboost.core.Booster`` while unpickling."""

    handle: object = None

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.handle = state.get("handle")


def _pickled_bytes(*arguments: object) -> bytes:
    """Replaces ``bytearray``, which would allocate any number of bytes for an integer."""
    if len(arguments) == 1 and isinstance(arguments[0], (bytes, bytearray)):
        return bytes(arguments[0])
    raise ValueError("expected bytes as the argument of bytearray")


def _pickled_text(*arguments: object) -> bytes:
    """Replaces ``_codecs.encode``, with which protocol 2 encodes bytes as text."""
    if len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1":
        return arguments[0].encode("latin1")
    raise ValueError("expected text and 'latin1' as the arguments of encode")


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("xgboost.core", "Booster"): _PickledBooster,
    ("builtins", "bytearray"): _pickled_bytes,
    ("__builtin__", "bytearray"): _pickled_bytes,
    ("_codecs", "encode"): _pickled_text,
}


def parse_booster(buffer: bytes, what: str) -> Booster:
    """Read the buffer of a booster.

    Parameters
    ----------
    buffer : bytes
        Buffer that ``Booster.save_raw`` returns and that a pickled booster stores.
    what : str
        Description of the buffer, with which messages begin.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError
        If the buffer is truncated or inconsistent, or the booster is of another kind: linear, with several outputs,
        with categorical splits, or with another objective.
    """
    try:
        if buffer[:1] != b"{":
            model = _from_binary(buffer)
        elif buffer[1:2] in b'"} \r\n\t':
            model = _from_document(json.loads(buffer))
        else:
            model = _from_document(parse_ubjson(buffer))
        return _assemble(model)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{what}: expected the buffer of an xgboost Booster: {reason}") from None


@dataclasses.dataclass(frozen=True)
class _Tree:
    """Nodes of one tree. At leaves `left` is -1, and `number` is the value of the leaf instead of a threshold."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    number: Floats32
    missing_left: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class _Model:
    """Content of a buffer of any format; `weights` are the weights of trees in DART."""

    n_features: int
    objective: str
    base: np.float32
    trees: Sequence[_Tree]
    weights: Floats32 | None


def _assemble(model: _Model) -> Booster:
    """Join the trees to flat arrays and check that they are trees."""
    sizes = np.array([len(tree.left) for tree in model.trees], dtype=np.intp)
    roots = np.cumsum(sizes) - sizes
    first, n_nodes = np.repeat(roots, sizes), np.repeat(sizes, sizes)

    def joined(name: str, dtype: Any) -> Any:
        return np.concatenate([np.empty(0, dtype), *(getattr(tree, name) for tree in model.trees)], dtype=dtype)

    left, right, feature = (joined(name, np.intp) for name in ("left", "right", "feature"))
    number, missing_left = joined("number", np.float32), joined("missing_left", np.bool_)
    is_leaf = left == _LEAF
    inside = is_leaf | ((left > 0) & (left < n_nodes) & (right > 0) & (right < n_nodes))
    seen = np.zeros(len(left), dtype=bool)
    level, depth, visited = roots, 0, 0
    while True:
        seen[level] = True
        visited += len(level)
        if not inside[level].all():
            raise ValueError("a node has a child outside of its tree")
        inner = level[~is_leaf[level]]
        if not len(inner):
            break
        depth += 1
        if depth > _MAX_LEVELS or visited > len(left):
            raise ValueError("the nodes form no tree")
        level = np.concatenate([left[inner] + first[inner], right[inner] + first[inner]])
    if np.count_nonzero(seen) != visited:
        raise ValueError("the nodes form no tree")
    _check_numbers(model.n_features, feature, number, seen & is_leaf, seen & ~is_leaf)
    value = np.where(is_leaf, number, np.float32(0))
    if model.weights is not None:
        value *= np.repeat(model.weights, sizes)
    # Nodes that no root leads to become leaves too: xgboost keeps pruned nodes in its arrays.
    walked, self_index = seen & ~is_leaf, np.arange(len(left))
    return Booster(
        n_features=model.n_features,
        objective=model.objective,
        base=model.base,
        depth=depth,
        roots=roots,
        feature=np.where(walked, feature, 0),
        left=np.where(walked, left + first, self_index),
        right=np.where(walked, right + first, self_index),
        threshold=number,
        value=value,
        missing_left=missing_left,
    )


def _check_numbers(n_features: int, feature: Any, number: Any, leaves: Any, inner: Any) -> None:
    if ((feature[inner] < 0) | (feature[inner] >= n_features)).any():
        raise ValueError(f"a node compares a feature outside 0 to {n_features - 1}")
    if not np.isfinite(number[leaves]).all():
        raise ValueError("the value of a leaf is not finite")
    if np.isnan(number[inner]).any():
        raise ValueError("a threshold is NaN")


def _link(objective: str) -> _Link:
    if objective not in _LINKS:
        raise ValueError(f"expected one of the objectives {', '.join(_LINKS)}, got {objective!r:.60}")
    return _LINKS[objective]


def _base_margin(objective: str, score: float, is_margin: bool = False) -> np.float32:
    """Return the first term of the sum of leaves: the margin whose prediction is the base score.

    With `is_margin`, the score itself is that margin.
    """
    link = _link(objective)
    if not (is_margin or link.low < score < link.high):
        raise ValueError(f"expected a base score between {link.low} and {link.high}, got {score}")
    with np.errstate(all="ignore"):
        base = np.float32(score)
        margin = base if is_margin else np.float32(link.margin(base))
    if not np.isfinite(margin):
        raise ValueError(f"expected a base score whose margin is finite, got {score}")
    return margin


# The binary format. All numbers are little-endian.

_CONFIG_MAGIC = b"CONFIG-offset:"
_LEARNER = struct.Struct("<fIiiiII108x")  # base score, features, classes, two flags, version, reserved
_GBTREE = struct.Struct("<i24xi128x")  # trees, five old fields, size of a leaf, reserved
_TREE_HEAD = struct.Struct("<iiiiii124x")  # roots, nodes, deleted nodes, depth, features, size of a leaf, reserved
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("index", "<u4"), ("number", "<f4")])
_NODE_STATISTICS = 16  # bytes per node: gain, hessian, weight, children
_MISSING_LEFT = 1 << 31  # bit of `index` that is set if NaN goes left; the other bits are the feature


class _Bytes:
    """Reader of a buffer from its start, which never reads past the end."""

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._position = 0

    def take(self, size: int) -> bytes:
        """Read the next bytes."""
        left = len(self._buffer) - self._position
        if size > left:
            raise ValueError(f"expected {size} bytes at byte {self._position}, got {left}")
        self._position += size
        return self._buffer[self._position - size : self._position]

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """Read a struct."""
        return form.unpack(self.take(form.size))

    def length(self) -> int:
        """Read a length, an integer of 8 bytes."""
        return int.from_bytes(self.take(8), "little")

    def text(self) -> str:
        """Read a length and a text of that many bytes."""
        return self.take(self.length()).decode("utf-8", "replace")

    def array(self, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
        """Read an array of `count` elements."""
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)


def _from_binary(buffer: bytes) -> _Model:
    if buffer.startswith(_CONFIG_MAGIC):
        config = _Bytes(buffer[len(_CONFIG_MAGIC) :])
        buffer = config.take(config.length())  # without the configuration of the training, which follows
    stream = _Bytes(buffer.removeprefix(b"binf"))
    score, n_features, n_classes, _, _, major, _ = stream.unpack(_LEARNER)
    objective, kind = stream.text(), stream.text()
    _check_kind(kind, n_classes)
    # Releases before 1.0 wrote the margin; later ones write the score that the user gave.
    base = _base_margin(objective, score, is_margin=major == 0)
    n_trees, leaf_size = stream.unpack(_GBTREE)
    _check_leaf_size(leaf_size)
    if n_trees < 0:
        raise ValueError(f"expected a number of trees, got {n_trees}")
    trees = [_binary_tree(stream) for _ in range(n_trees)]
    stream.take(4 * len(trees))  # index of the output of each tree; there is only one output
    weights = None
    if kind == "dart" and trees:
        weights = _checked_weights(stream.array(np.dtype("<f4"), stream.length()), len(trees))
    return _Model(_positive(n_features, "features"), objective, base, trees, weights)


def _binary_tree(stream: _Bytes) -> _Tree:
    _, n_nodes, _, _, _, leaf_size = stream.unpack(_TREE_HEAD)
    _check_leaf_size(leaf_size)
    nodes = stream.array(_NODE, _positive(n_nodes, "nodes"))
    stream.take(_NODE_STATISTICS * n_nodes)
    return _Tree(
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        (nodes["index"] & ~np.uint32(_MISSING_LEFT)).astype(np.int64),
        nodes["number"],
        (nodes["index"] & np.uint32(_MISSING_LEFT)) != 0,
    )


def _positive(number: int, what: str) -> int:
    if number < 1:
        raise ValueError(f"expected at least one of the {what}, got {number}")
    return number


def _check_kind(kind: object, n_classes: int) -> None:
    if kind not in ("gbtree", "dart"):
        raise ValueError(f"expected a booster 'gbtree' or 'dart', got {kind!r:.60}")
    if not 0 <= n_classes <= 1:
        raise ValueError(f"expected one output, got {n_classes} classes")


def _check_leaf_size(size: int) -> None:
    if not 0 <= size <= 1:
        raise ValueError(f"expected leaves of one number, got {size}")


def _checked_weights(weights: npt.NDArray[Any], n_trees: int) -> Floats32:
    with np.errstate(over="ignore"):
        checked: Floats32 = weights.astype(np.float32)
    if checked.shape != (n_trees,) or not np.isfinite(checked).all():
        raise ValueError(f"expected {n_trees} finite weights of trees, got {len(weights)}")
    return checked


# The JSON and UBJSON formats, which contain the same document.


def _from_document(document: object) -> _Model:
    if isinstance(document, dict) and "Model" in document:
        document = document["Model"]  # without the configuration of the training, its sibling
    learner = _member(document, "learner", dict)
    parameters = _member(learner, "learner_model_param", dict)
    gradient_booster = _member(learner, "gradient_booster", dict)
    kind = _member(gradient_booster, "name", str)
    _check_kind(kind, _number(parameters, "num_class", "0"))
    if _number(parameters, "num_target", "1") > 1:
        raise ValueError("expected one output, got several targets")
    objective = _member(_member(learner, "objective", dict), "name", str)
    base = _base_margin(objective, float(_member(parameters, "base_score", str)))
    forest = _member(gradient_booster, "gbtree", dict) if kind == "dart" else gradient_booster
    trees = [_document_tree(tree) for tree in _member(_member(forest, "model", dict), "trees", list)]
    weights = None
    if kind == "dart":
        weights = _checked_weights(_column(gradient_booster, "weight_drop", len(trees)), len(trees))
    return _Model(_positive(_number(parameters, "num_feature"), "features"), objective, base, trees, weights)


def _document_tree(tree: object) -> _Tree:
    parameters = _member(tree, "tree_param", dict)
    _check_leaf_size(_number(parameters, "size_leaf_vector", "0"))
    n_nodes = _positive(_number(parameters, "num_nodes"), "nodes")
    if "split_type" in tree and _column(tree, "split_type", n_nodes).any():  # type: ignore[operator]
        raise ValueError("expected numerical splits, got a categorical one")
    left, right, feature = (
        _integers(tree, name, n_nodes) for name in ("left_children", "right_children", "split_indices")
    )
    number = _column(tree, "split_conditions", n_nodes)
    missing_left = _column(tree, "default_left", n_nodes) != 0
    with np.errstate(over="ignore"):
        return _Tree(left, right, feature, number.astype(np.float32), missing_left)


def _member(parent: object, name: str, kind: type) -> Any:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__} called {name!r}, got {type(value).__name__}")
    return value


def _number(parent: Mapping[str, Any], name: str, default: str | None = None) -> int:
    """Return an integer that is written as text."""
    text = parent.get(name, default)
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(f"expected the digits of an integer as {name!r}, got {text!r:.60}")
    return int(text)


def _column(tree: Any, name: str, count: int) -> npt.NDArray[Any]:
    """Return numbers, one for each of `count` nodes."""
    values = tree.get(name)
    if not isinstance(values, (list, np.ndarray)) or len(values) != count:
        raise ValueError(f"expected {count} numbers called {name!r}, got {type(values).__name__}")
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"expected {count} numbers called {name!r}: {error}") from None
    if column.shape != (count,):
        raise ValueError(f"expected {count} numbers called {name!r}, got shape {column.shape}")
    return column


def _integers(tree: Any, name: str, count: int) -> npt.NDArray[np.int64]:
    column = _column(tree, name, count)
    if not ((column >= _LEAF) & (column < 2**31) & (column == np.floor(column))).all():
        raise ValueError(f"expected integers from -1 to 2**31 - 1 called {name!r}")
    return column.astype(np.int64)
