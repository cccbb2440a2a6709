"""What the fuzzers call: each takes any bytes, and returns or raises nothing but what it says it does.

A target raises AssertionError, or lets any other exception than ValueError through, when it has found something.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from crlso.benchmarks.files.booster import Booster, load_booster, parse_booster
from crlso.benchmarks.files.unpickle import restricted_load
from crlso.spaces import CellSpace, NASBench101, NASBench201, NASBenchMacro
from crlso.spaces.genotype import check_codes, format_genotype, parse_genotype
from crlso.spaces.layout import layout_from_name


def _read(read: Callable[[], Any], beginning: str) -> Any:
    """What is read; None when it is refused, with a message that begins so."""
    try:
        return read()
    except ValueError as error:
        message = str(error)
    assert message.startswith(beginning), message
    return None


def genotype(data: bytes) -> None:
    """Text is refused, or is a genotype that is written and read again as it is."""
    codes = _read(lambda: parse_genotype(data.decode("utf-8", "replace")), "genotype: expected")
    if codes is None:
        return
    assert check_codes(codes[None]).tolist() == [codes.tolist()]
    text = format_genotype(codes)
    assert parse_genotype(text).tolist() == codes.tolist()


def _check_booster(booster: Booster | None) -> None:
    if booster is None or booster.n_features > 1000 or len(booster.roots) > 10_000:
        return  # to predict takes memory in proportion, which is the caller's to decide
    x = np.zeros((2, booster.n_features), dtype=np.float32)
    x[1] = np.nan
    with np.errstate(all="ignore"):
        assert booster.predict(x).shape == (2,)


def booster_buffer(data: bytes) -> None:
    """A buffer is refused, or is a booster that predicts."""
    _check_booster(_read(lambda: parse_booster(data, "model"), "model: expected"))


def booster_pickle(data: bytes) -> None:
    """A pickle is refused, or is a booster that predicts."""
    _check_booster(_read(lambda: load_booster(io.BytesIO(data), "model"), "model: expected"))


class _Stub:
    """An allowed class."""


def _make(*arguments: object) -> tuple[object, ...]:
    """An allowed function."""
    return arguments


_PLAIN = (type(None), bool, int, float, str, bytes, bytearray, tuple, list, dict, set, _Stub)


def unpickle(data: bytes) -> None:
    """A stream is refused, or gives a plain value or an instance of what is allowed."""
    allowed = {("collections", "OrderedDict"): _Stub, ("torch", "tensor"): _make}
    value = _read(lambda: restricted_load(io.BytesIO(data), allowed, "pickle"), "pickle: expected")
    assert isinstance(value, _PLAIN) or value in (_Stub, _make)


_SPACES = (
    NASBench201(),
    NASBench101(),
    NASBenchMacro(),
    CellSpace(nodes=5, operations=["conv", "pool"], edges="free", input_nodes=2),
    CellSpace(nodes=4, operations=["a", "b"], operations_on="nodes", edges=[(0, 1), (1, 2), (0, 3), (2, 3)]),
)


def cell_text(data: bytes) -> None:
    """Text is refused by a space, or is a cell that is written and read again as it is."""
    text = data.decode("utf-8", "replace")
    for space in _SPACES:
        cell = _read(lambda space=space: space.cell(text), "cell string")
        if cell is not None:
            assert space.cell(str(cell)) == cell
            space.canonicalise([cell])


def space_name(data: bytes) -> None:
    """Text is refused, or is the name of a space that gives that name."""
    text = data.decode("utf-8", "replace")
    layout = _read(lambda: layout_from_name(text), "space: expected")
    assert layout is None or layout.name == text


TARGETS = {f.__name__: f for f in (genotype, booster_buffer, booster_pickle, unpickle, cell_text, space_name)}
