"""Time of encoding neighbours of cells by one frozen encoder, as a search does, against PyTorch eager.

    python -m benchmarks.encode --json

One thread. PyTorch is given the tables, the different graphs and the lists of their messages. crlso finds all of these
within the time measured, as its snapshots know no graph yet. Latents are compared first.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

import numpy as np

import crlso
from benchmarks import timing
from benchmarks.model import SLOPE
from crlso.models import GraphVAE


def weights_of(vae: GraphVAE) -> tuple[Any, ...]:
    """Return what an encoder is frozen from: the first layer, then the arguments that csrc/nn/encoder.h describes."""
    with mock.patch.object(vae.encoder_.trunk.template, "freeze", lambda *given: given):
        return vae.encoder_.freeze()


def different_graphs(vae: GraphVAE, codes: np.ndarray, first_layer: Any) -> dict[str, np.ndarray]:
    """Return the different graphs of cells: the rows of the table that each node sums, and all messages."""
    template, n_graphs = vae.encoder_.trunk.template, len(vae.space.layout.graphs)
    length = template.n_nodes // n_graphs
    parts = codes.reshape(len(codes) * n_graphs, -1)
    numbered = np.concatenate([parts, np.tile(np.arange(n_graphs, dtype=np.uint8), len(codes))[:, None]], axis=1)
    _, first, of_cell = np.unique(numbered, axis=0, return_index=True, return_inverse=True)
    nodes = (first[:, None] * length + np.arange(length)).ravel()
    _, begins, sources, types = template.graph(codes).arrays
    counts = begins[nodes + 1] - begins[nodes]
    edges = np.concatenate([np.arange(*begins[node : node + 2]) for node in nodes])
    number = np.full(len(begins) - 1, -1)
    number[nodes] = np.arange(len(nodes))
    rows = template.table_rows(codes, template.kinds(codes), first_layer).reshape(len(begins) - 1, -1)[nodes]
    there = rows != first_layer.zero_row
    return {
        "rows": rows[there],
        "begins": np.concatenate([[0], there.sum(axis=1).cumsum()[:-1]]),
        "targets": np.repeat(np.arange(len(nodes)), counts),
        "sources": number[sources[edges]],
        "types": types[edges].astype(np.int64),
        "of_cell": of_cell.reshape(len(codes), n_graphs),
        "graphs": np.array([len(first), length]),
    }


class TorchEncoder:
    """The frozen encoder in PyTorch, for some cells."""

    def __init__(self, vae: GraphVAE, codes: np.ndarray) -> None:
        import torch

        torch.set_num_threads(1)
        first_layer, table, types, weights, head = weights_of(vae)
        self.torch = torch
        self.table, *self.head = (torch.from_numpy(tensor.numpy().copy()) for tensor in (table, *head))
        self.types, self.weights = ([torch.from_numpy(t.numpy().copy()) for t in part] for part in (types, weights))
        self.given = {name: torch.from_numpy(x) for name, x in different_graphs(vae, codes, first_layer).items()}

    def messages(self, layer: int, target: Any, source: Any) -> Any:
        given, functional = self.given, self.torch.nn.functional
        sent = target[given["targets"]] + source[given["sources"]] + self.types[layer][given["types"]]
        return self.torch.zeros_like(target).index_add_(0, given["targets"], functional.leaky_relu(sent, SLOPE))

    def __call__(self) -> Any:
        given, width, last = self.given, self.types[0].shape[1], len(self.types) - 1
        with self.torch.no_grad():
            y = self.torch.nn.functional.embedding_bag(given["rows"], self.table, given["begins"], mode="sum")
            root, target, source = y.split(width, dim=1)
            for layer in range(last):
                x = root + self.messages(layer, target, source)
                y = x @ self.weights[layer].T
                root, target, source = (x, *y.split(width, dim=1)) if layer == last - 1 else y.split(width, dim=1)
            by_graph = (*given["graphs"].tolist(), width)
            sums, roots = (part.reshape(by_graph).sum(dim=1) for part in (self.messages(last, target, source), root))
            latents = sums @ self.head[0].T + roots @ self.head[1].T
            return latents[given["of_cell"]].sum(dim=1) + self.head[2]


def measure(space: Any, n: int, rounds: int, has_torch: bool) -> dict[str, Any]:
    """Return the milliseconds of encoding n cells, and the ratio of PyTorch to crlso."""
    vae = GraphVAE.pretrained(space)
    codes = space.neighbourhoods(space.canonicalise(space.sample(max(8, n // 8), rng=0))).codes[:n]
    snapshots = [vae.freeze_encoder() for _ in range(rounds + 1)]
    programs: dict[str, Any] = {"crlso": lambda: snapshots.pop().encode(codes)}
    if has_torch:
        programs["pytorch"] = twin = TorchEncoder(vae, codes)
        expected = vae.encode(codes)
        np.testing.assert_allclose(twin().numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    seconds = timing.interleaved(programs, rounds)
    found = {"cells": len(codes), "ms": 1e3 * timing.medians(seconds)["crlso"]}
    return found | {"ratios": timing.ratios(seconds, "crlso")}


def main() -> int:
    parser = timing.parser(__doc__, rounds=15)
    parser.add_argument("--cells", type=int, nargs="+", default=[40, 350, 4_000], help="default: 40 350 4000")
    parser.add_argument(
        "--against", default="pytorch", help="programs to compare with, by commas; default: %(default)s"
    )
    arguments = timing.arguments_of(parser)
    against, skipped = timing.split(parser, arguments.against, ["pytorch"])
    crlso.set_num_threads(1)
    spaces = {"nasbench101": crlso.spaces.NASBench101(), "darts": crlso.spaces.DARTS()}
    sizes = [(name, n) for name in spaces for n in arguments.cells]
    rows = [{"space": name} | measure(spaces[name], n, arguments.rounds, bool(against)) for name, n in sizes]
    about = timing.about(timing.NEEDS[name] for name in against)
    lines = [
        f"{row['space']:12s} {row['cells']:5d} cells: {row['ms']:7.3f} ms"
        + "".join(f"; {name} {ratio:.1f} x" for name, ratio in row["ratios"].items())
        for row in rows
    ]
    return timing.publish({"rows": rows, "skipped": skipped} | about, arguments.json, lines)


if __name__ == "__main__":
    sys.exit(main())
