"""Make the boosters of this folder: run once in an environment per version of xgboost, see README.md.

Each run writes xgboost-<version>.npz with the inputs, and for each case the pickle of the Booster as bytes, what it
predicts, and what it predicts without the objective's transformation.
"""

import pickle
import sys

import numpy as np
import xgboost

# Name -> parameters of the booster; the names are also those of the tests.
CASES = {
    "squarederror": {"objective": "reg:squarederror", "gamma": 0.5},
    "logistic": {"objective": "reg:logistic", "base_score": 0.3},
    "poisson": {"objective": "count:poisson"},
    "dart": {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3, "base_score": 2.0},
    "forest": {"objective": "binary:logistic", "num_parallel_tree": 3, "subsample": 0.7},
}


def inputs():
    """Small integers as in NAS-Bench-301, a column of reals, and holes; targets between 0 and 1."""
    random = np.random.RandomState(7)
    x = random.randint(-1, 7, size=(300, 8)).astype(np.float32)
    x[:, 7] = random.standard_normal(300)
    y = 1 / (1 + np.exp(0.4 * x[:, 0] - 0.3 * x[:, 1] * (x[:, 2] > 2) - np.sin(3 * x[:, 7])))
    x[random.random_sample(x.shape) < 0.15] = np.nan
    return x, y.astype(np.float32)


def main():
    x, y = inputs()
    arrays = {"x": x[:100]}
    for protocol, (name, parameters) in zip((2, 3, 4, 3, 2), CASES.items()):
        label = (y > 0.5).astype(np.float32) if name == "forest" else y
        settings = {"max_depth": 4, "eta": 0.4, "seed": 3, "verbosity": 0, "nthread": 1, **parameters}
        train, watched = xgboost.DMatrix(x, label=label), xgboost.DMatrix(x[:50], label=label[:50])
        rounds = {"num_boost_round": 4 if name == "forest" else 8}
        if name == "squarederror":  # as NAS-Bench-301 was made
            rounds = {"num_boost_round": 30, "early_stopping_rounds": 2, "evals": [(watched, "val")]}
        booster = xgboost.train(settings, train, verbose_eval=False, **rounds)
        data = xgboost.DMatrix(arrays["x"])
        arrays[name + ".pickle"] = np.frombuffer(pickle.dumps(booster, protocol=protocol), np.uint8)
        # Before release 1.0, predictions of DART dropped trees at random unless a limit was given.
        options = {"ntree_limit": 8} if name == "dart" and xgboost.__version__ < "1" else {}
        arrays[name + ".prediction"] = booster.predict(data, **options)
        arrays[name + ".margin"] = booster.predict(data, output_margin=True, **options)
    np.savez_compressed(f"xgboost-{xgboost.__version__}.npz", **arrays)
    sys.stdout.write(f"xgboost {xgboost.__version__}: {', '.join(CASES)}\n")


if __name__ == "__main__":
    main()
