"""Cells of crlso in other tools: a sampler for Optuna, and modules of PyTorch.

Each module needs the package whose name it has, and says how to install it when it is used without.

Examples
--------
>>> import crlso.integrations
>>> dir(crlso.integrations)
['optuna', 'torch']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crlso._base.lazy import lazy

if TYPE_CHECKING:
    from crlso.integrations import optuna, torch

__all__ = ["optuna", "torch"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__))
