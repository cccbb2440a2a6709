"""Genuine inputs of each target, from which fuzzers and the test of mutations start."""

from __future__ import annotations

import collections
import pickle
import pickletools
from pathlib import Path

import numpy as np

_BOOSTERS = Path(__file__).resolve().parents[1] / "data" / "boosters"
_CELL = "[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('sep_conv_5x5', 1), "
_CELL += "('avg_pool_3x3', 3), ('dil_conv_3x3', 4), ('sep_conv_3x3', 0)]"
_EDGES = "edge_{0}_0 edge_{0}_1 edge_{0}_2 edge_{0}_4 edge_{0}_5 edge_{0}_8 edge_{0}_9 edge_{0}_13"
_KEYS = [key for cell in ("normal", "reduce") for key in _EDGES.format(cell).split()]
_INPUTS = {f"inputs_node_{cell}_{node}": f"0_{node - 1}" for cell in ("normal", "reduce") for node in (3, 4, 5)}
_CONFIGURATION = str({**dict.fromkeys(_KEYS, "skip_connect"), **_INPUTS, "layers": 20, "rate": 4.6e-06, "on": True})
_COMPACT = "((0, 6), (1, 4), (0, 0), (1, 5), (1, 4), (3, 2), (0, 6), (3, 2))"


def _pickles() -> list[bytes]:
    pickles = []
    for path in sorted(_BOOSTERS.glob("xgboost-*.npz")):
        with np.load(path) as file:
            pickles += [file[f"{case}.pickle"].tobytes() for case in ("dart", "squarederror")]
    return [data for data in pickles if len(data) < 20_000]


def _buffer(data: bytes) -> bytes:
    arguments = (argument for _, argument, _ in pickletools.genops(data))
    texts = [a.encode("latin1") if isinstance(a, str) else a for a in arguments if isinstance(a, (str, bytes))]
    return bytes(max(texts, key=len))


def samples(target: str) -> list[bytes]:
    """Genuine inputs of the target of that name, each less than 20 kB."""
    if target == "genotype":
        named = f"Genotype(normal={_CELL}, normal_concat=range(2, 6), reduce={_CELL}, reduce_concat=[2, 3, 4, 5])"
        logged = f"07/09 12:00 genotype = genotypes.{named}  # the best".replace(
            "'skip_connect', 0", "'skip_connect', np.int64(0)"
        )
        compact = [f"({_COMPACT}, {_COMPACT})".encode(), f"[{_COMPACT}, {_COMPACT}]".encode()]
        return [named.encode(), logged.encode(), f"({_CELL}, {_CELL})".encode(), _CONFIGURATION.encode(), *compact]
    if target == "cell_text":
        return [
            b"|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|",
            b"conv3x3-bn-relu(0)+maxpool3x3(0,1)+output(1,2)",
            b"|conv~0|pool~1|+|pool~2|+|conv~0|conv~3|",
            b"a(0)+b(1)+output(0,2)",
            b"b49ac8c578b4561d79ac7087988f1c61",
            b"Cell('conv3x3-bn-relu(0)+output(1)')\n",
        ]
    if target == "space_name":
        return [
            b"cells[nodes=5;inputs=2;on=edges;edges=free;max=None;ops=conv,pool]",
            b"cells[nodes=4;inputs=1;on=nodes;edges=0-1.1-2.0-3.2-3;max=None;ops=a,b]",
        ]
    if target == "booster_buffer":
        return [_buffer(data) for data in _pickles()]
    if target == "booster_pickle":
        return _pickles()
    plain = {"a": [1, 2.5, None, True, -(2**40)], "b": (b"x" * 300, "y" * 300), ("seed", 7): {3, 4}, 5: bytearray(9)}
    values = [plain, [[], {}, (), set()], collections.OrderedDict(a=collections.OrderedDict())]
    return [pickle.dumps(value, protocol) for value in values for protocol in range(2, 6)]
