"""Graph VAEs whose training is over: those that come with crlso, and those that the cache keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from crlso._base.cache import cache_folder
from crlso.assets import asset_path, open_npz
from crlso.models.vae import GraphVAE
from crlso.spaces.base import Shipped, Space

__all__ = ["kept_vae", "shipped_latents", "shipped_vaes"]

_log = logging.getLogger(__name__)


def shipped_vaes(space: Space) -> list[GraphVAE]:
    """Return the shaped graph VAEs that come with crlso for a space; none for most.

    Parameters
    ----------
    space : Space
        Space of the cells.

    Returns
    -------
    list of GraphVAE
        Fitted models, read from the files of crlso; empty if there are none.
    """
    return [GraphVAE.load(asset_path(name), space) for name in _shipped(space).shaped_encoders]


def shipped_latents(space: Space) -> npt.NDArray[np.float32] | None:
    """Return the latents (encoders, classes, d) that come with crlso for the classes of a space or a part; or None.

    Parameters
    ----------
    space : Space
        Space of the cells.

    Returns
    -------
    ndarray of float32, shape (encoders, classes, d), or None
        Latents of the classes of `space`, in the order of the canonical keys; None if none come with crlso.
    """
    name = _shipped(space).class_latents
    if name is None:
        return None
    with open_npz(name) as asset:
        latents: npt.NDArray[np.float32] = asset["latents"]
    if space.whole is space:
        return latents
    rows: npt.NDArray[np.float32] = latents[:, space.whole.classes().locate(space.classes().codes)]
    return rows


def _shipped(space: Space) -> Shipped:
    shipped = getattr(space, "shipped", None)
    if not isinstance(shipped, Shipped):
        raise TypeError(f"space: expected a space of crlso.spaces, got {type(space).__name__}")
    return shipped


def kept_vae(key: str, space: Space, train: Callable[[], GraphVAE]) -> GraphVAE:
    """Return the graph VAE that the cache has under a key, or else train it and keep it there.

    A file that is damaged, or cannot be read or written, is logged, and the model is trained anew.

    Parameters
    ----------
    key : str
        Names the file: a digest of all that the training depends on.
    space : Space
        Space of the model.
    train : callable
        ``train()`` returns the fitted model.

    Returns
    -------
    GraphVAE
        The model read from the cache, or the one that `train` returned.
    """
    folder = cache_folder()
    if folder is None:
        return train()
    path = folder / f"encoder-{key}.npz"
    try:
        return GraphVAE.load(path, space)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        _log.warning("an encoder in the cache is not used: %s", error)
    vae = train()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        vae.save(path)
    except OSError as error:
        _log.warning("an encoder is not kept in the cache: %s", error)
    return vae
