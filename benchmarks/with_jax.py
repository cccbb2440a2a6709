"""The model in JAX: a compiled training step, and compiled search functions with constant weights."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.model import ADAM, DESCENT, EPSILON, RATE, SLOPE, Batch, Model

__all__ = ["JaxProgram"]


def start(threads: int) -> Any:
    """Import JAX on the CPU with a number of threads; JAX reads the environment when it first runs."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["NPROC"] = str(threads)  # size of XLA's pool
    if threads == 1:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    import jax

    return jax


class JaxProgram:
    """The model with K split, and a loop over edges that the compiler unrolls."""

    name = "jax"

    def __init__(self, model: Model, threads: int) -> None:
        self.jax = jax = start(threads)
        jnp = jax.numpy
        space = model.space
        self.layers, self.vae = model.surrogate.layers, model.vae
        self.codes = model.codes.astype(np.int32)
        self.n_nodes, self.n_edges, self.n_operations = space.n_nodes, len(space.edges), len(space.operations)
        ends = [tuple(edge) for edge in space.edges]
        self.near = [[(e, a + b - i) for e, (a, b) in enumerate(ends) if i in (a, b)] for i in range(self.n_nodes)]
        self.p = {name: jnp.array(tensor.numpy()) for name, tensor in model.parameters.items()}
        self.frozen = {name: jnp.array(tensor.numpy()) for name, tensor in model.parameters.items()}
        self.nonnegative = {name for name, tensor in model.parameters.items() if tensor.nonnegative}
        self.second = {name: jnp.zeros_like(value) for name, value in self.p.items()}
        self.count = jnp.zeros((), jnp.float32)
        self._gradients = jax.jit(jax.value_and_grad(self.loss))
        self._step = jax.jit(self.adam, donate_argnums=(0, 1, 2))

        def summed(z: Any) -> Any:
            value = self.icnn(self.frozen, z)
            return value.sum(), value

        def evaluate(z: Any) -> Any:
            (_, value), gradient = jax.value_and_grad(summed, has_aux=True)(z)
            return value, gradient

        def decode(z: Any) -> Any:
            return self.logits(self.frozen, z).reshape(-1, self.n_edges, self.n_operations).argmax(2)

        self._evaluate, self._decode = jax.jit(evaluate), jax.jit(decode)
        self._descend = jax.jit(lambda z: decode(z - DESCENT * evaluate(z)[1]))

    def pooled(self, p: Any, code: Any) -> Any:
        leaky = functools.partial(self.jax.nn.leaky_relu, negative_slope=SLOPE)
        hot = self.jax.nn.one_hot(code, self.n_operations, axis=-1)  # products are faster here than look-ups

        def messages(target: Any, source: Any, types: Any) -> list[Any]:
            of_edge = [hot[:, e] @ types for e in range(self.n_edges)]
            return [
                sum(leaky(target[i] + source[j] + of_edge[e]) for e, j in self.near[i]) for i in range(self.n_nodes)
            ]

        q = {name: p[f"encoder.trunk.first.{name}"] for name in ("target", "source", "edge", "bias", "root1", "root2")}
        root = q["root1"] @ q["root2"].T
        x = [root[i] + m for i, m in enumerate(messages(q["target"], q["source"], q["edge"] + q["bias"]))]
        for number in (0, 1):
            q = {name: p[f"encoder.trunk.layers.{number}.{name}"] for name in q}
            sums = messages([h @ q["target"].T for h in x], [h @ q["source"].T for h in x], q["edge"] + q["bias"])
            x = [h @ q["root1"].T @ q["root2"].T + m for h, m in zip(x, sums, strict=True)]
        return sum(x)

    def icnn(self, p: Any, z: Any) -> Any:
        leaky = functools.partial(self.jax.nn.leaky_relu, negative_slope=SLOPE)
        h = leaky(z @ p["icnn.input_weight"].T + p["icnn.input_bias"])
        for i in range(self.layers):
            h = leaky(h @ p[f"icnn.weights.{i}"].T) + leaky(z @ p[f"icnn.skips.{i}"].T)
        return (h @ p["icnn.output_weight"].T + z @ p["icnn.output_skip"].T + p["icnn.output_bias"])[:, 0]

    def logits(self, p: Any, z: Any) -> Any:
        leaky, jnp = functools.partial(self.jax.nn.leaky_relu, negative_slope=SLOPE), self.jax.numpy
        h = jnp.tanh(z @ p["decoder.first.weight"].T + p["decoder.first.bias"])
        for i in range(2):
            block = f"decoder.blocks.{i}."
            inner = leaky(h @ p[block + "inner.weight"].T + p[block + "inner.bias"])
            h = h + inner @ p[block + "outer.weight"].T + p[block + "outer.bias"]
        return (h @ p["decoder.logits.weight"].T + p["decoder.logits.bias"]).reshape(-1, self.n_operations)

    def loss(self, p: Any, code: Any, noise: Any, targets: Any) -> Any:
        jnp, n = self.jax.numpy, len(code)
        x = self.pooled(p, code)
        mu = x @ p["encoder.mu.weight"].T + p["encoder.mu.bias"]
        v = x @ p["encoder.log_variance.weight"].T + p["encoder.log_variance.bias"]
        z = mu + self.vae.sigma_scale * jnp.exp(0.5 * v) * noise
        log_p = self.jax.nn.log_softmax(self.logits(p, z))
        total = -(log_p * self.jax.nn.one_hot(code.reshape(-1), self.n_operations)).sum() / n
        total = total + self.vae.kl_weight * 0.5 * (mu * mu + jnp.exp(v) - 1 - v).sum() / n
        return total + ((self.icnn(p, z) - targets) ** 2).mean()

    def adam(self, p: Any, second: Any, count: Any, code: Any, noise: Any, targets: Any) -> Any:
        """One step with beta1 = 0, for which Adam's first moment is the gradient itself."""
        jnp, beta = self.jax.numpy, ADAM["betas"][1]
        gradients = self.jax.grad(self.loss)(p, code, noise, targets)
        norm = jnp.sqrt(sum((g * g).sum() for g in gradients.values()))
        scale = jnp.minimum(1.0, ADAM["max_norm"] / (norm + 1e-6))
        count = count + 1.0
        moved, moments = {}, {}
        for name, weight in p.items():
            g = gradients[name] * scale + ADAM["weight_decay"] * weight
            moments[name] = beta * second[name] + (1.0 - beta) * g * g
            step = RATE * g / (jnp.sqrt(moments[name] / (1.0 - beta**count)) + EPSILON)
            moved[name] = jnp.maximum(weight - step, 0.0) if name in self.nonnegative else weight - step
        return moved, moments, count

    def epoch(self, made: Iterable[Batch]) -> None:
        for batch in made:
            chosen, noise, targets = batch
            arrays = (self.codes[chosen], noise, targets)
            self.p, self.second, self.count = self._step(self.p, self.second, self.count, *arrays)
        self.jax.block_until_ready(self.p)

    def value_and_gradients(self, batch: Batch) -> tuple[float, dict[str, Any]]:
        chosen, noise, targets = batch
        value, gradients = self._gradients(self.p, self.codes[chosen], noise, targets)
        return float(value), {name: np.asarray(gradient) for name, gradient in gradients.items()}

    def points(self, z: Any) -> Any:
        return self.jax.numpy.array(z)

    def evaluate(self, z: Any) -> Any:
        return self.jax.block_until_ready(self._evaluate(z))

    def decode(self, z: Any) -> Any:
        return self.jax.block_until_ready(self._decode(z))

    def step(self, z: Any) -> Any:
        return self.jax.block_until_ready(self._descend(z))
