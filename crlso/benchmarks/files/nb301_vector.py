"""Conversion of cells of the DARTS space to the input vectors of the models of NAS-Bench-301.

The benchmark describes a training by 56 hyper-parameters. Its library ConfigSpace lists those without a condition
first, and sorts each group by name. It encodes a choice as its index, and a number as its relative position in its
range. The recipe of the training is fixed. Hyper-parameters of absent edges are inactive, which is encoded as -1.

Sources: github automl/nasbench301 (api.py, representations.py, configspace.json, surrogate_models/utils.py and
gradient_boosting/xgboost.py); ConfigSpace 0.4.12.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import numpy.typing as npt

from crlso.spaces.genotype import EDGES, check_codes

__all__ = ["NAMES", "nb301_vectors"]

_DARTS = "NetworkSelectorDatasetInfo:darts:"
_SCHEDULE = "SimpleLearningrateSchedulerSelector:cosine_annealing:"
_CELLS = ("normal", "reduce")
_NODES = (3, 4, 5)  # nodes with a choice of inputs; the inputs of node 2 are always the nodes 0 and 1
_INACTIVE = -1.0


def _relative(value: int, low: int, high: int) -> float:
    """Return the relative position of an integer in its range, which ConfigSpace widens by 0.49999 on each side."""
    return (value - (low - 0.49999)) / ((high + 0.49999) - (low - 0.49999))


def _log_relative(value: float, low: float, high: float) -> float:
    """Return the relative position of a number in its range on a logarithmic scale."""
    return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))


# The recipe of the training. A choice is 0 if it has no alternative or the recipe uses the first one.
_RECIPE = {
    "CreateImageDataLoader:batch_size": _log_relative(96, 64 - 0.49999, 128 + 0.49999),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _relative(1, 1, 3),
    "ImageAugmentation:cutout_length": _relative(16, 1, 50),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    _DARTS + "auxiliary": 0.0,
    _DARTS + "drop_path_prob": 0.0,
    _DARTS + "init_channels": _relative(32, 1, 10000),
    _DARTS + "layers": _relative(8, 1, 10000),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    "OptimizerSelector:sgd:learning_rate": math.log(0.025),
    "OptimizerSelector:sgd:momentum": (0.9 - 0.1) / (0.99 - 0.1),
    "OptimizerSelector:sgd:weight_decay": math.log(0.0003),
    _SCHEDULE + "T_max": _relative(100, 1, 10000),
    _SCHEDULE + "eta_min": 1e-8 / 10000,
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _log_relative(0.2, 0.01, 0.7),
}


def _edge_name(cell: str, slot: int) -> str:
    return f"{_DARTS}edge_{cell}_{slot}"


def _inputs_name(cell: str, node: int) -> str:
    return f"{_DARTS}inputs_node_{cell}_{node}"


def _names() -> tuple[str, ...]:
    always = [_edge_name(cell, slot) for cell in _CELLS for slot in (0, 1)]
    always += [_inputs_name(cell, node) for cell in _CELLS for node in _NODES]
    conditional = [_edge_name(cell, slot) for cell in _CELLS for slot in range(2, len(EDGES))]
    return (*sorted([*_RECIPE, *always]), *sorted(conditional))


NAMES = _names()


@functools.cache
def _columns() -> dict[str, int]:
    return {name: column for column, name in enumerate(NAMES)}


def nb301_vectors(codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the input vectors of the models for cells.

    Parameters
    ----------
    codes : array_like of int, shape (n, 28)
        Valid rows of codes.

    Returns
    -------
    ndarray of float64, shape (n, 56)
        Hyper-parameters in the order of `NAMES`.

    Raises
    ------
    TypeError, ValueError
        If the codes are not valid.
    """
    rows = check_codes(codes)
    columns = _columns()
    out = np.empty((len(rows), len(NAMES)))
    for name, value in _RECIPE.items():
        out[:, columns[name]] = value
    for cell, half in zip(_CELLS, np.split(rows, 2, axis=1), strict=True):
        for slot in range(len(EDGES)):
            out[:, columns[_edge_name(cell, slot)]] = np.where(half[:, slot] > 0, half[:, slot] - 1.0, _INACTIVE)
        for node in _NODES:
            pairs = list(itertools.combinations(range(node), 2))
            first = EDGES.index((0, node))
            present = half[:, first : first + node] > 0
            which = [(present[:, a] & present[:, b]) for a, b in pairs]
            out[:, columns[_inputs_name(cell, node)]] = np.argmax(which, axis=0)
    return out
