"""Neural architecture search in a convex latent space (CR-LSO, arXiv 2211.05950), with its core in C.

Sub-packages and what they hold are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crlso._core import GraphBatch, Tensor, get_num_threads, set_num_threads
from crlso._version import __version__

if TYPE_CHECKING:
    from crlso import benchmarks, models, nn, optim, plotting, search, spaces
    from crlso.nn import grad, no_grad
    from crlso.study import Study, Trial

__all__ = [
    "GraphBatch",
    "Study",
    "Tensor",
    "Trial",
    "__version__",
    "benchmarks",
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

_HOMES = {"Study": "crlso.study", "Trial": "crlso.study", "grad": "crlso.nn", "no_grad": "crlso.nn"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"crlso.{name}")
    raise AttributeError(f"module 'crlso' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
