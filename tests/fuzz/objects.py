"""Objects for random calls: of every class one that works, small and quickly made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import crlso
from crlso import GraphBatch, Tensor, _core, benchmarks, models, nn
from crlso.comparison import compare
from crlso.history import History, Measurement, Trial
from crlso.methods.bayesian import BayesianSearch
from crlso.random import Stream
from tests.fuzz.cases import Chance
from tests.fuzz.values import Values, value_of


class Objects:
    """Makes objects of a case; its `values` draw arguments for the same case."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.values = Values(chance, self.make)
        self.space = self.values.space

    def make(self, name: str, target: type | None = None) -> Any:
        """Return an object of the class of that name, made by a method here or by the class itself."""
        maker: Callable[[], Any] | None = getattr(self, f"_{name}", None)
        if maker is not None:
            return maker()
        if target is None:
            return None
        if inspect.isabstract(target):
            return None
        if issubclass(target, crlso.methods.Optimiser) and target is not BayesianSearch:  # it needs its parts
            return self._optimiser(target)
        return self._by_class(target)

    def _by_class(self, target: type) -> Any:
        from tests.fuzz.calls import parameters  # the two need each other: arguments are objects too

        named = {
            word: self.values.argument(word, annotation)
            for word, annotation, optional, _ in parameters(target, "")
            if not optional
        }
        try:
            return target(**named)
        except Exception:  # whether it may be refused is judged where the call itself is the step
            return None

    def _optimiser(self, target: Any) -> Any:
        optimiser = target(self.space, rng=self.chance.below(5), budget=8)
        for _ in range(self.chance.below(4)):
            trial = optimiser.ask()
            if self.chance.coin(0.7):
                optimiser.tell(trial, value_of(trial.cell))
        return optimiser

    def _codes(self, n: int) -> Any:
        return self.space.sample(n, rng=self.chance.below(100))

    # -- the core and networks ---------------------------------------------------------------------------------------

    def _Tensor(self) -> Any:
        tensor = Tensor(self.values.array(), requires_grad=self.chance.coin())
        return (tensor * 2.0).relu() if self.chance.coin(0.3) else tensor

    def _GraphBatch(self) -> Any:
        return GraphBatch([0, 2, 3], [0, 0, 1, 2], [0, 2], [0, 1], 2)

    def _Adam(self) -> Any:
        tensors = self.values._parameters()
        for tensor in tensors:
            (tensor * tensor).sum().backward()
        return _core.Adam(tensors)

    def _FrozenICNN(self) -> Any:
        return nn.ICNN(3, 4, 2, Stream(0)).freeze()

    def _FrozenDecoder(self) -> Any:
        return self._fitted().freeze_decoder()

    def _FrozenEncoder(self) -> Any:
        return self._fitted().freeze_encoder()

    def _Linear(self) -> Any:
        return nn.Linear(3, 2, Stream(0), dtype=self.values.dtype)

    def _MLP(self) -> Any:
        return nn.MLP([3, 4, 2], Stream(0), dtype=self.values.dtype)

    def _ICNN(self) -> Any:
        return nn.ICNN(3, 4, 2, Stream(0), dtype=self.values.dtype)

    # -- models ------------------------------------------------------------------------------------------------------

    def _fitted(self) -> Any:
        vae = models.GraphVAE(self.space, width=4, latent=3, layers=2, epochs=1, batch_size=8, rng=0)
        return vae.fit(self._codes(10))

    def _GraphVAE(self) -> Any:
        return self._fitted() if self.chance.coin(0.8) else models.GraphVAE(self.space, width=4, latent=3)

    def _Predictor(self) -> Any:
        model = models.Predictor(self.space, width=4, layers=2, epochs=1)
        return model.fit(self._codes(6), np.arange(6.0)) if self.chance.coin(0.8) else model

    def _ICNNSurrogate(self) -> Any:
        model = models.ICNNSurrogate(width=4, layers=2, epochs=1)
        return model.fit(self.chance.random.normal(size=(6, 3)), np.arange(6.0)) if self.chance.coin(0.8) else model

    def _Kernel(self) -> Any:
        return models.Kernel(weights=((0.05, 0.1),))

    def _Features(self) -> Any:
        return models.Features((self.chance.random.normal(size=(max(1, self.values.sizes[0]), 2)),))

    def _GaussianProcess(self) -> Any:
        x = models.Features((self.chance.random.normal(size=(5, 2)),))
        return models.GaussianProcess(self._Kernel()).fit(x, np.arange(5.0))

    # -- searches ----------------------------------------------------------------------------------------------------

    def _CellSpace(self) -> Any:
        return self.space

    def _Cell(self) -> Any:
        return self.space.cells(self._codes(1))[0]

    def _Function(self) -> Any:
        return benchmarks.Function(self.space, value_of, name="count")

    def _Tabular(self) -> Any:
        codes = self.space.sample(6, rng=0, unique_classes=True)
        return benchmarks.Tabular(self.space, codes, np.arange(6.0))

    def _NASBench301(self) -> Any:
        return benchmarks.NASBench301.standin()

    def _Measurement(self) -> Any:
        return Measurement(self.chance.of((1.0, -2.0, 90.5)))

    def _Trial(self) -> Any:
        return Trial(self.chance.below(4), self._Cell(), self._Measurement() if self.chance.coin() else None)

    def _History(self) -> Any:
        history = History()
        for key in range(self.chance.below(4)):
            trial = history.ask(f"cell {key}", codes=[key], key=key)
            if self.chance.coin():
                history.tell(trial, Measurement(float(key)))
        return history

    def _Study(self) -> Any:
        return crlso.search(self._Function(), "random", budget=1 + self.chance.below(5), progress=False)

    def _Comparison(self) -> Any:
        return compare([self._Function()], ["random", "local"], seeds=2, budget=3, progress=False)

    def _LatentReport(self) -> Any:
        return crlso.diagnose(self._fitted(), self._codes(5), samples=20)
