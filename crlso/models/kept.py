"""Graph VAEs that are kept in the cache, because training them takes long and needs no accuracies."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crlso._base.cache import cache_folder
from crlso.models.vae import GraphVAE
from crlso.spaces.base import Space

__all__ = ["kept_vae"]

_log = logging.getLogger(__name__)


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
