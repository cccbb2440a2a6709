"""Snapshots of the two halves of a graph VAE, outside the graph of operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.types import Codes
from crlso.spaces.base import Space

__all__ = ["FrozenDecoder", "FrozenEncoder", "encode_all"]


class FrozenEncoder:
    """A snapshot of the encoder of a :class:`GraphVAE`, fast for many calls with few cells each.

    :meth:`GraphVAE.freeze_encoder` makes it. Its weights are packed once, and later training does not change it. The
    latent of a cell does not depend on the cells that are encoded with it.

    Parameters
    ----------
    space : Space
        Space of the cells.
    network : object
        A snapshot of the core.

    Examples
    --------
    >>> from crlso.models import GraphVAE
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> model = GraphVAE(space, width=8, latent=4).initialise()
    >>> model.freeze_encoder().encode([6111]).shape
    (1, 4)
    """

    def __init__(self, space: Space, network: _core.FrozenEncoder) -> None:
        self._space = space
        self._network = network

    def encode(self, cells: Any) -> npt.NDArray[np.float32]:
        """Return the latents of cells, as :meth:`GraphVAE.encode` does.

        Parameters
        ----------
        cells : array_like
            n cells: anything that ``space.codes`` accepts.

        Returns
        -------
        ndarray of float32, shape (n, latent)
            One latent for each cell, in their order.

        Raises
        ------
        TypeError, ValueError
            If `cells` are no cells of the space, or the weights are so large that a latent is not finite.

        Examples
        --------
        >>> from crlso.models import GraphVAE
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> model = GraphVAE(space, width=8, latent=4).initialise()
        >>> bool((model.freeze_encoder().encode([6111]) == model.freeze_encoder().encode([0, 6111])[1]).all())
        True
        """
        return self._network.encode(self._space.codes(cells))


def encode_all(encoders: Sequence[FrozenEncoder], codes: Codes) -> list[npt.NDArray[np.float32]]:
    """Return the latents of cells by several encoders of one space, whose graphs are found once for all.

    Parameters
    ----------
    encoders : sequence of FrozenEncoder
        At least one, all of spaces with the same nodes, edges and operations.
    codes : ndarray of uint8, shape (n, codes per cell)
        Codes of n cells.

    Returns
    -------
    list of ndarray of float32, shape (n, latent)
        What :meth:`FrozenEncoder.encode` of each encoder returns, to the bit.

    Raises
    ------
    TypeError, ValueError
        If `codes` are no cells of the space, or encoders do not fit each other.
    """
    return _core.encode_cells([encoder._network for encoder in encoders], codes)


class FrozenDecoder:
    """A snapshot of the decoder of a :class:`GraphVAE`, fast for many calls with few latents each.

    :meth:`GraphVAE.freeze_decoder` makes it. Its weights are packed once, and later training does not change it.

    Parameters
    ----------
    space : Space
        Space of the cells.
    network : object
        A snapshot of the core.

    Examples
    --------
    >>> from crlso.models import GraphVAE
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> model = GraphVAE(space, width=8, latent=4).initialise()
    >>> model.freeze_decoder().decode(np.zeros((1, 4))).shape
    (1, 6)
    """

    def __init__(self, space: Space, network: _core.FrozenDecoder) -> None:
        self._space = space
        self._network = network

    def logits(self, z: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the logits of all codes.

        Parameters
        ----------
        z : array_like of float, shape (n, latent)
            Latents of n cells.

        Returns
        -------
        ndarray, shape (n, sum of ``space.cardinalities``)
            One row for each latent; its columns are those of ``space.one_hot``.

        Raises
        ------
        ValueError
            If z is not finite or has another shape.
        TypeError
            If z holds no floats.

        Examples
        --------
        >>> from crlso.models import GraphVAE
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> model = GraphVAE(space, width=8, latent=4).initialise()
        >>> model.freeze_decoder().logits(np.zeros((1, 4))).shape
        (1, 30)
        """
        return self._network.logits(z)

    def decode(self, z: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the codes of the most likely cells, as :meth:`GraphVAE.decode` does.

        Parameters
        ----------
        z : array_like of float, shape (n, latent)
            Latents of n cells.

        Returns
        -------
        ndarray of uint8, shape (n, codes per cell)
            One cell for each latent. In spaces with free edges, some may be invalid.

        Raises
        ------
        TypeError, ValueError
            As :meth:`logits` does.

        Examples
        --------
        >>> from crlso.models import GraphVAE
        >>> from crlso.spaces import NASBench201
        >>> space = NASBench201()
        >>> model = GraphVAE(space, width=8, latent=4).initialise()
        >>> model.freeze_decoder().decode(np.zeros((1, 4))).shape
        (1, 6)
        """
        codes: npt.NDArray[np.uint8] = self._space.from_logits(self._network.logits(z))
        return codes
