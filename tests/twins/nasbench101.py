"""NAS-Bench-101 in plain Python: canonical form by trying every order, pruning, the module hash with hashlib.

A cell is a tuple of 26 codes: operations of vertices 1 to 5 (0: absent), then the edges by target and source.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np

EDGES = [(source, target) for target in range(1, 7) for source in range(target)]
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def edge_set(codes) -> set[tuple[int, int]]:
    """The edges of a cell as pairs."""
    return {edge for edge, bit in zip(EDGES, codes[5:]) if bit}


def make_codes(operations, edges) -> tuple[int, ...]:
    """Codes of the operations of vertices 1, 2, ... and of edges between 0, 1, ... and 6."""
    padded = [*operations, *[0] * (5 - len(operations))]
    return (*padded, *(int(edge in edges) for edge in EDGES))


def prune(operations, edges) -> tuple[int, ...] | None:
    """Codes without the vertices that are on no path from 0 to 6; None when 6 cannot be reached."""

    def reached(start: int, pairs: set[tuple[int, int]]) -> set[int]:
        found = {start}
        while more := {b for a, b in pairs if a in found} - found:
            found |= more
        return found

    live = reached(0, set(edges)) & reached(6, {(b, a) for a, b in edges})
    if not {0, 6} <= live:
        return None
    kept = [v for v in range(1, 6) if v in live]
    number = {0: 0, 6: 6, **{v: i for i, v in enumerate(kept, start=1)}}
    moved = {(number[a], number[b]) for a, b in edges if a in live and b in live}
    return make_codes([operations[v - 1] for v in kept], moved)


def canonical(codes) -> tuple[int, ...]:
    """The canonical row of a pruned cell."""
    codes = [int(code) for code in codes]
    inner = [v for v in range(1, 6) if codes[v - 1]]
    edges, best = edge_set(codes), None
    for order in itertools.permutations(inner):
        place = {0: 0, 6: 6, **{v: i for i, v in enumerate(order, start=1)}}
        moved = {(place[a], place[b]) for a, b in edges}
        if all(a < b for a, b in moved):
            row = make_codes([codes[v - 1] for v in order], moved)
            word = [[row[p - 1], *(int((s, p) in moved) for s in range(p))] for p in range(1, 6)]
            word.append([int((s, 6) in moved) for s in range(6)])
            if best is None or word < best[0]:
                best = (word, row)
    assert best is not None
    return best[1]


def key(codes) -> int:
    """The canonical key of a pruned cell."""
    number = 0
    for slot, code in enumerate(canonical(codes)):
        number = number * (4 if slot < 5 else 2) + code
    return number


def module_hash(codes) -> str:
    """The benchmark's name of a pruned cell."""
    inner = [v for v in range(1, 6) if codes[v - 1]]
    vertices, edges = [0, *inner, 6], edge_set(codes)
    label = {0: -1, 6: -2, **{v: int(codes[v - 1]) - 1 for v in inner}}
    sources = {v: [w for w in vertices if (w, v) in edges] for v in vertices}
    targets = {v: [w for w in vertices if (v, w) in edges] for v in vertices}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    hashes = {v: md5(str((len(targets[v]), len(sources[v]), label[v]))) for v in vertices}
    for _ in vertices:
        joined = {v: ["".join(sorted(hashes[w] for w in side[v])) for side in (sources, targets)] for v in vertices}
        hashes = {v: md5("|".join([*joined[v], hashes[v]])) for v in vertices}
    return md5(str(sorted(hashes.values())))


def random_codes(rng: np.random.Generator, n_edges: int | None = None) -> tuple[int, ...]:
    """A pruned cell of the space (or one with more edges when `n_edges`, before pruning, allows)."""
    while True:
        count = n_edges or int(rng.integers(1, 10))
        chosen = rng.choice(len(EDGES), size=count, replace=False)
        codes = prune(rng.integers(1, 4, size=5).tolist(), {EDGES[i] for i in chosen})
        if codes is not None:
            return codes
