"""The model in PyTorch: the fastest direct form, and a form with every exact saving that crlso makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.model import ADAM, DESCENT, RATE, SLOPE, Batch, Model

__all__ = ["SameAlgebraProgram", "TorchProgram"]


class TorchProgram:
    """The model with K split, products of all nodes at once, a loop over edges, and a fused Adam step."""

    name = "pytorch"

    def __init__(self, model: Model, threads: int) -> None:
        torch.set_num_threads(threads)
        space = model.space
        self.width, self.layers, self.vae = model.vae.width, model.surrogate.layers, model.vae
        self.codes = torch.from_numpy(model.classes)
        self.n_nodes, self.n_edges, self.n_operations = space.n_nodes, len(space.edges), len(space.operations)
        ends = [tuple(edge) for edge in space.edges]
        self.near = [[(e, a + b - i) for e, (a, b) in enumerate(ends) if i in (a, b)] for i in range(self.n_nodes)]
        self.p = {n: torch.from_numpy(t.numpy().copy()).requires_grad_() for n, t in model.parameters.items()}
        self.frozen = {name: tensor.detach().clone() for name, tensor in self.p.items()}
        self.nonnegative = [self.p[name] for name, tensor in model.parameters.items() if tensor.nonnegative]
        self.optimiser = torch.optim.Adam(
            self.p.values(), lr=RATE, betas=ADAM["betas"], weight_decay=ADAM["weight_decay"], fused=True
        )

    def layer(self, i: int) -> Callable[[str], Any]:
        prefix = "encoder.trunk." + ("first." if i == 0 else f"layers.{i - 1}.")
        return lambda name: self.p[prefix + name]

    def messages(self, target: Any, source: Any, types: Any, code: Any) -> list[Any]:
        """Sums of messages: one (batch, width) tensor per node, from such tensors or rows per node."""
        hot = F.one_hot(code, self.n_operations).float()  # products with it are faster than look-ups and their gradient
        of_edge = [hot[:, e] @ types for e in range(self.n_edges)]
        return [
            sum(F.leaky_relu(target[i] + source[j] + of_edge[e], SLOPE) for e, j in self.near[i])
            for i in range(self.n_nodes)
        ]

    def pooled(self, code: Any, chosen: Any) -> Any:
        """Node features after all layers, summed over the nodes: (batch, width)."""
        by_node = (self.n_nodes, len(code), self.width)
        q = self.layer(0)
        root = q("root1") @ q("root2").T
        sums = self.messages(q("target").unbind(0), q("source").unbind(0), q("edge") + q("bias"), code)
        x = (root[:, None] + torch.stack(sums)).reshape(-1, self.width)
        for number in (1, 2):
            q = self.layer(number)
            target, source = (F.linear(x, q(k)).reshape(by_node).unbind(0) for k in ("target", "source"))
            sums = self.messages(target, source, q("edge") + q("bias"), code)
            x = F.linear(F.linear(x, q("root1")), q("root2")) + torch.cat(sums)
        return x.reshape(by_node).sum(0)

    def heads(self, code: Any, chosen: Any) -> tuple[Any, Any]:
        """Mean and logarithm of the variance of the latents: (batch, latent) each."""
        x, p = self.pooled(code, chosen), self.p
        mu = F.linear(x, p["encoder.mu.weight"], p["encoder.mu.bias"])
        return mu, F.linear(x, p["encoder.log_variance.weight"], p["encoder.log_variance.bias"])

    def icnn(self, p: dict[str, Any], z: Any) -> Any:
        h = F.leaky_relu(F.linear(z, p["icnn.input_weight"], p["icnn.input_bias"]), SLOPE)
        for i in range(self.layers):
            inner = F.leaky_relu(F.linear(h, p[f"icnn.weights.{i}"]), SLOPE)
            h = inner + F.leaky_relu(F.linear(z, p[f"icnn.skips.{i}"]), SLOPE)
        return (F.linear(h, p["icnn.output_weight"]) + F.linear(z, p["icnn.output_skip"], p["icnn.output_bias"]))[:, 0]

    def logits(self, p: dict[str, Any], z: Any) -> Any:
        h = torch.tanh(F.linear(z, p["decoder.first.weight"], p["decoder.first.bias"]))
        for i in range(2):
            block = f"decoder.blocks.{i}."
            inner = F.leaky_relu(F.linear(h, p[block + "inner.weight"], p[block + "inner.bias"]), SLOPE)
            h = h + F.linear(inner, p[block + "outer.weight"], p[block + "outer.bias"])
        return F.linear(h, p["decoder.logits.weight"], p["decoder.logits.bias"]).reshape(-1, self.n_operations)

    def loss(self, batch: Batch) -> Any:
        chosen, noise, targets = (torch.from_numpy(part) for part in batch)
        code, p, n = self.codes[chosen], self.p, len(chosen)
        mu, v = self.heads(code, chosen)
        z = mu + self.vae.sigma_scale * torch.exp(0.5 * v) * noise
        total = F.cross_entropy(self.logits(p, z), code.reshape(-1), reduction="sum") / n
        total = total + self.vae.kl_weight * 0.5 * (mu * mu + torch.exp(v) - 1 - v).sum() / n
        return total + F.mse_loss(self.icnn(p, z), targets)

    def epoch(self, made: Iterable[Batch]) -> None:
        for batch in made:
            loss = self.loss(batch)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.p.values(), ADAM["max_norm"])
            self.optimiser.step()
            with torch.no_grad():
                for weight in self.nonnegative:
                    weight.clamp_(min=0)

    def value_and_gradients(self, batch: Batch) -> tuple[float, dict[str, Any]]:
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        return loss.item(), {name: tensor.grad.numpy().copy() for name, tensor in self.p.items()}

    def points(self, z: Any) -> Any:
        return torch.from_numpy(z)

    def evaluate(self, z: Any) -> tuple[Any, Any]:
        leaf = z.detach().requires_grad_()
        value = self.icnn(self.frozen, leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    def decode(self, z: Any) -> Any:
        with torch.inference_mode():
            return self.logits(self.frozen, z).reshape(-1, self.n_edges, self.n_operations).argmax(2).numpy()

    def step(self, z: Any) -> Any:
        return self.decode(z - DESCENT * self.evaluate(z)[1])


class SameAlgebraProgram(TorchProgram):
    """The model with the savings of crlso: a table for layer 1, layer 2 on its rows, the last R2 R1 on the heads."""

    name = "pytorch-same-algebra"

    def __init__(self, model: Model, threads: int) -> None:
        super().__init__(model, threads)
        rows = model.encoding.batch(slice(None)).rows
        self.rows = torch.from_numpy(rows).reshape(len(self.codes), self.n_nodes, -1)
        kinds = model.vae.encoder_.trunk.first.message_kinds
        self.kind_target, self.kind_source, self.kind_type = map(torch.from_numpy, kinds)

    def heads(self, code: Any, chosen: Any) -> tuple[Any, Any]:
        q = self.layer(0)
        types = q("edge") + q("bias")
        parts = q("target")[self.kind_target] + q("source")[self.kind_source] + types[self.kind_type]
        table = torch.cat([q("root1") @ q("root2").T, F.leaky_relu(parts, SLOPE)])
        row = self.rows[chosen].reshape(-1, self.rows.shape[2])
        bag = lambda t: F.embedding_bag(row, t, mode="sum").reshape(len(code), self.n_nodes, self.width)  # noqa: E731
        q = self.layer(1)
        target, source = bag(table @ q("target").T), bag(table @ q("source").T)
        root = bag(table @ q("root1").T @ q("root2").T)
        sums = self.messages(target.unbind(1), source.unbind(1), q("edge") + q("bias"), code)
        x = root + torch.stack(sums, 1)
        q = self.layer(2)
        target, source = x @ q("target").T, x @ q("source").T
        sums = self.messages(target.unbind(1), source.unbind(1), q("edge") + q("bias"), code)
        weight = torch.cat([self.p["encoder.mu.weight"], self.p["encoder.log_variance.weight"]])
        bias = torch.cat([self.p["encoder.mu.bias"], self.p["encoder.log_variance.bias"]])
        both = F.linear(sum(sums), weight, bias) + F.linear(x.sum(1), weight @ q("root2") @ q("root1"))
        return both.chunk(2, dim=1)
