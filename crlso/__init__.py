"""Neural architecture search in a convex latent space (CR-LSO, arXiv 2211.05950), with its core in C.

Everything is imported when it is first used, the extension and NumPy included; a source tree without the extension is
refused at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crlso._base.extension import require_extension
from crlso._base.lazy import lazy
from crlso._version import __version__

if TYPE_CHECKING:
    from crlso import benchmarks, methods, models, nn, optim, plotting, random, report, spaces, studies
    from crlso._core import GraphBatch, Tensor, get_num_threads, set_num_threads
    from crlso.comparison import Comparison, compare
    from crlso.diagnostics import LatentReport, diagnose
    from crlso.history import Trial
    from crlso.methods.bayesian.cr_lso import CRLSO
    from crlso.nn import grad, no_grad
    from crlso.studies import EvaluationError, Study, last_study, search

__all__ = [
    "CRLSO",
    "Comparison",
    "EvaluationError",
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
    "last_study",
    "methods",
    "models",
    "nn",
    "no_grad",
    "optim",
    "plotting",
    "random",
    "report",
    "search",
    "set_num_threads",
    "spaces",
    "studies",
]

require_extension(__path__[0])

if not TYPE_CHECKING:  # a type checker would take every name for one of them
    __getattr__, __dir__ = lazy(
        __name__,
        {
            **dict.fromkeys(("GraphBatch", "Tensor", "get_num_threads", "set_num_threads"), "crlso._core"),
            **dict.fromkeys(("EvaluationError", "Study", "last_study", "search"), "crlso.studies"),
            **dict.fromkeys(("Comparison", "compare"), "crlso.comparison"),
            **dict.fromkeys(("LatentReport", "diagnose"), "crlso.diagnostics"),
            **dict.fromkeys(("grad", "no_grad"), "crlso.nn"),
            "CRLSO": "crlso.methods",
            "Trial": "crlso.history",
            **dict.fromkeys(
                (
                    "_core",
                    "benchmarks",
                    "methods",
                    "models",
                    "nn",
                    "optim",
                    "plotting",
                    "random",
                    "report",
                    "spaces",
                    "studies",
                )
            ),
        },
    )
