"""Ablation study of cr-lso on six objectives derived from NAS-Bench-201 on CIFAR-10.

    python -m benchmarks.designs --seeds 60 --jobs 2 --out designs.jsonl

Every design finds the best validation accuracy of CIFAR-10 quickly, so there are six objectives. Three are the mean
validation accuracy over runs, that of the first run, and that after 12 epochs. Three are the mean with normal noise of
0.1, 0.2 and 0.3 points, which differs between seeds.

For each design, the table shows the geometric mean of the number of queries until the best class is found, counted as
budget + 1 if it is not. It also shows the shares of searches that found it after 32, 64 and 100 queries. The last
column is the p-value of a signed rank test of the queries against the default, paired by objective and seed.

``--dataset`` uses other benchmarks with their own values, for validation only: datasets of NAS-Bench-201, or
nasbench101, whose values are test accuracies. ``--only`` selects designs. Some designs need encoders that do not come
with crlso. These are trained when first needed, which takes minutes, and kept in the folder ``--encoders``. Searches
that are in the output file are not run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

import crlso
import crlso._core as _core
from crlso.comparison import query_of_optimum, signed_rank_test
from crlso.methods import CRLSO, GPSearch
from crlso.methods.base import LARGEST_LISTED
from crlso.methods.bayesian import (
    AcquisitionClimb,
    BayesianSearch,
    BestOfReservoir,
    LatentEncoder,
    ProcessSurrogate,
    Round,
    UpperConfidenceBound,
    class_latents,
    latent_descent,
    latent_steps,
)
from crlso.methods.bayesian.search import RESERVOIR
from crlso.models import GraphVAE, ICNNSurrogate
from crlso.models.base import train
from crlso.models.gaussian_process import Features, Kernel
from crlso.models.shaped import shaped_vae
from crlso.random import Stream, seed_of
from crlso.spaces.features import CellFeatures

OBJECTIVES = ("mean", "first run", "12 epochs", "noise 0.1", "noise 0.2", "noise 0.3")
MARKS = (32, 64, 100)
_ENCODERS = 8  # number of encoders on NAS-Bench-201; designs that rank proposals use two of them
_LARGE, _CELLS = 4, 50_000  # number of encoders on NAS-Bench-101, and of random cells to train each on


class Objective(crlso.benchmarks.NASBench201):
    """A benchmark with one of the six objectives."""

    def __init__(self, objective: str, seed: int = 0) -> None:
        super().__init__("cifar10")
        self.objective, self.seed = objective, seed

    def for_seed(self, seed: int) -> Objective:
        """Return the benchmark with the noise of another seed."""
        return Objective(self.objective, seed)

    def validation(self, cells: Any, epochs: int = 200, seed: int | None = None) -> Any:
        """Return the values of cells, shape (n,)."""
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
        """Return the best cell among the representatives of classes."""
        cells = _classes()
        return self.space.cells(cells[self.validation(cells).argmax()][None])[0]

    def optimal_value(self) -> float:
        """Return the highest value of the representatives, of this objective and noise."""
        return float(self.validation(_classes()).max())


@functools.cache
def _classes() -> Any:
    space = crlso.spaces.NASBench201()
    return space.classes().codes


class LatentsAlone(LatentEncoder):
    """Encoder by latents, without the size of the network."""

    def encode(self, codes: Any) -> Features:
        """Return the latents as features."""
        return Features(super().encode(codes).groups)


class Moves:
    """Source of cells decoded near the best latents.

    Without the gradient, it makes twice as many random steps. The surrogate of the gradient steps need not be convex.
    """

    def __init__(self, encoder: LatentEncoder, gradient: bool, convex: bool, n: int = 200) -> None:
        self.encoder, self.gradient, self.convex, self.n = encoder, gradient, convex, n

    def propose(self, context: Round) -> dict[str, Any]:
        """Return cells by random steps and, with the gradient, by gradient steps."""
        vae, stream = self.encoder.vae, context.stream
        z = vae.encode(context.codes)
        steps = latent_steps(vae, z, context.scores, self.n if self.gradient else 2 * self.n, stream)
        if not self.gradient:
            return {"latent noise": steps.codes}
        sizes: dict[str, Any] = {"width": 32, "layers": 2, "epochs": 60, "learning_rate": 1e-2, "convex": self.convex}
        surrogate = ICNNSurrogate(**sizes, rng=stream.child("surrogate").seed)
        return {"latent noise": steps.codes, "latent gradient": latent_descent(steps, z, context.scores, surrogate)}


class CalibratedBound(UpperConfidenceBound):
    """The upper confidence bound with standard deviations calibrated by leave-one-out errors.

    Deviations are multiplied by the root-mean-square of the standardised leave-one-out errors of the better half of
    the observed cells, but at least eight.

    References
    ----------
    Rasmussen, Williams: Gaussian processes for machine learning. MIT Press, 2006. Equations 5.10 to 5.12.
    """

    def __call__(self, posterior: Any) -> Any:
        """Return the acquisition values at the cells of a posterior."""
        lower, white = posterior.process.lower_, posterior.process.white_
        errors, precision = posterior.process.leave_one_out()
        upper = np.argsort(-(lower @ white)[:, 0], kind="stable")[: max(8, len(lower) // 2)]
        calibration = float(np.sqrt((errors[upper] ** 2 * precision[upper]).mean())) or 1.0
        return posterior.mean + self.beta * calibration * posterior.deviation


@dataclasses.dataclass
class Spread:
    """The mean and variance of the predictions of an ensemble."""

    mean: Any
    variance: Any

    @property
    def deviation(self) -> Any:
        """Standard deviations, shape (m,)."""
        return np.sqrt(self.variance)

    def observe(self, i: int) -> None:
        """Do nothing: the networks do not condition on pending cells."""


class Networks:
    """Surrogate by an ensemble of networks on latents.

    Networks differ in their initial weights and in the noise added to scores. With `ranking`, differences of pairs are
    fitted with the logistic loss, instead of scores with the squared loss.
    """

    def __init__(self, networks: int, ranking: bool, convex: bool, stream: Stream) -> None:
        self.networks, self.ranking, self.convex, self.stream = networks, ranking, convex, stream
        self._fits = 0

    def watch(self, x: Features) -> None:
        """Store the features of the reservoir."""
        self._watched = x

    def fit(self, x: Features, y: Any, keys: Any) -> None:
        """Fit the networks to observed cells."""
        self._fits += 1
        z = x.groups[0].astype(np.float32)
        self._models = []
        for i in range(self.networks):
            stream = self.stream.child(f"network{self._fits} {i}")
            sizes: dict[str, Any] = {"width": 32, "layers": 2, "epochs": 60, "learning_rate": 1e-2}
            network = ICNNSurrogate(**sizes, convex=self.convex, rng=stream.seed)
            errors = 0.2 * stream.normal("labels", 0, len(y), "float64") - y
            if self.ranking:
                _fit_pairs(network, z, errors, stream)
            else:
                network.fit(z, errors)
            self._models.append(network)

    def posterior(self, x: Features | None = None) -> Spread:
        """Return the mean and variance of the predictions."""
        z = (self._watched if x is None else x).groups[0].astype(np.float32)
        predicted = -np.stack([network.predict(z).astype(np.float64) for network in self._models])
        return Spread(predicted.mean(axis=0), predicted.var(axis=0))

    def summary(self) -> dict[str, Any]:
        """Return the number of networks."""
        return {"networks": self.networks}


def _fit_pairs(network: ICNNSurrogate, z: Any, errors: Any, stream: Stream) -> None:
    """Fit a network so that the better cell of each pair gets the lower prediction."""
    network.initialise(z.shape[1])
    better, worse = np.nonzero(errors[:, None] < errors[None])

    def loss(positions: Any, step: int) -> Any:
        difference = network.network_(z[better[positions]]) - network.network_(z[worse[positions]])
        return _core.mean(_core.softplus(difference))

    epochs = -(-60 * len(z) // len(better))  # as many examples as 60 epochs on the scores
    parameters = network.network_.parameters()
    train(parameters, loss, len(better), stream, epochs=epochs, batch_size=64, learning_rate=1e-2, betas=(0.9, 0.99))


class Design(BayesianSearch):
    """The default method with some parts exchanged.

    Parameters
    ----------
    folder, kind, encoders
        Folder and kind of the encoders, and how many are used.
    size, calibrated
        Whether the kernel uses the size, and whether deviations are calibrated.
    networks, ranking, convex
        Number of networks instead of the Gaussian process (0: the process), whether they are fitted by ranking, and
        whether they and the surrogate for gradient steps are convex.
    gradient, climb
        Whether gradient steps are made, and whether there is a local search on the acquisition value.
    """

    name = "design"

    def __init__(
        self,
        space: Any,
        *,
        folder: str,
        kind: str = "shaped",
        encoders: int = _ENCODERS,
        size: bool = True,
        calibrated: bool = False,
        networks: int = 0,
        ranking: bool = False,
        convex: bool = True,
        gradient: bool = True,
        climb: bool = True,
        reservoir: int = RESERVOIR,
        rng: Any = 0,
        budget: int | None = None,
    ) -> None:
        given = _encoders_in(Path(folder) / space.name, kind, encoders, space, reservoir)
        encoder = LatentEncoder(given) if size else LatentsAlone(given)
        process: Any = ProcessSurrogate(Kernel(weights=((0.25, 0.5, 1.0, 2.0, 4.0),)))
        stream = Stream(seed_of(rng)).child("networks")
        super().__init__(
            space,
            encoder=encoder,
            surrogate=Networks(networks, ranking, convex, stream) if networks else process,
            acquisition=(CalibratedBound if calibrated else UpperConfidenceBound)(1.5),
            sources=[Moves(encoder, gradient, convex), BestOfReservoir(), *([AcquisitionClimb(4)] if climb else [])],
            reservoir=reservoir,
            rng=rng,
            budget=budget,
        )


def _encoders_in(folder: Path, kind: str, encoders: int, space: Any, reservoir: int) -> Any:
    """Load the latents of all classes if the reservoir holds them, otherwise the models."""
    if space.n_cells is not None and len(space.classes()) <= reservoir:
        with np.load(folder / f"{kind}.npz") as file:
            return file["latents"][:encoders]
    return [GraphVAE.load(folder / f"{kind}{i}.npz", space) for i in range(encoders)]


KINDS = ("shaped", "plain", "not convex")


def train_encoder(kind: str, space: Any, codes: Any, features: CellFeatures, seed: int) -> GraphVAE:
    """Train an encoder: with side information ("shaped"), with a head that is "not convex", or "plain"."""
    if kind == "plain":
        return GraphVAE(space, width=64, latent=32, epochs=15, rng=seed).fit(codes)
    return shaped_vae(space, codes, features, rng=seed, convex=kind == "shaped")


def make_encoders(folder: Path, kind: str, space: Any) -> None:
    """Train the encoders of a kind that are not in the folder yet."""
    subfolder = folder / space.name
    subfolder.mkdir(parents=True, exist_ok=True)
    is_listed = space.n_cells is not None and space.n_cells <= LARGEST_LISTED
    features = CellFeatures(space, _classes() if is_listed else space.sample(2000, rng=0))
    models = []
    for i in range(_ENCODERS if is_listed else _LARGE):
        path = subfolder / f"{kind}{i}.npz"
        if path.exists():
            models.append(GraphVAE.load(path, space))
            continue
        codes = space.all_codes() if is_listed else space.sample(_CELLS, rng=i)
        models.append(train_encoder(kind, space, codes, features, i))
        models[-1].save(path)
        print(f"encoder {i + 1} of {space.name}, {kind}", flush=True)
    if is_listed:
        np.savez_compressed(subfolder / f"{kind}.npz", latents=np.stack([class_latents(space, vae) for vae in models]))


def designs(folder: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Methods and options by name of the design."""

    def design(**options: Any) -> tuple[Any, dict[str, Any]]:
        return Design, {"folder": folder, **options}

    # With so small a reservoir, each round chooses from the proposals of its sources.
    proposals: dict[str, Any] = {"reservoir": 300, "encoders": 2}
    alone: dict[str, Any] = {**proposals, "climb": False}
    networks: dict[str, Any] = {"networks": 8}
    return {
        "default": (CRLSO, {}),
        "one encoder": design(encoders=1),
        "no side information": design(kind="plain", size=False),
        "head for the size not convex": design(kind="not convex"),
        "4 first cells": (CRLSO, {"initial": 4}),
        "16 first cells": (CRLSO, {"initial": 16}),
        "batches of 4": (CRLSO, {"batch": 4}),
        "beta 1": (CRLSO, {"beta": 1.0}),
        "beta 2.5": (CRLSO, {"beta": 2.5}),
        "calibrated deviations": design(calibrated=True),
        "convex networks instead of the process": design(**networks),
        "the same, not convex": design(**networks, convex=False),
        "convex networks of ranks": design(**networks, ranking=True),
        "the same, ranks, not convex": design(**networks, convex=False, ranking=True),
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
    """Number of queries to the optimum by objective and seed; budget + 1 if it was not found."""
    found = {}
    for record in records:
        if record["state"] != "complete":
            raise RuntimeError(f"a search failed: {record['error']}")
        query = query_of_optimum(record)
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
