"""Make ensemble.npz: three boosters fitted to random numbers at the vectors of ../nb301_vectors.json; see ../README.md.

They are trained and saved as the code of NAS-Bench-301 does; `predictions` are what xgboost says for all vectors.
"""

import json
import pickle

import numpy as np
import xgboost


def main():
    with open("../nb301_vectors.json") as file:
        vectors = np.array(json.load(file)["vectors"])
    targets = 93 + np.random.RandomState(0).standard_normal(len(vectors))
    arrays, predictions = {}, []
    for seed in range(3):
        settings = {"objective": "reg:squarederror", "eval_metric": "rmse", "booster": "gbtree", "max_depth": 4}
        settings.update({"learning_rate": 0.5, "colsample_bytree": 0.5, "min_child_weight": 2, "seed": seed})
        train, watched = xgboost.DMatrix(vectors[8:], targets[8:]), xgboost.DMatrix(vectors[:8], targets[:8])
        booster = xgboost.train(
            settings, train, num_boost_round=12, early_stopping_rounds=12, evals=[(watched, "val")], verbose_eval=False
        )
        arrays[f"member_{seed}"] = np.frombuffer(pickle.dumps(booster, protocol=4), np.uint8)
        predictions.append(booster.predict(xgboost.DMatrix(vectors)))
    np.savez_compressed("ensemble.npz", predictions=np.array(predictions), **arrays)


if __name__ == "__main__":
    main()
