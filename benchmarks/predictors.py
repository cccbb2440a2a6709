"""Predictors of cells by numbers of labels: how well they rank all cells of a space.

    python -m benchmarks.predictors --space nasbench201 --seeds 10 11 12 13 14

Each predictor learns from the labels of random cells and predicts all other cells too. The table shows Kendall's tau
and Spearman's correlation on all cells, and the regret of the best predicted 1 %: by how much the best value of the
space exceeds the best value among the cells that are predicted to be the best 1 %. Numbers are means over the seeds,
each of which draws other labelled cells; seconds are those of one fit and one prediction.

Predictors are LatentGP; gp, the Gaussian process of the search of that name; trees, gradient-boosted trees of
scikit-learn on the descriptors of graphs, which are skipped when it is not installed; and Predictor, a graph network,
which takes longest.

On NAS-Bench-201, labels are validation accuracies; cells are ranked by these and by their test accuracies, in two
tables. On NAS-Bench-101, both are test accuracies. ``--cells`` limits the ranked cells to that many random ones; labels
are of any cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import crlso
from crlso._core import kendall_tau
from crlso.methods.bayesian.gp import GRAPH_KERNEL
from crlso.models import Features, GaussianProcess, LatentGP, Predictor, normal_scores
from crlso.spaces.features import CellFeatures, graph_descriptors

from .timing import about, is_installed, publish

LABELS = {"nasbench201": (78, 156, 469, 781, 1563), "nasbench101": (50, 100, 172, 424, 1000, 4236)}
NEEDS = {"trees": {"sklearn": "scikit-learn"}}
MEASURES = ("tau", "spearman", "regret", "seconds")
_BLOCK = 4096
_BEST = 0.01  # share of the cells whose best value counts for the regret


def latent_gp(space: Any, cells: Any, values: Any, others: Any) -> Any:
    """Predict by LatentGP."""
    return LatentGP(space).fit(cells, values).predict(others)


def graph_network(space: Any, cells: Any, values: Any, others: Any) -> Any:
    """Predict by Predictor, with its default settings."""
    return Predictor(space).fit(cells, values).predict(others)


def gp(space: Any, cells: Any, values: Any, others: Any) -> Any:
    """Predict by the process of the search gp: operations, paths, size; at most 1,000 labels choose its weights."""
    features = CellFeatures(space, space.canonicalise(space.sample_up_to(2000, rng=0)))

    def encoded(codes: Any) -> Features:
        codes = space.canonicalise(codes)
        return Features((features.operations(codes), features.paths(codes)), features.size(codes))

    x, scores = encoded(cells), normal_scores(values)
    chosen = GaussianProcess(GRAPH_KERNEL).fit(x[:1000], scores[:1000])
    process = GaussianProcess(GRAPH_KERNEL.fixed(chosen.weights_, chosen.noise_)).fit(x, scores)
    starts = range(0, len(others), _BLOCK)
    return np.concatenate([process.posterior(encoded(others[start : start + _BLOCK])).mean for start in starts])


def trees(space: Any, cells: Any, values: Any, others: Any) -> Any:
    """Predict by gradient-boosted trees of scikit-learn on the descriptors of graphs."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def described(codes: Any) -> Any:
        return np.stack(list(graph_descriptors(space, space.canonicalise(codes)).values()), axis=1)

    model = HistGradientBoostingRegressor(min_samples_leaf=5, random_state=0)
    return model.fit(described(cells), normal_scores(values)).predict(described(others))


PREDICTORS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "LatentGP": latent_gp,
    "gp": gp,
    "trees": trees,
    "Predictor": graph_network,
}


def measures(predicted: Any, true: Any) -> dict[str, float]:
    """Kendall's tau, Spearman's correlation, and the regret of the best predicted 1 %."""
    best = np.argsort(-predicted, kind="stable")[: max(1, round(_BEST * len(true)))]
    return {
        "tau": kendall_tau(predicted, true),
        "spearman": float(np.corrcoef(mean_ranks(predicted), mean_ranks(true))[0, 1]),
        "regret": float(true.max() - true[best].max()),
    }


def mean_ranks(values: Any) -> Any:
    """Ranks of values from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[inverse.reshape(-1)]


def task(name: str, dataset: str, n: int | None) -> tuple[Any, Any, dict[str, Any], Any]:
    """The space, its cells, their values by name, the labels first, and the positions of the cells to rank."""
    if name == "nasbench201":
        benchmark: Any = crlso.benchmarks.NASBench201(dataset)
    else:
        benchmark = crlso.benchmarks.NASBench101()
    space = benchmark.space
    codes = space.all_codes()
    values = {"test": benchmark.test(codes)}
    if name == "nasbench201":
        values = {"validation": benchmark.validation(codes), **values}
    ranked = np.sort(np.random.default_rng(0).permutation(len(codes))[:n])
    return space, codes, values, ranked


def measured(predictor: str, job: tuple[Any, Any, dict[str, Any], Any], labels: int, seed: int) -> list[dict[str, Any]]:
    """The measures of one predictor with one draw of labelled cells, for each kind of values."""
    space, codes, values, ranked = job
    chosen = np.random.default_rng(seed).permutation(len(codes))[:labels]
    start = time.perf_counter()
    predicted = PREDICTORS[predictor](space, codes[chosen], next(iter(values.values()))[chosen], codes[ranked])
    seconds = time.perf_counter() - start
    record = {"predictor": predictor, "labels": labels, "seed": seed, "seconds": seconds}
    return [{**record, "ranked by": kind, **measures(predicted, true[ranked])} for kind, true in values.items()]


def table(records: list[dict[str, Any]]) -> list[str]:
    """Lines of the table of means over seeds."""
    lines = [f"{'ranked by':12s} {'labels':>6s} {'predictor':10s} " + " ".join(f"{name:>9s}" for name in MEASURES)]
    rows = dict.fromkeys((record["ranked by"], record["labels"], record["predictor"]) for record in records)
    for row in sorted(rows, key=lambda row: (row[0] != records[0]["ranked by"], row[1])):
        own = [r for r in records if (r["ranked by"], r["labels"], r["predictor"]) == row]
        means = " ".join(f"{np.mean([record[name] for record in own]):9.4f}" for name in MEASURES)
        lines.append(f"{row[0]:12s} {row[1]:6d} {row[2]:10s} {means}")
    return lines


def main() -> int:
    """Run the predictors and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", choices=list(LABELS), default="nasbench201")
    parser.add_argument("--dataset", default="cifar10", help="of NAS-Bench-201; default: %(default)s")
    parser.add_argument("--labels", type=int, nargs="+", help="numbers of labels; default: those of the literature")
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    parser.add_argument("--predictors", nargs="+", choices=list(PREDICTORS), default=list(PREDICTORS))
    parser.add_argument("--cells", type=int, help="rank this many random cells instead of all")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    arguments = parser.parse_args()
    names = [name for name in arguments.predictors if is_installed(name, NEEDS.get(name, {}))]
    skipped = [name for name in arguments.predictors if name not in names]
    job = task(arguments.space, arguments.dataset, arguments.cells)
    records: list[dict[str, Any]] = []
    for labels in arguments.labels or LABELS[arguments.space]:
        for name in names:
            for seed in arguments.seeds:
                records += measured(name, job, labels, seed)
    settings = {"space": arguments.space, "dataset": arguments.dataset, "ranked cells": len(job[3])}
    document = {
        **about(["scikit-learn"] if "trees" in names else []),
        **settings,
        "skipped": skipped,
        "records": records,
    }
    return publish(document, arguments.json, table(records))


if __name__ == "__main__":
    raise SystemExit(main())
