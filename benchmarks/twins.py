"""Twins of benchmarks.model in other frameworks, by the names accepted by --against."""

from __future__ import annotations

from typing import Any

from benchmarks.model import Model

__all__ = ["twin"]


def twin(name: str, model: Model, threads: int) -> Any:
    """Make the twin of a model in another framework, which is imported on this call."""
    if name == "jax":
        from benchmarks.with_jax import JaxProgram

        return JaxProgram(model, threads)
    if name == "pyg":
        from benchmarks.with_pyg import PyGProgram

        return PyGProgram(model, threads)
    from benchmarks.with_pytorch import SameAlgebraProgram, TorchProgram

    return (SameAlgebraProgram if name == "pytorch-same-algebra" else TorchProgram)(model, threads)
