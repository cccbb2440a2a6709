"""Checks of models against something independent of them: Jensen's inequality, slow NumPy twins, damaged files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


def leaky(x: np.ndarray, slope: float = 0.01) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def jensen_gap(f: Function, inputs: int, rng: np.random.Generator, n: int = 3000, reach: float = 3.0) -> float:
    """The largest f(t a + (1 - t) b) - t f(a) - (1 - t) f(b) on n random segments, short and long.

    Not above rounding for a convex f; relative to 1 and the values at the ends.
    """
    a = reach * rng.normal(size=(n, inputs))
    b = a + rng.normal(size=(n, inputs)) * 10 ** rng.uniform(-2, 1.5, size=(n, 1))
    t = rng.uniform(size=(n, 1))
    values = np.asarray(f(np.concatenate([a, b, t * a + (1 - t) * b])), np.float64).reshape(3, n)
    gap = values[2] - t[:, 0] * values[0] - (1 - t[:, 0]) * values[1]
    return float((gap / (1 + np.abs(values).max(axis=0))).max())


def icnn_twin(state: dict[str, np.ndarray], z: np.ndarray) -> np.ndarray:
    """h0 = s(A z + b), h' = s(W h) + s(U z), f = w . h + u . z + c, one point after another; (n,)."""
    layers = sum(name.startswith("weights.") for name in state)
    values = []
    for point in z:
        h = leaky(state["input_weight"] @ point + state["input_bias"])
        for i in range(layers):
            h = leaky(state[f"weights.{i}"] @ h) + leaky(state[f"skips.{i}"] @ point)
        values.append(state["output_weight"] @ h + state["output_skip"] @ point + state["output_bias"])
    return np.array(values).reshape(len(z))


def message_passing_twin(
    state: dict[str, np.ndarray], x: np.ndarray, edges: Iterable[tuple[int, int, int]], one_hot: bool = False
) -> np.ndarray:
    """x_i' = R2 R1 x_i + sum_j s(K [x_i; x_j; e_ij] + k), edge after edge (source, target, type), K in one piece.

    `one_hot`: of a layer whose K1, K2 and R1 are stored transposed, a row per kind of node.
    """
    flip = np.transpose if one_hot else np.asarray
    k = np.concatenate([flip(state["target"]), flip(state["source"]), state["edge"].T], axis=1)
    root = state["root2"] @ flip(state["root1"])
    result = np.array([root @ features for features in x]).reshape(len(x), len(root))
    for source, target, kind in edges:
        e = np.zeros(len(state["edge"]))
        e[kind] = 1.0
        result[target] += leaky(k @ np.concatenate([x[target], x[source], e]) + state["bias"])
    return result


def cell_edges(space: Any, codes: np.ndarray) -> list[tuple[int, int, int]]:
    """Every edge of every cell in both directions, nodes numbered through all cells."""
    found = []
    for cell, row in enumerate(codes.tolist()):
        for (a, b), operation in zip(space.edges, row):
            a, b = a + cell * space.n_nodes, b + cell * space.n_nodes
            found += [(a, b, operation), (b, a, operation)]
    return found


def trunk_twin(state: dict[str, np.ndarray], space: Any, codes: np.ndarray) -> np.ndarray:
    """Node features after all layers of a trunk, on one-hot positions; (cells * nodes, width)."""
    edges = cell_edges(space, codes)
    x = np.tile(np.eye(space.n_nodes), (len(codes), 1))
    x = message_passing_twin(inner(state, "first"), x, edges, one_hot=True)
    for i in range(sum(name.startswith("layers.") and name.endswith(".root1") for name in state)):
        x = message_passing_twin(inner(state, f"layers.{i}"), x, edges)
    return x


def inner(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The entries under a name."""
    return {name[len(prefix) + 1 :]: value for name, value in state.items() if name.startswith(prefix + ".")}


def kendall_twin(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b by its definition, over all pairs."""
    dx, dy = np.sign(x[:, None] - x[None]), np.sign(y[:, None] - y[None])
    return float((dx * dy).sum() / np.sqrt((dx * dx).sum() * (dy * dy).sum()))


def slope_error(
    f: Callable[[], float], tensors: list[Any], gradients: list[np.ndarray], rng: Any, tries: int = 5
) -> float:
    """How far a gradient is from central differences along random directions of all tensors; the median of some tries.

    f may have kinks: a direction that crosses one within the step tells nothing, a wrong gradient is wrong in almost
    all directions. Relative to the size of the slope that a random direction is expected to have.
    """
    step, errors = 1e-6, []
    size = np.sqrt(sum(float((g * g).sum()) for g in gradients)) + 1e-12
    before = [tensor.numpy().copy() for tensor in tensors]
    for _ in range(tries):
        directions = [rng.normal(size=tensor.shape) for tensor in tensors]
        values = []
        for sign in (step, -step):
            for tensor, start, direction in zip(tensors, before, directions):
                tensor.numpy()[...] = start + sign * direction
            values.append(f())
        slope = (values[0] - values[1]) / (2 * step)
        expected = sum(float((g * d).sum()) for g, d in zip(gradients, directions))
        errors.append(abs(slope - expected) / size)
    for tensor, start in zip(tensors, before):
        tensor.numpy()[...] = start
    return float(np.median(errors))


# -- files ----------------------------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The archive with its arrays changed in place by a function, in another file; pickles are allowed here."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    target = path.with_name("changed.npz")
    with target.open("wb") as file:
        np.savez(file, **arrays)
    return target


def rewrite_meta(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The archive with its description changed in place by a function, in another file."""

    def apply(arrays: dict[str, Any]) -> None:
        meta = json.loads(str(arrays["meta"]))
        change(meta)
        arrays["meta"] = np.array(json.dumps(meta))

    return rewrite(path, apply)


def foreign_files(good: bytes) -> dict[str, bytes]:
    """What a file of a model may have become, by name."""
    text, array, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(text, "w") as file:
        file.writestr("readme.txt", "hello")
    np.save(array, np.ones(3))
    np.savez(archive, meta=np.array([{}], dtype=object))
    damaged = bytearray(good)
    middle = good.index(b"NUMPY", len(good) // 2) + 200  # within the data of an array
    damaged[middle] ^= 0xFF
    return {
        "empty": b"",
        "one byte": good[:1],
        "half": good[: len(good) // 2],
        "without its last byte": good[:-1],
        "damaged": bytes(damaged),
        "text": b"hello\n" * 100,
        "a pickle": b"\x80\x04}\x94.",
        "an array": array.getvalue(),
        "an archive of text": text.getvalue(),
        "an archive of objects": archive.getvalue(),
    }
