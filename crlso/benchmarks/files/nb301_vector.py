"""Cells of the DARTS space as the vectors that the models of NAS-Bench-301 were fitted to.

The benchmark describes a training by 56 hyper-parameters. Its library ConfigSpace puts those without a condition first,
each group in alphabetical order, and writes a choice as its index, a number by its place in its range. The recipe of
the training is fixed; the hyper-parameters of edges that are not there are inactive, which the models see as -1.

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
_NODES = (3, 4, 5)  # whose inputs are a choice; those of node 2 are always the nodes 0 and 1
_INACTIVE = -1.0


def _place(value: int, low: int, high: int) -> float:
    """Where an integer is in its range: ConfigSpace widens ranges of integers by almost a half on either side."""
    return (value - (low - 0.49999)) / ((high + 0.49999) - (low - 0.49999))


def _log_place(value: float, low: float, high: float) -> float:
    return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))


# The recipe of the training. Choices without an alternative, or whose first alternative is meant, are 0.
_RECIPE = {
    "CreateImageDataLoader:batch_size": _log_place(96, 64 - 0.49999, 128 + 0.49999),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _place(1, 1, 3),
    "ImageAugmentation:cutout_length": _place(16, 1, 50),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    _DARTS + "auxiliary": 0.0,
    _DARTS + "drop_path_prob": 0.0,
    _DARTS + "init_channels": _place(32, 1, 10000),
    _DARTS + "layers": _place(8, 1, 10000),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    "OptimizerSelector:sgd:learning_rate": math.log(0.025),
    "OptimizerSelector:sgd:momentum": (0.9 - 0.1) / (0.99 - 0.1),
    "OptimizerSelector:sgd:weight_decay": math.log(0.0003),
    _SCHEDULE + "T_max": _place(100, 1, 10000),
    _SCHEDULE + "eta_min": 1e-8 / 10000,
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _log_place(0.2, 0.01, 0.7),
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
    """The vectors of cells.

    Parameters
    ----------
    codes : array_like of int, shape (n, 28)
        Valid rows of codes.

    Returns
    -------
    ndarray of float64, shape (n, 56)
        Columns as in `NAMES`.

    Raises
    ------
    TypeError, ValueError
        For codes that are not valid.
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
