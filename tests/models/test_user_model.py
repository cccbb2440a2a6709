"""Models that a user writes in a notebook from Tensor operations."""

from __future__ import annotations

import numpy as np

import crlso
from crlso import Tensor, nn, optim
from crlso.random import Stream


def test_a_classifier_from_operations_learns_exclusive_or():
    rng = np.random.default_rng(0)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0])
    w1, b1 = Tensor(rng.normal(size=(2, 8)), True, "float32"), Tensor(np.zeros(8), True, "float32")
    w2, b2 = Tensor(rng.normal(size=(8, 2)), True, "float32"), Tensor(np.zeros(2), True, "float32")

    def logits(x):
        return (x @ w1 + b1).tanh() @ w2 + b2

    adam = optim.Adam([w1, b1, w2, b2])
    losses = []
    for _ in range(200):
        loss = logits(x).softmax_cross_entropy(labels)
        adam.zero_grad()
        loss.backward()
        adam.step(0.05)
        losses.append(loss.item())
    assert losses[-1] < 0.05 < 0.5 < losses[0]
    with crlso.no_grad():
        output = logits(x)
    assert not output.requires_grad and (output.numpy().argmax(axis=1) == labels).all()


def test_a_module_learns_a_regression():
    class Network(nn.Module):
        """A residual block between two layers, with a scale of its own."""

        def __init__(self, stream):
            self.first = nn.Linear(1, 32, stream.child("first"), activation="tanh")
            self.blocks = [nn.MLP([32, 32, 32], stream.child(f"block{i}")) for i in range(2)]
            self.last = nn.Linear(32, 1, stream.child("last"))
            self.scale = Tensor([1.0], requires_grad=True)

        def __call__(self, x):
            h = self.first(x)
            for block in self.blocks:
                h = h + block(h) * self.scale
            return self.last(h).reshape(-1)

    x = np.linspace(-2, 2, 64, dtype=np.float32)[:, None]
    y = np.sin(2 * x[:, 0])
    network = Network(Stream(1))
    adam = optim.Adam(network.parameters(), weight_decay=1e-4, decoupled=True, max_norm=5.0)
    for step in range(300):
        adam.zero_grad()
        loss = network(x).mse(y)
        loss.backward()
        adam.step(optim.cosine(step, 300, 1e-2))
    assert loss.item() < 0.01
    assert network.scale.numpy()[0] != 1.0 and "blocks.1.layers.0.weight" in network.named_parameters()

    slope = crlso.grad(network, x)[:, 0]
    inside = np.abs(x[:, 0]) < 1.5
    assert np.abs(slope - 2 * np.cos(2 * x[:, 0]))[inside].mean() < 0.5

    copy = Network(Stream(2))
    assert not np.array_equal(copy(x).numpy(), network(x).numpy())
    copy.load_state(network.state())
    np.testing.assert_array_equal(copy(x).numpy(), network(x).numpy())


def test_a_loss_of_ones_own_by_plain_gradient_descent():
    """Logistic regression with its loss written out, weights changed by hand; the exact gradient is known."""
    rng = np.random.default_rng(3)
    x, truth = rng.normal(size=(200, 3)), np.array([2.0, -1.0, 0.5])
    y = (x @ truth + 0.3 * rng.normal(size=200) > 0).astype(np.float64)
    w = Tensor(np.zeros((3, 1)), requires_grad=True)
    for _ in range(150):
        margin = (x @ w).reshape(-1) * (1.0 - 2.0 * y)
        loss = margin.softplus().mean() + w.square().sum() * 0.01
        w.grad = None
        loss.backward()
        wrong = 1 / (1 + np.exp(-margin.numpy())) * (1 - 2 * y)
        expected = (x * wrong[:, None]).mean(axis=0)[:, None] + 0.02 * w.numpy()
        np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-10, atol=1e-12)
        w.numpy()[...] -= 1.0 * w.grad.numpy()
    assert ((x @ w.numpy())[:, 0] > 0).astype(float).tolist() != y.tolist()  # there is noise
    assert (((x @ w.numpy())[:, 0] > 0) == y).mean() > 0.9
    direction = w.numpy()[:, 0] / np.linalg.norm(w.numpy())
    assert direction @ truth / np.linalg.norm(truth) > 0.97


def test_descent_on_an_input():
    """The way the search uses models: a point moves downhill on a trained function."""
    bowl = nn.ICNN(2, 16, 2, Stream(0))
    rng = np.random.default_rng(0)
    z = rng.normal(size=(256, 2)).astype(np.float32)
    adam = optim.Adam(bowl.parameters())
    for step in range(200):
        adam.zero_grad()
        bowl(z).mse(((z - 0.5) ** 2).sum(axis=1)).backward()
        adam.step(optim.cosine(step, 200, 0.02))
    point = np.array([[-2.0, 2.0]], np.float32)
    values = []
    for _ in range(60):
        values.append(bowl(point).item())
        point = point - 0.05 * crlso.grad(bowl, point)
    assert values[-1] < 0.2 * values[0] and np.abs(point - 0.5).max() < 0.6
