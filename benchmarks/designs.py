"""What each ingredient of cr-lso is worth, on six objectives made of NAS-Bench-201's CIFAR-10 alone.

    python -m benchmarks.designs --seeds 60 --jobs 2 --out designs.jsonl

The validation accuracy of CIFAR-10 by itself is soon found by every design, so the objectives are: the mean validation
of the runs, that of the first run alone, validation after 12 epochs, and the mean with normal noise of 0.1, 0.2 and 0.3
points (other noise for each seed). For each design the table has the geometric mean of the queries to the best class
(one more than the budget where it was not found), the shares of searches that were there after 32, 64 and 100 queries,
and the p-value of a signed rank test of the queries against the default over equal objectives and seeds.

``--dataset`` takes other benchmarks, on which nothing is to be chosen, by their own values: datasets of NAS-Bench-201,
and nasbench101, whose test accuracies are the objective. ``--only`` takes designs.
Encoders without side information, with a head that is not convex, and those of designs that rank proposals instead of
all classes, are trained when they are needed first, in some minutes, and kept in the folder ``--encoders``.
Searches that are in the file of results already are not run again.
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

import crlso
from crlso import _core
from crlso.comparison.comparison import _query_of_optimum
from crlso.comparison.statistics import signed_rank_test
from crlso.methods import CRLSO, GPSearch
from crlso.methods.bayesian.latents import class_latents, shaped_vae
from crlso.models import GraphVAE, ICNNSurrogate
from crlso.models.base import train
from crlso.models.gaussian_process import normal_scores
from crlso.random import Stream
from crlso.spaces.features import CellFeatures

OBJECTIVES = ("mean", "first run", "12 epochs", "noise 0.1", "noise 0.2", "noise 0.3")
MARKS = (32, 64, 100)
_ENCODERS = 8  # of a design on NAS-Bench-201, of which those that rank proposals use two
_LARGE, _CELLS = 4, 50_000  # encoders of NAS-Bench-101, and the random cells each is trained on


class Objective(crlso.benchmarks.NASBench201):
    """One of the objectives, on the canonical cells of the classes."""

    def __init__(self, objective: str, seed: int = 0) -> None:
        super().__init__("cifar10")
        self.objective, self.seed = objective, seed

    def for_seed(self, seed: int) -> Objective:
        """The same with other noise."""
        return Objective(self.objective, seed)

    def validation(self, cells: Any, epochs: int = 200, seed: int | None = None) -> Any:
        """The objective's values of cells."""
        if self.objective == "first run":
            return super().validation(cells, seed=0)
        if self.objective == "12 epochs":
            return super().validation(cells, epochs=12)
        values = super().validation(cells)
        if self.objective == "mean":
            return values
        scale = float(self.objective.removeprefix("noise "))
        noise = Stream(self.seed).normal("objective", 0, len(self.space), "float64")
        return values + scale * noise[self.space.index(cells)]

    def optimum(self, level: str | None = None) -> Any:
        """The best of the cells that a search can ask for."""
        cells = _classes()
        return self.space.cells(cells[self.validation(cells).argmax()][None])[0]


@functools.cache
def _classes() -> Any:
    space = crlso.spaces.NASBench201()
    codes = space.canonicalise(space.all_codes())
    return codes[np.unique(space.canonical_key(codes), return_index=True)[1]]


class Design(CRLSO):
    """The method with encoders out of a folder, and without its local search where generations is 0."""

    def __init__(
        self,
        space: Any,
        *,
        folder: str,
        kind: str = "shaped",
        encoders: int = _ENCODERS,
        generations: int = 4,
        **rest: Any,
    ) -> None:
        self.generations = generations
        place = Path(folder) / space.name
        if space.name == "nasbench201" and "reservoir" not in rest:
            with np.load(place / f"{kind}.npz") as file:
                given: Any = file["latents"][:encoders]
        else:
            given = [GraphVAE.load(place / f"{kind}{i}.npz", space) for i in range(encoders)]
        super().__init__(space, encoder=given, **rest)


class Ensemble(Design):
    """The method with an ensemble of input-convex networks instead of the Gaussian process, in the same latents.

    Each network has initial values of its own and sees normal scores of the values with noise of its own; cells are
    ranked by the mean of the predictions and `beta` times their standard deviation. `ranking` fits differences of
    pairs by the logistic loss instead of the scores by squares.
    """

    def __init__(self, space: Any, *, networks: int = 8, ranking: bool = False, **rest: Any) -> None:
        super().__init__(space, **rest)
        self.networks, self.ranking = networks, ranking

    def _choose(self, n: int) -> Any:
        told = [trial for trial in self.trials if trial.value is not None]
        if not told or not self.ranks_all:
            return super()._choose(n)
        self._round += 1
        everywhere = self._features.groups[0].astype(np.float32)
        here = everywhere[self._places(np.array([trial.cell.codes for trial in told], dtype=np.uint8))]
        errors = -normal_scores([float(trial.value or 0.0) for trial in told])
        predicted = []
        for i in range(self.networks):
            stream = self.stream.child(f"network{self._round} {i}")
            sizes = {"width": 32, "layers": 2, "epochs": 60, "learning_rate": 1e-2, "convex": self.convex}
            network = ICNNSurrogate(**sizes, rng=stream.seed)
            noisy = errors + 0.2 * stream.normal("labels", 0, len(errors), "float64")
            if self.ranking:
                _fit_pairs(network, here, noisy, stream)
            else:
                network.fit(here, noisy)
            predicted.append(network.predict(everywhere))
        bound = self.beta * np.std(predicted, axis=0) - np.mean(predicted, axis=0)
        bound[self.seen(self._cells)] = -np.inf
        return self._cells[np.argsort(-bound, kind="stable")[:n]]


def _fit_pairs(network: ICNNSurrogate, z: Any, errors: Any, stream: Stream) -> None:
    """Fit so that of each pair the better cell has the lower prediction."""
    network.initialise(z.shape[1])
    better, worse = np.nonzero(errors[:, None] < errors[None])

    def loss(positions: Any, step: int) -> Any:
        difference = network.network_(z[better[positions]]) - network.network_(z[worse[positions]])
        return _core.mean(_core.softplus(difference))

    epochs = -(-60 * len(z) // len(better))  # as many presentations of cells as of the scores
    parameters = network.network_.parameters()
    train(parameters, loss, len(better), stream, epochs=epochs, batch_size=64, learning_rate=1e-2, betas=(0.9, 0.99))


KINDS: dict[str, dict[str, bool]] = {
    "shaped": {},
    "plain": {"side_information": False},
    "not convex": {"convex": False},
}


def make_encoders(folder: Path, kind: str, space: Any) -> None:
    """Train the encoders of a kind, unless they are there."""
    place = folder / space.name
    place.mkdir(parents=True, exist_ok=True)
    is_listed = space.name == "nasbench201"
    features = CellFeatures(space, _classes() if is_listed else space.sample(2000, rng=0))
    models = []
    for i in range(_ENCODERS if is_listed else _LARGE):
        path = place / f"{kind}{i}.npz"
        if path.exists():
            models.append(GraphVAE.load(path, space))
            continue
        codes = space.all_codes() if is_listed else space.sample(_CELLS, rng=i)
        models.append(shaped_vae(space, codes, features, rng=i, **KINDS[kind]))
        models[-1].save(path)
        print(f"encoder {i + 1} of {space.name}, {kind}", flush=True)
    if is_listed:
        np.savez_compressed(place / f"{kind}.npz", latents=np.stack([class_latents(space, vae) for vae in models]))


def designs(folder: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Name -> method and options."""

    def design(**options: Any) -> tuple[Any, dict[str, Any]]:
        return Design, {"folder": folder, **options}

    def ensemble(**options: Any) -> tuple[Any, dict[str, Any]]:
        return Ensemble, {"folder": folder, **options}

    # A reservoir this small leaves the choice to what a round proposes, in any space.
    proposals: dict[str, Any] = {"reservoir": 300, "encoders": 2}
    alone: dict[str, Any] = {**proposals, "generations": 0}
    return {
        "default": (CRLSO, {}),
        "one encoder": design(encoders=1),
        "no side information": design(kind="plain", side_information=False),
        "head for the size not convex": design(kind="not convex"),
        "4 first cells": (CRLSO, {"initial": 4}),
        "16 first cells": (CRLSO, {"initial": 16}),
        "batches of 4": (CRLSO, {"batch": 4}),
        "beta 1": (CRLSO, {"beta": 1.0}),
        "beta 2.5": (CRLSO, {"beta": 2.5}),
        "calibrated deviations": (CRLSO, {"calibrated": True}),
        "convex networks instead of the process": ensemble(),
        "the same, not convex": ensemble(convex=False),
        "convex networks of ranks": ensemble(ranking=True),
        "the same, ranks, not convex": ensemble(convex=False, ranking=True),
        "gp": (GPSearch, {}),
        "gp, 8 first cells, batches of 1": (GPSearch, {"initial": 8, "batch": 1}),
        "proposals": design(**proposals),
        "proposals, no gradient": design(**proposals, gradient=False),
        "proposals, not convex": design(**proposals, convex=False, kind="not convex"),
        "latent proposals alone": design(**alone),
        "latent proposals alone, no gradient": design(**alone, gradient=False),
        "latent proposals alone, not convex": design(**alone, convex=False, kind="not convex"),
    }


def queries_of(records: list[dict[str, Any]], budget: int) -> dict[Any, int]:
    """Queries to the optimum by objective and seed."""
    found = {}
    for record in records:
        if record["state"] != "complete":
            raise RuntimeError(f"a search failed: {record['error']}")
        query = _query_of_optimum(record)
        found[record["dataset"], record["objective"], record["seed"]] = budget + 1 if query is None else query
    return found


def main() -> None:
    """Run the designs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=2000)
    parser.add_argument("--budget", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=None, metavar="DESIGN")
    parser.add_argument("--dataset", nargs="+", default=None, help="instead of the six objectives")
    parser.add_argument("--encoders", default="encoders", metavar="FOLDER")
    parser.add_argument("--out", default=None, metavar="FILE")
    arguments = parser.parse_args()
    known = designs(str(Path(arguments.encoders).resolve()))
    chosen = {name: known[name] for name in arguments.only or known}
    benchmarks = [Objective(objective) for objective in OBJECTIVES] if not arguments.dataset else []
    for dataset in arguments.dataset or ():
        is_large = dataset == "nasbench101"
        benchmarks.append(crlso.benchmarks.NASBench101() if is_large else crlso.benchmarks.NASBench201(dataset))
    for kind in sorted({options.get("kind", "shaped") for _, options in chosen.values() if "folder" in options}):
        for space in {benchmark.space.name: benchmark.space for benchmark in benchmarks}.values():
            make_encoders(Path(arguments.encoders), kind, space)
    comparison = crlso.compare(
        benchmarks,
        chosen,
        seeds=range(arguments.first_seed, arguments.first_seed + arguments.seeds),
        budget=arguments.budget,
        jobs=arguments.jobs,
        path=arguments.out,
    )
    print(comparison)
    queries = {
        name: queries_of([record for record in comparison.records if record["label"] == name], arguments.budget)
        for name in chosen
    }
    first = next(iter(chosen))
    rows = []
    marks = [mark for mark in MARKS if mark <= arguments.budget]
    print(f"| design | queries (+- %) | {' | '.join(f'@{mark}' for mark in marks)} | p against {first} |")
    print("|---" * (3 + len(marks)) + "|")
    for name, found in queries.items():
        numbers = np.array(list(found.values()))
        logs = np.log(numbers)
        mean, error = float(np.exp(logs.mean())), float(logs.std() / np.sqrt(len(logs)))
        shares = [float((numbers <= mark).mean()) for mark in marks]
        other = [queries[first][key] for key in found]
        p = None if name == first else signed_rank_test([float(n) for n in numbers], [float(n) for n in other])
        rows.append({"design": name, "queries": mean, "error": error, "shares": shares, "p": p, "n": len(numbers)})
        text = " | ".join(f"{100 * share:.0f}" for share in shares)
        print(f"| {name} | {mean:.1f} ({100 * error:.0f}) | {text} | {'' if p is None else f'{p:.2g}'} |")
    print(
        json.dumps({"seeds": arguments.seeds, "budget": arguments.budget, "rows": rows, "version": crlso.__version__})
    )


if __name__ == "__main__":
    main()
