"""The model of benchmarks.model in other frameworks, by the names that --against takes."""

from __future__ import annotations

from typing import Any

from benchmarks.model import Model

__all__ = ["twin"]


def twin(name: str, model: Model, threads: int) -> Any:
    """The same model in another framework, which is imported only now."""
    if name == "jax":
        from benchmarks.with_jax import JaxProgram

        return JaxProgram(model, threads)
    if name == "pyg":
        from benchmarks.with_pyg import PyGProgram

        return PyGProgram(model, threads)
    from benchmarks.with_pytorch import SameAlgebraProgram, TorchProgram

    return (SameAlgebraProgram if name == "pytorch-same-algebra" else TorchProgram)(model, threads)
