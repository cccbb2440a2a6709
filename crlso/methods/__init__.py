"""Search methods: classes with an ask/tell interface; ``crlso.search(benchmark, method=...)`` runs one.

:data:`METHODS` maps names to classes, which are imported on first use.

Examples
--------
>>> import crlso
>>> optimiser = crlso.methods.RandomSearch(crlso.spaces.NASBench201(), rng=0, budget=20)
>>> optimiser.ask().number
0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crlso._base.lazy import lazy
from crlso._base.registry import Registry

if TYPE_CHECKING:
    from crlso.methods.base import BudgetSpent, Optimiser
    from crlso.methods.bayesian.cr_lso import CRLSO
    from crlso.methods.bayesian.gp import GPSearch
    from crlso.methods.evolution import Evolution
    from crlso.methods.local import LocalSearch
    from crlso.methods.nsga2 import NSGA2
    from crlso.methods.paper import PaperCRLSO
    from crlso.methods.random import RandomSearch

__all__ = [
    "CRLSO",
    "METHODS",
    "NSGA2",
    "BudgetSpent",
    "Evolution",
    "GPSearch",
    "LocalSearch",
    "Optimiser",
    "PaperCRLSO",
    "RandomSearch",
]

METHODS = Registry(
    {
        "cr-lso": "crlso.methods.bayesian.cr_lso:CRLSO",
        "cr-lso-paper": "crlso.methods.paper:PaperCRLSO",
        "evolution": "crlso.methods.evolution:Evolution",
        "gp": "crlso.methods.bayesian.gp:GPSearch",
        "local": "crlso.methods.local:LocalSearch",
        "nsga2": "crlso.methods.nsga2:NSGA2",
        "random": "crlso.methods.random:RandomSearch",
    }
)

if not TYPE_CHECKING:  # a type checker would take every name for one of them
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "CRLSO": "crlso.methods.bayesian.cr_lso",
            "BudgetSpent": "crlso.methods.base",
            "Evolution": "crlso.methods.evolution",
            "GPSearch": "crlso.methods.bayesian.gp",
            "LocalSearch": "crlso.methods.local",
            "NSGA2": "crlso.methods.nsga2",
            "Optimiser": "crlso.methods.base",
            "PaperCRLSO": "crlso.methods.paper",
            "RandomSearch": "crlso.methods.random",
        },
    )
