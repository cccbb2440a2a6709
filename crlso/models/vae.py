"""The graph VAE: cells to latents and back, its latent space shaped by a convex surrogate trained along."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

import crlso._core as _core
from crlso._base.checks import check_int
from crlso._base.types import EpochProgress
from crlso._core import Tensor
from crlso.assets import asset_path
from crlso.models.base import Estimator, check_points, check_targets, train
from crlso.models.graph import CellBatch, CellEncoding, GraphTrunk
from crlso.models.surrogate import ICNNSurrogate
from crlso.nn import SLOPE, Linear, Module, no_grad
from crlso.random import Stream, seed_of
from crlso.spaces.base import Space, check_space

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AuxiliaryHeads", "FrozenDecoder", "GraphVAE"]


class _Encoder(Module):
    """Three message-passing layers, summed over nodes; two affine heads."""

    def __init__(self, space: Any, width: int, latent: int, layers: int, stream: Stream, dtype: str) -> None:
        self.trunk = GraphTrunk(space, width, layers, stream.child("trunk"), dtype=dtype)
        scale = 1.0 / space.n_nodes  # node features are summed
        self.mu = Linear(width, latent, stream.child("mu"), gain=scale, dtype=dtype)
        self.log_variance = Linear(width, latent, stream.child("log_variance"), gain=0.1 * scale, dtype=dtype)

    def __call__(self, batch: CellBatch) -> tuple[Tensor, Tensor]:
        weight = _core.concat([self.mu.weight, self.log_variance.weight])
        bias = _core.concat([tensor for tensor in (self.mu.bias, self.log_variance.bias) if tensor is not None])
        both = self.trunk.pooled(batch, weight, bias)
        latent = self.mu.weight.shape[0]
        return both.slice(0, latent, axis=1), both.slice(latent, 2 * latent, axis=1)


class _Block(Module):
    """``h + B leaky_relu(A h + a) + b``."""

    def __init__(self, width: int, stream: Stream, dtype: str) -> None:
        self.inner = Linear(width, width, stream.child("inner"), activation="leaky_relu", dtype=dtype)
        self.outer = Linear(width, width, stream.child("outer"), dtype=dtype)

    def __call__(self, h: Tensor) -> Tensor:
        return h + self.outer(self.inner(h))


class _Decoder(Module):
    """``tanh(affine z)``, two residual blocks, then the logits of all codes at once: (n, sum of cardinalities)."""

    def __init__(self, space: Any, width: int, latent: int, stream: Stream, dtype: str) -> None:
        self.groups = space.layout.groups
        self.first = Linear(latent, width, stream.child("first"), activation="tanh", dtype=dtype)
        self.blocks = [_Block(width, stream.child(f"block{i}"), dtype) for i in range(2)]
        self.logits = Linear(width, sum(space.cardinalities), stream.child("logits"), dtype=dtype)

    def __call__(self, z: Any) -> Tensor:
        h = self.first(z)
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.logits(h)
        return logits

    def freeze(self) -> _core.FrozenDecoder:
        """The same with its weights packed once."""
        inside = [layer for block in self.blocks for layer in (block.inner, block.outer)]
        return _core.FrozenDecoder([(layer.weight, layer.bias) for layer in (self.first, *inside, self.logits)], SLOPE)

    def cross_entropy(self, logits: Tensor, codes: npt.NDArray[np.integer[Any]]) -> Tensor:
        """Of the codes (n, codes per cell): summed over codes, averaged over cells."""
        parts, first = [], 0
        for begin, end, k in self.groups:
            width = (end - begin) * k
            part = logits if len(self.groups) == 1 else _core.slice(logits, first, first + width, axis=1)
            parts.append(_core.softmax_cross_entropy(_core.reshape(part, (-1, end - begin, k)), codes[:, begin:end]))
            first += width
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class FrozenDecoder:
    """The decoder of a :class:`GraphVAE` as it was when frozen, its weights packed once: for a search that decodes few
    latents at a time, many times. Made by :meth:`GraphVAE.freeze_decoder`; training later does not change it.
    """

    def __init__(self, space: Any, network: _core.FrozenDecoder) -> None:
        self._space = space
        self._network = network

    def logits(self, z: npt.ArrayLike) -> npt.NDArray[Any]:
        """Logits of all codes, shape (n, sum of their numbers of values), at floats z (n, latent).

        Raises
        ------
        ValueError
            When z is not finite or has another shape.
        TypeError
            When z holds no floats.
        """
        return self._network.logits(z)

    def decode(self, z: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Codes of the most likely cells at latents z, as of :meth:`GraphVAE.decode`; errors of :meth:`logits`."""
        codes: npt.NDArray[np.uint8] = self._space.from_logits(self._network.logits(z))
        return codes


class AuxiliaryHeads(Protocol):
    """Heads that are trained along with a :class:`GraphVAE`: what its latents are to tell besides the cell.

    Attributes
    ----------
    name : str
        Names the stream of the training's randomness.
    """

    name: str

    def initialise(self, latent: int, stream: Stream) -> list[Module]:
        """Make the heads anew for latents of some length; their parameters are trained along."""

    def loss(self, z: Tensor, positions: npt.NDArray[np.int64]) -> Tensor:
        """The loss, a Tensor of one element, at sampled latents z (n, latent) of the cells at `positions` (n,)."""


class GraphVAE(Estimator):
    """Variational autoencoder of cells, after CR-LSO.

    The loss of a batch is the reconstruction (cross entropy summed over codes, averaged over cells), plus
    ``kl_weight`` times the divergence from N(0, 1) (summed over latent dimensions, averaged over cells), plus, when
    targets are given, ``surrogate_weight`` times the squared error of an input-convex network on the sampled latents,
    trained along (arXiv 2211.05950). Samples are ``mu + sigma_scale * sigma * noise``; :meth:`encode` gives mu.

    Parameters
    ----------
    space : space of cells
    width, latent, layers : int
        Width of hidden layers, latent dimensions, message-passing layers.
    epochs, batch_size, learning_rate, betas, weight_decay, max_norm
        Of the training with Adam along a cosine schedule; gradients are clipped to the global norm `max_norm`.
    kl_weight, surrogate_weight, sigma_scale : float
    surrogate : ICNNSurrogate, optional
        Parameters of the network that is trained along when targets are given; the object itself is not trained.
    rng : int, numpy.random.Generator or numpy.random.SeedSequence

    Attributes
    ----------
    encoder_, decoder_ : Module
    surrogate_ : ICNNSurrogate or None
        The network trained along, None when no targets were given.
    history_ : list of float
        Mean loss of each epoch.

    Examples
    --------
    >>> from crlso.spaces import NASBench201
    >>> space = NASBench201()
    >>> vae = GraphVAE(space, width=16, epochs=1, rng=0).fit(space.all_codes()[:512])
    >>> vae.decode(vae.encode([0, 1, 2])).shape
    (3, 6)
    """

    _kind = "graph-vae"

    def __init__(
        self,
        space: Space,
        *,
        width: int = 64,
        latent: int = 16,
        layers: int = 3,
        epochs: int = 15,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 3e-5,
        max_norm: float | None = 5.0,
        kl_weight: float = 0.005,
        surrogate_weight: float = 1.0,
        sigma_scale: float = 0.01,
        surrogate: ICNNSurrogate | None = None,
        rng: Any = 0,
    ) -> None:
        self.space = space
        self.width = width
        self.latent = latent
        self.layers = layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.betas = betas
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.kl_weight = kl_weight
        self.surrogate_weight = surrogate_weight
        self.sigma_scale = sigma_scale
        self.surrogate = surrogate
        self.rng = rng

    def initialise(self, *, dtype: str = "float32") -> Self:
        """Make encoder and decoder anew, without training them."""
        for name, value, least in (("width", self.width, 1), ("latent", self.latent, 1), ("layers", self.layers, 2)):
            check_int(name, value, least)
        self._stream = self._new_stream()
        self._dtype = dtype
        sizes = (self.space, self.width, self.latent)
        self.encoder_ = _Encoder(*sizes, self.layers, self._stream.child("encoder"), dtype)
        self.decoder_ = _Decoder(*sizes, self._stream.child("decoder"), dtype)
        self.surrogate_: ICNNSurrogate | None = None
        self.history_: list[float] = []
        return self

    def _new_stream(self) -> Stream:
        return Stream(seed_of(self.rng)).child("vae")

    def loss(
        self,
        batch: CellBatch,
        codes: npt.NDArray[np.integer[Any]],
        noise: npt.ArrayLike,
        targets: Any = None,
        head_loss: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The loss of one batch, as a Tensor of one element (see the class).

        Parameters
        ----------
        batch : CellBatch
            n cells, and
        codes : int array, shape (n, codes per cell)
            their codes.
        noise : array_like, shape (n, latent)
            Standard normal numbers of the model's dtype.
        targets : array_like, shape (n,), optional
            Errors for the surrogate.
        head_loss : callable, optional
            What auxiliary heads add at the sampled latents (n, latent).
        """
        self._fitted()
        mu, log_variance = self.encoder_(batch)
        z = _core.gaussian(mu, log_variance, noise, scale=self.sigma_scale)
        total = self.decoder_.cross_entropy(self.decoder_(z), codes)
        total = total + _core.kl_normal(mu, log_variance) * self.kl_weight
        if targets is not None and self.surrogate_ is not None:
            total = total + _core.mse(self.surrogate_.network_(z), targets) * self.surrogate_weight
        return total if head_loss is None else total + head_loss(z)

    def fit(
        self,
        cells: Any,
        targets: npt.ArrayLike | None = None,
        *,
        heads: AuxiliaryHeads | None = None,
        warm_start: bool = False,
        on_epoch: EpochProgress | None = None,
    ) -> Self:
        """Train on cells.

        Parameters
        ----------
        cells : array_like
            Anything that ``space.codes`` takes, n cells; accuracy is not needed.
        targets : array_like, shape (n,), optional
            Errors, real or predicted ones, for the surrogate that shapes the latent space.
        heads : AuxiliaryHeads, optional
            What the latents are to tell besides the cell, e.g. :class:`crlso.models.SideInformation`.
        warm_start : bool
            True: go on from the parameters of a fitted (or pretrained) model.
        on_epoch : callable, optional
            ``on_epoch(done, epochs)``.

        Returns
        -------
        GraphVAE
            Itself.
        """
        codes = self.space.codes(cells)
        if len(codes) == 0:
            raise ValueError("cells: expected at least one, got none")
        errors = None if targets is None else check_targets(targets, len(codes), "targets")
        if warm_start:
            self._fitted()
            self._stream = self._new_stream()
        else:
            self.initialise()
        stream = self._stream if heads is None else Stream(seed_of(self.rng)).child(heads.name)
        modules: list[Module] = [self.encoder_, self.decoder_]
        modules += [] if heads is None else heads.initialise(self.latent, stream)
        if errors is not None:
            self.surrogate_ = self._new_surrogate(float(errors.mean()))
            modules.append(self.surrogate_.network_)
        encoding = CellEncoding(self.encoder_.trunk, codes)
        classes = codes.astype(np.int64)

        def loss(positions: npt.NDArray[np.int64], step: int) -> Tensor:
            noise = stream.normal("noise", step, (len(positions), self.latent))
            wanted = None if errors is None else errors[positions]
            head_loss = None if heads is None else lambda z: heads.loss(z, positions)
            return self.loss(encoding.batch(positions), classes[positions], noise, wanted, head_loss)

        self.history_ = train(
            [tensor for module in modules for tensor in module.parameters()],
            loss,
            len(codes),
            stream,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
            max_norm=self.max_norm,
            on_epoch=on_epoch,
        )
        return self

    def _new_surrogate(self, mean: float) -> ICNNSurrogate:
        """A surrogate like the one that was given, which stays as it is."""
        if self.surrogate is not None and not isinstance(self.surrogate, ICNNSurrogate):
            raise TypeError(f"surrogate: expected an ICNNSurrogate or None, got {type(self.surrogate).__name__}")
        params = {"rng": self.rng} if self.surrogate is None else self.surrogate.get_params()
        return ICNNSurrogate(**params).initialise(self.latent, mean)

    @classmethod
    def pretrained(cls, space: Space) -> Self:
        """The model of a space that comes with crlso: trained on cells alone, without any accuracy.

        Parameters
        ----------
        space : CellSpace
            :class:`crlso.spaces.NASBench101` or :class:`crlso.spaces.DARTS`.

        Raises
        ------
        FileNotFoundError
            For a space without a pretrained model.
        """
        asset = space.shipped.encoder
        if asset is None:
            raise FileNotFoundError(
                f"space: expected one with a pretrained model (NASBench101, DARTS), got {space.name:.200}; "
                "fit a GraphVAE of its cells instead"
            )
        return cls.load(asset_path(asset), space)

    def encode(self, cells: Any) -> npt.NDArray[np.float32]:
        """Latents (means) of n cells, shape (n, latent)."""
        self._fitted()
        codes = self.space.codes(cells)
        encoding = CellEncoding(self.encoder_.trunk, codes)
        with no_grad():
            parts = [self.encoder_(batch)[0].numpy() for batch in encoding.chunks()]
        return np.concatenate(parts) if parts else np.zeros((0, self.latent), np.float32)

    def decode(self, z: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Codes of the most likely cells at latents z (n, latent): uint8 (n, codes per cell).

        In spaces with free edges they are pruned, and some may be no cells: ``space.valid`` tells.
        """
        decoder = self.freeze_decoder()
        return decoder.decode(check_points(z, self.latent, self._dtype))

    def freeze_decoder(self) -> FrozenDecoder:
        """A snapshot of the decoder for many calls; :meth:`decode` takes one in every call, which many latents repay.

        Returns
        -------
        FrozenDecoder

        Raises
        ------
        RuntimeError
            Before :meth:`fit`.

        Examples
        --------
        >>> from crlso.spaces import NASBench201
        >>> decoder = GraphVAE(NASBench201(), width=16, rng=0).initialise().freeze_decoder()
        >>> decoder.decode(np.zeros((3, 16))).shape
        (3, 6)
        """
        self._fitted()
        return FrozenDecoder(self.space, self.decoder_.freeze())

    def score(self, cells: Any, y: Any = None) -> float:
        """Share of cells that decode(encode(cells)) gives back exactly; `y` is ignored."""
        codes = self.space.codes(cells)
        if len(codes) == 0:
            raise ValueError("cells: expected at least one, got none")
        return float((self.decode(self.encode(codes)) == codes).all(axis=1).mean())

    def _modules(self) -> dict[str, Module]:
        modules: dict[str, Module] = {"encoder": self.encoder_, "decoder": self.decoder_}
        if self.surrogate_ is not None:
            modules["surrogate"] = self.surrogate_.network_
        return modules

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, the surrogate trained along included, to an npz file (no pickle)."""
        self._fitted()
        params = {**self.get_params(), "rng": seed_of(self.rng), "space": self.space.name, "surrogate": None}
        if self.surrogate_ is not None:
            params["surrogate"] = {**self.surrogate_.get_params(), "rng": seed_of(self.surrogate_.rng)}
        self._write(path, params)

    @classmethod
    def load(cls, path: str | os.PathLike[str], space: Space) -> Self:
        """Read a model written by :meth:`save` for the same space."""
        params, states = cls._read(path)
        check_space(params.pop("space"), space)
        with cls._reading(path):
            surrogate = params.pop("surrogate")
            if surrogate is not None:
                surrogate = ICNNSurrogate(**{**surrogate, "betas": tuple(surrogate["betas"])})
            model = cls(space, **{**params, "betas": tuple(params["betas"])}, surrogate=surrogate).initialise()
            if surrogate is not None:
                model.surrogate_ = surrogate.initialise(model.latent)
            model._take(states)
        return model
