"""Search methods: ``crlso.search(benchmark, ...)`` runs one; the classes here are driven by ask and tell.

Calling this module is calling :func:`crlso.search.runner.search`. Classes are imported when they are first used.

Examples
--------
>>> import crlso
>>> study = crlso.search(crlso.benchmarks.NASBench201("cifar100"), method="random", budget=20, rng=0)
>>> study.n_queries
20
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crlso.search._registry import Registry

if TYPE_CHECKING:
    from crlso.search.base import BudgetSpent, Optimiser
    from crlso.search.cr_lso import CRLSO
    from crlso.search.cr_lso_paper import PaperCRLSO
    from crlso.search.evolution import Evolution
    from crlso.search.gp import GPSearch
    from crlso.search.local import LocalSearch
    from crlso.search.random import RandomSearch
    from crlso.search.runner import EvaluationError, search
    from crlso.study import Study, Trial

__all__ = [
    "CRLSO",
    "METHODS",
    "BudgetSpent",
    "EvaluationError",
    "Evolution",
    "GPSearch",
    "LocalSearch",
    "Optimiser",
    "PaperCRLSO",
    "RandomSearch",
    "search",
]

METHODS = Registry(
    {
        "cr-lso": "crlso.search.cr_lso:CRLSO",
        "cr-lso-paper": "crlso.search.cr_lso_paper:PaperCRLSO",
        "evolution": "crlso.search.evolution:Evolution",
        "gp": "crlso.search.gp:GPSearch",
        "local": "crlso.search.local:LocalSearch",
        "random": "crlso.search.random:RandomSearch",
    }
)

_HOMES = {
    "CRLSO": "crlso.search.cr_lso",
    "BudgetSpent": "crlso.search.base",
    "EvaluationError": "crlso.search.runner",
    "Evolution": "crlso.search.evolution",
    "GPSearch": "crlso.search.gp",
    "LocalSearch": "crlso.search.local",
    "Optimiser": "crlso.search.base",
    "PaperCRLSO": "crlso.search.cr_lso_paper",
    "RandomSearch": "crlso.search.random",
    "search": "crlso.search.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _CallableModule(ModuleType):
    def __call__(
        self,
        benchmark: Any,
        method: str | type[Optimiser] = "cr-lso",
        budget: int = 100,
        rng: Any = 0,
        progress: bool | Callable[[str, int, int], object] | None = None,
        callbacks: Sequence[Callable[[Study, Trial], object]] = (),
        **options: Any,
    ) -> Study:
        """Run a search; see :func:`crlso.search.runner.search`."""
        from crlso.search.runner import search

        return search(benchmark, method, budget, rng, progress, callbacks, **options)


sys.modules[__name__].__class__ = _CallableModule
