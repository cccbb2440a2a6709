"""Neural architecture search in a convex latent space (CR-LSO, arXiv 2211.05950), with its core in C.

Everything is imported when it is first used, the extension and NumPy included.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crlso._version import __version__

if TYPE_CHECKING:
    from crlso import benchmarks, models, nn, optim, plotting, search, spaces
    from crlso._core import GraphBatch, Tensor, get_num_threads, set_num_threads
    from crlso.comparison import Comparison, compare
    from crlso.diagnostics import LatentReport, diagnose
    from crlso.nn import grad, no_grad
    from crlso.search.cr_lso import CRLSO
    from crlso.study import Study, Trial

__all__ = [
    "CRLSO",
    "Comparison",
    "GraphBatch",
    "LatentReport",
    "Study",
    "Tensor",
    "Trial",
    "__version__",
    "benchmarks",
    "compare",
    "diagnose",
    "get_num_threads",
    "grad",
    "models",
    "nn",
    "no_grad",
    "optim",
    "plotting",
    "search",
    "set_num_threads",
    "spaces",
]

_HOMES = {
    **dict.fromkeys(("GraphBatch", "Tensor", "get_num_threads", "set_num_threads"), "crlso._core"),
    **dict.fromkeys(("Study", "Trial"), "crlso.study"),
    **dict.fromkeys(("Comparison", "compare"), "crlso.comparison"),
    **dict.fromkeys(("LatentReport", "diagnose"), "crlso.diagnostics"),
    **dict.fromkeys(("grad", "no_grad"), "crlso.nn"),
    "CRLSO": "crlso.search.cr_lso",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        globals()[name] = value = getattr(import_module(_HOMES[name]), name)
        return value
    if name in __all__ or name == "_core":
        return import_module(f"crlso.{name}")
    raise AttributeError(f"module 'crlso' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
