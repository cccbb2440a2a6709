"""Encoders trained for a space are kept, and searches with them are those with encoders trained anew."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import numpy as np
import pytest

import crlso
from crlso.methods import CRLSO
from crlso.methods.bayesian import encoders
from crlso.spaces import CellSpace

SMALL = CellSpace(nodes=4, operations=["conv", "pool"], edges="free")
ON_EDGES = CellSpace(nodes=3, operations=["none", "conv", "pool"])


def value_of(cell):
    return float(cell.operations.count("conv")) + 0.01 * sum(cell.codes)


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """A cache in a folder of its own, and a list of the seeds with which encoders are trained, as quickly as can be."""
    monkeypatch.setenv("CRLSO_CACHE", str(tmp_path / "a" / "cache"))
    seeds, usual = [], encoders.shaped_vae

    def shaped_vae(space, codes, features, *, rng, on_epoch, epochs=2, latent=6):
        seeds.append(rng)
        return usual(space, codes, features, rng=rng, on_epoch=on_epoch, epochs=epochs, latent=latent)

    monkeypatch.setattr(encoders, "shaped_vae", shaped_vae)
    return seeds


def run(space=SMALL, rng=0, **options):
    optimiser = CRLSO(space, rng=rng, budget=9, initial=3, **options)
    while optimiser.remaining:
        trial = optimiser.ask()
        optimiser.tell(trial, value_of(trial.cell))
    return [trial.cell for trial in optimiser.trials], optimiser.diagnostics


def files():
    return sorted(Path(os.environ["CRLSO_CACHE"]).iterdir())


@pytest.mark.parametrize("options", [{}, {"reservoir": 8, "candidates": 4}])
def test_a_search_with_kept_encoders_is_the_same(trained, options, monkeypatch):
    first = run(**options)
    assert len(trained) == len(set(trained)) == len(files()) == 2
    assert run(**options) == first and len(trained) == 2
    monkeypatch.setenv("CRLSO_CACHE", "")
    assert run(**options) == first and len(trained) == 4


def test_latents_of_a_kept_encoder_are_the_same_to_the_bit(trained):
    models = [CRLSO(SMALL, reservoir=8).encoder.parts[0].vae for _ in range(2)]
    codes = SMALL.all_codes()
    z = models[0].encode(codes)
    assert z.tobytes() == models[1].encode(codes).tobytes()
    assert models[0].freeze_decoder().logits(z).tobytes() == models[1].freeze_decoder().logits(z).tobytes()
    assert len(trained) == 2


def test_another_space_seed_or_machine_has_encoders_of_its_own(trained, monkeypatch):
    run()
    run(rng=1)
    run(ON_EDGES)
    assert len(trained) == len(files()) == 6
    roles = CellSpace(nodes=4, operations=["conv", "skip"], edges="free")
    run(roles)
    assert len(trained) == len(files()) == 8
    monkeypatch.setattr("crlso._base.cache._arithmetic", lambda: {"isa": "another"})
    run()
    assert len(trained) == len(files()) == 10


def test_other_settings_have_encoders_of_their_own(trained, monkeypatch):
    run()
    usual = encoders.shaped_vae

    def longer(space, codes, features, *, rng, on_epoch, epochs=3, latent=6):
        return usual(space, codes, features, rng=rng, on_epoch=on_epoch, epochs=epochs, latent=latent)

    assert inspect.signature(longer) != inspect.signature(usual)
    monkeypatch.setattr(encoders, "shaped_vae", longer)
    run()
    assert len(trained) == len(files()) == 4


@pytest.mark.parametrize("damage", ["bits", "end", "nothing", "text", "folder"])
def test_a_damaged_file_is_made_anew(trained, damage, caplog):
    first = run()
    path = files()[0]
    content = bytearray(path.read_bytes())
    if damage == "bits":
        content[len(content) // 2] ^= 1
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"bits": bytes(content), "end": content[:-9], "nothing": b"", "text": b"no model"}[damage])
    assert run() == first
    assert len(trained) == 3 and "an encoder in the cache is not used" in caplog.text
    caplog.clear()
    assert run() == first
    assert bool(caplog.records) == (damage == "folder")  # of which no file can be made


def test_no_single_bit_changes_a_kept_encoder(trained):
    first = run()
    path = files()[0]
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 12):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        assert run() == first
    path.write_bytes(content)


def test_a_folder_that_cannot_be_made_costs_the_cache_alone(trained, monkeypatch, tmp_path, caplog):
    first = run()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CRLSO_CACHE", str(tmp_path / "file" / "cache"))
    assert run() == first
    assert len(trained) == 4 and "an encoder is not kept in the cache" in caplog.text


def test_training_is_a_phase_with_progress_from_the_beginning(trained):
    calls = []
    benchmark = crlso.benchmarks.Function(SMALL, value_of)
    for _ in range(2):
        crlso.search(benchmark, budget=4, progress=lambda *call: calls.append(call))
        calls.append(None)
    begin = ("encoders", 0, 2)
    training = [("encoders", done, 4) for done in (1, 2, 2, 3, 4, 4)]
    search = [("search", done, 4) for done in (0, 1, 2, 3, 4)]
    kept = [("encoders", 2, 4), ("encoders", 4, 4)]
    assert calls == [begin, *training, *search, None, begin, *kept, *search, None]


def test_a_comparison_shows_training_and_trains_each_encoder_once(trained):
    calls = []
    benchmark = crlso.benchmarks.Function(SMALL, value_of)
    crlso.compare(benchmark, "cr-lso", seeds=2, budget=4, progress=lambda *call: calls.append(call))
    assert calls[:2] == [("encoders", 0, 2), ("encoders", 1, 4)] and calls[-1] == ("searches", 2, 2)
    assert len(trained) == len(set(trained)) == 4
