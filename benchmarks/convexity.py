"""What convexity restricts in a latent space, by its dimension, and what it and the gradient are worth there.

    python -m benchmarks.convexity spaces > spaces.json
    python -m benchmarks.convexity fits --seeds 5 --out fits.jsonl
    python -m benchmarks.convexity searches --seeds 5 --out searches.jsonl

*spaces*: the share of cells in convex position for the encoders that come with crlso, for the published graph VAE, and
for graph VAEs of NAS-Bench-101 and DARTS with few latent dimensions, trained on cells alone.

*fits*: for graph VAEs of NAS-Bench-201 trained as published, with few latent dimensions: how many cells come back from
their latents, the share in convex position, and how well a network that is convex and one that is not, trained alike,
fit 300 cells (true errors, and the same errors in random order) and rank all others. ``--shaping`` trains the graph VAE
together with a network that is not convex, or with none, instead of the convex one.

*searches*: the published protocol in such latents: in full, without the gradient, and without the constraint to
convexity. The noise is calibrated: half of the moves by noise alone change the cell.

Everything is printed as JSON. Runs that are in the output file are not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import crlso
from crlso.comparison import bootstrap_interval, signed_rank_test
from crlso.diagnostics import convex_position, diagnose
from crlso.methods import PaperCRLSO
from crlso.models import GraphVAE, ICNNSurrogate, shipped_latents, shipped_vaes

DIMENSIONS = (2, 3, 4, 5, 6, 8, 10, 12, 16)
SEARCHED = (2, 3, 4, 6, 8, 16)
VARIANTS: dict[str, dict[str, Any]] = {"full": {}, "no gradient": {"gradient": False}, "not convex": {"convex": False}}
MEASURES = (
    *("reconstruction", "position", "evaluated", "tau"),
    *("best", "queries", "proposals", "moves", "value_of_moves", "best_move", "top_moves"),
)
LABELS = 300  # number of cells with known errors
RANKING, FITTING = 400, 3000  # epochs of networks that rank other cells, and of those that fit as well as they can
STEPS = (0.125, 0.25, 0.5, 1.0)  # lengths of the steps that compare the gradient with noise
STARTS = 500  # number of the best cells from which they start
SAMPLE = 20_000  # number of random cells of the spaces that are too large for all
WIDTH = 128  # of the graph VAEs with few latent dimensions that are trained on them


# -- the encoders that come with crlso ----------------------------------------------------------------------------


def spaces(tests: int, dimensions: list[int]) -> Iterator[dict[str, Any]]:
    """Yield the share in convex position in each latent space."""
    yield from _nasbench201(tests)
    for space in (crlso.spaces.NASBench101(), crlso.spaces.DARTS()):
        cells = space.sample_up_to(SAMPLE, rng=0)
        for kind, vaes in (("published", [GraphVAE.pretrained(space)]), ("cr-lso", shipped_vaes(space))):
            latents = [vae.encode(cells) for vae in vaes]
            yield from _rows(space.name, kind, latents, tests)
        for latent in dimensions:
            vae = GraphVAE(space, latent=latent, width=WIDTH, rng=0).fit(cells)
            (row,) = _rows(space.name, "few dimensions", [vae.encode(cells)], tests)
            yield {**row, "reconstruction": vae.score(cells)}


def _nasbench201(tests: int) -> Iterator[dict[str, Any]]:
    benchmark = crlso.benchmarks.NASBench201("cifar10")
    cells = benchmark.space.all_codes()
    vae = GraphVAE(benchmark.space, rng=0).fit(cells, 1 - benchmark.validation(cells) / 100)
    yield from _rows("nasbench201", "published", [vae.encode(cells)], tests)
    yield from _rows("nasbench201", "cr-lso", list(shipped_latents(benchmark.space)), tests)


def _rows(space: str, kind: str, latents: list[Any], tests: int) -> Iterator[dict[str, Any]]:
    """The first encoder alone, and all side by side."""
    for parts in [latents[:1], latents][: 1 + (len(latents) > 1)]:
        z = np.concatenate(parts, axis=1).astype(np.float64)
        found = dataclasses.asdict(convex_position(z, tests=tests))
        yield {"space": space, "encoder": kind, "encoders": len(parts), "latent": z.shape[1], **found}


# -- fits ---------------------------------------------------------------------------------------------------------


def fit_job(job: dict[str, Any]) -> dict[str, Any]:
    """Train a graph VAE with few latent dimensions, and networks in its latents."""
    benchmark = crlso.benchmarks.NASBench201(job["dataset"])
    cells, seed = benchmark.space.all_codes(), job["seed"]
    values = benchmark.validation(cells)
    shaping = ICNNSurrogate(convex=job["shaping"] == "convex", rng=seed)
    vae = GraphVAE(benchmark.space, latent=job["latent"], surrogate=shaping, rng=seed)
    vae.fit(cells, None if job["shaping"] == "none" else 1 - values / 100)
    given: dict[str, Any] = {"surrogate": vae.surrogate_, "values": values, "score": benchmark.validation}
    report = diagnose(vae, cells, **(given | {"starts": STARTS, "steps": STEPS} if vae.surrogate_ is not None else {}))
    z = vae.encode(cells).astype(np.float64)
    z = (z - z.mean(axis=0)) / z.std()
    return {**job, "report": report.to_dict(), **_fits(z, (values.mean() - values) / values.std(), seed)}


def _fits(z: Any, errors: Any, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(z))[:LABELS]
    rest = np.setdiff1d(np.arange(len(z)), chosen)
    shuffled = errors[rng.permutation(chosen)]
    found: dict[str, Any] = {"position_of_labelled": convex_position(z[chosen]).share}
    for name, convex in (("convex", True), ("free", False)):
        sizes: dict[str, Any] = {"width": 64, "layers": 2, "learning_rate": 3e-3, "convex": convex, "rng": seed}
        ranking = ICNNSurrogate(**sizes, epochs=RANKING).fit(z[chosen], errors[chosen])
        found[f"{name}_tau"] = float(ranking.score(z[rest], errors[rest]))
        for kind, targets in (("true", errors[chosen]), ("shuffled", shuffled)):
            fitted = ICNNSurrogate(**sizes, epochs=FITTING).fit(z[chosen], targets).predict(z[chosen])
            found[f"{name}_{kind}_r2"] = float(1 - ((fitted - targets) ** 2).mean() / targets.var())
    return found


# -- searches -----------------------------------------------------------------------------------------------------


def search_job(job: dict[str, Any]) -> dict[str, Any]:
    """Run one search by the published protocol in other latents, and measure its models before its first proposal."""
    benchmark = crlso.benchmarks.NASBench201(job["dataset"])
    optimiser = PaperCRLSO(benchmark.space, rng=job["seed"], budget=job["budget"], **VARIANTS[job["variant"]])
    optimiser.preset = dataclasses.replace(optimiser.preset, latent=job["latent"])
    optimiser.noise = None  # calibrated: that of the preset is for 16 dimensions
    report, moved = None, []
    while optimiser.remaining:
        neighbours = optimiser.diagnostics["neighbours"]
        trial = optimiser.ask()
        if optimiser.vae is not None:
            report = report or _report(optimiser, benchmark)
            moved.append(optimiser.diagnostics["neighbours"] == neighbours)
        optimiser.tell(trial, benchmark.evaluate(trial.cell))
    return {**job, "report": report, **_outcome(optimiser, benchmark, np.array(moved)), "version": crlso.__version__}


def _report(optimiser: PaperCRLSO, benchmark: Any) -> dict[str, Any]:
    cells = benchmark.space.all_codes()
    values = benchmark.validation(cells)
    models = {"vae": optimiser.vae, "surrogate": optimiser.surrogate}
    report = diagnose(**models, cells=cells, values=values, score=benchmark.validation, starts=STARTS, steps=STEPS)
    evaluated = convex_position(optimiser.vae.encode(optimiser.history.rows)).share
    decodable = len(np.unique(optimiser.vae.decode(optimiser.vae.encode(cells)), axis=0))
    return {**report.to_dict(), "position_of_evaluated": evaluated, "decodable": decodable}


def _outcome(optimiser: PaperCRLSO, benchmark: Any, moved: Any) -> dict[str, Any]:
    values = np.array([trial.value for trial in optimiser.trials])
    proposals = values[optimiser.labels :]
    top = np.quantile(benchmark.validation(benchmark.space.all_codes()), 0.99)
    hits = [trial.number for trial in optimiser.trials if trial.cell == benchmark.optimum()]
    return {
        "best": float(values.max()),
        "best_of_labels": float(values[: optimiser.labels].max()),
        "queries": hits[0] + 1 if hits else len(values) + 1,
        "proposals": float(proposals.mean()),
        "moves": int(moved.sum()),
        "value_of_moves": float(proposals[moved].mean()) if moved.any() else None,
        "best_move": float(proposals[moved].max()) if moved.any() else None,
        "top_moves": float((proposals[moved] >= top).mean()) if moved.any() else None,
        "noise": optimiser.diagnostics["noise"],
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return means and standard deviations by dimension and variant, and what the ablations take away.

    Differences are paired by seed. Beside the dimensions there are two groups of them: those in which less than half of
    the cells are in convex position, so that convexity restricts, and the others.
    """
    found: list[dict[str, Any]] = []
    for dataset in sorted({row["dataset"] for row in rows}):
        of = [_flat(row) for row in rows if row["dataset"] == dataset]
        latents = sorted({row["latent"] for row in of})
        shares = {n: [row["position"] for row in of if (row["latent"], row["variant"]) == (n, "full")] for n in latents}
        restricted = [n for n in latents if shares[n] and statistics.mean(shares[n]) < 0.5]
        groups = [[n] for n in latents] + [restricted, [n for n in latents if n not in restricted]]
        for group in groups:
            found += [{"dataset": dataset, "latents": group, **line} for line in _lines(of, group)]
    return found


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    report = row["report"]
    position = {"position": report["convex_position"]["share"], "evaluated": report["position_of_evaluated"]}
    return {**row, "reconstruction": report["reconstruction"], **position, "tau": report["tau"]}


def _lines(rows: list[dict[str, Any]], latents: list[int]) -> Iterator[dict[str, Any]]:
    """One line for each variant."""
    of = {
        name: {(row["latent"], row["seed"]): row for row in rows if row["latent"] in latents and row["variant"] == name}
        for name in VARIANTS
    }
    for name, runs in of.items():
        line: dict[str, Any] = {"variant": name, "runs": len(runs)}
        for key in MEASURES:
            pairs = [(of["full"][job][key], runs[job][key]) for job in runs if job in of["full"]]
            line[key] = _spread([row[key] for row in runs.values() if row[key] is not None])
            line[key + "_full_minus_this"] = _paired([full - this for full, this in pairs if None not in (full, this)])
        yield line


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0}


def _paired(differences: list[float]) -> dict[str, Any] | None:
    if not differences:
        return None
    test = signed_rank_test(differences, np.zeros(len(differences)))
    return {"mean": statistics.mean(differences), "interval": bootstrap_interval(differences), "p": test}


# -- the program --------------------------------------------------------------------------------------------------


def jobs(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what is to be run, seed by seed."""
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for latent in arguments.latents:
            job = {"part": arguments.part, "dataset": arguments.dataset, "latent": latent, "seed": seed}
            if arguments.part == "fits":
                yield {**job, "shaping": arguments.shaping}
            else:
                yield from ({**job, "variant": variant, "budget": arguments.budget} for variant in VARIANTS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["spaces", "fits", "searches"])
    parser.add_argument("--tests", type=int, default=300, help="cells to test for convex position (spaces)")
    parser.add_argument("--dataset", default="cifar10", choices=["cifar10", "cifar100", "ImageNet16-120"])
    parser.add_argument("--latents", type=int, nargs="+", help=f"by default {DIMENSIONS}; for searches {SEARCHED}")
    parser.add_argument(
        "--shaping", default="convex", choices=["convex", "free", "none"], help="network that shapes the latents (fits)"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=9300)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--out", type=Path, help="file of JSON lines, one per run; runs in it are not repeated")
    arguments = parser.parse_args()
    arguments.latents = arguments.latents or list(SEARCHED if arguments.part == "searches" else DIMENSIONS)
    if arguments.part == "spaces":
        print(json.dumps({"spaces": list(spaces(arguments.tests, arguments.latents)), "version": crlso.__version__}))
        return 0
    run: Callable[[dict[str, Any]], dict[str, Any]] = fit_job if arguments.part == "fits" else search_job
    wanted, rows = list(jobs(arguments)), []
    if arguments.out is not None and arguments.out.exists():
        rows = [json.loads(line) for line in arguments.out.read_text(encoding="utf-8").splitlines()]
    for job in wanted:
        if any(job.items() <= row.items() for row in rows):
            continue
        rows.append(run(job))
        print(f"{job}", file=sys.stderr)
        if arguments.out is not None:
            with arguments.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    chosen = [row for row in rows if any(job.items() <= row.items() for job in wanted)]
    print(json.dumps({"runs": chosen} | ({"summary": summary(chosen)} if arguments.part == "searches" else {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
