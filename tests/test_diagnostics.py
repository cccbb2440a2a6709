"""Diagnostics of latent spaces: a linear stand-in whose numbers are known by hand, and a real model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import crlso
from crlso.benchmarks import NASBench201
from crlso.diagnostics import LatentReport, diagnose
from crlso.models import GraphVAE, ICNNSurrogate, NotFittedError
from crlso.spaces import CellSpace

from .twins.models import kendall_twin

CUBE = CellSpace(nodes=3, operations=["a", "b", "c", "d"])  # codes 0 to 3 on three edges: 64 cells, all valid
FREE = CellSpace(nodes=3, operations=["a", "b"], edges="free")


class Linear:
    """Latents are codes times a scale per code, after a constant; decoding rounds. Remembers what was decoded."""

    def __init__(self, space=CUBE, scale=(1.0, 1.0, 1.0)):
        self.space, self.scale, self.decoded = space, np.array(scale), []

    def encode(self, cells):
        codes = self.space.codes(cells)
        return np.column_stack([codes * self.scale, np.full(len(codes), 7.0)]).astype(np.float32)

    def decode(self, z):
        self.decoded.append(np.array(z))
        return np.clip(np.rint(z[:, :-1] / self.scale), 0, np.array(self.space.cardinalities) - 1).astype(np.uint8)


class Slope:
    """Error ``w . z``."""

    def __init__(self, *w):
        self.w = np.array([*w, 0.0])

    def evaluate(self, z):
        return z @ self.w, np.tile(self.w, (len(z), 1))


def test_a_cube_by_hand():
    report = diagnose(Linear(), CUBE.all_codes())
    assert (report.n_cells, report.latent, report.reconstruction) == (64, 4, 1.0)
    assert (report.validity, report.validity_nearby) == (1.0, 1.0)
    assert report.effective_dimension == pytest.approx(3.0)
    assert report.nearest_distance == 1.0
    assert (report.convex_position.share, report.convex_position.interval) == (8 / 64, (8 / 64, 8 / 64))  # the corners
    assert (report.convex_position.tested, report.convex_position.n, report.convex_position.distance) == (64, 64, 0.0)
    assert report.edit_distance in (1.0, 2.0)  # a neighbour has another operation on one edge: 1, 2 or 3 further
    assert 2.0 <= report.random_distance <= 3.0
    assert (report.tau, report.convexity, report.steps) == (None, None, ())


def test_distances_and_dimension_of_another_shape():
    codes = CUBE.all_codes()
    scaled = diagnose(Linear(scale=(1.0, 2.0, 4.0)), codes)
    assert scaled.effective_dimension == pytest.approx((1 + 4 + 16) ** 2 / (1 + 16 + 256))
    z = codes * [1.0, 2.0, 4.0]
    pairs = np.linalg.norm(z[:, None] - z, axis=2)
    assert scaled.random_distance == pytest.approx(np.median(pairs[~np.eye(64, dtype=bool)]), rel=0.25)
    assert scaled.nearest_distance == 1.0
    few = codes[[0, 5, 5, 21]]  # (0, 0, 0), (0, 1, 1) twice, (1, 1, 1)
    report = diagnose(Linear(scale=(3.0, 2.0, 2.0)), few)
    assert (report.convex_position.share, report.convex_position.n) == (1.0, 3)  # equal cells do not hide each other
    distances = [np.sqrt(8.0), np.sqrt(8.0), 3.0]  # each to its nearest; equal cells are one
    assert report.n_cells == 4 and report.nearest_distance == pytest.approx(np.median(distances))
    covariance = np.cov((few * [3.0, 2.0, 2.0]).T)
    values = np.linalg.eigvalsh(covariance)
    assert report.effective_dimension == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_edits_are_one_change_away():
    binary = CellSpace(nodes=3, operations=["a", "b"])
    assert diagnose(Linear(binary, (0.5, 0.5, 0.5)), binary.all_codes()).edit_distance == 0.5
    lonely = binary.subset(binary.all_codes()[[0, 7]])
    assert diagnose(Linear(lonely), lonely.all_codes()).edit_distance is None


def test_distances_are_those_of_all_pairs_in_blocks(monkeypatch):
    z = np.random.default_rng(0).normal(size=(64, 3))
    model = Linear()
    monkeypatch.setattr(model, "encode", lambda cells: np.column_stack([z, z[:, 0]])[: len(cells)])
    pairs = np.linalg.norm(model.encode(z)[:, None] - model.encode(z), axis=2) + np.diag([np.inf] * 64)
    for block in (1, 1000, 1 << 22):
        monkeypatch.setattr("crlso.diagnostics.latent._BLOCK", block)
        found = diagnose(model, CUBE.all_codes()).nearest_distance
        assert found == pytest.approx(np.median(pairs.min(axis=1)))


def test_validity_of_random_latents():
    model = Linear(FREE, (1.0, 1.0, 1.0))
    report = diagnose(model, FREE.all_codes(), samples=20_000)
    rng = np.random.default_rng(5)
    z = model.encode(FREE.all_codes())
    for found, mean, spread in ((report.validity, 0.0, 1.0), (report.validity_nearby, z.mean(0), z.std(0))):
        share = FREE.valid(model.decode(mean + spread * rng.normal(size=(20_000, 4)))).mean()
        assert 0.1 < share < 0.99 and found == pytest.approx(share, abs=0.02)


# -- steps --------------------------------------------------------------------------------------------------------


def test_steps_by_hand():
    seen = []

    def score(codes):
        seen.append(codes)
        return -codes[:, 0].astype(float)

    model = Linear()
    report = diagnose(model, CUBE.all_codes(), surrogate=Slope(2.0, 0.0, 0.0), score=score, steps=[0.125, 0.5, 1.0])
    # A standard deviation is sqrt(1.25) and three dimensions vary: 1 is a move of sqrt(3.75) = 1.94 along the first.
    assert [step.changed for step in report.steps] == [0.0, 0.75, 0.75]
    assert [step.change for step in report.steps] == [0.0, 0.75, 1.25]
    assert [step.valid for step in report.steps] == [step.valid_by_noise for step in report.steps] == [1.0] * 3
    start, *moved = seen
    assert (start == CUBE.all_codes()).all()
    for step, down, noise in zip(report.steps, moved[::2], moved[1::2]):
        changes = (start[:, 0] - down[:, 0].astype(int), start[:, 0] - noise[:, 0].astype(int))
        difference = changes[0] - changes[1]
        assert step.change_by_noise == pytest.approx(changes[1].mean())
        assert step.gain == pytest.approx(difference.mean()) == pytest.approx(step.change - step.change_by_noise)
        assert step.gain_error == pytest.approx(difference.std(ddof=1) / 8)
        assert step.changed_by_noise == (start != noise).any(axis=1).mean() and step.n == 64


def test_both_kinds_of_steps_are_equally_long_in_standard_deviations():
    model = Linear(scale=(1.0, 10.0, 0.1))
    diagnose(model, CUBE.all_codes(), surrogate=Slope(1.0, 1.0, 1.0), steps=[0.3], samples=5)
    spread = model.encode(CUBE.all_codes()).std(axis=0)
    start, down, noise = [z for z in model.decoded if len(z) == 64][-3:]
    assert (down[:, 3] == 7.0).all() and (noise[:, 3] == 7.0).all()  # without variance, without a move
    downhill, anywhere = ((z - start)[:, :3] / spread[:3] / (0.3 * np.sqrt(3)) for z in (down, noise))
    np.testing.assert_allclose(np.linalg.norm(anywhere, axis=1), 1.0, rtol=1e-5)
    assert abs(anywhere.mean(axis=0)).max() < 4 / np.sqrt(3 * 64)
    # In these coordinates the gradient is the slope times the standard deviations.
    np.testing.assert_allclose(downhill, np.tile(-spread[:3] / np.linalg.norm(spread[:3]), (64, 1)), rtol=1e-5)


def test_a_flat_surrogate_goes_nowhere():
    (step,) = diagnose(Linear(), CUBE.all_codes(), surrogate=Slope(0.0, 0.0, 0.0), steps=[5]).steps
    assert step.changed == 0.0 < step.changed_by_noise
    assert (step.gain, step.gain_error, step.n) == (None, None, 0)


def test_starts_are_the_best():
    model, values = Linear(), np.arange(64.0)[::-1]
    diagnose(model, CUBE.all_codes(), surrogate=Slope(1.0, 0.0, 0.0), values=values, starts=3, steps=[1])
    start = next(z for z in model.decoded if len(z) == 3)
    np.testing.assert_array_equal(start[:, :3], CUBE.all_codes()[:3])


def test_only_cells_of_the_space_are_scored():
    def score(codes):
        assert FREE.valid(codes).all()
        return codes.sum(axis=1)

    report = diagnose(Linear(FREE), FREE.all_codes(), surrogate=Slope(1.0, 1.0, 1.0), score=score, steps=[0.7, 9])
    near, far = report.steps
    assert 0 < near.valid < 1 and 0 < near.n < len(FREE.all_codes()) and near.change < 0
    assert far.valid == 0.0 and far.gain is None  # all codes are 0 there: no edge at all
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["steps"][1]["n"] == 0


def test_starts_that_do_not_come_back_have_no_part_in_the_gain():
    class Shrinking(Linear):
        def encode(self, cells):
            return super().encode(cells) * np.float32(0.4)  # 1 comes back as 0, no edge, and 2 as 1

    cells, model = FREE.all_codes(), Shrinking(FREE)
    (step,) = diagnose(
        model, cells, surrogate=Slope(0.0, -1.0, 0.0), score=lambda codes: codes.sum(axis=1), steps=[1.0], samples=9
    ).steps
    start, down, noise = (Linear(FREE).decode(z) for z in model.decoded[-3:])
    valid = [FREE.valid(codes) for codes in (start, down, noise)]
    assert (start == np.where(cells == 2, 1, 0)).all() and (valid[1] & valid[2] & ~valid[0]).any()
    kept = np.all(valid, axis=0)
    assert step.n == kept.sum() > 0
    assert step.gain == pytest.approx((down.sum(axis=1)[kept] - noise.sum(axis=1)[kept].astype(float)).mean())


def test_tau():
    codes, rng = CUBE.all_codes(), np.random.default_rng(0)
    values = rng.normal(size=64) - codes @ [1.0, 0.5, 0.1]
    predicted = -(codes @ [1.0, 0.5, 0.1])
    report = diagnose(Linear(), codes, surrogate=Slope(1.0, 0.5, 0.1), values=values, steps=())
    assert report.tau == pytest.approx(kendall_twin(predicted, values)) and report.tau > 0.3
    assert diagnose(Linear(), codes, surrogate=Slope(1.0, 0.5, 0.1), values=np.ones(64), steps=()).tau is None


# -- a real model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    bench = NASBench201("cifar10")
    cells = bench.space.all_codes()[::8]
    values = bench.validation(cells) / 100
    return bench, cells, values, GraphVAE(bench.space, width=16, latent=8, epochs=8, rng=0).fit(cells, 1 - values)


def test_a_model_and_its_surrogate(fitted):
    bench, cells, values, vae = fitted
    report = crlso.diagnose(vae, cells, surrogate=vae.surrogate_, values=values, score=bench.validation, samples=300)
    assert isinstance(report, crlso.LatentReport) and crlso.LatentReport is LatentReport
    assert report.reconstruction == vae.score(cells) and report.latent == 8
    assert report.tau == pytest.approx(vae.surrogate_.score(vae.encode(cells), 1 - values))
    assert (
        0 < report.convex_position.interval[0] < report.convex_position.share and report.convex_position.tested == 300
    )
    assert report.convexity.convex and 1 < report.effective_dimension <= 8
    assert 0 < report.nearest_distance <= report.random_distance
    assert [step.step for step in report.steps] == [0.125, 0.25, 0.5, 1.0, 2.0]
    assert report.steps[0].changed < report.steps[-1].changed
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["convexity"]["convex"] is True and document["steps"][2]["n"] == len(cells)
    again = diagnose(vae, cells, surrogate=vae.surrogate_, values=values, score=bench.validation, samples=300)
    assert again == report != diagnose(vae, cells, samples=300, rng=1)
    for text in (str(report), report._repr_html_()):
        assert f"{report.convex_position.share:.1%}" in text and "in convex position" in text
        assert "reconstruction" in text and f"{report.tau:.3f}" in text and "over noise" in text
    assert repr(report).startswith(f"LatentReport({len(cells)} cells, ") and "\n" not in repr(report)


@pytest.mark.slow
def test_a_surrogate_without_the_constraint_is_found_out(fitted):
    _, cells, values, vae = fitted
    z = vae.encode(cells)
    bent = ICNNSurrogate(convex=False, epochs=40, learning_rate=1e-2).fit(z, np.cos(3 * z[:, 0]))
    report = diagnose(vae, cells, surrogate=bent, values=values, steps=())
    assert not report.convexity.convex and "not convex" in str(report)


def test_random_cells_by_default(fitted):
    _, _, _, vae = fitted
    report = diagnose(vae, samples=50)
    assert report.n_cells == 50 and report == diagnose(vae, samples=50, rng=0)
    assert "tau" not in repr(report)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"vae": 3}, TypeError, "vae: expected a GraphVAE, or an object with `encode`, got int"),
        ({"cells": [0]}, TypeError, "cell: expected text, 3 codes or a Cell, got int"),
        (
            {"cells": CUBE.all_codes()[[4, 4]], "values": None},
            ValueError,
            "cells: expected at least two different ones, got 1",
        ),
        ({"samples": 1}, ValueError, "samples: expected at least 2, got 1"),
        ({"samples": 2.5}, TypeError, "samples: expected an int, got float"),
        ({"rng": None}, TypeError, "rng"),
        ({"surrogate": "f"}, TypeError, r"surrogate: expected an object with `evaluate\(z\)`, got str"),
        ({"surrogate": None}, ValueError, "values: expected together with a surrogate"),
        ({"cells": None}, ValueError, "values: expected together with cells"),
        ({"values": np.ones(3)}, ValueError, r"values: expected shape \(64,\), one for each cell, got \(3,\)"),
        ({"values": [np.nan] * 64}, ValueError, "values: expected finite numbers, got nan"),
        ({"values": ["a"] * 64}, TypeError, "values: expected real numbers"),
        ({"score": 3}, TypeError, "score: expected a function of codes, got int"),
        ({"score": len, "surrogate": None, "values": None}, ValueError, "score: expected together with a surrogate"),
        ({"score": lambda codes: 1.0}, ValueError, r"score: expected shape \(64,\), one for each cell, got \(\)"),
        ({"score": lambda codes: codes[:, 0] * np.inf}, ValueError, "score: expected finite numbers"),
        ({"steps": [0.0]}, ValueError, "steps: expected positive lengths, got 0.0"),
        ({"steps": [float("nan")]}, ValueError, "steps: expected a finite number, got nan"),
        ({"steps": ["1"]}, TypeError, "steps: expected a number, got str"),
        ({"starts": 0}, ValueError, "starts: expected at least 1, got 0"),
        ({"starts": 65}, ValueError, "starts: expected at most 64, the number of cells, got 65"),
        ({"starts": 3, "values": None}, ValueError, "starts: expected together with values"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_wrong_arguments(arguments, error, message):
    given = {"vae": Linear(), "cells": CUBE.all_codes(), "surrogate": Slope(1.0, 0.0, 0.0), "values": np.arange(64.0)}
    with pytest.raises(error, match=message):
        diagnose(**{**given, **arguments})


def test_a_model_before_its_training():
    with pytest.raises(NotFittedError, match="GraphVAE: expected a fitted model"):
        diagnose(GraphVAE(CUBE))
