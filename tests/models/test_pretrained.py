"""The pretrained encoders do what ENCODERS.md says."""

from __future__ import annotations

import numpy as np
import pytest

from crlso.assets import asset_path
from crlso.models import GraphVAE, shipped_latents, shipped_vaes
from crlso.spaces import DARTS, CellSpace, NASBench101


@pytest.mark.parametrize("space", [NASBench101(), DARTS()], ids=lambda space: space.name)
def test_pretrained_models_give_unseen_cells_back(space):
    vae = GraphVAE.pretrained(space)
    cells = space.sample(3000, rng=12345)
    assert vae.score(cells) >= 0.99
    latents = vae.encode(cells)
    random = np.random.default_rng(0).normal(latents.mean(axis=0), latents.std(axis=0), latents.shape)
    valid = space.valid(vae.decode(random)).mean()
    assert valid == 1.0 if space.name == "darts" else 0.7 < valid < 0.9
    assert asset_path(f"encoder_{space.name}.npz").stat().st_size < 3_000_000


def test_cells_of_every_size_are_given_back():
    space = NASBench101()
    vae, cells = GraphVAE.pretrained(space), space.all_codes()
    sizes = (cells[:, :5] > 0).sum(axis=1)
    for size in range(6):
        some = cells[sizes == size][:500]
        assert vae.score(some) >= 0.99, size


def test_training_goes_on_from_a_pretrained_model():
    space = DARTS()
    vae = GraphVAE.pretrained(space).set_params(epochs=0)
    cells = space.sample(200, rng=0)
    before = vae.encode(cells)
    np.testing.assert_array_equal(vae.fit(cells, warm_start=True).encode(cells), before)
    assert vae.set_params(epochs=0).fit(cells).score(cells) < 0.5


def test_other_spaces_have_none():
    with pytest.raises(FileNotFoundError, match=r"space: expected one with a pretrained model .*got cells\[nodes=3"):
        GraphVAE.pretrained(CellSpace(nodes=3, operations=["a"]))


@pytest.mark.parametrize("shipped", [shipped_latents, shipped_vaes])
@pytest.mark.parametrize("space", [b"", "nasbench201", None, np.ones])
def test_what_is_no_space_has_no_shipped_models(shipped, space):
    with pytest.raises(TypeError, match="space: expected a space"):
        shipped(space)
