"""Make nb301_vectors.json with ConfigSpace 0.4.12 itself: see README.md.

The space is that of NAS-Bench-301's configspace.json, with the four hyper-parameters that its loader replaces.
"""

import ast
import itertools
import json
import sys

import ConfigSpace as CS
import ConfigSpace.hyperparameters as CSH
import numpy as np
from ConfigSpace.read_and_write import json as reader

OPERATIONS = "max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5".split()
DARTS = "NetworkSelectorDatasetInfo:darts:"
SCHEDULE = "SimpleLearningrateSchedulerSelector:cosine_annealing:"
CELLS = ("normal", "reduce")


def categorical(name, choices):
    return {"name": name, "type": "categorical", "choices": choices, "default": choices[0]}


def numeric(kind, name, log, default, **limits):
    return {"name": name, "type": kind, "log": log, "default": default, **limits}


def space_text():
    def pairs(node):
        return [f"{a}_{b}" for a, b in itertools.combinations(range(node), 2)]

    parameters = [
        numeric("uniform_int", "CreateImageDataLoader:batch_size", True, 96, lower=64, upper=128),
        categorical("ImageAugmentation:augment", [True]),
        categorical("ImageAugmentation:autoaugment", [False, True]),
        categorical("ImageAugmentation:cutout", [True]),
        numeric("uniform_int", "ImageAugmentation:cutout_holes", False, 1, lower=1, upper=3),
        numeric("uniform_int", "ImageAugmentation:cutout_length", False, 16, lower=1, upper=50),
        categorical("ImageAugmentation:fastautoaugment", [False, True]),
        categorical("LossModuleSelectorIndices:loss_module", ["cross_entropy"]),
        categorical(DARTS + "auxiliary", [True]),
        {"name": DARTS + "drop_path_prob", "type": "constant", "value": 0.2},
        {"name": DARTS + "init_channels", "type": "constant", "value": 50},
        {"name": DARTS + "layers", "type": "constant", "value": 20},
        categorical("NetworkSelectorDatasetInfo:network", ["darts"]),
        categorical("OptimizerSelector:optimizer", ["sgd"]),
        numeric("normal_float", "OptimizerSelector:sgd:learning_rate", True, 0.025, mu=0.025, sigma=0.05),
        numeric("uniform_float", "OptimizerSelector:sgd:momentum", False, 0.9, lower=0.1, upper=0.99),
        numeric("normal_float", "OptimizerSelector:sgd:weight_decay", True, 0.0003, mu=0.0003, sigma=0.0006),
        numeric("uniform_int", SCHEDULE + "T_max", False, 55, lower=10, upper=100),
        numeric("uniform_float", SCHEDULE + "eta_min", False, 1e-8, lower=0.0, upper=2.0),
        categorical("SimpleLearningrateSchedulerSelector:lr_scheduler", ["cosine_annealing"]),
        categorical("SimpleTrainNode:batch_loss_computation_technique", ["mixup"]),
        numeric("uniform_float", "SimpleTrainNode:mixup:alpha", True, 0.2, lower=0.01, upper=0.7),
    ]
    conditions = []
    for cell in CELLS:
        parameters += [categorical(DARTS + f"edge_{cell}_{edge}", OPERATIONS) for edge in range(14)]
        edge = 2
        for node in (3, 4, 5):
            parent = DARTS + f"inputs_node_{cell}_{node}"
            parameters.append(categorical(parent, pairs(node)))
            for source in range(node):
                values = [pair for pair in pairs(node) if str(source) in pair.split("_")]
                child = DARTS + f"edge_{cell}_{edge}"
                conditions.append({"child": child, "parent": parent, "type": "IN", "values": values})
                edge += 1
    return json.dumps(
        {
            "hyperparameters": parameters,
            "conditions": conditions,
            "forbiddens": [],
            "python_module_version": "0.4.11",
            "json_format_version": 0.1,
        }
    )


def load_space():
    space = reader.read(space_text())
    replaced = (DARTS + "layers", SCHEDULE + "T_max", DARTS + "init_channels")
    for name in (*replaced, SCHEDULE + "eta_min"):
        space._hyperparameters.pop(name)
    space.add_hyperparameters(
        [CSH.UniformIntegerHyperparameter(name=name, lower=1, upper=10000) for name in replaced]
        + [CSH.UniformFloatHyperparameter(name=SCHEDULE + "eta_min", lower=0, upper=10000)]
    )
    return space


FIXED = {
    "CreateImageDataLoader:batch_size": 96,
    "ImageAugmentation:augment": True,
    "ImageAugmentation:cutout": True,
    "ImageAugmentation:cutout_holes": 1,
    "ImageAugmentation:cutout_length": 16,
    "ImageAugmentation:autoaugment": False,
    "ImageAugmentation:fastautoaugment": False,
    "LossModuleSelectorIndices:loss_module": "cross_entropy",
    DARTS + "auxiliary": True,
    DARTS + "drop_path_prob": 0.2,
    "NetworkSelectorDatasetInfo:network": "darts",
    "OptimizerSelector:optimizer": "sgd",
    "OptimizerSelector:sgd:learning_rate": 0.025,
    "OptimizerSelector:sgd:momentum": 0.9,
    "OptimizerSelector:sgd:weight_decay": 0.0003,
    SCHEDULE + "T_max": 100,
    SCHEDULE + "eta_min": 1e-8,
    "SimpleLearningrateSchedulerSelector:lr_scheduler": "cosine_annealing",
    "SimpleTrainNode:batch_loss_computation_technique": "mixup",
    "SimpleTrainNode:mixup:alpha": 0.2,
    DARTS + "init_channels": 32,
    DARTS + "layers": 8,
}


def configuration(compact):
    values = dict(FIXED)
    for cell, edges in zip(CELLS, compact):
        first = 0
        for i in range(4):
            pair = edges[2 * i : 2 * i + 2]
            for source, operation in pair:
                values[DARTS + f"edge_{cell}_{first + source}"] = OPERATIONS[operation]
            if i:
                sources = sorted(source for source, _ in pair)
                values[DARTS + f"inputs_node_{cell}_{i + 2}"] = "_".join(map(str, sources))
            first += i + 2
    return values


def main():
    space = load_space()
    with open(sys.argv[1]) as file:
        genotypes = [ast.literal_eval(text) for text in list(json.load(file).values())[:40]]
    vectors = [CS.Configuration(space, values=configuration(genotype)).get_array() for genotype in genotypes]
    with open("nb301_vectors.json", "w") as file:
        json.dump(
            {
                "names": [parameter.name for parameter in space.get_hyperparameters()],
                "genotypes": [str(genotype) for genotype in genotypes],
                "vectors": [np.where(np.isnan(vector), -1, vector).tolist() for vector in vectors],
            },
            file,
            indent=0,
        )
        file.write("\n")


if __name__ == "__main__":
    main()
